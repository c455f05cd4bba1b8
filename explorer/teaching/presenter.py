"""The player for a classroom: large, with the teacher's notes beside it, answers folded away, and a timer."""

from html import escape

import ipywidgets

from explorer.explorations import exploration
from explorer.player.widget import explore
from explorer.teaching.cards import HtmlWidget, marked
from explorer.teaching.catalogue import QUESTIONS
from explorer.teaching.tasks import LETTERS

BUTTONS = (('timer', 'start', 'start or pause the timer'), ('again', 'again', 'set the timer back'), ('full', 'full screen', 'full screen'),
           ('larger', '+', 'larger letters'), ('smaller', '−', 'smaller letters'))


def present(key):
    """Show the player of an exploration as in a classroom.

    Raises: WrongUse for an unknown exploration.
    """
    return Presenter(key)


class Notes(HtmlWidget):
    """What the teacher has beside the player."""

    def __init__(self, key):
        super().__init__(html=notes_html(key), title="the presenter's notes")


class Presenter(ipywidgets.Box):
    """A player and notes, side by side."""

    def __init__(self, key):
        self.key, self.player, self.notes = key, explore(key), Notes(key)
        super().__init__([self.player, self.notes])
        self.add_class('explorer-presenter')

    def __repr__(self):
        return f'Presenter({self.key})'

    def _repr_mimebundle_(self, **kwargs):
        data = super()._repr_mimebundle_(**kwargs)
        data = data[0] if isinstance(data, tuple) else data
        return {**data, 'text/plain': notes_text(self.key), 'text/html': f'<pre>{escape(notes_text(self.key))}</pre>'}


def notes_text(key):
    """Tell a presenter's notes as text, without the answers."""
    row, said = exploration(key), QUESTIONS[key]
    return '\n'.join([
        f'{row.number}. {row.title}, {said.minutes} minutes', *(f'{name}: {text}' for name, text in _notes(said)),
        *(f'{task.heading}: {task.asked()}' for task in said.tasks)])


def _notes(said):
    return ('Goal', said.goal), ('Ask', said.ask), ('On the board', said.board), ('Show', said.show)


def notes_html(key):
    """Write a presenter's notes as HTML; each answer is folded away."""
    row, said = exploration(key), QUESTIONS[key]
    notes = ''.join(f'<p><b>{name}.</b> {marked(text)}</p>' for name, text in _notes(said))
    buttons = ''.join(f'<button type="button" data-action="{action}" aria-label="{label}">{text}</button>' for action, text, label in BUTTONS)
    return (f'<b>{row.number}. {escape(row.title)}</b><div class="controls"><output class="timer" data-part="timer" data-minutes="{said.minutes}" '
            f'aria-label="time left"></output>{buttons}</div>{notes}{"".join(map(_task, said.tasks))}')


def _task(task):
    options = ''.join(f'<li><b>{letter}</b> {marked(option.text)}</li>' for letter, option in zip(LETTERS, task.options))
    right = marked(f'{task.in_short()}. ' if task.is_judged else '')
    return (f'<details data-name="{task.key}"><summary>{escape(task.heading)}</summary><p>{marked(task.asked())}</p>'
            f'{f"<ul>{options}</ul>" if options else ""}<details data-name="{task.key} answer"><summary>answer</summary>'
            f'<p>{right}{marked(task.explained())}</p></details></details>')
