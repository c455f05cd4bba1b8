"""What the player shows of a trace, or of two, as plain data: for the widget and for the page that is handed out.

Every fragment of HTML is made here and by the pure functions of explorer/views/; the browser puts it in its place.
"""

import itertools
import re
from html import escape

from explorer.explorations import EXPLORATIONS, OPTIONS, exploration
from explorer.stations import BY_KEY, NODES
from explorer.views import facts
from explorer.views.comparison import FEW_DIFFERENCES, compare, differences_html, table
from explorer.views.facts import answered, asked, caption, ending, lost, made_within, refusals, turned_back
from explorer.views.flowcharts import flowchart, render
from explorer.views.pages import Payloads, refusal_html, refusal_line, source

SHORTEST_FOLD = 120  # characters
PACES = (0.5, 1, 2, 5)  # seconds a step
_REFUSED = ' class="refused"'
LEGEND = (
    '<ul><li>Flowchart: a lane for each place, a box for each function; filled boxes are those that this leg is about, ×4 is run '
    'four times; ✗ is where the request was refused, or something failed; dashed arrows cross the bus, the dotted one is the '
    'answer. A thick frame is the current step.</li>'
    '<li>Source: a bar marks the lines that ran; what is pale did not.</li>'
    '<li>Payload: what the function holds at its end, and what it returns or raises. + is new, ~ has changed, − has gone, since '
    'it began; in brackets: a function that it called did that.</li>'
    '<li>◆ marks the boxes that hold the field you follow; ≠ those that only this one of two runs has.</li></ul>')


def content(trace, key, other=None, *, form=(), before=False):
    r"""Put together what the browser shows of a trace, or of two side by side, as plain data; Graphviz runs once for each.

    Shape: *form* are the controls of `form.form`, none where there is nobody to send to; *before* says that there is a run
    before this one to compare with. `page` is HTML in which \x01 stands for a name of its own; `runs` are one or two; what
    steps share stands once, in `sources` and `folds`: \x02N; in a payload is the text of `folds[N]`.
    """
    row, both = exploration(key), compare(trace, other) if other else None
    sources, folds = {}, {}
    payloads = Payloads(lambda text: _fold(text, folds))
    runs = [_run(each, key) for each in (trace, other) if each]
    steps = [each.steps for each in (trace, other) if each]
    for number, index in _in_turn(both) if both else [(0, step.index) for step in trace.steps]:
        step, within = steps[number][index], runs[number]['within'][index]
        shown = runs[number]['steps'][index]
        shown['payload'] = payloads.show(step, within)
        sources.setdefault(shown['source'], source(step.station, step.file, step.line))
    for each in runs:
        del each['within']
    used = {step['station'] for each in runs for step in each['steps']}
    for number, each in enumerate(runs):
        each['facts'], each['more'] = _facts(runs, number, both, closes=bool(form))
        each['flowchart'] = each.pop('flowchart')
    # The two flowcharts stand next to each other: what packs the page for handing out looks 32 kB back for what is alike.
    runs[1:] = [dict(reversed(each.items())) for each in runs[1:]]
    return {
        'key': key, 'title': f'{row.number}. {row.title}', 'focus': row.focus, 'follow': row.follow, 'start': runs[0]['start'],
        'page': frame(row, form, before=before and not both), 'nodes': NODES,
        'stations': {station: [BY_KEY[station].name, BY_KEY[station].says] for station in BY_KEY if station in used},
        'sources': sources, 'folds': list(folds), 'runs': runs,
        'fields': _together([facts.journeys(each) for each in (trace, other) if each]),
        'differs': both and [[row.a, row.b, _differs(row)] for row in both.rows]}


def _differs(row):
    """Say above the payload what differs in a step."""
    told = differences_html(row, row.differences, FEW_DIFFERENCES)
    if row.badge:
        return f'<b>beside the real Nova, in this visit: {row.badge}</b> {told}'
    return told and f'<b>≠ B against A</b> {told}'


def _together(journeys):
    """Merge what runs tell of fields: {field: rows of [node, dotted path, type, value, steps of the first run, of the second]}."""
    merged = {}
    for number, fields in enumerate(journeys):
        for name, rows in fields.items():
            for *what, steps in rows:
                merged.setdefault(name, {}).setdefault(tuple(what), [[] for _ in journeys])[number] = steps
    return {name: [[*what, *steps] for what, steps in rows.items()] for name, rows in merged.items()}


