"""The recordings of the real Nova: served, checked, written again, and never lost."""

import datetime
import json
import lzma
import re

import pytest

from explorer import EXPLORATIONS, Scenario, run
from explorer.commands import conform
from explorer.engines import recordings
from explorer.engines.cloud import Cloud
from explorer.errors import WrongUse
from explorer.stations import BY_KEY, NOVA
from explorer.trace import Trace
from tests.conftest import CASES

NAMES = list(recordings.scenarios())


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the recordings, in a separate file."""
    path = tmp_path / 'recordings.jsonl.xz'
    path.write_bytes(recordings.RECORDINGS_FILE.read_bytes())
    return path


def replayed(**changes):
    """Return a `run` that answers as recorded, except for *changes*: {name: change(trace as plain data)}."""
    def run_recorded(scenario):
        name, = (name for name, known in recordings.scenarios().items() if known == scenario)
        if name not in changes:
            return recordings.trace_of(name)
        data = json.loads(recordings.trace_of(name).to_json())
        changes[name](data)
        return Trace.from_json(json.dumps(data))
    return run_recorded


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_each_exploration_and_its_comparison_is_served(row):
    for scenario in (row.scenario, row.versus):
        trace = run(scenario, engine='recorded')
        assert trace.engine == 'recorded'
        assert Scenario(**trace.scenario) == scenario
        assert trace.steps


@pytest.mark.parametrize('name', recordings.PAUSES)
def test_another_action_is_served(name):
    trace = run(recordings.PAUSES[name], engine='recorded')
    assert trace.request['body'] == {'pause': None}
    assert trace == recordings.trace_of(name)


def test_the_recordings_are_small_and_labelled_with_versions_and_date():
    head = recordings.head_of()
    assert head['nova'] == NOVA
    assert re.fullmatch(r'3\.\d+\.\d+', head['python'])
    assert datetime.date.fromisoformat(head['date'])
    assert list(head['scenarios']) == NAMES
    assert recordings.RECORDINGS_FILE.stat().st_size < 150_000
    trace = recordings.trace_of('client')
    assert (trace.versions['nova'], bool(trace.versions['oslo.messaging'])) == (NOVA, True)


def test_the_recordings_hold_no_secret_and_no_path_of_a_machine():
    text = lzma.decompress(recordings.RECORDINGS_FILE.read_bytes()).decode()
    assert '***' in text
    assert not re.search(r'"/(root|home|work|tmp|usr|var)/', text)
    assert not re.search(r'(?i)"(auth_token|x-auth-token|password)": "[0-9a-f]{20,}', text)


def test_every_step_names_a_station_and_its_place_in_nova():
    head = recordings.head_of()
    for name in NAMES:
        for step in recordings.trace_of(name).steps:
            assert step.station in BY_KEY
            assert head['places'][step.station][0] == BY_KEY[step.station].nova_file


def test_a_state_that_spells_out_the_defaults_is_the_same_request():
    usual = Cloud().server_defaults
    asked = Scenario(state={name: usual[name] for name in ('vm_state', 'task_state', 'locked_by')})
    assert run(asked, engine='recorded') == run(engine='recorded')


@pytest.mark.parametrize(('call', 'says'), [
    (lambda: run(Scenario(host='moon'), engine='recorded'),
     'there is no recording of this request; .*, or choose one of: client'),
    (lambda: run(cloud=Cloud(hosts=()), engine='recorded'), 'there are recordings only of the default cloud')])
def test_a_missing_recording_is_reported_with_the_remedy(call, says):
    with pytest.raises(WrongUse, match=says) as error:
        call()
    assert '\n' not in str(error.value)
    assert 'engine="nova"' in str(error.value)


@pytest.mark.parametrize(('content', 'says'), [
    (b'', 'damaged'), (b'not xz', 'damaged'), (lzma.compress(b'{}'), 'damaged'), (lzma.compress(b'[1]\n'), 'damaged'),
    (recordings.RECORDINGS_FILE.read_bytes()[:5000], 'damaged'), (None, 'No such file')])
def test_a_missing_or_damaged_file_is_reported_in_one_line(copy, content, says):
    copy.unlink() if content is None else copy.write_bytes(content)
    with pytest.raises(WrongUse, match=says) as error:
        recordings.recorded(Scenario(), copy)
    assert '\n' not in str(error.value)
    assert 'python -m explorer record' in str(error.value)


def test_recordings_of_another_version_are_refused(copy):
    head, *lines = lzma.decompress(copy.read_bytes()).decode().splitlines()
    copy.write_bytes(lzma.compress('\n'.join([json.dumps({**json.loads(head), 'nova': '33.0.0'}), *lines]).encode()))
    with pytest.raises(WrongUse, match=r'of nova 33\.0\.0, but this version needs nova 34\.0\.0'):
        recordings.recorded(Scenario(), copy)


def test_the_check_also_compares_with_recordings_of_another_version(copy):
    head, *lines = lzma.decompress(copy.read_bytes()).decode().splitlines()
    copy.write_bytes(lzma.compress('\n'.join([json.dumps({**json.loads(head), 'nova': '33.0.0'}), *lines]).encode()))
    assert recordings.stale(replayed(), copy) == ['recorded with nova 33.0.0, compared with nova 34.0.0']


def test_the_recorded_trace_is_the_one_that_is_served(copy):
    before = {name: recordings.trace_of(name) for name in NAMES}
    assert recordings.record(replayed(), lambda traces: {'routematch': 'same'}, copy) == NAMES
    assert recordings.head_of(copy)['badges'] == {'routematch': 'same'}
    assert {name: recordings.trace_of(name, copy) for name in NAMES} == before


def test_a_failed_recording_leaves_the_old_file(copy, tmp_path):
    def fails(scenario):
        raise WrongUse('the real Nova is not installed')
    before = copy.read_bytes()
    with pytest.raises(WrongUse, match='not installed'):
        recordings.record(fails, lambda traces: {}, copy)
    assert copy.read_bytes() == before
    (tmp_path / 'no').mkdir()
    with pytest.raises(WrongUse, match='cannot be written'):
        recordings.record(replayed(), lambda traces: {}, tmp_path / 'no')
    with pytest.raises(WrongUse, match='cannot be written'):
        recordings.record(replayed(), lambda traces: {}, tmp_path / 'nowhere/recordings')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['no', 'recordings.jsonl.xz']


def test_the_check_finds_nothing_if_nothing_has_changed(copy):
    assert recordings.stale(replayed(), copy) == []


@pytest.mark.parametrize(('change', 'says'), [
    (lambda data: data['response'].update(status=418), 'response.status'),
    (lambda data: data['messages'][0].update(version='1.27'), 'messages.0.version'),
    (lambda data: data['outcome'].update(task_state_after='flying'), 'outcome.task_state_after'),
    (lambda data: data['steps'].pop(), 'steps'),
    (lambda data: data['steps'][3].update(line=1), 'steps.3.2'),
    (lambda data: data['also_ran']['4'].update({'nova.moon.fly': 1}), 'also_ran')])
def test_the_check_reports_what_has_changed(copy, change, says):
    lines = recordings.stale(replayed(client=change), copy)
    assert lines
    assert all(line.startswith('client: ') for line in lines)
    assert any(says in line for line in lines)


def test_the_check_reports_what_is_missing_or_no_longer_needed(copy, monkeypatch):
    asked = recordings.scenarios()
    monkeypatch.setattr(recordings, 'scenarios', lambda: {
        **{name: scenario for name, scenario in asked.items() if name != 'no token'}, 'new': asked['client']})
    lines = recordings.stale(lambda scenario: recordings.trace_of('client'), copy)
    assert 'new: not recorded' in lines
    assert 'no token: recorded, but no longer a scenario' in lines


# ---------------------------------------------------------- the steps of MAINTAINING.md, on a changed recording


def changed_cases(path):
    """Write the first cases, some with answers as of another Nova, and return the ids of those."""
    data = json.loads(CASES.read_text())
    data['cases'] = [case for case in data['cases'] if not case['outside_path']][:6]
    for case in data['cases'][:2]:
        case['expect']['status'] = 418
    path.write_text(json.dumps(data))
    return [case['id'] for case in data['cases'][:2]]


@pytest.mark.parametrize('engine', ['miniature', pytest.param('nova', marks=pytest.mark.nova)])
def test_cases_are_answered_again_and_changes_are_reported(tmp_path, engine):
    old, new = tmp_path / 'old.json', tmp_path / 'new.json'
    changed = changed_cases(old)
    lines, agree = conform.conform(old, 'full', engine=engine)
    assert not agree
    assert [line.split(':')[0] for line in lines if ': status: expected' in line] == changed
    lines = conform.record_cases(old, new, engine=engine)
    assert [line.split(':')[0] for line in lines[:-1]] == changed
    assert lines[-1].startswith(f'6 cases recorded with nova {NOVA}, 2 of them')
    lines, agree = conform.conform(new, 'full', engine=engine)
    assert (lines[-1], agree) == ('6 of 6 cases agree at level full', True)
    fresh = json.loads(new.read_text())
    assert fresh['nova'] == NOVA
    assert [case['given'] for case in fresh['cases']] == [
        case['given'] for case in json.loads(old.read_text())['cases']]


def test_unwritable_cases_are_refused_and_nothing_is_left_behind(tmp_path):
    changed_cases(tmp_path / 'old.json')
    (tmp_path / 'folder').mkdir()
    for target in (tmp_path / 'folder', tmp_path / 'no/new.json'):
        with pytest.raises(WrongUse, match='cannot be written'):
            conform.record_cases(tmp_path / 'old.json', target, engine='miniature')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['folder', 'old.json']


@pytest.mark.nova
def test_the_check_finds_a_changed_recording_and_record_repairs_it(copy):
    """Follow MAINTAINING.md: check, record, check."""
    import functools

    from explorer.views import reasons
    head, *lines = lzma.decompress(copy.read_bytes()).decode().splitlines()
    first = json.loads(lines[0])
    first['messages'][0]['version'] = '1.14'
    copy.write_bytes(lzma.compress('\n'.join([head, json.dumps(first), *lines[1:]]).encode()))
    recordings._lines.cache_clear()
    recordings.trace_of.cache_clear()
    real = functools.partial(run, engine='nova')
    assert any('messages.0.version' in line for line in recordings.stale(real, copy))
    recordings.record(real, functools.partial(reasons.badges_of, run), copy)
    assert recordings.stale(real, copy) == []
    assert recordings.head_of(copy)['badges'] == recordings.head_of()['badges']


def test_damaged_recordings_never_count_as_missing(monkeypatch):
    from explorer.engines import running
    from explorer.engines.running import run_real

    def damaged(scenario):
        raise WrongUse('the recordings are damaged')
    monkeypatch.setattr(running, 'recorded', damaged)
    with pytest.raises(WrongUse, match=r'^the recordings are damaged$'):
        run_real(Scenario())
