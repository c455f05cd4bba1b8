"""The page of a player as HTML: header, form, map, controls, sentence and panes. player.js fills it."""

import itertools
from collections.abc import Sequence
from html import escape

from explorer.explorations import Exploration
from explorer.player.protocol import Control, FormField

LEGEND = (
    '<h4>What the marks mean</h4><ul>'
    '<li><b>+</b> added, <b>~</b> changed, <b>−</b> removed by this visit</li>'
    '<li><b>✗</b> here the request was rejected, or something failed</li>'
    '<li><b>◆</b> holds the field that you follow</li>'
    '<li><b>≠</b> only in this run, or different in the other</li>'
    '<li><b>✉</b> the message on the bus</li></ul>'
    '<h4>The map</h4><p>The whole request, from left to right. Each bar is a visit to a function; the functions that '
    'it calls are below it. Dark bars have not returned yet. Click a bar, or drag along the map, to go there.</p>'
    '<h4>Keys</h4><p>← and → step, Home and End go to the ends, the space bar plays, / searches.</p>')
_BUTTONS = (('previous', '◀', 'Back (←)'), ('next', 'Next ▶', 'go on (→)'),
            ('over', 'Over', 'to the return of this visit'), ('out', 'Out', 'to the return of its caller'),
            ('play', '▶ Play', 'play or pause (space bar)'))


def frame(row: Exploration, form: Sequence[FormField] = (), *, before: bool = False, two: bool = False,
          both: bool = False) -> str:
    """Lay out a player.

    Shape: *form* is empty if there is no kernel to send a request to; *before* is true if there is a previous run to
    compare with, *two* if two runs are compared, *both* if the suggested run can be compared without a kernel.
    """
    steps = ''.join(_button(action, text, says) for action, text, says in _BUTTONS)
    ends = f'{_button("first", "|◀", "to the beginning (Home)")}{_button("last", "▶|", "to the end (End)")}'
    views = {'source': 'code', 'more': 'differences', 'journey': 'the field I follow', 'legend': 'what the marks mean'}
    options = ''.join(f'<option value="{name}">{text}</option>' for name, text in views.items())
    return (
        f'<div class="head"><div data-part="facts"></div>{_asking(row, form, before=before, two=two, both=both)}</div>'
        f'<p class="message" role="alert" data-part="message"></p>{_form_html(form) if form else ""}'
        '<div class="whole"><div data-pane="map" role="slider" tabindex="0" aria-valuemin="1" aria-valuenow="1" '
        f'aria-label="moments of the request"></div><div class="ends">{ends}</div>'
        '<div class="tip" data-part="tip" hidden></div></div>'
        f'<div class="controls"><div class="steps">{steps}</div><div><output data-part="count"></output>'
        '<label class="every"><input type="checkbox" data-part="every"> every step</label>'
        '<span class="find"><input type="search" list="\x01fields" placeholder="find or follow" '
        'title="find a name or a value; follow a field" aria-label="find or follow" autocomplete="off" '
        'data-part="find"><output data-part="found"></output></span>'
        '<datalist id="\x01fields" data-part="fields"></datalist>'
        f'<select aria-label="show" data-part="view">{options}</select></div></div>'
        '<div class="sentence"><p class="now" aria-live="polite" data-part="now"></p>'
        '<p class="words" data-part="words"></p></div>'
        '<div class="stack"><nav class="crumbs" aria-label="call stack" data-part="crumbs"></nav></div>'
        f'<div class="panes"><div class="view">{_pane("source")}'
        '<div data-part="more" role="region" aria-label="comparison" tabindex="0"></div>'
        '<div data-part="journey" role="region" aria-label="the field that is followed" tabindex="0"></div>'
        f'<div data-part="legend" role="region" aria-label="legend" tabindex="0">{LEGEND}<p class="caption" '
        f'data-part="caption"></p></div></div>{_pane("payload")}</div>{_pane("flowchart")}')


def _pane(name: str) -> str:
    return f'<div data-pane="{name}" role="region" aria-label="{name}" tabindex="0"></div>'


def _asking(row: Exploration, form: Sequence[FormField], *, before: bool, two: bool, both: bool) -> str:
    """Return the controls that change the request, compare, or close a comparison: without a kernel, some of them."""
    change = ('<button type="button" data-action="change" data-part="change" aria-expanded="false">'
              'Change the request ▾</button>') if form else ''
    if two:
        return f'{change}{_button("close", "Close the comparison", "back to where you were")}'
    choices = [_button('compare', row.versus_says)] if row.versus and (form or both) else []
    choices += [_button('beside', 'with the real Nova')] if form else []
    choices += [_button('before', 'with the previous run')] if before else []
    menu = ('<details class="menu" data-part="menu"><summary>Compare ▾</summary>'
            f'<div>{"".join(choices)}</div></details>')
    return change + (menu if choices else '')


def _form_html(form: Sequence[FormField]) -> str:
    groups = [(name, list(fields)) for name, fields in itertools.groupby(form, lambda field: field['group'])]
    sets = ''.join(
        f'<fieldset class="{name.split()[0].lower()}"><legend>{name}</legend>'
        f'{"".join(_control(**field) for field in fields)}</fieldset>' if name else _control(**fields[0])
        for name, fields in groups)
    return (f'<form aria-label="the request" data-part="form" hidden>{sets}'
            '<button type="submit" data-action="send" class="primary">Send</button></form>')


def _control(name: str, label: str, kind: Control, value: str | bool, options: Sequence[tuple[str, str]],
             group: str) -> str:
    """Return the HTML of a control without its *value*, which player.js takes from the form."""
    choices = ''.join(
        f'<option value="{escape(option)}">{escape(option or "none")}{escape(f": {says}") if says else ""}</option>'
        for option, says in options)
    if kind == 'hidden':
        return f'<input type="hidden" name="{name}">'
    if kind == 'select':
        inner = f'<select name="{name}">{choices}</select>'
    elif kind == 'area':
        inner = f'<textarea name="{name}" rows="3" spellcheck="false"></textarea>'
    elif kind == 'checkbox':
        inner = f'<input type="checkbox" name="{name}">'
    else:
        hint = 'the nova client cannot send this; it is sent without the client' if name == 'command' else 'not set'
        inner = (f'<input type="text" name="{name}" list="\x01{name}" placeholder="{hint}" spellcheck="false" '
                 'autocomplete="off">')
        inner += f'<datalist id="\x01{name}">{choices}</datalist>' if options else ''
    return f'<label class="{name}">{label} {inner}</label>'


def _button(action: str, text: str, says: str = '') -> str:
    title = f' title="{says}"' if says else ''
    return f'<button type="button" data-action="{action}" data-part="{action}"{title}>{escape(text)}</button>'
