"""Show the function of a visit with what is known of it: the lines that ran, values, conditions. Pure functions.

Text of the source and of payloads is escaped here. What the lines that ran leave open is not shown.
"""

import ast
import dataclasses
import functools
import heapq
import keyword
import re
import token
import tokenize
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import Literal, NamedTuple, TypeAlias

from explorer.payloads import Plain, Value, is_container, is_marked
from explorer.stations import BY_KEY
from explorer.trace import Step, codes, was_written
from explorer.views import syntax
from explorer.views.facts import field_of, recorded_head
from explorer.views.markup import BADGES
from explorer.views.moments import When
from explorer.views.sources import EDITED, code_of, is_ours, our_text, text_of, was_edited
from explorer.views.text import short, short_text, visible

State: TypeAlias = Literal['ran', 'idle', 'still']  # a still line cannot run, or belongs to a function within

LONGEST_CHIP, LONGEST_TITLE = 48, 300  # characters
MOST_READ = 4
UNPARSED = 'This text cannot be parsed, so only the lines that ran are marked.'
NOT_THE_ONE = 'The source found for this function is not the one that ran.'

_TRIES = (ast.Try, ast.TryStar)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_WITHS = (ast.With, ast.AsyncWith)
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_STRINGS = {token.STRING, *(getattr(token, name) for name in (
    'FSTRING_START', 'FSTRING_MIDDLE', 'FSTRING_END') if hasattr(token, name))}
_UNKNOWN = re.compile(r'<[\w. ]+>\Z')  # a snapshot of something without plain data


class Unit(NamedTuple):
    """Lines of a function that run together: a statement without its blocks, or the line that begins a block.

    Shape: it ran if any of its *lines* ran, or any line of *block*.
    """

    lines: range
    block: range = range(0)
    inner: bool = False  # the body of a function or a class within


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """A function as it is shown of all visits; numbers are those of the file."""

    first: int
    plain: tuple[str, ...]
    html: tuple[str, ...]
    empty: frozenset[int]  # lines without code
    can: frozenset[int]  # lines that can run
    units: tuple[Unit, ...]
    docstring: range  # without its first line
    head: int  # the last line of the `def`
    free: tuple[str, ...]
    instead: bool  # it is not the function that ran


class Chip(NamedTuple):
    """What is shown after a line."""

    kind: str  # value, yes or no
    name: str
    text: str
    title: str
    field: str = ''


class Fold(NamedTuple):
    """Lines of a listing that are folded."""

    lines: range
    summary: str


class Listings:
    """Show the functions of many visits.

    Shape: the HTML of each listing passes through *fold*, which may store it elsewhere.
    """

    def __init__(self, fold: Callable[[str], str] = str) -> None:
        self._notes: dict[tuple[str, str, int], str]
        self._fold, self._notes = fold, {}

    def heading(self, step: Step) -> str:
        """Name a function, its place in Nova and how the miniature's compares, in one line."""
        return _heading(step.station, step.file, step.line)

    def show(self, step: Step) -> str:
        """Show what ran of the function, and the values there; the player hides them until the visit returns."""
        shown = listing_of(step)
        said = self._note(step)
        note = f'<p role="note">{escape(said)}</p>' if said else ''
        if shown is None:
            return note
        marked, folds, classes = _marked(step, shown, 'return')
        chips = {number: ''.join(map(_chip_html, each)) for number, each in marked.items()}
        lines = [_line_html(number, html, classes.get(number, ''), chips.get(number, ''))
                 for number, html in enumerate(shown.html, shown.first)]
        return f'{note}<pre class="code">{self._fold("".join(_with_gaps(lines, shown.first, folds)))}</pre>'

    def _note(self, step: Step) -> str:
        key = step.station, step.file, step.line
        if key not in self._notes:
            self._notes[key] = note_of(step)
        return self._notes[key]


