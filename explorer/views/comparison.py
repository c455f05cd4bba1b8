"""Two runs side by side: which stations both visit, where they part, and what differs where they don't.

What no two runs share is left out: ids of requests, times.
"""

import collections
import dataclasses
import itertools
import re
from html import escape

from explorer.explorations import exploration
from explorer.payloads import difference
from explorer.stations import BY_KEY, FIELDS
from explorer.trace import Trace
from explorer.views import facts
from explorer.views.facts import answered, field_of, turned_back
from explorer.views.pages import LEFT, goto
from explorer.views.reasons import align, by_reason, differences_at_the_end, pairs, payload_reason
from explorer.views.text import short, visible

FEW_DIFFERENCES, MOST_DIFFERENCES = 3, 6  # of a step: beside its payload, in the table
PASSING_NAMES = ('start', 'timings')
_PASSING = re.compile(
    r'req-[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?|\w{3}, [\w ]+ \d\d:\d\d:\d\d GMT')


@dataclasses.dataclass(frozen=True)
class Row:
    """A step of one run beside that of the other.

    Shape: *a* and *b* are indices of steps, None where the other run has no such visit; *differences* are of
    (dotted path, value in A, value in B), as text, a value None where there is none. Where one of the two runs is the real
    Nova's: *also_ran* is what only that one runs there, as `by_reason` gives it, *badge* says how the miniature stands to it.
    """

    a: int | None
    b: int | None
    differences: tuple = ()
    also_ran: tuple = ()
    badge: str = ''


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two runs, A and B, side by side; all is told as what B does other than A. Shows itself as text and as a table.

    Shape: *of* is the key of an exploration, if the rows are only those of that leg.
    """

    a: Trace
    b: Trace
    rows: tuple[Row, ...]
    of: str = ''

    @property
    def with_real(self):
        """Say whether this is the miniature beside the real Nova."""
        return is_real(self.a) != is_real(self.b)

    def leg(self, key):
        """Give the comparison of one leg alone.

        Raises: WrongUse for an unknown exploration.
        """
        row = exploration(key)
        return dataclasses.replace(self, of=row.key, rows=tuple(each for each in self.rows if _step(self, each).exploration == row.key))

    @property
    def words(self):
        """Say where the runs part, in a sentence."""
        return _words_with_real(self) if self.with_real else _words(self)

    def __str__(self):
        asked = [f'{name}  {facts.asked(trace)} → {answered(trace)}' for name, trace in (('A', self.a), ('B', self.b))]
        lines = [*(asked if not self.of else ()), self.words, *_ends(self), '']
        for row, differences in news(self):
            if isinstance(row, int):
                lines.append(f'{"":11}{_alike(row)}')
                continue
            lines.append(f'{_index(row.a):>5}{_index(row.b):>5} {_mark(row)} {_name(self, row)}')
            lines += [f'{"":15}{path}: {_instead_of(one, other)}{f" ({why})" if why else ""}'
                      for path, one, other, why in _reasoned(row, differences[:MOST_DIFFERENCES])]
            lines += [f'{"":15}+ {names} ({why})' for why, names, _ in row.also_ran]
        return '\n'.join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        ends = ''.join(f'<div>{escape(end)}</div>' for end in _ends(self))
        return f'{LEFT}<p>{escape(self.words)}</p>{ends}{table(self)}'


def compare(a, b):
    """Lay two traces side by side; what B does is told against A.

    Returns: a Comparison; its rows hold every step of both, in the order of the walk.
    """
    if is_real(a) != is_real(b):
        return Comparison(a, b, tuple(_rows_with_real(a, b)))
    return Comparison(a, b, tuple(Row(i, j, _differences(a.steps[i], b.steps[j]) if None not in (i, j) else ())
                                  for i, j in align(a, b)))


def is_real(trace):
    """Say whether the real Nova answered."""
    return trace.engine in ('nova', 'recorded')


def _rows_with_real(a, b):
    for pair in pairs(*((b, a) if is_real(a) else (a, b))):
        places, differences = (pair.ours, pair.real), []
        for when, path, *values in pair.payload:
            shown = [None if value is None and when != 'result' else short(value) for value in values]
            dotted = visible('.'.join(map(str, (when, *path))))
            differences.append((dotted, *(reversed(shown) if is_real(a) else shown)))
        yield Row(*(reversed(places) if is_real(a) else places), tuple(differences), by_reason(pair.also_ran, pair.station), pair.badge)


def _differences(a, b):
    """List where the payloads of two visits of a station differ."""
    found = []
    for when in ('before', 'after', 'result', 'error'):
        one, other = getattr(a, when), getattr(b, when)
        if one is other or one == other:
            continue
        parts = difference({when: one}, {when: other})
        found += [(path, None, short(value)) for path, value in parts['added'].items()]
        found += [(path, short(value), None) for path, value in parts['dropped'].items()]
        found += [(path, short(old), short(new)) for path, (old, new) in parts['changed'].items()
                  if path[-1] not in PASSING_NAMES and lasting(old) != lasting(new)]
    seen = {}  # what is carried in several places, before and after, is said once
    for path, one, other in found:
        seen.setdefault((path[-1], one, other), (visible('.'.join(map(str, path[1:] or path))), one, other))
    return tuple(sorted(seen.values(), key=lambda difference: difference[0].count('.')))


def _instead_of(one, other):
    """Say what a value is in B, and what it is in A."""
    if one == other:
        return f'{one}, which differs further on'
    return f'{other}, only in B' if one is None else f'{one}, only in A' if other is None else f'{other} instead of {one}'


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
        if says:
            clauses.append(f'the same until `{leg}`; then {says}' if leg else says)
        if last:
            break
    status = [trace.response['status'] if trace.response else 'no answer' for trace in (comparison.a, comparison.b)]
    answer = f'; the answer is {status[1]} instead of {status[0]}' if status[0] != status[1] else ''
    if clauses:
        return '; then '.join(clauses) + ('' if last else answer)
    differing = [(row, found) for row in comparison.rows for found in row.differences]
    if not differing:
        return 'the same throughout'
    # A field that is worth following says more than the words of the command line.
    named = (pair for pair in differing if field_of(tuple(pair[1][0].split('.'))) in FIELDS)
    row, (path, one, other) = next(named, differing[0])
    return f'the same stations throughout; {path} is {_instead_of(one, other)}, from {_name(comparison, row)} on{answer}'


def _words_with_real(comparison):
    count = collections.Counter(row.badge for row in comparison.rows)
    held = (f'{count["same"]} of {len(comparison.rows)} visits are given the same, run no more and give back the same; in '
            f'{count["simplified"]} the real Nova runs more, or has something in another form')
    if comparison.of:
        return f'{exploration(comparison.of).title}: {held}'
    miniature, real = (comparison.b, comparison.a) if is_real(comparison.a) else (comparison.a, comparison.b)
    ours, theirs = len(miniature.steps), len(real.steps)
    together = [row for row in comparison.rows if None not in (row.a, row.b)]
    way = (f'the same {ours} visits in the same order' if len(together) == ours == theirs else
           f'{len(together)} visits in the same order, {ours - len(together)} only here and {theirs - len(together)} only there')
    other = {path[0] for path, *_ in differences_at_the_end(miniature, real)}
    ends = [f'{"another" if name in other else "the same"} {what}' for name, what in (
        ('messages', 'message'), ('response', 'answer'), ('outcome', 'state left behind')) if name != 'messages' or real.messages]
    return f'{way}; {", ".join(ends)}; {held}'


def _ends(comparison):
    """Say what is not the same when all is done, and why, where the real Nova stands beside the miniature."""
    if not comparison.with_real or comparison.of:
        return []
    miniature, real = (comparison.b, comparison.a) if is_real(comparison.a) else (comparison.a, comparison.b)
    return [f'{".".join(map(str, path))}: {short(theirs)} in the real Nova instead of {short(ours)}'
            f'{f" ({payload_reason(path)})" if payload_reason(path) else ""}'
            for path, ours, theirs in differences_at_the_end(miniature, real)]


def _partings(comparison):
    """Find the stretches in which the runs go different ways: (leg before, steps of A, steps of B)."""
    a, b, before = comparison.a.steps, comparison.b.steps, ''
    for alone, group in itertools.groupby(comparison.rows, key=lambda row: row.a is None or row.b is None):
        group = list(group)
        if alone:
            yield (before, [a[row.a] for row in group if row.a is not None],
                   [b[row.b] for row in group if row.b is not None])
        else:
            before = a[group[-1].a].exploration


def _instead(comparison, leg, ours, theirs):
    """Say what B does in a leg and A does not: (words, whether all else follows from that)."""
    a, b = comparison.a, comparison.b
    if not leg and {step.exploration for step in (*ours, *theirs)} <= {'client', 'service', None} and not (ours and theirs):
        return f'{"without" if ours else "with"} the client\'s part', False
    for trace, words in ((b, 'turned back by'), (a, 'not turned back by')):
        turned = turned_back(trace)
        if turned and turned.exploration == leg:
            status = [trace.response['status'] if trace.response else 'no answer' for trace in (a, b)]
            return f'{words} {BY_KEY[turned.station].name}, with {status[1]} instead of {status[0]}', True
    kinds = [{message['kind'] for message in trace.messages} for trace in (a, b)]
    if leg in ('conductor-api', 'rpc') and kinds[0] != kinds[1] and all(kinds):
        hints = [trace.messages[-1]['args'].get('scheduler_hint', {}).get('host') for trace in (a, b)]
        hint = f', with the hint {hints[1]} instead of {hints[0]}' if hints[0] != hints[1] else ''
        return f'{"".join(kinds[1])} instead of {"".join(kinds[0])}{hint}', True
    visits = [collections.Counter(BY_KEY[step.station].name for step in steps) for steps in (ours, theirs)]
    more, less = visits[1] - visits[0], visits[0] - visits[1]  # what is only in another place is left to the table
    return (f'{_listed(more)} instead of {_listed(less)}' if more and less else f'also {_listed(more)}' if more
            else f'without {_listed(less)}' if less else ''), False


def _listed(names):
    names = list(names)
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')


# ------------------------------------------------------------------------------------------------------ as a table


def news(comparison):
    """Fold what is alike: yield (row, its differences that no row before had), or (number of rows alike, ()).

    A step that turned a request back is never folded.
    """
    seen, alike = set(), 0
    turned = [step and step.index for step in map(turned_back, (comparison.a, comparison.b))]
    for row in comparison.rows:
        new = [found for found in row.differences if (found[0].rpartition('.')[2], *found[1:]) not in seen]
        new += row.also_ran and [found for found in row.differences if found not in new]
        seen |= {(path.rpartition('.')[2], one, other) for path, one, other in new}
        decides = any(index is not None and index == end for index, end in zip((row.a, row.b), turned))
        if not new and not row.also_ran and row.a is not None and row.b is not None and not decides:
            alike += 1
            continue
        if alike:
            yield alike, ()
        alike = 0
        yield row, new or row.differences
    if alike:
        yield alike, ()


def table(comparison):
    """Show the two runs side by side as HTML; what differs already is not repeated."""
    lines = []
    for row, differences in news(comparison):
        if isinstance(row, int):
            lines.append(f'<tr class="alike"><td></td><td></td><td align="left" colspan="2">{_alike(row)}</td></tr>')
            continue
        station = f'<code>{escape(_name(comparison, row))}</code>'
        lines.append(
            f'<tr{_class(row)}><td align="left">{goto(row.a)}</td><td align="left">{goto(row.b, 1)}</td>'
            f'<td align="left">{_mark(row)} {station}</td><td align="left">{differences_html(row, differences)}</td></tr>')
    what = 'the real Nova beside the miniature' if comparison.with_real else 'B against A, from here on'
    names = ('A', 'B') if not comparison.with_real else ('real', 'ours') if is_real(comparison.a) else ('ours', 'real')
    return (f'<table class="comparison"><tr><th align="left">{names[0]}</th><th align="left">{names[1]}</th><th align="left">station</th>'
            f'<th align="left">{what}</th></tr>{"".join(lines)}</table>')


def differences_html(row, differences, most=MOST_DIFFERENCES):
    """Show the first of the differences of a row, a line each; and folded what only the real Nova runs there, with the reasons."""
    lines = [f'<div><code>{escape(path)}</code> {escape(_instead_of(one, other))}{f" <i>{escape(why)}</i>" if why else ""}</div>'
             for path, one, other, why in _reasoned(row, differences)]
    more = len(lines) - most
    return ''.join([*lines[:most], *([f'<div>and {more} more</div>'] if more > 0 else []), _also_ran_html(row.also_ran)])


def _reasoned(row, differences):
    """Add to each difference the reason for it, where the real Nova stands beside the miniature; else nothing."""
    return [(*found, payload_reason(found[0].split('.')) if row.badge else '') for found in differences]


def _also_ran_html(also_ran):
    if not also_ran:
        return ''
    reasons = ''.join(f'<li>{escape(why)}: <code>{escape(names)}</code></li>' for why, names, _ in also_ran)
    count = sum(each for *_, each in also_ran)
    return (f'<details><summary>left out: {count} function{"s" if count > 1 else ""} that the real Nova runs in it</summary>'
            f'<ul>{reasons}</ul></details>')


def _alike(number):
    return f'{number} step{"s" if number > 1 else ""} with no further difference'


def _mark(row):
    return 'only A:' if row.b is None else 'only B:' if row.a is None else f'{row.badge}:' if row.badge else '≠'


def _class(row):
    return ' class="added"' if row.a is None else ' class="dropped"' if row.b is None else ''


def _index(index):
    return '' if index is None else str(index)


def _step(comparison, row):
    return comparison.b.steps[row.b] if row.a is None else comparison.a.steps[row.a]


def _name(comparison, row):
    return BY_KEY[_step(comparison, row).station].name
