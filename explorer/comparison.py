"""Two runs side by side: which stations both visit, where they part, and what differs where they don't.

What no two runs share is left out: ids of requests, times.
"""

import collections
import dataclasses
import difflib
import itertools
import re
from html import escape

from explorer import views
from explorer.flowcharts import name_of, turned_back
from explorer.trace import Trace, difference

MOST_DIFFERENCES = 6  # of a step
PASSING_NAMES = ('start', 'timings')
_PASSING = re.compile(
    r'req-[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?|\w{3}, [\w ]+ \d\d:\d\d:\d\d GMT')


@dataclasses.dataclass(frozen=True)
class Row:
    """A step of one run beside that of the other.

    Shape: *here* and *there* are indices of steps, None where the other run has no such visit; *differences* are of
    (dotted path, value here, value there), as text.
    """

    here: int | None
    there: int | None
    differences: tuple = ()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """This run (*here*) beside another (*there*); shows itself as text and as a table."""

    here: Trace
    there: Trace
    rows: tuple[Row, ...]

    @property
    def words(self):
        """Say where the runs part, in a sentence."""
        return _words(self)

    def __str__(self):
        lines = [f'here   {views.asked(self.here)} → {views.answered(self.here)}',
                 f'there  {views.asked(self.there)} → {views.answered(self.there)}', self.words, '']
        for row, differences in news(self.rows):
            if isinstance(row, int):
                lines.append(f'{"":11}{_alike(row)}')
                continue
            lines.append(f'{_index(row.here):>5}{_index(row.there):>5} {_mark(row)} {_name(self, row)}')
            lines += [f'{"":15}{where}: {one} instead of {other}' for where, one, other in differences[:MOST_DIFFERENCES]]
        return '\n'.join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        return f'<p>{escape(self.words)}</p>{table(self)}'


def compare(here, there):
    """Lay two traces side by side.

    Returns: a Comparison; its rows hold every step of both, in the order of the walk.
    """
    rows = []
    for kind, a, b, c, d in _blocks(here, there):
        if kind == 'equal':
            rows += [Row(i, j, _differences(here.steps[i], there.steps[j])) for i, j in zip(range(a, b), range(c, d))]
        else:
            rows += [*(Row(i, None) for i in range(a, b)), *(Row(None, j) for j in range(c, d))]
    return Comparison(here, there, tuple(rows))


def _blocks(here, there):
    """Align the stations of two runs, as difflib does."""
    keys = [[step.station for step in trace.steps] for trace in (here, there)]
    return difflib.SequenceMatcher(None, *keys, autojunk=False).get_opcodes()


def _differences(here, there):
    """List where the payloads of two visits of a station differ."""
    found = []
    for when in ('before', 'after', 'result', 'error'):
        one, other = getattr(here, when), getattr(there, when)
        if one is other or one == other:
            continue
        parts = difference({when: other}, {when: one})
        for path, value in parts['added'].items():
            found.append((path, views.short(value), 'nothing'))
        for path, value in parts['dropped'].items():
            found.append((path, 'nothing', views.short(value)))
        for path, (old, new) in parts['changed'].items():
            if path[-1] not in PASSING_NAMES and lasting(old) != lasting(new):
                found.append((path, views.short(new), views.short(old)))
    seen = {}  # what is carried in several places, before and after, is said once
    for path, one, other in found:
        seen.setdefault((path[-1], one, other), (views.visible('.'.join(map(str, path[1:] or path))), one, other))
    return tuple(sorted(seen.values(), key=lambda difference: difference[0].count('.')))


def lasting(value):
    """Replace in plain data what no two runs share."""
    if isinstance(value, str):
        return _PASSING.sub('…', value)
    if isinstance(value, dict):
        return {name: lasting(part) for name, part in value.items() if name not in PASSING_NAMES}
    return [lasting(part) for part in value] if isinstance(value, list) else value


# -------------------------------------------------------------------------------------------------------- in words


def _words(comparison):
    clauses = []
    for leg, parts in itertools.groupby(_partings(comparison), key=lambda part: part[0]):
        ours, theirs = ([step for part in parts for step in part[side]] for parts in [list(parts)] for side in (1, 2))
        says, last = _instead(comparison, leg, ours, theirs)
        clauses.append(f'the same until `{leg}`; then {says}' if leg else says)
        if last:
            break
    if clauses:
        status = [trace.response['status'] if trace.response else 'no answer' for trace in (comparison.here, comparison.there)]
        answer = f'; the answer is {status[0]} instead of {status[1]}' if status[0] != status[1] and not last else ''
        return '; then '.join(clauses) + answer
    first = next((row for row in comparison.rows if row.differences), None)
    if first is None:
        return 'the same throughout'
    path, one, other = first.differences[0]
    return f'the same stations throughout; first of all {path} is {one} instead of {other}, in {_name(comparison, first)}'


