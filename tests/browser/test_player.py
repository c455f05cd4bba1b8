"""The notebook in JupyterLab, in Chromium: Run All Cells, then use the players as a student would."""

import json
import re

import pytest

from explorer import EXPLORATIONS
from tests.browsing import (
    LATENCY,
    SCROLL,
    SHOTS,
    choose,
    chromium,
    hard_to_read,
    hard_to_use,
    height,
    jupyter,
    look,
    moment,
    opened,
    player,
    step,
    wait_for,
)
from tests.conftest import has_nova

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip('playwright.sync_api')

KEYS = [row.key for row in EXPLORATIONS]
HOSTILE = '<img src=x onerror="window.hacked=1">'


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """The notebook in JupyterLab, after Run All Cells."""
    with (jupyter(tmp_path_factory.mktemp('lab'), 'lab') as address,
          chromium(viewport={'width': 1600, 'height': 1000}) as page):
        page.goto(f'{address}lab/tree/notebooks/01_nova_api.ipynb')
        page.locator('#jp-main-statusbar', has_text=re.compile(r'Python 3.*Idle')).wait_for(timeout=120_000)
        page.screenshot(path=SHOTS / 'opened.png')
        page.stored = player_as_stored(page)
        choose(page, 'Edit', 'Clear Outputs of All Cells')  # because the stored numbers look like a run
        choose(page, 'Run', 'Run All Cells')
        bottom(page)
        last = page.locator('.jp-CodeCell').last
        last.locator('.jp-InputPrompt', has_text=re.compile(r'\[\d+\]')).wait_for(timeout=120_000)
        yield page


def player_as_stored(page):
    """Return the heads of the table that stands for the first player before anything was run."""
    for top in range(0, 6000, 300):
        page.evaluate(SCROLL, top)
        page.wait_for_timeout(100)
        output = page.locator('.jp-OutputArea-output', has=page.locator('h4', has_text=EXPLORATIONS[0].title))
        found = output.locator('table')
        if found.count():
            return ' '.join(found.first.locator('th').all_text_contents())
    raise AssertionError('no player is stored')


def bottom(page):
    page.evaluate("""() => {
      const outer = [...document.querySelectorAll('.jp-WindowedPanel-outer')].pop();
      outer.scrollTop = outer.scrollHeight;
    }""")


@pytest.mark.parametrize('key', KEYS)
def test_each_exploration_shows_its_player(page, key):
    shown = player(page, key)
    panes = ('map', 'flowchart', 'source', 'payload')
    assert [shown.locator(f'[data-pane="{name}"]').count() for name in panes] == [1, 1, 1, 1]
    assert shown.locator('[data-station][aria-current="step"]').count() == 1
    assert 'stop 1 of ' in shown.locator('[data-part="count"]').inner_text()
    while moment(shown)[1] != 'return':
        shown.locator('[data-action="over"]').click()
    assert shown.locator('[data-pane="source"] .ran').count() > 0
    assert shown.locator('[data-pane="payload"] li').count() > 0
    assert 0 <= step(shown) < int(shown.get_attribute('data-steps'))
    assert hard_to_read(page, shown) == []
    shown.screenshot(path=SHOTS / f'{key}-light.png')


def test_before_it_is_run_the_notebook_shows_the_steps_in_focus(page):
    assert page.stored.startswith('step where station what it')


def test_no_cell_failed(page):
    stderr = '.jp-RenderedText[data-mime-type="application/vnd.jupyter.stderr"]'
    assert page.locator(f'{stderr}, .jp-RenderedText [class*="ansi-red"]').count() == 0


