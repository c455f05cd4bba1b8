"""Answers that are kept: one file of JSON beside the notebook, written after each answer, sent nowhere.

The file is the truth: it is read anew before it is written, so two notebooks may share it. What can't be read or written is
told in one line; nothing that was there is lost, and the lesson goes on with what it has in memory.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping

from explorer.shapes import check
from explorer.stations import WrongUse

SCHEMA = 1
NAME = '01_nova_api.progress.json'
VARIABLE = 'NOVA_EXPLORER_PROGRESS'  # names another file
LARGEST = 5_000_000  # bytes

_ENTRY = {'type': 'object', 'required': ['answer', 'right'], 'properties': {'right': {'type': ['boolean', 'null']}}}
_PROGRESS = {
    'type': 'object', 'required': ['schema', 'answers', 'hints'], 'properties': {
        'schema': {'type': 'integer'},
        'answers': {'type': 'object', 'additionalProperties': {'type': 'array', 'items': _ENTRY}},
        'hints': {'type': 'object', 'additionalProperties': {'type': 'integer', 'minimum': 0}}}}


@dataclasses.dataclass(frozen=True)
class Progress:
    """What somebody has answered: {key of a task: ({answer, right}, ...)}, oldest first, and how many hints were taken for which."""

    answers: Mapping = dataclasses.field(default_factory=dict)
    hints: Mapping = dataclasses.field(default_factory=dict)

    def answered(self, key, answer, right):
        """Add an answer."""
        return dataclasses.replace(self, answers={**self.answers, key: (*self.answers.get(key, ()), {'answer': answer, 'right': right})})

    def hinted(self, key):
        """Add a hint that was taken."""
        return dataclasses.replace(self, hints={**self.hints, key: self.hints.get(key, 0) + 1})

    def done(self, key):
        """Say whether a task is behind one: a prediction once it was made, all else once it is right, or has nothing to be judged."""
        given = self.answers.get(key, ())
        return bool(given) and (key.endswith(('.predict', '.change')) or any(entry['right'] is not False for entry in given))

    def to_json(self):
        return json.dumps({'schema': SCHEMA, 'answers': self.answers, 'hints': self.hints}, indent=1, ensure_ascii=False) + '\n'


def parse(text):
    """Read progress as JSON: (Progress, the schema it was written in).

    Raises: WrongUse for what is none.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f'it is no JSON: {error}') from error
    if isinstance(data, dict) and 'schema' not in data:  # written before there was a schema
        data = {'hints': {}, **data, 'schema': 0}
    check(data, _PROGRESS, 'it is no progress', 'see explorer/progress.py')
    return Progress({key: tuple(entries) for key, entries in data['answers'].items()}, data['hints']), data['schema']


class Keeper:
    """Keep progress in a file; what goes wrong with it is put into *line*, and is told once."""

    def __init__(self, path=None):
        self.path = pathlib.Path(path or os.environ.get(VARIABLE) or NAME)
        self.line, self._kept, self._told = '', None, set()  # _kept: in memory, where the file will not do

    def read(self):
        """Give what is kept; a file that can't be read is set aside, and a new one begun."""
        if self._kept is not None:
            return self._kept
        try:
            if self.path.stat().st_size > LARGEST:
                raise WrongUse('it is too large')
            progress, schema = parse(self.path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            return Progress()
        except OSError as error:
            return self._remember(Progress(), f'{self.path} can not be read: {error.strerror}; your answers are kept until the kernel ends')
        except (WrongUse, UnicodeDecodeError) as error:
            return self._set_aside(error)
        if schema > SCHEMA:
            return self._remember(progress, f'{self.path} is from a newer version of the lesson; it is left as it is, and your answers '
                                            'are kept until the kernel ends')
        return progress

    def write(self, progress):
        """Write progress, whole or not at all; where that can't be done, keep it in memory."""
        if self._kept is not None:
            self._kept = progress
            return
        part = self.path.with_name(f'.{self.path.name}.{os.getpid()}.part')
        try:
            part.write_text(progress.to_json(), encoding='utf-8')
            part.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            self._remember(progress, f'{self.path} can not be written: {error.strerror}; your answers are kept until the kernel ends')

    def change(self, change):
        """Apply a function to what is kept."""
        self.write(change(self.read()))

    def reset(self):
        """Begin anew; what was there is kept beside it. Give a line that says so."""
        self._kept = None
        if not self.path.exists():
            return 'there is nothing to forget; the lesson begins anew'
        try:
            old = self._beside('old')
        except OSError as error:
            self._kept = Progress()
            return f'{self.path} can not be moved: {error.strerror}; the lesson begins anew all the same, until the kernel ends'
        return f'the lesson begins anew; what you had answered is in {old.name}'

    def told(self):
        """Give the line of what went wrong, once, or ''."""
        line, self.line = self.line, ''
        return line

    def _remember(self, progress, line):
        self._kept = progress
        self._tell(line)
        return progress

    def _set_aside(self, error):
        try:
            aside = self._beside('damaged')
        except OSError:
            return self._remember(Progress(), f'{self.path} can not be read: {error}; your answers are kept until the kernel ends')
        self._tell(f'{self.path} could not be read: {error}; it is kept as {aside.name}, and a new one was begun')
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
