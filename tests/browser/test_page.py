"""The page around the players in JupyterLab, in Chromium: the first screens, the moving picture, links and progress."""

import re
import subprocess
import sys

import pytest

from explorer.teaching.glossary import WORDS
from tests.browsing import SCROLL, SHOTS, WHOLE, choose, chromium, hard_to_read, hard_to_use, jupyter, player, step

pytestmark = pytest.mark.browser
pytest.importorskip('playwright.sync_api')

PICTURE, SEND = '.explorer-way', '#explorer-send'
# From the top of the notebook to the top of an element, in pixels, and the height of a screen.
TOP = """element => {
  const pane = [...document.querySelectorAll('.jp-WindowedPanel-outer')].pop();
  return element.getBoundingClientRect().top - pane.getBoundingClientRect().top + pane.scrollTop;
}"""
# Whether a cell waits for the kernel.
WAITING = "() => [...document.querySelectorAll('.jp-InputPrompt')].some(each => each.textContent.includes('*'))"
SCREEN = "() => [...document.querySelectorAll('.jp-WindowedPanel-outer')].pop().clientHeight"
# What travels at this moment.
TRAVELS = """() => [...document.querySelectorAll('.explorer-way .token')]
  .filter(each => getComputedStyle(each).opacity === '1').map(each => each.classList[1])"""
IN_VIEW = """element => {
  const { top, bottom } = element.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}"""


def opened(page, address):
    page.goto(f'{address}lab/tree/notebooks/01_nova_api.ipynb')
    page.locator('#jp-main-statusbar', has_text=re.compile(r'Python 3.*Idle')).wait_for(timeout=120_000)


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    """A JupyterLab with the notebook, of which no cell has run."""
    with jupyter(tmp_path_factory.mktemp('page'), 'lab', WHOLE) as address:
        yield address


@pytest.fixture(scope='module')
def page(lab):
    """The notebook after all of its cells have run; while it is open, no test can open another browser."""
    with chromium(viewport={'width': 1440, 'height': 900}) as page:
        opened(page, lab)
        choose(page, 'Run', 'Run All Cells')
        page.wait_for_function(WAITING, timeout=30_000)
        page.wait_for_function(f'!({WAITING})()', timeout=240_000)
        yield page


def test_a_notebook_that_is_not_trusted_shows_words_and_says_what_to_do(lab):
    with chromium(viewport={'width': 1440, 'height': 900}) as page:
        opened(page, lab)
        cell = page.locator('.jp-CodeCell').first
        cell.get_by_text('Trust Notebook').wait_for()
        shown = cell.inner_text()
        assert 'API node: The controller decides' in shown
        assert 'asks first' not in shown  # a text of the drawing, which makes no sense without it
        assert not page.locator(SEND).is_visible()


def test_the_stored_picture_moves_without_running_anything(tmp_path):
    with jupyter(tmp_path, 'lab') as address, chromium(viewport={'width': 1440, 'height': 900}) as page:
        subprocess.run([sys.executable, '-m', 'jupyter', 'trust', str(tmp_path / 'notebooks/01_nova_api.ipynb')],
                       check=True, stdout=subprocess.DEVNULL)
        opened(page, address)
        page.locator(SEND).click()
        page.wait_for_function(f'({TRAVELS})().includes("request")', timeout=6_000)


def test_the_first_screen_shows_the_lanes_and_the_second_a_question_and_the_player(page):
    page.evaluate(SCROLL, 0)
    screen = page.evaluate(SCREEN)
    picture = page.locator(PICTURE)
    assert picture.evaluate(TOP) + picture.bounding_box()['height'] < screen
    assert page.locator(SEND).is_visible()
    assert page.locator('form[data-task="client.predict"]').evaluate(TOP) < 2 * screen
    shown = page.locator('[data-explorer="player"][data-exploration="client"]')
    assert shown.locator('[data-action="next"]').evaluate(TOP) < 2 * screen
    page.screenshot(path=SHOTS / 'first-screen.png')


def test_the_request_moves_and_the_response_is_under_way_while_the_message_travels(page):
    page.evaluate(SCROLL, 0)
    page.locator(SEND).press('Enter')
    page.wait_for_function(f'({TRAVELS})().includes("request")', timeout=6_000)
    page.wait_for_function(f'(both => both.includes("response") && both.includes("message"))(({TRAVELS})())',
                           timeout=8_000)
    page.screenshot(path=SHOTS / 'first-screen-moving.png')
    page.wait_for_function(f'({TRAVELS})().length === 0', timeout=8_000)


def test_with_reduced_motion_nothing_travels(page):
    page.emulate_media(reduced_motion='reduce')
    assert not page.locator(f'{PICTURE} .token').first.is_visible()
    assert page.locator(f'{PICTURE} .chip').count() == 8
    page.emulate_media(reduced_motion='no-preference')


def test_a_segment_leads_to_its_leg(page):
    page.evaluate(SCROLL, 0)
    page.locator('nav.explorer-strip').first.get_by_role('link', name='5 compute-api').click()
    heading = page.get_by_role('heading', name='5. The compute API takes the server')
    page.wait_for_function(IN_VIEW, arg=heading.element_handle())


def test_the_strips_follow_an_answer(page):
    card = page.locator('form[data-task="client.predict"]')
    card.locator('label').first.click()
    card.locator('button[type="submit"]').click()
    for number in (0, 3):
        page.locator('nav.explorer-strip').nth(number).get_by_text('1 of 7').wait_for()


def test_a_step_in_a_question_moves_the_player_and_the_player_leads_back(page):
    shown, link = player(page, 'client'), page.locator('form[data-task="client.look-text"] a')
    shown.focus()
    page.keyboard.press('Home')
    link.click()
    assert step(shown) == int(link.inner_text().removeprefix('step ')) - 1
    back = shown.locator('[data-action="back"]')
    assert back.evaluate(IN_VIEW)
    back.click()
    assert step(shown) == 0
    assert link.evaluate(IN_VIEW)
    assert link.evaluate('element => element === document.activeElement')
    assert not back.count()


def test_words_are_explained_where_they_occur_and_lead_to_the_list(page):
    link = page.locator('.jp-RenderedMarkdown a[href="#guard"]').first
    assert link.get_attribute('title') == WORDS['guard']
    link.scroll_into_view_if_needed()
    link.click()
    page.wait_for_function(IN_VIEW, arg=page.locator('[id="guard"], [data-jupyter-id="guard"]').last.element_handle())


def test_tables_are_aligned_to_the_left(page):
    tables = page.locator('.jp-RenderedHTMLCommon table')
    assert tables.count() > 2
    aligned = tables.locator('td').evaluate_all('cells => cells.map(cell => getComputedStyle(cell).textAlign)')
    assert set(aligned) == {'left'}


def test_the_picture_and_the_strip_can_be_read_and_used_by_everybody(page):
    for selector in ('.explorer-picture', 'nav.explorer-strip'):
        assert hard_to_read(page, page.locator(selector).first) == []
    assert hard_to_use(page, '.jp-Notebook .explorer-picture') == []
    assert page.errors == []