def test_buttons_and_keys_step_both_ways(page):
    shown = player(page, 'controller')
    shown.locator('[data-part="every"]').check()
    shown.focus()
    for key, goal in (('Home', (0, 'entry')), ('ArrowRight', (1, 'entry')), ('ArrowRight', (2, 'entry')),
                      ('ArrowLeft', (1, 'entry')), ('Home', (0, 'entry')), ('ArrowLeft', (0, 'entry'))):
        page.keyboard.press(key)
        assert moment(shown) == goal, key
    for action, goal in (('next', (1, 'entry')), ('next', (2, 'entry')), ('previous', (1, 'entry')),
                         ('first', (0, 'entry'))):
        shown.locator(f'button[data-action="{action}"]').click()
        assert moment(shown) == goal, action
    shown.focus()
    page.keyboard.press('Space')
    page.wait_for_function('element => Number(element.dataset.step) >= 2', arg=shown.element_handle(), timeout=10_000)
    page.keyboard.press('Space')
    cells = page.locator('.jp-Cell').count()
    for key in 'abdd':  # elsewhere these are commands of the notebook
        page.keyboard.press(key)
    assert page.locator('.jp-Cell').count() == cells
    shown.locator('[data-part="every"]').uncheck()


def test_a_click_on_a_bar_or_a_box_goes_to_its_step(page):
    shown = player(page, 'controller')
    shown.locator('.map [data-station="can"]').click(force=True)
    current = shown.locator('[aria-current="step"]')
    assert current.get_attribute('data-station') == 'can'
    assert 'RequestContext.can' in shown.locator('.now').inner_text()
    shown.locator('[data-pane="flowchart"] [data-station="get_instance"]').click()
    assert current.get_attribute('data-station') == 'get_instance'
    look(shown, 'source')


def test_nothing_scrolls_inside_a_card_or_a_player_by_accident(page):
    shown = player(page, 'controller')
    inside = page.evaluate("""() => [...document.querySelectorAll('.jp-OutputArea-output')].filter(each =>
        each.querySelector('[data-explorer]') && each.scrollHeight > each.clientHeight).length""")
    assert inside == 0
    shown.locator('.now').click()
    shown.locator('[data-pane="source"]').hover()
    top = "() => [...document.querySelectorAll('.jp-WindowedPanel-outer')].pop().scrollTop"
    before = page.evaluate(top)
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(500)
    assert page.evaluate(top) > before


def test_send_reruns_the_path_with_the_content_of_the_form(page):
    shown = player(page, 'controller')
    opened(shown)
    shown.locator('select[name="caller"]').select_option('reader')
    assert shown.get_attribute('data-unsent') is not None
    assert shown.locator('.asked').inner_text().count('202') == 1  # the old result is still there, but it steps back
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '403 Forbidden')
    assert shown.get_attribute('data-unsent') is None
    assert not shown.locator('form').is_visible()
    assert shown.locator('[aria-current="step"]').get_attribute('data-station') == 'authorize'
    assert moment(shown)[1] == 'return'
    assert '✗ refused' in shown.locator('[data-pane="flowchart"] [data-station="authorize"]').text_content()
    shown.screenshot(path=SHOTS / 'refused-light.png')
    opened(shown)
    shown.locator('select[name="caller"]').select_option('admin')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '202')


def compared(shown, how):
    shown.locator('[data-part="menu"] summary').click()
    shown.locator(f'[data-action="{how}"]').click()


def test_a_form_that_was_changed_back_is_not_unsent(page):
    shown = player(page, 'controller')
    form = opened(shown)
    form.locator('[name="share"]').check()
    assert 'changed, not sent' in shown.locator('[data-action="change"]').evaluate(
        'each => getComputedStyle(each, "::after").content')
    form.locator('[name="share"]').uncheck()
    sync_api.expect(shown).not_to_have_attribute('data-unsent', '')
    page.keyboard.press('Escape')
    assert not form.is_visible()
    assert page.evaluate('document.activeElement.dataset.action') == 'change'


def test_a_send_is_spoken_and_keeps_what_is_looked_at(page):
    shown = player(page, 'controller')
    look(shown, 'journey')
    opened(shown).locator('input[name="host"]').fill('host2')
    shown.locator('[data-action="send"]').focus()
    page.keyboard.press('Enter')
    wait_for(shown, '.asked', 'host2')
    assert shown.locator('[data-part="journey"]').is_visible()
    assert page.evaluate('element => document.activeElement === element', shown.element_handle())
    assert '202 Accepted' in shown.locator('xpath=following-sibling::*[@role="status"]').text_content()
    look(shown, 'source')
    opened(shown).locator('input[name="host"]').fill('')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', 'nova live-migration web-1 as admin')


