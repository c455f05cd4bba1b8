"""What is shown of the lesson: a card with questions, how far one is, where one is. HTML and text by pure functions."""

import dataclasses
import pathlib
import re
from html import escape

import anywidget
import traitlets

from explorer.errors import WrongUse
from explorer.explorations import EXPLORATIONS, Exploration
from explorer.stations import NODES
from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.progress import Progress
from explorer.teaching.tasks import KINDS, LETTERS, Verdict
from explorer.views.pages import LEFT, html_table
from explorer.views.text import short, visible

_HERE = pathlib.Path(__file__).parent
CARD_MODULE, CARD_STYLE = _HERE / 'card.js', _HERE / 'card.css'


class HtmlWidget(anywidget.AnyWidget):
    """HTML that is made here and shown in the browser, which only sends messages; *said* is the line that it speaks."""

    _esm, _css = CARD_MODULE, CARD_STYLE
    html = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def set_state(self, sync_data):
        """Undo in the browser what it says of the state: what is shown is made here."""
        self.send_state([name for name in sync_data if name in self.keys])


class Card(HtmlWidget):
    """Questions of the lesson, to be answered by clicks or keys; what is said by a call appears here, too.

    Shape: *tasks* are their keys.
    """

    def __init__(self, lesson, keys):
        self.lesson, self.tasks, self._lines = lesson, keys, {}
        super().__init__(title=f'question {keys[0]}', html=self._page())
        self.on_msg(self._asked)

    def refresh(self):
        """Show what is kept now."""
        self.html = self._page()

    def _page(self):
        return ''.join(card_html(*each) for each in self._each())

    def _asked(self, _widget, said, _buffers):
        match said:
            case {'kind': 'answer', 'task': str(key), 'values': {**values}} if key in self.tasks:
                given = values if TASKS[key].control == 'parts' else values.get('answer', ...)
                self._show(key, lambda: self.lesson.answer(key, given))
            case {'kind': 'hint', 'task': str(key)} if key in self.tasks:
                self._show(key, lambda: self.lesson.hint(key))
            case {'kind': 'solution', 'task': str(key)} if key in self.tasks:
                self._show(key, lambda: self.lesson.solution(key))

    def _show(self, key, work):
        before = self.lesson.kept()
        verdict = work()
        kept = self.lesson.kept() != before  # then the card shows it by itself, but for the notices below its first line
        self._lines = {**self._lines, key: verdict.says.partition('\n')[2] if kept else verdict.says}
        self.refresh()
        folded = verdict.right is not None and TASKS[key].is_before_a_run
        self.said = ''  # so that the same line is spoken again
        self.said = 'Noted. Run it; then unfold what the runs say.' if folded else verdict.says

    def _each(self):
        progress = self.lesson.kept()
        return [(TASKS[key], told(TASKS[key], progress, self._lines.get(key, ''))) for key in self.tasks]

    def __str__(self):
        return '\n\n'.join(card_text(*each) for each in self._each())

    def __repr__(self):
        return f'Card({", ".join(self.tasks)})'

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, 'text/plain': str(self), 'text/html': ''.join(static(*each) for each in self._each())}, metadata


@dataclasses.dataclass(frozen=True)
class CardState:
    """What is to be shown of a task beside the question: what was given, what was said to it, hints, a line for the moment."""

    given: object = None
    verdict: Verdict | None = None
    hints: tuple[str, ...] = ()
    line: str = ''
    asks: str = ''


def told(task, progress, line=''):
    """Find out what is to be shown of a task; what was kept is judged anew, by the path of today."""
    try:
        facts = task.found()
        asks, hints = task.asks.format(**facts), tuple(hint.format(**facts) for hint in task.hints[:progress.hints.get(task.key, 0)])
    except WrongUse as error:
        return CardState(line=str(error), asks=task.asks)
    given = progress.answers.get(task.key, ())
    verdict = task.judged(given[-1]['answer'], again=len(given) > 1)[0] if given else None
    return CardState(given[-1]['answer'] if given else None, verdict, hints, line, asks)


