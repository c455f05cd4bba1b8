"""The frame of the player over every moment of every recorded scenario: nothing shifts, and the mark stays true."""

import base64
import itertools

import pytest

from explorer import Scenario, run
from explorer.engines import recordings
from explorer.player.content import content
from explorer.player.form import form
from explorer.player.widget import MODULE, STYLE
from explorer.views.facts import turned_back
from explorer.views.moments import moments
from tests.browsing import HEIGHT, SHOTS, chromium, hard_to_use, height
from tests.views.test_lanes import deep

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip('playwright.sync_api')
WIDTH = 984  # px of a player in JupyterLab's default window

# Shows a content as the notebook does, in `#place`.
OPEN = """async ([module, content, form, run, at, moment]) => {
  const { default: { render } } = await import(`data:text/javascript;base64,${module}`);
  window.end?.();
  const el = document.getElementById('place'), state = { content, form, run, at, moment, message: '' };
  el.replaceChildren();
  window.end = render({ el, model: {
    get: name => state[name], set: (name, value) => { state[name] = value; }, save_changes: () => {}, send: () => {},
    on: () => {} } });
}"""

# Walks over all moments; returns what a person would see jump, leave its lane or go back.
WALK = """() => {
  const root = document.querySelector('[data-explorer="player"]'), every = root.querySelector('[data-part="every"]');
  if (!every.checked) every.click();
  const press = action => root.querySelector(`[data-action="${action}"]`).click();
  const heightOf = HEIGHT;
  const seen = [], wrong = [], heights = new Set();
  press('first');
  for (let before = '', left = -1; ; press('next')) {
    const at = `${root.dataset.step} ${root.dataset.moment}`;
    if (at === before) break;
    before = at;
    seen.push([Number(root.dataset.step), root.dataset.moment]);
    heights.add(heightOf(root));
    const map = root.querySelector('.map.shown'), pane = root.querySelector('[data-pane="map"]');
    const current = root.querySelectorAll('[data-station][aria-current="step"]');
    const mark = map.querySelector('.mark').getBoundingClientRect(), whole = pane.getBoundingClientRect();
    const lane = map.querySelector(`.lane.${root.dataset.node} rect`).getBoundingClientRect();
    if (current.length !== 1 || current[0].dataset.bar !== root.dataset.step) wrong.push([at, 'current']);
    if (mark.top < lane.top - 0.5 || mark.bottom > lane.bottom + 2.5) wrong.push([at, 'lane', mark.top, lane.top]);
    if (mark.left < whole.left || mark.right > whole.right + 1) wrong.push([at, 'view']);
    if (mark.left < left - 0.01) wrong.push([at, 'back']);
    left = mark.left;
    if (pane.scrollWidth > pane.clientWidth || root.scrollWidth > root.clientWidth) wrong.push([at, 'wide']);
  }
  return [seen, wrong, [...heights]];
}""".replace('HEIGHT', HEIGHT)


HEIGHTS = {(1440, 900): 640, (1280, 720): 600}  # px of a player on a screen


@pytest.fixture(scope='module')
def page():
    with chromium() as page:
        page.set_content(f'<style>{STYLE.read_text()}</style><div id="place" style="width: {WIDTH}px"></div>')
        yield page
        assert page.errors == []


def resize(page, size):
    page.set_viewport_size({'width': size[0], 'height': size[1]})


def laid_out(page, *traces, key='controller'):
    shown = content(traces[0], key, *traces[1:], form=form(Scenario()))
    number = len(traces) - 1
    page.evaluate(OPEN, [base64.b64encode(MODULE.read_bytes()).decode(), shown, {'fields': form(Scenario())}, number,
                         *shown['runs'][number]['start']])
    return page.locator('[data-explorer="player"]')


@pytest.mark.parametrize('scenario', recordings.scenarios(), ids=str)
@pytest.mark.parametrize(('size', 'others'), [*zip(HEIGHTS, ((), ('client',)), strict=True)], ids=['alone', 'compared'])
def test_a_walk_shifts_nothing_and_the_mark_stays_in_its_lane(page, scenario, size, others):
    trace = recordings.trace_of(scenario)
    resize(page, size)
    shown = laid_out(page, *map(recordings.trace_of, others), trace)
    seen, wrong, heights = page.evaluate(WALK)
    assert wrong == []
    assert [tuple(each) for each in seen] == list(moments(trace))
    assert heights == [HEIGHTS[size]]
    if others:
        shown.locator('[data-action="swap"]').click()
    for other, tall in HEIGHTS.items():
        resize(page, other)
        assert height(shown) == tall


@pytest.mark.parametrize('size', HEIGHTS, ids=str)
def test_the_form_covers_and_shifts_nothing(page, walk, size):
    resize(page, size)
    shown = laid_out(page, walk)
    shown.locator('[data-action="change"]').click()
    sheet, box = shown.locator('form').bounding_box(), shown.bounding_box()
    assert height(shown) == HEIGHTS[size]
    assert sheet['y'] + sheet['height'] <= box['y'] + HEIGHTS[size]
    fits = shown.locator('form').evaluate('each => each.scrollHeight <= each.clientHeight + 1')
    assert fits
    page.screenshot(path=SHOTS / f'sheet-{size[1]}.png')
    assert hard_to_use(page, '[data-explorer="player"]') == []


