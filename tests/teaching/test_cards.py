"""The lesson as text and as HTML, and the messages between a card and the browser."""

import html.parser
import json

import pytest

from explorer import Lesson
from explorer.teaching import cards
from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.progress import Progress
from explorer.teaching.tasks import Build, Choice, Sentence

EACH = pytest.mark.parametrize('task', TASKS.values(), ids=list(TASKS))


class Reader(html.parser.HTMLParser):
    """Read the text and the controls of a page."""

    def __init__(self, page):
        super().__init__()
        self.text, self.controls = '', []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.controls += [dict(attrs) | {'tag': tag}] if tag in ('input', 'button', 'select', 'textarea') else []

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def lesson(tmp_path):
    return Lesson(tmp_path / 'mine.json')


def say(card, **said):
    """Send a card a message as the browser does."""
    card._handle_custom_msg(said, [])


@EACH
def test_the_three_forms_of_a_task_have_the_same_content(lesson, task):
    card = lesson.ask(task.key)
    asks = task.asks.format(**task.found())
    bundle = card._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    for shown in (bundle['text/plain'], Reader(bundle['text/html']).text, Reader(card.html).text):
        plain = shown.replace('`', '').replace('*', '')
        assert asks.replace('`', '').replace('*', '') in plain
        for option in getattr(task, 'options', ()):
            assert option.text.replace('`', '') in plain
            assert option.why in plain
    assert task.call in bundle['text/plain']


@EACH
def test_nothing_is_revealed_before_an_answer(lesson, task):
    card = lesson.ask(task.key)
    told = task.explained().replace('`', '')
    everything = f'{card} {Reader(card.html).text} {json.dumps(card.get_state(), default=str, ensure_ascii=False)}'
    assert told not in everything.replace('`', '')
    for option in getattr(task, 'options', ()):
        assert not option.but or option.but.format(**task.found()).replace('`', '') not in everything.replace('`', '')
    assert 'class="verdict"' not in card.html
    assert 'checked' not in card.html


@EACH
def test_each_control_has_a_name(task):
    page = cards.card_html(task, cards.told(task, Progress()))
    for control in Reader(page).controls:
        assert control['tag'] == 'button' or 'name' in control
    assert page.count('<form') == page.count('<fieldset') == page.count('<legend') == 1
    assert page.count('<label') == page.count('<input') + page.count('<select')


@pytest.mark.parametrize('letter', 'abcd')
def test_a_choice_made_in_the_browser_is_judged_kept_and_spoken(lesson, letter):
    card, task = lesson.ask('client.predict'), TASKS['client.predict']
    say(card, kind='answer', task='client.predict', values={'answer': letter})
    right = letter == task.right()
    assert f'data-right="{str(right).lower()}"' in card.html
    assert f'value="{letter}" required checked' in card.html
    assert 'details class="reveal"' in card.html  # folded: the run comes before its explanation
    assert card.said == 'Noted. Run it, then unfold the result.'
    assert lesson.kept().answers['client.predict'][0] == {'answer': letter, 'right': right}


def test_a_verdict_on_anything_but_a_prediction_is_shown_at_once(lesson):
    card, task = lesson.ask('rpc.recall'), TASKS['rpc.recall']
    say(card, kind='answer', task='rpc.recall', values={'answer': task.right()})
    assert card.said.startswith('Right.')
    assert 'details' not in card.html


def test_every_part_of_a_foretelling_in_the_browser_is_judged(lesson):
    card = lesson.ask('closing.foretell')
    task = TASKS['closing.foretell-2']
    say(card, kind='answer', task=task.key, values={name: str(value) for name, value in task.solution().items()})
    assert card.said.startswith('Right.')
    say(card, kind='answer', task=task.key, values={'status': 'x', 'message': 'cast', 'task_state': ''})
    assert 'answer with status' in card.html


def test_the_card_shows_what_is_wrong_with_the_file(tmp_path):
    card = Lesson(tmp_path / 'away/mine.json').ask('rpc.recall')
    say(card, kind='answer', task='rpc.recall', values={'answer': 'a'})
    assert 'your answers are kept until the kernel ends' in Reader(card.html).text
    assert 'data-right' in card.html


def test_buttons_show_the_hints_and_the_solution(lesson):
    card, task = lesson.ask('rpc.check'), TASKS['rpc.check']
    for number in (1, 2, 3):
        say(card, kind='hint', task='rpc.check')
        assert f'hint ({number} of 3)' in card.html
        assert cards.marked(task.hints[number - 1].format(**task.found())) in card.html
    say(card, kind='hint', task='rpc.check')
    assert 'you have taken all 3 hints' in card.html
    say(card, kind='solution', task='rpc.check')
    assert cards.marked(task.explained()) in card.html


def test_an_answer_by_call_appears_in_every_open_card(lesson):
    one, other = lesson.ask('client.predict'), lesson.ask('client')
    lesson.answer('client.predict', 'd')
    for card in (one, other):
        assert 'data-right="true"' in card.html
    lesson.reset()
    assert 'data-right' not in one.html