def listing_text(step: Step, moment: When) -> str:
    """Return as text what `Listings` shows: number, > for a line that ran, the code, and what is known there."""
    shown, note = listing_of(step), note_of(step)
    if shown is None:
        return note
    marked, folds, classes = _marked(step, shown, moment)
    begins = {fold.lines.start: fold for fold in folds}
    hidden = {number for fold in folds for number in fold.lines}
    width, rows = len(str(shown.first + len(shown.plain))), [note] if note else []
    for number, text in enumerate(shown.plain, shown.first):
        if number in begins:
            rows.append(f'{"":{width}}   … {begins[number].summary}')
        if number not in hidden:
            mark = '>' if {'ran', 'raised', 'passed'} & {*classes.get(number, '').split()} else ' '
            known = ', '.join(map(_chip_text, marked.get(number, ())))
            rows.append(f'{number:>{width}} {mark} {text}{f"  # {known}" if known else ""}'.rstrip())
    return '\n'.join(rows)


def note_of(step: Step) -> str:
    """Return in one line why the function that ran is not shown, or not all that is known of it; else ''."""
    place = step.station, step.file, step.line
    code = _code_at(*place, here=bool(text_of(*place)))
    if code is None:
        return _missing(step.file.partition('/')[0], instead=listing_of(step) is not None)
    if not text_of(*place):
        return NOT_THE_ONE
    if was_written(code.co_filename) and was_edited(*place):
        return EDITED
    return UNPARSED if syntax.tree(step) is None else ''


@functools.lru_cache(512)
def _code_at(station: str, file: str, line: int, *, here: bool) -> types.CodeType | None:
    """Return what `code_of` does, and keep it; *here* is whether the text is there."""
    return code_of(station, file, line)


def _missing(package: str, *, instead: bool) -> str:
    """Return why there is no source, and what is shown *instead*."""
    if package == 'nova':
        why, shown = "Nova's source is not installed; make nova installs it.", "This is the miniature's function."
    elif package == 'explorer':
        why, shown = 'Another version of the miniature ran here.', 'This is the function of this version.'
    else:
        why = f'The function of {short_text(visible(package), 40)} that ran is not installed here.'
        shown = "This is the miniature's function, or that of the installed version."
    return f'{why} {shown}' if instead else why


# --------------------------------------------------------------------------------------------------- the heading


@functools.lru_cache(512)
def _heading(station: str, file: str, line: int) -> str:
    row, kept = BY_KEY[station], recorded_head()
    badge, place = kept['badges'].get(station), kept['places'].get(station)
    ran = f'{file}:{line}'
    there = (f'{place[0]}:{place[1]}' if place else row.nova_file) if is_ours(file) else ran
    version = f'Nova {kept["nova"]}: ' if there.startswith('nova/') else ''
    said = f' <b class="badge" title="{BADGES.get(badge, "")}">{escape(badge)}</b>' if badge else ''
    ours = f'{" in" if badge else ", here"} {_code(ran)}' if is_ours(file) else ' in the miniature' if badge else ''
    return (f'<p>{_code(row.name.rpartition(".")[2], row.nova)} in {_code(_brief_place(there), version + there)}'
            f'{said}{ours}</p>')


def _code(text: str, title: str = '') -> str:
    more = f' title="{escape(visible(title))}"' if title and title != text else ''
    return f'<code{more}>{escape(visible(text))}</code>'


def _brief_place(place: str) -> str:
    """Shorten 'nova/api/openstack/wsgi.py:93' to 'nova/…/wsgi.py:93'."""
    package, *inner, file = place.split('/')
    if file.startswith('__init__.py') and len(inner) > 1:
        inner, file = inner[:-1], f'{inner[-1]}/{file}'
    return '/'.join([package, *(['…'] if len(inner) > 1 else inner), file])


# --------------------------------------------------------------------------------------------------- the function


def listing_of(step: Step) -> Listing | None:
    """Return the listing of the function that a step visited, or of the miniature's instead; None without either."""
    here = bool(text_of(step.station, step.file, step.line))
    return _listing(step.station, step.file, step.line, here=here)


