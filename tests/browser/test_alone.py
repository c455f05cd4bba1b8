"""The exported page in Chromium, without a kernel or a network: it steps, searches, follows and compares."""

import base64
import itertools
import json

import pytest

from explorer import Scenario, explore, run
from explorer.player import protocol
from explorer.player.export import export
from explorer.player.widget import MODULE
from explorer.stations import BY_KEY
from explorer.teaching import cards, handout
from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.progress import Progress
from explorer.views.lanes import story
from explorer.views.moments import moments
from tests.browser.handed_out import after_a_choice, compare
from tests.browsing import LATENCY, SHOTS, chromium, hard_to_read, hard_to_use, look, moment, step
from tests.player.test_protocol import kinds, misfits

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip('playwright.sync_api')
HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\u202e\ud800'


@pytest.fixture(scope='module')
def sheet(tmp_path_factory):
    """Return the address of a page with a cast and a call."""
    path = tmp_path_factory.mktemp('sheet') / 'page.html'
    cast, call = (run(Scenario(host='host2', microversion=version)) for version in ('2.34', '2.30'))
    path.write_text(export(cast, 'conductor-api', call, handout.sheet(QUESTIONS['conductor-api'].tasks)))
    return path.as_uri()


@pytest.fixture(scope='module', params=['light', 'dark'])
def page(request, sheet):
    with chromium(offline=True, color_scheme=request.param, viewport={'width': 1500, 'height': 1100}) as page:
        page.theme = request.param
        page.goto(sheet)
        yield page
        assert page.errors == []


@pytest.fixture
def shown(page, sheet):
    page.goto('about:blank')
    page.goto(sheet)
    return after_a_choice(page)


@pytest.fixture
def compared(shown):
    """Return the player while it compares both runs and shows the first one."""
    compare(shown)
    shown.locator('[data-action="swap"]').click()
    return shown


# Presses the right arrow on a player.
FORWARD = 'root => root.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }))'


def test_it_opens_on_the_exploration(page, shown):
    assert shown.get_attribute('data-exploration') == 'conductor-api'
    assert shown.locator('[data-station][aria-current="step"]').count() == 1
    assert 'API.live_migrate' in shown.locator('.now').inner_text()
    assert shown.locator('form').count() == 0
    panes = shown.locator('[data-pane]')
    assert {each.get_attribute('data-pane') for each in panes.all()} == {'map', 'flowchart', 'source', 'payload'}
    assert shown.locator('[data-pane="flowchart"] svg').is_visible()
    page.screenshot(path=SHOTS / f'export-{page.theme}.png', full_page=True)


def test_keys_and_buttons_step(page, shown):
    shown.locator('[data-part="every"]').check()
    shown.focus()
    for key, goal in (('Home', (0, 'entry')), ('ArrowRight', (1, 'entry')), ('ArrowRight', (2, 'entry')),
                      ('ArrowLeft', (1, 'entry')), ('Home', (0, 'entry')), ('ArrowLeft', (0, 'entry'))):
        page.keyboard.press(key)
        assert moment(shown) == goal
    steps = int(shown.get_attribute('data-steps'))
    assert f'step 1 of {steps}' in shown.locator('[data-part="count"]').inner_text()
    shown.locator('[data-action="last"]').click()
    assert moment(shown)[1] == 'return'
    last = moment(shown)
    shown.locator('[data-action="next"]').click()
    assert moment(shown) == last
    shown.locator('[data-action="first"]').click()
    shown.locator('[data-action="over"]').click()
    assert moment(shown) == (0, 'return')


