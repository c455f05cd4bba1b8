"""The hook and the trace."""

import contextlib
import json
import pathlib
import re
import sys
import threading
import time

import pytest

from explorer import EXPLORATIONS, Scenario, Trace, payloads, pipeline, run, trace
from explorer.engines import runner
from explorer.engines.cloud import Cloud
from explorer.errors import WrongUse
from explorer.stations import STATIONS, Station

# ---------------------------------------------------------------------------------------------------- the hook


def plain(x, fails=False):
    y = x + 1
    if fails:
        raise ValueError(y)
    return y


def caught(x):
    with contextlib.suppress(ValueError):
        plain(x, fails=True)
    return 'went on'


def generator(x):
    yield x
    yield x + 1


class Log:
    def __init__(self):
        self.events, self.lines = [], []

    def enter(self, code, frame):
        self.events.append(('enter', code.co_name, dict(frame.f_locals)))

    def line(self, code, number):
        self.lines.append(number - code.co_firstlineno)

    def leave(self, code, frame, result, error):
        self.events.append(('leave', code.co_name, result, repr(error) if error else None))


def watched(function, call=None):
    log = Log()
    with trace.watch([function.__code__], log.enter, log.line, log.leave):
        (call or (lambda: function(1)))()
    return log


def test_the_hook_sees_arguments_lines_and_result():
    log = watched(plain)
    assert log.events == [('enter', 'plain', {'x': 1, 'fails': False}), ('leave', 'plain', 2, None)]
    assert log.lines == [1, 2, 4]


def test_the_hook_sees_the_true_exception():
    log = watched(plain, lambda: caught(1))
    assert log.events[-1] == ('leave', 'plain', None, 'ValueError(2)')


def test_an_exception_that_is_caught_inside_is_not_an_error_of_the_function():
    assert watched(caught).events[-1] == ('leave', 'caught', 'went on', None)


def test_the_hook_sees_other_threads():
    def call():
        thread = threading.Thread(target=plain, args=(1,))
        thread.start()
        thread.join()
    assert [event[0] for event in watched(plain, call).events] == ['enter', 'leave']


def test_functions_that_are_not_watched_are_not_seen():
    log = watched(plain, lambda: list(generator(plain(1))))
    assert [event[1] for event in log.events] == ['plain', 'plain']


def test_the_hook_is_gone_afterwards_even_after_an_error():
    before = sys.gettrace(), threading.gettrace()
    tools = [sys.monitoring.get_tool(n) for n in range(6)] if hasattr(sys, 'monitoring') else []
    for error in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), trace.watch([plain.__code__], *[lambda *_: None] * 3):
            raise error
    assert (sys.gettrace(), threading.gettrace()) == before
    assert tools == ([sys.monitoring.get_tool(n) for n in range(6)] if hasattr(sys, 'monitoring') else [])


def counted(number):
    for each in range(number):
        try:
            yield each
        finally:
            pass
    return 'done'


def test_a_generator_ends_once_however_often_it_pauses():
    log = watched(counted, lambda: [*counted(2), *counted(1)])
    assert [event[0] for event in log.events].count('leave') == 2
    assert log.events[-1] == ('leave', 'counted', 'done', None)


def test_an_error_that_is_thrown_into_a_generator_is_its_end():
    def call():
        stopped = counted(2)
        next(stopped)
        with contextlib.suppress(KeyError):
            stopped.throw(KeyError('x'))
    assert watched(counted, call).events[-1] == ('leave', 'counted', None, "KeyError('x')")


def test_a_station_cannot_be_a_generator():
    with pytest.raises(LookupError, match='a generator'):
        trace.codes(__name__ + '.generator')


def test_an_error_in_the_hook_is_an_error_of_the_hook_and_never_of_the_request(monkeypatch):
    from explorer.snapshots import Copier
    monkeypatch.setattr(Copier, 'value', lambda self, value: 1 / 0)
    recorder = trace.Recorder([row(__name__ + '.plain')])
    with pytest.raises(trace.HookError, match='ZeroDivisionError'), recorder:
        assert plain(1) == 2


