"""What a visit itself changed, what the visits within it changed, and how a payload is shown at its two moments.

A step holds what a visit held at its entry and at its return, so the difference includes what was done in between. A
change is traced back by undoing what the visits within are known to have done; the rest is the visit's own.
"""

import ast
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Literal, NamedTuple, TypeAlias

from webob.util import status_reasons

from explorer.payloads import Path, Plain, Value, difference, is_container, is_marked, leaves, parts
from explorer.stations import BY_KEY, FIELDS
from explorer.trace import Step, Trace, unpacked
from explorer.views.facts import ENDS, MARKS, field_of, letter, refusal
from explorer.views.fields import same
from explorer.views.syntax import MISSING, places, returns_at, value_in
from explorer.views.text import ID, literal, short, short_ids, short_text, visible

LONGEST_VALUE = 160  # characters of a value that is shown unfolded
LONGEST_WHOLE = 20_000  # characters of a value that are shown at all
MOST_LINES = 200  # of a list of values
MOST_CHANGES, MOST_INNER = 12, 5  # shown unfolded
MOST_COMPARED = 1_000  # within a local; beyond, the local as a whole has changed
FEW_LINES = 3  # of a part that needs no list of its own

Kind: TypeAlias = Literal['added', 'changed', 'dropped']


# --------------------------------------------------------------------------------------------- who changed what


class Change(NamedTuple):
    """A change that a visit made itself; *old* is MISSING if it was added, *new* if it was dropped."""

    path: Path
    old: Value
    new: Value

    @property
    def kind(self) -> Kind:
        """Return which of the two values is missing."""
        return _kind(self.old, self.new)


class InnerChange(NamedTuple):
    """A change that a visit within made in an object that this visit holds as well, at *path*."""

    path: Path
    old: Value
    new: Value
    step: int  # the index of the visit that made it

    @property
    def kind(self) -> Kind:
        """Return which of the two values is missing."""
        return _kind(self.old, self.new)


class Changes(NamedTuple):
    """All that differs between the entry and the return of a visit; *omitted* is its own, but is no news."""

    own: tuple[Change, ...]
    inner: tuple[InnerChange, ...]
    omitted: tuple[Change, ...]


def _kind(old: Value, new: Value) -> Kind:
    return 'added' if old is MISSING else 'dropped' if new is MISSING else 'changed'


def changes_of(trace: Trace, step: Step) -> Changes:
    """Return what a visit changed, what the visits within it changed, and what can be omitted.

    These can be omitted: a new local that only names a function, a class or a helper object; the variable of a loop; a
    new local that is empty; an argument that was None and was filled in. The last two are kept if they belong to a
    field that can be followed, or are returned.
    """
    return _all_changes(trace.packed)[step.index]


@functools.lru_cache(maxsize=4)
def _all_changes(packed: bytes) -> list[Changes]:
    steps = unpacked(packed)
    within: list[list[Step]] = [[] for _ in steps]
    found = [Changes((), (), ())] * len(steps)
    made: list[_Made] = [_Made([], [])] * len(steps)
    for step in reversed(steps):  # the steps within a step come after it
        children = [made[child.index] for child in reversed(within[step.index])]
        direct, deeper = [each for child in children for each in child.held], [
            each for child in children for each in child.deeper]
        found[step.index], used = _changes(step, (direct, deeper))
        held = [_Seen(step, *change, step.index) for change in (*found[step.index].own, *found[step.index].omitted)]
        held += [_Seen(step, *change) for change in found[step.index].inner]
        made[step.index] = _Made(held, [each for each in (*direct, *deeper) if id(each) not in used])
        cause = _holder(step, steps)
        if cause is not None:
            within[cause].append(step)
    return found


class _Seen(NamedTuple):
    """A change as a visit sees it, whether or not it made it itself."""

    seen_by: Step
    path: Path
    old: Value
    new: Value
    step: int  # the index of the visit that made it


class _Made(NamedTuple):
    """What was changed within a visit: in what it holds, and in what only the visits within it hold."""

    held: list[_Seen]
    deeper: list[_Seen]


def _holder(step: Step, steps: Sequence[Step]) -> int | None:
    """Return the step that holds the same objects as this one and waits for it; what crosses to a node is a copy."""
    if step.parent is not None or step.hop_from is None:
        return step.parent
    return step.hop_from if steps[step.hop_from].node == step.node else None


