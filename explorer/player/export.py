"""One trace or two as a single HTML file to hand out: the player itself; it needs no kernel, network or other files."""

import base64
import gzip
import hashlib
import json
import pathlib
import re
from html import escape

from explorer.errors import WrongUse, write_whole
from explorer.explorations import exploration
from explorer.player.content import content
from explorer.player.widget import MODULE, STYLE
from explorer.stations import BY_KEY, NODES
from explorer.trace import Trace
from explorer.views.facts import answered, asked, in_focus
from explorer.views.markup import said
from explorer.views.tells import tells

# A byte takes a quarter more in this notation, a third more in base64. "<" would end the element, "," stands for it.
DIGITS = ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~').replace('<', ',')

# This model stands in for the kernel's: it gives player.js the stored content, and keeps the position in the address.
BOOT = """
const { textContent: text, dataset } = document.getElementById("content");
const view = new DataView(new ArrayBuffer(text.length));
for (let at = 0; at < text.length / 5; at++) {
  let number = 0;
  for (const digit of text.slice(at * 5, at * 5 + 5)) number = number * 85 + DIGITS.indexOf(digit);
  view.setUint32(at * 4, number);
}
const packed = new Blob([view.buffer.slice(0, dataset.bytes)]).stream();
const content = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).json();
const [step, moment] = content.start, state = { content, run: 0, step, moment, message: "" };
const player = document.getElementById("player"), paper = document.createElement("section");
paper.append(...player.childNodes);
const sheet = document.createElement("section");
sheet.innerHTML = content.sheet;
sheet.className = "sheet";
paper.className = "on-paper";
player.after(paper, sheet);
render({ el: player, model: {
  get: (name) => state[name], set: (name, value) => { state[name] = value; }, on: () => {},
  save_changes: () => {
    try { history.replaceState(null, "", `#${content.key}@${state.step},${state.moment}`); } catch { /* no address */ }
  },
} });
player.querySelector("[data-explorer]").focus({ preventScroll: true });
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{script_hash}'; \
style-src '{style_hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main id="player">{text}</main>
<script type="text/plain" data-bytes="{size}" id="content">{content}</script>
<script type="module">{script}</script>
</body>
</html>
"""

THEME = """
:root { color-scheme: light dark; }
body { margin: 8px; background: #fff; color: #1f2328; font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  :root {
    --jp-ui-font-color1: #e6e6e6; --jp-border-color1: #555; --jp-brand-color1: #90caf9;
    --jp-layout-color1: #1b1b1b; --jp-layout-color2: #303030;
  }
  body { background: #111; color: #e6e6e6; }
}
.on-paper { display: none; }
.sheet { max-width: 62rem; }
.sheet p.line { border-bottom: 1px solid; height: 1.6em; margin: 0; }
@media print { .on-paper { display: block; } }
"""


def export(trace: Trace, key: str, other: Trace | None = None, sheet: str = '') -> str:
    """Return the player of one trace, or of two to be compared, as one page of HTML.

    Shape: *sheet* is the HTML of the lesson's questions, which are shown below the player. Where scripts do not run,
    the page lists the steps in focus.
    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key)
    shown = {**content(trace, key, other), 'sheet': sheet}
    packed = gzip.compress(json.dumps(shown, separators=(',', ':')).encode(), 9, mtime=0)
    module, style = (file.read_text(encoding='utf-8') for file in (MODULE, STYLE))
    boot = f'const DIGITS = {json.dumps(DIGITS)};{BOOT}'
    script, style = (re.sub('^(//.*\n| +)', '', text, flags=re.M) for text in (module + boot, THEME + style))
    return PAGE.format(
        title=escape(f'{row.number}. {row.title}'), text=_without_script(trace, key), style=style, script=script,
        content=base64.b85encode(packed, pad=True).decode().replace('<', ','), size=len(packed),
        script_hash=_hash(script), style_hash=_hash(style))


def write(page: str, path: str | pathlib.Path) -> None:
    """Write a page to a file, completely or not at all.

    Raises: WrongUse if the file cannot be written.
    """
    try:
        write_whole(path, page)
    except OSError as error:
        raise WrongUse(f'{path} cannot be written: {error.strerror}; choose another file') from error


def _without_script(trace: Trace, key: str) -> str:
    steps = ''.join(
        f'<li value="{step.index + 1}">{escape(f"{NODES[step.node]}: {BY_KEY[step.station].name}")}: '
        f'{said(tells(trace, step, "return"))}</li>' for step in in_focus(trace, key))
    return (f'<h1>{escape(exploration(key).title)}</h1><p>{escape(exploration(key).question)}</p>'
            f'<p>{escape(asked(trace))} → {escape(answered(trace))}</p><ol>{steps}</ol>')


def _hash(text: str) -> str:
    return f'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'