def test_command_body_headers_and_switches_are_kept_in_step(page):
    shown = player(page, 'controller')
    control = {name: shown.locator(f'[name="{name}"]')
               for name in ('command', 'body', 'headers', 'microversion', 'block_migrate')}
    opened(shown)
    control['command'].fill('nova --os-compute-api-version 2.29 live-migration --block-migrate web-1')
    control['command'].press('Tab')
    sync_api.expect(control['body']).to_have_value('{"os-migrateLive": {"host": null, "block_migration": true}}')
    sync_api.expect(control['microversion']).to_have_value('2.29')
    assert 'OpenStack-API-Version: compute 2.29' in control['headers'].input_value()
    control['body'].fill('{"os-migrateLive": {"host": "host2", "block_migration": "auto"}}')
    control['body'].press('Tab')
    sync_api.expect(control['command']).to_have_value('nova --os-compute-api-version 2.29 live-migration web-1 host2')
    sync_api.expect(control['block_migrate']).not_to_be_checked()
    shown.screenshot(path=SHOTS / 'form-light.png')
    control['body'].fill('{"os-migrateLive": {}}')
    shown.locator('[data-action="send"]').click()  # sent as edited, before the answer to the edit
    wait_for(shown, '.asked', '400')
    sync_api.expect(control['command']).to_have_value('')
    assert '_SchemaValidator.validate' in shown.locator('.now').inner_text()
    assert 'domain error ValidationError' in shown.locator('[data-pane="payload"] .layers').inner_text()
    opened(shown)
    control['command'].fill('nova live-migration web-1')
    control['command'].press('Enter')
    wait_for(shown, '.asked', '202')


def test_an_invalid_request_is_reported_in_one_line(page):
    shown = player(page, 'routes')
    opened(shown).locator('input[name="microversion"]').fill('abc')
    shown.locator('[data-action="send"]').click()
    for _ in range(2):  # the second time it is the same line
        wait_for(shown, '.message', "'abc' is not a microversion; use one like 2.34, or latest")
        shown.locator('[data-action="send"]').click()
    wait_for(shown, '.message', "'abc' is not a microversion; use one like 2.34, or latest")
    assert page.get_by_text('Traceback').count() == 0
    beside = shown.locator('label.microversion + .message')  # it stands at the control that is wrong
    assert beside.is_visible()
    opened(shown).locator('input[name="command"]').fill('nova fly')
    shown.locator('input[name="command"]').press('Tab')
    wait_for(shown, 'label.command + .message', 'this is not a command of the nova client')
    shown.locator('input[name="command"]').fill('nova live-migration web-1')
    shown.locator('input[name="command"]').press('Tab')
    sync_api.expect(shown.locator('.message')).to_have_text('')
    shown.locator('input[name="microversion"]').fill('')
    shown.locator('[data-action="send"]').click()
    sync_api.expect(shown.locator('.message')).to_have_text('')
    wait_for(shown, '.asked', '202')


def test_compare_takes_the_other_way(page):
    shown = player(page, 'rpc')
    shown.locator('[data-action="next"]').click()
    before = moment(shown)
    compared(shown, 'compare')
    wait_for(shown, '.words', 'then call instead of cast')
    assert shown.get_attribute('data-run') == '1'
    shown.screenshot(path=SHOTS / 'call-light.png')
    shown.locator('[data-action="swap"]').click()
    assert shown.get_attribute('data-run') == '0'
    shown.locator('[data-action="close"]').click()
    sync_api.expect(shown.locator('.words')).to_have_text('')
    assert moment(shown) == before  # back where it began


