"""What the player shows of one trace or two, as plain data: for the widget and for the exported page.

Every fragment of HTML is made here and by the pure functions of explorer/views/; the browser only inserts it.
protocol.py describes the data.
"""

import itertools
import re
from collections.abc import Sequence
from html import escape
from typing import cast

from explorer.explorations import EXPLORATIONS, OPTIONS, Exploration, exploration
from explorer.player.protocol import (
    Content,
    Control,
    FieldRow,
    FormField,
    RunContent,
    SourceContent,
    StepContent,
)
from explorer.stations import BY_KEY, NODES
from explorer.trace import Trace
from explorer.views import facts
from explorer.views.comparison import FEW_DIFFERENCES, Comparison, Row, compare, differences_html, table
from explorer.views.facts import answered, asked, caption, ending, lost, made_within, refusals, turned_back
from explorer.views.flowcharts import flowchart, render
from explorer.views.pages import Payloads, refusal_html, refusal_line, source

SHORTEST_FOLD = 120  # characters
PACES = (0.5, 1, 2, 5)  # seconds a step
_REFUSED = ' class="refused"'
LEGEND = (
    '<ul><li>Flowchart: one lane for each place, one box for each function. The filled boxes belong to this leg; ×4 '
    'means that the function ran four times; ✗ marks where the request was refused or something failed. Dashed arrows '
    'cross the bus; the dotted arrow is the response. The thick frame marks the current step.</li>'
    '<li>Source: a bar marks the lines that ran; the other lines are pale.</li>'
    '<li>Payload: what the function holds when it ends, and what it returns or raises. + marks what was added '
    'since it began, ~ what was changed and − what was removed; parentheses mean that a function it called did so.</li>'
    '<li>◆ marks the boxes that hold the field you follow; ≠ marks the boxes that the other run does not '
    'have.</li></ul>')


def content(trace: Trace, key: str, other: Trace | None = None, *, form: Sequence[FormField] = (),
            before: bool = False) -> Content:
    """Assemble what the browser shows of one trace, or of two to be compared; Graphviz runs once for each.

    Shape: *form* is empty if there is no kernel to send a request to; *before* is true if there is a previous run
    to compare with.
    Raises: WrongUse for an unknown exploration.
    """
    row, both = exploration(key), compare(trace, other) if other else None
    traces = [each for each in (trace, other) if each]
    sources: dict[str, SourceContent] = {}
    folds: dict[str, int] = {}
    payloads = Payloads(lambda text: _fold(text, folds))
    runs = [_run(each, key) for each in traces]
    steps, within = [each.steps for each in traces], [made_within(each) for each in traces]
    for number, index in _in_turn(both) if both else [(0, step.index) for step in trace.steps]:
        step, shown = steps[number][index], runs[number]['steps'][index]
        shown['payload'] = payloads.show(step, within[number][index])
        sources.setdefault(shown['source'], source(step.station, step.file, step.line))
    used = {step['station'] for each in runs for step in each['steps']}
    for number, each in enumerate(runs):
        each['facts'], each['more'] = _facts(runs, number, both, closes=bool(form))
    # The flowcharts of the two traces are next to each other, because gzip finds repetitions only within 32 kB.
    runs[1:] = [cast(RunContent, dict(reversed(each.items()))) for each in runs[1:]]
    return {
        'key': key, 'title': f'{row.number}. {row.title}', 'focus': row.focus, 'follow': row.follow,
        'start': runs[0]['start'], 'page': frame(row, form, before=before and not both), 'nodes': NODES,
        'stations': {station: (BY_KEY[station].name, BY_KEY[station].says) for station in BY_KEY if station in used},
        'sources': sources, 'folds': list(folds), 'runs': runs,
        'fields': _together([facts.journeys(each) for each in traces]),
        'differs': [(row.a, row.b, _differs(row)) for row in both.rows] if both else None}


def _differs(row: Row) -> str:
    """Return what differs in a step, as the HTML to show above its payload."""
    told = differences_html(row, row.differences, FEW_DIFFERENCES)
    if row.badge:
        return f'<b>this visit, compared with the real Nova: {row.badge}</b> {told}'
    return told and f'<b>≠ B compared with A</b> {told}'


def _together(journeys: list[dict[str, list[facts.Appearance]]]) -> dict[str, list[FieldRow]]:
    """Merge the journeys of the fields in all runs."""
    merged: dict[str, dict[tuple[str, str, str, str], list[list[int]]]] = {}
    for number, fields in enumerate(journeys):
        for name, rows in fields.items():
            for node, path, kind, value, steps in rows:
                merged.setdefault(name, {}).setdefault(
                    (node, path, kind, value), [[] for _ in journeys])[number] = steps
    return {name: [(node, path, kind, value, *steps) for (node, path, kind, value), steps in found.items()]
            for name, found in merged.items()}


def _fold(text: str, folds: dict[str, int]) -> str:
    r"""Store a long text in *folds* and return \x02N; for it; no payload contains \x02, which the views escape."""
    return text if len(text) < SHORTEST_FOLD else f'\x02{folds.setdefault(text, len(folds))};'