@functools.lru_cache(512)
def _listing(station: str, file: str, line: int, *, here: bool) -> Listing | None:
    code = _code_at(station, file, line, here=here)
    if here:
        lines = text_of(station, file, line)
        function = syntax.tree_of(station, file, line)
        can = {number for _, _, number in code.co_lines() if number is not None} if code else set()
        return _listed(lines, int(line), function, frozenset(can), code.co_freevars if code else ())
    if code is not None:
        return None  # there is a text, but it is not the one that ran
    try:
        ours, first = our_text(station), codes(BY_KEY[station].ours)[0].co_firstlineno
    except LookupError:
        return None
    function = syntax.tree_of(station, BY_KEY[station].ours, first) if ours else None
    return dataclasses.replace(_listed(ours, first, function, frozenset(), ()), instead=True) if ours else None


def _listed(lines: Sequence[str], first: int, function: syntax.Function | None, can: frozenset[int],
            free: tuple[str, ...]) -> Listing:
    plain = _dedented(lines)
    tokens = _tokens(plain)
    full = {number for each in tokens if each.type not in _BLANK
            for number in range(each.start[0], each.end[0] + 1)} if tokens else {
        number for number, text in enumerate(plain, 1) if text.strip() and not text.lstrip().startswith('#')}
    empty = frozenset(first + number for number in range(len(plain)) if number + 1 not in full)
    units = tuple(_units(function.body, _Text(first, plain))) if function else tuple(
        Unit(range(number, number + 1)) for number in sorted(can))
    return Listing(first, plain, _coloured(plain, tokens), empty, can, units, _docstring(function),
                   _end_of_head(function, first, plain, empty), free, False)