def test_the_real_nova_is_compared_with_the_miniature(page):
    shown = player(page, 'service')
    compared(shown, 'beside')
    wait_for(shown, '.words', 'visits in the same order; the same message, the same response, the same final')
    assert 'answered by the real Nova 34.0.0' in shown.locator('.asked').inner_text()
    shown.locator('.map.shown [data-station="URLMap"]').click(force=True)
    told = shown.locator('[data-pane="payload"] .differs')
    assert 'this visit, compared with the real Nova: simplified' in told.inner_text()
    told.locator('summary').click()
    assert 'weighs the Accept header' in told.inner_text()
    shown.screenshot(path=SHOTS / 'beside-light.png')
    assert hard_to_read(page, shown) == []
    shown.locator('[data-action="swap"]').click()
    sync_api.expect(shown.locator('.asked')).not_to_contain_text('real Nova')
    assert shown.locator('[data-pane="source"] .badge').inner_text() in ('same', 'simplified')
    shown.locator('[data-action="close"]').click()
    sync_api.expect(shown.locator('.words')).to_have_text('')


def test_a_request_without_a_recording_is_reported_or_sent_to_the_live_one(page):
    shown = player(page, 'service')
    opened(shown).locator('input[name="host"]').fill('host1')
    shown.locator('input[name="microversion"]').fill('2.50')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '2.50')
    compared(shown, 'beside')
    place, text = (('.words', 'visits in the same order') if has_nova() else
                   ('.message', 'there is no recording of this request, and'))
    shown.locator(place, has_text=text).wait_for(timeout=60_000)
    if has_nova():  # then its source is available, with the lines that ran
        shown.locator('.map.shown [data-station="live_migrate"]').click(force=True)
        shown.locator('[data-action="over"]').click()
        assert shown.locator('[data-pane="source"] .ran').count() > 10
        shown.screenshot(path=SHOTS / 'live-light.png')
        shown.locator('[data-action="close"]').click()
        sync_api.expect(shown.locator('.words')).to_have_text('')
    opened(shown).locator('input[name="host"]').fill('')
    shown.locator('input[name="microversion"]').fill('')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '202')


def test_a_run_can_be_compared_with_the_one_before(page):
    shown = player(page, 'compute-api')
    opened(shown).locator('select[name="vm_state"]').select_option('stopped')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '409')
    compared(shown, 'before')
    wait_for(shown, '.words', 'rejected by check_instance_state, with 409 instead of 202')
    shown.screenshot(path=SHOTS / 'before-light.png')
    shown.locator('[data-action="close"]').click()
    sync_api.expect(shown.locator('.words')).to_have_text('')
    opened(shown).locator('select[name="vm_state"]').select_option('active')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '202')


def test_a_field_can_be_followed_and_a_name_found(page):
    shown = player(page, 'conductor-api')
    shown.locator('[data-part="find"]').fill('instance.task_state')
    shown.locator('[data-part="find"]').press('Tab')
    assert 'instance.task_state' in shown.locator('.map text.ribbon.name').text_content()
    shown.locator('[data-part="find"]').fill('migrating')
    shown.locator('[data-part="find"]').press('Enter')
    assert shown.locator('[data-pane="payload"] mark.found').count() > 0


def test_a_link_in_the_text_leads_to_a_position(page):
    shown = player(page, 'rpc')
    page.locator('a[href$="#rpc@send"]').click()
    sync_api.expect(shown).to_have_attribute('data-node', 'bus')
    assert page.evaluate('element => document.activeElement === element', shown.element_handle())
    assert shown.locator('[aria-current="step"]').get_attribute('data-station') == 'send'
    assert shown.locator('.letter').is_visible()


def test_steps_do_not_wait_for_the_kernel(page):
    shown = player(page, 'routes')
    shown.locator('[data-part="every"]').check()
    shown.locator('[data-action="first"]').click()
    idle, changed = page.evaluate(LATENCY, shown.element_handle())
    assert changed == 50
    busy = page.evaluate(  # no message of the kernel can arrive while a script runs
        f'async root => {{ root.querySelector(\'[data-action="send"]\').click(); return ({LATENCY})(root); }}',
        shown.element_handle())
    assert busy[1] == 50
    (SHOTS / 'latency-lab.json').write_text(json.dumps({'idle_median_ms': idle, 'busy_median_ms': busy[0]}))
    wait_for(shown, '.asked', '202')