def _changes(step: Step, within: Sequence[Sequence[_Seen]]) -> tuple[Changes, set[int]]:
    """Divide what differs; *within* is what was changed within the visit, in what it calls first.

    Returns: the changes, and the ids of those within that were found in them.
    """
    own: list[Change] = []
    inner: list[InnerChange] = []
    used: set[int] = set()
    by_name = [_by_last_name(each) for each in within]
    left: list[Change]
    made: list[InnerChange]
    for change in _differences(step):
        left, made = [change], []
        for names in by_name:
            if left and names:
                records = [record for each in left for record in _records(each, step, names)]
                used |= {id(record.seen) for record in records}
                undone = [_undone(each, [record for record in records if record.change is each]) for each in left]
                left, made = [one for each, _ in undone for one in each], [
                    *made, *(one for _, each in undone for one in each)]
        own += left
        inner += made
    omitted = {number for number, change in enumerate(own) if _no_news(step, change)}
    return Changes(tuple(change for number, change in enumerate(own) if number not in omitted), tuple(inner),
                   tuple(own[number] for number in sorted(omitted))), used


def _by_last_name(made: Sequence[_Seen]) -> dict[Value, list[_Seen]]:
    """Return changes by each name in their paths, in their order."""
    found: dict[Value, list[_Seen]] = {}
    for each in made:
        for name in dict.fromkeys(each.path):
            found.setdefault(name, []).append(each)
    return found


def _differences(step: Step) -> list[Change]:
    """Compare what a visit held at its entry and its return; an object of another class is another object."""
    if step.before is None or step.after is None:
        return []
    return [change for name in [*step.after, *(name for name in step.before if name not in step.after)]
            for change in _compared(step.before.get(name, MISSING), step.after.get(name, MISSING), (name,))]


def _compared(old: Value, new: Value, path: Path) -> list[Change]:
    if old is new:
        return []
    if old is MISSING or new is MISSING:
        return [Change(path, old, new)]
    found = difference(old, new, path)
    if sum(map(len, found.values())) > MOST_COMPARED:
        return [Change(path, old, new)]
    replaced = {each[:-1] for kind in found.values() for each in kind if each[-1:] == ('',)}
    changes = [Change(each, MISSING, value) for each, value in found['added'].items()]
    changes += [Change(each, *values) for each, values in found['changed'].items()]
    changes += [Change(each, value, MISSING) for each, value in found['dropped'].items()]
    if not replaced:
        return changes
    outer = [each for each in replaced if not any(each[:at] in replaced for at in range(len(each)))]
    changes = [each for each in changes if not any(each.path[:len(place)] == place for place in outer)]
    return [*changes, *(Change(place, value_in({'': old}, ('', *place[len(path):])),
                               value_in({'': new}, ('', *place[len(path):]))) for place in outer)]


class _Record(NamedTuple):
    """A change of a visit within, seen from a change of this visit: *sub* is its place within that change."""

    change: Change
    sub: Path
    seen: _Seen


def _records(change: Change, step: Step, names: dict[Value, list[_Seen]]) -> list[_Record]:
    """List the changes that were made within, at the place of a change or below it, in their order."""
    records = []
    for seen in names.get(change.path[-1], ()):
        sub = _below(seen.path, change.path)
        if sub is not None and _akin(step, change.path, seen.seen_by, seen.path[:len(seen.path) - len(sub)]):
            records.append(_Record(change, sub, seen))
    return records


def _below(theirs: Path, mine: Path) -> Path | None:
    """Return where a path of a visit within leads to below a path of this visit, or None if it leads elsewhere.

    The names of the locals that hold an object may differ, and either of them may hold it within another object, so
    only the rest of the paths must agree: the longer must end like the shorter. A local is never the same as a
    local of another visit, unless both hold a list of the same name.
    """
    if len(mine) == 1:
        return () if theirs == mine else None
    tail = mine[1:]
    for end in range(len(theirs), 1, -1):
        rest = theirs[1:end]
        length = min(len(rest), len(tail))
        if rest[-1] == tail[-1] and rest[-length:] == tail[-length:]:
            return theirs[end:]
    return None


def _akin(step: Step, mine: Path, child: Step, theirs: Path) -> bool:
    """Return whether the owners of two places can be the same object."""
    if len(mine) == 1:
        return isinstance(value_in(step.before, mine), list) and isinstance(value_in(child.before, theirs), list)
    owner = value_in(step.after or {}, mine[:-1])
    other = value_in(child.after or {}, theirs[:-1])
    if not isinstance(owner, dict) or not isinstance(other, dict):
        return type(owner) is type(other)
    if 'environ' in owner and 'environ' in other:  # requests of several classes share an environ
        return True
    return all(owner[name] == other[name] for name in ('', 'uuid', 'id') if name in owner and name in other)


