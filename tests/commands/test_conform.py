"""The miniature's answers, compared with the real Nova's recorded ones."""

import copy
import json

import pytest

from explorer.commands import conform
from explorer.errors import WrongUse
from tests.conftest import CASES

DATA = json.loads(CASES.read_text())


def write(path, **change):
    path.write_text(json.dumps({**DATA, **change}))
    return path


@pytest.fixture(scope='module')
def answers():
    """Return the miniature's response to every recorded case, {id: response}; all levels compare the same ones."""
    cloud, cases = conform.read_cases(CASES)
    return {case['id']: conform.answer_case(case['given'], cloud) for case in cases}


@pytest.mark.parametrize('level', ['status', 'message', 'rpc', 'full'])
def test_every_recorded_case_agrees(answers, monkeypatch, level):
    asked = iter(answers.values())
    monkeypatch.setattr(conform, 'answer_case', lambda *_: next(asked))
    lines, agree = conform.conform(CASES, level)
    assert agree, lines[:20]
    assert lines == [f'68 of 68 cases marked outside_path agree at level {level}',
                     f'489 of 489 cases agree at level {level}']


def test_marked_cases_can_be_left_out(tmp_path):
    marked = next(case for case in DATA['cases'] if case['outside_path'])
    other = next(case for case in DATA['cases'] if not case['outside_path'])
    lines, agree = conform.conform(write(tmp_path / 'c', cases=[marked, other]), inside_only=True)
    assert (lines, agree) == (['1 of 1 cases agree at level rpc'], True)


def falsified(value):
    """Change the smallest thing in a value."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + 'x'
    if isinstance(value, list):
        return [*value, 'x']
    if isinstance(value, dict):
        return {**value, 'x': 1}
    return 'x'


CAST = next(case for case in DATA['cases'] if case['expect']['rpc'] and not case['outside_path'])
REFUSED = next(case for case in DATA['cases'] if case['expect']['status'] == 409 and not case['outside_path'])
COMPARED = {
    'status': [('status',)],
    'message': [('status',), ('body', 'conflictingRequest', 'message')],
    'rpc': [('status',), ('rpc', 'kind'), ('rpc', 'topic'), ('rpc', 'namespace'), ('rpc', 'version'), ('rpc', 'method'),
            ('rpc', 'args'), ('vm_state_after',), ('task_state_after',), ('actions',)],
    'full': [('headers',), ('body',), ('rpc', 'server'), ('rpc', 'fanout'), ('rpc', 'timeout'),
             ('rpc', 'call_monitor_timeout'), ('rpc', 'context'), ('rpc_count',), ('faults',)]}


@pytest.mark.parametrize(('level', 'path'), [(level, path) for level, paths in COMPARED.items() for path in paths],
                         ids=lambda value: value if isinstance(value, str) else '.'.join(value))
def test_each_compared_field_is_counted_when_it_is_false(tmp_path, level, path):
    case = copy.deepcopy(REFUSED if path[0] == 'body' and len(path) > 1 else CAST)
    *above, last = path
    at = case['expect']
    for name in above:
        at = at[name]
    at[last] = falsified(at[last])
    lines, agree = conform.conform(write(tmp_path / 'c', cases=[case, REFUSED]), level)
    assert not agree
    field = path[0] if path[0] != 'body' or level == 'full' else 'message'
    assert lines[0].startswith(f'{case["id"]}: {field}: expected')
    assert lines[-1] == f'1 of 2 cases agree at level {level}'


@pytest.mark.parametrize('path', [('rpc', 'timeout'), ('headers',), ('faults',)])
def test_a_lower_level_does_not_compare_what_a_higher_one_does(tmp_path, path):
    case = copy.deepcopy(CAST)
    at = case['expect'] if len(path) == 1 else case['expect'][path[0]]
    at[path[-1]] = falsified(at[path[-1]])
    assert conform.conform(write(tmp_path / 'c', cases=[case]), 'rpc')[1]


def test_the_expectation_is_not_given_to_the_engine(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(conform, 'answer_case', lambda given, *rest: seen.append(given) or CAST['expect'])
    conform.conform(write(tmp_path / 'c', cases=[CAST]))
    assert seen == [CAST['given']]


def test_a_case_without_an_expectation_is_answered_and_agrees_with_nothing(tmp_path):
    case = {'id': CAST['id'], 'given': CAST['given']}
    _, agree = conform.conform(write(tmp_path / 'c', cases=[case]), answers=tmp_path / 'out')
    assert not agree
    assert json.loads((tmp_path / 'out').read_text()) == {CAST['id']: CAST['expect']}


def test_answers_are_written_in_the_form_of_the_expectation(tmp_path):
    out = tmp_path / 'out.json'
    conform.conform(write(tmp_path / 'c', cases=[CAST, REFUSED]), answers=out)
    assert json.loads(out.read_text()) == {case['id']: case['expect'] for case in (CAST, REFUSED)}


def test_an_answer_comes_from_the_callers_and_hosts_of_the_file(tmp_path):
    callers = {**DATA['callers'], CAST['given']['caller']: {**DATA['callers'][CAST['given']['caller']], 'roles': []}}
    lines, agree = conform.conform(write(tmp_path / 'c', cases=[CAST], callers=callers), 'status')
    assert not agree
    assert 'got 403' in lines[0]


@pytest.mark.parametrize(('content', 'says'), [
    ('', 'holds no recordings'), ('[]', 'holds no recordings'), ('{"cases": []}', 'holds no recordings'),
    (json.dumps({**DATA, 'cases': []}), 'holds no case to run'), ('[' * 100_000, 'holds no recordings'),
    (json.dumps({**DATA, 'callers': None}), 'callers'), (json.dumps({**DATA, 'hosts': ['x']}), 'hosts.0'),
    (json.dumps({**DATA, 'cases': [1]}), 'cases.0'), (json.dumps({**DATA, 'cases': [{'id': 'x'}]}), 'cases.0')])
def test_a_file_without_a_case_is_wrong_use(tmp_path, content, says):
    (tmp_path / 'c').write_text(content)
    with pytest.raises(WrongUse, match=says):
        conform.conform(tmp_path / 'c')
    with pytest.raises(WrongUse, match='No such file'):
        conform.conform(tmp_path / 'nowhere')


def test_old_answers_stay_until_every_case_is_answered(tmp_path, monkeypatch):
    out = tmp_path / 'out.json'
    out.write_text('before')

    def interrupted(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(conform, 'answer_case', interrupted)
    with pytest.raises(KeyboardInterrupt):
        conform.conform(write(tmp_path / 'c', cases=[CAST]), answers=out)
    assert out.read_text() == 'before'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['c', 'out.json']