def _in_turn(comparison: Comparison) -> list[tuple[int, int]]:
    """List (run, index) of every step, with corresponding steps next to each other."""
    return [(number, index) for row in comparison.rows for number, index in ((0, row.a), (1, row.b))
            if index is not None]


def _run(trace: Trace, key: str) -> RunContent:
    """Return what is shown of a run; the payloads, `facts` and `more` are filled in later."""
    red = {step.index: ending(step) for step in refusals(trace)}
    svg, why = render(flowchart(trace).source)
    steps: list[StepContent] = [
        {'station': step.station, 'node': step.node, 'source': f'{step.file}:{step.line}', 'lines': step.lines,
         'refused': red.get(step.index, ''), 'payload': ''} for step in trace.steps]
    return {
        'asked': _asked(trace), 'turned': refusal_line(trace), 'refusal': refusal_html(trace),
        'caption': caption(trace), 'start': start(trace, key), 'leg': leg(trace, key), 'legs': legs(trace),
        'steps': steps, 'given': {name: given for name in OPTIONS if (given := facts.given(trace, name))},
        'facts': '', 'more': '', 'flowchart': drawing(svg) if svg else drawing_as_list(trace, why)}


def start(trace: Trace, key: str) -> int:
    """Return the index of the step to begin at.

    It is the step that rejected or lost the request, else the first one in focus, else the last one.
    """
    found = [step.index for step in trace.steps if step.exploration == key and step.station in exploration(key).focus]
    turned = turned_back(trace) or lost(trace)
    return [*([turned.index] if turned else []), *found, max(len(trace.steps) - 1, 0)][0]


def positions(trace: Trace) -> dict[str, int]:
    """Name the positions of a trace: {key of a station: index of its first step} and what `legs` returns."""
    named: dict[str, int] = {}
    for step in trace.steps:
        named.setdefault(step.station, step.index)
    return {**named, **legs(trace)}


def legs(trace: Trace) -> dict[str, int]:
    """Return {key of an exploration: index of its first step in focus} for the explorations that were reached."""
    found = {row.key: [step.index for step in trace.steps if step.exploration == row.key and step.station in row.focus]
             for row in EXPLORATIONS}
    return {key: indices[0] for key, indices in found.items() if indices}


def leg(trace: Trace, key: str) -> str:
    """Return a line that names the steps of an exploration."""
    found = [step.index for step in trace.steps if step.exploration == key]
    runs = [[step for _, step in group]
            for _, group in itertools.groupby(enumerate(found), lambda pair: pair[1] - pair[0])]
    told = ', '.join(f'{each[0]} to {each[-1]}' if len(each) > 1 else str(each[0]) for each in runs)
    return f'this leg: {told}' if found else 'this leg was not reached'


def drawing(svg: str) -> str:
    """Prepare Graphviz's SVG for the page: name the station of each box and drop what the style sheet sets."""
    superfluous = r'<!--.*?-->\n?|<title>.*?</title>\n?|<g id="a_[^>]*><a [^>]*>\n?|</a>\n</g>\n?'
    svg = re.sub(superfluous, '', svg[svg.index('<svg'):], flags=re.S)
    svg = re.sub(r'<path [^>]*?((?: stroke-dasharray="[^"]*")?) d="(M[^"]*Z?)"/>', _as_box, svg)
    svg = re.sub(r' (?:font-\w+|fill|stroke|stroke-width|text-anchor|xmlns:xlink|xml:space)="[^"]*"'
                 r'| id="(?:edge|clust|graph)\d+"', '', svg)
    svg = re.sub(r'<[^>]*>', lambda tag: re.sub(r'(\d)\.\d+', r'\1', tag[0]), svg)  # the texts keep their decimals
    return svg.replace('id="station_', 'data-station="')


def _as_box(path: re.Match[str]) -> str:
    """Write the outline of a rounded box, a path of twelve curves, as a rectangle."""
    numbers = [float(number) for number in re.findall(r'-?[\d.]+', path[2])]
    if 'fill="none"' in path[0] or len(numbers) < 40:  # an arrow, or a cylinder
        return path[0]
    (left, *_, right), (top, *_, bottom) = sorted(numbers[::2]), sorted(numbers[1::2])
    return f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}" rx="8"/>'


def drawing_as_list(trace: Trace, why: str) -> str:
    """Return the boxes as a list, for a computer without Graphviz."""
    seen = dict.fromkeys(step.station for step in trace.steps)
    boxes = ''.join(f'<li data-station="{station}">{escape(BY_KEY[station].name)}</li>' for station in seen)
    return f'<p>{escape(why)}</p><ol>{boxes}</ol>'


# ------------------------------------------------------------------------------------------------ the page around it


