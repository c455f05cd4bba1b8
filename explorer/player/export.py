"""A leg as a single HTML file to hand out: its questions, its player, and the same on paper.

The page needs no kernel, network or other files. It has two scripts. UNPACK is in the page as it is; it unpacks the
content together with the second script, which is player.js followed by BOOT.
"""

import base64
import gzip
import hashlib
import json
import pathlib
import re
from collections.abc import Mapping
from html import escape
from typing import cast

from explorer.errors import WrongUse, write_whole
from explorer.explorations import exploration
from explorer.player.content import content, drawing, without_drawing
from explorer.player.frame import frame
from explorer.player.widget import MODULE, STYLE
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace
from explorer.views.changed import Change, changes_of, changes_text
from explorer.views.facts import answered, asked
from explorer.views.flowcharts import flowchart, render
from explorer.views.lanes import draw_lanes, still
from explorer.views.markup import code_html, html_table, said
from explorer.views.moments import When
from explorer.views.pages import stops
from explorer.views.tells import tells
from explorer.views.text import visible

HEADS = 'step', 'where', 'function', 'what happens', 'what changed'
MOST_ON_PAPER = 3  # of a stop on paper

# A byte takes a quarter more in this notation, a third more in base64. "<" would end the element, "," stands for it.
DIGITS = ('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~').replace('<', ',')

UNPACK = """
const { textContent: text, dataset } = document.getElementById("content");
const view = new DataView(new ArrayBuffer(text.length));
for (let at = 0; at < text.length / 5; at++) {
  let number = 0;
  for (const digit of text.slice(at * 5, at * 5 + 5)) number = number * 85 + DIGITS.indexOf(digit);
  view.setUint32(at * 4, number);
}
const packed = new Blob([view.buffer.slice(0, dataset.bytes)]).stream();
window.held = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).json();
const add = (tag, attributes) => document.body.append(Object.assign(document.createElement(tag), attributes));
add("style", { textContent: held.style });
add("script", { type: "module", textContent: held.script });
"""

# A model stands in for the kernel's: it holds the contents, and keeps the position in the address.
BOOT = """
const { held } = window, form = document.querySelector("form.first"), place = document.getElementById("player");
const memory = `explorer ${held.key} ${location.pathname}`, heard = {};
const content = held.alone ? single(held) : held, [at, moment] = held.start;
const state = { content, run: 0, at, moment, message: "" };
let left;

// Lay out the first of two runs by itself.
function single({ alone: page, fields, runs: [{ alone: map, ...run }], ...rest }) {
  const mine = Object.entries(fields).map(([name, rows]) => [name, rows.filter((row) => row[4].length)
    .map(([node, path, kind, value, steps, , origin]) => [node, path, kind, value, steps, origin])]);
  const facts = `<p class="asked">${run.asked}</p>`;
  return { ...rest, page, differs: null, runs: [{ ...run, facts, map, words: "", more: "" }],
    fields: Object.fromEntries(mine.filter(([, rows]) => rows.length)) };
}

function change(content, run, [at, moment]) {
  Object.assign(state, { content, run, at, moment });
  heard["change:content"]();
}

const model = {
  get: (name) => state[name], set: (name, value) => { state[name] = value; },
  on: (name, follow) => { heard[name] = follow; },
  send({ kind }) {
    if (kind === "close") return change(content, 0, left);
    left = [state.at, state.moment];
    change(held, 1, held.runs[1].start);
  },
  save_changes() {
    if (state.run) return; // a link leads to a moment of the first run
    try { history.replaceState(null, "", `#${held.key}@${state.at},${state.moment}`); } catch { /* no address */ }
  },
};

function open(first) {
  if (document.body.dataset.state === "open") return;
  document.body.dataset.state = "open";
  render({ el: place, model });
  place.firstChild.focus({ preventScroll: true });
  first?.scrollIntoView();
}

// A choice is kept while the tab is open, so that it is still there after the page was loaded again.
function choose(letter) {
  const line = form.querySelector(".chosen"), option = form.querySelector(`[value="${letter}"]`);
  if (option) option.checked = true;
  line.textContent = `${option ? `You chose ${letter}.` : "You skipped the question."} Now see what happens.`;
  try { sessionStorage.setItem(memory, letter); } catch { /* no storage */ }
}

function kept() {
  try { return sessionStorage.getItem(memory); } catch { return null; }
}

const onLink = () => location.hash.startsWith(`#${held.key}@`) && open(place);
document.querySelector(".others")?.before(place);
document.querySelector(".on-paper").open = true;
document.body.dataset.state = "asking";
if (form) {
  let keys = false; // arrow keys only walk from option to option
  form.addEventListener("keydown", () => (keys = true));
  form.addEventListener("pointerdown", () => (keys = false));
  form.addEventListener("change", () => keys && document.body.dataset.state === "asking" || form.requestSubmit());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    choose(form.querySelector(":checked").value);
    open(form.querySelector(".chosen"));
  });
  form.querySelector(".skip").addEventListener("click", () => (choose("skip"), open(form.querySelector(".chosen"))));
  if (kept()) choose(kept());
}
if (!form || kept()) open();
onLink();
window.addEventListener("hashchange", onLink);
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {script_hashes}; \
style-src {style_hashes}; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{theme}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="leads">{question}</p>
{sheet}
<div id="player"></div>
{paper}
</main>
<script type="text/plain" data-bytes="{size}" id="content">{content}</script>
<script type="module">{script}</script>
</body>
</html>
"""