def _fold(text, folds):
    """Put a text aside that is worth it; no payload can hold the mark, as views.visible escapes it."""
    return text if len(text) < SHORTEST_FOLD else f'\x02{folds.setdefault(text, len(folds))};'


def _in_turn(comparison):
    """Give (run, index) of every step, what belongs together next to each other."""
    return [place for row in comparison.rows for place in ((0, row.a), (1, row.b)) if place[1] is not None]


def _run(trace, key):
    red = {step.index: ending(step) for step in refusals(trace)}
    svg, why = render(flowchart(trace).source)
    steps = [{'station': step.station, 'node': step.node, 'source': f'{step.file}:{step.line}', 'lines': step.lines,
              'refused': red.get(step.index, '')} for step in trace.steps]
    return {
        'asked': _asked(trace), 'turned': refusal_line(trace), 'refusal': refusal_html(trace),
        'caption': caption(trace), 'start': start(trace, key), 'leg': leg(trace, key), 'legs': legs(trace), 'steps': steps,
        'flowchart': drawing(svg) if svg else drawing_as_list(trace, why),
        'within': made_within(trace), 'given': {name: given for name in OPTIONS if (given := facts.given(trace, name))}}


def start(trace, key):
    """Give the index of the step to begin at: where the request was turned back or lost, else the first in focus, else the last."""
    found = [step.index for step in trace.steps if step.exploration == key and step.station in exploration(key).focus]
    turned = turned_back(trace) or lost(trace)
    return [*([turned.index] if turned else []), *found, max(len(trace.steps) - 1, 0)][0]


def positions(trace):
    """Name the positions of a trace: {key of an exploration or a station: index of its first step in focus}."""
    named = {}
    for step in trace.steps:
        named.setdefault(step.station, step.index)
    return {**named, **legs(trace)}


def legs(trace):
    """Give {key of an exploration: index of its first step in focus}, of those that were reached."""
    found = {row.key: [step.index for step in trace.steps if step.exploration == row.key and step.station in row.focus]
             for row in EXPLORATIONS}
    return {key: indices[0] for key, indices in found.items() if indices}


def leg(trace, key):
    """Say which steps belong to an exploration."""
    found = [step.index for step in trace.steps if step.exploration == key]
    runs = [[step for _, step in group] for _, group in itertools.groupby(enumerate(found), lambda pair: pair[1] - pair[0])]
    told = ', '.join(f'{each[0]} to {each[-1]}' if len(each) > 1 else str(each[0]) for each in runs)
    return f'this leg: {told}' if found else 'this leg was not reached'


def drawing(svg):
    """Prepare an SVG of Graphviz for a page: each box marked with its station, without what the page's own style says."""
    svg = re.sub(r'<!--.*?-->\n?|<title>.*?</title>\n?|<g id="a_[^>]*><a [^>]*>\n?|</a>\n</g>\n?', '', svg[svg.index('<svg'):], flags=re.S)
    svg = re.sub(r'<path [^>]*?((?: stroke-dasharray="[^"]*")?) d="(M[^"]*Z?)"/>', _as_box, svg)
    svg = re.sub(r' (?:font-\w+|fill|stroke|stroke-width|text-anchor|xmlns:xlink|xml:space)="[^"]*"| id="(?:edge|clust|graph)\d+"', '', svg)
    svg = re.sub(r'<[^>]*>', lambda tag: re.sub(r'(\d)\.\d+', r'\1', tag[0]), svg)  # in the texts numbers stay whole
    return svg.replace('id="station_', 'data-station="')


def _as_box(path):
    """Write the outline of a round box, a path of twelve curves, as a rectangle."""
    numbers = [float(number) for number in re.findall(r'-?[\d.]+', path[2])]
    if 'fill="none"' in path[0] or len(numbers) < 40:  # an arrow, or a cylinder
        return path[0]
    (left, *_, right), (top, *_, bottom) = sorted(numbers[::2]), sorted(numbers[1::2])
    return f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}" rx="8"/>'


def drawing_as_list(trace, why):
    """Give the boxes as a list, where there is no Graphviz."""
    seen = dict.fromkeys(step.station for step in trace.steps)
    boxes = ''.join(f'<li data-station="{station}">{escape(BY_KEY[station].name)}</li>' for station in seen)
    return f'<p>{escape(why)}</p><ol>{boxes}</ol>'


# ------------------------------------------------------------------------------------------------ the page around it


