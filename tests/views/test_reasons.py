"""The miniature compared with the real Nova: the same stations, messages and responses, and a reason for the rest."""

import collections
import dataclasses

import pytest

from explorer import EXPLORATIONS, Scenario, compare, run
from explorer.engines import recordings
from explorer.engines.cloud import Cloud
from explorer.stations import BY_KEY
from explorer.views import reasons
from explorer.views.reasons import NEXT_FIND, NEXT_GIVEN
from tests.conftest import REAL

SCENARIOS = recordings.scenarios()


@pytest.fixture(scope='module', params=REAL)
def pairs(request):
    """Every recorded scenario, answered by both: {name: (miniature, real)}."""
    return {name: (run(scenario), run(scenario, engine=request.param)) for name, scenario in SCENARIOS.items()}


@pytest.mark.parametrize('name', SCENARIOS)
def test_both_visit_the_same_stations_in_the_same_order(pairs, name):
    miniature, real = pairs[name]
    assert [step.station for step in miniature.steps] == [step.station for step in real.steps]
    assert [step.node for step in miniature.steps] == [step.node for step in real.steps]


@pytest.mark.parametrize('name', SCENARIOS)
def test_both_end_the_same_or_there_is_a_reason(pairs, name):
    found = reasons.differences_at_the_end(*pairs[name])
    assert [path for path, *_ in found if path[0] != 'outcome'] == []
    assert [each for each in found if not reasons.payload_reason(each[0])] == []


@pytest.mark.parametrize('name', SCENARIOS)
def test_everything_else_that_the_real_nova_does_or_holds_has_a_reason(pairs, name):
    found = reasons.pairs(*pairs[name])
    assert [(pair.station, name) for pair in found for name in pair.also_ran
            if not reasons.reason(name, pair.station)] == []
    assert [(pair.station, *each) for pair in found for each in pair.payload
            if not reasons.payload_reason(each[1])] == []


def test_the_seven_explorations_and_their_comparisons_are_among_them(pairs):
    asked = [scenario for row in EXPLORATIONS for scenario in (row.scenario, row.versus)]
    assert all(scenario in SCENARIOS.values() for scenario in asked)
    assert len(pairs) == len(SCENARIOS) >= 20


@pytest.mark.parametrize(('name', 'status', 'sent'), [
    ('a pause', 202, True), ('a pause, as a member', 202, True),
    ('a pause of a locked server, as a member', 409, False),
    ('a pause of a stopped server', 409, False), ('a pause, as a reader', 403, False)])
def test_both_answer_a_pause_and_only_a_good_one_reaches_the_host(pairs, name, status, sent):
    for trace in pairs[name]:
        assert trace.response['status'] == status
        fields = 'kind', 'topic', 'server', 'method', 'version'
        assert [tuple(each[name] for name in fields) for each in trace.messages] == (
            [('cast', 'compute', 'host1', 'pause_instance', '6.0')] if sent else [])
        assert trace.outcome['task_state_after'] == ('pausing' if sent else None)
        assert [action['action'] for action in trace.outcome['actions']] == (['pause'] if sent else [])


@pytest.mark.parametrize('station', ['_pause', 'pause', 'rpcapi.pause_instance'])
def test_both_visit_the_stations_of_a_pause(pairs, station):
    for trace in pairs['a pause']:
        assert len(trace.find(station)) == 1


def test_every_reason_is_needed():
    """A reason for a difference that no longer occurs is a sentence that is no longer true."""
    used, paths = set(), set()
    for name in SCENARIOS:
        real = recordings.trace_of(name)
        miniature = run(Scenario(**real.scenario))
        for pair in reasons.pairs(miniature, real):
            used |= {reasons.reason(name, pair.station) for name in pair.also_ran}
            paths |= {reasons.payload_reason(path) for _, path, *_ in pair.payload}
        paths |= {reasons.payload_reason(path) for path, *_ in reasons.differences_at_the_end(miniature, real)}
    assert {*reasons.REASONS.values(), *reasons.AT.values()} - used == set()
    assert set(reasons.AT) <= set(BY_KEY)
    assert {says for _, says in reasons.PAYLOADS} - paths == set()


def test_a_badge_is_computed_from_what_was_found(walk):
    real = run(engine='recorded')
    found = {pair.station: pair for pair in reasons.pairs(walk, real)}
    assert found['check_instance_lock'].badge in ('same', 'simplified')
    same = dataclasses.replace(found['routematch'], also_ran={}, payload=[])
    assert same.badge == 'same'
    assert dataclasses.replace(same, also_ran={'nova.x': 1}).badge == 'simplified'
    assert dataclasses.replace(same, payload=[('before', ('x',), 1, 2)]).badge == 'simplified'
    assert dataclasses.replace(same, ours=None).badge == 'left out'


