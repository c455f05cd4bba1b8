"""The real Nova in its own process: it starts with the first scenario, ends with its parent, and is never in ours."""

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

KNOWN = f'print("{NOVA}")'  # what a Python with all packages of the worker prints


@pytest.fixture
def left(monkeypatch, tmp_path):
    """Return the folder in which workers create theirs, to see what is left there in the end."""
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    return tmp_path / 'temporary'


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Return a function that replaces the Python with nova: fake(program of the worker, program of the look)."""
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
    ('print("none nova ormsgpack")', 'which is not a Python with nova'),
    ('print("33.0.0")', 'nova 33.0.0 is installed, but this version needs'),
    (f'print("{NOVA} ormsgpack novaclient")', 'only half installed, without ormsgpack and novaclient'),
    ('sys.exit(1)', 'not a Python with nova')])
def test_an_unsuitable_environment_is_named_with_the_remedy(fake, left, looks, says):
    said = refused(fake('', looks))
    assert says in said
    assert 'make nova' in said
    assert list(left.iterdir()) == []


@pytest.mark.parametrize('named', ['/nowhere/python', '/etc/hostname'])
def test_an_invalid_python_is_named(monkeypatch, named):
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', named)
    assert f'NOVA_EXPLORER_PYTHON is {named}' in refused(real_nova.RealNova())


def test_without_nova_the_engine_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.delenv('NOVA_EXPLORER_PYTHON', raising=False)
    monkeypatch.setattr(real_nova, '_PACKAGE', tmp_path / 'explorer')
    said = refused(real_nova.RealNova())
    assert said.startswith('the real Nova is not installed; "make nova" installs')
    assert 'engine="recorded" works without it' in said


@pytest.mark.parametrize(('works', 'says'), [
    ('sys.exit("no nova in here")', 'it ended with code 1: no nova in here'),
    ('os.kill(os.getpid(), 9)', 'it ended with signal SIGKILL'),
    ('print("Hello, I am a banner", flush=True); time.sleep(60)', "it wrote 'Hello, I am a banner"),
    ('print("[1]", flush=True); time.sleep(60)', "it wrote '[1]"),
    ('say(failed="no disk")', 'no disk'),
    ('time.sleep(60)', 'it wrote nothing for 1 s'),
    (f'say(ready="{NOVA}"); input(); time.sleep(60)', 'it wrote nothing for 1 s'),
    (f'say(ready="{NOVA}"); input(); sys.exit("gone")', 'it ended with code 1: gone'),
    (f'say(ready="{NOVA}"); input(); print("garbage", flush=True); time.sleep(60)', "it wrote 'garbage"),
    (f'say(ready="{NOVA}"); input(); say(moon=1); time.sleep(60)', 'which is not an answer'),
    (f'say(ready="{NOVA}"); \nfor line in sys.stdin: say(trace="[]", response=None)', 'not a trace')])
def test_a_worker_that_dies_hangs_or_prints_garbage_is_one_clear_error_and_is_replaced(
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


def test_a_missing_place_for_its_folder_is_reported_in_one_line(fake, monkeypatch, tmp_path):
    real = fake('')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'no such folder'))
    assert 'cannot be started: No such file or directory; make sure that there is room in' in refused(real)


def test_the_workers_output_while_it_starts_is_reported(fake):
    lines, real = [], fake(
        f'say(now="loading"); say(now="wiring"); say(ready="{NOVA}"); input(); say(wrong="no such server")')
    real.tell = lines.append
    assert refused(real) == 'no such server'
    assert lines[1:3] == ['loading', 'wiring']
    assert lines[3].startswith('ready after ')
    real.close()


# ------------------------------------------------------------------------------------------------------- the live one


@pytest.fixture(scope='module')
def live():
    real = real_nova.RealNova()
    real.answer(Scenario(), Cloud())
    yield real
    real.close()


@pytest.mark.nova
def test_the_worker_answers_with_a_trace_of_novas_code(live):
    trace, response = live.answer(Scenario(host='host2'), Cloud())
    assert (trace.engine, trace.versions['nova'], response['status']) == ('nova', NOVA, 202)
    step = trace.find('live_migrate')[0]
    assert (step.file, step.process) == ('nova/compute/api.py', live.pid)
    assert step.lines
    assert trace.messages[0]['method'] == 'live_migrate_instance'


@pytest.mark.nova
def test_the_real_conductor_continues_to_its_own_cast(live):
    trace, _ = live.answer(Scenario(), Cloud())
    ran = trace.also_ran[str(trace.find('_live_migrate')[0].index)]
    assert 'nova.compute.rpcapi.ComputeAPI.live_migration' in ran
    short, _ = live.answer(Scenario(), Cloud(), whole=False)
    assert 'nova.compute.rpcapi.ComputeAPI.live_migration' not in str(short.also_ran)


@pytest.mark.nova
@pytest.mark.parametrize(('scenario', 'says'), [
    (Scenario(server='web-9'), "no server 'web-9'"), (Scenario(caller='boss'), "no caller 'boss'"),
    (Scenario(conductor_reply={'raise': 'NoSuchThing', 'kwargs': {}}), 'no exception NoSuchThing')])
def test_misuse_is_reported_and_the_same_worker_goes_on(live, scenario, says):
    pid = live.pid
    with pytest.raises(WrongUse, match=says):
        live.answer(scenario, Cloud())
    assert live.answer(Scenario(), Cloud())[1]['status'] == 202
    assert live.pid == pid


@pytest.mark.nova
def test_a_killed_worker_is_replaced():
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
def test_an_interrupt_ends_the_worker_and_the_next_answer_is_right(live):
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
def test_nova_is_not_loaded_into_this_process(python):
    said = python('''
import logging, os, signal, sys, threading, warnings
def state():
    return (dict(os.environ), logging.getLogger().handlers[:], [signal.getsignal(n) for n in (1, 2, 10, 12, 15)],
            sys.excepthook, list(warnings.filters), os.getcwd(), sys.argv[:])
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
def test_the_worker_ends_with_its_parent_and_leaves_nothing(tmp_path, how):
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
def test_two_workers_do_not_affect_each_other(live):
    other = real_nova.RealNova()
    stopped = other.answer(Scenario(state={'vm_state': 'stopped'}), Cloud())[1]['status']
    assert (stopped, live.answer(Scenario(), Cloud())[1]['status'], other.pid != live.pid) == (409, 202, True)
    other.close()


@pytest.mark.nova
def test_a_full_disk_is_reported_in_one_line_and_leaves_nothing(tmp_path, monkeypatch, left):
    path = tmp_path / 'python'
    path.write_text('#!/bin/sh\n[ "$2" = explorer.engines.in_nova.worker ] && ulimit -f 16\n'
                    f'exec "{real_nova.python()}" "$@"\n')
    path.chmod(0o755)
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', str(path))
    said = refused(real_nova.RealNova())
    assert 'the real Nova did not answer' in said
    assert list(left.iterdir()) == []


@pytest.mark.nova
def test_a_request_without_a_recording_goes_to_the_live_nova():
    trace = run_real(Scenario(host='host1', microversion='2.50'), tell=lambda line: None)
    assert trace.engine == 'nova'
    assert run_real(Scenario()).engine == 'recorded'


def test_a_request_without_a_recording_is_refused_without_nova(monkeypatch):
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', '/nowhere/python')
    fresh = real_nova.RealNova()
    monkeypatch.setitem(running.ENGINES, 'nova', lambda: fresh)
    with pytest.raises(WrongUse, match='there is no recording of this request, and NOVA_EXPLORER_PYTHON is'):
        run_real(Scenario(host='host1', microversion='2.50'))
    assert run(Scenario()).response['status'] == 202
