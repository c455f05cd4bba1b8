"""The handed-out page in Chromium: questions first, then the player of one run, the other on request, and on paper."""

import re

import pytest

from explorer import EXPLORATIONS, run
from explorer.explorations import exploration
from explorer.player.export import export
from explorer.teaching import handout
from explorer.teaching.catalogue import QUESTIONS
from explorer.views.lanes import story
from explorer.views.moments import moments
from tests.browser.handed_out import after_a_choice, compare
from tests.browsing import SHOTS, chromium, hard_to_read, hard_to_use, look, moment

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip('playwright.sync_api')
KEYS = [row.key for row in EXPLORATIONS]
SHEET = rb'/Type /Page\b'  # in a PDF
PAPER = 703, 1031  # px of a sheet of A4 without its margins


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """Write the seven pages; return {key of a leg: address}."""
    folder = tmp_path_factory.mktemp('pages')
    for row in EXPLORATIONS:
        page = export(run(row.scenario), row.key, run(row.versus), handout.sheet(QUESTIONS[row.key].tasks))
        (folder / f'{row.key}.html').write_text(page)
    return {key: (folder / f'{key}.html').as_uri() for key in KEYS}


@pytest.fixture(scope='module', params=['light', 'dark'])
def browser(request):
    with chromium(offline=True, color_scheme=request.param, viewport={'width': 1440, 'height': 900}) as page:
        page.theme = request.param
        yield page
        assert page.errors == []


@pytest.fixture
def page(browser, pages):
    """Return a tab that remembers nothing, in the size of a screen."""
    browser.set_viewport_size({'width': 1440, 'height': 900})
    browser.goto(pages['rpc'])
    browser.evaluate('sessionStorage.clear()')
    browser.goto('about:blank')
    return browser


def asking(page, address):
    page.goto(address)
    page.locator('[data-state="asking"]').wait_for()
    return page.locator('form.first')


def first_stop(key):
    trace = run(exploration(key).scenario)
    return moments(trace)[story(trace, key)[0]]


@pytest.mark.parametrize('key', KEYS)
def test_before_a_choice_there_is_only_the_first_question(page, pages, key):
    form, row = asking(page, pages[key]), exploration(key)
    question = next(task for task in QUESTIONS[key].tasks if task.name == 'predict')
    shown = ' '.join(page.locator('body').inner_text().split())
    options = [f'{letter} {option.text}' for letter, option in zip('abcd', question.options, strict=False)]
    assert shown == ' '.join(re.sub(r'[`*]', '', ' '.join([
        f'{row.number}. {row.title}', row.question, question.heading, question.asked(), *options,
        'Show what happens', 'Skip the question'])).split())
    spoken = page.locator('body').aria_snapshot()
    assert 'More questions' not in spoken and 'Step by step' not in spoken
    assert page.locator('[data-explorer]').count() == 0
    reached = set()
    for _ in range(8):
        page.keyboard.press('Tab')
        reached.add(page.evaluate('document.activeElement.closest("form.first, body").localName'))
    assert reached <= {'form', 'body'}
    assert hard_to_read(page, form) == [] and hard_to_use(page, 'body') == []
    page.screenshot(path=SHOTS / f'handout-{key}-{page.theme}.png')


@pytest.mark.parametrize('key', KEYS)
def test_after_a_choice_the_player_opens_on_one_run_at_the_first_stop(page, pages, key):
    form = asking(page, pages[key])
    form.get_by_text('b', exact=True).click()
    shown = page.locator('[data-explorer="player"]')
    assert (moment(shown), shown.get_attribute('data-run')) == (first_stop(key), '0')
    assert form.locator('input:checked').get_attribute('value') == 'b'
    assert form.locator('.chosen').inner_text() == 'You chose b. Now see what happens.'
    assert shown.locator('.map').count() == 1
    assert page.evaluate('document.activeElement.dataset.explorer') == 'player'
    for task in QUESTIONS[key].tasks:
        assert page.locator('.question').get_by_text(task.heading, exact=True).is_visible()
    above, below = shown.bounding_box(), page.locator('.others').bounding_box()
    assert above['y'] + above['height'] <= below['y']
    assert hard_to_read(page, page.locator('main')) == [] and hard_to_use(page, 'body') == []