THEME = """
:root { color-scheme: light dark; --rule: #767676; }
body { margin: 8px 12px; background: #fff; color: #1f2328; font-family: system-ui, sans-serif; line-height: 1.4; }
h1 { font-size: 1.5em; margin: 0; }
h2 { font-size: 1.15em; margin: 1em 0 0.3em; }
.leads { font-size: 1.1em; margin: 0.2em 0 0.8em; }
form, .others { max-width: 62rem; }
.question { display: block; border: 0; padding: 0; margin: 0 0 1em; min-width: 0; }
.kind { display: block; font-weight: 600; }
.question legend { padding: 0; margin-bottom: 0.3em; }
.question div label { display: flex; gap: 0.5em; align-items: baseline; padding: 0.2em 0; cursor: pointer; }
.question input { flex: none; margin: 0; }
.question code { overflow-wrap: anywhere; }
textarea {
  display: block; width: 100%; box-sizing: border-box; padding: 0.3em; margin-top: 0.2em;
  font: inherit; color: inherit; background: none; border: 1px solid var(--rule); border-radius: 4px;
}
.line { display: none; }
form button {
  font: inherit; padding: 0.3em 1em; border-radius: 4px; border: 1px solid #1565c0; cursor: pointer;
  color: #fff; background: #1565c0;
}
form .skip { color: inherit; background: none; border-color: transparent; text-decoration: underline; }
form .chosen { font-weight: 600; }
:is(.choose, .chosen), [data-state] .on-paper, [data-state="asking"] .others { display: none; }
[data-state="asking"] .choose, [data-state="open"] .chosen { display: block; }
.on-paper { overflow-x: auto; }
.on-paper > summary { cursor: pointer; font-weight: 600; padding: 0.5em 0; }
.on-paper table { border-collapse: collapse; width: 100%; font-size: 0.9em; }
.on-paper :is(td, th) { text-align: left; vertical-align: top; padding: 2px 6px; border-bottom: 1px solid #bdbdbd; }
.on-paper :is(td, p) { overflow-wrap: anywhere; }
.still, .chart :is(svg, pre) { background: #fff; color: #1f2328; }
.still { width: 100%; }
.chart svg { display: block; margin: auto; max-width: 100%; font-family: Helvetica, Arial, sans-serif; }
.chart pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.chart text { font-size: 9px; }
.chart text:not([text-anchor]) { text-anchor: middle; }
.chart .client { --node: #3b82f6; }
.chart .api { --node: #16a34a; }
.chart .bus { --node: #d97706; }
.chart .conductor { --node: #9333ea; }
.chart .graph > polygon { fill: none; }
.chart .cluster :is(path, rect, polygon) { fill: none; stroke: var(--node); }
.chart .node :is(path, rect, polygon) { fill: #fff; stroke: #57606a; stroke-width: 0.8; }
.chart .node:not(.taken) text { fill: #57606a; }
.chart .node.taken :is(path, rect, polygon) {
  fill: color-mix(in srgb, var(--node) 20%, #fff); stroke: var(--node); stroke-width: 1.8;
}
.chart .node:is(.exit, .refused) :is(path, rect, polygon) { stroke: #dc2626; }
.chart .edge path { fill: none; stroke: #57606a; stroke-width: 0.8; }
.chart .edge polygon { fill: #57606a; }
.chart .edge.taken path { stroke: #1f2328; stroke-width: 2.2; }
.chart .edge.taken polygon { fill: #1f2328; }
@media screen and (prefers-color-scheme: dark) {
  :root {
    --jp-ui-font-color1: #e6e6e6; --jp-border-color1: #555; --jp-brand-color1: #90caf9;
    --jp-layout-color1: #1b1b1b; --jp-layout-color2: #303030; --rule: #8c8c8c;
  }
  body { background: #111; color: #e6e6e6; }
}
@media screen and (max-width: 44rem) {
  .question div label, form button, .on-paper > summary { min-height: 44px; box-sizing: border-box; }
  .question div label { align-items: center; }
  form button { width: 100%; }
  textarea { min-height: 44px; }
}
@page { size: A4; margin: 12mm; }
@media print {
  :root { color-scheme: light; }
  body { margin: 0; font-size: 10.5pt; }
  #player, [data-state] :is(.choose, .chosen), .on-paper > summary { display: none; }
  [data-state] .others { display: block; }
  .question { break-inside: avoid; margin-bottom: 0.7em; }
  .kind { display: inline; }
  .kind::after { content: " ·"; }
  .question div { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1.5em; }
  .question div label { padding: 0.1em 0; }
  textarea:placeholder-shown { display: none; }
  textarea:placeholder-shown ~ .line { display: block; height: 2.2em; border-bottom: 1px solid; }
  [data-state] .on-paper { display: block; }
  .on-paper { break-before: page; overflow: visible; }
  .on-paper::details-content { content-visibility: visible; }
  .on-paper { font-size: 9.5pt; }
  .on-paper table { font-size: 8pt; line-height: 1.3; table-layout: fixed; }
  .on-paper td > code { font-size: 7.5pt; }
  .on-paper th:nth-child(1) { width: 2.5em; }
  .on-paper th:nth-child(2) { width: 4.5em; }
  .on-paper th:nth-child(3) { width: 21%; }
  .on-paper th:nth-child(5) { width: 26%; }
  .on-paper tr { break-inside: avoid; }
  .on-paper h2 { margin-top: 0.5em; }
  .chart { break-before: page; }
  .chart svg { width: auto; height: auto; max-height: 238mm; }
  .chart pre { columns: 2; font-size: 7pt; }
}
"""


