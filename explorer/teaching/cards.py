"""Show the tasks of the lesson as cards: as HTML and as text.

explorer/player/protocol.py describes what the browser and a card exchange.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Protocol

import anywidget
import traitlets

from explorer.errors import WrongUse
from explorer.payloads import Plain, Value
from explorer.player.protocol import CardMessage
from explorer.teaching.catalogue import TASKS
from explorer.teaching.glossary import explained
from explorer.teaching.progress import Progress
from explorer.teaching.tasks import KINDS, LETTERS, Answer, Task, Verdict
from explorer.views.text import short, visible

_HERE = pathlib.Path(__file__).parent
CARD_MODULE, CARD_STYLE = _HERE / 'card.js', _HERE / 'card.css'


class Answerable(Protocol):
    """What a card needs from a Lesson."""

    def answer(self, key: str, answer: object, /) -> Verdict:
        """Judge and keep an answer."""

    def hint(self, key: str) -> Verdict:
        """Take and return the next hint."""

    def solution(self, key: str) -> Verdict:
        """Return the solution."""

    def kept(self) -> Progress:
        """Return the progress."""


class HtmlWidget(anywidget.AnyWidget):
    """HTML that Python makes and the browser shows; *said* is the line that a screen reader speaks."""

    _esm, _css = CARD_MODULE, CARD_STYLE
    html = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def set_state(self, sync_data: Mapping[str, object]) -> None:
        """Send the state back to the browser, whatever it claims, because only Python changes what is shown."""
        self.send_state([name for name in sync_data if name in self.keys])


class Card(HtmlWidget):
    """Tasks of the lesson, answered with the mouse or the keyboard; answers given by calls appear here as well.

    Shape: *tasks* are their keys.
    """

    _lines: dict[str, str]  # key of a task: the line below it

    def __init__(self, lesson: Answerable, keys: tuple[str, ...]) -> None:
        self.lesson, self.tasks, self._lines = lesson, keys, {}
        super().__init__(title=f'question {keys[0]}', html=self._page())
        self.on_msg(self._asked)

    def refresh(self) -> None:
        """Show the current progress."""
        self.html = self._page()

    def _page(self) -> str:
        return ''.join(card_html(*each) for each in self._each())

    def _asked(self, _widget: object, said: CardMessage, _buffers: object) -> None:
        match said:
            case {'kind': 'answer', 'task': str(key), 'values': {**values}} if key in self.tasks:
                given = values if TASKS[key].control == 'parts' else values.get('answer', ...)
                self._show(key, lambda: self.lesson.answer(key, given))
            case {'kind': 'hint', 'task': str(key)} if key in self.tasks:
                self._show(key, lambda: self.lesson.hint(key))
            case {'kind': 'solution', 'task': str(key)} if key in self.tasks:
                self._show(key, lambda: self.lesson.solution(key))

    def _show(self, key: str, work: Callable[[], Verdict]) -> None:
        before = self.lesson.kept()
        verdict = work()
        kept = self.lesson.kept() != before  # then the card itself shows the first line, and only notices follow
        self._lines = {**self._lines, key: verdict.says.partition('\n')[2] if kept else verdict.says}
        self.refresh()
        folded = verdict.right is not None and TASKS[key].is_before_a_run
        self.said = ''  # so that the same line is spoken again
        self.said = 'Noted. Run it, then unfold the result.' if folded else verdict.says

    def _each(self) -> list[tuple[Task, 'CardState']]:
        progress = self.lesson.kept()
        return [(TASKS[key], told(TASKS[key], progress, self._lines.get(key, ''))) for key in self.tasks]

    def __str__(self) -> str:
        return '\n\n'.join(card_text(*each) for each in self._each())

    def __repr__(self) -> str:
        return f'Card({", ".join(self.tasks)})'

    def _repr_mimebundle_(self, **kwargs: Value) -> tuple[Plain, Plain]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, 'text/plain': str(self), 'text/html': ''.join(static(*each) for each in self._each())}, metadata


@dataclasses.dataclass(frozen=True)
class CardState:
    """What a card shows of a task: the latest answer, its verdict, the hints taken, a temporary line, the question."""

    given: Answer = None
    verdict: Verdict | None = None
    hints: tuple[str, ...] = ()
    line: str = ''
    asks: str = ''


def told(task: Task, progress: Progress, line: str = '') -> CardState:
    """Return what to show of a task; a kept answer is judged again, because the path may have changed."""
    try:
        facts, taken = task.found(), task.hints[:progress.hints.get(task.key, 0)]
        asks, hints = task.asks.format(**facts), tuple(hint.format(**facts) for hint in taken)
    except WrongUse as error:
        return CardState(line=str(error), asks=task.asks)
    given = progress.answers.get(task.key, ())
    verdict = task.judged(given[-1]['answer'], again=len(given) > 1)[0] if given else None
    return CardState(given[-1]['answer'] if given else None, verdict, hints, line, asks)


# ------------------------------------------------------------------------------------------------------------- as text


def card_text(task: Task, told: CardState) -> str:
    """Show a task as text, with the call that answers it."""
    lines = [f'{task.heading}  [{task.key}]', told.asks]
    if task.options:
        lines += [f'  {letter}  {option.text} ({option.why})'
                  for letter, option in zip(LETTERS, task.options, strict=False)]
    lines += [f'  Hint {number}: {hint}' for number, hint in enumerate(told.hints, 1)]
    if told.verdict is not None:
        lines += [f'  You said {shown(told.given)}.', f'  {told.verdict.says}']
    else:
        lines.append(f'  To answer: {task.call}{f"; help: lesson.hint({task.key!r})" if task.hints else ""}')
    return '\n'.join([*lines, *filter(None, [told.line])])


def shown(given: Answer) -> str:
    """Show a kept answer in one line."""
    return visible(given) if isinstance(given, str) and len(given) < 200 else short(given)


def static(task: Task, told: CardState) -> str:
    """Show a task as HTML without controls, with the call that answers it."""
    options = ''.join(f'<p><b>{letter}</b> {marked(option.text)} <i>{marked(option.why)}</i></p>'
                      for letter, option in zip(LETTERS, task.options, strict=False))
    hints = ''.join(f'<p>Hint: {marked(hint)}</p>' for hint in told.hints)
    ending = (f'<p>You said {escape(shown(told.given))}. {marked(told.verdict.says)}</p>' if told.verdict is not None
              else f'<p>To answer: <code>{escape(task.call)}</code></p>')
    return linked(f'<p><b>{escape(task.heading)}</b> {marked(told.asks)}</p>{options}{hints}{ending}'
                  f'{f"<p>{marked(told.line)}</p>" if told.line else ""}', task.leg)


# ------------------------------------------------------------------------------------------------------------- as HTML


def card_html(task: Task, told: CardState) -> str:
    """Show a task as a form, followed by the verdict."""
    name = f'<span class="name">{escape(task.heading)}</span> '
    hints = ''.join(f'<li>{marked(hint)}</li>' for hint in told.hints)
    buttons = ['<button type="submit" data-action-name="answer">answer</button>'] if task.control else []
    if task.hints:
        taken = f'{len(told.hints)} of {len(task.hints)}'
        buttons.append(f'<button type="button" data-action="hint">hint ({taken})</button>')
        buttons.append('<button type="button" data-action="solution">solution</button>')
    how = f'<p>To answer, in a cell: <code>{escape(task.call)}</code></p>' if not task.control else ''
    verdict = _verdict(task, told)
    return linked(
        f'<form data-task="{task.key}" aria-label="{escape(task.heading)}">'
        f'<fieldset><legend>{name}{explained(marked(told.asks))}</legend>'
        f'{CONTROLS[task.control](task, told.given)}</fieldset>{how}<div class="controls">{"".join(buttons)}</div>'
        f'{f"<ol>{hints}</ol>" if hints else ""}</form>{verdict}', task.leg)


def _verdict(task: Task, told: CardState) -> str:
    found = ''
    if told.verdict is not None:
        right = {True: 'true', False: 'false', None: 'none'}[told.verdict.right]
        found = f'<div class="verdict" data-right="{right}">{marked(told.verdict.says)}</div>'
        if task.is_before_a_run:  # the result should be read only after the run
            found = (f'<details class="reveal" data-name="{task.key}"><summary>You said '
                     f'<b>{escape(shown(told.given))}</b>. Run it, then unfold the result.</summary>{found}</details>')
    return found + (f'<div class="verdict" data-right="none">{marked(told.line)}</div>' if told.line else '')


def _choice(task: Task, given: Answer) -> str:
    return ''.join(
        f'<label><input type="radio" name="answer" value="{letter}" required{" checked" if given == letter else ""}>'
        f'<span><b>{letter}</b> {marked(option.text)} <i>{marked(option.why)}</i></span></label>'
        for letter, option in zip(LETTERS, task.options, strict=False))


def _parts(task: Task, given: Answer) -> str:
    given = given if isinstance(given, dict) else {}
    kinds = ''.join(f'<option{" selected" if given.get("message") == kind else ""}>{kind}</option>' for kind in KINDS)
    status, state = (f'<input type="text" name="{name}" size="12" required value="{escape(str(given.get(name, "")))}">'
                     for name in ('status', 'task_state'))
    return (f'<div class="parts"><label>status {status}</label>'
            f'<label>message <select name="message">{kinds}</select></label><label>task state {state}</label></div>')


# The controls to answer with, by Task.control: functions of a task and its latest answer that return HTML.
CONTROLS: Mapping[str, Callable[[Task, Answer], str]] = {
    '': lambda task, given: '', 'choice': _choice, 'parts': _parts,
    'text': lambda task, given: (
        f'<textarea name="answer" rows="2" aria-label="your sentence" required>{escape(str(given or ""))}</textarea>'),
    'line': lambda task, given: (
        f'<label>your answer <input type="text" name="answer" required value="{escape(str(given or ""))}"></label>')}


def linked(html: str, leg: str) -> str:
    """Make a link of each mention of a step, as in "step 15"; it leads to that step in the player of a leg."""
    pieces = re.split('(<[^>]*>)', html)
    return ''.join(piece if number % 2 else re.sub(
        r'\b[Ss]tep (\d+)\b', lambda found: f'<a href="#{leg}@{int(found[1]) - 1}">{found[0]}</a>', piece)
        for number, piece in enumerate(pieces))


def marked(text: str) -> str:
    """Return text as HTML: `code` for backticks, <em> for stars and <b> for double stars."""
    shown = re.sub('`([^`]*)`', r'<code>\1</code>', escape(text))
    return re.sub(r'\*\*([^*]*)\*\*', r'<b>\1</b>', re.sub(r'(?<!\*)\*([^*]+)\*(?!\*)', r'<em>\1</em>', shown))