def _undone(change: Change, records: Sequence[_Record]) -> tuple[list[Change], list[InnerChange]]:
    """Take from a change what the visits within did: undo the last ones from the end, redo the first from the start."""
    if not records:
        return [change], []
    path, old, new = change
    late: list[InnerChange] = []
    early: list[InnerChange] = []
    left: list[_Record] = []
    for record in reversed(records):
        seen = record.seen
        if _is(_part(new, record.sub), seen.new):
            new = _put(new, record.sub, seen.old)
            late.insert(0, InnerChange((*path, *record.sub), *seen[2:]))
        else:
            left.insert(0, record)
    for record in left:
        seen = record.seen
        if not _is(old, new) and _is(_part(old, record.sub), seen.old):
            old = _put(old, record.sub, seen.new)
            early.append(InnerChange((*path, *record.sub), *seen[2:]))
    return _compared(old, new, path), [*early, *late]


def _is(one: Value, other: Value) -> bool:
    return one is other or (one is not MISSING and other is not MISSING and same(one, other))


def _part(value: Value, path: Path) -> Value:
    return value if not path else MISSING if value is MISSING else value_in({'': value}, ('', *path))


def _put(value: Value, path: Path, part: Value) -> Value:
    """Return a copy of plain data with another part at a path that exists."""
    if not path:
        return part
    first, inner = path[0], path[1:]
    if isinstance(value, list):
        return [_put(each, inner, part) if number == first else each for number, each in enumerate(value)]
    changed = {name: _put(each, inner, part) if name == first else each for name, each in parts(value).items()}
    if part is MISSING and not inner:
        del changed[first]
    elif first not in changed:
        changed[first] = part
    return changed


_BARE = re.compile(r'<(?:(?:function|method|class|module) [^<>]*(?:<locals>[^<>]*)*|\w+)>')


def _no_news(step: Step, change: Change) -> bool:
    """Return whether a change need not be shown; see changes_of."""
    path, old, new = change
    if len(path) > 1 or new is MISSING:
        return False
    wanted = field_of(path) in FIELDS or _returned(step, path[0], new)
    if isinstance(new, str) and _BARE.fullmatch(new):
        return field_of(path) not in FIELDS
    if old is MISSING:
        return (_is_empty(new) and not wanted) or _loops(step, path[0])
    return old is None and not wanted


def _is_empty(value: Value) -> bool:
    return value is None or value is False or value in ('', [], {})


def _returned(step: Step, name: str, value: Value) -> bool:
    """Return whether a visit returned a local; without its source, a local that holds None counts as not returned."""
    statement = returns_at(step)
    if isinstance(statement, ast.Return) and statement.value:
        returned = statement.value.elts if isinstance(statement.value, ast.Tuple) else [statement.value]
        return any(isinstance(each, ast.Name) and each.id == name for each in returned)
    return not places(step) and value is not None and same(value, step.result)


def _loops(step: Step, name: str) -> bool:
    """Return whether only loops assign a local."""
    assigned = [place.statement for place in places(step) if name in place.assigns]
    return bool(assigned) and all(isinstance(each, ast.For | ast.AsyncFor) for each in assigned)


# -------------------------------------------------------------------------------------- requests and messages


class Letter(NamedTuple):
    """A request, a response or a message as it is written: the first line, the headers, and the body."""

    first: str
    headers: list[tuple[str, str]]
    body: str
    note: str  # what is known of a body that is not part of the payload
    used: tuple[str, ...]  # the parts of the payload that the letter shows


_PROTOCOL = 'HTTP/1.1'  # what the client and the server speak; no payload holds it


def letter_of(value: Value) -> Letter | None:
    """Return a request or a response as a letter; None for anything else."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get('environ'), dict):
        return letter_of(value['environ'])
    if isinstance(value.get('REQUEST_METHOD'), str):
        return _arrived(value)
    if value.get('') == 'PreparedRequest' and isinstance(value.get('url'), str):
        return _sent(value)
    if 'headerlist' in value and 'app_iter' in value:
        return Letter(f'{_PROTOCOL} {_text(value.get("status"))}', _headers(value['headerlist']),
                      _body(value['app_iter']), '', ('status', 'headerlist', 'app_iter'))
    if 'status_code' in value and 'content' in value:
        code = value['status_code']
        phrase = status_reasons.get(code, '') if isinstance(code, int) else ''
        return Letter(f'{_PROTOCOL} {_text(code)} {phrase}'.rstrip(), _headers(value.get('headers')),
                      _body(value['content']), '', ('status_code', 'headers', 'content'))
    return None


def _arrived(environ: Plain) -> Letter:
    """Return the request in a WSGI environ; its body is in a stream."""
    path = f'{_text(environ.get("SCRIPT_NAME", ""))}{_text(environ.get("PATH_INFO", ""))}'
    query = _text(environ.get('QUERY_STRING', ''))
    used = [name for name in environ if name.startswith('HTTP_') or name in ('CONTENT_TYPE', 'CONTENT_LENGTH')]
    length = _text(environ.get('CONTENT_LENGTH', ''))
    return Letter(
        f'{environ["REQUEST_METHOD"]} {path}{"?" if query else ""}{query} {_PROTOCOL}',
        [(_header(name), _text(environ[name])) for name in used], '',
        f'(a body of {length} bytes)' if length not in ('', '0') else '',
        ('REQUEST_METHOD', 'SCRIPT_NAME', 'PATH_INFO', 'QUERY_STRING', *used))


def _header(key: str) -> str:
    """Return a name of an environ as a header's: HTTP_X_ROLES becomes X-Roles."""
    name = key.removeprefix('HTTP_').replace('_', '-').title()
    return name.replace('Openstack', 'OpenStack').replace('Api', 'API')