def test_over_and_out_follow_the_calls(page, shown, sheet):
    trace = run(Scenario(host='host2', microversion='2.34'))
    order = moments(trace)
    for station in ('_migrate_live', 'check_instance_state', 'http', 'send'):
        index = trace.find(station)[0].index
        page.goto(f'{sheet}#conductor-api@{index},entry')
        assert moment(shown) == (index, 'entry')
        shown.locator('[data-action="over"]').click()
        assert moment(shown) == (index, 'return')
        shown.locator('[data-action="out"]').click()
        cause = trace.steps[index].parent if trace.steps[index].parent is not None else trace.steps[index].hop_from
        assert moment(shown) == (cause, 'return')
    outside = next(step for step in trace.steps if step.node == 'conductor')
    page.goto(f'{sheet}#conductor-api@{outside.index},entry')
    assert '✉' in shown.locator('.crumbs').inner_text()
    shown.locator('[data-action="out"]').click()
    assert moment(shown) == (outside.hop_from, 'return')
    assert order.index((outside.hop_from, 'return')) < order.index((outside.index, 'entry'))  # it was a cast


def test_next_tells_the_story_and_every_step_tells_all(page, shown):
    trace = run(Scenario(host='host2', microversion='2.34'))
    stops = [moments(trace)[stop] for stop in story(trace, 'conductor-api')]
    seen = [moment(shown)]
    for number in range(2, len(stops) + 1):
        shown.locator('[data-action="next"]').click()
        seen.append(moment(shown))
        assert f'stop {number} of {len(stops)}' in shown.locator('[data-part="count"]').inner_text()
    assert seen == stops
    shown.locator('[data-part="every"]').check()
    shown.locator('[data-action="first"]').click()
    seen = [moment(shown)]
    for _ in moments(trace)[1:]:
        page.evaluate(FORWARD, shown.element_handle())
        seen.append(moment(shown))
    assert seen == list(moments(trace))


def test_the_breadcrumb_is_the_call_stack(page, shown, sheet):
    trace = run(Scenario(host='host2', microversion='2.34'))
    index, chain = trace.find('validate')[0].index, []
    at = index
    while at is not None:
        step_ = trace.steps[at]
        chain.insert(0, BY_KEY[step_.station].name)
        at = step_.parent if step_.parent is not None else step_.hop_from
    page.goto(f'{sheet}#conductor-api@{index}')
    crumbs = shown.locator('.crumbs button[data-crumb]:not([data-crumb="all"])')
    assert crumbs.all_text_contents() == chain
    before = shown.bounding_box()['height']
    shown.locator('[data-crumb="all"]').click()
    assert shown.locator('.crumbs').get_by_text(chain[10], exact=True).is_visible()
    assert shown.bounding_box()['height'] == before
    shown.locator('.crumbs').get_by_text(chain[2], exact=True).first.click()
    assert BY_KEY[trace.steps[step(shown)].station].name == chain[2]
    first = shown.locator('.crumbs button').first
    first.focus()
    page.keyboard.press('ArrowRight')  # walks in the breadcrumb, not in the trace
    assert page.evaluate('document.activeElement.textContent') == chain[1]


def test_play_shows_that_it_plays(page, shown):
    shown.locator('[data-action="first"]').click()
    shown.locator('[data-action="play"]').click()
    assert shown.locator('[data-action="play"]').inner_text() == '❚❚ Pause'
    page.wait_for_function('element => Number(element.dataset.step) >= 2', arg=shown.element_handle(), timeout=10_000)
    assert shown.locator('[data-action="play"]').get_attribute('aria-pressed') == 'true'
    shown.locator('[data-action="play"]').click()
    assert shown.locator('[data-action="play"]').get_attribute('aria-pressed') == 'false'
    assert shown.locator('[data-action="play"]').inner_text() == '▶ Play'


def test_the_link_holds_the_position(page, shown, sheet):
    shown.locator('[data-action="next"]').click()
    assert page.url.endswith(f'#conductor-api@{step(shown)},{moment(shown)[1]}')
    for place, station in (('_migrate_live', '_migrate_live'), ('rpc', 'rpcapi.live_migrate_instance'), ('0', 'shell'),
                           ('0,return', 'shell')):
        page.goto(f'{sheet}#conductor-api@{place}')
        assert shown.locator('[aria-current="step"]').get_attribute('data-station') == station
    for nowhere in ('moon', 'constructor', '__proto__', '999', '%E0%A4%A', ''):
        page.goto(f'{sheet}#conductor-api@{nowhere}')
        assert step(shown) == 0


