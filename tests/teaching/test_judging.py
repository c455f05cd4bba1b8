"""Answers to tasks: right, wrong and odd ones, and any request that is handed in."""

import re

import pytest

from explorer import Scenario, bare
from explorer.teaching.catalogue import TASKS
from explorer.teaching.judging import judge, keys
from explorer.teaching.tasks import LETTERS, Build, Choice, Foretell, Sentence, Word
from tests.conftest import ROOT

GUIDE = (ROOT / 'INSTRUCTOR.md').read_text()
EACH = pytest.mark.parametrize('task', TASKS.values(), ids=list(TASKS))


@pytest.fixture(scope='module')
def today():
    return keys()


@EACH
def test_todays_path_answers_every_task(today, task):
    assert 'stale' not in today[task.key]


@EACH
def test_a_right_answer_is_right_and_explained(today, task):
    verdict = judge(task.key, task.solution())
    if isinstance(task, Sentence):
        assert (verdict.right, bool(verdict)) == (None, False)
    else:
        assert verdict.right is True, verdict
        assert verdict
    assert today[task.key]['told'] in verdict.says


WRONG = {'check': Scenario(caller='no_roles', state={'vm_state': 'error'})}


def wrong_answers(task):
    """Return wrong answers to a task, each of another kind."""
    if isinstance(task, Choice):
        return [letter for letter in LETTERS[:len(task.options)] if letter != task.right()]
    if isinstance(task, Word):
        return ['something else', 17]
    if isinstance(task, Build):
        return [WRONG['check']]
    if isinstance(task, Foretell):
        true = task.solution()
        return [{**true, 'status': 418}, {**true, 'message': 'call' if true['message'] == 'none' else 'none'},
                {**true, 'task_state': 'nowhere'}]
    return []


@EACH
def test_each_wrong_answer_is_wrong_and_says_why(today, task):
    told = today[task.key]['told']
    for answer in wrong_answers(task):
        verdict = judge(task.key, answer)
        assert verdict.right is False
        assert verdict.says.startswith('Not so.')
        explains = isinstance(task, Choice | Foretell)  # the others leave something to find out
        assert (told in verdict.says) == explains
        if isinstance(task, Choice):
            but = task.options[LETTERS.index(answer)].but.format(**task.found())
            assert len(but) > 10
            assert but in verdict.says
        if isinstance(task, Build):
            assert len(verdict.says) > len('Not so. ')


@pytest.mark.parametrize(
    'task', [task for task in TASKS.values() if isinstance(task, Foretell)], ids=lambda task: task.key)
def test_each_part_of_a_foretelling_is_judged_by_itself(task):
    true = task.solution()
    assert judge(task.key, **true)
    assert 'status is not 418' in judge(task.key, **{**true, 'status': 418}).says.lower()


@EACH
def test_a_task_that_needs_searching_has_three_hints(today, task):
    assert len(task.hints) == (3 if isinstance(task, Build | Word) else 0)
    filled = [hint.format(**task.found()) for hint in task.hints]
    assert len(set(filled)) == len(filled)
    for hint in filled[:2]:  # the first two don't give it away
        assert str(today[task.key]['answer']) not in hint


class Hostile:
    """An answer whose own methods raise."""

    def __repr__(self):
        raise RuntimeError('no')

    __str__ = __iter__ = __eq__ = __hash__ = __repr__


class Text(str):
    def strip(self, *_):
        raise RuntimeError('no')


ODD = [Hostile(), Text('a'), 10**5000, '\ud800', bare({1: 1, 'a': 2}), bare('x' * 500_000),
       Scenario(state={'vm_state': '\ud800'}), 'x' * 1_000_000,
       {'status': '²', 'message': 'none', 'task_state': 'none'},
       {'status': 10**5000, 'message': 'none', 'task_state': 'x' * 5000},
       None, ..., 5, 5.5, True, [], {}, '', '  ', 'e', 'ab', 'abcd', '\x00', 'x' * 100_000, b'a', object(), Scenario,
       {'status': 1}, {'answer': 'a'}, lambda: 'a', ['a'], float('nan'), '🙂', {'caller': 'nobody'}, {'moon': 1},
       'nova live-migration', 'rm -rf', "nova live-migration 'web"]


