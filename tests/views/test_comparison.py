"""Two runs side by side: where they part, in words, and what differs."""

import pytest

from explorer import EXPLORATIONS, Scenario, compare, run
from explorer.views.comparison import lasting, news, table
from explorer.views.facts import turned_back


@pytest.mark.parametrize(('a', 'b', 'words'), [
    (Scenario(), Scenario(), 'the same throughout'),
    (Scenario(microversion='2.34'), Scenario(microversion='2.30'),
     'the same until `conductor-api`; then call instead of cast'),
    (Scenario(microversion='2.30'), Scenario(microversion='2.34'),
     'the same until `conductor-api`; then cast instead of call'),
    (Scenario(host='host2'), Scenario(host='host2', microversion='2.29'),
     'the same until `controller`; then without MigrateServerController._get_force_param_for_live_migration; then the '
     'same until `conductor-api`; then call instead of cast, with the hint host2 instead of None'),
    (Scenario(), Scenario(caller='reader'),
     'the same until `controller`; then rejected by authorize, with 403 instead of 202'),
    (Scenario(caller='reader'), Scenario(),
     'the same until `controller`; then not rejected by authorize, with 202 instead of 403'),
    (Scenario(), Scenario(caller='manager', state={'locked_by': 'owner'}),
     'the same until `compute-api`; then rejected by check_instance_lock, with 409 instead of 202'),
    (Scenario(), Scenario(state={'vm_state': 'stopped'}),
     'the same until `compute-api`; then rejected by check_instance_state, with 409 instead of 202'),
    (Scenario(), Scenario(block_migrate=True),
     'the same stations throughout; args.block_migrate is True instead of "auto", from do_live_migration on'),
    (Scenario(), EXPLORATIONS[1].versus,
     "without the client's part; then the same until `service`; then rejected by AuthProtocol.process_request, with "
     '401 instead of 202'),
    (Scenario(), Scenario(host='host2'), 'the same until `compute-api`; then also ComputeNodeList.get_all_by_host'),
    (Scenario(host='host2'), Scenario(), 'the same until `compute-api`; then without ComputeNodeList.get_all_by_host'),
])
def test_the_words_say_where_two_runs_part(a, b, words):
    assert compare(run(a), run(b)).words == words


def test_every_step_of_both_is_in_one_row_in_order(walk):
    other = run(Scenario(microversion='2.29', host='host2'))
    rows = compare(other, walk).rows
    assert [row.a for row in rows if row.a is not None] == list(range(len(other.steps)))
    assert [row.b for row in rows if row.b is not None] == list(range(len(walk.steps)))
    for row in rows:
        if row.a is not None and row.b is not None:
            assert other.steps[row.a].station == walk.steps[row.b].station


def test_a_difference_is_shown_where_it_begins():
    beside = compare(run(Scenario(host='host2')), run(Scenario(host='host2', microversion='2.29')))
    told = {beside.a.steps[row.a].station: differences for row, differences in news(beside)
            if not isinstance(row, int) and row.a is not None}
    assert ('async_', 'True', 'False') in told['_migrate_live']
    assert ('scheduler_hint.host', 'None', '"host2"') in told['ComputeTaskAPI.live_migrate_instance']
    assert ('wait_for_reply', 'None', 'True') in told['send']


@pytest.mark.parametrize(('scenario', 'station'), [
    (Scenario(caller='reader'), 'authorize'),
    (Scenario(caller='manager', state={'locked_by': 'owner'}), 'check_instance_lock')])
def test_the_step_that_decides_is_never_folded_away(scenario, station):
    beside = compare(run(Scenario()), run(scenario))
    shown = [row for row, _ in news(beside) if not isinstance(row, int) and row.b is not None]
    assert turned_back(beside.b).station == station
    assert turned_back(beside.b).index in [row.b for row in shown]


def test_the_text_and_the_table_have_the_same_content():
    beside = compare(run(Scenario(microversion='2.30')), run(Scenario(microversion='2.34')))
    text, shown = str(beside), beside._repr_html_()
    for row, differences in news(beside):
        if isinstance(row, int):
            assert f'{row} step' in text
            assert f'{row} step' in shown
        for path, *_ in differences[:6]:
            assert path in text
            assert path in shown
    assert beside.words in text


def test_request_ids_and_times_do_not_count():
    value = {'id': 'req-0b0f5a3c-8a0e-4f5e-9b1e-0f8f0a1b2c3d', 'at': '2026-01-01T00:00:00.123Z', 'start': 1.5,
             'date': ['Mon, 23 Nov 2026 02:33:53 GMT'], 'host': 'host2'}
    assert lasting(value) == {'id': '…', 'at': '…', 'date': ['…'], 'host': 'host2'}


def test_nothing_from_a_payload_becomes_markup():
    beside = compare(run(Scenario(host='<img src=x>\u202e')), run(Scenario(host='host2')))
    shown = table(beside)
    assert '&lt;img' in shown
    assert '<img' not in shown
    assert '\u202e' not in shown + str(beside)
