"""The lesson in JupyterLab, in Chromium: from the first card to the last, as a learner goes through it."""

import json
import re

import pytest

from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.questions.closing import CLOSING
from explorer.teaching.tasks import LETTERS, Build, Choice, Foretell, Sentence, written
from tests.browsing import SHOTS, WHOLE, choose, chromium, hard_to_read, hard_to_use, jupyter

pytestmark = pytest.mark.browser
pytest.importorskip('playwright.sync_api')

IDLE = re.compile(r'Python 3.*Idle')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('lesson')


@pytest.fixture(scope='module')
def page(folder):
    with jupyter(folder, 'lab', WHOLE) as address, chromium(viewport={'width': 1500, 'height': 950}) as page:
        page.goto(f'{address}lab/tree/notebooks/01_nova_api.ipynb')
        page.locator('#jp-main-statusbar', has_text=IDLE).wait_for(timeout=120_000)
        choose(page, 'Edit', 'Clear Outputs of All Cells')
        run_all(page)
        yield page


def run_all(page):
    choose(page, 'Run', 'Run All Cells')
    last = page.locator('.jp-CodeCell').last
    last.locator('.jp-InputPrompt', has_text=re.compile(r'\[\d+\]')).wait_for(timeout=180_000)


def form(page, key):
    """Return the form of a task."""
    found = page.locator(f'form[data-task="{key}"]').first
    # At once, because a card may be replaced meanwhile.
    found.evaluate('element => element.scrollIntoView({ block: "center" })')
    return found


def verdict(page, key, text):
    """Wait for the text below a form, unfold it with the keyboard and return it."""
    below = f'form[data-task="{key}"] + '
    shown = page.locator(f'{below}.verdict, {below}.reveal .verdict', has_text=text).first
    shown.wait_for(timeout=30_000, state='attached')
    if not shown.is_visible():
        page.locator(f'{below}.reveal > summary').first.press('Enter')
    shown.wait_for(timeout=30_000)
    return shown


def kept(folder):
    return json.loads((folder / 'notebooks/01_nova_api.progress.json').read_text())


def pick(page, key, letter):
    """Choose an option with the keyboard: focus the first one, go down to the letter, press Enter."""
    radios = form(page, key).locator('input[type="radio"]')
    radios.first.focus()
    page.keyboard.press('Space')
    for _ in range(LETTERS.index(letter)):
        page.keyboard.press('ArrowDown')
    page.keyboard.press('Enter')


def fill(page, task):
    """Answer a task correctly in its card."""
    shown = form(page, task.key)
    if isinstance(task, Choice):
        pick(page, task.key, task.right())
    elif isinstance(task, Foretell):
        right = task.solution()
        shown.locator('input[name="status"]').fill(str(right['status']))
        shown.locator('select[name="message"]').select_option(right['message'])
        shown.locator('input[name="task_state"]').fill(right['task_state'])
        page.keyboard.press('Enter')
    else:
        text = 'this is a sentence of my own' if isinstance(task, Sentence) else task.solution()
        shown.locator('input, textarea').first.fill(text)
        shown.locator('button[type="submit"]').press('Enter')


def test_no_cell_failed_and_nothing_is_answered_yet(page, folder):
    assert page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert page.locator('.verdict').count() == 0
    assert not (folder / 'notebooks/01_nova_api.progress.json').exists()
    assert {each.get_attribute('data-task') for each in page.locator('form[data-task]').all()} == set(TASKS)


@pytest.mark.parametrize('key', QUESTIONS)
def test_a_learner_can_do_every_leg(page, folder, key):
    cells = page.locator('.jp-Cell').count()
    for task in QUESTIONS[key].tasks:
        if task.name == 'predict':  # first wrong, then right
            wrong = next(letter for letter in LETTERS if letter != task.right())
            pick(page, task.key, wrong)
            verdict(page, task.key, 'Not so.')
            card = form(page, task.key).locator('xpath=ancestor::*[@data-explorer="card"]')
            card.screenshot(path=SHOTS / f'{key}-predicted.png')
        if isinstance(task, Build):
            for number in (1, 2, 3):
                form(page, task.key).locator('[data-action="hint"]').press('Enter')
                form(page, task.key).locator('li').nth(number - 1).wait_for(timeout=15_000)
            in_cell(page, f"lesson.check('{key}', {written(task.solution())})", f"lesson.check('{key}'")
        else:
            fill(page, task)
        says = 'Kept.' if isinstance(task, Sentence) else 'Right.'
        right = 'none' if isinstance(task, Sentence) else 'true'
        assert verdict(page, task.key, says).get_attribute('data-right') == right
    assert page.locator('.jp-Cell').count() == cells  # no key has leaked to the notebook
    assert {task.key for task in QUESTIONS[key].tasks} <= set(kept(folder)['answers'])


