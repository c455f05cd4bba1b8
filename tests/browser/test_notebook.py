"""The notebook in Jupyter Notebook 7, in Chromium."""

import pytest

from tests.browsing import SHOTS, WHOLE, choose, chromium, jupyter, opened, player, step

pytestmark = pytest.mark.browser
PlaywrightTimeout = pytest.importorskip('playwright.sync_api').TimeoutError


def test_jupyter_notebook_also_shows_the_players(tmp_path):
    with jupyter(tmp_path, 'notebook', WHOLE) as address, chromium(viewport={'width': 1500, 'height': 1000}) as page:
        page.goto(f'{address}notebooks/notebooks/01_nova_api.ipynb')
        page.get_by_role('menuitem', name='Run', exact=True).wait_for(timeout=120_000)
        status = '.jp-NotebookKernelStatus-info, [data-jp-kernel-status], .jp-Notebook-ExecutionIndicator'
        page.locator(status).first.wait_for(state='attached', timeout=60_000)
        page.locator('.jp-Cell').nth(5).wait_for(timeout=60_000)
        last = page.locator('.jp-Cell.jp-mod-active', has_text='If something does not work')
        choose(page, 'Run', 'Run All Cells')
        try:
            last.wait_for(timeout=20_000)
        except PlaywrightTimeout:  # Jupyter Notebook ignores the command while it still loads the notebook
            choose(page, 'Run', 'Run All Cells')
            last.wait_for(timeout=120_000)
        shown = player(page, 'client')
        cells = page.locator('.jp-Cell').count()
        shown.focus()
        for key, goal in (('Home', 0), ('ArrowRight', 1), ('a', 1), ('d', 1), ('d', 1)):
            page.keyboard.press(key)
            assert step(shown) == goal
        assert page.locator('.jp-Cell').count() == cells
        opened(shown).locator('input[name="host"]').fill('host2')
        shown.locator('[data-action="send"]').click()
        shown.locator('.asked', has_text='web-1 host2').wait_for(timeout=120_000)  # the kernel runs all cells first
        shown.screenshot(path=SHOTS / 'notebook-7.png')
        # Jupyter Notebook itself looks for settings of JupyterLab that it does not have.
        assert [error for error in page.errors if "reading 'schema'" not in error] == []
