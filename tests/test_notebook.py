"""The notebook: run as regression test, and kept as an honest document."""

import ast
import json
import os
import re
import subprocess
import sys

import nbformat
import pytest

from explorer import EXPLORATIONS
from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.progress import VARIABLE
from explorer.teaching.questions.closing import CLOSING
from tests import nbval_mutants
from tests.conftest import NOTEBOOK, ROOT

SANITIZE = ROOT / 'tests/nbval_sanitize.cfg'
STORED = nbformat.read(NOTEBOOK, as_version=4)
CODE = [cell for cell in STORED.cells if cell.cell_type == 'code']


@pytest.fixture(scope='module')
def nbval(tmp_path_factory):
    """Run the notebook against its stored outputs, once, with no answers kept: (what nbval says, what it missed).

    Beside it a notebook of one cell, of which the stored output is false.
    """
    folder = tmp_path_factory.mktemp('nbval')
    false = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(
        "print('true')", execution_count=1, outputs=[nbformat.v4.new_output('stream', text='false\n')])])
    nbformat.write(false, folder / 'false.ipynb')
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-p', 'no:xdist', '-c', '/dev/null', '--rootdir', str(folder), '-q', '--nbval',
         '-p', 'tests.nbval_mutants', '--missed', str(folder / 'missed.json'),
         '--nbval-sanitize-with', str(SANITIZE), '--nbval-current-env', str(NOTEBOOK), str(folder / 'false.ipynb')],
        cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, VARIABLE: f'{folder}/progress.json'})
    return done.stdout, json.loads((folder / 'missed.json').read_text())


def test_every_stored_output_is_what_the_notebook_gives_today(nbval):
    said, _ = nbval
    assert f'1 failed, {len(CODE)} passed' in said, said[-3000:]


def test_an_output_that_is_not_as_stored_turns_it_red(nbval):
    said, _ = nbval
    assert re.search(r'^FAILED \S*false\.ipynb::Cell 0', said, re.MULTILINE), said[-3000:]


@pytest.mark.parametrize('kind', nbval_mutants.KINDS)
def test_a_change_in_any_stored_output_would_be_noticed(nbval, kind):
    _, missed = nbval
    cells = {str(number) for number, cell in enumerate(CODE) if any(nbval_mutants.mutants(cell.outputs, kind))}
    assert len(cells) >= 7
    assert missed[kind] == dict.fromkeys(cells, 0)


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


def legs():
    """Give the cells of each leg, from its heading to the next: {key: [cell, ...]}."""
    found, key = {}, None
    for cell in STORED.cells:
        if heading := re.search(r'^## (?:(\d)\. )?', cell.source, re.MULTILINE) if cell.cell_type == 'markdown' else None:
            key = EXPLORATIONS[int(heading[1]) - 1].key if heading[1] else None
        found.setdefault(key, []).append(cell)
    return found


@pytest.mark.parametrize('key', QUESTIONS)
def test_each_leg_goes_the_same_way(key):
    cells = legs()[key]
    recall = [f"lesson.ask('{key}.recall')"] if list(QUESTIONS).index(key) >= 2 else []
    way = [f"lesson.here('{key}')", *recall, f"lesson.ask('{key}.predict')", f"explore('{key}')", *(
        f"lesson.ask('{key}.{name}')" for name in ('look', 'change', 'check')), f"lesson.check('{key}', ...)", f"lesson.ask('{key}.say')"]
    at = [next((number for number, cell in enumerate(cells) if cell.cell_type == 'code' and call in cell.source), None) for call in way]
    assert None not in at
    assert at == sorted(at)


@pytest.mark.parametrize('key', QUESTIONS)
def test_each_leg_says_where_the_article_and_the_code_differ_and_what_we_left_out(key):
    text = '\n\n'.join(cell.source for cell in legs()[key] if cell.cell_type == 'markdown')
    for note in ('The article and the code', 'What we left out'):
        found = re.findall(rf'^\*\*{note}\.\*\* (.*?)(?=\n\n|\Z)', text, re.MULTILINE | re.DOTALL)
        assert len(found) == 1
        assert 8 <= len(found[0].split()) <= 75


def test_guidance_fades_from_leg_to_leg():
    words = []
    for key in QUESTIONS:
        guiding = [paragraph for cell in legs()[key] if cell.cell_type == 'markdown' for paragraph in cell.source.split('\n\n')
                   if paragraph.lstrip().startswith(('**Run.**', '**Look.**', '**Check.**'))]
        words.append(sum(len(paragraph.split()) for paragraph in guiding))
    assert words == sorted(words, reverse=True)
    assert words[0] > 100 > 10 > words[-1]


def test_every_task_is_asked_somewhere():
    source = '\n'.join(cell.source for cell in CODE)
    for key, task in TASKS.items():
        name = task.name.partition('-')[0]
        assert f"lesson.ask('{task.leg}.{name}')" in source, key
    assert CLOSING in source


# ---------------------------------------------------------------------------------------------------- its prose


def prose():
    """Give the paragraphs of the notebook as plain text, without code, lists of what a player can do, and links."""
    for cell in STORED.cells:
        if cell.cell_type == 'markdown':
            text = re.sub(r'<details>.*?</details>', '', cell.source, flags=re.DOTALL)
            for paragraph in re.split(r'\n\s*\n|\n(?=\* |\d\. )', text):
                plain = re.sub(r'!\[.*?\]\(.*?\)|\]\(.*?\)|`[^`]*`|[*#\[\]]|^---', lambda found: 'code' if found[0][0] == '`' else '', paragraph)
                if len(plain.split()) > 5:
                    yield ' '.join(plain.split())


def sentences(text):
    return [part for part in re.split(r'(?<=[.?!:;])\s+', text) if len(part.split()) > 1]


def test_sentences_are_short():
    for paragraph in prose():
        for sentence in sentences(paragraph):
            assert len(sentence.split()) <= 42, sentence
    counts = [len(sentence.split()) for paragraph in prose() for sentence in sentences(paragraph)]
    assert sum(counts) / len(counts) < 15


def test_the_words_are_plain():
    """By the formula of Flesch: 60 and above is plain English; syllables are counted as groups of vowels."""
    text = ' '.join(prose())
    words = re.findall(r"[A-Za-z']+", text)
    syllables = sum(max(1, len(re.findall('[aeiouy]+', re.sub('e$', '', word.lower())))) for word in words)
    ease = 206.835 - 1.015 * len(words) / len(sentences(text)) - 84.6 * syllables / len(words)
    assert ease > 60


def test_prose_comes_in_small_portions():
    for cell in STORED.cells:
        if cell.cell_type == 'markdown':
            folded = re.sub(r'<details>.*?</details>', '', cell.source, flags=re.DOTALL)
            assert len(folded.split()) <= 330, folded[:80]
    assert sum(len(paragraph.split()) for paragraph in prose()) < 4000


def test_nothing_of_the_article_is_copied():
    """No eight words in a row of its sentences, of which these begin with letters that a hash knows."""
    import hashlib
    known = set((ROOT / 'tests/data/article.sha256').read_text().split())
    texts = [*prose(), *(task.asks for task in TASKS.values()), *(task.told for task in TASKS.values()),
             (ROOT / 'INSTRUCTOR.md').read_text(), (ROOT / 'README.md').read_text()]
    for text in texts:
        words = re.findall(r'[a-z]+', text.lower())
        for number in range(len(words) - 7):
            eight = ' '.join(words[number:number + 8])
            assert hashlib.sha256(eight.encode()).hexdigest()[:12] not in known, eight


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
        assert len(cell.source.splitlines()) <= 10, cell.source
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
