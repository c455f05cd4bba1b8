"""Write the guide for teachers, INSTRUCTOR.md."""

import pathlib

from explorer.explorations import EXPLORATIONS, Exploration
from explorer.teaching.catalogue import MYTHS, QUESTIONS, TASKS
from explorer.teaching.questions.closing import CLOSING
from explorer.teaching.tasks import LETTERS, Option, Task

GUIDE_FILE = pathlib.Path(__file__).parents[2] / 'INSTRUCTOR.md'
PLANS = (
    ('45 minutes', (
        (5, 'the journey in ninety seconds, the words, and a vote: has it moved when 202 comes?'),
        (9, 'leg 1: predict and look'), (9, 'leg 4: predict and change'), (7, 'leg 5: predict, and the race'),
        (5, 'leg 6: only the table of versions, and who waits'), (7, 'leg 7: predict, and the broker that is away'),
        (3, 'closing.foretell-5 together'))),
    ('90 minutes', (
        (5, 'the journey in ninety seconds, the words'), (12, 'leg 1, whole'), (9, 'leg 2: predict, look, check'),
        (9, 'leg 3: predict, look, check'), (12, 'leg 4, whole'), (11, 'leg 5: predict, look, change'),
        (11, 'leg 6: predict, the table, check'), (11, 'leg 7: predict, look, say'),
        (10, 'closing: foretell in pairs, then together'))),
    ('180 minutes', (
        (12, 'the journey, the words, a first vote on what people believe (below: true and false mixed)'),
        (82, 'the seven legs, whole, each on their own machine'),
        (15, 'a pause after leg 4; meanwhile lay the answers over each other'),
        (25, 'closing: foretell alone, diagnose in pairs'),
        (20, 'another action: predict and trace pause, make unpause'), (10, 'the real Nova beside it'),
        (10, 'the vote once more'), (6, 'each says one sentence'))),
)


def guide() -> str:
    """Return the guide for teachers as Markdown."""
    legs = '\n'.join(_leg(row) for row in EXPLORATIONS)
    plans = '\n'.join(f'### {name}\n\n' + ''.join(f'* {minutes} min: {what}\n' for minutes, what in parts)
                      for name, parts in PLANS)
    return f'{OPENING.strip()}\n\n## Plans\n\n{plans}\n## The seven\n\n{legs}\n{_closing()}\n{ENDING.strip()}\n'


def _leg(row: Exploration) -> str:
    said = QUESTIONS[row.key]
    return (f'### {row.number}. {row.title} (`{row.key}`, {said.minutes} minutes)\n\n'
            f'* **Goal.** {said.goal}\n* **Ask.** {said.ask}\n'
            f'* **On the board.** {said.board}\n* **Show.** {said.show}\n\n' + '\n'.join(map(_asked, said.tasks)))


def _asked(task: Task) -> str:
    """Return a task with its right answer, its options, and the feedback for each wrong option."""
    lines, right = [f'- **{task.heading}** (`{task.key}`). {task.asked()}'], task.in_short()
    if task.options:
        lines += [f'  - {letter}{" ✓" if letter == right else ""}: {option.text} *{option.why}*{_but(option, task)}'
                  for letter, option in zip(LETTERS, task.options, strict=False)]
    elif right:
        lines.append(f'  - {right}')
    return '\n'.join([*lines, f'  - {"Say" if task.is_judged else "A model"}: {task.explained()}', ''])


def _but(option: Option, task: Task) -> str:
    myth = f' ({MYTHS[option.myth]}: many believe it.)' if option.myth else ''
    return f' {option.but.format(**task.found())}{myth}' if option.but else ''


def _closing() -> str:
    tasks = '\n'.join(_asked(task) for task in TASKS.values() if task.leg == CLOSING)
    return ('### The closing\n\nThose that foretell ask exactly what the walk is to teach; none of their cases was '
            f'shown before.\n\n{tasks}')