def test_the_search_box_finds_names_and_values(page, shown):
    shown.locator('[data-action="first"]').click()
    shown.locator('[data-part="find"]').fill('requested_destination')
    assert shown.locator('[data-part="found"]').inner_text().startswith('in ')
    assert shown.locator('.map.shown rect.hit').count() > 2
    seen = []
    for _ in range(3):
        shown.locator('[data-part="find"]').press('Enter')
        seen.append(step(shown))
        assert shown.locator('[data-pane="payload"] mark.found').first.is_visible()
    assert seen == sorted(set(seen))
    shown.locator('[data-part="find"]').press('Shift+Enter')
    assert step(shown) == seen[1]
    page.screenshot(path=SHOTS / f'find-{page.theme}.png')
    shown.locator('[data-part="find"]').fill('no such thing')
    assert shown.locator('[data-part="found"]').inner_text() == 'not found'


def test_a_field_is_followed_by_a_click_on_its_name(page, shown, sheet):
    page.goto(f'{sheet}#conductor-api@live_migrate')
    shown.locator('[data-pane="payload"] > ul > li > code', has_text='host_name').click()
    assert shown.locator('[data-pane="payload"] li.followed code', has_text='host_name').is_visible()
    assert shown.locator('[data-pane="source"] mark.followed', has_text='host_name').count() > 1
    assert shown.locator('.map.shown .ribbon').count() > 2
    look(shown, 'journey')
    assert 'host on its way' in shown.locator('[data-part="journey"]').inner_text()
    rows = shown.locator('[data-part="journey"] tr')
    texts = [row.inner_text() for row in rows.all()]
    assert 'command line' in texts[1]
    assert any('requested_destination' in text for text in texts)
    assert shown.locator('[data-part="journey"] tr.here').count() >= 1
    page.screenshot(path=SHOTS / f'follow-{page.theme}.png', full_page=True)
    rows.last.locator('[data-goto]').first.click()
    assert shown.get_attribute('data-node') == 'conductor'


def test_the_same_box_finds_and_follows(page, shown):
    box = shown.locator('[data-part="find"]')
    box.fill('instance.task_state')
    box.press('Enter')
    look(shown, 'journey')
    assert 'instance.task_state on its way' in shown.locator('[data-part="journey"]').inner_text()
    assert shown.locator('[data-part="found"]').inner_text() == ''
    box.fill('no_such_field')
    assert 'instance.task_state on its way' in shown.locator('[data-part="journey"]').inner_text()
    assert shown.locator('[data-part="found"]').inner_text() == 'not found'


def test_the_bus_is_a_node_of_its_own(page, shown):
    shown.locator('.map.shown rect.bus').click(force=True)
    assert shown.get_attribute('data-node') == 'bus'
    letter = shown.locator('.letter')
    text = letter.inner_text()
    for word in ('cast', 'conductor', 'compute_task', '1.15', 'live_migrate_instance'):
        assert word in text
    letter.locator('summary').click()
    wire = json.loads(letter.locator('details code').inner_text())
    assert wire['args']['request_spec']['nova_object.name'] == 'RequestSpec'
    page.screenshot(path=SHOTS / f'bus-{page.theme}.png')


def test_the_map_shows_the_whole_request_and_leads_everywhere(page, shown):
    pane, map_ = shown.locator('[data-pane="map"]'), shown.locator('.map.shown')
    bars, steps = map_.locator('rect[data-x]'), int(shown.get_attribute('data-steps'))
    assert bars.count() == steps
    assert pane.evaluate('each => [each.scrollWidth <= each.clientWidth, each.scrollHeight <= each.clientHeight]') == [
        True, True]
    for index in (3, steps - 1):
        map_.locator(f'rect[data-bar="{index}"]').click(force=True)
        assert step(shown) == index
        assert map_.locator('[aria-current="step"]').get_attribute('data-bar') == str(index)
    map_.locator('.leg', has_text='4 controller').first.click()
    assert shown.get_attribute('data-node') == 'api'
    around = set(map_.locator('.open').evaluate_all('all => all.map(each => each.dataset.bar)'))
    assert {'0', shown.get_attribute('data-step')} < around
    map_.locator('rect[data-bar="0"]').hover(force=True)
    told = shown.locator('[data-part="tip"]').inner_text()
    assert 'step 1: OpenStackComputeShell.main' in told and 'live-migration' in told
    shown.locator('.now').hover()
    assert not shown.locator('[data-part="tip"]').is_visible()


