"""The command line: only results go to standard output; misuse prints one line and exits with status 2."""

import json
import os
import re

import pytest

from explorer import Trace
from explorer.__main__ import main
from tests.conftest import CASES, ROOT


def test_trace_shows_the_path_step_by_step(explorer):
    done = explorer('trace')
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, '')
    assert lines[0] == 'nova live-migration web-1: POST /v2.1/servers/{id}/action → 202'
    assert 'ComputeTaskManager._live_migrate' in done.stdout


def test_trace_as_json_is_a_trace(capsys):
    assert main(['trace', 'web-2', '--host', 'host2', '--block-migrate', '--microversion', '2.30', '--force',
                 '--json']) == 0
    trace = Trace.from_json(capsys.readouterr().out)
    assert trace.response['status'] == 202
    assert trace.request['body'] == {'os-migrateLive': {'host': 'host2', 'block_migration': True, 'force': True}}
    assert trace.messages[0]['context']['user_id'] == 'u-admin'
    assert trace.scenario['server'] == 'web-2'


def test_a_refusal_by_nova_is_not_an_error_of_the_program(capsys):
    assert main(['trace', '--as', 'reader']) == 0
    assert '→ 403' in capsys.readouterr().out


@pytest.mark.parametrize(('number', 'moment'), [(58, 'entry'), (70, 'return')])
def test_trace_prints_the_moment_of_one_step(capsys, number, moment):
    assert main(['trace', '--as', 'reader', '--step', str(number)]) == 0
    shown = capsys.readouterr().out
    assert re.match(rf'step {number} of 71 · API node · \S+ · {moment}\n', shown)
    assert main(['trace', '--as', 'reader', '--step', str(number), '--whole']) == 0
    whole = capsys.readouterr().out
    assert re.search(r'^    request_id "req-[0-9a-f-]{36}"$', whole, re.MULTILINE)
    assert not re.search(r'^    request_id ', shown, re.MULTILINE)


@pytest.mark.parametrize(('words', 'says'), [
    ((), 'required: COMMAND'), (('fly',), 'invalid choice'), (('trace', 'web-9'), "no server 'web-9'"),
    (('trace', '--as', 'boss'), "no caller 'boss'"), (('trace', '--engine', 'moon'), "no engine 'moon'"),
    (('trace', '--engine', 'recorded', '--host', 'moon'), 'no recording of this request'),
    (('trace', '--microversion', 'two'), 'is not a microversion'), (('trace', '--wings'), 'unrecognized arguments'),
    (('trace', '--force', '--microversion', '2.20'), '--force exists from'),
    (('trace', '--step', '0'), 'this trace has no step 0; use a number from 1 to'),
    (('trace', '--step', '1000'), 'this trace has no step 1000'), (('trace', '--step', 'x'), "invalid int value: 'x'"),
    (('trace', '--whole'), 'name it with --step N'), (('trace', '--step', '3', '--json'), 'use only one of them'),
    (('conform',), 'required: CASES.json'), (('conform', 'nowhere.json'), 'No such file'),
    (('conform', 'README.md'), 'holds no recordings'), (('conform', str(CASES), '--level', 'best'), 'invalid choice'),
    (('serve', '--port', 'x'), 'is not a port'), (('history', 'moon'), "the history of 'moon' is not known"),
    (('beside', 'moon'), 'no exploration'), (('record', '--cases', 'nowhere.json', 'out.json'), 'No such file'),
    (('record', '--cases', 'nowhere.json'), 'expected 2 arguments'),
    (('record', '--check', '--cases', 'a', 'b'), 'use only one of them'),
    (('beside', 'rpc', '--engine', 'miniature'), 'invalid choice')])
def test_misuse_prints_one_line_and_exits_with_status_2(capsys, words, says):
    assert main(list(words)) == 2
    shown = capsys.readouterr()
    assert shown.out == ''
    assert shown.err.startswith('nova-explorer: ')
    assert says in shown.err
    assert shown.err.count('\n') == 1


@pytest.mark.parametrize('words', [
    ('trace', '--engine', 'nova'), ('record',), ('record', '--check'), ('record', '--cases', str(CASES), 'out.json'),
    ('conform', str(CASES), '--engine', 'nova'), ('beside', 'rpc', '--engine', 'nova')], ids=' '.join)
def test_without_the_real_nova_the_message_says_how_to_get_it(explorer, words):
    before = {path: path.stat().st_mtime_ns for path in (ROOT / 'explorer').glob('*.xz')}
    done = explorer(*words, env={**os.environ, 'NOVA_EXPLORER_PYTHON': '/nowhere/python'})
    assert (done.returncode, done.stdout, done.stderr.count('\n')) == (2, '', 1)
    assert '"make nova" installs nova' in done.stderr
    assert {path: path.stat().st_mtime_ns for path in (ROOT / 'explorer').glob('*.xz')} == before
    assert not (ROOT / 'out.json').exists()


def test_the_recorded_engine_returns_a_trace_of_the_real_nova(capsys):
    assert main(['trace', '--engine', 'recorded', '--json']) == 0
    trace = Trace.from_json(capsys.readouterr().out)
    assert (trace.engine, trace.response['status']) == ('recorded', 202)
    assert trace.find('live_migrate')[0].file == 'nova/compute/api.py'


def test_beside_compares_the_miniature_with_the_real_nova(capsys):
    assert main(['beside', 'rpc']) == 0
    said = capsys.readouterr().out
    assert 'visits in the same order; the same message, the same response' in said
    assert 'simplified: Transport._send' in said


def test_conform_prints_the_count_last_and_fails_if_a_case_disagrees(tmp_path, capsys):
    data = json.loads(CASES.read_text())
    data['cases'] = data['cases'][:3]
    data['cases'][0]['expect']['status'] += 1
    (tmp_path / 'cases.json').write_text(json.dumps(data))
    assert main(['conform', str(tmp_path / 'cases.json'), '--answers', str(tmp_path / 'out.json')]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == '2 of 3 cases agree at level rpc'
    assert set(json.loads((tmp_path / 'out.json').read_text())) == {case['id'] for case in data['cases']}


def test_unwritable_answers_are_refused(tmp_path, capsys):
    data = json.loads(CASES.read_text())
    data['cases'] = data['cases'][:1]
    (tmp_path / 'cases.json').write_text(json.dumps(data))
    assert main(['conform', str(tmp_path / 'cases.json'), '--answers', str(tmp_path / 'no/out.json')]) == 2
    assert 'No such file' in capsys.readouterr().err


def test_diagrams_check_says_whether_they_are_up_to_date(capsys):
    assert main(['diagrams', '--check']) == 0
    assert capsys.readouterr().out == 'all diagrams are up to date\n'


def test_a_closed_pipe_is_not_an_error(explorer):
    import subprocess
    import sys
    done = subprocess.run(
        f'"{sys.executable}" -m explorer trace | head -1', shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.count('\n') == 1
    assert done.stderr == ''
