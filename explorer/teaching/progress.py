"""Answers that are kept: one file of JSON beside the notebook, written after each answer, sent nowhere.

The file is the truth: it is read anew before it is written, so two notebooks may share it. What can't be read or written is
told in one line; nothing that was there is lost, and the lesson goes on with what it has in memory.
"""

import contextlib
import dataclasses
import glob
import json
import os
import pathlib
import stat
import threading
from collections.abc import Mapping

from explorer.errors import WrongUse, check, shorten, write_whole

PROGRESS_SCHEMA = 1
NAME = '01_nova_api.progress.json'
VARIABLE = 'NOVA_EXPLORER_PROGRESS'  # names another file
LARGEST_FILE = 20_000_000  # bytes
MOST_ANSWERS, MOST_HINTS = 10, 99  # kept of a task; of more answers the first and the last ones
UNTIL_THE_END = 'your answers are kept until the kernel ends'

_ENTRY = {'type': 'object', 'required': ['answer', 'right'], 'properties': {'right': {'type': ['boolean', 'null']}}}
_PROGRESS = {
    'type': 'object', 'required': ['schema', 'answers', 'hints'], 'properties': {
        'schema': {'type': 'integer'},
        'answers': {'type': 'object', 'additionalProperties': {'type': 'array', 'items': _ENTRY}},
        'hints': {'type': 'object', 'additionalProperties': {'type': 'integer', 'minimum': 0}}}}


class Newer(WrongUse):
    """Progress that a newer version of the lesson has written."""


class NoFile(WrongUse):
    """What has the name of the file is none: a folder, a pipe, a device."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """What somebody has answered: {key of a task: ({answer, right}, ...)}, oldest first, and how many hints were taken for which."""

    answers: Mapping = dataclasses.field(default_factory=dict)
    hints: Mapping = dataclasses.field(default_factory=dict)

    def answered(self, key, answer, right):
        """Add an answer."""
        before = self.answers.get(key, ())
        kept = (*before[:1], *before[1:][2 - MOST_ANSWERS:], {'answer': answer, 'right': right})
        return dataclasses.replace(self, answers={**self.answers, key: kept})

    def hinted(self, key):
        """Add a hint that was taken."""
        return dataclasses.replace(self, hints={**self.hints, key: self.hints.get(key, 0) + 1})

    def done(self, key):
        """Say whether a task is behind one: a prediction or a sentence once it was given, all else once it is right."""
        given = self.answers.get(key, ())
        return bool(given) and (key.endswith(('.predict', '.change', '.say')) or any(entry['right'] for entry in given))

    def to_json(self):
        """Write it as JSON, in ASCII: half a character has no other form."""
        return json.dumps({'schema': PROGRESS_SCHEMA, 'answers': self.answers, 'hints': self.hints}, indent=1) + '\n'


def parse(text):
    """Read progress as JSON; that of an older version, too.

    Raises: Newer for that of a newer version; WrongUse for what is none.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f'it is no JSON: {error}') from error
    schema = data.get('schema', 0) if isinstance(data, dict) else 0  # none, before there was one
    if isinstance(schema, int) and schema > PROGRESS_SCHEMA:
        raise Newer('it is from a newer version of the lesson')
    if isinstance(data, dict) and 'schema' not in data:
        data = {'hints': {}, **data, 'schema': 0}
    check(data, _PROGRESS, 'it is no progress', 'see explorer/teaching/progress.py')
    return Progress({key: tuple(entries) for key, entries in data['answers'].items() if entries},
                    {key: min(int(count), MOST_HINTS) for key, count in data['hints'].items()})


