"""The player for a classroom: large, with the teacher's notes beside it, answers folded away, and a timer."""

from html import escape

import anywidget
import ipywidgets
import traitlets

from explorer import cards, teaching
from explorer.explorations import exploration
from explorer.player import explore
from explorer.questions import MINUTES
from explorer.tasks import LETTERS, Build, Choice, written

BUTTONS = (('timer', 'start', 'start or pause the timer'), ('again', 'again', 'set the timer back'), ('full', 'full screen', 'full screen'),
           ('larger', '+', 'larger letters'), ('smaller', '−', 'smaller letters'))


def present(key):
    """Show the player of an exploration as in a classroom.

    Raises: WrongUse for an unknown exploration.
    """
    return Presenter(key)


class Notes(anywidget.AnyWidget):
    """What the teacher has beside the player."""

    _esm, _css = cards.MODULE, cards.STYLE
    html = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def __init__(self, key):
        super().__init__(html=page(key), title="the presenter's notes")

    def set_state(self, sync_data):
        """Undo in the browser what it says of the state: it sends messages, and what is shown is made here."""
        self.send_state([name for name in sync_data if name in self.keys])


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
        return {**data, 'text/plain': outline(self.key), 'text/html': f'<pre>{escape(outline(self.key))}</pre>'}


def outline(key):
    """Tell a presenter's notes as text, without the answers."""
    row, (teaching_, tasks) = exploration(key), teaching.notes(key)
    return '\n'.join([
        f'{row.number}. {row.title}, {MINUTES[key]} minutes', f'Goal: {teaching_.goal}', f'Ask: {teaching_.ask}', f'On the board: {teaching_.board}',
        f'Show: {teaching_.show}', *(f'{cards.heading(task)}: {task.asks.format(**task.found())}' for task in tasks)])


def page(key):
    """Write a presenter's notes as HTML; each answer is folded away."""
    row, (teaching_, tasks) = exploration(key), teaching.notes(key)
    said = ''.join(f'<p><b>{name}.</b> {cards.marked(text)}</p>' for name, text in (
        ('Goal', teaching_.goal), ('Ask', teaching_.ask), ('On the board', teaching_.board), ('Show', teaching_.show)))
    buttons = ''.join(f'<button type="button" data-action="{action}" aria-label="{label}">{text}</button>' for action, text, label in BUTTONS)
    return (f'<b>{row.number}. {escape(row.title)}</b><div class="controls"><output class="timer" data-part="timer" data-minutes="{MINUTES[key]}" '
            f'aria-label="time left"></output>{buttons}</div>{said}{"".join(_task(task) for task in tasks)}')


def _task(task):
    answer = {Choice: lambda: task.right(), Build: lambda: f'`{written(task.solution())}`'}
    right = next((find() for kind, find in answer.items() if isinstance(task, kind)), '')
    options = ''.join(f'<li><b>{letter}</b> {cards.marked(option.text)}</li>' for letter, option in zip(LETTERS, getattr(task, 'options', ())))
    return (f'<details data-name="{task.key}"><summary>{escape(cards.heading(task))}</summary><p>{cards.marked(task.asks.format(**task.found()))}</p>'
            f'{f"<ul>{options}</ul>" if options else ""}<details data-name="{task.key} answer"><summary>answer</summary>'
            f'<p>{cards.marked(f"{right}. " if right else "")}{cards.marked(task.explained())}</p></details></details>')