def frame(row, form=(), *, before=False):
    """Lay out the player as HTML: data-part and data-pane name what the module fills."""
    actions = {'first': '|◀ first', 'previous': '◀ previous', 'next': 'next ▶', 'last': 'last ▶|', 'play': 'play'}
    buttons = ''.join(_button(*action) for action in actions.items())
    paces = ''.join(f'<option value="{pace}"{" selected" if pace == 1 else ""}>{pace} s</option>' for pace in PACES)
    panes = ''.join(f'<div data-pane="{name}" role="region" aria-label="{name}" tabindex="0"></div>'
                    for name in ('flowchart', 'source', 'payload'))
    return (
        f'<h3>{row.number}. {escape(row.title)}</h3><p class="question">{escape(row.question)}</p>'
        f'{_form_html(row, form, before) if form else ""}<p class="message" role="alert" data-part="message"></p><div data-part="facts"></div>'
        f'<div class="controls">{buttons}<label>a step every <select data-part="pace">{paces}</select></label>'
        '<input type="range" min="0" aria-label="step" data-part="slider"><output data-part="count"></output></div>'
        f'<div class="controls">{_button("bus", "✉ message")}'
        '<label>find <input type="search" placeholder="a name or a value" data-part="find"></label>'
        f'{_button("found", "")}<label>follow <input type="text" list="\x01fields" placeholder="a field" '
        'autocomplete="off" data-part="field"></label><datalist id="\x01fields" data-part="fields"></datalist></div>'
        f'<p class="now" aria-live="polite" data-part="now"></p><div class="panes">{panes}</div><div data-part="more"></div>'
        '<details class="journey" data-part="journey"></details>'
        f'<details class="legend"><summary>how to read this</summary>{LEGEND}</details><p class="caption" data-part="caption"></p>')


def _form_html(row, form, before):
    controls = {field['name']: _control(**field) for field in form}
    apart = ('command', 'line', 'headers', 'body', 'rest')
    compare = _button('compare', f'Compare: {row.versus_says}') if row.versus else ''
    return (
        f'<form aria-label="the request" data-part="form"><div>{controls["command"]}<button type="submit" data-action="send">Send'
        f'</button>{compare}{_button("beside", "Compare: the real Nova")}{_button("before", "Compare with the run before") if before else ""}</div>'
        f'<div>{"".join(text for name, text in controls.items() if name not in apart)}</div>'
        f'<details class="request"><summary>the HTTP request: headers and body (the miniature has only the routes that this path needs)</summary>{controls["line"]}'
        f'<div>{controls["headers"]}{controls["body"]}</div>{controls["rest"]}</details></form>')


def _control(name, label, kind, value, options):
    """Show a control; its value comes with the form."""
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
        hint = 'no command of the nova client sends this; it goes without it' if name == 'command' else 'left open'
        inner = f'<input type="text" name="{name}" list="\x01{name}" placeholder="{hint}" spellcheck="false" autocomplete="off">'
        inner += f'<datalist id="\x01{name}">{choices}</datalist>' if options else ''
    return f'<label class="{name}">{label} {inner}</label>'


def _button(action, text):
    return f'<button type="button" data-action="{action}" data-part="{action}">{escape(text)}</button>'


def _asked(trace):
    failed = bool(trace.note) or not trace.response or trace.response['status'] >= 400
    return f'<code>{escape(asked(trace))}</code> → <strong{_REFUSED if failed else ""}>{escape(answered(trace))}</strong>'


def _facts(runs, number, both, *, closes):
    """Say what a run was and how it ended, and how it compares with the other: in short, and in full."""
    run = runs[number]
    short_, full = f'<p class="asked">{run["asked"]}</p>{run["turned"]}', ''
    if both:
        other, words = 'AB'[1 - number], re.sub('`([^`]*)`', r'<code>\1</code>', escape(both.words))
        asked = ''.join(f'<p class="{"asked" if each is run else "other"}"><b>{name}</b> {each["asked"]}'
                       f'{" · shown" if each is run else ""}</p>' for name, each in zip('AB', runs))
        short_ = (f'{asked}{run["turned"]}<p class="words"><b>B against A:</b> {words} '
                  f'{_button("swap", f"show {other}")} {_button("close", "close") if closes else ""}</p>')
        full += f'<details class="beside" open><summary>side by side, step by step</summary>{table(both)}</details>'
    if run['refusal']:
        full += f'<details class="refusal" open><summary>how the error came about, and what became of it</summary>{run["refusal"]}</details>'
    return short_, full
