"""What goes wrong, told in one line; and data from outside, checked against JSON schemas, and files, written whole."""

import contextlib
import pathlib

from explorer.libraries import jsonschema

LONGEST_REASON = 120  # characters


class WrongUse(ValueError):
    """Misuse of this package. The message is one line: what is wrong and what to do instead."""


class HookError(RuntimeError):
    """The hook could not see the whole request. The message is one line: why, and what to do. The request did not notice."""


def shorten(value):
    """Show what was given in an error's one line, whatever it is."""
    try:
        return cut(repr(value))
    except Exception:  # a number may be too long for it, and what others write may raise anything
        return f'a {type(value).__name__}'


def one_line(error):
    """Return what an error says in one short line."""
    return cut(' '.join(str(error).split()))


def cut(text):
    """Cut a text to the length of a reason."""
    return text if len(text) <= LONGEST_REASON else f'{text[:LONGEST_REASON]}…'


def write_whole(path, content):
    """Write a file of text or bytes, whole or not at all.

    Raises: OSError if it cannot be written; then what was there is as it was.
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


# ----------------------------------------------------------------------------------- the shape of data from outside

TEXT, FLAG, NUMBER, OBJECT = ({'type': kind} for kind in ('string', 'boolean', 'integer', 'object'))
TEXT_OR_NULL = {'type': ['string', 'null']}


def or_null(shape):
    """Describe what has a shape or is null."""
    return {'anyOf': [{'type': 'null'}, shape]}


def list_of(shape):
    """Describe a list of what has a shape."""
    return {'type': 'array', 'items': shape}


def object_of(*optional, **properties):
    """Describe an object: its *properties*, all required but those named as *optional*."""
    return {'type': 'object', 'properties': properties, 'required': [name for name in properties if name not in optional]}


def check(data, shape, what, remedy):
    """See that plain *data* has a *shape*.

    Raises: WrongUse, 'WHAT: PLACE: reason; REMEDY', for the first thing that has not.
    """
    try:
        error = next(jsonschema.Draft202012Validator(shape).iter_errors(data), None)
    except (RecursionError, ValueError) as odd:  # and a number of more digits than Python writes
        raise WrongUse(f'{what}: {one_line(odd)}; {remedy}') from odd
    if error is None:
        return
    while error.context:  # of several shapes the last one is the one that is no null
        error = [inner for inner in error.context if inner.schema_path[0] == len(error.validator_value) - 1][0]
    place = '.'.join(map(str, error.absolute_path)) or 'all of it'
    reason = {'enum': f'{shorten(error.instance)} is unknown here', 'pattern': f'{shorten(error.instance)} cannot be one'}
    raise WrongUse(f'{what}: {place}: {reason.get(error.validator) or cut(error.message)}; {remedy}')
