"""Find a task of the lesson, and judge an answer to it. Nothing is kept here: so it is what nbgrader and otter can call."""

from explorer.closing import CLOSING
from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario
from explorer.questions import SEVEN, TASKS
from explorer.tasks import Broken, Choice, Foretell, Sentence, Stale, Verdict, raised, written


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
        raise WrongUse(f'no task {shorten(key)}; there are {", ".join((*SEVEN, CLOSING))}, each with '
                       f'{", ".join(dict.fromkeys(task.name for task in SEVEN["rpc"]))}')
    return found


def judge(key, answer=..., /, **parts):
    """Judge an answer to a task, and keep nothing.

    Returns: a Verdict, true only where the answer is right.
    """
    return judged(key, parts or answer)[0]


def judged(key, answer, *, again=True):
    """Judge an answer: (Verdict, the answer as it is to be kept); that is None for what is none.

    Shape: *again* says that it is not the first; who looks wrongly for the first time is told where the thought goes wrong, and
    not yet what is right.
    """
    given = None
    try:
        task = the_task(key)
        if answer is None or answer is ...:
            return Verdict(None, f'{task.key} waits for an answer: {task.how}', task.key), None
        given = task.read(answer)
        right, says = task.judge(given)
        opening = {True: 'Right.', False: 'Not so.', None: 'Kept. One way to say it:'}[right]
        look_again = task.name.startswith('look') and not again
        open_still = right is False and (look_again or not isinstance(task, Choice | Foretell))
        told = _sentence(says), ('Look again.' if look_again else '') if open_still else task.explained()
        return Verdict(right, ' '.join(filter(None, (opening, *told))), task.key), given
    except (Broken, Stale) as error:  # that is not the fault of who answered
        return Verdict(None, str(error), key), given
    except WrongUse as error:
        return Verdict(None, str(error)), None
    except Exception as error:  # of an answer that fights back
        return Verdict(None, f'that can not be judged: {raised(error)}'), None


def _sentence(text):
    return text and f'{text[0].upper()}{text[1:]}{"" if text.endswith((".", "?")) else "."}'


def keys(*names):
    """Answer tasks by runs, all or those named: {key: {asks, answer, told}}; of a task that can't be answered any more, {stale: why}."""
    found = {}
    for key in names or TASKS:
        task = TASKS[key]
        try:
            solution = task.solution()
            answer = '' if isinstance(task, Sentence) else written(solution) if isinstance(solution, Scenario) else solution
            found[key] = {'asks': task.asks.format(**task.found()), 'answer': answer, 'told': task.explained()}
        except (Broken, Stale) as error:
            found[key] = {'stale': str(error)}
    return found