# ------------------------------------------------------------------------------------------------------------- as text


def card_text(task, told):
    """Show a task as text, with the call that answers it."""
    lines = [f'{task.heading}  [{task.key}]', told.asks]
    if task.options:
        lines += [f'  {letter}  {option.text} ({option.why})' for letter, option in zip(LETTERS, task.options)]
    lines += [f'  Hint {number}: {hint}' for number, hint in enumerate(told.hints, 1)]
    if told.verdict is not None:
        lines += [f'  You said {shown(told.given)}.', f'  {told.verdict.says}']
    else:
        lines.append(f'  To answer: {task.call}{f"; help: lesson.hint({task.key!r})" if task.hints else ""}')
    return '\n'.join([*lines, *filter(None, [told.line])])


def shown(given):
    """Show an answer that was kept in one line."""
    return visible(given) if isinstance(given, str) and len(given) < 200 else short(given)


def static(task, told):
    """Show a task as HTML where nothing can be clicked, with the call that answers it."""
    options = ''.join(f'<li>{marked(option.text)} <i>{marked(option.why)}</i></li>' for option in task.options)
    hints = ''.join(f'<p>Hint: {marked(hint)}</p>' for hint in told.hints)
    ending = (f'<p>You said {escape(shown(told.given))}. {marked(told.verdict.says)}</p>' if told.verdict is not None else
              f'<p>To answer: <code>{escape(task.call)}</code></p>')
    return (f'<p><b>{escape(task.heading)}</b> {marked(told.asks)}</p>{f"<ol type=a>{options}</ol>" if options else ""}{hints}{ending}'
            f'{f"<p>{marked(told.line)}</p>" if told.line else ""}')


def sheet(tasks):
    """Show tasks as HTML on paper: without answers, with a line to write on where there is nothing to choose."""
    asked = ''.join(
        f'<p><b>{escape(task.heading)}</b> {marked(task.asked())}</p>' +
        (f'<ol type="a">{"".join(f"<li>{marked(option.text)}</li>" for option in task.options)}</ol>' if task.options
         else '<p class="line"></p>' * (1 if task.is_judged else 2)) for task in tasks)
    return f'<h2>Questions</h2>{asked}'


# ------------------------------------------------------------------------------------------------------------- as HTML


def card_html(task, told):
    """Show a task as a form, and below it what was said."""
    name = f'<span class="name">{escape(task.heading)}</span> '
    hints = ''.join(f'<li>{marked(hint)}</li>' for hint in told.hints)
    buttons = ['<button type="submit" data-action-name="answer">answer</button>'] if task.control else []
    if task.hints:
        buttons.append(f'<button type="button" data-action="hint">hint ({len(told.hints)} of {len(task.hints)})</button>')
        buttons.append('<button type="button" data-action="solution">solution</button>')
    how = f'<p>To answer, in a cell: <code>{escape(task.call)}</code></p>' if not task.control else ''
    verdict = _verdict(task, told)
    return (
        f'<form data-task="{task.key}" aria-label="{escape(task.heading)}"><fieldset><legend>{name}{marked(told.asks)}</legend>'
        f'{CONTROLS[task.control](task, told.given)}</fieldset>{how}<div class="controls">{"".join(buttons)}</div>'
        f'{f"<ol>{hints}</ol>" if hints else ""}</form>{verdict}')


def _verdict(task, told):
    found = ''
    if told.verdict is not None:
        right = {True: 'true', False: 'false', None: 'none'}[told.verdict.right]
        found = f'<div class="verdict" data-right="{right}">{marked(told.verdict.says)}</div>'
        if task.is_before_a_run:  # first the run, then what it says
            found = (f'<details class="reveal" data-name="{task.key}"><summary>You said <b>{escape(shown(told.given))}</b>. Run it; then unfold '
                     f'what the runs say.</summary>{found}</details>')
    return found + (f'<div class="verdict" data-right="none">{marked(told.line)}</div>' if told.line else '')


