"""What the browser tests share: Chromium, JupyterLab, and checks that a page can be read and used."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

from tests.conftest import ROOT, has_nova

# This setting keeps all cells in the page at once.
WHOLE = {'@jupyterlab/notebook-extension/tracker': {'windowingMode': 'none'}}
SHOTS = ROOT / 'build/screenshots'
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--disable-quic']

# Every visible text in an element, with the contrast to its background as WCAG 2 defines it.
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

# The median time in ms from a key to the changed page, over 50 steps, and how many steps changed the page at once.
LATENCY = """root => {
  const times = []; let changed = 0;
  for (let index = 0; index < 50; index++) {
    const at = () => `${root.dataset.step} ${root.dataset.moment}`, before = at(), began = performance.now();
    const key = index % 40 < 20 ? 'ArrowRight' : 'ArrowLeft';
    root.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    root.querySelector('[data-pane="payload"]').getBoundingClientRect();
    times.push(performance.now() - began);
    changed += before !== at();
  }
  return [times.sort((one, other) => one - other)[25], changed];
}"""


# Scroll the notebook to a height in pixels.
SCROLL = "y => { [...document.querySelectorAll('.jp-WindowedPanel-outer')].pop().scrollTop = y }"


@contextlib.contextmanager
def chromium(**options):
    """Open a page in the system's Chromium; its attribute `errors` collects the errors on the console."""
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
    """Return the texts of an element whose contrast fails WCAG AA."""
    return [(text, round(ratio, 2)) for text, ratio in page.evaluate(CONTRASTS, shown.element_handle()) if ratio < 4.5]


def hard_to_use(page, selector):
    """Return the serious findings of axe-core about an element."""
    from axe_playwright_python.sync_playwright import Axe
    rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']
    found = Axe().run(page, context=selector, options={'runOnly': rules})
    return [(each['id'], [node['html'][:120] for node in each['nodes'][:3]])
            for each in found.response['violations'] if each['impact'] in ('serious', 'critical')]


@contextlib.contextmanager
def jupyter(folder, program, settings=()):
    """Run JupyterLab or Jupyter Notebook on a copy of the notebooks; yield its address.

    Shape: *settings* {extension/plugin: {...}}.
    """
    for name in ('notebooks', 'diagrams', 'explorer'):
        shutil.copytree(ROOT / name, folder / name)
    no_news = {'@jupyterlab/apputils-extension/notification': {'fetchNews': 'false'}}
    for name, chosen in {**no_news, **dict(settings)}.items():
        path = folder / f'settings/{name}.jupyterlab-settings'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(chosen))
    process = subprocess.Popen(
        [sys.executable, '-m', 'jupyter', program, '--no-browser', '--allow-root', '--port=0',
         '--IdentityProvider.token=', '--ServerApp.password='],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'JUPYTER_CONFIG_DIR': str(folder / 'config'), 'PYTHONPATH': str(folder),
             **({'NOVA_EXPLORER_PYTHON': has_nova()} if has_nova() else {}),
             'JUPYTERLAB_SETTINGS_DIR': str(folder / 'settings'),
             'JUPYTERLAB_WORKSPACES_DIR': str(folder / 'workspaces')})
    address = re.compile(r'http://(?:127\.0\.0\.1|localhost):\d+/')
    yield next(found[0] for line in process.stderr if (found := address.search(line)))
    process.terminate()
    process.communicate(timeout=30)


def choose(page, menu, item):
    page.get_by_role('menuitem', name=menu, exact=True).click()
    page.get_by_role('menuitem', name=re.compile(f'^{item}')).first.click()


def player(page, key):
    """Scroll to a player and return it, after its cell has run; JupyterLab keeps only nearby cells in the page."""
    found, ends = page.locator(f'[data-explorer="player"][data-exploration="{key}"]'), time.monotonic() + 120
    while time.monotonic() < ends:
        for top in range(0, 60_000, 500):
            if not found.count():
                page.evaluate(SCROLL, top)
                page.wait_for_timeout(50)
            if found.count():
                found.first.scroll_into_view_if_needed()
                page.wait_for_timeout(300)
                return found.first
    raise AssertionError(f'no player {key}')


def step(shown):
    return int(shown.get_attribute('data-step'))


def moment(shown):
    return step(shown), shown.get_attribute('data-moment')


def opened(shown):
    """Open the form of a player, if it is not open, and return it."""
    if not shown.locator('form').is_visible():
        shown.locator('[data-action="change"]').click()
    return shown.locator('form')


# The height of a player; the flowchart stands below it and does not count.
HEIGHT = """(root) => root.getBoundingClientRect().height
    - root.querySelector('[data-pane="flowchart"]').getBoundingClientRect().height"""


def height(shown):
    return shown.evaluate(HEIGHT)


def look(shown, view):
    """Choose what stands next to the payload: source, more, journey or legend."""
    shown.locator('[data-part="view"]').select_option(view)


def wait_for(shown, selector, text):
    shown.locator(selector, has_text=text).wait_for(timeout=15_000)
