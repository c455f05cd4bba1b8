"""The presenter in JupyterLab, in Chromium: what is projected, the window of the notes, and what it projects."""

import re

import nbformat
import pytest

from explorer.teaching.cards import marked
from explorer.teaching.catalogue import QUESTIONS, TASKS
from tests.browsing import SHOTS, choose, chromium, hard_to_read, hard_to_use, jupyter
from tests.conftest import NOTEBOOK

pytestmark = pytest.mark.browser
pytest.importorskip('playwright.sync_api')
TASK = TASKS['controller.predict']
PANEL = '[data-explorer="question"]'
# All that the page holds, shown or hidden, without the presenter's state, which is not in the page.
TEXT = 'document.documentElement.textContent'
SIZES = 'all => all.map(each => parseFloat(getComputedStyle(each).fontSize))'
TOPS = """all => all.filter(each => each.checkVisibility()).map(each => {
  const { top, bottom } = each.getBoundingClientRect();
  return (top + bottom) / 2;
})"""
# What an element holds that scrolls or lies outside of it, except inside the panes.
OUTSIDE = """root => [root, ...root.querySelectorAll('*')].filter(each => {
  if (each.closest('.view > *, [data-pane]') || !each.checkVisibility()) return false;
  const { bottom, right } = each.getBoundingClientRect(), scrolls = /auto|scroll/.test(getComputedStyle(each).overflow);
  return bottom > innerHeight || right > innerWidth || (scrolls && each.scrollHeight > each.clientHeight);
}).map(each => each.outerHTML.slice(0, 80))"""
# Whether an element is what one sees in its middle.
ON_TOP = """each => {
  const { left, top, width, height } = each.getBoundingClientRect();
  return each.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    """A presenter in its own notebook, at the size of a small projector."""
    folder = tmp_path_factory.mktemp('present')
    cell = nbformat.v4.new_code_cell("from explorer import present\npresent('controller')")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata = nbformat.read(NOTEBOOK, as_version=4).metadata
    nbformat.write(notebook, folder / 'present.ipynb')
    with jupyter(folder, 'lab') as address, chromium(viewport={'width': 1280, 'height': 720}) as page:
        page.asked = []
        page.context.on('request', lambda request: page.asked.append(request.url))
        page.goto(f'{address}lab/tree/present.ipynb')
        idle(page)
        yield run_all(page)


def idle(page):
    page.locator('#jp-main-statusbar', has_text=re.compile(r'Python 3.*Idle')).wait_for(timeout=120_000)


def run_all(page):
    choose(page, 'Run', 'Run All Cells')
    shown = page.locator('.explorer-presenter')
    shown.locator('[data-explorer="player"] [data-pane="payload"] li').first.wait_for(timeout=60_000)
    return shown


def open_notes(shown):
    with shown.page.expect_popup() as popup:
        button(shown, 'notes').press('Enter')
    popup.value.set_viewport_size({'width': 620, 'height': 700})
    return popup.value


@pytest.fixture(scope='module')
def notes(shown):
    """The window of the notes."""
    return open_notes(shown)


@pytest.fixture
def full(shown):
    """The presenter in full screen."""
    button(shown, 'full').click()
    shown.page.wait_for_function('document.fullscreenElement?.classList.contains("explorer-presenter")')
    yield shown
    button(shown, 'full').click()
    shown.page.wait_for_function('!document.fullscreenElement')


def button(shown, action):
    return shown.locator(f'[data-explorer="presenter"] [data-action="{action}"]')


def show(notes, what, task=TASK):
    """Unfold a task and show its question or its answer."""
    there = notes.locator(f'[data-task="{task.key}"]')
    if not there.locator('> .row').is_visible():
        there.locator('> summary').press('Enter')
    there.locator(f'> .row [data-action="{what}"]').press('Enter')


def plain(page, written):
    """Return what the browser shows of text with marks for code and emphasis."""
    return page.evaluate('html => new DOMParser().parseFromString(html, "text/html").body.textContent', marked(written))


def test_a_blocked_window_is_reported_in_the_bar(shown, request):  # the first test, while the window is closed
    page = shown.page
    page.evaluate('() => { window.kept = window.open; window.open = () => null; }')
    button(shown, 'notes').press('Enter')
    alert = shown.locator('[data-explorer="presenter"] [role="alert"]')
    assert re.search('Allow pop-up windows .* or read INSTRUCTOR.md', alert.inner_text())
    page.evaluate('() => { window.open = window.kept; }')
    request.getfixturevalue('notes')
    assert alert.inner_text() == ''


def test_goal_board_and_answers_are_not_in_the_page(shown, notes):
    said, page = QUESTIONS['controller'], shown.page
    secrets = [plain(page, each) for each in (said.goal, said.board, *(task.explained() for task in said.tasks))]
    assert not any(secret in page.evaluate(TEXT) for secret in secrets)
    assert all(secret in notes.evaluate(TEXT) for secret in secrets)  # so the comparison can fail


def test_the_player_has_the_whole_width_and_the_bar_is_one_row(shown):
    bar, player = (shown.locator(f'[data-explorer="{name}"]').bounding_box() for name in ('presenter', 'player'))
    assert player['width'] == shown.bounding_box()['width']
    assert player['y'] >= bar['y'] + bar['height']
    middles = shown.locator('[data-explorer="presenter"] .row > *').evaluate_all(TOPS)
    assert max(middles) - min(middles) < 4
    shown.page.screenshot(path=SHOTS / 'presenter.png')


@pytest.mark.parametrize('runs', [1, 2])
def test_a_full_screen_can_be_read_from_the_last_row_and_nothing_scrolls_but_the_panes(full, runs):
    if runs == 2:
        full.locator('[data-part="menu"] > summary').click()
        full.locator('[data-action="compare"]').click()
        full.locator('[data-action="close"]').wait_for()
    assert min(full.locator('[data-line], [data-line] *, [data-pane="payload"] li *').evaluate_all(SIZES)) >= 18
    assert min(full.locator('.now, .words, .words *').evaluate_all(SIZES)) >= 18
    assert min(full.locator('[data-explorer="presenter"] .row > *').evaluate_all(SIZES)) >= 18
    controls = full.locator('.controls :is(button, output:not(.find *), label, input, select)').evaluate_all(TOPS)
    assert max(controls) - min(controls) < 4
    assert full.evaluate(OUTSIDE) == []
    panes, all_of_it = full.locator('.panes').bounding_box(), full.bounding_box()
    assert all_of_it['height'] == 720
    assert all_of_it['height'] - panes['y'] - panes['height'] < 20
    assert panes['height'] > 240
    full.page.screenshot(path=SHOTS / f'presenter-full-{runs}.png')
    if runs == 2:
        full.locator('[data-action="close"]').click()
        full.locator('[data-action="close"]').wait_for(state='detached')


def test_a_larger_projector_makes_the_letters_larger(full):
    size = full.locator('[data-line]').first.evaluate('each => parseFloat(getComputedStyle(each).fontSize)')
    full.page.set_viewport_size({'width': 1920, 'height': 1080})
    full.page.wait_for_function('document.querySelector(".explorer-presenter").style.cssText.includes("1.5")')
    assert min(full.locator('[data-line]').evaluate_all(SIZES)) == 1.5 * size
    assert full.evaluate(OUTSIDE) == []
    full.page.set_viewport_size({'width': 1280, 'height': 720})
    full.page.wait_for_function('!document.querySelector(".explorer-presenter").style.cssText.includes("1.5")')


def test_the_letters_can_be_made_larger_and_smaller(shown):
    def size():
        return shown.locator('[data-line]').first.evaluate('each => parseFloat(getComputedStyle(each).fontSize)')
    before = size()
    button(shown, 'larger').press('Enter')
    assert size() > before
    button(shown, 'smaller').press('Enter')
    assert size() == before


def test_the_window_names_the_leg_and_folds_the_questions_and_in_them_the_answers(notes):
    assert notes.title() == 'Notes: 4. The controller decides'
    question, answer = (notes.locator(f'[data-task="{TASK.key}"] [data-part="{part}"]')
                        for part in ('question', 'answer'))
    assert not question.is_visible()
    notes.locator(f'[data-task="{TASK.key}"] > summary').press('Enter')
    assert question.is_visible()
    assert not answer.is_visible()
    notes.locator(f'[data-task="{TASK.key}"] details > summary').press('Enter')
    assert answer.is_visible()
    notes.screenshot(path=SHOTS / 'presenter-notes.png')


@pytest.mark.parametrize('screen', ['shown', 'full'])
def test_only_what_the_teacher_chooses_is_projected(screen, notes, request):
    page = request.getfixturevalue(screen).page
    panel, told = page.locator(PANEL), plain(page, TASK.explained())
    assert panel.count() == 0
    show(notes, 'question')
    assert plain(page, TASK.asked()) in panel.inner_text()
    assert told not in page.evaluate(TEXT)
    page.screenshot(path=SHOTS / f'presenter-question-{screen}.png')
    show(notes, 'answer')
    assert plain(page, TASK.asked()) in panel.inner_text()
    assert told in panel.inner_text()
    assert panel.evaluate(ON_TOP)
    assert min(panel.locator('p, li, code').evaluate_all(SIZES)) >= 24
    page.screenshot(path=SHOTS / f'presenter-answer-{screen}.png')
    notes.keyboard.press('Escape')
    assert panel.count() == 0
    assert told not in page.evaluate(TEXT)


@pytest.mark.parametrize('way', ['Escape', 'Enter', 'hide'])
def test_a_question_takes_the_focus_and_gives_it_back(shown, notes, way):
    page = shown.page
    shown.locator('[data-action="next"]').focus()
    show(notes, 'question')
    page.bring_to_front()
    assert page.locator(f'{PANEL} button').evaluate('each => each === document.activeElement')
    if way == 'hide':
        notes.locator('[data-action="hide"]').click()
    else:
        page.keyboard.press(way)
    page.locator(PANEL).wait_for(state='detached')
    assert shown.locator('[data-action="next"]').evaluate('each => each === document.activeElement')


def test_the_timer_runs_in_both_windows_and_can_be_used_in_both(shown, notes):
    here, there = shown.locator('[data-part="timer"]'), notes.locator('[data-part="timer"]')
    assert (here.inner_text(), there.inner_text()) == ('12:00', '12:00')
    notes.locator('[data-action="timer"]').press('Enter')
    for page, place in ((shown.page, here), (notes, there)):
        page.wait_for_function('each => each.textContent < "11:59"', arg=place.element_handle(), timeout=15_000)
    button(shown, 'timer').press('Enter')
    assert notes.locator('[data-action="timer"]').inner_text() == button(shown, 'timer').inner_text() == 'Start'
    assert here.inner_text() == there.inner_text()
    button(shown, 'again').press('Enter')
    assert (here.inner_text(), there.inner_text()) == ('12:00', '12:00')


def test_there_is_one_window_even_if_it_is_asked_for_twice_or_loaded_again(shown, notes):
    pages = len(shown.page.context.pages)
    button(shown, 'notes').click()
    assert len(shown.page.context.pages) == pages
    notes.reload()
    assert notes.locator('h1').count() == 0
    button(shown, 'notes').click()
    assert notes.locator('h1').inner_text() == '4. The controller decides'
    assert len(shown.page.context.pages) == pages


def test_a_key_in_the_bar_or_the_question_is_no_command_of_the_notebook(shown, notes):
    page, cells = shown.page, shown.page.locator('.jp-Cell')
    button(shown, 'again').focus()
    for key in ('b', 'a', 'd', 'd', 'm'):
        page.keyboard.press(key)
    show(notes, 'question')
    page.bring_to_front()
    for key in ('b', 'a', 'd', 'd', 'Escape'):
        page.keyboard.press(key)
    assert cells.count() == 1
    assert page.locator('.jp-CodeCell').count() == 1


def test_nothing_comes_from_the_network(shown, notes):
    here = re.compile(r'(http|ws)://(127\.0\.0\.1|localhost):|blob:|data:')
    assert [url for url in shown.page.asked if not here.match(url)] == []
    assert notes.locator('script, link, img').count() == 0


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_everything_can_be_read_and_used_in_both_themes(shown, notes, theme):
    page = shown.page
    if theme == 'dark':
        page.get_by_role('menuitem', name='Settings', exact=True).click()
        page.locator('.lm-Menu-item', has_text=re.compile('^Theme')).first.hover()
        page.locator('.lm-Menu-item', has_text=re.compile('^JupyterLab Dark$')).first.click()
        page.wait_for_selector('body[data-jp-theme-light="false"]', state='attached')
        notes.reload()
        button(shown, 'notes').click()
    for fold in notes.locator('details').all():
        fold.evaluate('each => { each.open = true }')
    show(notes, 'answer')
    for place, selector in ((notes, 'body'), (page, PANEL)):
        assert hard_to_read(place, place.locator(selector)) == []
        assert hard_to_use(place, selector) == []
    page.screenshot(path=SHOTS / f'presenter-{theme}.png')
    notes.screenshot(path=SHOTS / f'presenter-notes-{theme}.png')
    assert notes.evaluate('getComputedStyle(document.documentElement).colorScheme') == theme
    notes.keyboard.press('Escape')
    assert hard_to_read(page, shown) == []
    assert hard_to_use(page, '.explorer-presenter') == []


def test_the_console_has_no_errors(shown):
    assert shown.page.errors == []


# The last tests restart the kernel, run the cell again and close the notebook.

def test_the_bar_needs_no_kernel(shown, notes):
    page = shown.page
    choose(page, 'Kernel', 'Restart Kernel…')
    page.locator('.jp-Dialog button.jp-mod-warn').click()
    idle(page)
    show(notes, 'question')
    assert plain(page, TASK.asked()) in page.locator(PANEL).inner_text()
    notes.keyboard.press('Escape')


def test_the_window_goes_with_the_presenter(shown, notes):
    with notes.expect_event('close'):
        choose(shown.page, 'Edit', 'Clear Outputs of All Cells')
    assert shown.page.context.pages == [shown.page]


def test_the_window_goes_with_the_page(shown):
    page = shown.page
    notes = open_notes(run_all(page))
    with notes.expect_event('close'):
        page.goto('about:blank')
    assert page.context.pages == [page]
