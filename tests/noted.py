"""A second witness to check the hook: plain decorators that note what goes into the stations and what comes out.

Run as a program, `python -m tests.noted`, it prints a line for each disagreement with the hook, and at the end how much
it compared. The hook uses nothing from here, and the notes use nothing of the hook: when a module is imported, its text
gets one more decorator at each station, and a value is described at once, by vars(), repr() and isinstance().
"""

import ast
import enum
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
import threading
import types

NOTES, DEEPEST = [], 3  # levels of objects in objects


# ------------------------------------------------------------------------------------------------- the decorators


class Noting(importlib.abc.MetaPathFinder):
    """Import modules with a decorator on some of their functions: *names* {module: {qualified name}}."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, fullname, path, target=None):
        if fullname not in self.names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        spec.loader = Loader(spec.loader.name, spec.loader.path, self.names[fullname])
        return spec


class Loader(importlib.machinery.SourceFileLoader):
    """Compile a module with the added decorators; its lines keep their numbers."""

    def __init__(self, name, path, names):
        super().__init__(name, path)
        self.noted = names

    def get_code(self, fullname):
        tree = ast.parse(self.get_data(self.path))
        self._decorate(tree, ())
        return compile(ast.fix_missing_locations(tree), self.path, 'exec', dont_inherit=True)

    def _decorate(self, node, way):
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.ClassDef):
                self._decorate(child, way)
                continue
            name = '.'.join((*way, child.name))
            if isinstance(child, ast.FunctionDef) and name in self.noted:
                call = ast.parse(f'__import__("tests.noted").noted.noted({f"{self.name}.{name}"!r})', mode='eval').body
                child.decorator_list.append(ast.copy_location(call, child))
            self._decorate(child, (*way, child.name, *(['<locals>'] if isinstance(child, ast.FunctionDef) else [])))


def noted(name):
    """Note each call of a function: the values of its parameters, and what it returns or raises."""
    def decorator(function):
        signature = inspect.signature(function)

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            note = {'name': name, 'thread': threading.get_ident(),
                    'given': {key: described(value) for key, value in bound.arguments.items()}}
            NOTES.append(note)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                note['raised'] = described(error)
                raise
            note['returned'] = described(result)
            return result
        return wrapper
    return decorator


# ------------------------------------------------------------------------------- describing a value without the hook


class Thing:
    """An object: the name of its class, and those of its attributes that were described."""

    def __init__(self, value, deep):
        self.kind, self.attributes = type(value).__name__, {}
        if deep > 0:
            for key, part in getattr(value, '__dict__', {}).items():
                self.attributes[key] = described(part, deep - 1)
            for cls in type(value).__mro__:
                slots = cls.__dict__.get('__slots__', ())
                for key in (slots,) if isinstance(slots, str) else slots:
                    if hasattr(value, key) and key not in self.attributes:
                        self.attributes[key] = described(getattr(value, key), deep - 1)
            if isinstance(value, BaseException):
                self.attributes['args'] = described(value.args, deep - 1)

    def __repr__(self):
        return f'{self.kind}({", ".join(self.attributes)})'


def described(value, deep=DEEPEST):
    """Describe a value at once.

    Returns: an atom unchanged, a container of descriptions, a `Thing` for an object, or a `Name` for a function, a
    class or a module.
    """
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, enum.Enum):
        return described(value.value, deep)
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return Name('function', value.__qualname__)
    if isinstance(value, types.MethodType):
        return Name('method', value.__func__.__qualname__ if isinstance(value.__func__, types.FunctionType) else '')
    if isinstance(value, type):
        return Name('class', value.__name__)
    if isinstance(value, types.ModuleType):
        return Name('module', value.__name__)
    if deep <= 0:
        return ...
    if isinstance(value, dict):
        return {key: described(part, deep) for key, part in dict.items(value)}
    if isinstance(value, list | tuple | set | frozenset):
        return [described(part, deep) for part in list(value)]
    return Thing(value, deep)


class Name(str):
    """The name of a function, a method, a class or a module."""

    def __new__(cls, kind, name):
        return super().__new__(cls, f'<{kind} {name}>' if name else f'<{kind}>')


# ------------------------------------------------------------------------------------------------------ the comparison


def disagreements(shown, value, path=''):
    """Yield (path, what the snapshot shows, what was described) wherever they contradict each other.

    A snapshot may leave something out (`<Name>`, `***`), but it must not differ.
    """
    if shown == '***' or value is ...:
        return
    if isinstance(value, Thing):
        yield from _of_an_object(shown, value, path)
    elif isinstance(value, dict):
        if not isinstance(shown, dict):
            if not (isinstance(shown, str) and shown.startswith('<')):
                yield path, shown, value
            return
        for key in shown:
            if key in value:
                yield from disagreements(shown[key], value[key], f'{path}.{key}')
            elif key != '…':
                yield f'{path}.{key}', shown[key], 'nothing'
    elif isinstance(value, list):
        if not isinstance(shown, list) or len(shown) != len(value):
            yield path, shown, value
            return
        for number, (one, other) in enumerate(zip(shown, value, strict=True)):
            yield from disagreements(one, other, f'{path}.{number}')
    elif isinstance(value, bytes):
        if shown != value.decode('utf-8', 'replace') and '***' not in shown:
            yield path, shown, value
    elif type(value) is str or isinstance(value, Name):
        if shown != value and not (isinstance(shown, str) and '***' in shown):
            yield path, shown, value
    elif value != value or value in (float('inf'), float('-inf')):
        if shown != {'': 'float', 'value': repr(value)}:
            yield path, shown, value
    elif (type(shown), shown) != (type(value), value):
        yield path, shown, value


def _of_an_object(shown, value, path):
    if isinstance(shown, dict) and '' in shown:
        if shown[''] != value.kind:
            yield f'{path}.class', shown[''], value.kind
        for key, part in shown.items():
            for name in (key, f'_{key}', f'_obj_{key}', f'__{key}'):
                if name in value.attributes:
                    yield from disagreements(part, value.attributes[name], f'{path}.{key}')
                    break
    elif isinstance(shown, str) and shown.startswith('<') and shown.endswith('>'):
        if shown[1:-1] != value.kind:
            yield path, shown, value
    elif not isinstance(shown, str | list | dict | float):  # a date, an address, a set: any text will do
        yield path, shown, value


def compared(trace, notes, names, aside):
    """Compare the steps of a trace with the notes.

    Returns: the disagreements, and the number of values that were compared.
    """
    told, count = [], 0
    by_name = {}
    for note in notes:
        by_name.setdefault(note['name'], []).append(note)
    for station, name in names.items():
        steps, noted_here = trace.find(station.key), by_name.get(name, [])
        if station.key not in aside and len(steps) != len(noted_here):
            told.append(f'{station.key}: {len(steps)} steps, {len(noted_here)} calls')
            continue
        for step, note in zip(steps, noted_here[len(noted_here) - len(steps):], strict=True):
            shown = step.before
            told += [f'{station.key}: {key} is not shown' for key in note['given'] if key not in shown
                     and (station.shows is None or key in station.shows) and not key.startswith('__')]
            pairs = [(f'before.{key}', shown[key], note['given'][key]) for key in shown if key in note['given']]
            pairs.append(('result', step.result, note.get('returned')) if 'raised' not in note
                         else ('error', step.error, note['raised']))
            for path, one, other in pairs:
                count += 1
                told += [f'{station.key} (step {step.index}): {where}: shown {str(seen)[:120]}, was {str(was)[:120]}'
                         for where, seen, was in disagreements(one, other, path)]
    return told, count


def main():
    from explorer.stations import STATIONS, split
    stations = {station: station.ours for station in STATIONS if not station.boot}
    modules = {}
    for name in stations.values():
        module, qualname = split(name)
        modules.setdefault(module, set()).add(qualname)
    sys.meta_path.insert(0, Noting(modules))
    from explorer import EXPLORATIONS, run
    # Some noted calls are not steps: those in the client's earlier requests, and those in a call that is not followed.
    aside = {station.key for station in stations if station.node != 'client'}
    wrong, values, seen = [], 0, set()
    for row in EXPLORATIONS:
        for scenario in (row.scenario, row.versus):
            NOTES.clear()
            trace = run(scenario)
            told, count = compared(trace, list(NOTES), stations, aside if 'python-novaclient' in trace.versions else ())
            wrong += [f'{row.key}: {line}' for line in told]
            values += count
            seen |= {step.station for step in trace.steps}
    for line in wrong:
        print(line)
    print(f'{len(wrong)} disagreements, {values} values compared, {len(seen)} stations')


if __name__ == '__main__':
    from tests import noted as imported  # under the name by which the decorators know it
    imported.main()