def export(trace: Trace, key: str, other: Trace | None = None, sheet: str = '') -> str:
    """Return a leg as one page of HTML: the questions, then the player of one trace, or of two that can be compared.

    Shape: *sheet* is the HTML of the lesson's questions, as handout.py makes it. The player is shown after the first
    one is answered, or at once if there is none. On paper, and where scripts do not run, the page shows the story.
    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key)
    picture, theme = _still(trace, key)
    module, style = (_short(file.read_text(encoding='utf-8')) for file in (MODULE, STYLE))
    second, theme = module + _short(BOOT), _short(THEME) + theme
    packed = gzip.compress(_grouped({
        **_held(trace, key, other), 'style': style, 'script': second}).encode(), 9, mtime=0)
    script = f'const DIGITS = {json.dumps(DIGITS)};{_short(UNPACK)}'
    return PAGE.format(
        title=escape(f'{row.number}. {row.title}'), question=escape(row.question), sheet=sheet,
        paper=_paper(trace, key, picture), theme=theme, script=script, size=len(packed),
        content=base64.b85encode(packed, pad=True).decode().replace('<', ','),
        script_hashes=_hashes(script, second), style_hashes=_hashes(theme, style))


def write(page: str, path: str | pathlib.Path) -> None:
    """Write a page to a file, completely or not at all.

    Raises: WrongUse if the file cannot be written.
    """
    try:
        write_whole(path, page)
    except OSError as error:
        raise WrongUse(f'{path} cannot be written: {error.strerror}; choose another file') from error


def _held(trace: Trace, key: str, other: Trace | None) -> dict[str, object]:
    """Return the content; of two runs, with what shows the first one by itself, next to what it resembles."""
    shown = content(trace, key, other)
    if not other:
        return {**shown}
    first, second = shown['runs']
    return {'alone': frame(exploration(key), both=True), **shown,
            'runs': [{**first, 'alone': draw_lanes(trace, key)}, second]}


def _grouped(held: Mapping[str, object]) -> str:
    """Write the content as JSON, with folds of a kind next to each other: gzip finds repetitions only within 32 kB."""
    folds = cast(list[str], held['folds'])
    order = sorted(range(len(folds)), key=lambda number: folds[number][:12])
    places = {number: place for place, number in enumerate(order)}
    text = json.dumps({**held, 'folds': [folds[number] for number in order]}, separators=(',', ':'))
    return re.sub(r'\\\\|\\u0002(\d+);',  # in JSON, a backslash that stands for itself is doubled
                  lambda fold: f'\\u0002{places[int(fold[1])]};' if fold[1] else fold[0], text)


def _short(text: str) -> str:
    """Remove indentation and lines that are comments."""
    return re.sub('^ *(//.*\n)?', '', text, flags=re.M)


def _hashes(*texts: str) -> str:
    return ' '.join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)


# ------------------------------------------------------------------------------------------------------- on paper


def _paper(trace: Trace, key: str, picture: str) -> str:
    """Return what happened as HTML: the request and its response, the map, the story, the flowchart."""
    rows = [_stop(trace, *stop) for stop in stops(trace, key)]
    svg, why = render(flowchart(trace, key).source)
    chart = _plain(drawing(svg)) if svg else without_drawing(trace, key, why)
    return ('<details class="on-paper"><summary>What happens</summary><h2>What happens</h2>'
            f'<p>{code_html(asked(trace))}<br>→ <b>{escape(answered(trace))}</b></p>'
            f'{picture}<h2>Step by step</h2>{html_table(HEADS, rows)}'
            '<div class="chart"><h2>The functions that decide</h2><p>The filled boxes ran in this request.</p>'
            f'{chart}</div></details>')


def _stop(trace: Trace, step: Step, moment: When) -> list[str]:
    own = changes_of(trace, step).own if moment == 'return' else ()
    lines = [_concise(change, line) for change, line in zip(own, changes_text(trace, step, 'return'), strict=False)]
    more = [f'and {len(lines) - MOST_ON_PAPER} more'] if len(lines) > MOST_ON_PAPER else []
    return [str(step.index + 1), NODES[step.node], code_html(BY_KEY[step.station].name).replace('.', '.<wbr>'),
            said(tells(trace, step, moment)), '<br>'.join(map(escape, [*lines[:MOST_ON_PAPER], *more]))]


def _concise(change: Change, line: str) -> str:
    """Shorten a change by leaving out the path to what changed."""
    *path, name = (visible(str(part)) for part in change.path)
    return line.replace('.'.join([*path, name]), name, 1).replace(' ', '\xa0', 1)


def _plain(svg: str) -> str:
    """Remove the attributes that only the player reads."""
    return re.sub(r' data-\w+="[^"]*"', '', svg)


def _still(trace: Trace, key: str) -> tuple[str, str]:
    """Return the map, and its style for the style sheet of the page."""
    svg = _plain(still(trace, key)).replace('<svg ', '<svg class="still" ', 1)
    bare, style, rest = re.split('</?style>', svg)
    return bare + rest, re.sub('([^{}]+){', _inside, style)


def _inside(rule: re.Match[str]) -> str:
    """Limit the beginning of a rule of the style sheet to the map."""
    return ','.join(f'.still {each.strip()}' for each in rule[1].split(',')) + '{'
