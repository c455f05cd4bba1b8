"""Payloads as plain data: which values are marked, what a payload contains, and how two payloads differ.

A snapshot is plain data: only what JSON can hold. Values that JSON cannot hold are marked; see snapshots.py.
"""

import ast
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Value: TypeAlias = Any  # plain data at some place of a payload; only the code that reads the place knows its type
Plain: TypeAlias = dict[str, Value]  # a JSON object
Path: TypeAlias = tuple[Value, ...]  # the keys and indexes that lead to a place in plain data

_MAKERS: dict[str, Callable[[str], object]] = {
    'float': float, 'int': lambda text: int(text, 0), 'str': ast.literal_eval, 'bytes': ast.literal_eval}
MARKED = frozenset({*_MAKERS, 'dict'})


def is_marked(plain: Value) -> bool:
    """Return whether plain data stands for a value that JSON cannot hold."""
    return (type(plain) is dict and len(plain) == 2 and isinstance(plain.get(''), str) and plain[''] in MARKED
            and (isinstance(plain.get('value'), str) or isinstance(plain.get('items'), list)))


def is_container(plain: Value) -> bool:
    """Return whether plain data is a list or a dict, even an empty one."""
    return type(plain) is list or (type(plain) is dict and not (is_marked(plain) and 'value' in plain))


def kind_of(plain: Value) -> str:
    """Return the name of the type of plain data; for a marked value, the type that it stands for."""
    return plain[''] if is_marked(plain) else type(plain).__name__


def parts(plain: Value) -> dict[Value, Value]:
    """Return the parts of a container by name, {} for anything else.

    Shape: the keys of a marked dict are written as in Python.
    """
    if type(plain) is list:
        return dict(enumerate(plain))
    if type(plain) is not dict:
        return {}
    if not is_marked(plain):
        return plain
    return {_written(item[0]): item[1] for item in plain.get('items', ()) if type(item) is list and len(item) == 2}


def _written(key: Value) -> str:
    return str(key.get('value', '{…}')) if is_marked(key) else repr(key)


def unmarked(plain: Value) -> Value:
    """Return plain data with its marked values restored.

    Raises: ValueError for a marked value that cannot be restored.
    """
    if is_marked(plain):
        if 'items' in plain:
            return {_hashable(unmarked(key)): unmarked(part) for key, part in plain['items']
                    if type(key) is not dict or is_marked(key)}
        try:
            return _MAKERS[plain['']](plain['value'])
        except (KeyError, SyntaxError, MemoryError, RecursionError) as error:
            raise ValueError(f'the text is not a valid {plain[""]}') from error
    if type(plain) is dict:
        return {key: unmarked(part) for key, part in plain.items()}
    return [unmarked(part) for part in plain] if type(plain) is list else plain


def _hashable(plain: Value) -> Value:
    return tuple(map(_hashable, plain)) if type(plain) is list else plain


def leaves(value: Value, path: Path = ()) -> Iterator[tuple[Path, Value]]:
    """Yield (path, value) for every value in plain data that is not a container, and for every empty container."""
    below = parts(value)
    if not below:
        yield path, value
    for key, part in below.items():
        yield from leaves(part, (*path, key))


def difference(old: Value, new: Value, path: Path = ()) -> dict[str, dict[Path, Value]]:
    """Compare two values of plain data.

    Returns: {'added': {path: value}, 'changed': {path: [old, new]}, 'dropped': {path: value}}.
    """
    found: dict[str, dict[Path, Value]] = {'added': {}, 'changed': {}, 'dropped': {}}
    if not (is_container(old) and is_container(new) and type(old) is type(new)
            and (type(old) is dict or len(old) == len(new))):
        if old is not new and (old != new or type(old) is not type(new)):
            found['changed'][path] = [old, new]
        return found
    old, new = parts(old), parts(new)
    found['dropped'] = {(*path, key): old[key] for key in old if key not in new}
    found['added'] = {(*path, key): new[key] for key in new if key not in old}
    for key in old:
        if key in new and old[key] is not new[key]:
            for kind, items in difference(old[key], new[key], (*path, key)).items():
                found[kind].update(items)
    return found