def load(path):
    """Read a file of answers.

    Raises: OSError, if it can't be read; NoFile for what is no plain file (a pipe would keep one waiting for ever); Newer;
    WrongUse for what is no progress.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise NoFile('it is no file')
    if found.st_size > LARGEST_FILE:
        raise WrongUse('it is too large')
    try:
        return parse(path.read_text(encoding='utf-8-sig'))
    except UnicodeDecodeError as error:
        raise WrongUse(f'it is no text: {error}') from error


@contextlib.contextmanager
def _alone(folder):
    """Keep other kernels from writing into a folder meanwhile; where there are no locks, go without."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError, ValueError):
            import fcntl
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class ProgressFile:
    """Keep progress in a file; what goes wrong with it is put into *line*, and is told once.

    Raises: WrongUse for a path that is none.
    """

    def __init__(self, path=None):
        try:
            self.path = pathlib.Path(path or os.environ.get(VARIABLE) or NAME).absolute()
        except TypeError as error:
            raise WrongUse(f'{shorten(path)} is no path; give the name of a file, or nothing') from error
        except FileNotFoundError as error:
            raise WrongUse('the folder in which this kernel works is gone; make it again, or change to another one, and restart '
                           'the kernel') from error
        self.line, self._kept, self._told = '', None, set()  # _kept: in memory, where the file will not do
        self._lock = threading.RLock()

    def read(self):
        """Give what is kept; a file that can't be read is set aside, and a new one begun."""
        with self._lock:
            return self._read()

    def _read(self):
        if self._kept is not None:
            return self._kept
        try:
            return load(self.path)
        except FileNotFoundError:
            return Progress()
        except (NoFile, Newer) as error:
            return self._remember(Progress(), f'cannot be used: {error}; it is left as it is')
        except OSError as error:
            return self._remember(Progress(), f'cannot be read: {error.strerror}')
        except WrongUse as error:
            return self._set_aside(error)
        except ValueError as error:  # of a name that no file can have
            return self._remember(Progress(), f'cannot be read: {error}')

    def write(self, progress):
        """Write progress, whole or not at all; where that can't be done, keep it in memory."""
        if self._kept is not None:
            self._kept = progress
            return
        text, goal = progress.to_json(), pathlib.Path(os.path.realpath(self.path))  # through a link, not in its place
        if len(text) > LARGEST_FILE:
            self._remember(progress, 'would become too large; it is left as it is')
            return
        try:
            for left in goal.parent.glob(f'.{glob.escape(goal.name)}.*.part'):  # of a kernel that was killed: nobody else writes now
                left.unlink(missing_ok=True)
            write_whole(goal, text)
        except OSError as error:
            self._remember(progress, f'cannot be written: {error.strerror}')

    def change(self, change):
        """Apply a function to what is kept; nobody else writes meanwhile."""
        with self._lock, _alone(self.path.parent):
            self.write(change(self.read()))

    def reset(self):
        """Begin anew; what was there is kept beside it. Give a line that says so."""
        with self._lock, _alone(self.path.parent):
            return self._reset()

    def _reset(self):
        had, self._kept = self._kept, None
        self._told.clear()
        if not self.path.is_file():
            return ('the lesson begins anew; what was kept until the kernel ends is forgotten' if had
                    else 'there is nothing to forget; the lesson begins anew')
        try:
            old = self._beside('old')
        except OSError as error:
            self._kept = Progress()
            return f'{self.path.name} cannot be moved: {error.strerror}; the lesson begins anew all the same, until the kernel ends'
        return f'the lesson begins anew; what you had answered is in {old.name}'

    def told(self):
        """Give the line of what went wrong, once, or ''."""
        line, self.line = self.line, ''
        return line

    def _remember(self, progress, why):
        self._kept = progress
        self._tell(f'{self.path.name} {why}; {UNTIL_THE_END}')
        return progress

    def _set_aside(self, error):
        try:
            aside = self._beside('damaged')
        except OSError:
            return self._remember(Progress(), f'cannot be read: {error}')
        self._tell(f'{self.path.name} could not be read: {error}; it is kept as {aside.name}, and a new one was begun')
        return Progress()

    def _beside(self, word):
        """Move the file to a name beside it that nothing has."""
        names = (self.path.with_suffix(f'.{word}{number or ""}.json') for number in range(1000))
        free = next(name for name in names if not name.exists())
        return self.path.rename(free)

    def _tell(self, line):
        if line not in self._told:
            self._told.add(line)
            self.line = line
