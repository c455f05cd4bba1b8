"""The lesson, as a learner calls it."""

import json

import pytest

from explorer import Lesson, Scenario
from explorer.errors import WrongUse
from explorer.player.widget import Player
from explorer.teaching.catalogue import MYTHS, QUESTIONS, TASKS, myths
from explorer.teaching.strip import progress_rows
from explorer.teaching.tasks import PHASES, Build, Choice, Diagnosis, Foretell, Sentence, ask
from explorer.views.facts import asked, turned_back
from explorer.views.pages import tell


@pytest.fixture
def lesson(tmp_path):
    return Lesson(tmp_path / 'mine.json')


def give(lesson, task, answer):
    in_parts = isinstance(answer, dict) and isinstance(task, Foretell)
    return lesson.answer(task.key, **answer) if in_parts else lesson.answer(task.key, answer)


def test_the_whole_lesson_can_be_done_by_calls_and_continues_after_a_restart(lesson):
    for task in TASKS.values():
        give(lesson, task, 'a sentence of my own' if isinstance(task, Sentence) else task.solution())
        lesson = Lesson(lesson.keeper.path)
    head, rows = progress_rows(lesson.kept())
    assert head == ('leg', 'recall', 'predict', 'look', 'change', 'check', 'say')
    assert {mark for row in rows for mark in row[1:]} == {'done', ''}
    assert str(lesson.here('rpc')).count('(✓)') == 7
    assert 'open' not in str(lesson.myths())


def test_a_wrong_answer_is_kept_and_the_first_stays_on_record(lesson):
    task = TASKS['controller.predict']
    wrong = next(letter for letter in 'abcd' if letter != task.right())
    assert not lesson.predict('controller', wrong)
    second = lesson.predict('controller', task.right())
    assert second
    assert f'Your first answer, {wrong}, stays on record' in second.says
    assert [entry['answer'] for entry in lesson.kept().answers[task.key]] == [wrong, task.right()]


@pytest.mark.parametrize('task', [
    task for task in TASKS.values() if isinstance(task, Choice) and task.name.startswith('look')],
    ids=lambda task: task.key)
def test_a_first_wrong_look_asks_to_look_again_and_a_second_one_gets_the_explanation(lesson, task):
    wrong = next(letter for letter in 'abcd' if letter != task.right())
    first, card = lesson.answer(task.key, wrong), lesson.ask(task.key)
    assert task.explained() not in first.says
    assert 'Look again.' in first.says
    assert 'Look again.' in card.html
    assert task.explained() in lesson.answer(task.key, wrong).says
    assert 'Look again.' not in card.html


def test_a_player_that_sent_the_request_is_an_answer(lesson):
    shown = Player(ask(Scenario(microversion='2.24')), 'client')
    assert lesson.check('client', shown)
    assert lesson.kept().answers['client.check'][0]['answer']['microversion'] == '2.24'


def test_a_number_may_be_a_word(lesson):
    assert lesson.answer('controller.look-happened', 'One')


def test_an_answer_before_the_prediction_is_accepted_with_a_remark(lesson):
    verdict = lesson.check('client', Scenario(microversion='2.24'))
    assert verdict
    assert 'You have not predicted yet' in verdict.says
    lesson.predict('client', 'a')
    assert 'not predicted' not in lesson.check('client', Scenario(microversion='2.24')).says


@pytest.mark.parametrize('answer', [None, ..., '', 'e', 5, [], {}, object()], ids=lambda answer: type(answer).__name__)
def test_an_invalid_answer_is_explained_and_not_kept(lesson, answer):
    assert 'answer' in lesson.answer('rpc.predict', answer).says
    assert lesson.kept().answers == {}


def test_a_sentence_is_kept_and_a_model_shown(lesson):
    verdict = lesson.say('rpc', '  Text  travels\n over the bus. ')
    assert verdict.says.startswith('Kept. One way to say it: ')
    assert lesson.kept().answers['rpc.say'][0]['answer'] == 'Text travels over the bus.'


@pytest.mark.parametrize('task', [task for task in TASKS.values() if task.hints], ids=lambda task: task.key)
def test_the_solution_comes_after_three_hints(lesson, task):
    assert 'take the remaining hints first (3)' in lesson.solution(task.key).says
    for number in (1, 2, 3):
        assert lesson.hint(task.key).says.startswith(f'Hint {number} of 3: ')
    assert 'you have taken all 3 hints' in lesson.hint(task.key).says
    assert lesson.solution(task.key).says == task.explained()
    assert lesson.kept().hints == {task.key: 3}


@pytest.mark.parametrize('task', [task for task in TASKS.values() if not task.hints], ids=lambda task: task.key)
def test_a_task_without_hints_is_explained_after_an_answer(lesson, task):
    assert 'no hints' in lesson.hint(task.key).says
    assert 'once you have answered it' in lesson.solution(task.key).says
    answer = {Sentence: 'it is what it is', Foretell: {'status': 418, 'message': 'cast', 'task_state': 'none'}}
    give(lesson, task, next((given for kind, given in answer.items() if isinstance(task, kind)), 'a'))
    assert lesson.solution(task.key).says == task.explained()


@pytest.mark.parametrize('call', [
    lambda lesson: lesson.ask('moon'), lambda lesson: lesson.answer('moon', 'a'), lambda lesson: lesson.hint(5),
    lambda lesson: lesson.solution('rpc.look'), lambda lesson: lesson.check('moon', 'a'),
    lambda lesson: lesson.here('moon'), lambda lesson: lesson.predict(None, 'a'), lambda lesson: lesson.ask(None)])
