"""What the browser tests share: Chromium, pictures for where a failure can be looked at, and what can be read."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

from tests.conftest import ROOT, has_nova

# A setting by which all cells are in the page at once.
WHOLE = {'@jupyterlab/notebook-extension/tracker': {'windowingMode': 'none'}}
SHOTS = ROOT / 'build/screenshots'
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--disable-quic']

# Every text that is in sight in an element, with the ratio of its luminance to that of its ground, as WCAG 2 defines it.
CONTRASTS = """root => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = '#0000'; canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = colour => rgba(colour).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = element => {
    const box = element.closest('g.node')?.querySelector('rect, path, polygon');
    if (box) return getComputedStyle(box).fill;
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return 'white';
  };
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || element.closest('option, button:disabled, textarea') || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [one, other] = [element.ownerSVGElement ? style.fill : style.color, ground(element)].map(luminance);
    found.push([text.slice(0, 40), (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)]);
  }
  return found;
}"""

# The median of what passes, in ms, from the event to the changed page, over 50 steps; and how many changed it at once.
LATENCY = """root => {
  const times = []; let changed = 0;
  for (let index = 0; index < 50; index++) {
    const before = root.dataset.step, began = performance.now();
    root.dispatchEvent(new KeyboardEvent('keydown', { key: index % 40 < 20 ? 'ArrowRight' : 'ArrowLeft', bubbles: true }));
    root.querySelector('[data-pane="payload"]').getBoundingClientRect();
    times.push(performance.now() - began);
    changed += before !== root.dataset.step;
  }
  return [times.sort((one, other) => one - other)[25], changed];
}"""


@contextlib.contextmanager
def chromium(**options):
    """Open a page in the system's Chromium; `errors` of it collects what the console says is wrong."""
    from playwright import sync_api
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=FLAGS)
        page = browser.new_context(**options).new_page()
        page.errors = []
        page.on('console', lambda message: page.errors.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: page.errors.append(error.stack or str(error)))
        yield page
        browser.close()


def hard_to_read(page, shown):
    """List the texts of an element that WCAG AA does not let pass."""
    return [(text, round(ratio, 2)) for text, ratio in page.evaluate(CONTRASTS, shown.element_handle()) if ratio < 4.5]


def hard_to_use(page, selector):
    """Let axe-core look at an element; list what it finds serious."""
    from axe_playwright_python.sync_playwright import Axe
    found = Axe().run(page, context=selector, options={'runOnly': ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})
    return [(each['id'], [node['html'][:120] for node in each['nodes'][:3]])
            for each in found.response['violations'] if each['impact'] in ('serious', 'critical')]


@contextlib.contextmanager
def jupyter(folder, program, settings=()):
    """Run JupyterLab or Jupyter Notebook on a copy of the notebooks, with *settings*, {extension/plugin: {...}}; give its address."""
    for name in ('notebooks', 'diagrams', 'explorer'):
        shutil.copytree(ROOT / name, folder / name)
    for name, chosen in {'@jupyterlab/apputils-extension/notification': {'fetchNews': 'false'}, **dict(settings)}.items():
        path = folder / f'settings/{name}.jupyterlab-settings'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(chosen))
    process = subprocess.Popen(
        [sys.executable, '-m', 'jupyter', program, '--no-browser', '--allow-root', '--port=0', '--IdentityProvider.token=',
         '--ServerApp.password='],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'JUPYTER_CONFIG_DIR': str(folder / 'config'), 'PYTHONPATH': str(folder),
             **({'NOVA_EXPLORER_PYTHON': has_nova()} if has_nova() else {}),
             'JUPYTERLAB_SETTINGS_DIR': str(folder / 'settings'), 'JUPYTERLAB_WORKSPACES_DIR': str(folder / 'workspaces')})
    yield next(found[0] for line in process.stderr if (found := re.search(r'http://(?:127\.0\.0\.1|localhost):\d+/', line)))
    process.terminate()
    process.communicate(timeout=30)


def choose(page, menu, item):
    page.get_by_role('menuitem', name=menu, exact=True).click()
    page.get_by_role('menuitem', name=re.compile(f'^{item}')).first.click()


def player(page, key):
    """Scroll to a player, once its cell has run; only what is near is kept in the page."""
    found, ends = page.locator(f'[data-explorer="player"][data-exploration="{key}"]'), time.monotonic() + 120
    while time.monotonic() < ends:
        for top in range(0, 60_000, 500):
            if not found.count():
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