def test_the_map_can_be_dragged_along(page, shown):
    box = shown.locator('.map.shown').bounding_box()
    y = box['y'] + box['height'] * 0.6
    page.mouse.move(box['x'] + box['width'] * 0.3, y)
    page.mouse.down()
    seen = []
    for part in (0.4, 0.6, 0.8):
        page.mouse.move(box['x'] + box['width'] * part, y, steps=4)
        page.wait_for_timeout(100)  # the browser reports moves once a frame
        seen.append(moment(shown))
    page.mouse.up()
    assert seen == sorted(set(seen))
    page.mouse.move(box['x'] + box['width'] * 0.2, y)
    assert moment(shown) == seen[-1]


def test_a_long_bar_leads_to_its_nearer_end(page, shown):
    box = shown.locator('.map.shown rect[data-bar="0"]').bounding_box()
    for part, goal in ((0.1, 'entry'), (0.9, 'return')):
        page.mouse.click(box['x'] + box['width'] * part, box['y'] + box['height'] / 2)
        assert moment(shown) == (0, goal)


def test_a_pane_scrolls_only_after_a_click_into_it(page, shown):
    page.set_viewport_size({'width': 1100, 'height': 700})
    page.evaluate('document.body.style.paddingBottom = "2000px"')
    look(shown, 'source')
    for pane in ('[data-pane="source"]', '[data-pane="payload"]'):
        page.evaluate('scrollTo(0, 0)')
        shown.locator('.now').click()
        inner = shown.locator(pane)
        inner.hover()
        before = inner.evaluate('each => each.scrollTop')
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(300)
        assert page.evaluate('scrollY') > 100
        assert inner.evaluate('each => each.scrollTop') == before
    page.evaluate('scrollTo(0, 0)')
    code = shown.locator('[data-pane="source"]')
    code.click(position={'x': 3, 'y': 3})
    before = code.evaluate('each => each.scrollTop')
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(300)
    assert code.evaluate('each => each.scrollTop') != before
    page.set_viewport_size({'width': 1500, 'height': 1100})


def test_two_runs_are_compared(page, compared):
    shown = compared
    assert 'the same until conductor-api; then call instead of cast' in shown.locator('.words').inner_text()
    maps = shown.locator('.map')
    assert [each['height'] for each in (maps.nth(0).bounding_box(), maps.nth(1).bounding_box())] == [93, 93]
    assert maps.nth(0).locator('rect.common[data-station="_migrate_live"]').count() == 1
    assert maps.nth(0).locator('rect:not(.common)[data-station="cast"]').count() == 1
    look(shown, 'more')
    for _ in range(int(shown.get_attribute('data-steps'))):  # each step is somewhere in the table
        assert shown.locator('.beside tr.here').count() == 1
        shown.locator('[data-action="next"]').click()
    page.evaluate("location.hash = '#conductor-api@cast'")
    shown.locator('.map.apart').wait_for(state='attached')  # the other run does not come here
    shown.locator('[data-action="swap"]').click()
    assert shown.get_attribute('data-run') == '1'
    assert 'show A' in shown.locator('.other').inner_text()
    page.evaluate("location.hash = '#conductor-api@send'")
    shown.locator('.differs').wait_for()
    assert 'wait_for_reply' in shown.locator('.differs').inner_text()
    shown.locator('.beside tr.dropped [data-goto]').first.click()
    assert shown.get_attribute('data-run') == '0'
    page.screenshot(path=SHOTS / f'compare-{page.theme}.png', full_page=True)
    bar = maps.nth(1).locator('rect[data-station="_migrate_live"]').bounding_box()
    page.mouse.click(bar['x'] + 2, bar['y'] + bar['height'] / 2)
    assert shown.get_attribute('data-run') == '1'
    assert shown.locator('[aria-current="step"]').get_attribute('data-station') == '_migrate_live'