def cell_of(page, begins):
    """Find the code cell whose code begins with a text."""
    return page.locator('.jp-CodeCell', has=page.locator('.jp-InputArea-editor', has_text=begins)).first


def in_cell(page, text, begins):
    """Replace the code of the cell that begins with a text, and run it."""
    cell = cell_of(page, begins)
    cell.locator('.cm-content').click()
    page.keyboard.press('Control+a')
    page.keyboard.insert_text(text)
    page.keyboard.press('Control+Enter')
    cell.locator('.jp-OutputArea-output', has_text='Right.').wait_for(timeout=30_000)
    page.keyboard.press('Escape')


def test_the_closing_can_be_answered(page, folder):
    for task in TASKS.values():
        if task.leg == CLOSING:
            fill(page, task)
            verdict(page, task.key, 'Right.')
    assert set(kept(folder)['answers']) == set(TASKS)


def test_a_line_is_spoken_for_each_answer(page):
    pick(page, 'rpc.recall', next(letter for letter in LETTERS if letter != TASKS['rpc.recall'].right()))
    card = form(page, 'rpc.recall').locator(
        'xpath=ancestor::*[@data-explorer="card"]/following-sibling::p[@role="status"]')
    page.wait_for_function('element => element.textContent.startsWith("Not so.")', arg=card.element_handle())


def test_the_cards_can_be_read_and_used_in_both_themes(page):
    for theme in ('light', 'dark'):
        for key in ('client.predict', 'client.look-text', 'rpc.check', 'rpc.say', 'closing.foretell-1',
                    'closing.pause-whom'):
            card = form(page, key).locator('xpath=ancestor::*[@data-explorer="card"]')
            card.screenshot(path=SHOTS / f'card-{key}-{theme}.png')
            assert hard_to_read(page, card) == []
        if theme == 'light':
            assert hard_to_use(page, '[data-explorer="card"]') == []
            page.get_by_role('menuitem', name='Settings', exact=True).click()
            page.locator('.lm-Menu-item', has_text=re.compile('^Theme')).first.hover()
            page.locator('.lm-Menu-item', has_text=re.compile('^JupyterLab Dark$')).first.click()
            page.wait_for_selector('body[data-jp-theme-light="false"]', state='attached')


def test_unsent_text_survives_when_the_card_is_rendered_again(page):
    text = form(page, 'rpc.say').locator('textarea')
    text.fill('half a sen')
    form(page, 'rpc.look-text')  # another card
    cell_of(page, "lesson.check('rpc'").locator('.cm-content').click()
    page.keyboard.press('Control+Enter')
    verdict(page, 'rpc.check', 'Right.')
    assert text.input_value() == 'half a sen'


def test_after_a_restart_of_the_kernel_the_answers_are_there_again(page, folder):
    before = kept(folder)
    choose(page, 'Kernel', 'Restart Kernel and Clear Outputs')
    page.get_by_role('button', name='Confirm Kernel Restart').click()
    page.locator('#jp-main-statusbar', has_text=IDLE).wait_for(timeout=60_000)
    run_all(page)
    assert verdict(page, 'rpc.predict', 'Right.').get_attribute('data-right') == 'true'
    assert 'hint (3 of 3)' in form(page, 'rpc.check').inner_text()
    after = kept(folder)
    assert set(after['answers']) == set(before['answers'])  # running all cells answers nothing but the checks
    assert after['answers']['rpc.predict'] == before['answers']['rpc.predict']


def test_the_console_has_no_errors(page):
    assert page.errors == []