def _sent(request: Plain) -> Letter:
    host, slash, path = request['url'].partition('://')[2].partition('/')
    return Letter(f'{_text(request.get("method"))} {slash}{path} {_PROTOCOL}',
                  [('Host', host), *_headers(request.get('headers'))], _body(request.get('body')), '',
                  ('method', 'url', 'headers', 'body'))


def _headers(held: Value) -> list[tuple[str, str]]:
    """Return headers as pairs, in whichever form a library holds them."""
    if isinstance(held, dict):
        store = held.get('store', held)
        store = store if isinstance(store, dict) else held
        # A pair whose value is secret may be masked as a whole.
        held = [value if isinstance(value, list) else [name, value] for name, value in store.items() if name != '']
    return [(_text(pair[0]), _text(pair[1])) for pair in held or () if isinstance(pair, list) and len(pair) == 2]


def _text(value: Value) -> str:
    return value if isinstance(value, str) else literal(value)


def _body(held: Value) -> str:
    """Return a body, laid out over lines if it is JSON that this does not change."""
    if held is None:
        return ''
    text = ''.join(map(_text, held)) if isinstance(held, list) else _text(held)
    if len(text) > LONGEST_WHOLE:
        return text
    try:
        return json.dumps(json.loads(text, object_pairs_hook=_pairs, parse_float=_number(float),
                                     parse_int=_number(int), parse_constant=_number(int)),
                          indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _pairs(pairs: list[tuple[str, Value]]) -> Plain:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError('a name occurs twice')
    return found


def _number(kind: Callable[[str], object]) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        number = kind(text)
        if repr(number) != text:
            raise ValueError(f'{text} would be written in another way')
        return number
    return read


def message_of(value: Value) -> Plain | None:
    """Return the message of the bus that a value is or holds, or None."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and isinstance(value.get('message'), dict):
        value = value['message']
    return value if isinstance(value, dict) and isinstance(value.get('method'), str) and isinstance(
        value.get('args'), dict) else None


# ------------------------------------------------------------------------------------------------- in one line

# Names of fields; what tells an object from others is the first group that it has.
_TELLING = (('display_name', 'vm_state', 'task_state'), ('name',), ('instance_uuid',), ('topic', 'version'),
            ('user_id',), ('code',), ('status',), ('uuid',), ('id',))


_quoted = json.JSONEncoder(ensure_ascii=False).encode  # one that is kept is quicker than json.dumps


def brief(value: Value) -> str:
    """Describe a container in a few words: its class and what tells it from others, or the start of its parts."""
    written = letter_of(value)
    message = message_of(value)
    if written:
        words = written.first.removesuffix(f' {_PROTOCOL}').removeprefix(f'{_PROTOCOL} ')
    elif message:
        words = ' '.join(_text(message[name]) for name in ('method', 'version') if message.get(name))
    elif isinstance(value, dict) and isinstance(value.get(''), str) and not is_marked(value):
        if isinstance(value.get('args'), list):
            return short_ids(short(value, LONGEST_VALUE))
        words = f'{value[""]} {_told(value)}'.strip()
    elif isinstance(value, list):
        words = ', '.join(brief(each) if is_container(each) else _start(each) for each in value[:3])
        words = f'[{words}{", …" if len(value) > 3 else ""}]' if len(value) > 1 or not words else f'[{words}]'
    else:
        # Sorted, because the results of Routes have no fixed order.
        below = sorted(parts(value).items(), key=lambda part: str(part[0]))
        words = ', '.join(str(name) if is_container(part) else f'{name}: {_start(part)}' for name, part in below[:4])
        words = f'{{{words}{f", … {len(below)} in all" if len(below) > 4 else ""}}}'
    return short_text(short_ids(visible(words[:1000])), 100)


def _start(value: Value) -> str:
    """Write a value in at most 50 characters."""
    return short_text(short_ids(_quoted(value[:200]) if isinstance(value, str)
                               else literal(value)), 50)


def compact(value: Value) -> str | None:
    """Write a small list or dict as Python does; None for an object, and for what takes more room."""
    if isinstance(value, dict) and '' in value and not is_marked(value):
        return None
    few = list(itertools.islice(leaves(value), 9))
    if len(few) > 8 or any(isinstance(each, str) and len(each) > 90 for _, each in few):
        return None
    text = visible(literal(value))
    return text if len(short_ids(text)) <= 90 else None


def _told(value: Plain) -> str:
    """Return what tells an object from others of its class."""
    if 'ver_major' in value and 'ver_minor' in value:
        return f'{literal(value["ver_major"])}.{literal(value["ver_minor"])}'
    if 'explanation' in value or 'wrapped_exc' in value:
        return _error(value)
    value = value['info'] if isinstance(value.get('info'), dict) else value
    for names in _TELLING:
        held = [value[name] for name in names if name in value]
        known = [_text(each)[:200] for each in held if not _is_empty(each) and not is_container(each)]
        if known:
            roles = value.get('roles')
            return ' '.join(known) + (f' ({", ".join(map(_text, roles))})' if roles and isinstance(roles, list) else '')
    return ''


def _error(value: Plain) -> str:
    inner = value.get('wrapped_exc')
    if isinstance(inner, dict):
        return f'around {inner.get("", "")} {_error(inner)}'.rstrip()
    return ' '.join(_text(value[name]) for name in ('status', 'explanation') if value.get(name))


# ------------------------------------------------------------------------------------------------------- the panes


class Changed:
    """Show what visits received and what they changed; what the panes share is rendered once.

    Shape: longer fragments of HTML pass through *fold*, which may store them elsewhere.
    """

    def __init__(self, fold: Callable[[str], str] = str) -> None:
        self._fold = fold
        # What was rendered, by the id of the value and what of its place matters; the value is kept, so that nothing
        # else gets its id.
        self._lists: dict[tuple[int, Path], tuple[Value, str]] = {}
        self._shown: dict[tuple[int, Path], tuple[Value, str, str]] = {}
        self._counts: dict[int, tuple[Value, int]] = {}

    def enter(self, trace: Trace, step: Step) -> str:
        """Show with what a visit was called, and what its decorator was made with."""
        if step.before is None:
            return '<p>What came in was not recorded.</p>'
        made_with = BY_KEY[step.station].made_with
        came = {name: value for name, value in step.before.items() if name not in made_with and not _is_place(
            name, value)}
        made = {name: step.before[name] for name in made_with if name in step.before}
        on_bus = _on_bus(step)
        if on_bus:
            came.pop('message')
        rows = ''.join(self._row((name,), value, opened=step.station in _OPEN) for name, value in came.items())
        fixed = ''.join(self._row((name,), value) for name, value in made.items())
        return (f'{on_bus}<h5>Arguments</h5>{_list(rows) if rows else "<p>No arguments are recorded here.</p>"}'
                f'{_section("Fixed by the decorator", fixed)}')

    def leave(self, trace: Trace, step: Step, run: int = 0) -> str:
        """Show what a visit changed, what it returned or raised, and what the visits within it changed.

        Shape: *run* is the run that the links lead to.
        """
        opened = step.station in _OPEN
        outcome = (self._row(('raises',), step.error) if step.error is not None
                   else self._row(('returns',), step.result, opened=opened))
        head = 'raises' if step.error is not None else 'returns'
        ends = f'<h5>{head}</h5><ul class="outcome">{outcome}</ul>'
        if step.before is None or step.after is None:
            return f'<p>What it held at its end was not recorded.</p>{ends}'
        found = changes_of(trace, step)
        own = [self._change(change) for change in found.own]
        inner = [self._change(change, _by(trace, change.step, run)) for change in found.inner]
        here = _shortened(own, MOST_CHANGES) or '<p>Nothing changed here.</p>'
        return (f'{_on_bus(step)}<h5>Changed here</h5>{here}{ends}'
                f'{_section("Changed by inner calls", _shortened(inner, MOST_INNER))}{self._everything(step.after)}')

    def _change(self, change: Change | InnerChange, by: str = '') -> str:
        path, old, new = change[:3]
        value = old if new is MISSING else new
        was = f'<del>{_old(old)}</del> → ' if change.kind == 'changed' else ''
        return self._row(path, value, kind=change.kind, was=was, by=by)

    def _row(self, path: Path, value: Value, *, kind: str = '', was: str = '', by: str = '',
             opened: bool = False) -> str:
        """Show a value with its name on a line of its own; what is large is folded."""
        mark = f'<b title="{kind}">{MARKS[kind]}</b> ' if kind else ''
        # What a visit returns is followed as `result`, as in a trace. The heading names it already.
        ends = path[0] in ('returns', 'raises')
        name = '' if ends else f'{mark}{_name(path, ".".join(map(str, path)), leaf=not parts(value))} '
        shown = self._value(('result', *path[1:]) if ends else path, value, f'{name}{was}', by, opened=opened)
        return self._fold(f'<li{_class(kind)}>{shown}</li>')

    def _value(self, path: Path, value: Value, name: str, by: str, *, opened: bool) -> str:
        if not is_container(value) or not parts(value):
            return f'{name}{_leaf(value)}{by}'
        key = id(value), _place(path, value)
        if key not in self._shown:
            self._shown[key] = value, *self._object(path, value)
        _, words, inner = self._shown[key]
        if not inner:
            return f'{name}<bdi>{words}</bdi>{by}'
        if opened and letter_of(value):
            return f'{name}{inner}{by}'
        return f'<details><summary>{name}{words}{by}</summary>{inner}</details>'

    def _object(self, path: Path, value: Value) -> tuple[str, str]:
        """Return a container in a few words, and the whole of it if those do not tell all."""
        if set(parts(value)) <= {'', 'ver_major', 'ver_minor'}:
            return _safe(brief(value)), ''
        text = compact(value)
        if text is not None:
            return _ids(_safe(text)), ''
        written = letter_of(value)
        return _safe(brief(value)), (
            f'{self._fold(_letter(written)) if written else ""}{self._rest(path, value, written)}')

    def _rest(self, path: Path, value: Value, written: Letter | None) -> str:
        """List what a letter leaves out of an object, or all of an object that is no letter."""
        if written is None:
            return self._list(path, value, MOST_LINES)
        held = isinstance(value.get('environ'), dict)
        rest = {name: part for name, part in (value['environ'] if held else value).items()
                if name not in written.used and name != ''}
        below = {name: part for name, part in value.items() if held and name not in ('environ', '')}
        return ''.join(self._fold(f'<ul class="values">{"".join(self._lines(place, (), each, MOST_LINES))}</ul>')
                       for place, each in (((*path, 'environ') if held else path, rest), (path, below)) if each)

    def _everything(self, held: Plain) -> str:
        """List all values that a visit held at its end."""
        number = sum(map(self._leaves, held.values()))
        if not number:
            return ''
        return (f'<details><summary>all {number:,} value{"s" if number > 1 else ""}</summary>'
                f'{self._list((), held, MOST_LINES)}</details>')

    def _list(self, path: Path, value: Value, room: int) -> str:
        """List the leaves of a value; one that fits in as a whole is stored once."""
        number = self._leaves(value)
        key = id(value), _place(path, value)
        if number > room:
            more = f'<li>… {number - room:,} more</li>'
            return f'<ul class="values">{"".join(self._lines(path, (), value, room))}{more}</ul>'
        if key not in self._lists:
            self._lists[key] = value, self._fold(
                f'<ul class="values">{"".join(self._lines(path, (), value, number))}</ul>')
        return self._lists[key][1]

    def _lines(self, path: Path, rest: Path, value: Value, room: int) -> Iterator[str]:
        """Yield a line for each leaf; *rest* leads there from the list's place. What has many is a list within."""
        below = _named(value)
        if not below:
            yield _line_of((*path, *rest), rest, value)
        for name, part in below.items():
            if room <= 0:
                return
            inner = (*rest, name)
            if type(part) not in (dict, list):  # most are, and this is quicker
                yield _line_of((*path, *inner), inner, part)
                room -= 1
                continue
            number = self._leaves(part)
            if number > FEW_LINES or (number > 1 and not rest and not path):
                yield (f'<li><code>{_safe(visible(".".join(map(str, inner))))}</code> {_safe(brief(part))}'
                       f'{self._list((*path, *inner), part, room)}</li>')
            else:
                yield from self._lines(path, inner, part, room)
            room -= number

    def _leaves(self, value: Value) -> int:
        """Return how many lines a value takes."""
        if type(value) not in (dict, list):
            return 1
        below = _named(value)
        if not below:
            return 1
        if id(value) not in self._counts:
            self._counts[id(value)] = value, sum(map(self._leaves, below.values()))
        return self._counts[id(value)][1]


_OPEN = frozenset({'http', 'URLMap', 'send', '_process_incoming', 'serialize', 'Fault'})  # where letters are unfolded


def _line_of(path: Path, shown: Path, value: Value) -> str:
    text = str(shown[0]) if len(shown) == 1 else '.'.join(map(str, shown))
    return f'<li>{_name(path, text, leaf=True)} {_listed(value)}</li>'


def _named(value: Value) -> dict[Value, Value]:
    """Return the parts of a value without the name of its class."""
    below = parts(value)
    return {name: part for name, part in below.items() if name != ''} if '' in below else below


_TAKEN = {end[-1] for end in ENDS} | {'nova_object.data'}


def _place(path: Path, value: Value) -> Path:
    """Return what of the path to a container matters for the names of the fields in it."""
    matters = type(value) is not dict or '' in path or is_marked(value) or not _TAKEN.isdisjoint(value)
    return (None, *path)[-2:] if matters else ()


def _is_place(name: str, value: Value) -> bool:
    """Return whether an argument is only the object that owns the method."""
    return name in ('self', 'cls') and isinstance(value, str) and bool(_BARE.fullmatch(value))


def _safe(text: str) -> str:
    return escape(text, quote=False)


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ''


def _list(rows: str) -> str:
    return f'<ul>{rows}</ul>'


def _section(title: str, rows: str) -> str:
    return f'<h5>{title}</h5>{rows if rows.startswith("<ul") else _list(rows)}' if rows else ''


def _shortened(rows: Sequence[str], most: int) -> str:
    """Lay out rows as a list; fold those after the first few."""
    rest = rows[most:]
    if not rest:
        return _list(''.join(rows)) if rows else ''
    return (f'<ul>{"".join(rows[:most])}<li><details><summary>and {len(rest)} more</summary>'
            f'<ul>{"".join(rest)}</ul></details></li></ul>')


def _by(trace: Trace, index: int, run: int) -> str:
    name = BY_KEY[trace.steps[index].station].name
    return f' by <span data-goto="{index}" data-run="{run}">step {index + 1}, {_safe(name)}</span>'


@functools.lru_cache(1 << 14)
def _name(path: Path, text: str, *, leaf: bool) -> str:
    """Show the name of a value; data-field names its field if that is another name."""
    field = field_of(path) if leaf else ''
    known = f' data-field="{escape(visible(field))}"' if field and field != text else ''
    return f'<code{known}>{_safe(visible(text))}</code>'


def _ids(text: str) -> str:
    """Shorten the ids in a text that is escaped already; a click shows the whole."""
    return ID.sub(lambda found: f'<span class="id" title="{found[0]}" tabindex="0" data-whole="{found[0]}">'
                                 f'{found[1] or ""}{found[2] or found[4]}…</span>', text) if len(text) > 31 else text


def _written(value: Value) -> str:
    """Write a value that has no parts, or as much of it as is shown and how long it is."""
    if isinstance(value, str):
        if len(value) > LONGEST_WHOLE:
            return _cut(_quoted(value[:LONGEST_WHOLE])[:-1], len(value))
        return visible(_quoted(value))
    text = literal(value)
    return _cut(text, len(text))


def _cut(text: str, length: int) -> str:
    """Cut a text that is longer than anybody reads; *length* is that of the whole."""
    return visible(text) if length <= LONGEST_WHOLE else (
        f'{visible(text[:LONGEST_WHOLE])}… ({LONGEST_WHOLE:,} of {length:,} characters)')


def _leaf(value: Value) -> str:
    """Show a value that has no parts; fold it if it is long."""
    text = _written(value)
    if len(text) <= LONGEST_VALUE:
        return f'<bdi>{_ids(_safe(text))}</bdi>'
    return f'<details><summary>{_safe(text[:LONGEST_VALUE - 40])}…</summary><bdi>{_safe(text)}</bdi></details>'


def _listed(value: Value) -> str:
    """Show a value in a list of many; a click shows a long one whole, because folds cost more."""
    text = _written(value) if not (type(value) is dict and '' in value and not is_marked(value)) else brief(value)
    if len(text) <= LONGEST_VALUE:
        return _safe(text)
    start = _safe(text[:LONGEST_VALUE - 40])
    return f'<bdi tabindex="0" title="click to show all of it" data-whole="{escape(text)}">{start}…</bdi>'


def _old(value: Value) -> str:
    """Show the value before a change."""
    if is_container(value) and parts(value):
        text = compact(value)
        return _safe(brief(value)) if text is None else _ids(_safe(text))
    text = _written(value)
    return _ids(_safe(text)) if len(text) <= LONGEST_VALUE else _listed(value)


def _letter(written: Letter) -> str:
    """Lay out a request or a response."""
    lines = [f'<b>{_ids(_safe(visible(written.first)))}</b>']
    for name, value in written.headers:
        field = ENDS.get((name,)) or ENDS.get((f'HTTP_{name.upper().replace("-", "_")}',))
        known = f' data-field="{escape(field)}"' if field else ''
        lines.append(f'<code{known}>{_safe(visible(name))}</code>: {_ids(_safe(visible(value)))}')
    body = _cut_lines(written.body)
    if body or written.note:
        lines += ['', *(_ids(_safe(line)) for line in body), *filter(None, [_safe(visible(written.note))])]
    return f'<section class="letter"><pre>{chr(10).join(lines)}</pre></section>'


def _cut_lines(text: str) -> list[str]:
    shown = [visible(line) for line in text[:LONGEST_WHOLE].split('\n')] if text else []
    return [*shown, _cut('', len(text))] if len(text) > LONGEST_WHOLE else shown


def _on_bus(step: Step) -> str:
    """Show the message that a step puts on the bus: its address, and how it is sent."""
    rows = letter(step)
    if not rows or step.before is None:
        return ''
    items = ''.join(f'<dt>{name}</dt><dd>{_safe(text)}</dd>' for name, text in rows)
    wire = json.dumps(step.before['message'], ensure_ascii=False)
    return (f'<section class="letter bus"><b>✉ on the bus</b><dl>{items}</dl><details><summary>the message on the '
            f'wire, {len(wire):,} characters</summary><code>{_safe(_cut(wire, len(wire)))}</code></details></section>')


# ---------------------------------------------------------------------------------------------------- rejections


def layers(trace: Trace, step: Step, moment: str = 'return', run: int = 0) -> str:
    """Show the forms that an error took on its way back, as links; '' where it has not come by.

    Shape: the form in which the error leaves the visit has aria-current; *run* is the run that the links lead to.
    """
    rows = refusal(trace)
    way = _way_back(trace, rows[0].step) if rows else []
    if moment != 'return' or step.index not in way:
        return ''
    past = way[:way.index(step.index) + 1]
    places = [row.step if isinstance(row.step, int) else _receiver(trace, way, row.layer) for row in rows]
    here = [place for place in places if place in past]
    chips = ' › '.join(
        f'<span{_link(place, run)}{" aria-current=" + chr(34) + "true" + chr(34) if place == here[-1] else ""}>'
        f'{_safe(_chip(row.layer, row.what))}</span>' for row, place in zip(rows, places, strict=True))
    return f'<nav class="layers" aria-label="forms of the error">{chips}</nav>'


def _chip(layer: str, what: str) -> str:
    """Name a layer: an error by its class, an HTTP error and the response by the status."""
    words = what.replace(':', '').split()
    if layer == 'nobody':
        return 'nobody waits for it'
    status = next((word for word in words[:2] if word.isdecimal()), '') if layer in ('HTTP error', 'response') else ''
    return f'{layer} {status or words[0]}' if layer != 'fault' else layer


def _link(place: int | None, run: int) -> str:
    return '' if place is None else f' data-goto="{place}" data-run="{run}"'


def _way_back(trace: Trace, index: int | str) -> list[int]:
    """Return the steps that an error passes on its way back, from the one that raised it, up to a cast."""
    way: list[int] = []
    step = trace.steps[index] if isinstance(index, int) else None
    while step is not None:
        way.append(step.index)
        cause = step.parent
        if cause is None and step.hop_from is not None and (
                trace.steps[step.hop_from].station != 'send' or (trace.steps[step.hop_from].before or {}).get(
                    'wait_for_reply')):
            cause = step.hop_from
        step = trace.steps[cause] if cause is not None else None
    return way


def _receiver(trace: Trace, way: Sequence[int], layer: str) -> int | None:
    """Return the step of the client that received the response."""
    return next((index for index in way if trace.steps[index].station == 'http'), None) if layer == 'response' else None


# ------------------------------------------------------------------------------------------------ in a terminal


def changes_text(trace: Trace, step: Step, moment: str) -> list[str]:
    """List in plain lines what a visit came in with, or what it changed and returned and what visits within changed."""
    if moment == 'entry':
        return [f'{name} {_short(value)}' for name, value in (step.before or {}).items() if not _is_place(name, value)]
    found = changes_of(trace, step)
    lines = [_line(change) for change in found.own]
    if step.after is not None and not lines:
        lines = ['Nothing changed here.']
    lines.append(f'raises {_short(step.error)}' if step.error is not None else f'returns {_short(step.result)}')
    return lines + [f'{_line(change)} by {change.step + 1} {BY_KEY[trace.steps[change.step].station].name}'
                    for change in found.inner]


def _line(change: Change | InnerChange) -> str:
    was = f'{_short(change.old)} → ' if change.kind == 'changed' else ''
    value = change.old if change.new is MISSING else change.new
    return f'{MARKS[change.kind]} {visible(".".join(map(str, change.path)))} {was}{_short(value)}'


def _short(value: Value) -> str:
    """Show a value in at most 72 characters."""
    if is_container(value) and parts(value):
        return short_text(short_ids(compact(value) or brief(value)), 72)
    return short_text(short_ids(_written(value)), 72)
