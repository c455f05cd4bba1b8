"""A trace is complete, or the hook reports in one line why it is not. Each disturbance has a process of its own.

A trace also shows what was there, whatever the values, the user's configuration, and the changes to files.
"""

import json
import os
import pathlib
import shutil
import sys
import textwrap

import pytest

from explorer.trace import RESTART
from tests import forks
from tests.conftest import ROOT

MONITORED = hasattr(sys, 'monitoring')
BEFORE_3_12 = pytest.mark.skipif(MONITORED, reason='only where there is no sys.monitoring, before Python 3.12')

SENT = '''
import json, sys, threading
from explorer import Scenario, bare, run
from explorer.trace import HookError
WHOLE = {'client': 111, 'bare': 66}
BARE = bare({'os-migrateLive': {'host': None, 'block_migration': 'auto'}})
def sent(scenario=Scenario()):
    """Send a request; print the status and the number of steps, or the error of the hook."""
    try:
        trace = run(scenario)
    except HookError as error:
        print('HookError', error)
    else:
        print(trace.response['status'], len(trace.steps))
'''


def ran(program, cwd=ROOT, **more):
    """Run a program that may call sent(); return the lines that it prints."""
    done = forks.run(SENT + textwrap.dedent(program), cwd=cwd, timeout=60, **more)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.fixture(scope='module')
def whole():
    """How an undisturbed request ends: [with the client, without it]."""
    return ran('sent(); sent(BARE)')


@pytest.fixture
def copy(tmp_path):
    """A copy of the package that can be edited."""
    shutil.copytree(ROOT / 'explorer', tmp_path / 'explorer', ignore=shutil.ignore_patterns('__pycache__'))
    return tmp_path


def edited(copy, old, new, file='pipeline.py'):
    path = copy / 'explorer' / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return copy


# ----------------------------------------------------------------------------- others who hold the trace function


@pytest.mark.parametrize('holds', ['sys.settrace', 'threading.settrace'])
def test_a_debugger_may_hold_the_trace_function(whole, holds):
    first, *then = ran(f'''
        import {holds.partition('.')[0]}
        def debugger(frame, event, arg):
            return None
        {holds}(debugger)
        sent()
        {holds}(None)
        sent(); sent(BARE)''')
    assert then == whole
    assert first == whole[0] if MONITORED else 'holds the trace function' in first and RESTART in first


def test_a_debugger_may_come_and_go_after_the_first_request(whole):
    """JupyterLab's debugger does: it takes all existing threads, and leaves them without a trace function."""
    first, second, third = ran('''
        import debugpy
        sent()
        debugpy.configure(subProcess=False)
        debugpy.listen(('127.0.0.1', 0))
        debugpy.trace_this_thread(True)
        sent()
        debugpy.trace_this_thread(False)
        sent()
        import os; sys.stdout.flush(); os._exit(0)''')
    assert first == whole[0]
    for line in (second, third):
        assert line == whole[0] or (line.startswith('HookError ') and RESTART in line), line


@BEFORE_3_12
def test_a_debugger_may_take_the_conductors_thread():
    _, second = ran('''
        import ctypes
        sent()
        conductor = [thread for thread in threading.enumerate() if type(thread).__name__ == 'ThreadWorker']
        from explorer import pipeline
        taken = pipeline.ComputeTaskManager._build_live_migrate_task
        def take(*args):
            sys.settrace(None)
            return taken(*args)
        pipeline.ComputeTaskManager._build_live_migrate_task = take
        sent()''')
    assert second.startswith('HookError')
    assert RESTART in second


@pytest.mark.parametrize(
    'where', ['        if host_name:\n            nodes = objects', '        wanted = destination or'])
def test_a_breakpoint_may_be_in_a_station(copy, whole, where):
    indent = where[:len(where) - len(where.lstrip())]
    edited(copy, where, f'{indent}breakpoint()\n{where}')
    started, = ran('''
        import io, time
        sys.stdin = io.StringIO('c\\n' * 100)
        sys.stdout, out = io.StringIO(), sys.stdout
        sys.__stdout__ = sys.stdout
        start = time.monotonic()
        try:
            trace = run()
            said = f'{trace.response["status"]} {len(trace.steps)}'
        except HookError as error:
            said = f'HookError {error}'
        sys.stdout = out
        print(said if time.monotonic() - start < 5 else 'too late')''', cwd=copy)
    assert started == whole[0] or (started.startswith('HookError') and RESTART in started), started


@pytest.mark.parametrize('core', ['ctrace', 'pytrace', 'sysmon'])
def test_coverage_may_run_at_the_same_time(whole, core):
    if core == 'sysmon' and not MONITORED:
        pytest.skip('needs Python 3.12')
    line, = ran(f'''
        import os; os.environ['COVERAGE_CORE'] = '{core}'
        import coverage
        measured = coverage.Coverage(data_file=None, source=['explorer'])
        measured.start()
        sent()
        measured.stop()''')
    assert line == whole[0] if MONITORED else 'holds the trace function' in line


