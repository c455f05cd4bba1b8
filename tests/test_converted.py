"""The notebook, converted by `jupyter nbconvert` without any option: a page, slides and a program, all complete."""

import ast
import base64
import io
import json
import re
import shutil
import sys
import tokenize
from pathlib import Path

import bs4
import nbformat
import pytest
from nbclient import NotebookClient

from explorer import EXPLORATIONS
from explorer.teaching.catalogue import QUESTIONS, tasks_at
from tests.conftest import NOTEBOOK, ROOT
from tests.converted import REFRESH, convert, copied, loaded, soup

VIEW, STATE = 'application/vnd.jupyter.widget-view+json', 'application/vnd.jupyter.widget-state+json'
SETTINGS = [path for part in ('etc', 'share') for path in (ROOT / 'settings' / part).rglob('*') if path.is_file()]
ASKS = re.compile(r"lesson\.ask\('([\w.-]+)'\)")
PLAYER = re.compile(r"\bexplore\('([\w-]+)'\)")
TITLES = {row.key: f'{row.number}. {row.title}' for row in EXPLORATIONS}


@pytest.mark.parametrize('path', SETTINGS, ids=lambda path: path.name)
def test_make_has_put_the_settings_into_the_environment(path):
    here, there = path.read_text(), (Path(sys.prefix) / path.relative_to(ROOT / 'settings')).read_text()
    if path.name == 'page_config.json':  # to which JupyterLab adds
        assert json.loads(here).items() <= json.loads(there).items()
    else:
        assert here == there


@pytest.fixture(scope='module')
def notebook(tmp_path_factory):
    """A copy of the notebook, which the tests must not execute."""
    return copied(tmp_path_factory.mktemp('stored'))


@pytest.fixture(scope='module')
def executed(tmp_path_factory):
    """The page of a notebook that nbconvert executes."""
    path = copied(tmp_path_factory.mktemp('executed'))
    return soup(convert(path, 'html', '--execute'))


@pytest.fixture(scope='module')
def slides(notebook):
    return soup(convert(notebook, 'slides'))


@pytest.fixture(scope='module')
def program(notebook):
    return convert(notebook, 'script')


@pytest.fixture(scope='module')
def with_widgets(tmp_path_factory):
    """What papermill and nbgrader store: the widgets' views and their state. A few cells stand for all."""
    path = tmp_path_factory.mktemp('widgets') / 'notebooks/few.ipynb'
    few = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_markdown_cell('![The path](../diagrams/nova-api-path.svg)'),
        *(nbformat.v4.new_code_cell(source) for source in (
            'from explorer import Lesson, explore\nlesson = Lesson()', "lesson.ask('client.predict')",
            "lesson.ask('rpc.look')", "explore('rpc')"))])
    NotebookClient(few, store_widget_state=True, timeout=60).execute()
    path.parent.mkdir()
    shutil.copytree(ROOT / 'diagrams', path.parent.parent / 'diagrams')
    nbformat.write(few, path)
    return path


@pytest.fixture(scope='module')
def few(with_widgets):
    """The page that is made from what they store."""
    return soup(convert(with_widgets, 'html'))


# ------------------------------------------------------------------------------------------------------------ pages


def shown(cell):
    """Return the outputs of a cell of a page as one text."""
    return ' '.join(' '.join(output.get_text(' ') for output in cell.select('.jp-OutputArea-output')).split())


def check_that_all_can_be_read(cells):
    """Check the pairs (source, element of the page), and return how many cards and players they show."""
    cards = players = 0
    for source, element in cells:
        for key in ASKS.findall(source):
            for task in tasks_at(key):
                assert task.heading in shown(element), key
                cards += 1
        for key in PLAYER.findall(source):
            assert TITLES[key] in shown(element)
            assert element.select('table')
            players += 1
    return cards, players


def test_the_stored_metadata_follow_the_rules():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.metadata == REFRESH['metadata'](cell)


def test_every_card_and_player_of_an_executed_notebook_can_be_read(executed, notebook):
    stored = nbformat.read(notebook, as_version=4)
    elements = {element['id']: element for element in executed.select('.jp-Cell[id]')}
    cells = [(cell.source, elements[f'cell-id={cell.id}']) for cell in stored.cells if cell.cell_type == 'code']
    cards, players = check_that_all_can_be_read(cells)
    assert players == len(EXPLORATIONS)
    assert cards >= sum(len(questions.tasks) for questions in QUESTIONS.values())
    assert all(output.get_text().strip() for output in executed.select('.jp-OutputArea-output'))


def test_a_page_and_slides_load_nothing(executed, slides):
    for page in (executed, slides):
        assert loaded(page) == []
        assert not page.select('script[type*=widget]')
    assert not executed.select('script')


