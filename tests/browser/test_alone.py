"""The exported page in Chromium, without a kernel or a network: it steps, searches, follows and compares."""

import base64
import itertools
import json

import pytest

from explorer import Scenario, explore, run
from explorer.player import protocol
from explorer.player.export import export
from explorer.player.widget import MODULE
from explorer.teaching import cards
from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.progress import Progress
from tests.browsing import LATENCY, SHOTS, chromium, hard_to_read, hard_to_use
from tests.player.test_protocol import kinds, misfits

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip('playwright.sync_api')
HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\u202e\ud800'


@pytest.fixture(scope='module')
def sheet(tmp_path_factory):
    """Return the address of a page that compares a call with a cast."""
    path = tmp_path_factory.mktemp('sheet') / 'page.html'
    cast, call = (run(Scenario(host='host2', microversion=version)) for version in ('2.34', '2.30'))
    path.write_text(export(cast, 'conductor-api', call, cards.sheet(QUESTIONS['conductor-api'].tasks)))
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
    return page.locator('[data-explorer="player"]')


def step(shown):
    return int(shown.get_attribute('data-step'))


# Presses the right arrow on a player.
FORWARD = 'root => root.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }))'


def test_it_opens_on_the_exploration(page, shown):
    assert shown.get_attribute('data-exploration') == 'conductor-api'
    assert shown.locator('[aria-current="step"]').count() == 1
    assert 'chooses between cast and call' in shown.locator('.now').inner_text()
    assert shown.locator('form').count() == 0
    page.screenshot(path=SHOTS / f'export-{page.theme}.png', full_page=True)


def test_the_lessons_questions_follow_to_read_and_to_print(page, shown):
    questions = page.locator('.sheet')
    for task in QUESTIONS['conductor-api'].tasks:
        assert questions.get_by_text(task.heading, exact=True).is_visible()
    assert hard_to_read(page, questions) == []
    assert questions.locator('p.line').count() == 3  # one for the check, two for the sentence
    page.emulate_media(media='print')
    assert questions.is_visible()
    page.emulate_media(media='screen')


def test_keys_and_buttons_step(page, shown):
    shown.focus()
    for key, goal in (('Home', 0), ('ArrowRight', 1), ('ArrowRight', 2), ('ArrowLeft', 1)):
        page.keyboard.press(key)
        assert step(shown) == goal
    shown.locator('[data-action="last"]').click()
    assert step(shown) == int(shown.get_attribute('data-steps')) - 1


def test_it_plays_at_the_chosen_pace(page, shown):
    shown.locator('[data-part="pace"]').select_option('0.5')
    shown.locator('[data-action="first"]').click()
    shown.locator('[data-action="play"]').click()
    page.wait_for_function('element => Number(element.dataset.step) >= 2', arg=shown.element_handle(), timeout=10_000)
    assert shown.locator('[data-action="play"]').get_attribute('aria-pressed') == 'true'
    shown.locator('[data-action="play"]').click()
    assert shown.locator('[data-action="play"]').get_attribute('aria-pressed') == 'false'


def test_the_link_holds_the_position(page, shown, sheet):
    shown.locator('[data-action="next"]').click()
    assert page.url.endswith(f'#conductor-api@{step(shown)}')
    for place, station in (('_migrate_live', '_migrate_live'), ('rpc', 'rpcapi.live_migrate_instance'), ('0', 'shell')):
        page.goto(f'{sheet}#conductor-api@{place}')
        assert shown.locator('[aria-current="step"]').get_attribute('data-station') == station
    for nowhere in ('moon', 'constructor', '__proto__', '999', '%E0%A4%A', ''):
        page.goto(f'{sheet}#conductor-api@{nowhere}')
        assert step(shown) == 0


def test_the_search_box_finds_names_and_values(page, shown):
    shown.locator('[data-action="first"]').click()
    shown.locator('[data-part="find"]').fill('requested_destination')
    assert shown.locator('[data-action="found"]').inner_text().startswith('in ')
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
    assert shown.locator('[data-action="found"]').inner_text() == 'not found in this run'


def test_a_field_is_followed_by_a_click_on_its_name_in_all_panes(page, shown):
    shown.locator('[data-pane="flowchart"] [data-station="live_migrate"]').click()
    shown.locator('[data-pane="payload"] > ul > li > code', has_text='host_name').click()
    assert shown.locator('[data-part="field"]').input_value() == 'host'
    assert shown.locator('[data-pane="payload"] li.followed code', has_text='host_name').is_visible()
    assert shown.locator('[data-pane="source"] mark.followed', has_text='host_name').count() > 1
    carriers = shown.locator('[data-station].carries')
    assert {'live_migrate', 'send'} <= {each.get_attribute('data-station') for each in carriers.all()}
    shown.locator('.journey summary').click()
    rows = shown.locator('.journey tr')
    texts = [row.inner_text() for row in rows.all()]
    assert 'command line' in texts[1]
    assert any('requested_destination' in text for text in texts)
    assert shown.locator('.journey tr.here').count() >= 1
    page.screenshot(path=SHOTS / f'follow-{page.theme}.png', full_page=True)
    rows.last.locator('[data-goto]').click()
    assert shown.get_attribute('data-node') == 'conductor'


