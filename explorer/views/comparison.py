"""Compare two traces: which stations both visit, where they diverge, and what differs at the stations they share.

Request ids and times are ignored, because they differ between any two traces.
"""

import collections
import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from explorer.explorations import exploration
from explorer.payloads import Path, Value, difference
from explorer.stations import BY_KEY, FIELDS
from explorer.trace import Step, Trace
from explorer.views import facts
from explorer.views.facts import answered, field_of, turned_back
from explorer.views.markup import LEFT, goto, numbered
from explorer.views.reasons import LeftOut, align, by_reason, differences_at_the_end, pairs, payload_reason
from explorer.views.text import short, visible

FEW_DIFFERENCES, MOST_DIFFERENCES = 3, 6  # shown of a step: above its payload, and in the table
PASSING_NAMES = ('start', 'timings')
_PASSING = re.compile(
    r'req-[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?'
    r'|\w{3}, [\w ]+ \d\d:\d\d:\d\d GMT')


class Difference(NamedTuple):
    """A place where the payloads of two steps differ; each value is text, or None where it is missing."""

    path: str  # dotted
    a: str | None
    b: str | None


@dataclasses.dataclass(frozen=True)
class Row:
    """A step of trace A and the same visit in trace B.

    Shape: *a* and *b* are indices of steps, None where that trace has no such visit. If exactly one of the traces is of
    the real Nova, *also_ran* is what only the real Nova runs in this visit, and *badge* states whether the miniature
    matches it.
    """

    a: int | None
    b: int | None
    differences: tuple[Difference, ...] = ()
    also_ran: tuple[LeftOut, ...] = ()
    badge: str = ''


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two traces, A and B, and what B does differently. It displays itself as text and as a table.

    Shape: *of* is the key of an exploration if the rows are only those of that leg.
    """

    a: Trace
    b: Trace
    rows: tuple[Row, ...]
    of: str = ''

    @property
    def with_real(self) -> bool:
        """Whether this compares the miniature with the real Nova."""
        return is_real(self.a) != is_real(self.b)

    def leg(self, key: str) -> 'Comparison':
        """Return the comparison of one leg alone.

        Raises: WrongUse for an unknown exploration.
        """
        row = exploration(key)
        return dataclasses.replace(self, of=row.key, rows=tuple(
            each for each in self.rows if _step(self, each).exploration == row.key))

    @property
    def words(self) -> str:
        """Where the traces diverge, in a sentence."""
        return _words_with_real(self) if self.with_real else _words(self)

    def __str__(self) -> str:
        asked = [f'{name}  {facts.asked(trace)} → {answered(trace)}' for name, trace in (('A', self.a), ('B', self.b))]
        lines = [*(asked if not self.of else ()), self.words, *_ends(self), '']
        for row, differences in news(self):
            if isinstance(row, int):
                lines.append(f'{"":11}{_alike(row)}')
                continue
            lines.append(f'{numbered(row.a):>5}{numbered(row.b):>5} {_mark(row)} {_name(self, row)}')
            lines += [f'{"":15}{path}: {_instead_of(one, other)}{f" ({why})" if why else ""}'
                      for path, one, other, why in _reasoned(row, differences[:MOST_DIFFERENCES])]
            lines += [f'{"":15}+ {names} ({why})' for why, names, _ in row.also_ran]
        return '\n'.join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        ends = ''.join(f'<div>{escape(end)}</div>' for end in _ends(self))
        return f'{LEFT}<p>{escape(self.words)}</p>{ends}{table(self)}'


def compare(a: Trace, b: Trace) -> Comparison:
    """Compare two traces; the result describes what B does differently from A.

    Shape: the rows hold every step of both, in the order of the path.
    """
    if is_real(a) != is_real(b):
        return Comparison(a, b, tuple(_rows_with_real(a, b)))
    return Comparison(a, b, tuple(
        Row(i, j, _differences(a.steps[i], b.steps[j]) if i is not None and j is not None else ())
        for i, j in align(a, b)))


def is_real(trace: Trace) -> bool:
    """Return whether a trace is of the real Nova."""
    return trace.engine in ('nova', 'recorded')


def _rows_with_real(a: Trace, b: Trace) -> Iterator[Row]:
    first = is_real(a)
    for pair in pairs(b, a) if first else pairs(a, b):
        differences = []
        for when, path, *values in pair.payload:
            ours, real = (None if value is None and when != 'result' else short(value) for value in values)
            dotted = visible('.'.join(map(str, (when, *path))))
            differences.append(Difference(dotted, real, ours) if first else Difference(dotted, ours, real))
        one, other = (pair.real, pair.ours) if first else (pair.ours, pair.real)
        yield Row(one, other, tuple(differences), by_reason(pair.also_ran, pair.station), pair.badge)


def _differences(a: Step, b: Step) -> tuple[Difference, ...]:
    """List where the payloads of two visits of a station differ: what was asked or known before what came of it."""
    found: list[tuple[Path, str | None, str | None]] = []
    for when in ('before', 'after', 'result', 'error'):
        one, other = getattr(a, when), getattr(b, when)
        if one is other or one == other:
            continue
        parts = difference({when: one}, {when: other})
        here: list[tuple[Path, str | None, str | None]] = []
        here += [(path, None, short(value)) for path, value in parts['added'].items()]
        here += [(path, short(value), None) for path, value in parts['dropped'].items()]
        here += [(path, short(old), short(new)) for path, (old, new) in parts['changed'].items()
                 if path[-1] not in PASSING_NAMES and lasting(old) != lasting(new)]
        found += sorted(here, key=lambda place: len(place[0]))
    seen: dict[Path, Difference] = {}  # a value in several places, before and after, is reported once
    for path, was, now in found:
        seen.setdefault((path[-1], was, now), Difference(visible('.'.join(map(str, path[1:] or path))), was, now))
    return tuple(seen.values())  # what was known before, then what came of it


def _instead_of(one: str | None, other: str | None) -> str:
    """Describe a value in B as compared with A."""
    if one == other:
        return f'{one}, which differs beyond the part shown'
    return (f'{other}, only in B' if one is None else f'{one}, only in A' if other is None
            else f'{other} instead of {one}')


def lasting(value: Value) -> Value:
    """Replace whatever differs in plain data between any two traces: request ids and times."""
    if isinstance(value, str):
        return _PASSING.sub('…', value)
    if isinstance(value, dict):
        return {name: lasting(part) for name, part in value.items() if name not in PASSING_NAMES}
    return [lasting(part) for part in value] if isinstance(value, list) else value


# -------------------------------------------------------------------------------------------------------- in words


def _words(comparison: Comparison) -> str:
    clauses = []
    for leg, parts in itertools.groupby(_partings(comparison), key=lambda part: part[0]):
        ways = [(ours, theirs) for _, ours, theirs in parts]
        ours, theirs = ([step for steps in side for step in steps] for side in zip(*ways, strict=True))
        says, last = _instead(comparison, leg, ours, theirs)
        if says:
            clauses.append(f'the same until `{leg}`; then {says}' if leg else says)
        if last:
            break
    status = [trace.response['status'] if trace.response else 'none' for trace in (comparison.a, comparison.b)]
    answer = f'; the response is {status[1]} instead of {status[0]}' if status[0] != status[1] else ''
    if clauses:
        return '; then '.join(clauses) + ('' if last else answer)
    differing = [(row, found) for row in comparison.rows for found in row.differences]
    if not differing:
        return 'the same throughout'
    # A difference in one of FIELDS is more informative than one in the words of the command line.
    named = (pair for pair in differing if field_of(tuple(pair[1].path.split('.'))) in FIELDS)
    row, (path, one, other) = next(named, differing[0])
    return (f'the same stations throughout; {path} is {_instead_of(one, other)}, '
            f'from {_name(comparison, row)} on{answer}')


def _words_with_real(comparison: Comparison) -> str:
    count = collections.Counter(row.badge for row in comparison.rows)
    held = (f'in {count["same"]} of {len(comparison.rows)} visits the miniature receives the same, leaves no function '
            f'out and returns the same; in {count["simplified"]} the real Nova does more, or holds something in '
            'another form')
    if comparison.of:
        return f'{exploration(comparison.of).title}: {held}'
    miniature, real = (comparison.b, comparison.a) if is_real(comparison.a) else (comparison.a, comparison.b)
    ours, theirs = len(miniature.steps), len(real.steps)
    together = [row for row in comparison.rows if None not in (row.a, row.b)]
    way = (f'the same {ours} visits in the same order' if len(together) == ours == theirs else
           f'{len(together)} visits in the same order, {ours - len(together)} only in the miniature and '
           f'{theirs - len(together)} only in the real Nova')
    other = {path[0] for path, *_ in differences_at_the_end(miniature, real)}
    ends = [f'{"a different" if name in other else "the same"} {what}' for name, what in (
        ('messages', 'message'), ('response', 'response'), ('outcome', 'final state'))
        if name != 'messages' or real.messages]
    return f'{way}; {", ".join(ends)}; {held}'


def _ends(comparison: Comparison) -> list[str]:
    """List the differences in the result, with reasons, if the miniature is compared with the real Nova."""
    if not comparison.with_real or comparison.of:
        return []
    miniature, real = (comparison.b, comparison.a) if is_real(comparison.a) else (comparison.a, comparison.b)
    return [f'{".".join(map(str, path))}: {short(theirs)} in the real Nova instead of {short(ours)}'
            f'{f" ({payload_reason(path)})" if payload_reason(path) else ""}'
            for path, ours, theirs in differences_at_the_end(miniature, real)]


def _partings(comparison: Comparison) -> Iterator[tuple[str, list[Step], list[Step]]]:
    """Yield the stretches in which the traces visit different stations: (leg before, steps of A, steps of B)."""
    a, b, before = comparison.a.steps, comparison.b.steps, ''
    for alone, rows in itertools.groupby(comparison.rows, key=lambda row: row.a is None or row.b is None):
        group = list(rows)
        if alone:
            yield (before, [a[row.a] for row in group if row.a is not None],
                   [b[row.b] for row in group if row.b is not None])
        else:
            before = _step(comparison, group[-1]).exploration


def _instead(comparison: Comparison, leg: str, ours: list[Step], theirs: list[Step]) -> tuple[str, bool]:
    """Describe what B does in a leg that A does not: (words, whether all later differences follow from that)."""
    a, b = comparison.a, comparison.b
    legs = {step.exploration for step in (*ours, *theirs)}
    if not leg and legs <= {'client', 'service', None} and not (ours and theirs):
        return f'{"without" if ours else "with"} the client\'s part', False
    for trace, words in ((b, 'rejected by'), (a, 'not rejected by')):
        turned = turned_back(trace)
        if turned and turned.exploration == leg:
            status = [trace.response['status'] if trace.response else 'no response' for trace in (a, b)]
            return f'{words} {BY_KEY[turned.station].name}, with {status[1]} instead of {status[0]}', True
    kinds = [{message['kind'] for message in trace.messages} for trace in (a, b)]
    if leg in ('conductor-api', 'rpc') and kinds[0] != kinds[1] and all(kinds):
        hints = [trace.messages[-1]['args'].get('scheduler_hint', {}).get('host') for trace in (a, b)]
        hint = f', with the hint {hints[1]} instead of {hints[0]}' if hints[0] != hints[1] else ''
        return f'{"".join(kinds[1])} instead of {"".join(kinds[0])}{hint}', True
    visits = [collections.Counter(BY_KEY[step.station].name for step in steps) for steps in (ours, theirs)]
    more, less = visits[1] - visits[0], visits[0] - visits[1]  # the table shows what has only moved
    return (f'{_listed(more)} instead of {_listed(less)}' if more and less else f'also {_listed(more)}' if more
            else f'without {_listed(less)}' if less else ''), False


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return ', '.join(shown[:3]) + (f' and {len(shown) - 3} more' if len(shown) > 3 else '')


# ------------------------------------------------------------------------------------------------------ as a table


def news(comparison: Comparison) -> Iterator[tuple[Row | int, Sequence[Difference]]]:
    """Fold rows with nothing new: yield (row, differences that no earlier row has), or (number of folded rows, ()).

    A step that rejected a request is never folded.
    """
    seen: set[tuple[str, str | None, str | None]]
    seen, alike = set(), 0
    turned = [step and step.index for step in map(turned_back, (comparison.a, comparison.b))]
    for row in comparison.rows:
        new = [found for found in row.differences if (found.path.rpartition('.')[2], *found[1:]) not in seen]
        new += [found for found in row.differences if found not in new] if row.also_ran else []
        seen |= {(path.rpartition('.')[2], one, other) for path, one, other in new}
        decides = any(index is not None and index == end for index, end in zip((row.a, row.b), turned, strict=True))
        if not new and not row.also_ran and row.a is not None and row.b is not None and not decides:
            alike += 1
            continue
        if alike:
            yield alike, ()
        alike = 0
        yield row, new or row.differences
    if alike:
        yield alike, ()


def table(comparison: Comparison) -> str:
    """Show the two traces side by side as HTML; a difference that was shown before is not repeated."""
    lines = []
    for row, differences in news(comparison):
        if isinstance(row, int):
            lines.append(f'<tr class="alike"><td></td><td></td><td align="left" colspan="2">{_alike(row)}</td></tr>')
            continue
        station = f'<code>{escape(_name(comparison, row))}</code>'
        lines.append(
            f'<tr{_class(row)}><td align="left">{goto(row.a)}</td><td align="left">{goto(row.b, 1)}</td>'
            f'<td align="left">{_mark(row)} {station}</td>'
            f'<td align="left">{differences_html(row, differences)}</td></tr>')
    what = ('the real Nova, compared with the miniature' if comparison.with_real
            else 'B compared with A; each difference is shown once')
    names = (('A', 'B') if not comparison.with_real
             else ('real Nova', 'miniature') if is_real(comparison.a) else ('miniature', 'real Nova'))
    return (f'<table class="comparison"><tr><th align="left">{names[0]}</th><th align="left">{names[1]}</th>'
            f'<th align="left">station</th><th align="left">{what}</th></tr>{"".join(lines)}</table>')


def differences_html(row: Row, differences: Sequence[Difference], most: int = MOST_DIFFERENCES) -> str:
    """Show the first differences of a row, one per line; below, folded, what only the real Nova runs there and why."""
    lines = [f'<div><code>{escape(path)}</code> {escape(_instead_of(one, other))}'
             f'{f" <i>{escape(why)}</i>" if why else ""}</div>'
             for path, one, other, why in _reasoned(row, differences)]
    more = len(lines) - most
    return ''.join([
        *lines[:most], *([f'<div>and {more} more</div>'] if more > 0 else []), _also_ran_html(row.also_ran)])


def _reasoned(row: Row, differences: Sequence[Difference]) -> list[tuple[str, str | None, str | None, str]]:
    """Add to each difference its reason; '' if there is none, or if the real Nova is not part of the comparison."""
    return [(*found, (payload_reason(found.path.split('.')) or '') if row.badge else '') for found in differences]


def _also_ran_html(also_ran: Sequence[LeftOut]) -> str:
    if not also_ran:
        return ''
    reasons = ''.join(f'<li>{escape(why)}: <code>{escape(names)}</code></li>' for why, names, _ in also_ran)
    count = sum(each for *_, each in also_ran)
    return (f'<details><summary>left out: {count} function{"s" if count > 1 else ""} that the real Nova runs here'
            f'</summary><ul>{reasons}</ul></details>')


def _alike(number: int) -> str:
    return f'{number} step{"s" if number > 1 else ""} with no further difference'


def _mark(row: Row) -> str:
    return 'only A:' if row.b is None else 'only B:' if row.a is None else f'{row.badge}:' if row.badge else '≠'


def _class(row: Row) -> str:
    return ' class="added"' if row.a is None else ' class="dropped"' if row.b is None else ''


def _step(comparison: Comparison, row: Row) -> Step:
    places = (comparison.a, row.a), (comparison.b, row.b)
    return next(trace.steps[index] for trace, index in places if index is not None)


def _name(comparison: Comparison, row: Row) -> str:
    return BY_KEY[_step(comparison, row).station].name
