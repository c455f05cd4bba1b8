"""The notebook: run as a regression test, and kept honest as a document."""

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
    """What nbval prints and which changes it missed, for a notebook that runs once, with no answers kept.

    A second notebook runs with it; it has one cell, with a false stored output.
    """
    folder = tmp_path_factory.mktemp('nbval')
    false = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(
        "print('true')", execution_count=1, outputs=[nbformat.v4.new_output('stream', text='false\n')])])
    nbformat.write(false, folder / 'false.ipynb')
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-p', 'no:xdist', '-c', '/dev/null',
         '--rootdir', str(folder), '-q', '--nbval',
         '-p', 'tests.nbval_mutants', '--missed', str(folder / 'missed.json'),
         '--nbval-sanitize-with', str(SANITIZE), '--nbval-current-env', str(NOTEBOOK), str(folder / 'false.ipynb')],
        cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, VARIABLE: f'{folder}/progress.json'})
    return done.stdout, json.loads((folder / 'missed.json').read_text())


def test_every_stored_output_is_what_the_notebook_shows_today(nbval):
    said, _ = nbval
    assert f'1 failed, {len(CODE)} passed' in said, said[-3000:]


def test_an_output_that_differs_from_the_stored_one_fails(nbval):
    said, _ = nbval
    assert re.search(r'^FAILED \S*false\.ipynb::Cell 0', said, re.MULTILINE), said[-3000:]


@pytest.mark.parametrize('kind', nbval_mutants.KINDS)
def test_a_change_in_any_stored_output_would_be_noticed(nbval, kind):
    _, missed = nbval
    cells = {str(number) for number, cell in enumerate(CODE) if any(nbval_mutants.mutants(cell.outputs, kind))}
    assert len(cells) >= 7
    assert missed[kind] == dict.fromkeys(cells, 0)


def test_its_headings_are_the_titles_of_the_seven_explorations():
    headings = re.findall(r'^## (\d)\. (.+)$', '\n'.join(cell.source for cell in STORED.cells), re.MULTILINE)
    assert headings == [(str(row.number), row.title) for row in EXPLORATIONS]


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_each_leg_shows_its_player_and_prints_a_summary(row):
    cells = [cell for cell in legs()[row.key] if cell.cell_type == 'code']
    assert any(f"explore('{row.key}')" in cell.source for cell in cells)
    shown = [output.data for cell in cells for output in cell.outputs if 'text/html' in output.get('data', {})]
    assert any(data['text/plain'].startswith(f'{row.number}. {row.title}') for data in shown)
    assert any(output.output_type == 'stream' or 'DataFrame' in cell.source
               for cell in cells[1:] for output in cell.outputs)


def legs():
    """Return the cells of each leg, from its heading to the next: {key: [cell, ...]}."""
    found, key = {}, None
    for cell in STORED.cells:
        heading = re.search(r'^## (?:(\d)\. )?', cell.source, re.MULTILINE) if cell.cell_type == 'markdown' else None
        if heading:
            key = EXPLORATIONS[int(heading[1]) - 1].key if heading[1] else None
        found.setdefault(key, []).append(cell)
    return found


@pytest.mark.parametrize('key', QUESTIONS)
def test_each_leg_has_the_same_cells_in_the_same_order(key):
    cells = legs()[key]
    recall = [f"lesson.ask('{key}.recall')"] if list(QUESTIONS).index(key) >= 2 else []
    way = [f"lesson.here('{key}')", *recall, f"lesson.ask('{key}.predict')", f"explore('{key}')",
           *(f"lesson.ask('{key}.{name}')" for name in ('look', 'change', 'check')),
           f"lesson.check('{key}', ...)", f"lesson.ask('{key}.say')"]
    code = {number: cell.source for number, cell in enumerate(cells) if cell.cell_type == 'code'}
    at = [next((number for number, source in code.items() if call in source), None) for call in way]
    assert None not in at
    assert at == sorted(at)


@pytest.mark.parametrize('key', QUESTIONS)
def test_each_leg_says_where_the_article_and_the_code_differ_and_what_we_left_out(key):
    text = '\n\n'.join(cell.source for cell in legs()[key] if cell.cell_type == 'markdown')
    for note in ('The article and the code', 'What we left out'):
        found = re.findall(rf'<details><summary>{note}</summary>\n\n(.*?)\n\n</details>', text, re.DOTALL)
        assert len(found) == 1
        assert 8 <= len(found[0].split()) <= 75


def test_a_cell_that_only_shows_a_card_hides_its_input():
    hidden = {cell.source for cell in CODE if cell.metadata.get('jupyter', {}).get('source_hidden')}
    assert hidden == {cell.source for cell in CODE
                      if re.fullmatch(r"lesson\.(ask|here|progress|journey|myths)\([\w'.-]*\)", cell.source)
                      or 'lesson.opening()' in cell.source}


def test_long_lists_of_differences_stand_after_the_lesson():
    order = [cell.source for cell in STORED.cells]
    last = max(number for number, source in enumerate(order) if 'lesson.' in source and source in
               {cell.source for cell in CODE})
    assert all(number > last for number, source in enumerate(order) if re.match(r"both\.leg\(", source))


def test_guidance_fades_from_leg_to_leg():
    words = []
    for key in QUESTIONS:
        guiding = [paragraph for cell in legs()[key] if cell.cell_type == 'markdown'
                   for paragraph in cell.source.split('\n\n')
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
    """Yield the paragraphs of the notebook as plain text, without code, links and folded parts."""
    for cell in STORED.cells:
        if cell.cell_type == 'markdown':
            text = re.sub(r'<details>.*?</details>', '', cell.source, flags=re.DOTALL)
            for paragraph in re.split(r'\n\s*\n|\n(?=\* |\d\. )', text):
                plain = re.sub(r'!\[.*?\]\(.*?\)|\]\(.*?\)|`[^`]*`|[*#\[\]]|^---',
                               lambda found: 'code' if found[0][0] == '`' else '', paragraph)
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
    """By Flesch's formula, 60 and above is plain English; a syllable is counted as a group of vowels."""
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


def test_no_text_is_copied_from_the_article():
    """No eight words in a row have a hash that is known from the article."""
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
    assert not [output for cell in CODE for output in cell.outputs
                if output.output_type == 'error' or output.get('name') == 'stderr']


def test_it_is_small_and_stores_no_widget_state():
    assert NOTEBOOK.stat().st_size < 600_000
    assert 'widgets' not in STORED.metadata
    assert 'widget-view' not in NOTEBOOK.read_text()


def test_cells_are_short_and_do_not_rebind_each_others_names():
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


def test_every_link_leads_to_a_file():
    for target in re.findall(r'\]\((\.\./[^)#]+)', '\n'.join(cell.source for cell in STORED.cells)):
        assert (NOTEBOOK.parent / target).exists(), target


def test_no_secret_is_stored():
    text = NOTEBOOK.read_text()
    assert '***' in text
    assert not re.search(r'(?i)(auth_token|password|x-auth-token)\W{1,8}[0-9a-f]{20,}', text)