def test_a_card_shows_what_was_answered_before_a_restart(lesson):
    lesson.answer('client.predict', 'd')
    lesson.hint('client.check')
    again = Lesson(lesson.keeper.path).ask('client')
    assert 'data-right="true"' in again.html
    assert 'hint (1 of 3)' in again.html
    assert 'You said d.' in str(again)


@pytest.mark.parametrize('said', [
    {}, {'kind': 'answer'}, {'kind': 'answer', 'task': 'moon', 'values': {}},
    {'kind': 'answer', 'task': 'client.predict', 'values': []},
    {'kind': 'answer', 'task': 'client.predict', 'values': {}},
    {'kind': 'answer', 'task': 'client.predict', 'values': {'answer': ['a']}},
    {'kind': 'answer', 'task': 'rpc.predict', 'values': {'answer': 'a'}}, {'kind': 'hint'},
    {'kind': 'solution', 'task': 5}, {'kind': 'timer'}, [], 'x', None], ids=str)
def test_a_message_that_no_browser_sends_does_no_harm(lesson, said):
    card = lesson.ask('client.predict')
    card._handle_custom_msg(said, [])
    assert lesson.kept().answers == {}
    assert 'client.predict' in card.html


@pytest.mark.parametrize('values', [
    {}, {'answer': 'x'}, {'status': '²', 'message': 'none', 'task_state': 'x'}], ids=str)
def test_a_foretelling_without_its_parts_is_explained(lesson, values):
    card = lesson.ask('closing.foretell-1')
    say(card, kind='answer', task='closing.foretell-1', values=values)
    assert 'status=' in Reader(card.html).text


def test_odd_things_in_a_kept_answer_are_shown_as_text(lesson):
    lesson.keeper.path.write_text(json.dumps({'schema': 1, 'hints': {}, 'answers': {
        'closing.foretell-1': [{'answer': {'status': 1, 'message': 2, 'task_state': 5}, 'right': False}],
        'service.check': [{'answer': {'request': 'x' * 300_000}, 'right': False}]}}))
    assert 'value="5"' in lesson.ask('closing.foretell-1').html
    assert len(str(lesson.ask('service.check'))) < 3_000


def test_markup_in_an_answer_stays_text(lesson):
    evil = '<img src=x onerror=alert(1)> "quoted" </textarea><script>alert(1)</script>'
    for key in ('client.say', 'client.look-text'):
        lesson.answer(key, evil)
    card = lesson.ask('client')
    assert '<img' not in card.html
    assert '<script' not in card.html
    assert '<script' not in card._repr_mimebundle_()[0]['text/html']


def test_the_card_of_a_stale_task_says_so(lesson, monkeypatch):
    import dataclasses

    from explorer.teaching.catalogue import TASKS
    task = dataclasses.replace(TASKS['client.predict'], facts=lambda ask: {}['moon'])
    monkeypatch.setitem(TASKS, 'client.predict', task)
    card = lesson.ask('client.predict')
    assert 'cannot be answered any more' in Reader(card.html).text
    assert 'cannot be answered any more' in lesson.answer('client.predict', 'a').says


def test_a_step_that_a_card_names_is_a_link_to_the_player(lesson):
    shown = lesson.ask('client.look')
    step = TASKS['client.look-text'].found()['step']
    for form in (shown.html, shown._repr_mimebundle_()[0]['text/html']):
        assert f'<a href="#client@{step - 1}">step {step}</a>' in form


def test_stored_options_are_lettered(lesson):
    shown = lesson.ask('client.predict')._repr_mimebundle_()[0]['text/html']
    for letter, option in zip('abcd', TASKS['client.predict'].options, strict=False):
        assert f'<p><b>{letter}</b> {cards.marked(option.text)}' in shown


def test_a_leg_takes_eight_to_twelve_minutes_and_all_of_them_about_ninety():
    assert all(8 <= minutes <= 12 for minutes in (each.minutes for each in QUESTIONS.values()))
    assert 75 <= sum(each.minutes for each in QUESTIONS.values()) <= 90


def test_the_module_is_small():
    assert cards.CARD_MODULE.stat().st_size < 8_000


def test_every_kind_of_task_says_what_an_answer_looks_like():
    for task in TASKS.values():
        assert task.how
        assert isinstance(task, Build | Choice | Sentence) or task.name


@pytest.mark.parametrize('said', [{'html': '<img>'}, {'title': 5}, {'said': None, 'html': []}, {'_esm': 'x'}, {}])
def test_state_that_the_browser_sets_in_a_card_is_undone(lesson, said):
    card = lesson.ask('client.predict')
    before, undone = (card.html, card.title, card.said), []
    card.send_state = undone.append
    card.set_state(said)
    assert (card.html, card.title, card.said) == before
    assert set(undone[0]) <= set(said)
