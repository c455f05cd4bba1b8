"""Show the player in a classroom: large, next to the teacher's notes, with folded answers and a timer."""

from html import escape

import ipywidgets

from explorer.explorations import exploration
from explorer.payloads import Plain, Value
from explorer.player.widget import explore
from explorer.teaching.cards import HtmlWidget, marked
from explorer.teaching.catalogue import QUESTIONS
from explorer.teaching.tasks import LETTERS, Questions, Task

BUTTONS = (
    ('timer', 'start', 'start or pause the timer'), ('again', 'again', 'reset the timer'),
    ('full', 'full screen', 'full screen'), ('larger', '+', 'larger text'),
    ('smaller', '&minus;', 'smaller text'))


def present(key: str) -> 'Presenter':
    """Return the player of an exploration with the notes for presenting it in a classroom.

    Raises: WrongUse for an unknown exploration.
    """
    return Presenter(key)


class Notes(HtmlWidget):
    """The teacher's notes for an exploration."""

    def __init__(self, key: str) -> None:
        super().__init__(html=notes_html(key), title="the presenter's notes")


class Presenter(ipywidgets.Box):  # type: ignore[misc]  # ipywidgets has no types
    """A player and the teacher's notes, side by side."""

    def __init__(self, key: str) -> None:
        self.key, self.player, self.notes = key, explore(key), Notes(key)
        super().__init__([self.player, self.notes])
        self.add_class('explorer-presenter')

    def __repr__(self) -> str:
        return f'Presenter({self.key})'

    def _repr_mimebundle_(self, **kwargs: Value) -> Plain:
        data = super()._repr_mimebundle_(**kwargs)
        data = data[0] if isinstance(data, tuple) else data
        return {**data, 'text/plain': notes_text(self.key), 'text/html': f'<pre>{escape(notes_text(self.key))}</pre>'}


def notes_text(key: str) -> str:
    """Return the notes for an exploration as text, without answers."""
    row, said = exploration(key), QUESTIONS[key]
    return '\n'.join([
        f'{row.number}. {row.title}, {said.minutes} minutes', *(f'{name}: {text}' for name, text in _notes(said)),
        *(f'{task.heading}: {task.asked()}' for task in said.tasks)])


def _notes(said: Questions) -> tuple[tuple[str, str], ...]:
    return ('Goal', said.goal), ('Ask', said.ask), ('On the board', said.board), ('Show', said.show)


def notes_html(key: str) -> str:
    """Return the notes for an exploration as HTML, with each answer folded."""
    row, said = exploration(key), QUESTIONS[key]
    notes = ''.join(f'<p><b>{name}.</b> {marked(text)}</p>' for name, text in _notes(said))
    buttons = ''.join(f'<button type="button" data-action="{action}" aria-label="{label}">{text}</button>'
                      for action, text, label in BUTTONS)
    return (f'<b>{row.number}. {escape(row.title)}</b><div class="controls">'
            f'<output class="timer" data-part="timer" data-minutes="{said.minutes}" aria-label="time left"></output>'
            f'{buttons}</div>{notes}{"".join(map(_task, said.tasks))}')


def _task(task: Task) -> str:
    options = ''.join(f'<li><b>{letter}</b> {marked(option.text)}</li>'
                      for letter, option in zip(LETTERS, task.options, strict=False))
    right = marked(f'{task.in_short()}. ' if task.is_judged else '')
    return (f'<details data-name="{task.key}"><summary>{escape(task.heading)}</summary><p>{marked(task.asked())}</p>'
            f'{f"<ul>{options}</ul>" if options else ""}'
            f'<details data-name="{task.key} answer"><summary>answer</summary>'
            f'<p>{right}{marked(task.explained())}</p></details></details>')