def row(name, **more):
    return Station(name.rpartition('.')[2], name, 'is tested', 'client', 'api', 'test', **more)


# ------------------------------------------------------------------------------------------------------ names to codes


def test_decorators_are_unwrapped():
    assert {code.co_name for code in trace.codes('explorer.pipeline.API.live_migrate')} == {'live_migrate'}
    assert [code.co_name for code in trace.codes('explorer.pipeline.Resource.__call__')] == ['__call__']  # below wsgify


def test_a_function_with_versions_has_a_code_for_each():
    assert len(trace.codes('novaclient.v2.servers.ServerManager.live_migrate')) > 1


@pytest.mark.parametrize('name', ['explorer.pipeline.API.fly', 'nowhere.at.all', 'explorer.pipeline.LOG',
                                  'explorer.pipeline.expected_errors.<locals>.nobody'])
def test_a_name_that_leads_to_no_function_fails_loudly(name):
    with pytest.raises(LookupError, match='no function'):
        trace.codes(name)


def test_a_files_name_starts_with_the_package_wherever_that_is():
    installed = '/opt/python/site-packages/novaclient/v2/shell.py'
    assert trace.shortened(installed, 'novaclient.v2.shell.x') == 'novaclient/v2/shell.py'
    assert trace.shortened('/explorer/explorer/bus.py', 'explorer.bus.x') == 'explorer/bus.py'
    assert trace.shortened('/explorer/bus.py', 'explorer.bus.x') == 'explorer/bus.py'
    assert trace.shortened('/somewhere/else.py', 'explorer.bus.x') == 'else.py'


# --------------------------------------------------------------------------------------------------- what is recorded


def test_the_trace_is_complete(walk):
    assert walk.response['status'] == 202
    assert [step.index for step in walk.steps] == list(range(len(walk.steps)))
    assert {step.exploration for step in walk.steps} == {
        'client', 'service', 'routes', 'controller', 'compute-api', 'conductor-api', 'rpc'}
    assert {step.node for step in walk.steps} == {'client', 'api', 'bus', 'conductor'}
    assert all(step.ended_ns >= step.started_ns for step in walk.steps)


def test_causes_come_before_effects(walk):
    for step in walk.steps:
        for cause in (step.parent, step.hop_from):
            assert cause is None or cause < step.index


def test_the_conductors_half_comes_last_and_hangs_on_the_message(walk):
    taken, = walk.find('_process_incoming')
    sent, = walk.find('send')
    assert taken.hop_from == sent.index
    assert all(step.node in ('bus', 'conductor') for step in walk.steps[taken.index:])
    assert taken.thread != sent.thread


def test_a_call_is_answered_before_the_api_goes_on():
    called = run(Scenario(microversion='2.30'))
    taken, = called.find('manager.migrate_server')
    assert called.steps[-1].node != 'conductor'
    assert any(step.index > taken.index and step.node == 'api' for step in called.steps)


def test_the_order_of_steps_does_not_depend_on_which_thread_is_faster(walk, monkeypatch):
    slow = pipeline.ComputeTaskManager._build_live_migrate_task

    def slower(self, *args):
        time.sleep(0.2)  # the work itself: nothing waits for it
        return slow(self, *args)
    monkeypatch.setattr(pipeline.ComputeTaskManager, '_build_live_migrate_task', slower)
    again = run(Scenario())
    assert [step.station for step in again.steps] == [step.station for step in walk.steps]


def test_lines_are_those_that_ran(walk):
    step, = walk.find('ComputeTaskAPI.live_migrate_instance')
    source = pathlib.Path(pipeline.__file__).read_text(encoding='utf-8').splitlines()
    ran = '\n'.join(source[number - 1] for number in step.lines)
    assert step.file == 'explorer/pipeline.py'
    assert 'live_migrate_instance(' in ran
    assert 'migrate_server(' not in ran