def _partings(comparison):
    """Find the stretches in which the runs go different ways: (leg before, steps here, steps there)."""
    here, there, before = comparison.here.steps, comparison.there.steps, ''
    for alone, group in itertools.groupby(comparison.rows, key=lambda row: row.here is None or row.there is None):
        group = list(group)
        if alone:
            yield (before, [here[row.here] for row in group if row.here is not None],
                   [there[row.there] for row in group if row.there is not None])
        else:
            before = here[group[-1].here].exploration


def _instead(comparison, leg, ours, theirs):
    """Say what one run does in a leg and the other does not: (words, whether all else follows from that)."""
    here, there = comparison.here, comparison.there
    if not leg and {step.exploration for step in (*ours, *theirs)} <= {'client', 'service', None} and not (ours and theirs):
        return f'{"with" if ours else "without"} the client\'s part', False
    for trace, words in ((here, 'turned back by'), (there, 'not turned back by')):
        turned = turned_back(trace)
        if turned and turned.exploration == leg:
            status = [trace.response['status'] if trace.response else 'no answer' for trace in (here, there)]
            return f'{words} {name_of(turned.station)}, with {status[0]} instead of {status[1]}', True
    kinds = [{message['kind'] for message in trace.messages} for trace in (here, there)]
    if leg in ('conductor-api', 'rpc') and kinds[0] != kinds[1] and all(kinds):
        return f'{"".join(kinds[0])} instead of {"".join(kinds[1])}', True
    visits = [collections.Counter(name_of(step.station) for step in steps) for steps in (ours, theirs)]
    more, less, moved = visits[0] - visits[1], visits[1] - visits[0], visits[0] & visits[1]
    says = [f'{_listed(more)} instead of {_listed(less)}' if more and less else
            f'{_listed(more)} besides' if more else f'no {_listed(less)}' if less else '',
            f'{_listed(moved)} in another place' if moved else '']
    return ' and '.join(filter(None, says)), False


def _listed(names):
    names = list(names)
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')


# ------------------------------------------------------------------------------------------------------ as a table


def news(rows):
    """Fold what is alike: yield (row, its differences that no row before had), or (number of rows alike, ())."""
    seen, alike = set(), 0
    for row in rows:
        new = [found for found in row.differences if (found[0].rpartition('.')[2], *found[1:]) not in seen]
        seen |= {(path.rpartition('.')[2], one, other) for path, one, other in new}
        if not new and row.here is not None and row.there is not None:
            alike += 1
            continue
        if alike:
            yield alike, ()
        alike = 0
        yield row, new
    if alike:
        yield alike, ()


def table(comparison):
    """Show the two runs side by side as HTML; what differs already is not repeated."""
    lines = []
    for row, differences in news(comparison.rows):
        if isinstance(row, int):
            lines.append(f'<tr class="alike"><td></td><td></td><td align="left" colspan="2">{_alike(row)}</td></tr>')
            continue
        station = f'<code>{escape(_name(comparison, row))}</code>'
        lines.append(
            f'<tr{_class(row)}><td align="left">{views.goto(row.here)}</td><td align="left">{views.goto(row.there, 1)}</td>'
            f'<td align="left">{_mark(row)} {station}</td><td align="left">{differences_html(differences)}</td></tr>')
    return ('<table class="comparison"><tr><th align="left">here</th><th align="left">there</th><th align="left">station</th>'
            f'<th align="left">what differs from here on</th></tr>{"".join(lines)}</table>')


def differences_html(differences):
    """Show differences, a line each."""
    lines = [f'<code>{escape(path)}</code> {escape(one)} instead of {escape(other)}' for path, one, other in differences]
    more = len(lines) - MOST_DIFFERENCES
    return '<br>'.join([*lines[:MOST_DIFFERENCES], *([f'and {more} more'] if more > 0 else [])])


def _alike(number):
    return f'{number} step{"s" if number > 1 else ""} with no further difference'


def _mark(row):
    return '+' if row.there is None else '−' if row.here is None else '≠'


def _class(row):
    return ' class="added"' if row.there is None else ' class="dropped"' if row.here is None else ''


def _index(index):
    return '' if index is None else str(index)


def _name(comparison, row):
    step = comparison.there.steps[row.there] if row.here is None else comparison.here.steps[row.here]
    return name_of(step.station)