def _dedented(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a function without the indentation of its first line."""
    wide = [text.expandtabs().rstrip() for text in lines]
    margin = len(wide[0]) - len(wide[0].lstrip()) if wide else 0
    return tuple(visible(text[min(margin, len(text) - len(text.lstrip())):]) for text in wide)


class _Text(NamedTuple):
    first: int
    plain: tuple[str, ...]

    def keyword(self, after: int, before: int) -> range:
        """Return the line between two lines that holds `else` or `finally`, if there is one."""
        for number in range(max(after, self.first), before):
            if re.match(r'(else|finally)\b', self.plain[number - self.first].lstrip()):
                return range(number, number + 1)
        return range(0)


def _first_line(node: ast.AST) -> int:
    """Return the first line of a statement, its decorators included."""
    return min(int(getattr(part, 'lineno', 0)) for part in (node, *getattr(node, 'decorator_list', ())))


def _units(block: list[ast.stmt], text: _Text) -> Iterator[Unit]:
    """Yield the units of a block, in no particular order."""
    for statement in block:
        start, end = _first_line(statement), statement.end_lineno or statement.lineno
        if isinstance(statement, _INNER):
            body = _first_line(statement.body[0])
            yield Unit(range(start, max(body, statement.lineno + 1)))
            yield Unit(range(max(body, statement.lineno + 1), end + 1), range(start, body), inner=True)
            continue
        body_of: list[ast.stmt] = getattr(statement, 'body', [])
        heads = [*body_of[:1], *(case.pattern for case in getattr(statement, 'cases', ()))]
        yield Unit(range(start, max(_first_line(heads[0]), start + 1)) if heads else range(start, end + 1),
                   syntax.span(statement.body) if isinstance(statement, _TRIES) else range(0))
        yield from _parts(statement, text)


def _parts(statement: ast.stmt, text: _Text) -> Iterator[Unit]:
    """Yield the units within a statement."""
    done = statement.lineno
    branches: list[ast.ExceptHandler | ast.match_case] = [
        *getattr(statement, 'handlers', []), *getattr(statement, 'cases', [])]
    for part in branches:
        begin = part.pattern.lineno if isinstance(part, ast.match_case) else part.lineno
        # Of a case, only its own line tells whether its pattern was tried.
        yield Unit(range(begin, max(_first_line(part.body[0]), begin + 1)), syntax.span(part.body))
        yield from _units(part.body, text)
    for name in ('body', 'orelse', 'finalbody'):
        block: list[ast.stmt] = getattr(statement, name, [])
        if not block:
            continue
        if name != 'body' and (line := text.keyword(done + 1, _first_line(block[0]))):
            yield Unit(line, syntax.span(block))
        yield from _units(block, text)
        done = block[-1].end_lineno or done
        if name == 'body' and isinstance(statement, _TRIES) and statement.handlers:
            done = statement.handlers[-1].end_lineno or done


def _docstring(function: syntax.Function | None) -> range:
    """Return the lines of a docstring without its first."""
    begin = function.body[0] if function and ast.get_docstring(function, clean=False) is not None else None
    return syntax.span(begin)[1:] if begin else range(0)


def _end_of_head(function: syntax.Function | None, first: int, plain: Sequence[str], empty: frozenset[int]) -> int:
    """Return the number of the last line of the `def`."""
    if function is None:
        heads = [number for number, text in enumerate(plain, first) if re.match(r'(async )?def\b', text)]
        return heads[0] if heads else first
    last = max(_first_line(function.body[0]) - 1, function.lineno)
    return next((number for number in range(last, function.lineno, -1) if number not in empty), function.lineno)


# ------------------------------------------------------------------------------------------------------- colours

_BLANK = {token.COMMENT, token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.ENDMARKER}


def _tokens(plain: Sequence[str]) -> list[tokenize.TokenInfo]:
    """Return the tokens of a text, as far as it can be read."""
    rest, found = iter(plain), []
    try:
        for each in tokenize.generate_tokens(lambda: f'{line}\n' if (line := next(rest, None)) is not None else ''):
            found.append(each)  # noqa: PERF402  # what was found before an error is kept
    except (tokenize.TokenError, SyntaxError):
        return []
    return found


def _coloured(plain: Sequence[str], tokens: list[tokenize.TokenInfo]) -> tuple[str, ...]:
    """Return the lines of a text as HTML; the classes are k, s, c, m, and d for what is defined."""
    rows: list[list[tuple[int, int, str]]] = [[] for _ in plain]
    before = ''
    for each in tokens:
        kind = _colour(each, before)
        for row in range(each.start[0], each.end[0] + 1) if kind else ():
            start = each.start[1] if row == each.start[0] else 0
            end = each.end[1] if row == each.end[0] else len(plain[row - 1])
            if start < end:
                rows[row - 1].append((start, end, kind))
        before = each.string
    return tuple(map(_spans, plain, rows))


def _colour(each: tokenize.TokenInfo, before: str) -> str:
    if each.type == token.NAME:
        return 'd' if before in ('def', 'class') else 'k' if keyword.iskeyword(each.string) else ''
    if each.type in _STRINGS:
        return 's'
    if each.type == token.OP:
        return 'd' if each.string == '@' and not each.line[:each.start[1]].strip() else ''
    return 'c' if each.type == token.COMMENT else 'm' if each.type == token.NUMBER else ''


def _spans(text: str, parts: list[tuple[int, int, str]]) -> str:
    pieces, done = [], 0
    for start, end, kind in parts:
        pieces.append(f'{escape(text[done:start])}<span class="{kind}">{escape(text[start:end])}</span>')
        done = end
    return f'{"".join(pieces)}{escape(text[done:])}'


# ------------------------------------------------------------------------------------------------ what a visit adds


def _marked(step: Step, shown: Listing, moment: When) -> tuple[dict[int, list[Chip]], list[Fold], dict[int, str]]:
    """Return what a moment adds to a listing: ({line: chips}, folds, {line: classes})."""
    text = [Fold(shown.docstring, f'{len(shown.docstring)} more lines of the docstring')] if len(
        shown.docstring) > 1 else []
    if shown.instead:
        return {}, text, {}
    chips = {shown.head: [*_made_with(step, shown), *(_arguments(step, shown) if moment == 'entry' else ())]}
    if moment == 'entry':
        return chips, text, {}
    states, gone = _states(shown, step.lines)
    classes: dict[int, str] = {number: state for number, state in states.items() if state != 'still'}
    for number, each in _known(step, shown):
        chips.setdefault(number, []).append(each)
    for number, name in _ended(step):
        classes[number] = f'{classes.get(number, "")} {name}'.strip()
    return chips, [*text, *_gaps(shown, states, gone)], classes


def _states(shown: Listing, lines: Iterable[int]) -> tuple[dict[int, State], set[int]]:
    """Return ({line: its state}, the lines of what did not run at all)."""
    ran, states = set(lines), dict.fromkeys(range(shown.first, shown.first + len(shown.plain)), 'still')
    gone: set[int] = set()
    for unit in shown.units:
        alive = not (ran.isdisjoint(unit.lines) and ran.isdisjoint(unit.block))
        can = not shown.can.isdisjoint(unit.lines) or not shown.can.isdisjoint(unit.block)
        for number in unit.lines:
            if number in ran:
                states[number] = 'ran'
            elif number in shown.empty or not can or (unit.inner and alive):
                continue
            elif not alive:
                states[number] = 'idle'
                gone.add(number)
            else:
                states[number] = 'idle' if number in shown.can else 'ran'
    return {number: _state(state) for number, state in states.items()}, gone


def _state(name: str) -> State:
    return 'ran' if name == 'ran' else 'idle' if name == 'idle' else 'still'


def _gaps(shown: Listing, states: dict[int, State], gone: set[int]) -> list[Fold]:
    """Fold what did not run: two or more lines in a row, with the lines between them that cannot run."""
    folds: list[Fold] = []
    start = end = 0
    for number in [*sorted(gone), 0]:
        if end and number and all(states[between] == 'still' for between in range(end + 1, number)):
            end = number
            continue
        while start - 1 in shown.empty and shown.plain[start - 1 - shown.first]:  # a comment about what follows
            start -= 1
        count = sum(each in gone for each in range(start, end + 1))
        if count > 1:
            folds.append(Fold(range(start, end + 1), f'{count} lines that did not run'))
        start = end = number
    return folds


def _made_with(step: Step, shown: Listing) -> list[Chip]:
    """Show what a decorator was given when it made this function."""
    before = step.before or {}
    return [_value(name, (name,), value)._replace(kind='value made') for name, value in before.items()
            if name in shown.free]


def _arguments(step: Step, shown: Listing) -> list[Chip]:
    """Show the arguments that are short."""
    return [_value(name, (name,), value) for name, value in (step.before or {}).items()
            if name not in shown.free and name != 'self' and _is_short(value)]


def _known(step: Step, shown: Listing) -> Iterator[tuple[int, Chip]]:
    """Yield (line, chip) for each value and each condition that the lines of a visit decide."""
    yield from _conditions(step, shown)
    yield from _handlers(step)
    for name, line, value in syntax.assignments(step):
        if not _is_unknown(value):
            chip = _value(name, (name,), value)
            when = 'at the end of the visit: ' if is_container(value) else ''
            yield line, chip._replace(title=f'{when}{chip.title}')
    yield from _errors(step, shown)


def _conditions(step: Step, shown: Listing) -> Iterator[tuple[int, Chip]]:
    ways = syntax.decided(step)
    for place in syntax.places(step):
        test = place.statement.test if isinstance(place.statement, ast.If) else None
        if test is None or test.lineno not in ways:
            continue
        line, yes = test.end_lineno or test.lineno, ways[test.lineno]
        yield line, Chip('yes' if yes else 'no', '', 'yes' if yes else 'no',
                         f'This condition was {"true" if yes else "false"}.')
        for chip in _read(step, shown, test, place):
            yield line, chip


def _handlers(step: Step) -> Iterator[tuple[int, Chip]]:
    """Yield whether a handler took the error, outside of loops; an error in its own test leaves that open."""
    lines, name = set(step.lines), _class_of(step.error)
    for place in syntax.places(step):
        for handler in getattr(place.statement, 'handlers', ()) if not place.looped else ():
            head = range(handler.lineno, _first_line(handler.body[0]))
            if handler.type is None or lines.isdisjoint(head) or name in ('AttributeError', 'NameError'):
                continue
            took = not lines.isdisjoint(syntax.span(handler.body))
            yield handler.type.end_lineno, Chip(
                'yes' if took else 'no', '', 'yes' if took else 'no',
                f'This handler {"took" if took else "did not take"} the error.')


def _read(step: Step, shown: Listing, node: ast.AST, place: syntax.Place) -> list[Chip]:
    """Show the short values that a statement outside of loops read."""
    chips: list[Chip] = []
    try:
        paths = [] if place.looped else syntax.reads(node)
    except RecursionError:
        paths = []
    for path in paths:
        if path[0] in place.assigns or len(chips) == MOST_READ:
            continue
        value = syntax.value_at(step, path, place.statement.lineno)
        if value is not syntax.MISSING and _is_short(value):
            chips.append(_value('.'.join(path), path, value))
    return chips


# ---------------------------------------------------------------------------------------------------- its error


class _End(NamedTuple):
    place: syntax.Place
    line: int
    raised: bool  # here, rather than passed on
    looped: bool


def _end(step: Step) -> _End | None:
    """Return where a visit ended with an error: at the last `raise` that ran, or else at the last statement."""
    lines, function = set(step.lines), syntax.tree(step)
    if step.error is None or function is None:
        return None
    last, caught = _aside(function, lines)
    ran = [place for place in syntax.places(step) if not lines.isdisjoint(place.header)
           and place.statement.lineno not in last]
    raised = [place for place in ran if isinstance(place.statement, ast.Raise)
              and place.statement.lineno not in caught]
    if not ran:
        return None
    place = (raised or ran)[-1]
    again = _raises_again(place, ran)
    if again or raised:
        place = again or place
        return _End(place, place.statement.lineno, bool(raised) and not again, False)
    if place.looped:
        outer = next((each for each in reversed(ran) if isinstance(each.statement, _LOOPS) and not each.looped
                      and place.statement.lineno in syntax.span(each.statement)), place)
        return _End(outer, outer.statement.lineno, False, True)
    return _End(place, max(lines & set(place.header)), False, False)


def _aside(function: syntax.Function, lines: set[int]) -> tuple[set[int], set[int]]:
    """Return (lines that run in any case, lines whose error a handler took)."""
    last: set[int] = set()
    caught: set[int] = set()
    for node in ast.walk(function):
        if isinstance(node, _TRIES):
            last.update(syntax.span(node.finalbody))
            if any(not lines.isdisjoint(syntax.span(handler.body)) for handler in node.handlers):
                caught.update(syntax.span(node.body))
    return last, caught


def _raises_again(place: syntax.Place, ran: Sequence[syntax.Place]) -> syntax.Place | None:
    """Return the `with` around a statement that raises the handled error again when its block ends."""
    for each in ran:
        statement = each.statement
        if isinstance(statement, _WITHS) and place.statement in statement.body and any(
                getattr(node, 'attr', getattr(node, 'id', '')) == 'save_and_reraise_exception'
                for item in statement.items for node in ast.walk(item.context_expr)):
            return each
    return None


def _ended(step: Step) -> list[tuple[int, str]]:
    """Return (line, class) where a visit ended with an error."""
    end = _end(step)
    if end is None:
        return []
    statement = end.place.statement
    lines = syntax.span(statement) if end.raised else range(end.line, end.line + 1)
    return [(number, 'raised' if end.raised else 'passed') for number in lines]


def _errors(step: Step, shown: Listing) -> Iterator[tuple[int, Chip]]:
    """Yield what is known where a visit ended with an error: its class, and the values that the `raise` read."""
    end = _end(step)
    if end is None:
        return
    line = end.place.statement.end_lineno or end.line if end.raised else end.line
    where = ' in this loop' if end.looped else ''
    yield line, Chip('value', '', f'raises {_class_of(step.error)}{where}', _brief(step.error, LONGEST_TITLE))
    if end.raised:
        around = _governing(step, end.place)
        test = around and getattr(around.statement, 'test', None)
        asked = _read(step, shown, test, around) if around and test else []
        read = _read(step, shown, end.place.statement, end.place)
        for chip in [chip for chip in read if chip in asked] or read or asked:
            yield line, chip


def _governing(step: Step, place: syntax.Place) -> syntax.Place | None:
    """Return the innermost `if` whose body or `else` holds a statement."""
    around = [each for each in syntax.places(step) if isinstance(each.statement, ast.If)
              and each.statement is not place.statement and place.statement.lineno in syntax.span(each.statement)]
    return around[-1] if around else None


# ---------------------------------------------------------------------------------------------------- its values


def _value(text: str, path: tuple[str, ...], value: Value) -> Chip:
    """Make the chip of a value; an object is shown as its class."""
    name = _class_of(value)
    shown = name if name and not isinstance(value.get('args'), list) else _brief(value, LONGEST_CHIP)
    return Chip('value', short_text(visible(text), LONGEST_CHIP), shown, _brief(value, LONGEST_TITLE), field_of(path))


def _class_of(value: Value) -> str:
    """Return the name of the class of an object or an error, '' for anything else."""
    named = isinstance(value, dict) and isinstance(value.get(''), str) and not is_marked(value)
    return short_text(visible(value['']), LONGEST_CHIP) if named else ''


def _is_short(value: Value) -> bool:
    """Return whether a value is no object and has no parts that have parts."""
    if isinstance(value, list):
        return len(value) <= 6 and not any(map(is_container, value))
    return not _is_unknown(value) and (not is_container(value) or not value)


def _is_unknown(value: Value) -> bool:
    return isinstance(value, str) and bool(_UNKNOWN.match(value))


def _brief(value: Value, longest: int) -> str:
    """Show a value in at most *longest* characters, in a time that does not depend on its size."""
    left = longest + 2  # characters that are still to be written, at most

    def cut(part: Value) -> Value:
        nonlocal left
        left -= 2
        if isinstance(part, str):
            left -= min(len(part), longest)
            return part[:longest + 2]
        if isinstance(part, list):
            return [cut(each) for each in part[:longest] if left > 0]
        if not isinstance(part, dict):
            return part
        if is_marked(part):
            return {'': part[''], **{name: cut(part[name]) for name in ('items', 'value') if name in part}}
        found: Plain = {}
        for name in heapq.nsmallest(longest, part) if len(part) > longest else sorted(part):
            if left > 0:
                left -= len(name)
                found[name] = cut(part[name])
        return found

    return short(cut(value), longest)


# ---------------------------------------------------------------------------------------------------------- HTML


def _line_html(number: int, html: str, state: str, chips: str) -> str:
    kind = f' class="{state}"' if state else ''
    return f'<span data-line="{number}"{kind}><span>{html}</span>{chips}\n</span>'


def _with_gaps(lines: list[str], first: int, folds: Iterable[Fold]) -> list[str]:
    """Put the lines of each fold into an element that opens."""
    for fold in folds:
        start, end = fold.lines.start - first, fold.lines.stop - first
        if 0 <= start < end <= len(lines):
            kind = 'gap' if 'did not run' in fold.summary else 'text'
            lines[start] = f'<details class="{kind}"><summary>{fold.summary}</summary>{lines[start]}'
            lines[end - 1] += '</details>'
    return lines


def _chip_html(chip: Chip) -> str:
    if not chip.name:
        return f' <b class="{chip.kind}" title="{escape(chip.title)}">{escape(chip.text)}</b>'
    field = f' data-field="{escape(visible(chip.field))}"' if chip.field and chip.field != chip.name else ''
    return (f' <b class="{chip.kind}" title="{escape(chip.title)}"><code{field}>{escape(chip.name)}</code>'
            f' = {escape(chip.text)}</b>')


def _chip_text(chip: Chip) -> str:
    return f'{chip.name} = {chip.text}' if chip.name else chip.text
