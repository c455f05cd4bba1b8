"""The answers of a class, laid over each other."""

import collections
import pathlib
import re

from explorer.errors import WrongUse, shorten
from explorer.teaching.cards import Sheet
from explorer.teaching.catalogue import TASKS
from explorer.teaching.progress import load


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
            firsts = collections.Counter(_heap(task, entries[0]['answer']) for entries in given)
            right = sum(entries[0]['right'] is True for entries in given)
            hints = sum(progress.hints.get(key, 0) for progress in read)
            rows.append((key, len(given), _bars(task, firsts), f'{right} of {len(given)}' if task.is_judged else '', hints or ''))
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
        raise WrongUse(f'{shorten(str(folder))} cannot be read: {error}; give a folder with files of progress') from error
    for path in paths:
        try:
            read.append(load(path))
        except (WrongUse, OSError) as error:
            other.append(f'{" ".join(path.name.split())}: {error}')
    if not read:
        raise WrongUse(f'{folder} has no file of answers; put the files of progress there, one for each person'
                       f'{f" ({other[0]})" if other else ""}')
    return read, other


def _heap(task, answer):
    try:
        return ' '.join(str(task.heap(answer)).split())[:40]
    except AttributeError:  # of another version
        return ''


def _bars(task, firsts):
    try:
        right = task.solution() if task.options else None
    except WrongUse:
        right = None
    return '  '.join(f'{name}{"✓" if name == right else ""} {"█" * min(count, 30)} {count}' for name, count in sorted(firsts.items()) if name)
