"""Keep a learner's answers in one JSON file next to the notebook, which is written after each answer and sent nowhere.

The file is always read again before it is written, so two notebooks may share it. If it cannot be read or written, one
line says so, nothing on disk is lost, and the lesson continues in memory.
"""

import contextlib
import dataclasses
import glob
import json
import os
import pathlib
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Self, TypedDict

from explorer.errors import WrongUse, check, shorten, write_whole
from explorer.payloads import Value

PROGRESS_SCHEMA = 1
NAME = '01_nova_api.progress.json'
VARIABLE = 'NOVA_EXPLORER_PROGRESS'  # environment variable with the path of another file
LARGEST_FILE = 20_000_000  # bytes
MOST_ANSWERS, MOST_HINTS = 10, 99  # kept for each task; of more answers than that, the first and the latest
UNTIL_THE_END = 'your answers are kept until the kernel ends'

_ENTRY = {'type': 'object', 'required': ['answer', 'right'], 'properties': {'right': {'type': ['boolean', 'null']}}}
_PROGRESS = {
    'type': 'object', 'required': ['schema', 'answers', 'hints'], 'properties': {
        'schema': {'type': 'integer'},
        'answers': {'type': 'object', 'additionalProperties': {'type': 'array', 'items': _ENTRY}},
        'hints': {'type': 'object', 'additionalProperties': {'type': 'integer', 'minimum': 0}}}}


class Newer(WrongUse):
    """A newer version of the lesson has written this progress."""


class NoFile(WrongUse):
    """The path leads to something other than a regular file: a folder, a pipe, a device."""


class Entry(TypedDict):
    """An answer as it is kept."""

    answer: Value  # in the form that Task.read returns; from a file, any plain data
    right: bool | None  # None if it was not judged


@dataclasses.dataclass(frozen=True)
class Progress:
    """A learner's answers to each task, oldest first, and the number of hints taken for each task, both by key."""

    answers: Mapping[str, tuple[Entry, ...]] = dataclasses.field(default_factory=dict)
    hints: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def answered(self, key: str, answer: Value, right: bool | None) -> Self:
        """Return the progress with one more answer."""
        before = self.answers.get(key, ())
        kept = (*before[:1], *before[1:][2 - MOST_ANSWERS:], Entry(answer=answer, right=right))
        return dataclasses.replace(self, answers={**self.answers, key: kept})

    def hinted(self, key: str) -> Self:
        """Return the progress with one more hint taken."""
        return dataclasses.replace(self, hints={**self.hints, key: self.hints.get(key, 0) + 1})

    def done(self, key: str) -> bool:
        """Report whether a task is done: a prediction or a sentence once it is given, any other once it is right."""
        given = self.answers.get(key, ())
        return bool(given) and (key.endswith(('.predict', '.change', '.say')) or any(entry['right'] for entry in given))

    def to_json(self) -> str:
        """Return the progress as JSON in ASCII, because UTF-8 cannot encode half a surrogate pair."""
        return json.dumps({'schema': PROGRESS_SCHEMA, 'answers': self.answers, 'hints': self.hints}, indent=1) + '\n'


def parse(text: str) -> Progress:
    """Read progress from JSON, including that of an older version.

    Raises: Newer for progress of a newer version; WrongUse for anything that is not progress.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f'it is not JSON: {error}') from error
    schema = data.get('schema', 0) if isinstance(data, dict) else 0  # the first files had none
    if isinstance(schema, int) and schema > PROGRESS_SCHEMA:
        raise Newer('it is from a newer version of the lesson')
    if isinstance(data, dict) and 'schema' not in data:
        data = {'hints': {}, **data, 'schema': 0}
    check(data, _PROGRESS, 'it is not a progress file', 'see explorer/teaching/progress.py')
    return Progress({key: tuple(entries) for key, entries in data['answers'].items() if entries},
                    {key: min(int(count), MOST_HINTS) for key, count in data['hints'].items()})


def load(path: pathlib.Path) -> Progress:
    """Read a progress file.

    Raises: OSError if it cannot be read; NoFile if it is not a regular file (reading a pipe could wait forever); Newer
    for progress of a newer version; WrongUse for anything that is not progress.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise NoFile('it is not a file')
    if found.st_size > LARGEST_FILE:
        raise WrongUse('it is too large')
    try:
        return parse(path.read_text(encoding='utf-8-sig'))
    except UnicodeDecodeError as error:
        raise WrongUse(f'it is not text: {error}') from error


