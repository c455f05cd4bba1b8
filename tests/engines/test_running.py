"""The right code answers a scenario, and leaves nothing behind."""

import contextlib
import dataclasses
import os
import signal
import sys
import threading
import time
import weakref

import pytest

from explorer import Scenario, boot, run
from explorer.engines.cloud import Cloud
from explorer.engines.recordings import PAUSES
from explorer.engines.running import miniature
from explorer.errors import WrongUse

GOOD = [pytest.param(Scenario(), 202, id='default'),
        pytest.param(Scenario(host='host2', block_migrate=True), 202, id='host'),
        pytest.param(Scenario(microversion='2.30', host='host2', force=True), 202, id='force'),
        pytest.param(Scenario(microversion='2.1'), 202, id='oldest'),
        pytest.param(Scenario(microversion='2.104'), 202, id='newest'),
        pytest.param(Scenario(microversion='latest'), 202, id='latest'),
        pytest.param(Scenario(caller='no_token'), 401, id='no token'),
        pytest.param(Scenario(caller='reader'), 403, id='reader'),
        pytest.param(Scenario(microversion='2.999'), 406, id='no such version'),
        pytest.param(Scenario(host='host9'), 400, id='no such host')]


@pytest.mark.parametrize(('scenario', 'status'), GOOD)
def test_a_scenario_is_answered(scenario, status):
    trace = run(scenario)
    assert trace.response['status'] == status
    assert bool(trace.messages) == (status == 202)


def test_the_client_is_the_real_one(walk):
    assert walk.versions['python-novaclient']
    assert walk.find('shell')[0].file.startswith('novaclient/')
    assert walk.request['headers']['User-Agent'] == 'python-novaclient'


def test_the_clients_first_requests_are_in_the_trace_and_short(walk):
    asked = [(step.before['request']['method'], step.result['status_code']) for step in walk.find('http')]
    assert asked == [('GET', 200), ('GET', 200), ('GET', 200), ('POST', 202)]
    assert len(walk.find('Resource')) == 1


@pytest.mark.parametrize(('call', 'says'), [
    (lambda: run(Scenario(), engine='moon'), "there is no engine 'moon'; choose one of miniature, recorded, nova"),
    (lambda: run(Scenario(server='web-9')), "there is no server 'web-9'; choose one of web-1, web-2, web-3"),
    (lambda: run(Scenario(caller='boss')), "there is no caller 'boss'; choose one of admin"),
    (lambda: run(Scenario(state={'vmstate': 'active'})),
     "the state of a server has no 'vmstate'; choose from vm_state"),
    (lambda: run(Scenario(conductor_reply={'raise': 'os.system'})),
     'conductor_reply.raise: .os.system. is not valid here'),
    (lambda: run(Scenario(force=True, microversion='2.29', host='host2')), '--force exists from 2.30 to 2.67'),
])
def test_misuse_is_reported_in_one_line_and_the_next_request_works(call, says):
    with pytest.raises(WrongUse, match=says) as error:
        call()
    assert '\n' not in str(error.value)
    assert run(Scenario()).response['status'] == 202


@pytest.mark.parametrize('scenario', [
    Scenario(state={'locked_by': 'owner'}, caller='manager'), Scenario(race={'task_state': 'rebooting'}),
    Scenario(conductor_reply={'raise': 'MessageDeliveryFailure'}),
    Scenario(microversion='2.30', conductor_reply={'raise': 'NoValidHost'}),
    Scenario(caller='bad_token'), Scenario(host='nowhere')],
    ids=['locked', 'race', 'no broker', 'no host', 'stranger', 'nowhere'])
def test_a_failed_request_does_not_affect_the_next_one(scenario, walk):
    before = sys.gettrace(), threading.gettrace(), dict(os.environ)
    assert run(scenario).response['status'] >= 400
    assert (sys.gettrace(), threading.gettrace(), dict(os.environ)) == before
    again = run(Scenario())
    assert [step.station for step in again.steps] == [step.station for step in walk.steps]
    assert again.outcome == walk.outcome


def test_a_refused_request_writes_nothing():
    trace = run(Scenario(state={'locked_by': 'owner'}, caller='manager'))
    assert trace.outcome == {'vm_state_after': 'active', 'task_state_after': None, 'actions': [], 'faults': []}


def test_a_lost_race_leaves_the_winners_state():
    trace = run(Scenario(race={'task_state': 'rebooting'}))
    assert (trace.response['status'], trace.outcome['task_state_after']) == (500, 'rebooting')


def test_a_broker_that_is_down_leaves_the_task_state_set_as_in_nova():
    trace = run(Scenario(conductor_reply={'raise': 'MessageDeliveryFailure'}))
    assert (trace.response['status'], trace.outcome['task_state_after']) == (500, 'migrating')


@pytest.mark.parametrize('engine', ['miniature', pytest.param('nova', marks=pytest.mark.nova)])
def test_a_broker_that_is_down_delivers_no_message_to_a_host(engine):
    scenario = dataclasses.replace(PAUSES['a pause'], conductor_reply={'raise': 'MessageDeliveryFailure'})
    trace = run(scenario, engine=engine)
    assert trace.response['status'] == 500
    assert trace.outcome['task_state_after'] == 'pausing'


def test_a_message_to_a_host_does_not_hold_the_next_request_up():
    assert run(PAUSES['a pause']).response['status'] == 202
    assert miniature().nova.driver.join(0)


