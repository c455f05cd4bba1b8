"""Judge an answer to a task of the lesson without keeping it, so that nbgrader and otter can call this module."""

from explorer.errors import WrongUse
from explorer.explorations import Scenario
from explorer.payloads import Value
from explorer.teaching.catalogue import TASKS, the_task
from explorer.teaching.tasks import Answer, BrokenPath, NoAnswer, Verdict, written


def judge(key: object, answer: object = ..., /, **parts: object) -> Verdict:
    """Judge an answer to a task, and keep nothing.

    Returns: a Verdict, which is true only if the answer is right.
    """
    return judged(key, parts or answer)[0]


def judged(key: object, answer: object, *, again: bool = True) -> tuple[Verdict, Answer]:
    """Judge an answer to the task with this key, as `Task.judged` does; an unknown key gets a verdict that says so."""
    try:
        task = the_task(key)
    except WrongUse as error:
        return Verdict(None, str(error)), None
    return task.judged(answer, again=again)


def keys(*names: str) -> dict[str, dict[str, Value]]:
    """Answer the named tasks, or all of them, by running scenarios.

    Returns: {key: {asks, answer, told}}, or {key: {stale: why}} for a task that cannot be answered any more.
    """
    found: dict[str, dict[str, Value]] = {}
    for key in names or TASKS:
        task = TASKS[key]
        try:
            solution = task.solution() if task.is_judged else ''
            found[key] = {
                'asks': task.asked(), 'answer': written(solution) if isinstance(solution, Scenario) else solution,
                'told': task.explained()}
        except (BrokenPath, NoAnswer) as error:
            found[key] = {'stale': str(error)}
    return found