def test_axe_finds_nothing_serious(page):
    player(page, 'controller')
    assert hard_to_use(page, '[data-exploration="controller"]') == []
    opened(player(page, 'controller'))
    assert hard_to_use(page, '[data-exploration="controller"]') == []
    page.keyboard.press('Escape')


def test_no_payload_is_run_as_code(page):
    shown = player(page, 'client')
    opened(shown).locator('input[name="host"]').fill(HOSTILE)
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '400')
    shown.focus()
    page.keyboard.press('Home')
    shown.locator('[data-part="every"]').check()
    for _ in range(2 * int(shown.get_attribute('data-steps')) - 1):
        page.keyboard.press('ArrowRight')
        assert shown.locator('img, script, iframe').count() == 0
    assert page.evaluate('window.hacked') is None
    assert '<img' in shown.locator('.asked').inner_text()
    opened(shown).locator('input[name="host"]').fill('')
    shown.locator('[data-action="send"]').click()
    wait_for(shown, '.asked', '202')


@pytest.mark.parametrize('key', KEYS)
def test_the_players_can_be_read_in_the_dark_theme(page, key):
    if page.locator('body[data-jp-theme-light="true"]').count():
        page.get_by_role('menuitem', name='Settings', exact=True).click()
        page.locator('.lm-Menu-item', has_text=re.compile('^Theme')).first.hover()
        page.locator('.lm-Menu-item', has_text=re.compile('^JupyterLab Dark$')).first.click()
        page.wait_for_selector('body[data-jp-theme-light="false"]', state='attached')
    shown = player(page, key)
    shown.screenshot(path=SHOTS / f'{key}-dark.png')
    assert hard_to_read(page, shown) == []


def test_the_console_has_no_errors(page):
    assert page.errors == []


@pytest.mark.parametrize(('size', 'tall'), [((1440, 900), 640), ((1280, 720), 600)])
def test_a_player_fits_on_the_screen(page, size, tall):
    page.set_viewport_size({'width': size[0], 'height': size[1]})
    for key in KEYS:
        shown = player(page, key)
        shown.screenshot(path=SHOTS / f'{key}-{size[0]}.png')
        assert height(shown) == tall
        widths = [shown.locator(f'[data-pane="{name}"]').bounding_box()['width'] for name in ('source', 'payload')]
        assert min(widths) > 250


def test_after_a_reload_the_players_are_there_again(page):
    page.set_viewport_size({'width': 1600, 'height': 1000})
    choose(page, 'File', 'Save Notebook')
    page.reload()
    page.locator('#jp-main-statusbar', has_text=re.compile(r'Python 3.*Idle')).wait_for(timeout=120_000)
    shown = player(page, 'routes')
    shown.focus()
    page.keyboard.press('Home')
    assert moment(shown) == (0, 'entry')
    page.keyboard.press('ArrowRight')
    assert step(shown) > 0


def test_after_a_restart_of_the_kernel_the_player_and_the_cards_say_so(page):
    shown = player(page, 'routes')
    choose(page, 'Kernel', 'Restart Kernel…')
    page.locator('.jp-Dialog button.jp-mod-warn').click()
    page.locator('#jp-main-statusbar', has_text=re.compile(r'Python 3.*Idle')).wait_for(timeout=120_000)
    shown = player(page, 'routes')
    compared(shown, 'compare')
    wait_for(shown, '.message', 'The kernel was restarted. Run the cells again from the top.')
    before = moment(shown)
    shown.locator('[data-action="next"]').click()
    assert moment(shown) != before  # stepping needs no kernel
    card = page.locator('[data-explorer="card"]', has=page.locator('input[type="radio"]')).first
    card.locator('input[type="radio"]').first.check()
    card.locator('[type="submit"]').first.click()
    said = page.locator('.explorer-alert', has_text='The kernel was restarted. Run the cells again from the top.')
    said.first.wait_for(timeout=5_000)