def test_arrow_keys_walk_among_the_options_and_enter_chooses(page, pages):
    form = asking(page, pages['controller'])
    form.locator('input').first.focus()
    page.keyboard.press('ArrowDown')
    page.keyboard.press('ArrowDown')
    assert page.locator('[data-explorer]').count() == 0
    page.keyboard.press('Enter')
    assert form.locator('.chosen').inner_text() == 'You chose c. Now see what happens.'
    assert page.locator('[data-explorer]').count() == 1


def test_the_question_can_be_skipped(page, pages):
    form = asking(page, pages['rpc'])
    form.get_by_text('Show what happens').click()
    assert page.locator('[data-explorer]').count() == 0  # nothing is chosen yet
    form.get_by_text('Skip the question').click()
    assert moment(page.locator('[data-explorer="player"]')) == first_stop('rpc')
    assert form.locator('input:checked').count() == 0


def test_a_choice_and_a_position_outlive_a_reload(page, pages):
    form = asking(page, pages['routes'])
    form.locator('input').nth(2).check()
    shown = page.locator('[data-explorer="player"]')
    shown.locator('[data-action="next"]').click()
    at = moment(shown)
    page.reload()
    shown.wait_for()
    assert moment(shown) == at
    assert form.locator('input:checked').get_attribute('value') == 'c'


def test_a_link_to_a_position_opens_the_player_there(page, pages):
    trace = run(exploration('controller').scenario)
    for place, station in (('_migrate_live', '_migrate_live'), ('57,return', trace.steps[57].station)):
        page.goto('about:blank')
        page.goto(f'{pages["controller"]}#controller@{place}')
        shown = page.locator('[data-explorer="player"]')
        shown.wait_for()
        assert shown.locator('[aria-current="step"]').get_attribute('data-station') == station
        assert page.locator('form.first input:checked').count() == 0
        assert abs(shown.bounding_box()['y']) < 20
    asking(page, f'{pages["controller"]}?again')
    page.evaluate('location.hash = "#controller@0"')
    assert moment(shown) == (0, 'entry')


def test_the_other_run_is_compared_on_request(page, pages):
    page.goto(pages['controller'])
    shown = after_a_choice(page)
    shown.locator('[data-action="next"]').click()
    at, address = moment(shown), page.url
    shown.locator('[data-part="menu"] > summary').click()
    assert shown.locator('[data-action="compare"]').inner_text() == exploration('controller').versus_says
    shown.locator('[data-part="menu"] > summary').click()
    compare(shown)
    assert '403 Forbidden' in shown.locator('.asked').inner_text()
    assert shown.get_attribute('data-run') == '1'
    assert 'rejected by authorize' in shown.locator('.words').inner_text()
    shown.locator('[data-action="previous"]').click()
    assert page.url == address  # a link leads to the first run
    assert hard_to_read(page, shown) == [] and hard_to_use(page, 'body') == []
    look(shown, 'more')
    page.screenshot(path=SHOTS / f'handout-compared-{page.theme}.png')
    shown.locator('[data-action="close"]').click()
    assert (moment(shown), shown.get_attribute('data-run'), shown.locator('.map').count()) == (at, '0', 1)
    compare(shown)
    assert shown.locator('.map').count() == 2


# Walks over all moments; returns what the player shows at each.
SEEN = """root => {
  const press = action => root.querySelector(`[data-action="${action}"]`).click(), seen = [];
  root.querySelector('[data-part="every"]').click();
  press('first');
  for (let before = ''; ; press('next')) {
    const at = `${root.dataset.step} ${root.dataset.moment}`;
    if (at === before) return seen;
    before = at;
    seen.push(['facts', 'now', 'words', 'source', 'payload', 'map', 'journey', 'more', 'flowchart', 'crumbs'].map(
      name => root.querySelector(`[data-part="${name}"], [data-pane="${name}"]`).innerHTML));
  }
}"""


