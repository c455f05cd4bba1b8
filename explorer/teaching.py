"""For one who teaches: the guide (INSTRUCTOR.md), a presenter's notes, and the answers of a class laid over each other.

What is right, and what is likely to be said wrongly, comes from the tasks, and so from runs; what is written here is what no run
knows: goals, what to ask aloud, what to draw on the board, and how the time goes.
"""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Mapping

from explorer.cards import Sheet, heading
from explorer.closing import CLOSING
from explorer.errors import WrongUse, shorten
from explorer.explorations import EXPLORATIONS, exploration
from explorer.progress import load
from explorer.questions import MINUTES, MYTHS, SEVEN, TASKS
from explorer.tasks import LETTERS, Build, Choice, Foretell, Sentence, written


@dataclasses.dataclass(frozen=True)
class Teaching:
    """What a teacher wants to know of a leg: what it is for, what to ask aloud, what goes on the board, what to show."""

    goal: str
    ask: str
    board: str
    show: str


LEGS: Mapping[str, Teaching] = {
    'client': Teaching(
        'To tell what leaves the client for a command, and who filled in which value.',
        'Who has typed "auto"? Where does the microversion come from?',
        'Four arrows from client to API, each with method and path; over them the version that was agreed on. Leave the '
        'fourth open until the run.',
        'Step from one Session.send to the next. Then `--block-migrate`, and "Compare with the run before".'),
    'service': Teaching(
        'To tell how far a request gets, and what it has gained on the way: an id, a person, roles.',
        'What does the API know of a request before it has read it? What could it refuse already?',
        'An onion with eight skins; write at each what it does. Cross out those that a bad token never sees.',
        'The environment growing in the payload; then "Compare: with a token that nobody knows".'),
    'routes': Teaching(
        'To tell how a path that all actions share leads to one method.',
        'Which part of this request says what is wanted? Could the table of routes know?',
        'Three boxes: path, word "action", key of the body; an arrow from the last two to the method.',
        '`_get_method`: the line that fails, and the line that it falls back on.'),
    'controller': Teaching(
        'To tell the order of judgement: version, body, server, right; and which error is told if two things are wrong.',
        'Two things are wrong at once. Which one is the caller told? Why in that order?',
        'A ladder: 401, 404 (path), 406, 400 (body), 404 (server), 403. Let the class put the rungs in order.',
        'The stack of schemas, of which one validates; then "Compare: as a reader", and how the error became the answer.'),
    'compute-api': Teaching(
        'To tell which servers are turned back and by whom, and why the mark is written under a condition.',
        'Two people press Enter at the same moment. What must not happen?',
        'Nine doors in a row, the last two with names: lock, state. Behind them a row in a table: None → migrating, "only if".',
        '`Instance.save`, and trouble "another request is faster".'),
    'conductor-api': Teaching(
        'To tell who waits, from which microversion on, and where a host that was named has gone.',
        'What does a caller gain by waiting, and what does it cost? Who asks the scheduler?',
        'A line of microversions: 2.25 auto, 2.30 wish, 2.34 cast, 2.68 no force. Put each example of the class on it.',
        'The table of five versions; follow `host` in the player.'),
    'rpc': Teaching(
        'To tell what is on the bus, who takes it, and what is left behind if it fails.',
        'The API has answered 202. What do we know? What does the database say if the broker is gone?',
        'An envelope: topic outside, namespace, method and version on the letter. Beside it the row: migrating.',
        'The message; then trouble "the bus is away".'),
}

PLANS = (
    ('45 minutes', (
        (5, 'the journey in ninety seconds, the words, and a vote: has it moved when 202 comes?'),
        (9, 'leg 1: predict and look'), (9, 'leg 4: predict and change'), (7, 'leg 5: predict, and the race'),
        (5, 'leg 6: only the table of versions, and who waits'), (7, 'leg 7: predict, and the broker that is away'),
        (3, 'closing.foretell-5 together'))),
    ('90 minutes', (
        (5, 'the journey in ninety seconds, the words'), (12, 'leg 1, whole'), (9, 'leg 2: predict, look, check'), (9, 'leg 3: predict, look, check'),
        (12, 'leg 4, whole'), (11, 'leg 5: predict, look, change'), (11, 'leg 6: predict, the table, check'), (11, 'leg 7: predict, look, say'),
        (10, 'closing: foretell in pairs, then together'))),
    ('180 minutes', (
        (12, 'the journey, the words, a first vote on what people believe (below: true and false mixed)'), (82, 'the seven legs, whole, each on their own machine'),
        (15, 'a pause after leg 4; meanwhile lay the answers over each other'), (25, 'closing: foretell alone, diagnose in pairs'),
        (20, 'another action: predict and trace pause, make unpause'), (10, 'the real Nova beside it'), (10, 'the vote once more'),
        (6, 'each says one sentence'))),
)


# --------------------------------------------------------------------------------------------------- the guide


