"""Show the player in front of a class: large, below a bar with a timer; the teacher's notes have their own window."""

import pathlib
from html import escape

import anywidget
import ipywidgets
import traitlets

from explorer.explorations import Exploration, exploration
from explorer.payloads import Plain, Value
from explorer.player.widget import explore
from explorer.teaching.cards import marked
from explorer.teaching.catalogue import QUESTIONS
from explorer.teaching.tasks import LETTERS, Task

_HERE = pathlib.Path(__file__).parent


def present(key: str) -> 'Presenter':
    """Return the player of an exploration for a classroom, with a bar that opens the teacher's notes.

    Raises: WrongUse for an unknown exploration.
    """
    return Presenter(key)


class PresenterBar(anywidget.AnyWidget):
    """The bar above the player. The browser puts *notes* only into the window of the teacher.

    Shape: *bar* and *notes* are HTML, *title* is text.
    """

    _esm, _css = _HERE / 'presenter.js', _HERE / 'presenter.css'
    bar = traitlets.Unicode().tag(sync=True)
    notes = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(bar=bar_html(key), notes=notes_html(key), title=_title(exploration(key)))

    def __repr__(self) -> str:
        return f'PresenterBar({self.key})'


class Presenter(ipywidgets.Box):  # type: ignore[misc]  # ipywidgets has no types
    """A player below the bar for presenting it."""

    def __init__(self, key: str) -> None:
        self.key, self.player, self.bar = key, explore(key), PresenterBar(key)
        super().__init__([self.bar, self.player])
        self.add_class('explorer-presenter')

    def __repr__(self) -> str:
        return f'Presenter({self.key})'

    def _repr_mimebundle_(self, **kwargs: Value) -> Plain:
        """Add what the player shows without a browser, and where the notes are; a notebook may be projected."""
        data = super()._repr_mimebundle_(**kwargs)
        data = data[0] if isinstance(data, tuple) else data
        shown, _ = self.player._repr_mimebundle_()
        where = f'The notes for teachers are in INSTRUCTOR.md, in the section "{_title(exploration(self.key))}".'
        return {**data, 'text/plain': f'{shown["text/plain"]}\n\n{where}',
                'text/html': f'{shown["text/html"]}<p>{escape(where)}</p>'}


def _title(row: Exploration) -> str:
    return f'{row.number}. {row.title}'


def bar_html(key: str) -> str:
    """Return the bar above the player: nothing that a class should not see yet."""
    return (f'<b>{escape(_title(exploration(key)))}</b>'
            f'{_button("notes", "Notes", "open the notes in a window of their own")}{_timer(key)}'
            f'{_button("full", "Full screen")}{_button("larger", "A+", "larger letters")}'
            f'{_button("smaller", "A−", "smaller letters")}')


def notes_html(key: str) -> str:
    """Return the teacher's notes, with each question and each answer folded."""
    said = QUESTIONS[key]
    parts = ('Goal', said.goal), ('Ask', said.ask), ('On the board', said.board), ('Show', said.show)
    told = ''.join(f'<p><b>{name}.</b> {marked(text)}</p>' for name, text in parts)
    return (f'<h1>{escape(_title(exploration(key)))}</h1>'
            f'<div class="row">{_timer(key)}{_button("hide", "Hide the question")}</div>'
            f'{told}<h2>Questions</h2>{"".join(map(_task, said.tasks))}')


def _task(task: Task) -> str:
    options = ''.join(f'<li><b>{letter}</b> {marked(option.text)}</li>'
                      for letter, option in zip(LETTERS, task.options, strict=False))
    right = f'<b>Answer: {marked(task.in_short())}.</b> ' if task.is_judged else ''
    return (f'<details data-task="{task.key}"><summary>{escape(task.heading)}</summary>'
            f'<div class="row">{_button("question", "Show the question")}{_button("answer", "Show the answer")}</div>'
            f'<div data-part="question"><p>{marked(task.asked())}</p>{f"<ul>{options}</ul>" if options else ""}</div>'
            f'<details><summary>Answer</summary><div data-part="answer"><p>{right}{marked(task.explained())}</p></div>'
            '</details></details>')


def _timer(key: str) -> str:
    return (f'<span role="timer" aria-label="time left" data-part="timer" data-minutes="{QUESTIONS[key].minutes}">'
            f'</span>{_button("timer", "Start")}{_button("again", "Reset")}')


def _button(action: str, text: str, says: str = '') -> str:
    more = f' title="{says}"' if says else ''
    return f'<button type="button" data-action="{action}"{more}>{text}</button>'