@pytest.mark.parametrize(('number', 'nested'), [(3, True), (200, True), (2_000, False)])
def test_a_small_a_deep_and_a_long_trace_can_be_read(page, walk, number, nested):
    trace = deep(walk, number, nested=nested)
    resize(page, (1440, 900))
    shown = laid_out(page, trace, key='client')
    assert height(shown) == 640
    if number <= 200:
        seen, wrong, heights = page.evaluate(WALK)
        assert wrong == []
        assert (len(seen), heights) == (2 * number, [640])
    shown.locator('[data-action="last"]').click()
    shown.locator('[data-action="first"]').click()
    assert shown.locator('.now').inner_text().startswith('client · OpenStackComputeShell.main')
    page.screenshot(path=SHOTS / f'trace-of-{number}.png')


def test_a_rejection_is_a_line_back_to_the_client(page):
    trace = run(Scenario(caller='reader'))
    shown = laid_out(page, trace)
    line = shown.locator('.map .arrow-rejection')
    assert line.count() == 1
    assert shown.locator('.map .word-rejection').text_content() == '403'
    assert shown.get_attribute('data-step') == str(turned_back(trace).index)
    lane = shown.locator('.map .lane.client rect').bounding_box()
    assert float(line.get_attribute('y2')) < lane['y'] - shown.locator('.map').bounding_box()['y'] + lane['height']


def test_on_a_phone_there_is_one_column_and_the_buttons_stay(page, walk):
    resize(page, (390, 844))
    page.evaluate('document.getElementById("place").style.width = "auto"')
    try:
        shown = laid_out(page, walk)
        page.wait_for_timeout(200)
        boxes = [shown.locator(each).bounding_box() for each in (
            '[data-pane="map"]', '.sentence', '[data-pane="payload"]', '[data-pane="source"]')]
        assert all(above['y'] + above['height'] <= below['y'] + 1
                   for above, below in itertools.pairwise(boxes))
        assert page.evaluate('document.documentElement.scrollWidth') <= 390
        for top in (0, 10_000):
            page.evaluate(f'scrollTo(0, {top})')
            for action in ('previous', 'next'):
                box = shown.locator(f'[data-action="{action}"]').bounding_box()
                assert box['height'] >= 44
                assert 0 <= box['y'] <= 844 - box['height']
        page.screenshot(path=SHOTS / 'phone.png')
        small = shown.locator(':is(.head, .controls) :is(button, select, summary)').evaluate_all(
            'all => all.filter(each => each.getBoundingClientRect().height < 44).map(each => each.textContent)')
        assert small == []
        shown.locator('[data-action="next"]').click()
        assert shown.get_attribute('data-step') != '46'
    finally:
        resize(page, (1440, 900))
        page.evaluate(f'document.getElementById("place").style.width = "{WIDTH}px"')


def test_one_moment_shows_its_sentence_its_values_and_what_it_changed(page, walk):
    resize(page, (1000, 1130))
    shown = laid_out(page, walk)
    step, = walk.find('_migrate_live')
    shown.locator('[data-part="every"]').check()
    shown.locator(f'.map.shown rect[data-bar="{step.index}"]').click(position={'x': 1, 'y': 1}, force=True)
    told = shown.locator('[data-pane="source"]')
    assert shown.get_attribute('data-moment') == 'entry'
    assert not any(each.is_visible() for each in told.locator('.yes, .no, .value, .gap > summary').all())
    assert all(each.is_visible() for each in told.locator('[data-line]').all())
    shown.locator('[data-action="over"]').click()
    assert shown.get_attribute('data-step') == str(step.index)
    assert 'block_migration "auto" becomes None' in shown.locator('.now').inner_text()
    source, payload = (shown.locator(f'[data-pane="{name}"]') for name in ('source', 'payload'))
    assert 'block_migration = None' in [chip.inner_text() for chip in source.locator('.value').all()]
    assert source.locator('.yes').count() == 2 and source.locator('.no').count() == 1
    assert source.locator('details.gap summary').first.inner_text().endswith('lines that did not run')
    assert payload.locator('li.added', has_text='async_ True').count() == 1
    assert payload.get_by_text('by step 64, set_target_cell').count() == 1
    page.screenshot(path=SHOTS / 'player.png')
    source.locator('.value code', has_text='async_').click()
    assert 'async_ = True: first here, line' in payload.locator('.why').inner_text()
    payload.locator('.why [data-goto]').last.click()
    assert shown.locator('[aria-current="step"]').get_attribute('data-station') == 'live_migrate'
    assert f'← step {step.index + 1}, line' in payload.locator('.why').inner_text()
