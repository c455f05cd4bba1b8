"""What the house looks like, in numbers: python -m tests.house prints them.

Sizes are counted in statements, so that layout cannot change them. Imports, docstrings, annotations and TypedDicts are not counted.
"""

import ast
import pathlib
import statistics

PACKAGE = pathlib.Path(__file__).parents[1] / 'explorer'


def files():
    """List the Python files of the package."""
    return sorted(PACKAGE.rglob('*.py'))


def statements(tree):
    """Count the statements of a module, a class or a function, its own line included where it has one."""
    return sum(_counts(node) for node in ast.walk(tree)) - sum(
        statements(node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _is_typed_dict(node) and node is not tree)


def _counts(node):
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal) or not isinstance(node, ast.stmt):
        return False
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    return not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str))


def _is_typed_dict(node):
    return any('TypedDict' in ast.unparse(base) for base in node.bases)


def functions(tree):
    """Yield (name, number of statements inside) of each function, those in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, statements(node) - 1


def main():
    trees = {path: ast.parse(path.read_text(encoding='utf-8')) for path in files()}
    for path, tree in trees.items():
        print(f'{statements(tree):5} {path.relative_to(PACKAGE.parent)}')
    print(f'{sum(map(statements, trees.values())):5} statements in all')
    sizes = sorted((size, path.stem, name) for path, tree in trees.items() for name, size in functions(tree))
    just = [size for size, *_ in sizes]
    print(f'{len(just)} functions: median {statistics.median(just)}, 90 of 100 at most {just[len(just) * 9 // 10]}; the largest:')
    for size, stem, name in reversed(sizes[-12:]):
        print(f'{size:5} {stem}.{name}')


if __name__ == '__main__':
    main()