@contextlib.contextmanager
def _alone(folder: pathlib.Path) -> Iterator[None]:
    """Keep other kernels from writing into a folder during the block; do nothing if the system has no locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError, ValueError):
            import fcntl
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class ProgressFile:
    """Keep progress in a file; *line* holds a problem with the file until `told` returns it.

    Shape: *path* names the file; if it is None, the variable NOVA_EXPLORER_PROGRESS does; if that is not set either,
    the file is in the working folder.
    Raises: WrongUse for anything that is not a path, and if the working folder is gone.
    """

    _kept: Progress | None  # in memory, if the file cannot be used
    _told: set[str]

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        try:
            self.path = pathlib.Path(path or os.environ.get(VARIABLE) or NAME).absolute()
        except TypeError as error:
            raise WrongUse(f'{shorten(path)} is not a path; give the name of a file, or nothing') from error
        except FileNotFoundError as error:
            raise WrongUse('the working folder of this kernel is gone; create it again or change to another one, then '
                           'restart the kernel') from error
        self.line, self._kept, self._told = '', None, set()
        self._lock = threading.RLock()

    def read(self) -> Progress:
        """Return the progress; a damaged file is set aside, and a new one started."""
        with self._lock:
            return self._read()

    def _read(self) -> Progress:
        if self._kept is not None:
            return self._kept
        try:
            return load(self.path)
        except FileNotFoundError:
            return Progress()
        except (NoFile, Newer) as error:
            return self._remember(Progress(), f'cannot be used: {error}; it is left unchanged')
        except OSError as error:
            return self._remember(Progress(), f'cannot be read: {error.strerror}')
        except WrongUse as error:
            return self._set_aside(error)
        except ValueError as error:  # an impossible file name
            return self._remember(Progress(), f'cannot be read: {error}')

    def write(self, progress: Progress) -> None:
        """Write the whole progress or nothing; if it cannot be written, keep it in memory."""
        if self._kept is not None:
            self._kept = progress
            return
        text, goal = progress.to_json(), pathlib.Path(os.path.realpath(self.path))  # so that a link is not replaced
        if len(text) > LARGEST_FILE:
            self._remember(progress, 'would become too large; it is left unchanged')
            return
        try:
            # A killed kernel may have left a partial file behind; nobody else is writing now.
            for left in goal.parent.glob(f'.{glob.escape(goal.name)}.*.part'):
                left.unlink(missing_ok=True)
            write_whole(goal, text)
        except OSError as error:
            self._remember(progress, f'cannot be written: {error.strerror}')

    def change(self, change: Callable[[Progress], Progress]) -> None:
        """Apply a function to the progress, while nobody else can write."""
        with self._lock, _alone(self.path.parent):
            self.write(change(self.read()))

    def reset(self) -> str:
        """Start with no progress, move the old file to another name, and return a line that says so."""
        with self._lock, _alone(self.path.parent):
            return self._reset()

    def _reset(self) -> str:
        had, self._kept = self._kept, None
        self._told.clear()
        if not self.path.is_file():
            return ('the lesson starts over; the answers kept in memory are forgotten' if had
                    else 'the lesson starts over; there were no answers to forget')
        try:
            old = self._beside('old')
        except OSError as error:
            self._kept = Progress()
            return f'{self.path.name} cannot be moved: {error.strerror}; the lesson starts over in memory only'
        return f'the lesson starts over; your earlier answers are in {old.name}'

    def told(self) -> str:
        """Return the line that reports a problem, once; '' if there is none."""
        line, self.line = self.line, ''
        return line

    def _remember(self, progress: Progress, why: str) -> Progress:
        self._kept = progress
        self._tell(f'{self.path.name} {why}; {UNTIL_THE_END}')
        return progress

    def _set_aside(self, error: WrongUse) -> Progress:
        try:
            aside = self._beside('damaged')
        except OSError:
            return self._remember(Progress(), f'cannot be read: {error}')
        self._tell(f'{self.path.name} could not be read: {error}; it was renamed to {aside.name}, and a new file was '
                   'started')
        return Progress()

    def _beside(self, word: str) -> pathlib.Path:
        """Move the file to an unused name in its folder, and return that path."""
        names = (self.path.with_suffix(f'.{word}{number or ""}.json') for number in range(1000))
        free = next(name for name in names if not name.exists())
        return self.path.rename(free)

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.line = line