def guide():
    """Write the guide for teachers, as Markdown."""
    legs = '\n'.join(_leg(row) for row in EXPLORATIONS)
    plans = '\n'.join(f'### {name}\n\n' + ''.join(f'* {minutes} min: {what}\n' for minutes, what in parts) for name, parts in PLANS)
    return f'{OPENING.strip()}\n\n## Plans\n\n{plans}\n## The seven\n\n{legs}\n{_closing()}\n{ENDING.strip()}\n'


def _leg(row):
    teaching, tasks = LEGS[row.key], SEVEN[row.key]
    asked = '\n'.join(_asked(task) for task in tasks)
    return (f'### {row.number}. {row.title} (`{row.key}`, {MINUTES[row.key]} minutes)\n\n* **Goal.** {teaching.goal}\n* **Ask.** {teaching.ask}\n'
            f'* **On the board.** {teaching.board}\n* **Show.** {teaching.show}\n\n{asked}')


def _asked(task):
    """Write a task with what is right and what is likely to be said wrongly."""
    asks = f'**{heading(task)}** (`{task.key}`). {task.asks.format(**task.found())}'
    if isinstance(task, Choice):
        right = task.right()
        lines = [f'  - {letter}{" ✓" if letter == right else ""}: {option.text} *{option.why}*{_but(option, task)}'
                 for letter, option in zip(LETTERS, task.options)]
    elif isinstance(task, Build):
        lines = [f'  - for example `{written(task.solution())}`']
    elif isinstance(task, Foretell):
        lines = ['  - ' + ', '.join(f'{name.replace("_", " ")} {value}' for name, value in task.solution().items())]
    else:
        lines = [] if isinstance(task, Sentence) else [f'  - {task.solution()}']
    return '\n'.join([f'- {asks}', *lines, f'  - {"A model" if isinstance(task, Sentence) else "Say"}: {task.explained()}', ''])


def _but(option, task):
    myth = f' ({MYTHS[option.myth]}: many believe it.)' if option.myth else ''
    return f' {option.but.format(**task.found())}{myth}' if option.but else ''


def _closing():
    tasks = '\n'.join(_asked(task) for task in TASKS.values() if task.leg == CLOSING)
    return f'### The closing\n\nThose that foretell ask exactly what the walk is to teach; none of their cases was shown before.\n\n{tasks}'


# --------------------------------------------------------------------------------------------------- a class


def overlay(folder):
    """Lay the answers of a class over each other: what was answered first, how many were right then, how many hints it took.

    Returns: a Sheet, a row for each task that anybody has answered; files that are no progress are named below it.
    Raises: WrongUse, if the folder has no file of answers.
    """
    if not isinstance(folder, str | pathlib.Path):
        raise WrongUse(f'{shorten(folder)} is no folder; give the name of one with files of progress')
    read, other = _read(pathlib.Path(folder))
    rows = []
    for key, task in TASKS.items():
        given = [progress.answers[key] for progress in read if progress.answers.get(key)]
        if given:
            firsts = collections.Counter(_spread(task, entries[0]['answer']) for entries in given)
            right = sum(entries[0]['right'] is True for entries in given)
            hints = sum(progress.hints.get(key, 0) for progress in read)
            judged = not isinstance(task, Sentence)
            rows.append((key, len(given), _bars(task, firsts), f'{right} of {len(given)}' if judged else '', hints or ''))
    line = f'{len(read)} files of answers' + (f'; left out: {"; ".join(other)}' if other else '')
    return Sheet(('task', 'answered', 'first answers', 'right at once', 'hints'), rows, line)


def _read(folder):
    """Read the files of answers in a folder: (those that are, 'name: why not' of the others).

    Raises: WrongUse, if there is none.
    """
    read, other = [], []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == '.json' 
                       and not re.search(r'\.(old|damaged)\d*\.json$', path.name))
    except (OSError, ValueError) as error:
        raise WrongUse(f'{shorten(str(folder))} can not be read: {error}; give a folder with files of progress') from error
    for path in paths:
        try:
            read.append(load(path))
        except (WrongUse, OSError) as error:
            other.append(f'{" ".join(path.name.split())}: {error}')
    if not read:
        raise WrongUse(f'{folder} has no file of answers; put the files of progress there, one for each person'
                       f'{f" ({other[0]})" if other else ""}')
    return read, other


def _spread(task, answer):
    """Say in which heap an answer goes."""
    if isinstance(task, Choice | Foretell):
        told = ', '.join(map(str, answer.values())) if isinstance(answer, dict) else str(answer)
        return ' '.join(told.split())[:40]
    return ''


def _bars(task, firsts):
    try:
        right = task.right() if isinstance(task, Choice) else None
    except WrongUse:
        right = None
    return '  '.join(f'{name}{"✓" if name == right else ""} {"█" * min(count, 30)} {count}' for name, count in sorted(firsts.items()) if name)


