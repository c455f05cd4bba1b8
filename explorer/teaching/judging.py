"""Judge an answer to a task of the lesson. Nothing is kept here: so it is what nbgrader and otter can call."""

from explorer.errors import WrongUse
from explorer.explorations import Scenario
from explorer.teaching.catalogue import TASKS, the_task
from explorer.teaching.tasks import BrokenPath, NoAnswer, Verdict, written


def judge(key, answer=..., /, **parts):
    """Judge an answer to a task, and keep nothing.

    Returns: a Verdict, true only where the answer is right.
    """
    return judged(key, parts or answer)[0]


def judged(key, answer, *, again=True):
    """Judge an answer to the task with a key, as `Task.judged` does."""
    try:
        task = the_task(key)
    except WrongUse as error:
        return Verdict(None, str(error)), None
    return task.judged(answer, again=again)


def keys(*names):
    """Answer tasks by runs, all or those named: {key: {asks, answer, told}}; of a task that can't be answered any more, {stale: why}."""
    found = {}
    for key in names or TASKS:
        task = TASKS[key]
        try:
            solution = task.solution() if task.is_judged else ''
            found[key] = {'asks': task.asked(), 'answer': written(solution) if isinstance(solution, Scenario) else solution,
                          'told': task.explained()}
        except (BrokenPath, NoAnswer) as error:
            found[key] = {'stale': str(error)}
    return found