def test_an_unknown_name_is_reported_with_the_known_ones(lesson, call):
    said = str(call(lesson))
    assert 'choose one of' in said
    assert '\n' not in said


def test_a_damaged_file_is_reported_with_the_next_answer_and_the_lesson_continues(lesson):
    lesson.keeper.path.write_text('{"schema": 1, "answers"')
    verdict = lesson.predict('client', TASKS['client.predict'].right())
    assert verdict
    assert 'could not be read' in verdict.says
    assert json.loads(lesson.keeper.path.read_text())['answers']['client.predict']


def test_kept_answers_that_no_longer_fit_do_no_harm(lesson):
    lesson.keeper.path.write_text(json.dumps({'schema': 1, 'hints': {'gone.check': 2, 'client.check': 9}, 'answers': {
        'gone.predict': [{'answer': 'a', 'right': True}], 'client.predict': [{'answer': 'z', 'right': True}],
        'client.check': [{'answer': {'moon': 1}, 'right': True}],
        'closing.foretell-1': [{'answer': 'x', 'right': None}], 'client.say': [{'answer': None, 'right': None}],
        'client.look-text': [{'answer': {'<script>': 1}, 'right': False}]}}))
    for key in ('client', 'closing'):
        card = lesson.ask(key)
        assert 'client.predict' in str(card) or 'closing' in str(card)
        assert '<script>' not in card.html
    assert 'done' in str(lesson.progress())
    assert lesson.predict('client', 'd')
    assert lesson.kept().answers['gone.predict']


def test_a_reset_forgets_everything_and_keeps_the_old_file(lesson):
    lesson.predict('client', 'a')
    assert 'starts over' in lesson.reset().says
    assert lesson.kept().answers == {}
    assert 'open' in str(lesson.progress())


def test_the_journey_fits_into_ninety_seconds_and_shows_every_leg(lesson):
    told = str(lesson.journey())
    for leg in QUESTIONS:
        assert leg in told
    assert len(told.split()) < 150  # at 100 words a minute: code reads slowly


# ------------------------------------------------------------------------------------------------- its shape


@pytest.mark.parametrize('leg', QUESTIONS)
def test_every_leg_has_the_same_shape(leg):
    phases = [task.phase for task in QUESTIONS[leg].tasks]
    expected = PHASES if list(QUESTIONS).index(leg) >= 2 else PHASES[1:]  # there is nothing to recall yet
    assert list(dict.fromkeys(phases)) == list(expected)
    assert {'look-text', 'look-happened', 'look-purpose'} <= {task.name for task in QUESTIONS[leg].tasks}
    kinds = {task.name: type(task) for task in QUESTIONS[leg].tasks}
    assert (kinds['predict'], kinds['change'], kinds['check'], kinds['say']) == (Choice, Choice, Build, Sentence)


@pytest.mark.parametrize(
    'task', [task for task in TASKS.values() if isinstance(task, Choice)], ids=lambda task: task.key)
def test_a_choice_has_three_or_four_options_each_with_a_reason(task):
    assert 3 <= len(task.options) <= 4
    assert all(len(option.why.split()) >= 2 for option in task.options)
    assert len({option.text for option in task.options}) == len(task.options)
    assert len({str(option.value) for option in task.options}) == len(task.options)
    right = task.options['abcd'.index(task.right())]
    assert right.but == ''
    assert all(option.but for option in task.options if option is not right)


def test_no_letter_is_right_much_more_often_than_another():
    letters = [task.right() for task in TASKS.values() if isinstance(task, Choice)]
    assert max(map(letters.count, 'abcd')) < 0.4 * len(letters)


def test_a_run_in_one_of_the_seven_legs_settles_each_misconception():
    found = myths()
    assert set(found) == set(MYTHS)
    for key, (_, task) in found.items():
        assert task.leg in QUESTIONS
        option = next(option for option in task.options if option.myth == key)
        assert option.value != task.found()['answer']


def test_every_leg_has_a_wrong_option_that_is_explained():
    for tasks in (each.tasks for each in QUESTIONS.values()):
        assert any(option.but for task in tasks for option in getattr(task, 'options', ()))


def test_the_closing_has_cases_that_the_legs_did_not_show():
    shown, run_in_legs = set(), []
    for tasks in (each.tasks for each in QUESTIONS.values()):
        for task in tasks:
            task.facts(lambda scenario: run_in_legs.append(scenario) or ask(scenario))
    shown = {json.dumps(vars(scenario), sort_keys=True, default=dict) for scenario in run_in_legs}
    for task in TASKS.values():
        if isinstance(task, Foretell):
            assert json.dumps(vars(task.scenario), sort_keys=True, default=dict) not in shown, task.key


@pytest.mark.parametrize('number', [1, 2, 3, 4])
def test_a_run_without_a_label_does_not_show_its_cause(lesson, number):
    trace = lesson.patient(number)
    task = TASKS[f'closing.diagnose-{number}']
    assert isinstance(task, Diagnosis)
    assert '(' not in asked(trace)
    for option in task.options:
        assert option.text not in tell(trace)
    assert Player(trace, 'compute-api').trace is trace
    assert trace.note or turned_back(trace)


def test_there_is_no_fifth_patient(lesson):
    with pytest.raises(WrongUse, match='choose 1 to 4'):
        lesson.patient(5)