KINDS = {type(task): task for task in TASKS.values()}  # one of each


@pytest.mark.parametrize('task', KINDS.values(), ids=[kind.__name__ for kind in KINDS])
@pytest.mark.parametrize('answer', ODD, ids=range(len(ODD)))
def test_an_answer_of_the_wrong_kind_gets_a_friendly_line(task, answer):
    verdict = judge(task.key, answer)
    assert verdict.right is not True
    assert 0 < len(verdict.says) < 1500
    assert 'Traceback' not in verdict.says


@pytest.mark.parametrize('key', [
    Hostile(), 'client', 'client.look', 'moon', '', 'client.', None, 5, ['client.predict'], 'client.predict\n'],
    ids=range(10))
def test_an_unknown_task_gets_a_line_with_the_known_ones(key):
    verdict = judge(key, 'a')
    assert verdict.right is None
    assert 'choose one of' in verdict.says


def test_a_choice_is_read_as_people_write_it():
    letter = TASKS['client.predict'].right()
    for written in (letter.upper(), f' {letter} ', f'({letter})', f'{letter}.'):
        assert judge('client.predict', written)


@pytest.mark.parametrize('answer', [
    {'status': 202, 'message': 'cast'}, {'status': 202, 'message': 'cast', 'task_state': 'none', 'more': 1}])
def test_a_foretelling_has_exactly_three_parts(answer):
    assert judge('closing.foretell-1', answer).says.startswith('this task needs three parts')


def test_three_words_are_a_sentence_and_two_are_not():
    assert judge('rpc.say', 'Text travels fast').says.startswith('Kept.')
    assert 'three words or more' in judge('rpc.say', 'Text travels').says


def test_a_request_may_be_a_scenario_a_dict_a_command_or_a_trace():
    from explorer import run
    scenario = Scenario(microversion='2.24')
    command = 'nova --os-compute-api-version 2.24 live-migration web-1'
    for answer in (scenario, {'microversion': '2.24'}, command, run(scenario)):
        assert judge('client.check', answer)


def test_a_request_that_the_client_refuses_is_explained_and_the_next_works():
    assert 'the nova client rejects' in judge('client.check', Scenario(force=True)).says
    assert judge('client.check', Scenario(microversion='2.24'))


def test_a_solution_other_than_ours_is_also_right():
    assert judge('routes.check', bare('no JSON at all'))
    assert judge('compute-api.check', Scenario(state={'request_spec': False}))
    assert judge('service.check', bare('y' * 114_689, caller='reader'))


def test_the_guide_for_teachers_holds_todays_keys(today):
    for task in TASKS.values():
        told = today[task.key]
        assert told['told'] in GUIDE, task.key
        if isinstance(task, Choice):
            block = GUIDE.partition(f'(`{task.key}`)')[2].partition('\n\n')[0]
            assert re.findall(r'^  - (\w) ✓', block, re.MULTILINE) == [told['answer']]


@pytest.mark.parametrize('scenario', [
    Scenario(caller='no_token'), Scenario(caller='bad_token'), Scenario(caller='manager_other_project'),
    Scenario(microversion='2.999'), bare([]), bare(None), bare({'os-migrateLive': []}), bare({'os-migrateLive': None}),
    bare('null'), bare(''), bare({}, path='/nowhere'), bare({'os-migrateLive': {}}, version=None),
    Scenario(conductor_reply={'raise': 'ValueError'}), Scenario(state={'mapping': None}), bare({'pause': None})],
    ids=lambda scenario: scenario.caller)
@pytest.mark.parametrize(
    'task', [task for task in TASKS.values() if isinstance(task, Build)], ids=lambda task: task.key)
def test_any_request_can_be_judged(task, scenario):
    verdict = judge(task.key, scenario)
    assert verdict.right in (True, False)
