"""One-line error messages, JSON schemas for data from outside, and files that are written whole or not at all."""

import contextlib
import pathlib
from collections.abc import Mapping
from typing import TypeAlias

from explorer.libraries import jsonschema

LONGEST_REASON = 120  # characters

Schema: TypeAlias = Mapping[str, object]  # a JSON schema


class WrongUse(ValueError):
    """Misuse of this package. The message is one line: what is wrong and what to do instead."""


class HookError(RuntimeError):
    """The hook could not see the whole request. The message is one line: why, and what to do.

    The request itself was not affected.
    """


def shorten(value: object) -> str:
    """Shorten the repr of a value for an error message; never raise."""
    try:
        return cut(repr(value))
    except Exception:  # a number may have too many digits, and the __repr__ of a foreign class may raise anything
        return f'a {type(value).__name__}'


def one_line(error: Exception) -> str:
    """Return the message of an error as one short line."""
    return cut(' '.join(str(error).split()))


def cut(text: str) -> str:
    """Cut a text to LONGEST_REASON characters; an ellipsis shows that something is missing."""
    return text if len(text) <= LONGEST_REASON else f'{text[:LONGEST_REASON]}…'


def write_whole(path: str | pathlib.Path, content: str | bytes) -> None:
    """Write text or bytes to a file, whole or not at all.

    Raises: OSError if the file cannot be written; its previous content is then unchanged.
    """
    path = pathlib.Path(path)
    part = path.with_name(f'.{path.name}.part')
    try:
        part.write_bytes(content if isinstance(content, bytes) else content.encode())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


# ------------------------------------------------------------------------------------- schemas of data from outside

TEXT, FLAG, NUMBER, OBJECT = ({'type': kind} for kind in ('string', 'boolean', 'integer', 'object'))
TEXT_OR_NULL = {'type': ['string', 'null']}


def or_null(shape: Schema) -> Schema:
    """Return a schema for data that matches *shape* or is null."""
    return {'anyOf': [{'type': 'null'}, shape]}


def list_of(shape: Schema) -> Schema:
    """Return a schema for a list whose items match *shape*."""
    return {'type': 'array', 'items': shape}


def object_of(*optional: str, **properties: Schema) -> Schema:
    """Return a schema for an object; all *properties* are required except those named in *optional*."""
    return {'type': 'object', 'properties': properties,
            'required': [name for name in properties if name not in optional]}


def check(data: object, shape: Schema, what: str, remedy: str) -> None:
    """Validate plain *data* against the schema *shape*.

    Raises: WrongUse for the first violation. The message is 'WHAT: PLACE: reason; REMEDY'.
    """
    try:
        error = next(jsonschema.Draft202012Validator(shape).iter_errors(data), None)
    except (RecursionError, ValueError) as odd:  # ValueError: a number has too many digits for Python to print
        raise WrongUse(f'{what}: {one_line(odd)}; {remedy}') from odd
    if error is None:
        return
    while error.context:  # or_null: the last alternative is the one that is not null
        error = next(inner for inner in error.context if inner.schema_path[0] == len(error.validator_value) - 1)
    place = '.'.join(map(str, error.absolute_path)) or 'top level'
    reason = {'enum': f'{shorten(error.instance)} is not known here',
              'pattern': f'{shorten(error.instance)} is not valid here'}
    raise WrongUse(f'{what}: {place}: {reason.get(error.validator) or cut(error.message)}; {remedy}')
