"""All tasks of the lesson, found by their keys, and the myths that they settle."""

from collections.abc import Mapping

from explorer.errors import WrongUse, shorten
from explorer.teaching.questions import client, closing, compute_api, conductor_api, controller, routes, rpc, service
from explorer.teaching.questions.closing import CLOSING
from explorer.teaching.tasks import Questions, Task

MYTHS: Mapping[str, str] = {
    'moved': 'A 202 means that the server has moved',
    'picks': 'The API picks the host',
    'asks': 'Who names a host always has the scheduler asked about it',
    'field': '`async` is a field of the request',
    'same': 'False, None and "auto" are the same',
    'route': 'The route picks the method',
    'topic': 'A namespace is a topic by another name',
    'casts': 'Every client makes a cast',
    'may': 'Who may migrate a server, may say where to',
    'locked': 'A locked server is locked for everybody',
    'undone': 'If the bus is broken, all is left as it was',
}

QUESTIONS: Mapping[str, Questions] = {
    each.LEG.leg: each.LEG for each in (client, service, routes, controller, compute_api, conductor_api, rpc)}
TASKS: Mapping[str, Task] = {
    task.key: task for tasks in (*(each.tasks for each in QUESTIONS.values()), closing.CLOSING_TASKS, closing.PAUSE_TASKS)
    for task in tasks}


def the_task(key):
    """Find a task by its key.

    Raises: WrongUse, if there is none, or if there are several.
    """
    found = tasks_at(key)
    if len(found) > 1:
        raise WrongUse(f'{key} are several tasks; give one of {", ".join(task.key for task in found)}')
    return found[0]


def tasks_at(key):
    """Find tasks: one by its key, those whose key begins so ('client.look'), or all of a leg.

    Raises: WrongUse, if there is none.
    """
    key = str(key) if isinstance(key, str) else shorten(key)
    found = [TASKS[key]] if key in TASKS else [task for name, task in TASKS.items() if name.startswith((f'{key}-', f'{key}.'))]
    if not found:
        raise WrongUse(f'no task {shorten(key)}; there are {", ".join((*QUESTIONS, CLOSING))}, each with '
                       f'{", ".join(dict.fromkeys(task.name for task in QUESTIONS["rpc"].tasks))}')
    return found


def myths():
    """Say which belief of MYTHS is settled in which task: {key: (what people believe, task)}."""
    return {key: (belief, task) for key, belief in MYTHS.items() for task in TASKS.values()
            if any(option.myth == key for option in task.options)}