OPENING = '''
# For one who teaches

This is the lesson in `notebooks/01_nova_api.ipynb`, seen from the other side. (The part below *The seven* is written by
`python -m explorer guide`, from the same tasks that the learners get: what is marked as right was found by runs. A test
sees that it is up to date.)

**What it teaches.** For a given command, caller and cloud, to tell the status, the message on the bus or its absence,
and the state left behind; and to know where in the code each of the three is decided. **For whom.** People who can
read Python and know what a virtual machine is. No Nova is needed, neither in their heads nor on their machines.

**What you need.** Python 3.11 or newer with venv, `make`, and `make lab` on each machine, or on yours alone. The first
`make lab` downloads libraries and takes a few minutes: have everybody do it the day before. After that neither a
network nor Graphviz nor Nova is needed. Where it fails, two share a machine. Try the room's projector with
`present('client')`: *A+* and *A\N{MINUS SIGN}* change the size of the letters.

## How a leg goes

1. **Predict**, three minutes; from the third leg on, one of them for the question about an earlier leg. Everybody
   chooses before anybody talks; then let two who chose differently talk to each other, and vote again. Do not tell who
   is right: run it. In the card each clicks once, before the talk (the first answer is what `overlay` counts), and
   unfolds what the runs say after the run.
2. **Run and look**, four minutes. Who chooses wrongly is sent back once, and told the second time. Three questions:
   what does the text say, what happened, what is it for?
3. **Change**, two minutes. One control, a hypothesis aloud, then two runs side by side.
4. **Check and say**, three minutes, alone. Whoever is done says the sentence to a neighbour.

The guidance fades: the first leg says which step to look at, the last says next to nothing. From the third on, each
begins with a question about an earlier one; do not skip it, it is what makes it stay.

If you are late, drop the third question of *Look*, then *Change*; never the prediction.

## In front of the class

In a cell of any notebook, run `from explorer import present` and, on the next line, `present('controller')`. The class
sees the player and, above it, a bar with a timer that is set to the minutes of the leg. It sees no goal, board drawing
or answer until you show it.

1. Press *Notes*. Your notes open in a window of their own: the goal, what to ask, what to draw and what to show, and
   each question with its answer folded below it. If no window opens, allow pop-up windows for this page and press
   *Notes* again, or read the notes in the section of the leg below.
2. Move that window to your own screen, and then press *Full screen* in the bar. The flowchart is hidden in full screen;
   leave full screen to show it. *A+* and *A\N{MINUS SIGN}* change the size of the letters.
3. In the notes, *Show the question* puts a question in large letters on the projected screen, and *Show the answer*
   adds the answer. Escape closes it, in either window. So do *Close* on the projected screen and *Hide the question* in
   the notes.

The timer can be started, paused and reset in both windows. Everything works with the keyboard, and none of it needs the
kernel. The window of the notes closes with the notebook.

`python -m explorer export controller page.html` writes the handout of a leg as one file. It asks for
the prediction; once an option is chosen or the question is skipped, it shows the player with both of its traces and the
other questions, without answers. It needs no kernel and no network, and prints on three pages.

## The answers of a class

Each learner has a file, `notebooks/01_nova_api.progress.json` (in JupyterLab's list of files: right click,
*Download*). It is sent nowhere; have them hand it in as you collect other work, put the files in a folder, one for
each person under any name that ends in `.json`, and lay them over each other:

    python -m explorer overlay FOLDER

or `from explorer.teaching.overlay import overlay` and `overlay('FOLDER')` in a notebook. What counts is the first
answer: it shows what people believed.

## With nbgrader or otter

A check is a function that returns something true or false, and keeps nothing: `judge`. Nothing has to be added to it.
Both were tried, with nbgrader 0.9 and otter-grader 7; install them in an environment of their own, with this project
(`pip install -e .`).

*nbgrader.* A cell to set up (read-only), then for each task an answer cell and a test cell, each with a name of its
own:

    from explorer import Scenario, bare                     # read-only
    from explorer import judge

    ### BEGIN SOLUTION                                      # autograded answer
    answer_3 = bare({'os-migrateLive': {}, 'os-nope': {}})
    ### END SOLUTION

    verdict = judge('routes.check', answer_3)               # autograder tests
    assert verdict, verdict

The message of the assertion is what the learner would have been told. Predictions are graded for having been made:
`assert judge('client.predict', answer_1).right is not None`. Tasks of the closing take their three parts in a dict:
`answer_9 = {'status': ..., 'message': ..., 'task_state': ...}`. Solutions for the answer cells are below, under *The
seven*. Then, in the activated environment, `nbgrader generate_assignment ps1`, and `nbgrader autograde ps1`.

nbgrader's feedback shows every card and player as text and tables if nbgrader runs in an environment with the files of
`settings/`, as in `cp -R settings/etc settings/share ENVIRONMENT`.

*otter.* A file for each task, such as `tests/q3.py`; the notebook imports `bare` and `Scenario` and sets `answer_3`:

    OK_FORMAT = True
    test = {'name': 'q3', 'points': 1, 'suites': [{'type': 'doctest', 'cases': [{'code': r"""
    >>> from explorer import judge
    >>> verdict = judge('routes.check', answer_3)
    >>> assert verdict, verdict
    """}]}]}

Then `otter check notebook.ipynb -t tests`, or `otter generate -t tests` and `otter run`.
'''

ENDING = '''
## What people get wrong

''' + '\n'.join(f'* {belief}.' for belief in MYTHS.values()) + '''

Each is an option in one of the tasks above, marked there. `lesson.myths()` says in which. For a vote mix them with
what is true:

* The client, not the API, fills in "auto".
* A manager may migrate a server of the project, as long as no host is named.
* Paused servers can be migrated.
* From microversion 2.34 on the API does not wait for the conductor.
* An administrator is not stopped by a lock.
'''