def test_one_of_two_runs_is_shown_as_if_it_were_alone(page, tmp_path):
    row, seen = exploration('conductor-api'), []
    trace = run(row.scenario)
    for others in ([run(row.versus)], []):
        path = tmp_path / f'{len(others)}.html'
        path.write_text(export(trace, row.key, *others))
        page.goto(path.as_uri())
        seen.append(after_a_choice(page).evaluate(SEEN))
    assert len(seen[0]) == len(moments(trace))
    assert seen[0] == seen[1]


# What is wider than the sheet, or higher than one.
CUT = """([width, height]) => [...document.querySelectorAll('main *')].filter(each => each.checkVisibility())
  .filter(each => !each.closest('svg svg *, svg *')).map(each => [each, each.getBoundingClientRect()])
  .filter(([each, box]) => box.left < -1 || box.right > width + 1 || each.scrollWidth > each.clientWidth + 1 &&
    getComputedStyle(each).display !== 'inline' || each.matches('svg, tr, .question') && box.height > height)
  .map(([each]) => each.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize('key', KEYS)
def test_it_prints_on_three_pages_and_nothing_is_cut(page, pages, key):
    form = asking(page, pages[key])
    for choose in (lambda: None, lambda: form.locator('input').first.check()):
        choose()
        sheets = len(re.findall(SHEET, page.pdf(format='A4')))
        page.set_viewport_size(dict(zip(('width', 'height'), PAPER, strict=True)))
        page.emulate_media(media='print')
        try:
            paper, questions = page.locator('.on-paper'), page.locator('.others')
            assert sheets == 3
            assert page.evaluate(CUT, PAPER) == []
            assert not page.locator('#player').is_visible()
            box = questions.bounding_box()
            top = page.locator('main').bounding_box()['y']
            assert box['y'] + box['height'] - top <= PAPER[1]
            assert paper.evaluate('each => getComputedStyle(each).breakBefore') == 'page'
            assert [paper.locator(each).count() for each in ('.still', 'table', '.chart svg')] == [1, 1, 1]
            assert all(each.is_visible() for each in paper.locator('svg, td').all())
            assert questions.locator('.line').first.is_visible()
        finally:
            page.emulate_media(media='null')
            page.set_viewport_size({'width': 1440, 'height': 900})


SMALL = """() => [...document.querySelectorAll('.question div label, form > p button, textarea, [data-explorer] button,'
  + '[data-explorer] .controls select, .menu > summary, .find input')]
  .filter(each => each.checkVisibility() && !each.closest('.crumbs'))
  .filter(each => each.getBoundingClientRect().height < 44).map(each => each.outerHTML)"""


@pytest.mark.parametrize('key', KEYS)
def test_on_a_phone_nothing_is_wider_and_everything_can_be_touched(page, pages, key):
    page.set_viewport_size({'width': 390, 'height': 844})
    asking(page, pages[key])
    seen = [page.evaluate(SMALL)]
    page.screenshot(path=SHOTS / f'handout-phone-{page.theme}.png')
    shown = after_a_choice(page)
    seen.append(page.evaluate(SMALL))
    for action in ('previous', 'next'):
        box = shown.locator(f'[data-action="{action}"]').bounding_box()
        assert 0 <= box['y'] <= 844 - box['height']
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    page.screenshot(path=SHOTS / f'handout-phone-chosen-{page.theme}.png')
    compare(shown)
    seen.append(page.evaluate(SMALL))
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    assert seen == [[], [], []]


def test_without_scripts_the_questions_stand_first_and_the_rest_is_folded(browser, pages):
    page = browser.context.browser.new_context(java_script_enabled=False, color_scheme=browser.theme).new_page()
    page.goto(pages['rpc'])
    assert page.locator('.question').count() == len(QUESTIONS['rpc'].tasks)
    assert all(each.is_visible() for each in page.locator('.question').all())
    assert not page.locator('form button').first.is_visible()
    paper = page.locator('.on-paper')
    assert not paper.locator('table').is_visible()
    assert len(re.findall(SHEET, page.pdf(format='A4'))) == 3  # it is folded only on the screen
    paper.locator('summary').click()
    assert all(paper.locator(each).is_visible() for each in ('.still', 'table', '.chart svg'))
    assert len(re.findall(SHEET, page.pdf(format='A4'))) == 3