def test_everything_can_be_reached_by_keyboard(page, compared):
    shown = compared
    shown.focus()
    page.keyboard.press('/')
    assert page.evaluate('document.activeElement.dataset.part') == 'find'
    shown.locator('[data-pane="flowchart"] [tabindex="0"]').focus()
    here = page.evaluate('document.activeElement.dataset.station')
    page.keyboard.press('ArrowDown')
    assert page.evaluate('document.activeElement.dataset.station') != here
    goal = page.evaluate('document.activeElement.dataset.station')
    page.keyboard.press('Enter')
    assert shown.locator('[aria-current="step"]').get_attribute('data-station') == goal
    assert shown.locator('[data-pane="flowchart"] [tabindex="0"]').count() == 1
    look(shown, 'source')
    reached = []
    shown.focus()
    for _ in range(60):
        page.keyboard.press('Tab')
        reached.append(page.evaluate('''() => {
            const { action, part, pane, crumb } = document.activeElement.dataset;
            return action ?? part ?? pane ?? (crumb && "crumb");
        }'''))
    assert {'first', 'last', 'map', 'previous', 'next', 'over', 'out', 'play', 'every', 'find', 'view', 'swap', 'crumb',
            'source', 'payload'} <= set(reached)


def test_there_are_few_controls(page, shown):
    controls = shown.locator(':is(.head, .controls) :is(button, input, select, summary)')
    assert controls.count() <= 10


def test_each_step_has_a_spoken_line(page, shown):
    assert shown.locator('.now').get_attribute('aria-live') == 'polite'
    shown.locator('[data-action="first"]').click()
    shown.locator('[data-part="every"]').check()
    said = set()
    for _ in range(2 * int(shown.get_attribute('data-steps')) - 1):
        said.add(shown.locator('.now').inner_text())
        page.evaluate(FORWARD, shown.element_handle())
    assert len(said) > 60
    assert all(' · ' in line for line in said)
    assert all(line.count('going in') + line.count('coming back') == 1 for line in said)


def test_everything_can_be_read(page, compared):
    shown = compared
    for view in ('source', 'more', 'journey', 'legend'):
        look(shown, view)
        assert hard_to_read(page, shown) == []
    shown.locator('.map.shown rect.bus').click(force=True)
    assert hard_to_read(page, shown) == []


def test_axe_finds_nothing_serious(page, shown):
    assert hard_to_use(page, '[data-explorer="player"]') == []


def test_a_step_changes_the_page_before_the_event_is_over(page, shown):
    shown.locator('[data-part="every"]').check()
    shown.locator('[data-action="first"]').click()
    median, changed = page.evaluate(LATENCY, shown.element_handle())
    assert changed == 50
    (SHOTS / f'latency-export-{page.theme}.json').write_text(json.dumps({'median_ms': median}))


def test_a_hostile_payload_is_shown_as_text_and_harms_nothing(page, tmp_path):
    trace = run(Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action',
        'headers': {'Content-Type': 'application/json', 'X-Odd': '<b>'},
        'body': {'os-migrateLive': {'host': HOSTILE, 'block_migration': 'auto', HOSTILE: 'x' * 60_000,
                                    **{f'field{number}': number for number in range(1000)}}}}))
    (tmp_path / 'page.html').write_text(export(trace, 'controller'))
    page.goto((tmp_path / 'page.html').as_uri())
    shown = page.locator('[data-explorer="player"]')
    shown.locator('[data-part="every"]').check()
    shown.locator('[data-action="first"]').click()
    for _ in range(2 * int(shown.get_attribute('data-steps')) - 1):
        page.evaluate(FORWARD, shown.element_handle())
        assert shown.locator('img, script, iframe').count() == 0
    shown.locator('[data-part="find"]').fill('onerror')
    assert shown.locator('[data-part="found"]').inner_text().startswith('in ')
    shown.locator('[data-part="find"]').press('Enter')
    assert page.evaluate('window.hacked') is None