def test_many_threads_get_one_complete_trace_each():
    traces, hosts = {}, ['host1', 'host2', None, 'host9'] * 2

    def ask(number):
        traces[number] = run(Scenario(host=hosts[number]))
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(hosts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, host in enumerate(hosts):
        assert traces[number].request['body']['os-migrateLive']['host'] == host
        assert traces[number].find('http')
    assert len({len(traces[number].steps) for number in (1, 2, 5, 6)}) <= 2


def test_each_server_is_reset_before_it_is_asked_for():
    run(Scenario(server='web-2'))
    assert run(Scenario(server='web-2')).response['status'] == 202


def test_a_server_can_be_named_by_its_uuid():
    uuid = Cloud().servers['web-3']
    assert run(Scenario(server=uuid)).response['status'] == 202


def test_boot_is_a_trace_of_its_own(walk):
    started = boot()
    assert {step.station for step in started.steps} == {'create_route', 'register_subcontroller_actions'}
    assert not {'create_route', 'register_subcontroller_actions'} & {step.station for step in walk.steps}


def test_a_bare_request_needs_no_client():
    trace = run(Scenario(request={'method': 'GET', 'path': '/', 'headers': {}}))
    assert 'python-novaclient' not in trace.versions
    assert trace.response['body']['versions'][0]['id'] == 'v2.0'


def test_threads_that_start_a_cold_engine_together_get_one_complete_trace_each(python):
    said = python('''
import os, sys, threading
before = dict(os.environ), sys.stdout, threading.gettrace()
from explorer import run
traces = []
threads = [threading.Thread(target=lambda: traces.append(run())) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert (dict(os.environ), sys.stdout, threading.gettrace()) == before
print([(trace.response['status'], len(trace.steps)) for trace in traces] == [(202, len(traces[0].steps))] * 6)
''')
    assert said == 'True\n'


def test_a_forked_child_has_its_own_engine(python):
    said = python('''
import os
from explorer import run
steps = len(run().steps)
child = os.fork()
if not child:
    os._exit(0 if len(run().steps) == steps else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
''')
    assert said == '0\n'


@pytest.mark.parametrize('engine', ['miniature', pytest.param('nova', marks=pytest.mark.nova)])
def test_a_forked_child_leaves_its_parents_folder_alone(python, engine):
    said = python(f'''
import os, pathlib, sys
from explorer import run
from explorer.engines import running
run(); run(engine={engine!r}, tell=lambda line: None)
folders = [running.miniature().nova.folder, running.live_nova()._folder]
child = os.fork()
if not child:
    run()
    sys.exit()
os.waitpid(child, 0)
print([pathlib.Path(folder).exists() for folder in folders if folder] == [True] * len(list(filter(None, folders))))
print(run(engine={engine!r}, tell=lambda line: None).response['status'])
''')
    assert said == 'True\n202\n'


@contextlib.contextmanager
def interrupted(delay):
    """Interrupt this thread after a delay, as Ctrl-C does, unless it leaves before."""
    def interrupt(_, frame):
        while frame and frame.f_code.co_filename != weakref.__file__:
            frame = frame.f_back
        if frame:  # Python drops what a finalizer raises, so try again
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        else:
            raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize('delay', [0.01, 0.03, 0.05, 0.07])
def test_after_an_interrupt_the_next_request_works(walk, delay):
    with interrupted(delay):
        run(Scenario())
    again = run(Scenario())
    assert [step.station for step in again.steps] == [step.station for step in walk.steps]
    assert again.response['status'] == 202


def test_a_request_that_is_still_unread_at_an_interrupt_does_not_reach_the_next_trace(walk):
    run(Scenario())
    miniature()._server.trigger.pull_trigger(lambda: time.sleep(0.5))  # the server reads nothing meanwhile
    with interrupted(0.2):
        run(Scenario())
        pytest.fail('the request was not interrupted')
    again = run(Scenario())
    assert [step.station for step in again.steps] == [step.station for step in walk.steps]


@pytest.mark.parametrize('name', ['SystemExit', 'KeyboardInterrupt', 'Target', 'True', 'UnicodeDecodeError'])
def test_an_unknown_exception_is_refused(name, walk):
    with pytest.raises(WrongUse, match='no exception'):
        run(Scenario(conductor_reply={'raise': name}))
    assert len(run(Scenario()).steps) == len(walk.steps)


def test_an_invalid_cloud_does_not_spoil_the_next_request(walk):
    with pytest.raises((KeyError, TypeError)):
        run(cloud=Cloud(callers={'x': {}}))
    assert len(run(Scenario()).steps) == len(walk.steps)


@pytest.mark.parametrize('given', [5, {'server': 'web-1'}, 'web-1'])
def test_an_invalid_scenario_is_refused(given):
    with pytest.raises(WrongUse, match='pass a Scenario'):
        run(given)


def test_no_trace_holds_the_token_however_it_was_sent():
    run()
    token = miniature()._caller_tokens['admin']
    trace = run(Scenario(request={
        'method': 'POST', 'path': f'/v2.1/servers/$SERVER/action?x={token}', 'headers': {
            'Content-Type': 'application/json', 'X-Odd': token}, 'body': {'os-migrateLive': {'host': token}}}))
    assert token not in trace.to_json()