def _choice(task, given):
    return ''.join(
        f'<label><input type="radio" name="answer" value="{letter}" required{" checked" if given == letter else ""}>'
        f'<span><b>{letter}</b> {marked(option.text)} <i>{marked(option.why)}</i></span></label>'
        for letter, option in zip(LETTERS, task.options))


def _parts(task, given):
    given = given if isinstance(given, dict) else {}
    kinds = ''.join(f'<option{" selected" if given.get("message") == kind else ""}>{kind}</option>' for kind in KINDS)
    status, state = (f'<input type="text" name="{name}" size="12" required value="{escape(str(given.get(name, "")))}">'
                     for name in ('status', 'task_state'))
    return (f'<div class="parts"><label>status {status}</label><label>message <select name="message">{kinds}</select></label>'
            f'<label>task state {state}</label></div>')


# What a card shows to answer with: {Task.control: HTML of a task and the answer that was given}.
CONTROLS = {
    '': lambda task, given: '', 'choice': _choice, 'parts': _parts,
    'text': lambda task, given: f'<textarea name="answer" rows="2" aria-label="your sentence" required>{escape(str(given or ""))}</textarea>',
    'line': lambda task, given: f'<label>your answer <input type="text" name="answer" required value="{escape(str(given or ""))}"></label>'}


def marked(text):
    """Show a text as HTML: what stands in backticks as code, what stands in two stars in bold."""
    shown = re.sub('`([^`]*)`', r'<code>\1</code>', escape(text))
    return re.sub(r'\*\*([^*]*)\*\*', r'<b>\1</b>', re.sub(r'(?<!\*)\*([^*]+)\*(?!\*)', r'<em>\1</em>', shown))


# ------------------------------------------------------------------------------------------- where, and how far


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A table of the lesson, as text and as HTML."""

    head: tuple
    rows: list
    line: str = ''

    def __str__(self):
        widths = [max(len(str(cell)) for cell in column) for column in zip(self.head, *self.rows)]
        lines = ['  '.join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (self.head, *self.rows)]
        return '\n'.join([*lines, *filter(None, [self.line])])

    __repr__ = __str__

    def _repr_html_(self):
        cells = [[escape(str(cell)) for cell in row] for row in self.rows]
        return f'{LEFT}{html_table(self.head, cells)}{f"<p>{escape(self.line)}</p>" if self.line else ""}'


@dataclasses.dataclass(frozen=True)
class Whereabouts:
    """You are here: a leg among the seven."""

    row: Exploration
    progress: Progress

    def _legs(self):
        for each in EXPLORATIONS:
            done = all(self.progress.done(task.key) for task in QUESTIONS[each.key].tasks)
            yield each, '●' if each is self.row else '✓' if done else '○'

    def __str__(self):
        legs = ' → '.join(f'[{each.number} {each.key}]' if each is self.row else f'{each.number} {each.key}{" ✓" if mark == "✓" else ""}'
                          for each, mark in self._legs())
        return f'You are here: {legs}\n{self.row.question}\nabout {QUESTIONS[self.row.key].minutes} minutes; on {where(self.row)}'

    __repr__ = __str__

    def _repr_html_(self):
        cells = ''.join(
            f'<td style="border:1px solid;padding:2px 8px;text-align:center{";font-weight:bold;border-width:3px" if each is self.row else ""}"'
            f'{" aria-current=step" if each is self.row else ""}>{mark} {each.number}<br>{each.key}</td>' for each, mark in self._legs())
        return (f'<table aria-label="you are here"><tr>{cells}</tr></table><p><b>{escape(self.row.question)}</b> '
                f'about {QUESTIONS[self.row.key].minutes} minutes; on {escape(where(self.row))}</p>')


def where(row):
    """Say on which nodes a leg is."""
    return ', '.join(NODES[node] for node in dict.fromkeys(station.node for station in row.stations))