def notes(key):
    """Give what a presenter has beside the player: (goal, ask, board, show) and the tasks.

    Raises: WrongUse for an unknown exploration.
    """
    return LEGS[exploration(key).key], SEVEN[key]


OPENING = '''
# For one who teaches

This is the lesson in `notebooks/01_nova_api.ipynb`, seen from the other side. (The part below *The seven* is written by
`python -m explorer guide`, from the same tasks that the learners get: what is marked as right was found by runs. A test sees that it
is up to date.)

**What it teaches.** For a given command, caller and cloud, to tell the status, the message on the bus or its absence, and the state
left behind; and to know where in the code each of the three is decided. **For whom.** People who can read Python and know
what a virtual machine is. No Nova is needed, neither in their heads nor on their machines.

**What you need.** Python 3.11 or newer with venv, `make`, and `make lab` on each machine, or on yours alone. The first `make lab` downloads
libraries and takes a few minutes: have everybody do it the day before. After that neither a network nor Graphviz nor Nova is needed. Where it
fails, two share a machine. Try the room's projector with `present('client')`: `+` and `−` change the size of the letters.

## How a leg goes

1. **Predict**, three minutes; from the third leg on, one of them for the question about an earlier leg. Everybody chooses before anybody talks; then let two who chose differently talk to each other, and vote again.
   Do not tell who is right: run it. In the card each clicks once, before the talk (the first answer is what `overlay` counts), and
   unfolds what the runs say after the run.
2. **Run and look**, four minutes. Who chooses wrongly is sent back once, and told the second time. Three questions: what does the text say, what happened, what is it for?
3. **Change**, two minutes. One control, a hypothesis aloud, then two runs side by side.
4. **Check and say**, three minutes, alone. Whoever is done says the sentence to a neighbour.

The guidance fades: the first leg says which step to look at, the last says next to nothing. From the third on, each begins with a
question about an earlier one; do not skip it, it is what makes it stay.

If you are late, drop the third question of *Look*, then *Change*; never the prediction.

## In front of the class

`present('controller')` in a cell, or in any notebook with `from explorer import present`: the player, large, and beside it your
notes: goal, what to ask, what to draw, the tasks with their answers folded away until you unfold them, and a timer that begins with
the minutes of the leg. Everything goes by keyboard.

`python -m explorer export controller page.html` writes the handout of a leg: the player with both of its runs as one file, with the
questions below it, without their answers. It needs no kernel and no network, and prints.

## The answers of a class

Each learner has a file, `notebooks/01_nova_api.progress.json` (in JupyterLab's list of files: right click, *Download*). It is sent nowhere; have
them hand it in as you collect other work, put the files in a folder, one for each person under any name that ends in `.json`, and lay them over
each other:

    python -m explorer overlay FOLDER

or `from explorer.teaching import overlay` and `overlay('FOLDER')` in a notebook. What counts is the first answer: it shows what people believed.

## With nbgrader or otter

A check is a function that returns something true or false, and keeps nothing: `judge`. Nothing has to be added to it. Both were tried, with
nbgrader 0.9 and otter-grader 7; install them in an environment of their own, with this project (`pip install -e .`).

*nbgrader.* A cell to set up (read-only), then for each task an answer cell and a test cell, each with a name of its own:

    from explorer import Scenario, bare                     # read-only
    from explorer.judging import judge

    ### BEGIN SOLUTION                                      # autograded answer
    answer_3 = bare({'os-migrateLive': {}, 'os-nope': {}})
    ### END SOLUTION

    verdict = judge('routes.check', answer_3)               # autograder tests
    assert verdict, verdict

The message of the assertion is what the learner would have been told. Predictions are graded for having been made:
`assert judge('client.predict', answer_1).right is not None`. Tasks of the closing take their three parts in a dict:
`answer_9 = {'status': ..., 'message': ..., 'task_state': ...}`. Solutions for the answer cells are below, under *The seven*.
Then, in the activated environment, `nbgrader generate_assignment ps1`, and `nbgrader autograde ps1`.

*otter.* A file for each task, such as `tests/q3.py`; the notebook imports `bare` and `Scenario` and sets `answer_3`:

    OK_FORMAT = True
    test = {'name': 'q3', 'points': 1, 'suites': [{'type': 'doctest', 'cases': [{'code': r"""
    >>> from explorer.judging import judge
    >>> verdict = judge('routes.check', answer_3)
    >>> assert verdict, verdict
    """}]}]}

Then `otter check notebook.ipynb -t tests`, or `otter generate -t tests` and `otter run`.
'''

ENDING = '''
## What people get wrong

''' + '\n'.join(f'* {belief}.' for belief in MYTHS.values()) + '''

Each is an option in one of the tasks above, marked there. `lesson.myths()` says in which. For a vote mix them with what is true:

* The client, not the API, fills in "auto".
* A manager may migrate a server of the project, as long as no host is named.
* Paused servers can be migrated.
* From microversion 2.34 on the API does not wait for the conductor.
* An administrator is not stopped by a lock.
'''