def test_a_url_that_a_page_would_load_is_noticed():
    page = bs4.BeautifulSoup('<script src="https://a/b.js"></script><style>@import "c.css"; p { background: url(d) }'
                             '</style><img src="../e.svg"><img src="data:image/png;base64,"><a href="https://f">f</a>',
                             'html.parser')
    assert len(loaded(page)) == 4


def test_a_picture_is_part_of_the_page(few):
    image, = few.select('.jp-MarkdownCell img')
    assert image['alt'] == 'The path'
    kind, _, data = image['src'].partition(',')
    assert kind == 'data:image/svg+xml;base64'
    assert base64.b64decode(data) == (ROOT / 'diagrams/nova-api-path.svg').read_bytes()


def test_the_code_of_a_card_is_hidden_and_other_code_is_not(executed):
    inputs = [each.get_text() for each in executed.select('.jp-CodeCell .jp-InputArea')]
    assert not any(ASKS.search(text) for text in inputs)
    assert sum("lesson.check('" in text for text in inputs) == sum('explore(' in text for text in inputs) == 7


def test_a_notebook_that_holds_widgets_is_as_readable(with_widgets, few):
    stored = nbformat.read(with_widgets, as_version=4)
    code = [cell for cell in stored.cells if cell.cell_type == 'code']
    views = [output.data[VIEW]['model_id'] for cell in code for output in cell.outputs]
    assert len(views) == 3
    assert set(views) <= set(stored.metadata.widgets[STATE]['state'])
    cells = list(zip([cell.source for cell in code], few.select('.jp-CodeCell'), strict=True))
    assert check_that_all_can_be_read(cells) == (1 + len(tasks_at('rpc.look')), 1)
    assert loaded(few) == []


# ----------------------------------------------------------------------------------------------- slides and program


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_a_leg_has_a_slide_with_its_prediction_and_then_one_with_its_player(slides, row):
    each = [' '.join(section.get_text(' ').split()) for section in slides.select('.slides > section > section')]
    heads = [section.select_one('h2') for section in slides.select('.slides > section > section')]
    at = next(number for number, head in enumerate(heads) if head and head.get_text().startswith(TITLES[row.key]))
    predict = tasks_at(f'{row.key}.predict')[0]
    assert predict.call in each[at]
    assert heads[at + 1] is None
    assert TITLES[row.key] in each[at + 1]
    assert '→ 202' in each[at + 1]


def test_each_heading_is_on_a_slide_and_other_prose_is_in_the_notes(slides, notebook):
    prose = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == 'markdown']
    notes = slides.select('aside.notes .jp-MarkdownCell')
    assert [bool(re.search(r'^#{1,2} ', source, re.MULTILINE)) for source in prose].count(False) == len(notes)
    assert not slides.select('aside.notes :is(h1, h2)')


def test_the_script_is_a_python_program_with_the_prose_as_comments(program, notebook):
    assert program.suffix == '.py'
    text = program.read_text(encoding='utf-8')
    ast.parse(text)
    comments = [token.string for token in tokenize.generate_tokens(io.StringIO(text).readline)
                if token.type == tokenize.COMMENT]
    for cell in nbformat.read(notebook, as_version=4).cells:
        for line in cell.source.splitlines():
            assert f'# {line}' in comments if cell.cell_type == 'markdown' else line in text.splitlines()


# -------------------------------------------------------------------------------------------------- rules in refresh


def metadata(kind, source):
    return REFRESH['metadata'](nbformat.from_dict({'cell_type': kind, 'source': source}))


@pytest.mark.parametrize(('source', 'hidden'), [
    ("lesson.ask('client.look')", True), ('lesson.progress()', True), ("lesson.check('client', ...)", False),
    ('lesson = Lesson()\nlesson.opening()', True), ('lesson = Lesson()\nlesson.progress()', False),
    ("lesson.ask('client.look')\nprint()", False), ("explore('rpc')", False)])
def test_code_is_hidden_if_it_only_shows_a_card_that_nobody_edits(source, hidden):
    assert metadata('code', source).get('jupyter', {}).get('source_hidden', False) == hidden


@pytest.mark.parametrize(('kind', 'source', 'place'), [
    ('markdown', '## A heading\n\nProse.', 'slide'), ('markdown', 'Prose.\n\n---\n## A heading', 'slide'),
    ('markdown', 'Prose.', 'notes'), ('markdown', '### A part', 'notes'),
    ('code', "rpc = explore('rpc')\nrpc", 'slide'), ('code', "lesson.ask('rpc.predict')", '-'),
    ('code', "lesson.ask('rpc.recall')", '-'), ('code', "lesson.ask('rpc.look')", 'skip'),
    ('code', "lesson.check('rpc', ...)", 'skip'), ('code', 'chart()', 'skip')])
def test_the_source_of_a_cell_decides_about_its_place_in_the_slides(kind, source, place):
    assert metadata(kind, source)['slideshow'] == {'slide_type': place}