# A model like that of the notebook's widgets: all names are set, then each change is reported, in any order.
TOLD = """async ([module, before, after, orders]) => {
  const { default: { render } } = await import(`data:text/javascript;base64,${module}`);
  return orders.map(order => {
    const heard = {}, state = { ...before }, el = document.createElement('div');
    render({ el, model: {
      get: name => state[name], set: (name, value) => { state[name] = value; }, save_changes: () => {}, send: () => {},
      on: (name, follow) => { heard[name] = follow; },
    } });
    Object.assign(state, after);
    for (const name of order) heard[`change:${name}`]();
    return [el.firstChild.dataset.run, el.firstChild.dataset.step, state.run, state.at].map(Number);
  });
}"""


def test_the_second_run_is_shown_whatever_the_order_of_the_changes(page):
    widget, names = explore('conductor-api'), ('content', 'form', 'run', 'at', 'moment')
    before = {name: getattr(widget, name) for name in (*names, 'message')}
    widget.compare()
    after, orders = {name: getattr(widget, name) for name in names}, list(itertools.permutations(names))
    page.goto('about:blank')
    module = base64.b64encode(MODULE.read_bytes()).decode()
    told = page.evaluate(TOLD, [module, before, after, orders])
    assert told == [[1, widget.at, 1, widget.at]] * len(orders)


# Uses all that sends something in what a module shows; returns what it sent, and which traits it set.
USED = """async ([module, state]) => {
  const { default: { render } } = await import(`data:text/javascript;base64,${module}`);
  const el = document.createElement('div'), sent = [], set = {};
  document.body.replaceChildren(el);
  const model = { get: name => state[name], set: (name, value) => { set[name] = value; }, save_changes: () => {},
                  send: said => sent.push(said), on: () => {}, off: () => {} };
  const end = render({ el, model });
  for (const form of el.querySelectorAll('form')) {
    const input = form.querySelector('input[name]:not([type="radio"]), textarea, select, input');
    if (input?.type === 'radio') input.checked = true;
    else if (input) input.value ||= 'a';
    input?.dispatchEvent(new Event('change', { bubbles: true }));
    form.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }));
  }
  const others = '[data-action="full"], [data-action="swap"], [type="submit"]';
  for (const button of el.querySelectorAll(`button[data-action]:not(${others})`)) button.click();
  end();
  return [JSON.parse(JSON.stringify(sent)), set];
}"""


def test_the_player_sends_what_the_protocol_describes(page):
    widget, names = explore('rpc'), protocol.PlayerTraits.__annotations__
    seen = []
    page.goto('about:blank')
    for prepare in (lambda: None, lambda: widget.send({'caller': 'reader'}), widget.compare):
        prepare()
        state = {name: getattr(widget, name) for name in names}
        sent, set_ = page.evaluate(USED, [base64.b64encode(MODULE.read_bytes()).decode(), state])
        assert set(set_) <= {'run', 'at', 'moment'}
        seen += sent
    known = kinds(protocol.PlayerMessage)
    assert [each for said in seen for each in misfits(said, known[said['kind']])] == []
    assert {said['kind'] for said in seen} == set(known)


def test_the_cards_send_what_the_protocol_describes(page):
    progress = Progress()
    html = ''.join(cards.card_html(task, cards.told(task, progress)) for task in TASKS.values())
    page.goto('about:blank')
    module = base64.b64encode(cards.CARD_MODULE.read_bytes()).decode()
    seen, set_ = page.evaluate(USED, [module, {'html': html, 'title': 'all', 'said': ''}])
    assert set_ == {}
    known = kinds(protocol.CardMessage)
    assert [each for said in seen for each in misfits(said, known[said['kind']])] == []
    assert {said['kind'] for said in seen} == set(known)
    assert {said['task'] for said in seen} == set(TASKS)
    values = {frozenset(said['values']) for said in seen if said['kind'] == 'answer' and said['values']}
    assert values == {frozenset({'answer'}), frozenset({'status', 'message', 'task_state'})}