def frame(row: Exploration, form: Sequence[FormField] = (), *, before: bool = False) -> str:
    """Lay out the player as HTML; data-part and data-pane name what player.js fills."""
    actions = {'first': '|◀ first', 'previous': '◀ previous', 'next': 'next ▶', 'last': 'last ▶|', 'play': 'play'}
    buttons = ''.join(_button(*action) for action in actions.items())
    paces = ''.join(f'<option value="{pace}"{" selected" if pace == 1 else ""}>{pace} s</option>' for pace in PACES)
    panes = ''.join(f'<div data-pane="{name}" role="region" aria-label="{name}" tabindex="0"></div>'
                    for name in ('flowchart', 'source', 'payload'))
    return (
        f'<h3>{row.number}. {escape(row.title)}</h3><p class="question">{escape(row.question)}</p>'
        f'{_form_html(row, form, before=before) if form else ""}'
        '<p class="message" role="alert" data-part="message"></p><div data-part="facts"></div>'
        f'<div class="controls">{buttons}<label>a step every <select data-part="pace">{paces}</select></label>'
        '<input type="range" min="0" aria-label="step" data-part="slider"><output data-part="count"></output></div>'
        f'<div class="controls">{_button("bus", "✉ message")}'
        '<label>find <input type="search" placeholder="a name or a value" data-part="find"></label>'
        f'{_button("found", "")}<label>follow <input type="text" list="\x01fields" placeholder="a field" '
        'autocomplete="off" data-part="field"></label><datalist id="\x01fields" data-part="fields"></datalist></div>'
        f'<p class="now" aria-live="polite" data-part="now"></p><div class="panes">{panes}</div>'
        '<div data-part="more"></div><details class="journey" data-part="journey"></details>'
        f'<details class="legend"><summary>how to read this</summary>{LEGEND}</details>'
        '<p class="caption" data-part="caption"></p>')


def _form_html(row: Exploration, form: Sequence[FormField], *, before: bool) -> str:
    controls = {field['name']: _control(**field) for field in form}
    apart = ('command', 'line', 'headers', 'body', 'rest')
    compare = _button('compare', f'Compare: {row.versus_says}') if row.versus else ''
    previous = _button('before', 'Compare with the previous run') if before else ''
    return (
        f'<form aria-label="the request" data-part="form"><div>{controls["command"]}'
        f'<button type="submit" data-action="send">Send</button>{compare}'
        f'{_button("beside", "Compare: the real Nova")}{previous}</div>'
        f'<div>{"".join(text for name, text in controls.items() if name not in apart)}</div>'
        '<details class="request"><summary>the HTTP request: headers and body '
        f'(the miniature has only the routes that this path needs)</summary>{controls["line"]}'
        f'<div>{controls["headers"]}{controls["body"]}</div>{controls["rest"]}</details></form>')


def _control(name: str, label: str, kind: Control, value: str | bool, options: Sequence[str]) -> str:
    """Return the HTML of a control without its *value*, which player.js takes from the form."""
    choices = ''.join(f'<option value="{escape(option)}">{escape(option) or "none"}</option>' for option in options)
    if kind == 'hidden':
        return f'<input type="hidden" name="{name}">'
    if kind == 'select':
        inner = f'<select name="{name}">{choices}</select>'
    elif kind == 'area':
        inner = f'<textarea name="{name}" rows="4" spellcheck="false"></textarea>'
    elif kind == 'checkbox':
        inner = f'<input type="checkbox" name="{name}">'
    else:
        hint = 'the nova client cannot send this; it is sent without the client' if name == 'command' else 'not set'
        inner = (f'<input type="text" name="{name}" list="\x01{name}" placeholder="{hint}" spellcheck="false" '
                 'autocomplete="off">')
        inner += f'<datalist id="\x01{name}">{choices}</datalist>' if options else ''
    return f'<label class="{name}">{label} {inner}</label>'


def _button(action: str, text: str) -> str:
    return f'<button type="button" data-action="{action}" data-part="{action}">{escape(text)}</button>'


def _asked(trace: Trace) -> str:
    failed = bool(trace.note) or not trace.response or trace.response['status'] >= 400
    return (f'<code>{escape(asked(trace))}</code> → '
            f'<strong{_REFUSED if failed else ""}>{escape(answered(trace))}</strong>')


def _facts(runs: list[RunContent], number: int, both: Comparison | None, *, closes: bool) -> tuple[str, str]:
    """Return HTML, in short and in full: what a run sent, how it ended, and how it compares with the other one."""
    run = runs[number]
    short_, full = f'<p class="asked">{run["asked"]}</p>{run["turned"]}', ''
    if both:
        other, words = 'AB'[1 - number], re.sub('`([^`]*)`', r'<code>\1</code>', escape(both.words))
        asked = ''.join(f'<p class="{"asked" if each is run else "other"}"><b>{name}</b> {each["asked"]}'
                       f'{" · shown" if each is run else ""}</p>' for name, each in zip('AB', runs, strict=True))
        short_ = (f'{asked}{run["turned"]}<p class="words"><b>B compared with A:</b> {words} '
                  f'{_button("swap", f"show {other}")} {_button("close", "close") if closes else ""}</p>')
        full += f'<details class="beside" open><summary>side by side, step by step</summary>{table(both)}</details>'
    if run['refusal']:
        full += ('<details class="refusal" open><summary>where the error arose, and how it became the response'
                 f'</summary>{run["refusal"]}</details>')
    return short_, full
