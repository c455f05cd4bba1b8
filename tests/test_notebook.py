"""The notebook: run as regression test, and kept as an honest document."""

import ast
import copy
import re
import subprocess
import sys

import nbformat
import pytest

from explorer import EXPLORATIONS
from tests.conftest import NOTEBOOK, ROOT

SANITIZE = ROOT / 'tests/nbval_sanitize.cfg'
STORED = nbformat.read(NOTEBOOK, as_version=4)
CODE = [cell for cell in STORED.cells if cell.cell_type == 'code']


def nbval(path):
    """Run a notebook against its stored outputs; give (numbers of the cells that failed, the summary)."""
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-c', '/dev/null', '--rootdir', str(path.parent), '-q', '--nbval',
         '--nbval-sanitize-with', str(SANITIZE), '--nbval-current-env', str(path)],
        cwd=NOTEBOOK.parent, capture_output=True, text=True, timeout=300)
    return {int(number) for number in re.findall(r'^FAILED .*Cell (\d+)', done.stdout, re.MULTILINE)}, done.stdout


def test_every_stored_output_is_what_the_notebook_gives_today():
    failed, said = nbval(NOTEBOOK)
    assert failed == set(), said[-3000:]
    assert f'{len(CODE)} passed' in said


def mutated(kind):
    """Change something in every stored output of a kind; give the notebook and the numbers of those cells."""
    notebook, numbers = copy.deepcopy(STORED), set()
    code = [cell for cell in notebook.cells if cell.cell_type == 'code']
    for number, cell in enumerate(code):
        for output in cell.outputs:
            if kind == 'printed line' and output.output_type == 'stream':
                lines = output.text.splitlines(keepends=True)
                output.text = ''.join([*lines[:-1], lines[-1].rstrip('\n') + 'x\n'])
                numbers.add(number)
            elif kind in output.get('data', {}):
                text = output.data[kind]
                middle = len(text) // 2
                output.data[kind] = f'{text[:middle]}mutated{text[middle:]}'
                numbers.add(number)
    return notebook, numbers


@pytest.mark.parametrize('kind', ['printed line', 'text/plain', 'text/html'])
def test_a_change_in_any_stored_output_turns_it_red(tmp_path, kind):
    notebook, numbers = mutated(kind)
    nbformat.write(notebook, tmp_path / 'mutated.ipynb')
    assert len(numbers) >= 7
    assert nbval(tmp_path / 'mutated.ipynb')[0] == numbers


def test_it_has_the_seven_legs_by_the_titles_of_the_rows():
    headings = re.findall(r'^## (\d)\. (.+)$', '\n'.join(cell.source for cell in STORED.cells), re.MULTILINE)
    assert headings == [(str(row.number), row.title) for row in EXPLORATIONS]


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_each_leg_shows_its_player_and_prints_a_summary(row):
    legs = re.split(r'^## \d\. ', '\n'.join(
        cell.source if cell.cell_type == 'markdown' else f'<code {CODE.index(cell)}>' for cell in STORED.cells), flags=re.MULTILINE)
    cells = [CODE[int(number)] for number in re.findall(r'<code (\d+)>', legs[row.number])]
    assert any(f"explore('{row.key}')" in cell.source for cell in cells)
    shown = [output.data for cell in cells for output in cell.outputs if 'text/html' in output.get('data', {})]
    assert any(data['text/plain'].startswith(f'{row.number}. {row.title}') for data in shown)
    assert any(output.output_type == 'stream' or 'DataFrame' in cell.source for cell in cells[1:] for output in cell.outputs)


def test_every_cell_was_run_in_order_and_none_failed():
    assert [cell.execution_count for cell in CODE] == list(range(1, len(CODE) + 1))
    assert not [output for cell in CODE for output in cell.outputs if output.output_type == 'error' or output.get('name') == 'stderr']


def test_it_is_small_and_holds_no_state_of_widgets():
    assert NOTEBOOK.stat().st_size < 400_000
    assert 'widgets' not in STORED.metadata
    assert 'widget-view' not in NOTEBOOK.read_text()


def test_cells_are_short_and_do_not_rebind_names_of_others():
    bound = {}
    for number, cell in enumerate(CODE):
        assert len(cell.source.splitlines()) <= 14, cell.source
        tree = ast.parse(cell.source)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for node in tree.body:
            for target in getattr(node, 'targets', ()):
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        assert bound.setdefault(name.id, number) == number, name.id


def test_the_links_lead_somewhere():
    for target in re.findall(r'\]\((\.\./[^)#]+)', '\n'.join(cell.source for cell in STORED.cells)):
        assert (NOTEBOOK.parent / target).exists(), target


def test_no_secret_is_stored():
    text = NOTEBOOK.read_text()
    assert '***' in text
    assert not re.search(r'(?i)(auth_token|password|x-auth-token)\W{1,8}[0-9a-f]{20,}', text)
