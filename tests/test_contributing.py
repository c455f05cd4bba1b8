"""CONTRIBUTING.md shows changes; these tests make them, in a copy of the package."""

import re
import shutil
import textwrap

import pytest

from tests import forks
from tests.conftest import ROOT

PARTS = re.split(r'^## ', (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8'), flags=re.MULTILINE)[1:]
INSERTION = re.compile(r'^In `([\w/.]+)`, before `([^`]+)`:\n\n```python\n(.*?)```\n', re.MULTILINE | re.DOTALL)
TRIAL = re.compile(r'^```python\n(>>> .*?)```', re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize('part', PARTS, ids=lambda part: part.partition('\n')[0])
def test_a_change_that_is_shown_works_as_printed(tmp_path, part):
    shutil.copytree(ROOT / 'explorer', tmp_path / 'explorer')
    changes, trial = INSERTION.findall(part), TRIAL.search(part)[1]
    assert 1 <= len({name for name, _, _ in changes}) <= 2
    (tmp_path / 'trial.txt').write_text(trial)
    attempt = 'import doctest, sys; sys.exit(doctest.testfile("trial.txt", module_relative=False).failed)'
    before = forks.run(attempt, cwd=tmp_path)
    assert before.returncode != 0, 'the change is not needed'
    for name, place, text in changes:
        path = tmp_path / name
        old = path.read_text(encoding='utf-8')
        assert old.count(place) == 1, (name, place)
        path.write_text(old.replace(place, text + place), encoding='utf-8')
    after = forks.run(attempt, cwd=tmp_path)
    assert after.returncode == 0, after.stdout


def test_an_added_question_appears_in_the_card_the_guide_and_the_handout(tmp_path):
    shutil.copytree(ROOT / 'explorer', tmp_path / 'explorer')
    for name, place, text in INSERTION.findall(PARTS[0]):
        path = tmp_path / name
        path.write_text(path.read_text(encoding='utf-8').replace(place, text + place), encoding='utf-8')
    done = forks.run(textwrap.dedent('''
        from explorer import Lesson
        from explorer.teaching.handout import sheet
        from explorer.teaching.catalogue import QUESTIONS
        from explorer.teaching.guide import guide
        for text in (str(Lesson('mine.json').ask('client.look')), guide(), sheet(QUESTIONS['client'].tasks)):
            print(text.count('Which method does the last request use?'))'''), cwd=tmp_path)
    assert done.stdout.split() == ['1', '1', '1'], done.stderr