def test_locals_are_seen_before_and_after(walk):
    step, = walk.find('_migrate_live')
    assert 'async_' not in step.before
    assert step.after['async_'] is True
    added = walk.changes(step)['added']
    assert added[('async_',)] is True
    assert walk.changes(step.index) == walk.changes(step)


def test_the_error_is_recorded_where_it_is_raised_and_where_it_passes():
    refused = run(Scenario(caller='manager', state={'locked_by': 'owner'}))
    raised = {step.station: step.error[''] for step in refused.steps if step.error}
    assert raised['check_instance_lock'] == 'InstanceIsLocked'
    assert raised['_migrate_live'] == 'HTTPConflict'


# ------------------------------------------------------------------------------------------------------- the secrets


def secrets_in(text, *known):
    return [word for word in known if word in text]


def test_no_token_is_in_a_trace(monkeypatch):
    from explorer.engines.miniature import Miniature
    tokens = []
    monkeypatch.setattr(runner.secrets, 'token_hex', lambda size: tokens.append(f'ab{len(tokens):030}') or tokens[-1])
    nova = Miniature()
    traced, _ = runner.Runner(nova, nova.folder).answer(Scenario(), Cloud())
    assert tokens
    assert secrets_in(traced.to_json(), *tokens) == []
    assert '***' in traced.to_json()


@pytest.mark.parametrize('where', ['headers', 'query', 'body', 'parts'])
def test_a_value_that_a_client_sends_under_a_secret_name_is_masked(where):
    request = {'method': 'POST', 'path': '/v2.1/servers/$SERVER/action',
               'headers': {'Content-Type': 'application/json'}, 'body': {'os-migrateLive': {}}}
    if where == 'headers':
        request['headers'].update(
            {'Authorization': 'Basic c3cr3t', 'Cookie': 'session=c3cr3t', 'X-Service-Token': 'c3cr3t'})
    elif where == 'query':
        request['path'] += '?token=c3cr3t'
    elif where == 'parts':
        request['body'] = {'os-migrateLive': {'password': {'a': 'c3cr3t'}, 'tokens': ['x', 'c3cr3t']}}
    else:
        request['body'] = {'os-migrateLive': {'adminPass': 'c3cr3t', 'password': 'c3cr3t'}}
    assert 'c3cr3t' not in run(Scenario(request=request)).to_json()


# --------------------------------------------------------------------------------------------------------- as JSON


def test_a_trace_survives_as_json(walk):
    text = walk.to_json()
    again = Trace.from_json(text)
    assert again == walk
    assert again.steps == walk.steps
    assert again.to_json() == text


def test_the_json_has_the_fields_that_other_programs_rely_on(walk):
    data = json.loads(walk.to_json())
    assert {'schema', 'engine', 'versions', 'scenario', 'request', 'response', 'messages', 'steps'} <= set(data)
    assert set(data['steps'][0]) == {
        'index', 'exploration', 'station', 'qualname', 'file', 'line', 'lines', 'node', 'service', 'process', 'thread',
        'parent', 'hop_from', 'before', 'after', 'result', 'error', 'started_ns', 'ended_ns'}
    assert {'status', 'headers', 'body'} == set(data['response'])
    keys = {station.key: station.nova for station in STATIONS}
    assert all(step['qualname'] == keys[step['station']] for step in data['steps'])
    assert all(isinstance(step['exploration'], str) for step in data['steps'])


def damaged(change):
    def make(text):
        data = json.loads(text)
        change(data)
        return json.dumps(data)
    return make


