"""The history: what each release of Nova had, checked against known facts."""

import re

import pytest

from explorer.errors import WrongUse
from explorer.stations import NOVA, STATIONS
from explorer.views import history
from tests.conftest import ROOT

KNOWN = [key for key in history.known_names().values() if key]


def test_the_history_runs_from_liberty_to_the_release_of_the_table():
    versions = list(history.releases())
    assert (len(versions), versions[0], versions[-1]) == (24, '12.0.0', NOVA)
    assert '18.0.0.0b1' in versions


@pytest.mark.parametrize('key', KNOWN)
def test_the_newest_release_names_the_file_of_the_station(key):
    station = next(station for station in STATIONS if station.key == key)
    assert history.history(key).releases[-1].file == station.nova_file


@pytest.mark.parametrize('key', KNOWN)
def test_the_line_is_where_the_recorded_step_was(key):
    """The two sources are independent: the source of the releases, and a run of the real Nova."""
    from explorer.engines.recordings import head_of
    file, line = head_of()['places'][key]
    last = history.history(key).releases[-1]
    assert last.file == file
    inner = '<locals>' in next(station.nova for station in STATIONS if station.key == key)
    assert last.line <= line if inner else abs(last.line - line) <= 1  # with or without its first decorator


@pytest.mark.parametrize(('station', 'version', 'says'), [
    ('rpcapi.live_migrate_instance', '14.0.0', 'appears'),
    ('_migrate_live', '14.0.0', 'checks microversions +2.34 +2.30'),
    ('_migrate_live', '19.0.0', '"2.68"'), ('live_migrate', '18.0.0', 'async_=False'),
    ('nova.cmd.api.main', '32.0.0', 'is gone'), ('live_migrate', '34.0.0', 'reject_mem_enc_instances')])
def test_a_change_is_reported_where_it_happened(station, version, says):
    row, = (row for row in history.history(station).releases if row.version == version)
    assert says in '; '.join(row.changes)


def test_a_text_that_never_changed_is_reported():
    assert history.history('rpcapi.live_migrate_instance').never[0] == 'its text'
    assert 'its text' not in history.history('live_migrate').never
    assert 'file' in history.history('live_migrate').never


@pytest.mark.parametrize(('question', 'answer'), [
    ('article', '18.0.0.0b1'), ('cast', '14.0.0 Newton'), ('XenAPI', '22.0.0 Victoria'), ('nova-api', '32.0.0')])
def test_the_first_question_people_ask_is_answered(question, answer):
    found = [says for asked, says in history.answers() if question in asked]
    assert any(answer in says for says in found), found


def test_a_fact_is_reported_where_it_changes():
    versions = history.fact('max_microversion')
    assert versions[0] == ('12.0.0', 'Liberty', '2.12')
    assert versions[-1][2] == '2.104'
    assert [value for *_, value in versions] == list(dict.fromkeys(value for *_, value in versions))


def test_the_table_the_text_and_the_html_have_the_same_content():
    past = history.history('_migrate_live')
    frame = past.frame()
    assert list(frame['version']) == list(history.releases())
    for row in past.releases:
        assert f'{row.file}:{row.line}' in str(past)
        assert f'{row.file}:{row.line}' in past._repr_html_()
        for change in row.changes:
            assert change in str(past)


def test_the_chart_has_a_bar_for_each_text_and_the_same_in_numbers():
    chart = history.chart()
    names = [name for name, _ in chart.rows]
    assert len(names) == len(set(names)) >= 15
    for name, variants in chart.rows:
        line = next(line for line in str(chart).splitlines() if line.startswith(f'{name} '))
        assert [int(each) if each != '·' else None for each in line.removeprefix(name).split()] == list(variants)
    bars = sum(1 for _, variants in chart.rows for _ in history._stretches(variants))
    assert chart._repr_html_().count('<rect') == bars
    assert len(chart._repr_html_()) < 30_000


def test_an_unknown_station_or_fact_is_refused_with_the_known_ones():
    with pytest.raises(WrongUse, match=r"the history of 'moon' is not known; choose .*_migrate_live"):
        history.history('moon')
    with pytest.raises(WrongUse, match=r"there is no fact 'moon'; choose one of .*max_microversion"):
        history.fact('moon')


def test_the_command_line_prints_the_history(explorer):
    done = explorer('history', '_migrate_live')
    assert done.returncode == 0
    assert done.stdout.rstrip() == str(history.history('_migrate_live'))
    asked = explorer('history').stdout
    assert all(answer in asked for _, answer in history.answers())
    wrong = explorer('history', 'moon')
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count('\n')) == (2, '', 1)


def test_the_caught_errors_of_a_function_are_names_of_exceptions():
    for version, release in history.releases().items():
        for name, function in release['functions'].items():
            assert all(re.fullmatch(r'(\w+\.)*[A-Z]\w+', each) for each in function.get('caught', ())), (version, name)


def test_a_function_whose_text_is_unknown_counts_no_text():
    past = history.history('nova.wsgi.osapi_compute.<module>')
    assert 'its text' not in past.never
    assert {row.variant for row in past.releases} == {None}


def test_the_data_holds_no_text_of_nova():
    text = (ROOT / 'explorer/views/releases.json').read_text()
    assert not re.search(r'\bdef \w+\(self|"""', text)
