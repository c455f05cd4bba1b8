"""The notebook in JupyterLab, in Chromium: Run All Cells, and the players used as a student would."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from explorer import EXPLORATIONS
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip('playwright.sync_api')

KEYS = [row.key for row in EXPLORATIONS]
SHOTS = ROOT / 'build/screenshots'
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync']
HOSTILE = '<img src=x onerror="window.hacked=1">'


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks; gives its address."""
    folder = tmp_path_factory.mktemp('lab')
    for name in ('notebooks', 'diagrams', 'explorer'):
        shutil.copytree(ROOT / name, folder / name)
    process = subprocess.Popen(
        [sys.executable, '-m', 'jupyter', 'lab', '--no-browser', '--allow-root', '--port=0', '--IdentityProvider.token=',
         '--ServerApp.password=', '--LabApp.default_url=/lab/tree/notebooks/01_nova_api.ipynb'],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'JUPYTER_CONFIG_DIR': str(folder / 'config'), 'PYTHONPATH': str(folder),
             'JUPYTERLAB_SETTINGS_DIR': str(folder / 'settings'), 'JUPYTERLAB_WORKSPACES_DIR': str(folder / 'workspaces')})
    yield next(found[0] for line in process.stderr if (found := re.search(r'http://(?:127\.0\.0\.1|localhost):\d+/', line)))
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope='module')
def page(lab):
    """The notebook, after Run All Cells."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=FLAGS)
        page = browser.new_page(viewport={'width': 1600, 'height': 1000})
        page.errors = []
        page.on('console', lambda message: page.errors.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: page.errors.append(str(error)))
        page.goto(lab)
        page.locator('#jp-main-statusbar', has_text=re.compile(r'Python 3.*Idle')).wait_for(timeout=120_000)
        page.screenshot(path=SHOTS / 'opened.png')
        choose(page, 'Edit', 'Clear Outputs of All Cells')  # else the stored numbers would look like a run
        choose(page, 'Run', 'Run All Cells')
        bottom(page)
        page.locator('.jp-CodeCell').last.locator('.jp-InputPrompt', has_text=re.compile(r'\[\d+\]')).wait_for(timeout=120_000)
        yield page
        browser.close()


def choose(page, menu, item):
    page.get_by_role('menuitem', name=menu, exact=True).click()
    page.get_by_role('menuitem', name=re.compile(f'^{item}')).first.click()


def bottom(page):
    page.evaluate("() => { const n = [...document.querySelectorAll('.jp-WindowedPanel-outer')].pop(); n.scrollTop = n.scrollHeight }")


def player(page, key):
    """Scroll to a player; JupyterLab keeps only what is near in the page."""
    found = page.locator(f'[data-explorer="player"][data-exploration="{key}"]')
    for top in range(0, 60_000, 500):
        page.evaluate("y => { [...document.querySelectorAll('.jp-WindowedPanel-outer')].pop().scrollTop = y }", top)
        page.wait_for_timeout(50)
        if found.count():
            found.first.scroll_into_view_if_needed()
            page.wait_for_timeout(300)
            return found.first
    raise AssertionError(f'no player {key}')


def step(shown):
    return int(shown.get_attribute('data-step'))


def wait_for(shown, selector, text):
    shown.locator(selector, has_text=text).wait_for(timeout=15_000)


@pytest.mark.parametrize('key', KEYS)
def test_each_exploration_shows_its_player(page, key):
    shown = player(page, key)
    assert [shown.locator(f'[data-pane="{name}"]').count() for name in ('flowchart', 'source', 'payload')] == [1, 1, 1]
    assert shown.locator('[aria-current="step"]').count() == 1
    assert shown.locator('[data-pane="source"] .ran').count() > 0
    assert shown.locator('[data-pane="payload"] li').count() > 0
    assert 0 <= step(shown) < int(shown.get_attribute('data-steps'))
    shown.screenshot(path=SHOTS / f'{key}-light.png')


def test_no_cell_failed(page):
    assert page.locator('.jp-RenderedText[data-mime-type="application/vnd.jupyter.stderr"], .jp-RenderedText [class*="ansi-red"]').count() == 0


def test_buttons_and_keys_step_both_ways(page):
    shown = player(page, 'controller')
    last = int(shown.get_attribute('data-steps')) - 1
    shown.focus()
    for key, goal in (('Home', 0), ('ArrowRight', 1), ('ArrowRight', 2), ('ArrowLeft', 1), ('End', last), ('ArrowRight', last),
                      ('Home', 0), ('ArrowLeft', 0)):
        page.keyboard.press(key)
        assert step(shown) == goal, key
    for action, goal in (('next', 1), ('next', 2), ('previous', 1), ('last', last), ('first', 0)):
        shown.locator(f'button[data-action="{action}"]').click()
        assert step(shown) == goal, action
    shown.focus()
    page.keyboard.press('Space')
    page.wait_for_function('element => Number(element.dataset.step) >= 2', arg=shown.element_handle(), timeout=10_000)
    page.keyboard.press('Space')
    cells = page.locator('.jp-Cell').count()
    for key in 'abdd':  # commands of the notebook, elsewhere
        page.keyboard.press(key)
    assert page.locator('.jp-Cell').count() == cells


def test_a_click_on_a_box_goes_to_its_step(page):
    shown = player(page, 'controller')
    shown.locator('[data-station="can"]').click()
    assert shown.locator('[aria-current="step"]').get_attribute('data-station') == 'can'
    assert 'RequestContext.can' in shown.locator('.now').inner_text()


def test_the_slider_goes_to_a_step(page):
    shown = player(page, 'controller')
    shown.locator('input[type="range"]').fill('7')
    assert step(shown) == 7


def test_send_reruns_the_path_with_what_stands_in_the_form(page):
    shown = player(page, 'controller')
    shown.locator('select[name="caller"]').select_option('reader')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '403')
    box = shown.locator('[data-pane="flowchart"] [data-station="authorize"]')
    assert '✗ refused' in box.text_content()
    assert box.get_attribute('aria-current') == 'step'
    shown.screenshot(path=SHOTS / 'refused-light.png')
    shown.locator('select[name="caller"]').select_option('admin')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '202')


def test_what_cannot_be_sent_is_said_in_one_line(page):
    shown = player(page, 'routes')
    shown.locator('input[name="microversion"]').fill('abc')
    shown.locator('[data-action="send"]').click()
    for _ in range(2):  # the second time it is the same line
        wait_for(shown, '.message', "'abc' is no microversion; give one like 2.34, or latest")
        shown.locator('[data-action="send"]').click()
    wait_for(shown, '.message', "'abc' is no microversion; give one like 2.34, or latest")
    assert page.get_by_text('Traceback').count() == 0
    shown.locator('input[name="microversion"]').fill('')
    shown.locator('[data-action="send"]').click()
    sync_api.expect(shown.locator('.message')).to_have_text('')
    wait_for(shown, '.asked', '202')


def test_compare_goes_the_other_way(page):
    shown = player(page, 'rpc')
    shown.locator('[data-action="compare"]').click()
    wait_for(shown, '[data-pane="flowchart"]', 'call migrate_server 1.20')
    shown.screenshot(path=SHOTS / 'call-light.png')


def test_nothing_from_a_payload_is_run(page):
    shown = player(page, 'client')
    shown.locator('input[name="host"]').fill(HOSTILE)
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '400')
    shown.focus()
    page.keyboard.press('Home')
    for _ in range(int(shown.get_attribute('data-steps')) - 1):
        page.keyboard.press('ArrowRight')
        assert shown.locator('img, script, iframe').count() == 0
    assert page.evaluate('window.hacked') is None
    assert '<img' in shown.locator('.asked').inner_text()


@pytest.mark.parametrize('key', KEYS)
def test_the_players_can_be_read_in_the_dark(page, key):
    if page.locator('body[data-jp-theme-light="true"]').count():
        page.get_by_role('menuitem', name='Settings', exact=True).click()
        page.locator('.lm-Menu-item', has_text=re.compile('^Theme')).first.hover()
        page.locator('.lm-Menu-item', has_text=re.compile('^JupyterLab Dark$')).first.click()
        page.wait_for_selector('body[data-jp-theme-light="false"]', state='attached')
    shown = player(page, key)
    shown.screenshot(path=SHOTS / f'{key}-dark.png')
    ink, paper = (page.evaluate('([e, p]) => getComputedStyle(e)[p]', [shown.element_handle(), name])
                  for name in ('color', 'backgroundColor'))
    assert contrast(ink, paper) > 7


def contrast(*colours):
    """Give the ratio of two colours' luminance, as WCAG 2 defines it."""
    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r'\d+', colour)[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))
    light, dark = sorted(map(luminance, colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_console_has_no_errors(page):
    assert page.errors == []


@pytest.mark.parametrize('key', KEYS)
def test_on_a_projector_the_three_panes_are_in_sight_at_once(page, key):
    page.set_viewport_size({'width': 1280, 'height': 800})
    shown = player(page, key)
    shown.screenshot(path=SHOTS / f'{key}-small.png')
    boxes = [shown.locator(f'[data-pane="{name}"]').bounding_box() for name in ('flowchart', 'source', 'payload')]
    assert max(box['y'] + box['height'] for box in boxes) - shown.bounding_box()['y'] < 740
    assert min(box['width'] for box in boxes) > 250
