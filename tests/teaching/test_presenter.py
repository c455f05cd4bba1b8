"""What the presenter says: everything in the teacher's notes, and nothing too early where a class can read it."""

import dataclasses
import html
import re
from html.parser import HTMLParser

import pytest

from explorer import explore, present
from explorer.errors import WrongUse
from explorer.teaching import presenter
from explorer.teaching.cards import marked
from explorer.teaching.catalogue import QUESTIONS
from explorer.teaching.guide import guide
from explorer.teaching.presenter import PresenterBar, bar_html, notes_html
from explorer.teaching.tasks import Choice


class Outline(HTMLParser):
    """The text of each data-part, and in how many folds it is."""

    def __init__(self, page):
        super().__init__()
        self.parts, self.open, self.folds = [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.folds += tag == 'details'
        self.open.append(tag)
        assert 'open' not in dict(attributes)
        if tag == 'div' and 'data-part' in dict(attributes):
            self.parts.append([dict(attributes)['data-part'], self.folds, ''])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.folds -= tag == 'details'

    def handle_data(self, data):
        if self.folds and self.parts:
            self.parts[-1][2] += data


def text(page):
    """Return what a browser shows of HTML."""
    return html.unescape(re.sub('<[^>]*>', '', page))


def plain(written):
    """Return what a browser shows of text with marks for code and emphasis."""
    return text(marked(written))


def secrets(key):
    """Return what a class should not read before the teacher shows it."""
    said = QUESTIONS[key]
    return [plain(each) for each in (said.goal, said.board, *(task.explained() for task in said.tasks))]


@pytest.mark.parametrize('key', QUESTIONS)
def test_the_notes_fold_every_question_and_inside_it_the_answer(key):
    parts, tasks = Outline(notes_html(key)).parts, QUESTIONS[key].tasks
    assert [(name, folds) for name, folds, _ in parts] == [('question', 1), ('answer', 2)] * len(tasks)
    for (*_, question), (*_, answer), task in zip(parts[::2], parts[1::2], tasks, strict=True):
        assert question.startswith(plain(task.asked()))
        assert all(plain(option.text) in question for option in task.options)
        assert plain(task.explained()) in answer
        assert plain(task.explained()) not in question
        if isinstance(task, Choice):
            assert answer.startswith(f'Answer: {task.right()}. ')


@pytest.mark.parametrize('key', QUESTIONS)
def test_the_notes_have_the_goal_and_what_to_ask_draw_and_show(key):
    said, notes = QUESTIONS[key], text(notes_html(key))
    for part in (said.goal, said.ask, said.board, said.show):
        assert plain(part) in notes


@pytest.mark.parametrize('key', QUESTIONS)
def test_neither_the_bar_nor_the_stored_output_shows_goal_board_or_answers(key):
    shown = present(key)
    stored = shown._repr_mimebundle_()
    seen = [bar_html(key), stored['text/plain'], stored['text/html'], repr(shown), str(shown), repr(shown.bar)]
    seen += [str(each) for each in (shown.bar._repr_mimebundle_() or [{}])[0].values()]
    for secret in secrets(key):
        assert not any(secret in text(each) for each in seen)


def test_the_stored_output_is_the_players_and_says_where_the_notes_are():
    stored, (usual, _) = present('controller')._repr_mimebundle_(), explore('controller')._repr_mimebundle_()
    for kind in ('text/plain', 'text/html'):
        first, rest = stored[kind][:200], text(stored[kind])
        assert usual[kind].startswith(first)
        assert rest.endswith('The notes for teachers are in INSTRUCTOR.md, in the section "4. The controller decides".')
    assert '### 4. The controller decides' in guide()
    assert 'application/vnd.jupyter.widget-view+json' in stored


def test_the_notes_are_escaped(monkeypatch):
    said = dataclasses.replace(QUESTIONS['rpc'], goal='<script>alert(1)</script> & `a < b`')
    monkeypatch.setattr(presenter, 'QUESTIONS', {**QUESTIONS, 'rpc': said})
    assert '&lt;script&gt;alert(1)&lt;/script&gt; &amp; <code>a &lt; b</code>' in PresenterBar('rpc').notes


def test_the_timer_begins_with_the_minutes_of_the_leg():
    for page in (bar_html('controller'), notes_html('controller')):
        assert f'data-minutes="{QUESTIONS["controller"].minutes}"' in page


def test_an_unknown_exploration_is_reported():
    with pytest.raises(WrongUse, match='no exploration'):
        present('moon')
