"""Show a trace as text and as HTML. Pure functions, shared by the player, the notebook and the terminal.

Whatever comes from a payload is text and stays text: it is escaped here and interpreted nowhere.
"""

from html import escape

from explorer.explorations import exploration
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace
from explorer.views.changed import changes_text
from explorer.views.facts import answered, asked, caption, in_focus, letter, refusal
from explorer.views.fields import field_rows
from explorer.views.markup import LEFT, code_html, goto, html_table, numbered, said
from explorer.views.tells import tells


def tell(trace: Trace, key: str | None = None) -> str:
    """Return a trace as text: the steps in focus and the followed field of an exploration; without *key*, every step.

    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key) if key else None
    steps = in_focus(trace, row.key) if row else trace.steps
    lines = [*([f'{row.number}. {row.title}', row.question] if row else []), f'{asked(trace)} → {answered(trace)}']
    lines += [*(f'     {layer}: {what}{f" ({station}, {line}: {text})" if line else ""}'
                for layer, what, _, station, line, text in refusal(trace)), '']
    for step in steps:
        lines.append(f'{step.index + 1:4} {NODES[step.node]:14} {BY_KEY[step.station].name}: '
                     f'{tells(trace, step, "return")}')
        if row is None:
            continue
        lines += [f'{"":9}{line}' for line in _what_it_did(trace, step)]
    if row:
        lines += ['', f'{row.follow} on its way']
        lines += [f'{numbered(index):>4} {where:14} {name}: {path} = {text} ({kind})'
                  for index, where, name, path, kind, text in field_rows(trace, row.follow)]
        lines.append(f'and {len(trace.steps) - len(steps)} more steps')
    return '\n'.join(['' if line.isspace() else line for line in lines])


def _what_it_did(trace: Trace, step: Step) -> list[str]:
    """List what a visit changed and returned; of the message that it puts on the bus, the address comes first."""
    return [*(f'✉ {name} {text}' for name, text in letter(step)), *changes_text(trace, step, 'return')]


def page(trace: Trace, key: str) -> str:
    """Return the content of `tell` as HTML that needs no script.

    Raises: WrongUse for an unknown exploration.
    """
    row, steps = exploration(key), in_focus(trace, key)
    rows = [(
        step.index + 1, NODES[step.node],
        f'{code_html(BY_KEY[step.station].name)} {said(tells(trace, step, "return"))}',
        '<br>'.join(map(escape, _what_it_did(trace, step)))) for step in steps]
    return (f'{LEFT}<h4>{row.number}. {escape(row.title)}</h4><p>{escape(row.question)}<br>{code_html(asked(trace))} '
            f'→ {escape(answered(trace))}</p>{refusal_html(trace)}'
            f'{html_table(("step", "where", "station", "what it did"), rows)}{journey_html(trace, row.follow)}'
            f'<p>and {len(trace.steps) - len(steps)} more steps. {escape(caption(trace))}</p>')


def journey_html(trace: Trace, name: str) -> str:
    """Show the names, types and values of a field as a table."""
    rows = [(goto(index), where, code_html(station), code_html(path), kind, escape(text))
            for index, where, station, path, kind, text in field_rows(trace, name)]
    return html_table(('step', 'where', 'station', 'name', 'type', 'value'), rows, f'{name} on its way')


def refusal_html(trace: Trace) -> str:
    """Show how a request was rejected, as a table; '' if it was not."""
    rows = [(escape(layer), escape(what), goto(index), code_html(station),
             f'{code_html(line)} {code_html(text)}' if line else '')
            for layer, what, index, station, line, text in refusal(trace)]
    return html_table(('layer', 'what', 'step', 'station', 'line'), rows, 'how it was rejected') if rows else ''
