"""Payloads as plain data: what is marked in them, what they hold, and how two of them differ.

A snapshot is plain data as JSON has it. What JSON cannot hold is marked, see snapshots.py.
"""

import ast

_MAKERS = {'float': float, 'int': lambda text: int(text, 0), 'str': ast.literal_eval, 'bytes': ast.literal_eval}
MARKED = frozenset({*_MAKERS, 'dict'})


def is_marked(plain):
    """Say whether plain data stands for something that JSON cannot hold."""
    return (type(plain) is dict and len(plain) == 2 and isinstance(plain.get(''), str) and plain[''] in MARKED
            and (isinstance(plain.get('value'), str) or isinstance(plain.get('items'), list)))


def is_container(plain):
    """Say whether plain data is a list or a dict, be it empty."""
    return type(plain) is list or type(plain) is dict and not (is_marked(plain) and 'value' in plain)


def kind_of(plain):
    """Name the type of plain data, of what is marked the type that it stands for."""
    return plain[''] if is_marked(plain) else type(plain).__name__


def parts(plain):
    """Return the parts of a container by name, {} for whatever holds none; of a marked dict the keys are written as in Python."""
    if type(plain) is list:
        return dict(enumerate(plain))
    if type(plain) is not dict:
        return {}
    if not is_marked(plain):
        return plain
    return {_written(item[0]): item[1] for item in plain.get('items', ()) if type(item) is list and len(item) == 2}


def _written(key):
    return str(key.get('value', '{…}')) if is_marked(key) else repr(key)


def unmarked(plain):
    """Make the values again that are marked in plain data.

    Raises: ValueError for a mark that no value has.
    """
    if is_marked(plain):
        if 'items' in plain:
            return {_hashable(unmarked(key)): unmarked(part) for key, part in plain['items'] if type(key) is not dict or is_marked(key)}
        try:
            return _MAKERS[plain['']](plain['value'])
        except (KeyError, SyntaxError, MemoryError, RecursionError) as error:
            raise ValueError(f'no {plain[""]} is written so') from error
    if type(plain) is dict:
        return {key: unmarked(part) for key, part in plain.items()}
    return [unmarked(part) for part in plain] if type(plain) is list else plain


def _hashable(plain):
    return tuple(map(_hashable, plain)) if type(plain) is list else plain


def leaves(value, path=()):
    """Walk plain data: yield (path, value) for everything that holds nothing, and for empty containers."""
    below = parts(value)
    if not below:
        yield path, value
    for key, part in below.items():
        yield from leaves(part, (*path, key))


def difference(old, new, path=()):
    """Compare plain data: {'added': {path: value}, 'changed': {path: [old, new]}, 'dropped': {path: value}}.

    Shape: a path is a tuple of keys.
    """
    found = {'added': {}, 'changed': {}, 'dropped': {}}
    if not (is_container(old) and is_container(new) and type(old) is type(new) and (type(old) is dict or len(old) == len(new))):
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
