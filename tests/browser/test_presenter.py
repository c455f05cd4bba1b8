"""The presenter in JupyterLab, in Chromium, by keyboard: large letters, notes, folded answers and a timer."""

import re

import nbformat
import pytest

from tests.browsing import SHOTS, choose, chromium, hard_to_read, hard_to_use, jupyter
from tests.conftest import NOTEBOOK

pytestmark = pytest.mark.browser
pytest.importorskip('playwright.sync_api')
SIZE = 'each => parseFloat(getComputedStyle(each).fontSize)'


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    """A presenter in its own notebook."""
    cell = nbformat.v4.new_code_cell("from explorer import present\npresent('controller')")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata = nbformat.read(NOTEBOOK, as_version=4).metadata
    folder = tmp_path_factory.mktemp('present')
    nbformat.write(notebook, folder / 'present.ipynb')
    with jupyter(folder, 'lab') as address, chromium(viewport={'width': 1500, 'height': 950}) as page:
        page.goto(f'{address}lab/tree/present.ipynb')
        page.locator('#jp-main-statusbar', has_text=re.compile(r'Python 3.*Idle')).wait_for(timeout=120_000)
        choose(page, 'Run', 'Run All Cells')
        shown = page.locator('.explorer-presenter')
        shown.locator('[data-explorer="player"] [data-pane="payload"] li').first.wait_for(timeout=60_000)
        yield shown


def test_a_presenter_has_large_letters_and_notes_at_its_side(shown):
    page = shown.page
    player, notes = (shown.locator(f'[data-explorer="{name}"]').bounding_box() for name in ('player', 'card'))
    assert notes['x'] >= player['x'] + player['width']
    assert shown.locator('[data-explorer="player"]').evaluate(SIZE) >= 16
    page.screenshot(path=SHOTS / 'presenter.png')
    assert hard_to_read(page, shown) == []
    assert hard_to_use(page, '.explorer-presenter') == []


def test_answers_are_hidden_until_they_are_unfolded(shown):
    answer = shown.locator('details[data-name="controller.predict answer"] p')
    assert not answer.is_visible()
    shown.locator('details[data-name="controller.predict"] > summary').press('Enter')
    assert not answer.is_visible()
    shown.locator('details[data-name="controller.predict answer"] > summary').press('Enter')
    assert answer.is_visible()


def test_the_timer_runs_stops_and_starts_again(shown):
    page = shown.page
    timer, button = shown.locator('[data-part="timer"]'), shown.locator('[data-action="timer"]')
    assert timer.inner_text() == '12:00'
    button.press('Enter')
    page.wait_for_function('element => element.textContent < "11:59"', arg=timer.element_handle(), timeout=15_000)
    button.press('Enter')
    assert button.inner_text() == 'start'
    stopped = timer.inner_text()
    page.wait_for_timeout(1200)
    assert timer.inner_text() == stopped
    shown.locator('[data-action="again"]').press('Enter')
    assert timer.inner_text() == '12:00'


def test_letters_can_be_made_larger_and_the_screen_full(shown):
    page = shown.page
    before = shown.locator('[data-explorer="player"]').evaluate(SIZE)
    shown.locator('[data-action="larger"]').press('Enter')
    assert shown.locator('[data-explorer="player"]').evaluate(SIZE) > before
    shown.locator('[data-action="full"]').click()
    page.wait_for_function('document.fullscreenElement?.classList.contains("explorer-presenter")')
    page.screenshot(path=SHOTS / 'presenter-full.png')
    shown.locator('[data-action="full"]').click()
    page.wait_for_function('!document.fullscreenElement')


def test_the_console_has_no_errors(shown):
    assert shown.page.errors == []