def test_the_worst_badge_of_a_station_counts():
    pair = reasons.Pair('routematch', 1, 1, {}, [])
    assert reasons.badges([pair, dataclasses.replace(pair, also_ran={'nova.x': 1})]) == {'routematch': 'simplified'}
    assert reasons.badges([pair, dataclasses.replace(pair, ours=None)]) == {'routematch': 'left out'}
    assert reasons.badges([pair]) == {'routematch': 'same'}


def test_the_stored_badges_are_up_to_date():
    traces = {name: recordings.trace_of(name) for name in SCENARIOS}
    kept = recordings.head_of()['badges']
    assert kept == reasons.badges_of(run, traces)
    assert set(kept) <= set(BY_KEY)
    assert len(set(kept.values())) > 1


@pytest.mark.parametrize('change', ['payload', 'also_ran', 'step'])
def test_a_change_in_the_miniature_or_the_real_one_is_seen(walk, change):
    """A comparison that cannot fail shows nothing."""
    import json
    real = run(engine='recorded')
    text = json.loads(real.to_json())
    step = next(step for step in text['steps'] if step['station'] == 'routematch')
    if change == 'payload':
        step['before']['url'] = '/elsewhere'
        step['result'] = 'nothing'
    elif change == 'also_ran':
        text['also_ran'].setdefault(str(step['index']), {})['nova.moon.fly'] = 1
    else:
        step['station'] = 'validate'
    other = type(real).from_json(json.dumps(text))
    before, after = (collections.Counter(pair.badge for pair in reasons.pairs(walk, trace)) for trace in (real, other))
    assert before != after
    if change == 'also_ran':
        assert reasons.reason('nova.moon.fly', 'routematch') is None
        assert 'no reason has been written down yet' in str(compare(walk, other))
    assert compare(walk, other).words != compare(walk, real).words


@pytest.mark.parametrize(('scenario', 'following'), [
    (Scenario(), NEXT_FIND), (Scenario(host='host2', microversion='2.29'), NEXT_GIVEN)])
def test_what_the_miniature_says_comes_next_is_what_the_real_conductor_does(scenario, following):
    real = run(scenario, engine='recorded')
    ran = list(real.also_ran[str(real.find('_live_migrate')[0].index)])
    names = list(dict.fromkeys(name for name, _ in following))
    assert sorted(names, key=ran.index) == names


def test_the_comparison_shows_the_difference_in_words_text_and_html(walk):
    beside = compare(walk, run(engine='recorded'))
    assert beside.with_real
    assert beside.words.startswith(
        f'the same {len(walk.steps)} visits in the same order; the same message, the same response, the same final')
    shown = beside._repr_html_()
    for name, station in (('nova.policy.default_target', 'check_is_admin'),
                          ('nova.objects.instance._expected_cols', 'Instance.save')):
        for text in (str(beside), shown):
            assert f'{name.rpartition(".")[0]}: ' in text
            assert name.rpartition('.')[2] in text
            assert reasons.reason(name, station) in text


def test_a_different_final_state_is_shown_with_the_reason():
    scenario = recordings.REFUSALS['no host is left, over a cast']
    beside = compare(run(scenario), run(scenario, engine='recorded'))
    for text in (str(beside), beside._repr_html_()):
        assert 'a different final state' in text
        assert 'outcome.actions.0.message' in text
        assert 'records its failure in the instance action' in text


def test_a_value_that_one_of_them_lacks_is_a_difference_even_where_values_vary():
    assert reasons._varies(('updated_at',), '2026-01-01', '2026-01-02')
    assert not reasons._varies(('updated_at',), '2026-01-01', None)


def test_the_order_of_the_two_does_not_matter(walk):
    real = run(engine='recorded')
    assert compare(real, walk).words == compare(walk, real).words


def test_the_comparison_reports_where_they_part():
    words = compare(run(Scenario(caller='reader')), run(engine='recorded')).words
    assert 'only in the real Nova' in words
    assert 'a different response' in words


def test_two_runs_of_the_real_one_are_compared_like_two_of_the_miniature():
    beside = compare(run(engine='recorded'), run(Scenario(microversion='2.30'), engine='recorded'))
    assert not beside.with_real
    assert beside.words == 'the same until `conductor-api`; then call instead of cast'


def test_the_recordings_are_of_the_default_cloud():
    assert all(scenario.server in Cloud().servers for scenario in SCENARIOS.values())