# ------------------------------------------------------------------------------------------------ functions that change


@pytest.mark.parametrize('reloads', [
    'import importlib; importlib.reload(pipeline)',
    'from IPython.extensions.autoreload import superreload; superreload(pipeline)',
    'pipeline.action_peek = lambda body: "os-migrateLive"',
    'pipeline.action_peek.__code__ = (lambda body: "os-migrateLive").__code__',
    'from explorer import objects as pipeline; import importlib; importlib.reload(pipeline)'])
@pytest.mark.parametrize('before', ['sent()', 'pass'])
def test_a_module_may_be_reloaded(whole, reloads, before):
    lines = ran(f'''
        from explorer import pipeline
        from explorer.engines import running
        {before}
        if {before!r} == 'pass': running.boot(); run(engine='recorded')
        {reloads}
        sent(); sent(BARE)''')
    if before == 'pass':
        lines = [whole[0], *lines]
    assert lines[0] == whole[0]
    for line in lines[1:]:
        assert line in whole or (line.startswith('HookError') and 'was reloaded' in line and RESTART in line), line
    if before == 'sent()':
        assert not set(lines[1:]) & set(whole)


def test_a_module_may_be_reloaded_while_a_request_runs():
    line, = ran('''
        import importlib
        from explorer import objects, pipeline
        now = objects.timeutils.utcnow
        def late(*args, **more):
            objects.timeutils.utcnow = now
            importlib.reload(pipeline)
            return now(*args, **more)
        objects.timeutils.utcnow = late
        sent()''')
    assert 'explorer.pipeline was reloaded' in line
    assert RESTART in line


# ---------------------------------------------------------------------------------------------------- runs that meet


@pytest.mark.parametrize('scenario', ['Scenario()', 'BARE'])
def test_a_run_inside_a_run_is_refused_at_once_and_the_outer_one_is_complete(whole, scenario):
    inner, outer, again = ran(f'''
        from explorer import objects
        now = objects.timeutils.utcnow
        def late(*args, **more):
            objects.timeutils.utcnow = now
            sent()
            return now(*args, **more)
        run()
        objects.timeutils.utcnow = late
        sent({scenario})
        sent({scenario})''')
    assert inner.startswith('HookError a request cannot run while another one is being recorded')
    assert outer == again == whole[scenario == 'BARE']


def test_runs_from_several_threads_wait_for_each_other(whole):
    lines = ran('''
        threads = [threading.Thread(target=sent) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()''')
    assert lines == [whole[0]] * 4


# --------------------------------------------------------------------- what belongs to the process and to the user


def test_other_threads_keep_their_standard_output_and_their_environment():
    lines = ran('''
        import os
        sees, stop = set(), threading.Event()
        def work():
            number = 0
            while not stop.is_set() or number < 512:
                if number < 512: print('line', number, flush=True)
                sees.add((os.environ.get('OS_TOKEN'), os.environ.get('HOME'), 'OS_TOKEN' in os.environ,
                          len(dict(os.environ)), os.getenv('MINE')))
                number += 1
        os.environ['MINE'] = 'x'
        before = os.environ, sys.stdout, sys.stderr, dict(os.environ)
        thread = threading.Thread(target=work)
        thread.start()
        for _ in range(3): run()
        stop.set(); thread.join()
        assert (os.environ, sys.stdout, sys.stderr, dict(os.environ)) == before
        print(sees == {(None, os.environ.get('HOME'), False, len(os.environ), 'x')})''')
    assert [line for line in lines if line.startswith('line')] == [f'line {number}' for number in range(512)]
    assert lines[-1] == 'True'


