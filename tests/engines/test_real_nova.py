"""The real Nova in a process of its own: started when it is asked, ended with its parent, and never in ours."""

import os
import pathlib
import signal
import stat
import subprocess
import sys
import tempfile
import time

import pytest

from explorer import Scenario, run
from explorer.engines import real_nova, running
from explorer.engines.cloud import Cloud
from explorer.engines.running import run_real
from explorer.errors import WrongUse
from explorer.stations import NOVA
from tests.conftest import ROOT

KNOWN = f'print("{NOVA}")'  # what is found by who looks for the packages of a worker


@pytest.fixture
def left(monkeypatch, tmp_path):
    """The folder in which workers put theirs; what is left there when all is done."""
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    return tmp_path / 'temporary'


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a Python of our own in the place of the one with nova: looked(program), worked(program)."""
    def put(works, looks=KNOWN):
        path, program = tmp_path / 'python', tmp_path / 'worker.py'
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
        program.write_text(f'import json, os, sys, time\nif "-c" in sys.argv:\n    {looks}\n    sys.exit()\n'
                           f'def say(**line): print(json.dumps(line), flush=True)\n{works}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv('NOVA_EXPLORER_PYTHON', str(path))
        return real_nova.RealNova()
    return put


def refused(real):
    with pytest.raises(WrongUse) as error:
        real.answer(Scenario(), Cloud())
    assert '\n' not in str(error.value)
    return str(error.value)


# ------------------------------------------------------------------------------------------- what can be wrong with it


@pytest.mark.parametrize(('looks', 'says'), [
    ('print("none nova ormsgpack")', 'which is no Python with nova'), ('print("33.0.0")', 'nova 33.0.0 is installed, but this version knows'),
    (f'print("{NOVA} ormsgpack novaclient")', 'only half installed, without ormsgpack and novaclient'), ('sys.exit(1)', 'no Python with nova')])
def test_an_environment_that_will_not_do_is_named_with_the_remedy(fake, left, looks, says):
    said = refused(fake('', looks))
    assert says in said
    assert 'make nova' in said
    assert list(left.iterdir()) == []


@pytest.mark.parametrize('named', ['/nowhere/python', '/etc/hostname'])
def test_a_python_that_is_none_is_named(monkeypatch, named):
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', named)
    assert f'NOVA_EXPLORER_PYTHON names {named}' in refused(real_nova.RealNova())


def test_without_nova_the_engine_says_what_would_do(monkeypatch, tmp_path):
    monkeypatch.delenv('NOVA_EXPLORER_PYTHON', raising=False)
    monkeypatch.setattr(real_nova, '_PACKAGE', tmp_path / 'explorer')
    said = refused(real_nova.RealNova())
    assert said.startswith('the real Nova is not installed: "make nova" installs')
    assert 'engine="recorded" needs none' in said


@pytest.mark.parametrize(('works', 'says'), [
    ('sys.exit("no nova in here")', 'it ended with code 1: no nova in here'),
    ('os.kill(os.getpid(), 9)', 'it ended with signal SIGKILL'),
    ('print("Hello, I am a banner", flush=True); time.sleep(60)', "it says 'Hello, I am a banner"),
    ('print("[1]", flush=True); time.sleep(60)', "it says '[1]"),
    ('say(failed="no disk")', 'no disk'),
    ('time.sleep(60)', 'it says nothing for 1 s'),
    (f'say(ready="{NOVA}"); input(); time.sleep(60)', 'it says nothing for 1 s'),
    (f'say(ready="{NOVA}"); input(); sys.exit("gone")', 'it ended with code 1: gone'),
    (f'say(ready="{NOVA}"); input(); print("garbage", flush=True); time.sleep(60)', "it says 'garbage"),
    (f'say(ready="{NOVA}"); input(); say(moon=1); time.sleep(60)', 'which is no answer'),
    (f'say(ready="{NOVA}"); \nfor line in sys.stdin: say(trace="[]", response=None)', 'not a trace')])
def test_a_worker_that_dies_hangs_or_prints_garbage_is_one_clear_error_and_a_fresh_one_comes_next(
        fake, left, monkeypatch, works, says):
    monkeypatch.setattr(real_nova, 'BOOT_SECONDS', 1)
    monkeypatch.setattr(real_nova, 'ANSWER_SECONDS', 1)
    real = fake(works)
    assert says in refused(real)
    first = real.pid
    assert says in refused(real)
    assert real.pid is None or real.pid != first or "not a trace" in says
    real.close()
    assert list(left.iterdir()) == []


def test_no_room_for_its_folder_is_one_line(fake, monkeypatch, tmp_path):
    real = fake('')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'no such folder'))
    assert 'cannot be started: No such file or directory; is there room in' in refused(real)


def test_what_it_says_while_it_starts_is_told(fake):
    lines, real = [], fake(f'say(now="loading"); say(now="wiring"); say(ready="{NOVA}"); input(); say(wrong="no such server")')
    real.tell = lines.append
    assert refused(real) == 'no such server'
    assert lines[1:3] == ['loading', 'wiring']
    assert lines[3].startswith('ready, after ')
    real.close()


# ------------------------------------------------------------------------------------------------------- the live one


@pytest.fixture(scope='module')
def live():
    real = real_nova.RealNova()
    real.answer(Scenario(), Cloud())
    yield real
    real.close()


@pytest.mark.nova
def test_it_answers_with_a_trace_of_its_own_code(live):
    trace, response = live.answer(Scenario(host='host2'), Cloud())
    assert (trace.engine, trace.versions['nova'], response['status']) == ('nova', NOVA, 202)
    step = trace.find('live_migrate')[0]
    assert (step.file, step.process) == ('nova/compute/api.py', live.pid)
    assert step.lines
    assert trace.messages[0]['method'] == 'live_migrate_instance'


@pytest.mark.nova
def test_its_conductor_goes_on_to_its_own_cast(live):
    trace, _ = live.answer(Scenario(), Cloud())
    ran = trace.also_ran[str(trace.find('_live_migrate')[0].index)]
    assert 'nova.compute.rpcapi.ComputeAPI.live_migration' in ran
    short, _ = live.answer(Scenario(), Cloud(), whole=False)
    assert 'nova.compute.rpcapi.ComputeAPI.live_migration' not in str(short.also_ran)


@pytest.mark.nova
@pytest.mark.parametrize(('scenario', 'says'), [
    (Scenario(server='web-9'), "no server 'web-9'"), (Scenario(caller='boss'), "no caller 'boss'"),
    (Scenario(conductor_reply={'raise': 'NoSuchThing', 'kwargs': {}}), 'no exception NoSuchThing')])
def test_wrong_use_is_told_and_the_same_worker_goes_on(live, scenario, says):
    pid = live.pid
    with pytest.raises(WrongUse, match=says):
        live.answer(scenario, Cloud())
    assert live.answer(Scenario(), Cloud())[1]['status'] == 202
    assert live.pid == pid


@pytest.mark.nova
def test_a_killed_worker_is_followed_by_a_fresh_one():
    real = real_nova.RealNova()
    real.answer(Scenario(), Cloud())
    pid = real.pid
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    while real._process.poll() is None:
        time.sleep(0.01)
    assert real.answer(Scenario(), Cloud())[1]['status'] == 202
    assert real.pid != pid
    real.close()


@pytest.mark.nova
def test_an_interrupt_ends_the_worker_and_the_next_question_is_answered_rightly(live):
    def interrupt(*_):
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        live.answer(Scenario(caller='reader'), Cloud())
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert live.answer(Scenario(), Cloud())[1]['status'] == 202


@pytest.mark.nova
def test_nothing_of_nova_comes_into_this_process(python):
    said = python('''
import logging, os, signal, sys, threading, warnings
def state():
    return (dict(os.environ), logging.getLogger().handlers[:], [signal.getsignal(n) for n in (1, 2, 10, 12, 15)], sys.excepthook,
            list(warnings.filters), os.getcwd(), sys.argv[:])
from explorer import Scenario, run
from explorer.engines import running
import novaclient.shell
run()
before = state()
lines = []
trace = run(engine='nova', tell=lines.append)
assert state() == before
print(trace.response['status'], [name for name in sys.modules if name.split('.')[0] == 'nova'], bool(lines))
''')
    assert said == '202 [] True\n'


@pytest.mark.nova
@pytest.mark.parametrize('how', ['ends', 'is killed'])
def test_it_ends_with_its_parent_and_leaves_nothing(tmp_path, how):
    program = '''
import os, sys, time
from explorer import Scenario, run
from explorer.engines import running
run(engine='nova', tell=lambda line: None)
print(running.live_nova().pid, running.live_nova()._folder, flush=True)
if sys.argv[1] == 'is killed': time.sleep(60)
'''
    parent = subprocess.Popen([sys.executable, '-c', program, how], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid, folder = parent.stdout.readline().split()
    if how == 'is killed':
        parent.kill()
    parent.wait(30)
    ends = time.monotonic() + 10
    while (pathlib.Path('/proc', pid).exists() or pathlib.Path(folder).exists()) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not pathlib.Path('/proc', pid).exists()
    assert not pathlib.Path(folder).exists()


@pytest.mark.nova
def test_two_at_once_do_not_know_of_each_other(live):
    other = real_nova.RealNova()
    stopped = other.answer(Scenario(state={'vm_state': 'stopped'}), Cloud())[1]['status']
    assert (stopped, live.answer(Scenario(), Cloud())[1]['status'], other.pid != live.pid) == (409, 202, True)
    other.close()


@pytest.mark.nova
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, left):
    path = tmp_path / 'python'
    path.write_text(f'#!/bin/sh\n[ "$2" = explorer.engines.in_nova.worker ] && ulimit -f 16\nexec "{real_nova.python()}" "$@"\n')
    path.chmod(0o755)
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', str(path))
    said = refused(real_nova.RealNova())
    assert 'the real Nova gave no answer' in said
    assert list(left.iterdir()) == []


@pytest.mark.nova
def test_a_request_that_is_not_recorded_is_asked_of_the_live_one():
    trace = run_real(Scenario(host='host1', microversion='2.50'), tell=lambda line: None)
    assert trace.engine == 'nova'
    assert run_real(Scenario()).engine == 'recorded'


def test_a_request_that_is_not_recorded_is_refused_where_there_is_no_nova(monkeypatch):
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', '/nowhere/python')
    monkeypatch.setitem(running.ENGINES, 'nova', lambda fresh=real_nova.RealNova(): fresh)
    with pytest.raises(WrongUse, match='of this request there is no recording, and NOVA_EXPLORER_PYTHON names'):
        run_real(Scenario(host='host1', microversion='2.50'))
    assert run(Scenario()).response['status'] == 202
