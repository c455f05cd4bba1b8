"""For teachers: the guide is up to date, the plans add up, answers of a class are combined."""

import doctest
import json
import os
import re

import pytest

from explorer import EXPLORATIONS, Lesson, bare
from explorer.errors import WrongUse
from explorer.teaching import guide
from explorer.teaching.catalogue import MYTHS, QUESTIONS, TASKS
from explorer.teaching.guide import OPENING, PLANS
from explorer.teaching.overlay import overlay
from tests.conftest import ROOT


def _said(key):
    said = QUESTIONS[key]
    return said.goal, said.ask, said.board, said.show


def test_the_guide_is_up_to_date(explorer):
    done = explorer('guide', '--check')
    assert (done.returncode, done.stdout) == (0, 'INSTRUCTOR.md is up to date\n')


def test_an_outdated_guide_is_reported(tmp_path, monkeypatch, capsys):
    from explorer.__main__ import main
    monkeypatch.setattr(guide, 'GUIDE_FILE', tmp_path / 'INSTRUCTOR.md')
    assert main(['guide', '--check']) == 1
    assert 'not up to date; run nova-explorer guide' in capsys.readouterr().out
    assert main(['guide']) == 0
    assert (tmp_path / 'INSTRUCTOR.md').read_text() == (ROOT / 'INSTRUCTOR.md').read_text()


def test_the_guide_has_every_task_every_leg_and_every_misconception():
    text = guide.guide()
    for key in TASKS:
        assert f'(`{key}`)' in text
    for row in EXPLORATIONS:
        assert f'### {row.number}. {row.title}' in text
        for part in _said(row.key):
            assert part in text
    for belief in MYTHS.values():
        assert belief in text


@pytest.mark.parametrize(('name', 'parts'), PLANS)
def test_a_plan_adds_up(name, parts):
    assert sum(minutes for minutes, _ in parts) == int(name.split()[0])
    assert len(PLANS) == 3


@pytest.fixture
def folder(tmp_path):
    """The progress files of a class of thirty, and three other files."""
    for number in range(30):
        lesson = Lesson(tmp_path / f'{number:02}.json')
        lesson.predict('client', 'abcd'[number % 4])
        if number < 3:
            lesson.predict('client', 'd')  # changed one's mind
            lesson.hint('client.check')
            lesson.say('client', 'a sentence of my own')
    (tmp_path / 'notes.txt').write_text('nothing')
    (tmp_path / 'damaged.json').write_text('{')
    (tmp_path / 'other.json').write_text('[]')
    return tmp_path


def test_a_classs_answers_are_counted_together(folder):
    sheet = overlay(folder)
    rows = {row[0]: row[1:] for row in sheet.rows}
    assert set(rows) == {'client.predict', 'client.say'}
    answered, spread, right, _ = rows['client.predict']
    assert (answered, right) == (30, '7 of 30')  # the first answers count
    assert re.findall(r'(\w)(✓?) █+ (\d+)', spread) == [('a', '', '8'), ('b', '', '8'), ('c', '', '7'), ('d', '✓', '7')]
    assert sheet.line.startswith('progress files: 30; left out: damaged.json: ')
    assert 'other.json' in sheet.line


def test_the_command_line_counts_a_classs_answers(folder, explorer):
    done = explorer('overlay', str(folder))
    assert done.returncode == 0
    assert 'client.predict  30' in done.stdout


@pytest.mark.parametrize('name', ['nowhere', 'notes.txt', ''])
def test_a_folder_without_answers_is_reported_in_one_line(tmp_path, explorer, name):
    (tmp_path / 'notes.txt').write_text('nothing')
    done = explorer('overlay', str(tmp_path / name))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize('folder', [None, 5, b'x', 'a\0b'], ids=str)
def test_an_invalid_folder_is_reported(folder):
    with pytest.raises(WrongUse, match=r'is not a folder|cannot be read'):
        overlay(folder)


def test_a_pipe_does_not_block_and_files_that_were_set_aside_are_not_counted(folder):
    os.mkfifo(folder / 'pipe.json')
    (folder / '00.old.json').write_text((folder / '00.json').read_text())
    (folder / '00.damaged1.json').write_text('{')
    sheet = overlay(folder)
    assert sheet.line.startswith('progress files: 30;')
    assert 'pipe.json: it is not a file' in sheet.line
    assert 'damaged1' not in sheet.line


def test_answers_of_another_kind_in_a_file_do_no_harm(tmp_path):
    (tmp_path / 'odd.json').write_text(json.dumps({'schema': 1, 'hints': {}, 'answers': {
        'client.predict': [{'answer': {'a': 1}, 'right': None}],
        'closing.foretell-1': [{'answer': 'x', 'right': False}],
        'gone.predict': [{'answer': 'a', 'right': True}]}}))
    assert 'progress files: 1' in str(overlay(tmp_path))


def test_nbgrader_can_call_the_checks():
    block = OPENING.partition('*nbgrader.*')[2].partition('The message of the assertion')[0]
    code = '\n'.join(line.strip() for line in block.splitlines()[1:] if line.startswith('    '))
    scope = {}
    exec(code, scope)
    assert scope['verdict']
    scope['answer_3'] = bare({'os-migrateLive': {}})
    with pytest.raises(AssertionError, match=r'Not so\.'):
        exec("verdict = judge('routes.check', answer_3)\nassert verdict, verdict", scope)


def test_otter_can_call_the_checks():
    block = OPENING.partition('*otter.*')[2].partition('Then `otter check')[0]
    scope = {}
    exec('\n'.join(line[4:] for line in block.splitlines()[1:]), scope)
    case, = scope['test']['suites'][0]['cases']
    for answer, failed in ((TASKS['routes.check'].solution(), 0), (bare({'os-migrateLive': {}}), 1)):
        test = doctest.DocTestParser().get_doctest(case['code'], {'answer_3': answer}, 'q3', None, 0)
        assert doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None).failed == failed


def test_the_guide_names_only_existing_tasks():
    assert set(re.findall(r"judge\('([\w.-]+)'", OPENING)) <= set(TASKS)