def test_the_bus_is_a_node_of_its_own(page, shown):
    shown.locator('[data-action="bus"]').click()
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
    pane = shown.locator('[data-pane="map"]')
    bars, steps = pane.locator('rect[data-x]'), int(shown.get_attribute('data-steps'))
    assert bars.count() == steps
    assert pane.evaluate('each => [each.scrollWidth <= each.clientWidth, each.scrollHeight <= each.clientHeight]') == [
        True, True]
    for index in (3, steps - 1):
        pane.locator(f'rect[data-bar="{index}"]').click(force=True)
        assert shown.get_attribute('data-step') == str(index)
        assert pane.locator('.here').get_attribute('data-bar') == str(index)
        cursor, bar = (pane.locator(each).get_attribute('x') for each in ('.cursor', '.here'))
        assert cursor == bar
    pane.locator('.leg', has_text='4 controller').first.click()
    assert shown.get_attribute('data-node') == 'api'
    around = set(pane.locator('.open').evaluate_all('all => all.map(each => each.dataset.bar)'))
    assert {'0', shown.get_attribute('data-step')} < around
    pane.locator('rect[data-bar="0"]').hover(force=True)
    assert pane.get_attribute('title').startswith('OpenStackComputeShell.main')
    shown.locator('[data-part="field"]').fill('block_migration')
    shown.locator('[data-part="field"]').press('Enter')
    assert 0 < pane.locator('.ribbon').count() < steps


def test_two_runs_are_compared(page, shown):
    assert 'the same until conductor-api; then call instead of cast' in shown.locator('.words').inner_text()
    for _ in range(int(shown.get_attribute('data-steps'))):  # each step is somewhere in the table
        assert shown.locator('.beside tr.here').count() == 1
        shown.locator('[data-action="next"]').click()
    page.evaluate("location.hash = '#conductor-api@cast'")
    shown.locator('[data-station="cast"].alone').wait_for()
    assert 'in this run' in shown.locator('[data-station="cast"]').get_attribute('aria-label')
    shown.locator('[data-action="swap"]').click()
    assert shown.get_attribute('data-run') == '1'
    assert shown.locator('[data-station="rpcapi.migrate_server"].alone').count() == 1
    page.evaluate("location.hash = '#conductor-api@send'")
    shown.locator('.differs').wait_for()
    assert 'wait_for_reply' in shown.locator('.differs').inner_text()
    shown.locator('.beside tr.dropped [data-goto]').first.click()
    assert shown.get_attribute('data-run') == '0'
    page.screenshot(path=SHOTS / f'compare-{page.theme}.png', full_page=True)


def test_everything_can_be_reached_by_keyboard(page, shown):
    shown.focus()
    page.keyboard.press('/')
    assert page.evaluate('document.activeElement.dataset.part') == 'find'
    shown.locator('[data-pane="flowchart"] [aria-current="step"]').focus()
    here = page.evaluate('document.activeElement.dataset.station')
    page.keyboard.press('ArrowDown')
    assert page.evaluate('document.activeElement.dataset.station') != here
    goal = page.evaluate('document.activeElement.dataset.station')
    page.keyboard.press('Enter')
    assert shown.locator('[aria-current="step"]').get_attribute('data-station') == goal
    assert shown.locator('[data-pane="flowchart"] [tabindex="0"]').count() == 1


def test_each_step_has_a_spoken_line(page, shown):
    assert shown.locator('.now').get_attribute('aria-live') == 'polite'
    shown.locator('[data-action="first"]').click()
    said = set()
    for _ in range(int(shown.get_attribute('data-steps')) - 1):
        said.add(shown.locator('.now').inner_text())
        page.evaluate(FORWARD, shown.element_handle())
    assert len(said) > 60
    assert all(': ' in line for line in said)


def test_everything_can_be_read(page, shown):
    shown.locator('.journey summary').click()
    assert hard_to_read(page, shown) == []
    shown.locator('[data-action="bus"]').click()
    assert hard_to_read(page, shown) == []


def test_axe_finds_nothing_serious(page, shown):
    assert hard_to_use(page, '[data-explorer="player"]') == []


def test_a_step_changes_the_page_before_the_event_is_over(page, shown):
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
    for _ in range(int(shown.get_attribute('data-steps')) - 1):
        page.evaluate(FORWARD, shown.element_handle())
        assert shown.locator('img, script, iframe').count() == 0
    shown.locator('[data-part="find"]').fill('onerror')
    assert shown.locator('[data-action="found"]').inner_text().startswith('in ')
    shown.locator('[data-action="found"]').click()
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
    return [el.firstChild.dataset.run, el.firstChild.dataset.step, state.run, state.step].map(Number);
  });
}"""


def test_the_second_run_is_shown_whatever_the_order_of_the_changes(page):
    widget, names = explore('conductor-api'), ('content', 'form', 'run', 'step')
    before = {name: getattr(widget, name) for name in (*names, 'message')}
    widget.compare()
    after, orders = {name: getattr(widget, name) for name in names}, list(itertools.permutations(names))
    page.goto('about:blank')
    module = base64.b64encode(MODULE.read_bytes()).decode()
    told = page.evaluate(TOLD, [module, before, after, orders])
    assert told == [[1, widget.step, 1, widget.step]] * len(orders)


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
  const others = '[data-action="full"], [data-action="swap"], [type="submit"]'; // swap replaces the button close
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
        assert set(set_) <= {'run', 'step'}
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