@pytest.mark.parametrize(('damage', 'says'), [
    (lambda text: text[:1000], 'not a trace'),
    (lambda text: '', 'not a trace'),
    (lambda text: '[]', 'has no schema'),
    (lambda text: '{"a": 1}', 'has no schema'),
    (damaged(lambda data: data.update(schema=99)), 'schema 99'),
    (damaged(lambda data: data.pop('messages')), 'messages'),
    (damaged(lambda data: data['steps'][3].pop('before')), 'before'),
    (damaged(lambda data: data['steps'][3].update(station='moon')), "steps.3.station: 'moon' is not known here"),
    (damaged(lambda data: data.update(steps=5)), 'damaged'),
    (lambda text: '[' * 100_000, 'not a trace'), (lambda text: None, 'not a trace'),
    (damaged(lambda data: data['steps'][3].update(line='<img src=x onerror=alert(1)>')), 'steps.3.line'),
    (damaged(lambda data: data['steps'][3].update(before=5)), 'steps.3.before'),
    (damaged(lambda data: data['steps'][3].update(parent=99)), 'out of order'),
    (damaged(lambda data: data['steps'][3].update(result='\ud800')), 'damaged'),
    (damaged(lambda data: data['response'].update(status='x')), 'response.status'),
    (damaged(lambda data: data.update(scenario={'moon': 1})), 'scenario'),
    (damaged(lambda data: data.update(schema=True)), 'schema True'),
    (damaged(lambda data: data.update(steps=[5])), 'damaged'),
], ids=['cut', 'empty', 'list', 'foreign', 'other schema', 'no messages', 'no before', 'unknown station',
        'steps no list', 'deep', 'none', 'markup', 'payload', 'order', 'no text', 'status', 'scenario', 'flag',
        'step no object'])
def test_a_damaged_or_foreign_trace_is_refused_in_one_line(walk, damage, says):
    with pytest.raises(WrongUse, match=says) as error:
        Trace.from_json(damage(walk.to_json()))
    assert '\n' not in str(error.value)


# ----------------------------------------------------------------------------------------------------------- tables


def test_the_journey_of_a_field_shows_names_and_values(walk):
    table = walk.journey('block_migration')
    assert list(table.columns) == ['step', 'exploration', 'node', 'station', 'when', 'name', 'type', 'value']
    assert list(dict.fromkeys(table['value']))[-2:] == ['auto', None]
    assert {name.rpartition('.')[2] for name in table['name']} >= {'block_migration'}
    assert set(table['node']) >= {'client', 'api', 'bus', 'conductor'}


def test_the_journey_of_everything_is_longer(walk):
    assert len(walk.journey()) > 20 * len(walk.journey('block_migration'))


def test_a_field_that_does_not_occur_has_no_journey(walk):
    assert len(walk.journey('no_such_field')) == 0


@pytest.mark.parametrize(('old', 'new', 'found'), [
    ({'a': 1}, {'a': 1}, {'added': {}, 'changed': {}, 'dropped': {}}),
    ({'a': 1}, {'a': True}, {'added': {}, 'changed': {('a',): [1, True]}, 'dropped': {}}),
    ({'a': {'b': 1, 'c': 2}}, {'a': {'b': 2, 'd': 3}},
     {'added': {('a', 'd'): 3}, 'changed': {('a', 'b'): [1, 2]}, 'dropped': {('a', 'c'): 2}}),
    ({'a': [1, 2]}, {'a': [1, 3]}, {'added': {}, 'changed': {('a', 1): [2, 3]}, 'dropped': {}}),
    ({'a': [1]}, {'a': [1, 2]}, {'added': {}, 'changed': {('a',): [[1], [1, 2]]}, 'dropped': {}}),
    ({'a': {'b': 1}}, {'a': 1}, {'added': {}, 'changed': {('a',): [{'b': 1}, 1]}, 'dropped': {}})])
def test_the_difference_of_two_payloads(old, new, found):
    assert payloads.difference(old, new) == found


# --------------------------------------------------------------------------------------------------- a second witness


def test_plain_decorators_at_every_station_note_the_same_as_the_hook(python):
    *wrong, last = python('from tests import noted; noted.main()').splitlines()
    assert wrong == []
    count, values, stations = map(int, re.findall(r'\d+', last))
    assert count == 0
    assert values > 5000
    scenarios = [scenario for row in EXPLORATIONS for scenario in (row.scenario, row.versus)]
    assert stations == len({step.station for scenario in scenarios for step in run(scenario).steps})
