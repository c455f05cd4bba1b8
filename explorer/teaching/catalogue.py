"""All tasks of the lesson by key, and the common misconceptions that they clear up."""

from collections.abc import Mapping

from explorer.errors import WrongUse, shorten
from explorer.teaching.questions import client, closing, compute_api, conductor_api, controller, routes, rpc, service
from explorer.teaching.questions.closing import CLOSING
from explorer.teaching.tasks import Questions, Task

MYTHS: Mapping[str, str] = {
    'moved': 'A 202 means that the server has moved',
    'picks': 'The API picks the host',
    'asks': 'If you name a host, the scheduler is always asked about it',
    'field': '`async` is a field of the request',
    'same': 'False, None and "auto" are the same',
    'route': 'The route picks the method',
    'topic': 'A namespace is a topic by another name',
    'casts': 'Every client triggers a cast',
    'may': 'Anyone who may migrate a server may choose the host',
    'locked': 'A locked server is locked for everybody',
    'undone': 'If the bus fails, nothing has changed',
}

QUESTIONS: Mapping[str, Questions] = {
    each.LEG.leg: each.LEG for each in (client, service, routes, controller, compute_api, conductor_api, rpc)}
TASKS: Mapping[str, Task] = {
    task.key: task
    for tasks in (*(each.tasks for each in QUESTIONS.values()), closing.CLOSING_TASKS, closing.PAUSE_TASKS)
    for task in tasks}


def the_task(key: object) -> Task:
    """Return the task that a key names.

    Raises: WrongUse if no task or more than one matches.
    """
    found = tasks_at(key)
    if len(found) > 1:
        raise WrongUse(f'{key} matches several tasks; choose one of {", ".join(task.key for task in found)}')
    return found[0]


def tasks_at(key: object) -> list[Task]:
    """Return the task that a key names, the tasks whose keys begin with it ('client.look'), or all tasks of a leg.

    Raises: WrongUse if no task matches.
    """
    key = str(key) if isinstance(key, str) else shorten(key)
    found = [TASKS[key]] if key in TASKS else [
        task for name, task in TASKS.items() if name.startswith((f'{key}-', f'{key}.'))]
    if not found:
        raise WrongUse(f'there is no task {shorten(key)}; choose one of {", ".join((*QUESTIONS, CLOSING))}, or a task '
                       f'of theirs, such as {", ".join(task.key for task in QUESTIONS["rpc"].tasks)}')
    return found


def myths() -> dict[str, tuple[str, Task]]:
    """Return each belief of MYTHS with the task that clears it up: {key: (what people believe, task)}."""
    return {key: (belief, task) for key, belief in MYTHS.items() for task in TASKS.values()
            if any(option.myth == key for option in task.options)}
