"""The questions of a leg as HTML to hand out, for the screen and for paper: without answers, the prediction first."""

from collections.abc import Sequence
from html import escape

from explorer.teaching.cards import marked
from explorer.teaching.tasks import LETTERS, Task

LINES = {'line': 1, 'text': 3}  # to write on, by Task.control; 2 for any other


def sheet(tasks: Sequence[Task]) -> str:
    """Show tasks as HTML: a form with the prediction, and a section with the other questions.

    Shape: a question with options has a radio button for each; any other has a field to write in, and for paper some
    lines (`line`). The paragraphs `choose` and `chosen` are for export.py, which shows the player after a choice.
    """
    first = next(task for task in tasks if task.phase == 'predict')
    others = ''.join(_question(task) for task in tasks if task is not first)
    return (f'<form class="first" aria-label="{escape(first.heading)}">{_question(first)}<p class="choose">'
            '<button type="submit">Show what happens</button> '
            '<button type="button" class="skip">Skip the question</button></p>'
            '<p class="chosen" role="status"></p></form>'
            f'<section class="others"><h2>More questions</h2>{others}</section>')


def _question(task: Task) -> str:
    asked = f'<span class="kind">{escape(task.heading)}</span> {marked(task.asked())}'
    if not task.options:
        lines = LINES.get(task.control, 2)
        return (f'<label class="question">{asked}<textarea rows="{lines}" placeholder=" "></textarea>'
                f'{"<span class=line></span>" * lines}</label>')
    options = ''.join(
        f'<label><input type="radio" name="{escape(task.key)}" value="{letter}" required> <b>{letter}</b> '
        f'<span>{marked(option.text)}</span></label>' for letter, option in zip(LETTERS, task.options, strict=False))
    return f'<fieldset class="question"><legend>{asked}</legend><div>{options}</div></fieldset>'
