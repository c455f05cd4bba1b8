"""Would the tests notice? Change the code in a hundred places, one at a time, and run the tests of the changed module.

    python -m tests.mutants [--tests FOLDER] [--seconds 60] [--count 100] [--seed 34] [--out FILE]

Each change is made in a copy of the checkout, in a process that starts warm. With --tests, the copy has another folder
of tests, for example that of an earlier commit, so that two suites can be compared on the same mutants. Prints a line
for each mutant: how it ended, where it is, what was changed to what, and the test that noticed.
"""

import argparse
import ast
import concurrent.futures
import dataclasses
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile

from tests import forks

TESTS = {
    'pipeline': ('test_pipeline', 'test_queries', 'test_bus', 'commands/test_conform'),
    'objects': ('test_objects', 'test_pipeline', 'test_queries', 'commands/test_conform'),
    'trace': ('test_trace', 'engines/test_running'), 'snapshots': ('test_snapshots', 'test_trace'),
    'views/comparison': ('views/test_comparison',), 'teaching/tasks': ('teaching/test_judging', 'teaching/test_lesson')}
SHARES = {  # of a hundred
    'pipeline': 32, 'objects': 18, 'trace': 16, 'snapshots': 14, 'views/comparison': 10, 'teaching/tasks': 10}
LEFT_OUT = shutil.ignore_patterns('.venv*', '.git', 'build', '*.egg-info', '.pytest_cache')

_SWAPS = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A change of a module's text: the characters from *start* to *end* become *after*."""

    module: str
    line: int
    start: int
    end: int
    before: str
    after: str

    def applied(self, text):
        return text[:self.start] + self.after + text[self.end:]

    def __str__(self):
        return f'{self.module}.py:{self.line}: {" ".join(self.before.split())} -> {" ".join(self.after.split())}'


def mutants(module, text):
    """Yield every mutant of a module's text that a small slip could cause."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(line, column):  # the syntax tree counts columns in bytes
        row = text[starts[line - 1]:starts[line]]
        return starts[line - 1] + len(row.encode()[:column].decode())

    for node in _own_nodes(ast.parse(text)):
        for changed in _changes(node):
            start, end = offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)
            after = changed if isinstance(changed, str) else ast.unparse(ast.fix_missing_locations(changed))
            after = f'({after})' if isinstance(node, ast.Compare | ast.BoolOp | ast.BinOp | ast.UnaryOp) else after
            yield Mutant(module, node.lineno, start, end, text[start:end], after)


def _own_nodes(tree):
    """Yield the nodes of a tree that run: no imports, docstrings or f-strings."""
    todo = [tree]
    while todo:
        node = todo.pop(0)
        if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        yield node
        todo += ast.iter_child_nodes(node)


def _changes(node):
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _SWAPS:
        yield ast.Compare(node.left, [_SWAPS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(_SWAPS[type(node.op)](), node.values)
    elif isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
        yield ast.BinOp(node.left, _SWAPS[type(node.op)](), node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield repr(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield repr(node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield repr(f'{node.value}x')
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield 'return None'
    elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield 'pass'


def _is_none(node):
    return isinstance(node, ast.Constant) and node.value is None


def chosen(count, seed):
    """Choose mutants of all modules at random, by a seed.

    Each module gets its share; of the mutants that change a text, only one in three can be chosen.
    """
    picked, dice = [], random.Random(seed)
    for module, share in SHARES.items():
        every = [mutant for mutant in mutants(module, _text(module))
                 if mutant.before[-1] not in '\'"' or dice.random() < 1 / 3]
        picked += sorted(dice.sample(every, count * share // 100), key=lambda mutant: mutant.start)
    return picked


def _text(module):
    return (forks.ROOT / f'explorer/{module}.py').read_text(encoding='utf-8')


_PYTEST = """
import sys
for name in [name for name in sys.modules if name.partition('.')[0] == 'tests']:
    del sys.modules[name]
import pytest
sys.exit(pytest.main(['-x', '-q', '--no-header', '-p', 'no:cacheprovider', '-p', 'no:xdist',
                      '-m', 'not browser and not nova and not broker', *sys.argv[1:]]))
"""


def ended(module, text, tests, seconds):
    """Run a module's tests with another text of the module.

    Returns: 'survived', 'timed out' or 'killed', and the test that noticed.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, 'checkout')
        shutil.copytree(forks.ROOT, copy, ignore=LEFT_OUT)
        if tests:
            shutil.rmtree(copy / 'tests')
            shutil.copytree(tests, copy / 'tests')
        (copy / f'explorer/{module}.py').write_text(text, encoding='utf-8')
        names = [f'tests/{name}.py' for name in TESTS[module]]
        try:
            done = forks.run(_PYTEST, *names, cwd=copy, timeout=seconds, env={**os.environ, 'PYTHONPATH': str(copy)})
        except TimeoutError:
            return 'timed out', ''
    if done.returncode == 0:
        return 'survived', ''
    noticed = re.findall(r'^(?:FAILED|ERROR) (\S+)', done.stdout, re.MULTILINE)
    return 'killed', (noticed or [(done.stdout + done.stderr).strip().splitlines()[-1:]])[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--tests', type=pathlib.Path, help='another folder of tests')
    parser.add_argument('--seconds', type=int, default=60, help='how long the tests of one mutant may take')
    parser.add_argument('--count', type=int, default=100)
    parser.add_argument('--seed', type=int, default=34)
    parser.add_argument('--out', type=pathlib.Path, help='also write the lines to this file')
    arguments = parser.parse_args()

    def end(mutant):
        return ended(mutant.module, mutant.applied(_text(mutant.module)), arguments.tests, arguments.seconds)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        as_it_is = pool.map(lambda module: ended(module, _text(module), arguments.tests, arguments.seconds), TESTS)
        for module, (how, by) in zip(TESTS, as_it_is, strict=True):
            if how != 'survived':
                sys.exit(f'without any change, the tests of {module} end with: {how} {by}')
        picked, lines, counts = chosen(arguments.count, arguments.seed), [], {}
        for mutant, (how, by) in zip(picked, pool.map(end, picked), strict=True):
            counts[how] = counts.get(how, 0) + 1
            lines.append(f'{how:9} {mutant}  [{by}]')
            print(lines[-1], flush=True)
    lines.append(', '.join(f'{number} {how}' for how, number in sorted(counts.items())) + f' of {len(picked)}')
    print(lines[-1])
    if arguments.out:
        arguments.out.write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
