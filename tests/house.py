"""The package's structure in numbers: python -m tests.house prints it.

Sizes are counted in statements, so layout cannot change them. Imports, docstrings and annotations are not counted, and
neither is code that only declares types: aliases, type variables, TypedDicts and Protocols.
"""

import ast
import pathlib
import statistics

PACKAGE = pathlib.Path(__file__).parents[1] / 'explorer'


def files():
    """Return the Python files of the package."""
    return sorted(PACKAGE.rglob('*.py'))


def imports(path):
    """Return the package's files that a file imports, even inside functions: 'views/facts.py'."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and (node.module or '').partition('.')[0] == 'explorer':
            home = PACKAGE.joinpath(*node.module.split('.')[1:])
            module = home.with_suffix('.py')
            found |= {module} if module.is_file() else {home / f'{alias.name}.py' for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {PACKAGE.joinpath(*alias.name.split('.')[1:]).with_suffix('.py') for alias in node.names
                      if alias.name.startswith('explorer.')}
    return {str(each.relative_to(PACKAGE)) for each in found if each.is_file()}


def graph(name_of):
    """Return the imports as {name: names that it imports}.

    Shape: *name_of* returns the name of a file; files with the name '' are left out.
    """
    edges = {}
    for path in files():
        here = name_of(str(path.relative_to(PACKAGE)))
        edges.setdefault(here, set()).update(name_of(other) for other in imports(path))
    return {here: others - {here, ''} for here, others in edges.items() if here}


def room(file):
    """Return the room of a file: its package, or its own name in the core; '' for __init__.py."""
    package, slash, _ = file.partition('/')
    return package if slash else file.removesuffix('.py').replace('__init__', '')


def within(package):
    """Return a function that names the files of one package; it returns '' for all others."""
    def name_of(file):
        inside = file.startswith(f'{package}/') and not file.endswith('__init__.py')
        return file.removesuffix('.py') if inside else ''
    return name_of


def longest_chain(edges):
    """Return the longest chain of imports, from the top down.

    Raises: ValueError for a circular import.
    """
    known = {}

    def below(name, above=()):
        if name in above:
            raise ValueError(f'circular import: {" -> ".join((*above, name))}')
        if name not in known:
            chains = ([name, *below(other, (*above, name))] for other in sorted(edges.get(name, ())))
            known[name] = max(chains, key=len, default=[name])
        return known[name]
    return max((below(name) for name in sorted(edges)), key=len, default=[])


def statements(tree):
    """Count the statements of a module, a class or a function, including its own line if it has one."""
    declared = [node for node in ast.walk(tree) if _declares_a_type(node)]
    return sum(map(_counts, ast.walk(tree))) - sum(statements(node) for node in declared if node is not tree)


def _counts(node):
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal) or not isinstance(node, ast.stmt):
        return False
    if isinstance(node, ast.AnnAssign):
        return node.value is not None and ast.unparse(node.annotation) != 'TypeAlias'
    if isinstance(node, ast.Assign | ast.If):
        return not ast.unparse(node.value if isinstance(node, ast.Assign) else node.test).startswith(
            ('TypeVar(', 'TYPE_CHECKING'))
    return not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str))


def _declares_a_type(node):
    return isinstance(node, ast.ClassDef) and any(
        ast.unparse(base).partition('[')[0].rpartition('.')[2] in ('TypedDict', 'Protocol') for base in node.bases)


def defined(tree):
    """Return the names that a module defines."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    return found


def functions(tree):
    """Yield (name, number of statements inside) for each function, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, statements(node) - 1


def main():
    trees = {path: ast.parse(path.read_text(encoding='utf-8')) for path in files()}
    for path, tree in trees.items():
        print(f'{statements(tree):5} {path.relative_to(PACKAGE.parent)}')
    rooms = graph(room)
    chain = ' -> '.join(longest_chain(rooms))
    print(f'{len(rooms)} rooms, {sum(map(len, rooms.values()))} edges, longest chain {chain}')
    for package in sorted(path.name for path in PACKAGE.iterdir() if (path / '__init__.py').is_file()):
        print(f'{package}: longest chain {" -> ".join(longest_chain(graph(within(package))))}')
    print(f'{sum(map(statements, trees.values())):5} statements in all')
    sizes = sorted((size, path.stem, name) for path, tree in trees.items() for name, size in functions(tree))
    just = [size for size, *_ in sizes]
    print(f'{len(just)} functions: median {statistics.median(just)}, 90 % have at most {just[len(just) * 9 // 10]}; '
          'the largest:')
    for size, stem, name in reversed(sizes[-12:]):
        print(f'{size:5} {stem}.{name}')


if __name__ == '__main__':
    main()