CONFIGURED = {
    'netrc': {'.netrc': 'machine 127.0.0.1 login me password c3cr3t\n'},
    'proxies': dict.fromkeys(('HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'HTTPS_PROXY'), 'http://127.0.0.1:9'),
    'bundles': dict.fromkeys(('REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'SSL_CERT_FILE'), '/nowhere/at/all.pem'),
    'another netrc': {'NETRC': '{home}/.netrc', '.netrc': 'default login me password c3cr3t\n'},
    'OS_*': {
        'OS_COMPUTE_API_VERSION': '2.1', 'OS_TOKEN': 'c3cr3t', 'OS_ENDPOINT': 'http://127.0.0.1:9/', 'OS_CACHE': '1',
        'OS_REGION_NAME': 'moon', 'OS_DEBUG': '1', 'OS_AUTH_TYPE': 'password', 'OS_USERNAME': 'me', 'OS_CLOUD': 'moon',
        'OS_PASSWORD': 'c3cr3t', 'OS_SERVICE_NAME': 'x', 'OS_CERT': '/x'},
    'NOVACLIENT_*': {
        'NOVACLIENT_DEBUG': '1', 'NOVACLIENT_TIMINGS': '1', 'NOVACLIENT_UUID_CACHE_DIR': '{home}/cache',
        'NOVACLIENT_INSECURE': '1', 'NOVA_RAX_AUTH': '1'},
    'clouds.yaml': {
        '.config/openstack/clouds.yaml': 'clouds: {moon: {auth: {token: c3cr3t}}}',
        'OS_CLIENT_CONFIG_FILE': '{home}/.config/openstack/clouds.yaml'},
    'keyring': {
        '.local/share/python_keyring/keyring_pass.cfg': '[openstack]\nx = c3cr3t',
        'PYTHON_KEYRING_BACKEND': 'keyring.backends.fail.Keyring', 'OS_CACHE': '1'},
    'home that is a file': {'HOME': '/dev/null'}, 'no home': {'HOME': None}}
SIGHT = '''
    trace = run()
    steps = [(step.station, step.lines) for step in trace.steps]
    headers = [sorted(step.before['request']['headers']['store']) for step in trace.find('http')]
    print(json.dumps([steps, headers, trace.outcome, trace.note, 'c3cr3t' in trace.to_json()]))'''


@pytest.fixture(scope='module')
def plain():
    return ran(SIGHT)


@pytest.mark.parametrize('given', CONFIGURED.values(), ids=CONFIGURED)
def test_the_users_configuration_makes_no_difference(tmp_path, plain, given):
    environment = {**os.environ, 'HOME': str(tmp_path)}
    for name, value in given.items():
        if '.' in name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(value)
        elif value is None:
            environment.pop(name)
        else:
            environment[name] = value.replace('{home}', str(tmp_path))
    before = sorted(path.name for path in tmp_path.rglob('*'))
    assert ran(SIGHT, env=environment) == plain
    assert json.loads(plain[0])[4] is False
    assert sorted(path.name for path in tmp_path.rglob('*')) == before  # nothing is left in the home folder


# ---------------------------------------------------------------------------------------------------- the text that ran

CODE = '''
    import pathlib, re
    from explorer import pipeline

    def code():
        from explorer import explore
        player = explore('controller')
        folds = player.content['folds']
        def whole(text):
            return re.sub('\\x02([0-9]+);', lambda found: whole(folds[int(found[1])]), text)
        values = re.compile('<b class="[^"]*" title="[^"]*">.*?</b>')  # they differ from run to run
        return [(step['station'], whole(step['head']), values.sub('', whole(step['code'])))
                for step in player.content['runs'][0]['steps']]

    path = pathlib.Path(pipeline.__file__)
'''
EDIT = CODE + '''
    from explorer.views.sources import EDITED
    before = code()
    path.write_text('# seven\\n' * 7 + path.read_text())
    after = code()
    note = f'<p role="note">{EDITED}</p>'
    print(before == [(station, head, text.replace(note, '')) for station, head, text in after],
          sum(EDITED in text for *_, text in after) > 20, sum(EDITED in text for *_, text in before))
    print(any(station == '_migrate_live' and '_migrate_live</span>(self' in text for station, _, text in after))'''


def test_an_edited_file_is_shown_as_it_ran(copy):
    assert ran(EDIT, cwd=copy) == ['True True 0', 'True']


def test_a_file_edited_between_import_and_first_run_is_never_shown_wrongly(copy):
    done = forks.run(textwrap.dedent(f'''{CODE}
    path.write_text('# seven\\n' * 7 + path.read_text())
    shown = [text for _, head, text in code() if 'explorer/pipeline' in head]
    print(len(shown) > 20, any('data-line' in text for text in shown),
          all('not the one that ran' in text for text in shown))'''), cwd=copy)
    assert done.stdout == 'True False True\n', done.stderr


# ------------------------------------------------------------------------------------------ what killed kernels leave


def test_the_folders_of_killed_processes_are_removed_and_those_of_live_ones_kept(tmp_path):
    environment = {**os.environ, 'TMPDIR': str(tmp_path)}
    _, killed, there = ran('''
        import os, tempfile
        from explorer.engines import running
        run()
        mine = running.miniature().nova.folder
        print(mine, flush=True)
        child = os.fork()
        if not child:
            run()
            print(running.miniature().nova.folder, flush=True)
            os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
        third = os.fork()
        if not third:
            run()
            print(os.path.exists(mine), flush=True)
            os._exit(0)
        os.waitpid(third, 0)
        run()''', env=environment)
    assert there == 'True'
    assert not pathlib.Path(killed).exists()


def test_a_missing_working_folder_is_reported_in_one_line(tmp_path):
    (tmp_path / 'gone').mkdir()
    line, = ran('''
        import os
        from explorer import Lesson
        from explorer.errors import WrongUse
        os.rmdir(os.getcwd())
        try:
            Lesson()
        except WrongUse as error:
            print(error)''', cwd=tmp_path / 'gone', env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert 'the working folder of this kernel is gone' in line
