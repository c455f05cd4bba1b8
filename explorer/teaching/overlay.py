"""Combine the answers of a class."""

import collections
import pathlib
import re
from collections.abc import Mapping

from explorer.errors import WrongUse, shorten
from explorer.teaching.catalogue import TASKS
from explorer.teaching.progress import Progress, load
from explorer.teaching.tables import Sheet
from explorer.teaching.tasks import Answer, Task


def overlay(folder: str | pathlib.Path) -> Sheet:
    """Combine the answers of a class: the first answers, how many of them were right, and how many hints were taken.

    Returns: a Sheet with a row for each task that anybody has answered; the line below it names the files that are not
    progress files.
    Raises: WrongUse if the folder cannot be read or has no progress files.
    """
    if not isinstance(folder, str | pathlib.Path):
        raise WrongUse(f'{shorten(folder)} is not a folder; give the name of a folder with progress files')
    read, other = _read(pathlib.Path(folder))
    rows: list[tuple[object, ...]] = []
    for key, task in TASKS.items():
        given = [progress.answers[key] for progress in read if progress.answers.get(key)]
        if given:
            firsts = collections.Counter(_heap(task, entries[0]['answer']) for entries in given)
            right = sum(entries[0]['right'] is True for entries in given)
            hints = sum(progress.hints.get(key, 0) for progress in read)
            rows.append((key, len(given), _bars(task, firsts), f'{right} of {len(given)}' if task.is_judged else '',
                         hints or ''))
    line = f'progress files: {len(read)}' + (f'; left out: {"; ".join(other)}' if other else '')
    return Sheet(('task', 'answered', 'first answers', 'right at once', 'hints'), rows, line)


def _read(folder: pathlib.Path) -> tuple[list[Progress], list[str]]:
    """Read the progress files in a folder: (their contents, 'NAME: REASON' for each other JSON file).

    Raises: WrongUse if the folder cannot be read or has no progress file.
    """
    read: list[Progress] = []
    other: list[str] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == '.json'
                       and not re.search(r'\.(old|damaged)\d*\.json$', path.name))
    except (OSError, ValueError) as error:
        raise WrongUse(f'{shorten(str(folder))} cannot be read: {error}; give a folder with progress files') from error
    for path in paths:
        try:
            read.append(load(path))
        except (WrongUse, OSError) as error:
            other.append(f'{" ".join(path.name.split())}: {error}')
    if not read:
        raise WrongUse(f'{folder} has no progress files; put one there for each person'
                       f'{f" ({other[0]})" if other else ""}')
    return read, other


def _heap(task: Task, answer: Answer) -> str:
    try:
        return ' '.join(str(task.heap(answer)).split())[:40]
    except AttributeError:  # another version of the lesson wrote it
        return ''


def _bars(task: Task, firsts: Mapping[str, int]) -> str:
    try:
        right = task.solution() if task.options else None
    except WrongUse:
        right = None
    return '  '.join(f'{name}{"✓" if name == right else ""} {"█" * min(count, 30)} {count}'
                     for name, count in sorted(firsts.items()) if name)
