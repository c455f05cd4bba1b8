"""One sentence for each moment of a visit: true of this visit at this moment, with its values. Pure functions.

A sentence is a template. `{before:instance.vm_state}` is a value and where it comes from; `{before:url|path}` names
the form in which it is written, `{before:name|text?the server}` what is written if the value is missing. A part in
[square brackets] is left out if one of its values is missing. `{!rejects}` is a claim, a verb that the tests check; it
is `{!adds body=packs}` where the sentence uses another word. `{station}` is the function's name.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from explorer import objects, pipeline
from explorer.payloads import Value, is_marked, parts
from explorer.stations import BY_KEY
from explorer.trace import Step, Trace, unpacked
from explorer.views.exits import phrase
from explorer.views.moments import When
from explorer.views.syntax import MISSING
from explorer.views.text import literal, short, short_ids, short_text, visible

LONGEST_SENTENCE = 240  # characters of a sentence
_LENGTHS = (110, 80, 60, 44, 32, 24, 16)  # of one value; the first is taken that makes the sentence short enough
_ENOUGH = 170  # characters of a sentence for which its values are not shortened any further


class Cited(NamedTuple):
    """A value in a sentence, as it is written, and where it comes from."""

    shown: str
    source: str  # such as before:instance.vm_state, result, error, made with:vm_state, policy:action, trace:visit
    form: str


class Told(NamedTuple):
    """A sentence, its values, and its claims: a verb, and the path that it is about or ''."""

    text: str
    values: tuple[Cited, ...]
    claims: tuple[tuple[str, str], ...]


def tells(trace: Trace, step: Step, moment: When) -> str:
    """Return one sentence about a visit at its entry or its return; names of the code stand between backticks."""
    return sentence(trace, step, moment).text


def sentence(trace: Trace, step: Step, moment: When) -> Told:
    """Return the sentence about a visit at a moment, with the source of each value and what it claims."""
    visit = Visit(trace, step)
    entry = moment == 'entry'
    for row in (TELLS.get(step.station, NEUTRAL), NEUTRAL):
        tell = row.entry if entry else row.end if step.error is None else row.failed
        found = _fitted(visit, tell if isinstance(tell, str) else tell(visit))
        if found:
            return found
    return Told(f'`{BY_KEY[step.station].name}` {"is called" if entry else "ends"}.', (), ())


def by_hand(station: str, moment: When) -> bool:
    """Return whether the sentence of a station at a moment is written by hand."""
    row = TELLS.get(station, NEUTRAL)
    return (row.entry is not _called) if moment == 'entry' else (row.end is not _ended)


# ----------------------------------------------------------------------------------------------- what a visit holds


class Visit(NamedTuple):
    """A visit, and where to look for what its sentence needs."""

    trace: Trace
    step: Step

    def value(self, source: str) -> Value:
        """Return the value at a source, or MISSING."""
        kind, _, path = source.partition(':')
        if kind in _COUNTED:
            return _COUNTED[kind](self, path)
        found = at({'before': self.step.before, 'made with': self.step.before, 'after': self.step.after,
                    'result': self.step.result, 'error': self.step.error}.get(kind), path)
        return MISSING if found == '<object>' else found  # what stands for an argument that is not given

    def has(self, *sources: str) -> bool:
        """Return whether there is a value other than None at all sources."""
        return all(self.value(source) not in (MISSING, None) for source in sources)

    def text(self, source: str) -> str:
        """Return the text at a source, '' for anything that is not text."""
        found = self.value(source)
        return found if isinstance(found, str) else ''

    @property
    def below(self) -> list[Step]:
        """Return the visits that this one made, or that its message or request caused."""
        return [self.trace.steps[index] for index in _order(self.trace.packed).below.get(self.step.index, ())]

    @property
    def inner(self) -> Step | None:
        """Return the last visit below that raised an error, or None."""
        return next((step for step in reversed(self.below) if step.error is not None), None)

    def caused(self, station: str) -> Step | None:
        """Return the first visit of a station directly below this one, or None."""
        return next((step for step in self.below if step.station == station), None)

    @property
    def caller(self) -> 'Visit | None':
        """Return the visit that called this one, or None."""
        return None if self.step.parent is None else Visit(self.trace, self.trace.steps[self.step.parent])

    @property
    def origin(self) -> Step | None:
        """Return the visit within this one that raised the error first, as far as its class stays the same."""
        found, step = None, self.inner
        while step is not None and (found is None or _class_of(step.error) == _class_of(found.error)):
            found, step = step, Visit(self.trace, step).inner
        return found

    @property
    def status(self) -> int:
        """Return the status of the HTTP response that the visit returned or raised; 0 if it is none."""
        for source in ('error:status', 'error:wrapped_exc.status', 'result:status', 'result:wrapped_exc.status',
                       'result:status_code', 'result:0.status_code'):
            found = str(self.value(source))[:3]
            if found.isdigit():
                return int(found)
        return 0


def _class_of(error: Value) -> str:
    """Return the name of an error's class, '' for anything else."""
    name = error.get('') if isinstance(error, dict) else None
    return name if isinstance(name, str) else ''


def at(value: Value, path: str) -> Value:
    """Return the value at a dotted path of plain data, or MISSING; a key may contain dots, an index is a number."""
    if not path:
        return value
    below = parts(value)
    words = path.split('.')
    for length in range(1, len(words) + 1):
        key: Value = '.'.join(words[:length])
        key = int(key) if isinstance(value, list) and key.isdigit() else key
        if key in below:
            found = at(below[key], '.'.join(words[length:]))
            if found is not MISSING:
                return found
    return MISSING


class _Order(NamedTuple):
    below: dict[int, list[int]]
    visits: dict[int, tuple[int, int]]


@functools.lru_cache(maxsize=8)
def _order(packed: bytes) -> _Order:
    """Index the steps of a trace: which visits each one caused, and the number of each among those of its station."""
    steps = unpacked(packed)
    below: dict[int, list[int]] = {}
    stations: dict[str, list[int]] = {}
    for step in steps:
        stations.setdefault(step.station, []).append(step.index)
        cause = step.parent if step.parent is not None else step.hop_from
        if cause is not None:
            below.setdefault(cause, []).append(step.index)
    return _Order(below, {index: (number, len(found)) for found in stations.values()
                          for number, index in enumerate(found, 1)})


def _counted(visit: Visit, what: str) -> Value:
    """Return what the whole trace tells about a visit: its number, its caller's, or the visit below that failed."""
    if what in ('origin', 'origin error'):
        step = visit.origin
        return MISSING if step is None else BY_KEY[step.station].name if what == 'origin' else step.error
    index = visit.step.parent if what == 'caller' and visit.step.parent is not None else visit.step.index
    number, all_of_them = _order(visit.trace.packed).visits.get(index, (1, 1))
    return f'{number} of {all_of_them}'


def _constant(_visit: Visit, name: str) -> Value:
    return getattr(pipeline, name, MISSING)


def _policy(visit: Visit, path: str) -> Value:
    """Return the name of a rule: the path itself, or what the payload holds there."""
    found = visit.value(f'before:{path}') if path == 'action' else path
    return found if isinstance(found, str) and found in dict(objects.POLICIES) else MISSING


_COUNTED: dict[str, Callable[[Visit, str], Value]] = {'trace': _counted, 'constant': _constant, 'policy': _policy}


# ------------------------------------------------------------------------------------------- templates and forms

_SLOT = re.compile(r'\{([^{}]*)\}')
_OPTION = re.compile(r'\[([^\[\]]*)\]')



def _fitted(visit: Visit, template: str) -> Told | None:
    """Fill a template and keep the sentence short by shortening its values; None if it lacks a value."""
    found: list[Told] = []
    for longest in _LENGTHS:
        filled = _filled(visit, template, longest)
        if filled is None:
            return None
        if len(filled.text) <= _ENOUGH:
            return filled
        found.append(filled)
    for filled in found:
        if len(filled.text) <= LONGEST_SENTENCE:
            return filled
    text = found[-1].text[:LONGEST_SENTENCE - 2]
    return found[-1]._replace(text=f'{text}…{"`" * (text.count("`") % 2)}')


def _filled(visit: Visit, template: str, longest: int) -> Told | None:
    values: list[Cited] = []
    claims: list[tuple[str, str]] = []
    text = ''
    for number, piece in enumerate(_OPTION.split(template)):
        filled = _piece(visit, piece, longest)
        if filled is None and number % 2 == 0:
            return None
        if filled is not None:
            text += filled.text.removeprefix('.') if text.endswith('…') else filled.text
            values += filled.values
            claims += filled.claims
    return Told(text, tuple(values), tuple(claims))


def _piece(visit: Visit, piece: str, longest: int) -> Told | None:
    values: list[Cited] = []
    claims: list[tuple[str, str]] = []
    text = ''
    for number, part in enumerate(_SLOT.split(piece)):
        if number % 2 == 0:
            text += part.removeprefix('.') if text.endswith('…') else part
        elif part == 'station':
            text += f'`{BY_KEY[visit.step.station].name}`'
        elif part.startswith('!'):
            claim, _, word = part[1:].partition('=')
            verb, _, path = claim.partition(' ')
            claims.append((verb, path))
            text += word or verb
        else:
            rest, optional, default = part.partition('?')
            source, _, form = rest.partition('|')
            value = visit.value(source)
            shown = None if value is MISSING else _FORMS[form](value, longest)
            if shown is None and not optional:
                return None
            if shown is not None:
                values.append(Cited(shown, source, form))
            text += default if shown is None else shown
    return Told(text, tuple(values), tuple(claims))


def _clean(text: str, longest: int) -> str:
    """Prepare text from a payload: in one line, with short ids, and unable to end the code between two backticks."""
    cut = visible(' '.join(text[:4 * longest + 400].split()))
    named = short_ids(cut).replace('….', '…')
    return short_text(named.replace('`', r'\u0060'), longest)


def _message(text: str, longest: int) -> str:
    """Prepare a message; a long one loses its middle, because its end tells it from others."""
    whole = _clean(text, 4 * longest + 400).rstrip('.')
    start = longest // 3
    return whole if len(whole) <= longest else f'{whole[:start].rstrip()}…{whole[start + 1 - longest:].lstrip()}'


def _cut(value: Value, longest: int, depth: int = 0) -> Value:
    """Leave out of plain data what would not be shown, so that writing it takes no time."""
    if isinstance(value, str):
        return value[:4 * longest + 400]
    if isinstance(value, list):
        return [_cut(part, longest, depth + 1) for part in value[:longest]] if depth < 8 else []
    if isinstance(value, dict):
        names = list(value) if len(value) <= longest else sorted(value)[:longest]
        return {str(name)[:400]: _cut(value[name], longest, depth + 1) for name in names} if depth < 8 else {}
    return value


def _as_literal(value: Value, longest: int) -> str | None:
    return _clean(short(_cut(value, longest), 4 * longest + 400), longest)


def _as_text(value: Value, longest: int) -> str | None:
    """Write a name or a number without quotation marks."""
    return _clean(str(literal(value) if isinstance(value, dict | list) else value), longest) or None


def _as_code(value: Value, longest: int) -> str | None:
    shown = _as_text(value, longest)
    return shown and f'`{shown}`'


def _as_name(value: Value, longest: int) -> str | None:
    return _as_code(value, max(longest, 60))


def _as_class(value: Value, longest: int) -> str | None:
    name = value.get('') if isinstance(value, dict) and not is_marked(value) else None
    return f'`{_clean(name, max(longest, 60))}`' if isinstance(name, str) else None


def _as_error(value: Value, longest: int) -> str | None:
    """Write an error as its class and its message."""
    name = _as_class(value, longest)
    if name is None:
        return _as_literal(value, longest)
    if isinstance(value.get('wrapped_exc'), dict):
        return _as_error(value['wrapped_exc'], longest)
    arguments = value.get('args')
    said = value.get('explanation') or (arguments[0] if isinstance(arguments, list) and arguments else '') or value.get(
        'message', '')
    status = f' ({_clean(str(value["status"]), 40)})' if 'status' in value else ''
    words = _message(said if isinstance(said, str) else literal(_cut(said, longest)), longest)
    return f'{name}{status}{": " if words else ""}{words}'


def _listed(value: Value, longest: int, last: str) -> str:
    words = [_as_literal(part, longest) or '' for part in (value[:12] if isinstance(value, list) else [value])]
    return _clean(f' {last} '.join(filter(None, [', '.join(words[:-1]), *words[-1:]])), max(longest, 40))


def _as_either(value: Value, longest: int) -> str | None:
    return _listed(value, longest, 'or') or None


def _as_all(value: Value, longest: int) -> str | None:
    return _listed(value, longest, 'and') or None


def _as_list(value: Value, longest: int) -> str | None:
    """Write a list of names without quotation marks; a header lists them in one text."""
    names = value.split(',') if isinstance(value, str) else value
    if not isinstance(names, list):
        return None
    words = [_clean(str(name), 40) for name in names[:12] if name]
    return _clean(_all_of(words), max(longest, 60)) if words else 'nothing'


def _as_roles(value: Value, longest: int) -> str | None:
    """Write the roles of a caller with the word: 'the role reader', 'the roles admin and reader'."""
    shown = _as_list(value, longest)
    if shown in (None, 'nothing'):
        return shown and 'no role'
    return f'the role{"s" if "," in str(value) else ""} {shown}'


def _as_said(value: Value, longest: int) -> str | None:
    """Write a message without its full stop."""
    return _message(value, longest) or None if isinstance(value, str) else None


def _as_words(value: Value, longest: int) -> str | None:
    return _clean(' '.join(map(str, value[:longest])), longest) if isinstance(value, list) else None


def _as_status(value: Value, longest: int) -> str | None:
    """Write a status with its phrase."""
    if isinstance(value, int) and not isinstance(value, bool):
        return phrase(value)
    return _clean(value, longest) if isinstance(value, str) else None


def _as_version(value: Value, longest: int) -> str | None:
    """Write a microversion; the null version, which stands for none, has no form."""
    if isinstance(value, str):
        return _clean(value.removeprefix('compute '), longest)
    major, minor = at(value, 'ver_major'), at(value, 'ver_minor')
    if MISSING in (major, minor) or not major:
        return None
    return _clean(f'{major}.{"latest" if is_marked(minor) else minor}', longest)


def _as_path(value: Value, longest: int) -> str | None:
    """Write a URL without its host."""
    return _clean(re.sub(r'^[a-z]+://[^/]*', '', value[:9999]), max(longest, 32)) if isinstance(value, str) else None


def _as_thing(value: Value, longest: int) -> str | None:
    """Write the name of a function or an object of which a snapshot holds only the name."""
    found = re.fullmatch(r'<(?:[a-z]+ )?([^<>]+)>', value) if isinstance(value, str) else None
    return f'`{_clean(found[1], max(longest, 40))}`' if found else _as_class(value, longest)


def _as_needs(value: Value, _longest: int) -> str | None:
    return needs(value) if isinstance(value, str) else None


def _as_body(value: Value, longest: int) -> str | None:
    return 'empty' if value in ('', None, []) else (_as_code if isinstance(value, str) else _as_literal)(value, longest)


def _as_message(value: Value, longest: int) -> str | None:
    """Write the message in the JSON text of an error response."""
    try:
        body = json.loads(value) if isinstance(value, str) and len(value) < 9999 else None
    except (ValueError, RecursionError):
        return None
    inner = next(iter(body.values())) if isinstance(body, dict) and len(body) == 1 else None
    said = inner.get('message') if isinstance(inner, dict) else None
    return _message(said, longest) if isinstance(said, str) and said else None


def _as_names(value: Value, longest: int) -> str | None:
    return _as_list(sorted(map(str, parts(value))), longest) if parts(value) else None


def _as_count(value: Value, _longest: int) -> str | None:
    return str(len(parts(value)) or 'no') if isinstance(value, list | dict) else None


_FORMS: dict[str, Callable[[Value, int], str | None]] = {
    '': _as_literal, 'text': _as_text, 'code': _as_code, 'name': _as_name, 'class': _as_class, 'error': _as_error,
    'or': _as_either, 'and': _as_all, 'list': _as_list, 'roles': _as_roles, 'said': _as_said, 'words': _as_words,
    'status': _as_status,
    'version': _as_version, 'path': _as_path, 'thing': _as_thing, 'needs': _as_needs, 'body': _as_body,
    'message': _as_message, 'names': _as_names, 'count': _as_count}


# ------------------------------------------------------------------------------------------------------- policies

_CHECKS = {
    re.compile(r'role:([\w-]+)'): '{}',
    re.compile(r'role:([\w-]+) and project_id:%\(project_id\)s'): '{} of the project',
    re.compile(r'project_id:%\(project_id\)s'): 'a member of the project',
    re.compile(r'user_id:%\(user_id\)s'): 'the owner',
    re.compile(r'is_admin:True'): 'an administrator',
    re.compile(r'@|'): 'nothing',
}


@functools.lru_cache(maxsize=256)
def needs(rule: str) -> str:
    """Describe in words what a policy rule needs: 'a manager of the project, or an admin'.

    Shape: *rule* is the name of a rule. A check that has no words stands there as in the rule.
    """
    return ', or '.join(dict.fromkeys(_needed(dict(objects.POLICIES).get(rule, rule), 0)))


def _needed(text: str, depth: int) -> Iterator[str]:
    if '(' in text.replace('%(', '') or depth > 8:
        yield f'`{text}`'
        return
    for check in text.split(' or '):
        name = check.strip()
        if name.startswith('rule:') and name[5:] in dict(objects.POLICIES):
            yield from _needed(dict(objects.POLICIES)[name[5:]], depth + 1)
            continue
        words = (form.format(*match.groups()) for pattern, form in _CHECKS.items()
                 if (match := pattern.fullmatch(name)))
        said = next(words, f'`{name}`')
        yield f'{"an" if said[0] in "aeiou" else "a"} {said}' if name.startswith('role:') and said[0] != '`' else said


# ------------------------------------------------------------------------------------------------- the neutral phrase

_PASSED_ALONG = frozenset({'self', 'cls', 'context', 'ctxt', 'req', 'request', 'environ', 'compute_api'})


def _called(visit: Visit) -> str:
    """Name the function and its first arguments."""
    names = [name for name in visit.step.before or {} if re.fullmatch(r'[A-Za-z]\w*', name)
             and name not in _PASSED_ALONG and visit.value(f'before:{name}') is not MISSING][:3]
    words = [f'{name} {{before:{name}}}' for name in names]
    return f'{{station}} is called{f" with {_all_of(words)}" if words else ""}.'


def _ended(visit: Visit) -> str:
    """Name what the function returns, and what it changed among its arguments."""
    for path, (old, _) in visit.trace.changes(visit.step)['changed'].items():
        dotted = '.'.join(map(str, path))
        if not isinstance(old, dict | list) and re.fullmatch(r'[\w.-]+', dotted):
            return (f'{{station}} {{!returns}} {{result}}; {dotted} {{!changes {dotted}}} from {{before:{dotted}}} '
                    f'to {{after:{dotted}}}.')
    return '{station} {!returns} {result}.'


def _failed(visit: Visit) -> str:
    """Describe whether an error arose here, came through, or became another one."""
    inner = visit.inner
    if inner is None:
        return '{station} {!raises} {error|error}.'
    if _class_of(inner.error) == _class_of(visit.step.error):
        return ('{trace:origin|name} {!raises below=raises} {error|error}; {station} {!raises=does not handle it}.')
    return ('{trace:origin|name} {!raises below=raises} {trace:origin error|class}, which leaves {station} '
            '{!raises=as} {error|error}.')


Say: TypeAlias = str | Callable[[Visit], str]


class Words(NamedTuple):
    """What a station tells: at its entry, at its return, and at its end with an error."""

    entry: Say
    end: Say
    failed: Say = _failed


NEUTRAL = Words(_called, _ended)

SERVER = '{before:instance.display_name|text?the server}'


def _all_of(words: Iterable[str]) -> str:
    *most, last = words
    return f'{", ".join(most)} and {last}' if most else last


def _plural(visit: Visit, source: str, word: str) -> str:
    found = visit.value(source)
    return word if len(parts(found)) == 1 else f'{word}s'


def _line(path: str) -> str:
    """Return the template of the request's method and path, which are in the WSGI environ at *path*."""
    return f'{{before:{path}.REQUEST_METHOD|text?a request for}} {{before:{path}.PATH_INFO|path}}'


# ---------------------------------------------------------------------------------------------------- the client


def _discovered(visit: Visit) -> str:
    wanted, found = visit.value('before:requested_version'), visit.value('result')
    if wanted == found:
        return 'The API supports microversion {result|version}, which was asked for: the client {!returns=will use} it.'
    if is_marked(at(wanted, 'ver_minor')):
        return ('{result|version} is the highest microversion that both client and API support, so the client '
                '{!returns=will use} it.')
    return 'Of the microversions that suit both client and API, the client {!returns=chooses} {result|version}.'


def _given(visit: Visit) -> str:
    """Name the arguments of the client's methods; some microversions have more."""
    more = (name for name in ('disk_over_commit', 'force') if visit.has(f'before:{name}'))
    return _all_of(f'{name} {{before:{name}}}' for name in ('host', 'block_migration', *more))


def _filled_in(visit: Visit) -> str:
    name = '{before:self.info.name|text?the server}'
    for field in ('block_migration', 'disk_over_commit'):
        old, new = visit.value(f'before:{field}'), visit.value(f'after:{field}')
        if MISSING not in (old, new) and old != new:
            return (f'The client {{!changes {field}=sets}} {field} from {{before:{field}}} to {{after:{field}}} '
                    f'and {{!sends=sends}} the request for {name}.')
    return (f'The client {{!sends=has sent}} the request for {name} with block_migration {{after:block_migration}} and '
            'host {after:host}.')


def _requested(visit: Visit) -> str:
    headers = 'after:kwargs.headers.OpenStack-API-Version'
    old = 'after:kwargs.headers.X-OpenStack-Nova-API-Version'
    if visit.has(headers):
        added = (f'The client {{!adds kwargs.headers.OpenStack-API-Version=added}} headers, among them '
                 f'OpenStack-API-Version: {{{headers}|text}}')
    elif visit.has(old):
        added = (f'The client {{!adds kwargs.headers.X-OpenStack-Nova-API-Version=added}} headers, among them '
                 f'X-OpenStack-Nova-API-Version: {{{old}|text}}')
    else:
        added = 'The client named no microversion'
    return f'{added}; the API answered {{before:method|text}} {{before:url|path}} with {{result:0.status_code|status}}.'


_EXCHANGE = '{before:request.method|text} {before:request.url|path}'


def _sends_http(visit: Visit) -> str:
    headers = 'before:request.headers.store'
    version = next((f', {{{headers}.{name}.0|text}}: {{{headers}.{name}.1|text}}' for name in (
        'openstack-api-version', 'x-openstack-nova-api-version') if visit.has(f'{headers}.{name}.1')),
        ', without a microversion')
    body = ', body {before:request.body|code}' if visit.has('before:request.body') else ''
    return f'Request {{trace:visit|text}} goes out: {_EXCHANGE}{version}{body}.'


def _sent_http(visit: Visit) -> str:
    said = '[: {result:content|message}]' if visit.status >= 400 else ''
    return (f'Response {{trace:visit|text}}, to {_EXCHANGE}: {{!returns=the API answers}} '
            f'{{result:status_code|status}}{said}.')


_CLIENT = {
    'shell': Words(
        'You type `nova {before:argv|words}`; the client is about to read this command line.',
        '`nova {before:argv|words}` {!returns=ends} without an error: the API has accepted the request.',
        '`nova {before:argv|words}` {!raises=fails} with {error|error}.'),
    'discover_version': Words(
        'The client wants microversion {before:requested_version|version}; it is about to ask the API which ones it '
        'supports.', _discovered),
    'do_live_migration': Words(
        'The subcommand live-migration starts with server {before:args.server}, host {before:args.host} and '
        'block_migrate {before:args.block_migrate}[; force is {before:args.force}].',
        'The subcommand {!sends=has sent} the request for {before:args.server}, and the API has accepted it.'),
    'find_resource': Words(
        'The client looks for a server with the name or id {before:name_or_id}.',
        'The server {before:name_or_id} is {!returns=found}: its id is {result:info.id}[, its status '
        '{result:info.status}].'),
    'Server.live_migrate': Words(
        lambda visit: ('{station} is about to ask for a live migration of {before:self.info.name|text?the server} with '
                       f'{_given(visit)}.'),
        _filled_in),
    'ServerManager.live_migrate': Words(
        lambda visit: (f'{{station}} gets {_given(visit)} for {{before:server.info.name|text?the server}}; it is about '
                       'to build the action from them.'),
        '{station} {!sends=has sent} the action for {before:server.info.name|text?the server} with host {before:host} '
        'and block_migration {before:block_migration}, and the API has answered.'),
    '_action': Words(
        'The action {before:action} with {before:info} is about to become the body of a POST.',
        'The client {!sends=has sent} {after:body} to {after:url|path}; the API answers '
        '{result:0.status_code|status}.'),
    'SessionClient.request': Words(
        'The client is about to add its headers to {before:method|text} {before:url|path}[ with the body '
        '{before:kwargs.body}].', _requested),
    'http': Words(_sends_http, _sent_http),
    'VersionsV2.index': Words(
        lambda visit: ('At {before:req.environ.SCRIPT_NAME|path}, the' if visit.has(
            'before:req.environ.SCRIPT_NAME') else 'The') + ' client asks the API which microversions it supports.',
        'The API {!returns} the range of its microversions, from {result:version.min_version|text} to '
        '{result:version.version|text}.'),
    'ServersController.index': Words(
        'The client asks the API for servers[ with the query {before:req.environ.QUERY_STRING|text}].',
        lambda visit: (f'The API {{!returns}} {{result:servers|count}} {_plural(visit, "result:servers", "server")}[: '
                       '{result:servers.0.name}, with the id {result:servers.0.id}].')),
    'ServersController.show': Words(
        'The client asks the API for the server with the id {before:id}.',
        'The API {!returns} the server {result:server.name}[, whose status is {result:server.status}].'),
}

# ------------------------------------------------------------------------------------------------ the API service


def _pipeline_chosen(visit: Visit) -> str:
    if not visit.has('after:app_url'):
        return 'No pipeline was found by the path {before:environ.PATH_INFO|path}.'
    start = 'The path starts with {after:app_url}, so the pipeline for it ran; '
    if _as_message(visit.value('result:0'), LONGEST_SENTENCE):
        return f'{start}the response {{!returns=says}}: {{result:0|message}}.'
    return (f'{start}`PATH_INFO` {{!changes environ.PATH_INFO=is}} now {{after:environ.PATH_INFO|path}}, and the '
            'body of the response is {result:0|body}.')


def _middleware(visit: Visit, *, entry: bool) -> str:
    names = {'1 of 2': 'the CORS filter', '2 of 2': 'the filter that reads the headers of a proxy'}
    name = names.get(str(visit.value('trace:visit')), 'a filter of oslo.middleware')
    where = f'Visit {{trace:visit|text}} of this class, as {name}: '
    return (f'{where}{_line("req.environ")} is about to pass through.' if entry else
            f'{where}the response {{result:status|status}} {{!returns=comes back}}.')


def _request_id(visit: Visit) -> str:
    found = 'The request already has the id {before:req.environ.openstack.request_id}; it is about to get a new one.'
    return found if visit.has('before:req.environ.openstack.request_id') else (
        f'{_line("req.environ")} has no request id yet; it is about to get one.')


def _uncaught(visit: Visit) -> str:
    if visit.caused('FaultWrapper._error'):
        return 'An error was caught here: it {!returns=becomes} {result|error}.'
    return 'The filter had no error to catch; the response {result:status|status} {!returns=comes back}.'


def _logged(visit: Visit) -> str:
    return ('The access log gets a line[ for microversion {after:req.api_version_request|version}]: '
            f'{_line("req.environ")}, status {{after:res.status|status}}.')


def _size(visit: Visit) -> str:
    size, limit = visit.text('before:req.environ.CONTENT_LENGTH'), visit.value('after:max_size')
    if visit.status == 413 or (size.isdigit() and isinstance(limit, int) and int(size[:12]) > limit):
        return ('The filter {!rejects} the request[, because a Content-Length of '
                '{before:req.environ.CONTENT_LENGTH|text} exceeds the limit of {after:max_size} bytes].')
    length = 'a Content-Length of {before:req.environ.CONTENT_LENGTH|text} is within' if size else 'nothing exceeds'
    return (f'The filter {{!passes=lets}} the request through, because {length} the limit of {{after:max_size}} '
            'bytes[; the response is {result:status|status}].')


def _token(visit: Visit) -> str:
    line = _line('request.environ')
    if visit.has('before:request.environ.HTTP_X_AUTH_TOKEN'):
        return f'{line} carries a token; the filter is about to find out whose it is.'
    return f'{line} carries no token in the header X-Auth-Token; the filter is about to look for the caller.'


def _no_identity(visit: Visit) -> str:
    if visit.inner is not None or visit.status != 401:
        return _failed(visit)
    why = 'the request carries no token'
    if visit.has('before:request.environ.HTTP_X_AUTH_TOKEN'):
        other = visit.has('before:request.environ.HTTP_X_SERVICE_TOKEN')
        why = 'one of its tokens is not valid' if other else 'the token is not valid'
    return f'The filter {{!rejects}} the request with {{error|error}}: {why}.'


def _context_made(visit: Visit) -> str:
    if visit.status >= 400:
        return 'The identity headers name no user: the request is {!rejects=rejected} with {result|error}.'
    return ('The request context {!adds req.environ.nova.context=is made}: user {after:ctx.user_id}, is_admin '
            '{after:ctx.is_admin}, with {after:ctx.roles|roles}.')


def _nobody(visit: Visit) -> bool:
    return visit.value('before:user_id') is None


def _context_begins(visit: Visit) -> str:
    if _nobody(visit):
        return 'A request context that belongs to no user is about to be made, with is_admin {before:is_admin}.'
    if visit.value('before:is_admin') is None:
        return ('A request context is about to be made for {before:user_id}[ with {before:kwargs.roles|roles}]; '
                'is_admin is {before:is_admin}, so the roles will decide.')
    caller = visit.caller
    what = ('The message contains the request context of {before:user_id}, which is about to be made again'
            if caller and caller.step.station == 'deserialize_context' else
            'A copy of the request context of {before:user_id} is about to be made')
    return f'{what}[, with {{before:kwargs.roles|roles}}]; is_admin is already {{before:is_admin}}.'


def _context_ended(visit: Visit) -> str:
    if _nobody(visit):
        return 'The request context belongs to no user; its is_admin is {after:self.is_admin}.'
    if visit.value('before:is_admin') is None:
        return ('For {after:self.user_id} with {after:self.roles|roles}, `is_admin` {!changes self.is_admin} from '
                '{before:is_admin} to {after:self.is_admin}.')
    return ('The request context holds user {after:self.user_id} and is_admin {after:self.is_admin}[, with '
            '{after:self.roles|roles}].')


def _admin(visit: Visit) -> str:
    answer = ('an administrator' if visit.value('result') is True else 'not an administrator')
    return ('The rule `context_is_admin` needs {policy:context_is_admin|needs}; {before:context.user_id|text?the '
            'caller} has {before:context.roles|roles}, so the answer {!returns=is} {result}: ' + f'{answer}.')


_SERVICE = {
    'URLMap': Words(
        f'{_line("environ")} arrives; {{station}} is about to choose the pipeline by '
        'the start of the path.', _pipeline_chosen),
    'oslo_middleware': Words(
        lambda visit: _middleware(visit, entry=True), lambda visit: _middleware(visit, entry=False)),
    'ComputeReqIdMiddleware': Words(
        _request_id,
        'The request {!adds req_id=has} the id {after:req_id}, and the response {result:status|status} '
        '{!returns=comes back} with it.'),
    'FaultWrapper': Words(
        f'{_line("req.environ")} goes to the next filter; an error that nobody else handles would become a response '
        'here.', _uncaught),
    'FaultWrapper._error': Words(
        '{before:inner|error} got as far as this filter; it is about to become an HTTP error.',
        '{before:inner|class} {!returns=becomes} {result|error}.'),
    'RequestLog': Words(
        f'{_line("req.environ")} is about to pass through; the filter will then write a line to the log.', _logged),
    'RequestBodySizeLimiter': Words(
        f'The filter is about to compare the length of {_line("req.environ")}[, '
        '{before:req.environ.CONTENT_LENGTH|text} bytes,] with its limit.', _size),
    'AuthProtocol': Words(
        _token,
        'The token belongs to {after:request.environ.HTTP_X_USER_ID}: the filter {!adds '
        'request.environ.HTTP_X_USER_ID} '
        'headers with the user, the project and {after:request.environ.HTTP_X_ROLES|roles}.', _no_identity),
    'NovaKeystoneContext': Words(
        'The headers name user {before:req.environ.HTTP_X_USER_ID} with '
        '{before:req.environ.HTTP_X_ROLES|roles}; the filter is about to make a request context from them.',
        _context_made),
    '_create_context': Words(
        'The identity headers of {before:env.HTTP_X_USER_ID} are about to become a request context.',
        'The request context of {result:user_id} {!returns=is ready}, with is_admin {result:is_admin}.'),
    'RequestContext': Words(_context_begins, _context_ended),
    'check_is_admin': Words(
        'The rule `context_is_admin` needs {policy:context_is_admin|needs}; {before:context.user_id|text?the caller} '
        'has {before:context.roles|roles}.', _admin),
}

# ------------------------------------------------------------------------------------------------------- routing


def _asked_version(visit: Visit) -> str:
    for header in ('HTTP_OPENSTACK_API_VERSION', 'HTTP_X_OPENSTACK_NOVA_API_VERSION'):
        if visit.has(f'before:self.environ.{header}'):
            return (f'A header asks for microversion {{before:self.environ.{header}|version}}; it must lie between '
                    '{constant:_MIN_API_VERSION|text} and {constant:_MAX_API_VERSION|text}.')
    return 'No header names a microversion, so the default {constant:DEFAULT_API_VERSION|text} is about to be used.'


def _version_read(visit: Visit) -> str:
    new = '{after:self.api_version_request|version}'
    for header in ('HTTP_OPENSTACK_API_VERSION', 'HTTP_X_OPENSTACK_NOVA_API_VERSION'):
        if visit.has(f'before:self.environ.{header}'):
            return (f'The header says {{before:self.environ.{header}}}, so the microversion of the request '
                    f'{{!changes self.api_version_request=is}} {new}; the API supports '
                    f'{{constant:_MIN_API_VERSION|text}} '
                    'to {constant:_MAX_API_VERSION|text}.')
    return (f'No header names a microversion, so the request {{!changes self.api_version_request=gets}} the default, '
            f'{new}.')


def _resource_ends(visit: Visit) -> str:
    version = '[ at microversion {after:request.api_version_request|version}]'
    if visit.status >= 400:
        return f'The request{version} is {{!rejects=rejected}}: the answer is {{result|error}}.'
    return f'The request{version} has been {{!passes=handled}}; the answer is {{result:status|status}}.'


def _stack_ends(visit: Visit) -> str:
    if visit.status >= 400:
        return ('The request[ to {after:meth|thing}] {!rejects=ends} with {result|error}.')
    return ('{after:meth|thing} handled the request, and the response {!returns=is} {result:status|status}.')


def _no_method(visit: Visit) -> str:
    if visit.inner is not None:
        return _failed(visit)
    if _class_of(visit.step.error) == 'KeyError':
        return 'No controller handles the action {error:args.0}: {station} {!raises} {error|class}.'
    return '{station} {!raises} {error|error}.'


def _routed(visit: Visit) -> str:
    if not visit.has('result:0'):
        return 'No route fits the path {before:url|path}.'
    return ('The path fits the route {result:1.routepath}[ for {result:1.conditions.method.0|text}]: the action '
            '{!returns=is} {result:0.action}[ and the id {result:0.id}].')


def _dispatched(visit: Visit) -> str:
    if visit.status >= 400:
        return 'The route table found nothing: the request is {!rejects=rejected} with {result|error}.'
    return 'The route names {result|thing}: {station} {!returns} it, and the request goes there next.'


def _answer_of_routes(visit: Visit) -> str:
    said = '[: {result:0|message}]' if visit.text('result:0') else ' with an {result:0|body} body'
    if not visit.has('after:match'):
        return f'The route table knows no route for {_line("environ")}; the answer came back{said}.'
    return ('The route table {!adds match=found} the action {after:match.action}[ for the id {after:match.id}], and '
            'the '
            f'application behind it answered{said}.')


_ROUTES = {
    'Router': Words(
        f'{_line("req.environ")} reaches the router, which is about to hand it to the route table.',
        'The router {!returns} {result|thing}, which will ask the route table next.'),
    'RoutesMiddleware': Words(
        f'{{station}} is about to look for {_line("environ")} in the route table.', _answer_of_routes),
    'routematch': Words('{station} is about to search the route table for {before:url|path}.', _routed),
    '_dispatch': Words(
        lambda visit: ('The route table found the action {before:req.environ.wsgiorg.routing_args.1.action}; {station} '
                       'is about to return the application for it.' if visit.has(
                           'before:req.environ.wsgiorg.routing_args.1.action') else
                       'The route table has been searched; {station} is about to return what answers the request.'),
        _dispatched),
    'Resource': Words(
        f'The resource receives {_line("request.environ")}; it must still find the microversion, the content type and '
        'the method.', _resource_ends),
    'set_api_version_request': Words(
        _asked_version, _version_read, lambda visit: 'The API {!rejects} the microversion with {error|error}.'
        if visit.inner is None else _failed(visit)),
    'get_action_args': Words(
        'The route found {before:request_environment.wsgiorg.routing_args.1|names}; {station} is about to return '
        'them as arguments, without the controller.',
        'The arguments from the route {!returns=are} {result}.'),
    'get_body': Words(
        'The resource is about to read the body of the {before:request.environ.REQUEST_METHOD|text?request}['
        ' (Content-Length: {before:request.environ.CONTENT_LENGTH|text})].',
        'The content type {!returns=is} {result:0}, and the raw body is {result:1|body}.'),
    'get_content_type': Words(
        '{station} is about to check that the API knows[ {before:self.environ.CONTENT_TYPE},] the content type of the '
        'body.',
        'The API knows the content type {result}, so {station} {!returns} it.'),
    'best_match_content_type': Words(
        '{station} is about to choose the content type of the response[; the client accepts '
        '{before:self.environ.HTTP_ACCEPT}].',
        'The content type of the response {!returns=will be} {result}.'),
    '_process_stack': Words(
        'The resource is about to find the method for the action {before:action} and the body {before:body|body}, and '
        'call it.', _stack_ends),
    '_get_method': Words(
        lambda visit: ('The route says only {before:action}, so the body {before:body|body} has to name the method.'
                       if visit.value('before:action') == 'action' else
                       '{station} is about to find the method for {before:action}.'),
        'The method [for {after:action_name} ]is {!returns=found}: {result|thing}.', _no_method),
    'action_peek': Words(
        '{station} is about to read the only key of the body {before:body|body}.',
        'The only key of the body, {result}, {!returns=is} the name of the action.'),
    '_get_request_content': Words(
        '{station} is about to parse the body {before:body|body}.', 'The parsed body {!returns=is} {result:body}.'),
    '_from_json': Words(
        '{station} is about to parse the text {before:datastring|body} as JSON.',
        'The JSON {!returns=becomes} {result}.'),
    'dispatch': Words(
        '{station} is about to call {before:method|thing}[ for the id {before:action_args.id}][ with the body '
        '{before:action_args.body}].', '{before:method|thing} has handled the request: it {!returns} {result}.'),
    'WSGICodes': Words(
        '{station} is about to choose the status for this microversion from those of the method, {before:self.codes}.',
        'The status of the response {!returns=will be} {result|status}.'),
    'serialize': Words(
        'The result[ {before:self.obj}][ and the status {before:self.code|status}] of the method will become a '
        'response.',
        'The response is {!returns=ready}: {result:status|status}, and its body is {result:app_iter.0|body}.'),
    'Fault': Words(
        '{before:self.wrapped_exc|class} ({before:self.wrapped_exc.status|text}) is about to become a JSON response[: '
        '{before:self.wrapped_exc.explanation|said}].',
        'The error {!returns=becomes} the response {result:status|status}[ with the key {after:fault_name}][: '
        '{result:explanation|said}].'),
}

# --------------------------------------------------------------------------------------------------- the controller


def _range(visit: Visit) -> str:
    """Return the template of a range of microversions that a decorator was made with."""
    low, high = visit.has('made with:min_version'), visit.has('made with:max_version')
    if visit.value('made with:min_version') is MISSING:
        return 'a range of microversions'
    if low and high:
        return 'microversions {made with:min_version|text} to {made with:max_version|text}'
    if low:
        return 'microversions from {made with:min_version|text}'
    return 'microversions up to {made with:max_version|text}' if high else 'all microversions'


_HAS = '[, and the request uses {before:kwargs.req.api_version_request|version}]'


def _validated(visit: Visit) -> bool | None:
    """Return whether a schema was applied: what the helper found; None if it raised or is not recorded."""
    helper = visit.caused('_schema_validation_helper')
    return helper.result if helper and isinstance(helper.result, bool) else None


def _will_check(visit: Visit) -> bool | None:
    """Return whether a schema applies to the request, by its range; None if the payload does not say."""
    low, high = visit.value('made with:min_version'), visit.value('made with:max_version')
    if visit.value('before:kwargs.req.environ.openstack.legacy_v2') is True:
        return None if low is MISSING else low in (None, '2.0')
    ends = [re.fullmatch(r'([0-9]{1,9})\.([0-9]{1,9})', str(end)) for end in (low, high)]
    version = [visit.value(f'before:kwargs.req.api_version_request.ver_{part}') for part in ('major', 'minor')]
    if not all(end or bound is None for end, bound in zip(ends, (low, high), strict=True)) or not all(
            isinstance(number, int) for number in version):
        return None
    least, most = ([int(number) for number in end.groups()] if end else version for end in ends)
    return least <= version <= most


def _plan(visit: Visit, what: str) -> str:
    return {True: f', so it is about to check the {what}', False: f', so it will not check the {what}',
            None: f'; it checks the {what} only if the schema applies to it'}[_will_check(visit)]


def _schema(visit: Visit) -> str:
    return f'Schema {{trace:visit|text}} is for {_range(visit)}{_HAS}'


def _schema_return(visit: Visit) -> str:
    how = {True: 'the body was checked and fits, so the schema {!passes=lets} it through',
           False: 'the schema {!passes=lets} the body through unchecked',
           None: 'the schema {!passes=lets} the body through'}[_validated(visit)]
    further = '[; further in, {error|class} {!raises=is raised}]' if visit.step.error is not None else ''
    return f'{_schema(visit)}: {how}{further}.'


def _schema_failed(visit: Visit) -> str:
    helper = visit.caused('_schema_validation_helper')
    if helper and helper.error is None:
        return _schema_return(visit)
    return f'{_schema(visit)}: the schema {{!rejects}} the body with {{error|error}}.'


def _response_schema(visit: Visit) -> str:
    helper = visit.caused('_schema_validation_helper')
    found = ('the response is checked but does not fit the schema, which is only '
             'logged' if helper and helper.error is not None
             else 'the response is checked and fits the schema' if helper and helper.result is True else
             'the schema does not apply to this microversion, so the response is not checked')
    return f'On the way back: the method {{!returns=returned}} {{after:response}}, and {found}.'


def _of_response(visit: Visit) -> bool:
    """Return whether a visit of the validation is about the response: a decorator for responses called it."""
    caller = visit.caller
    while caller and caller.step.station == '_schema_validation_helper':
        caller = caller.caller
    return bool(caller and caller.step.station == 'response_body_schema')


def _helper(visit: Visit, end: str) -> str:
    lead = 'Response check' if _of_response(visit) else 'Request check {trace:caller|text}'
    return f'{lead}: the schema is for {_range(visit)}{_HAS}{end}.'


def _helper_return(visit: Visit) -> str:
    what = 'response' if _of_response(visit) else 'body'
    how = 'is checked and fits' if visit.value('result') is True else 'is not checked'
    return _helper(visit, f', so the {what} {how}: the result {{!returns=is}} {{result}}')


def _validate(visit: Visit, end: str) -> str:
    what = 'On the way back, the response' if _of_response(visit) else 'The body'
    return f'{what} {{before:args.0}} {end}'


def _lets_through(visit: Visit) -> str:
    """Describe what the decorator for expected errors did with an error."""
    inner = visit.inner
    if inner is None:
        return _failed(visit)
    among = ' among the expected errors[ ({made with:errors|and})]'
    if _class_of(inner.error) != _class_of(visit.step.error):
        unexpected = f' is not{among}, so it' if visit.status == 500 else ' does not leave the method as it is: it'
        return f'{{trace:origin error|class}}{unexpected} {{!raises=becomes}} {{error|error}}.'
    if visit.status:
        return (f'{{error|class}} ({{error:status|text}}) is{among}, so it {{!raises=comes}} through'
                '[: {error:explanation|said}].')
    return 'Any method may raise {error|class}, so it {!raises=comes} through[: {error:message|said}].'


def _controller_return(visit: Visit) -> str:
    asked, used = visit.value('before:body.os-migrateLive.block_migration'), visit.value('after:block_migration')
    becomes = ('block_migration {before:body.os-migrateLive.block_migration} becomes {after:block_migration}'
               if asked != used else 'block_migration is {after:block_migration}')
    return (f'[At microversion {{after:req.api_version_request|version}}, ]{becomes}, host is {{after:host}}[, '
            'force is {after:force}] and async_ is {after:async_}; with these, the compute API {!passes=was called}.')


def _controller_failed(visit: Visit) -> str:
    if visit.inner is None:
        return 'The controller {!rejects} the request: {error|error}.'
    if _class_of(visit.inner.error) == _class_of(visit.step.error):
        return 'The controller stops: {trace:origin|name} {!raises} {error|error}.'
    return 'The controller {!raises=turns} {trace:origin error|class} from {trace:origin|name} into {error|error}.'


def _found(lead: str) -> str:
    return (f'{lead} {{result:display_name|text?the server}}, with vm_state {{result:vm_state}} and task_state '
            '{result:task_state}.')


def _cell_asked(visit: Visit) -> str:
    cell = next((uuid for uuid in parts(visit.step.result) if isinstance(uuid, str)), '')
    start = 'The cell {before:cell_mapping.name} {!returns=has answered} with '
    if not re.fullmatch(r'[\w-]+', cell):
        return f'{start}{{result}}.'
    if not visit.has(f'result:{cell}.vm_state'):
        return f'{start}{{result:{cell}|error}}.'
    return (f'{start}{{result:{cell}.display_name|text?the server}}, vm_state {{result:{cell}.vm_state}}; the result '
            'holds it under the uuid of the cell.')


def _cell_set(visit: Visit) -> str:
    old, new = visit.value('before:context.cell_uuid'), visit.value('after:context.cell_uuid')
    if not visit.has('before:cell_mapping'):
        return 'The context points at no cell any more.'
    if old == new:
        return 'The context was already pointing at the cell {before:cell_mapping.name} and still does.'
    return ('The context now points at {before:cell_mapping.name}: cell_uuid '
            '{!changes context.cell_uuid} from {before:context.cell_uuid} to {after:context.cell_uuid}.')


def _mapped(visit: Visit) -> str:
    if not visit.has('result:cell_mapping'):
        return 'The server {before:instance_uuid} has no cell yet; the function {!returns} a mapping that says so.'
    return ('The server {before:instance_uuid} is in the cell {result:cell_mapping.name}; the function {!returns} the '
            'mapping that says so.')


def _policy_asked(visit: Visit, caller: str) -> str:
    return (f'May {{before:{caller}user_id|text?the caller}}, with {{before:{caller}roles|roles}}, do '
            '{before:action|name}[, which needs {policy:action|needs}]?')


def _elsewhere(visit: Visit, caller: str) -> str:
    """Return the part that tells of a caller from another project, where the rule asks for the project."""
    own, owner = visit.value(f'before:{caller}project_id'), visit.value('before:target.project_id')
    named = ' of the project' in needs(visit.text('before:action'))
    if not named or not isinstance(owner, str) or own == owner:
        return ''
    return (f'[ in project {{before:{caller}project_id|text}}, while the server belongs to '
            '{before:target.project_id|text}]')


def _policy_answered(visit: Visit, caller: str) -> str:
    how = ('{!rejects=rejected}, with {error|class}' if visit.step.error is not None else
           '{!passes=allowed}' if visit.value('result') not in (False, None) else 'not allowed; it {!returns} {result}')
    return (f'{{before:action|name}} [needs {{policy:action|needs}}; ]{{before:{caller}user_id|text?the caller}} has '
            f'{{before:{caller}roles|roles}}{_elsewhere(visit, caller)}: {how}.')


def _force_entry(visit: Visit) -> str:
    if visit.value('before:body.os-migrateLive.force') is MISSING:
        return 'The body has no `force`, and host is {before:host}; the value of `force` is about to be decided.'
    return ('The body has `force` {before:body.os-migrateLive.force}, and host is {before:host}: if it is true, '
            'there must be a host.')


def _force_return(visit: Visit) -> str:
    if visit.value('before:body.os-migrateLive.force') is MISSING:
        return 'The body has no `force`, so its value {!returns=is} {result}.'
    return ('The body has `force` {before:body.os-migrateLive.force} and host is {before:host}, so its value '
            '{!returns=is} {result}.')


_CONTROLLER = {
    'expected_errors': Words(
        lambda visit: (f'The method declares the HTTP {"errors" if parts(visit.value("made with:errors")) else "error"}'
                       '[ {made with:errors|and}]; most other exceptions would become a 500.'),
        'No error came out of the method, which {!returns} {result}.', _lets_through),
    'schema': Words(lambda visit: f'{_schema(visit)}{_plan(visit, "body")}.', _schema_return, _schema_failed),
    'response_body_schema': Words(
        lambda visit: ('The method is about to run; if it returns, its response is checked against a schema for '
                       f'{_range(visit)}.'), _response_schema),
    '_schema_validation_helper': Words(
        lambda visit: _helper(visit, _plan(visit, 'response' if _of_response(visit) else 'body')), _helper_return,
        lambda visit: _helper(visit, f'; the {"response" if _of_response(visit) else "body"} does not fit and is '
                                     '{!rejects=rejected} with {error|error}')),
    'validate': Words(
        lambda visit: _validate(visit, 'is about to be compared with the schema.'),
        lambda visit: _validate(visit, 'fits the schema, so it {!passes}.'),
        lambda visit: (f'The {"response" if _of_response(visit) else "body"} does not fit the schema, so it is '
                       '{!rejects=rejected} with {error|error}.')),
    '_migrate_live': Words(
        'The controller is about to live-migrate server {before:id} with {before:body.os-migrateLive}[ at microversion '
        '{before:req.api_version_request|version}].', _controller_return, _controller_failed),
    '_pause': Words(
        'The controller is about to pause server {before:id}[ for {before:req.environ.nova.context.user_id|text}].',
        'The request to pause {after:server.display_name|text?the server} {!passes=went} on to the compute API; its '
        'task_state is now {after:server.task_state}.', _controller_failed),
    'get_instance': Words(
        '{station} is about to fetch the server {before:instance_id}; if there is none, the answer will be a 404.',
        _found('The server {before:instance_id} {!returns=exists}: it is')),
    'API.get': Words(
        '{station} is about to look up the server {before:instance_id}; it looks up only UUIDs.',
        _found('The id {before:instance_id} {!returns=leads} to')),
    '_get_instance': Words(
        '{station} is about to find the cell of the server {before:instance_uuid}.',
        _found('The cell of {before:instance_uuid} was found and {!returns=holds} the server:')),
    '_get_instance_from_cell': Words(
        '{station} is about to read the server {before:im.instance_uuid} from its cell, {before:im.cell_mapping.name}.',
        _found('The cell[ {before:im.cell_mapping.name}] {!returns=holds} the server:')),
    'scatter_gather_single_cell': Words(
        '{station} is about to run {before:fn|thing} in another thread, to read[ server {before:args.0}] from the cell '
        '{before:cell_mapping.name}.', _cell_asked),
    'Instance.get_by_uuid': Words(
        '{station} is about to read the server {before:uuid} from the database of its cell[, along with its '
        '{before:expected_attrs|list}].',
        _found('The database of the cell {!returns=has}')),
    'InstanceMapping.get_by_instance_uuid': Words(
        '{station} is about to ask the API database which cell holds the server {before:instance_uuid}.', _mapped),
    'set_target_cell': Words(
        lambda visit: ('{station} is about to point the context, whose cell_uuid is {before:context.cell_uuid}, at the '
                       'cell {before:cell_mapping.name}.' if visit.has('before:cell_mapping') else
                       '{station} is about to point the context at no cell.'), _cell_set),
    'can': Words(
        lambda visit: _policy_asked(visit, 'self.'),
        lambda visit: _policy_answered(visit, 'self.'), lambda visit: _policy_answered(visit, 'self.')),
    'authorize': Words(
        lambda visit: _policy_asked(visit, 'context.'),
        lambda visit: _policy_answered(visit, 'context.'), lambda visit: _policy_answered(visit, 'context.')),
    '_get_force_param': Words(
        _force_entry, _force_return,
        '`force` is {before:body.os-migrateLive.force}, but host is {before:host}: the request is {!rejects=rejected} '
        'with {error|error}.'),
    'raise_http_conflict': Words(
        '{before:exc|class}[ ({before:exc.kwargs.attr|text} {before:exc.kwargs.state})] is about to become an HTTP '
        'error for the action {before:action}.',
        '{before:exc|class} {!returns=is translated}.',
        '{before:exc|class} {!raises=becomes} {error|error}.'),
}

# ------------------------------------------------------------------------------------------------ the guards


class Guard(NamedTuple):
    """What a guard asks, and its reasons: to let a server through, and to reject it."""

    asks: Say
    passes: Say
    rejects: Say


def _reason(tell: Say, visit: Visit) -> str:
    return tell if isinstance(tell, str) else tell(visit)


def _row(guard: Guard) -> Words:
    """Return the row of a guard: asked, found, passes or rejects."""

    def end(visit: Visit) -> str:
        return f'{{station}} {{!passes=lets}} {SERVER} through: {_reason(guard.passes, visit)}.'

    def failed(visit: Visit) -> str:
        if any(step.station in GUARDED for step in visit.below):
            return f'{end(visit)[:-1]}[; further in, {{error|class}} {{!raises=is raised}}].'
        if visit.inner is not None:
            return (f'{{station}} cannot answer for {SERVER}, because {{trace:origin|name}} {{!raises}} '
                    '{error|error}.')
        return f'{{station}} {{!rejects}} {SERVER} with {{error|class}}: {_reason(guard.rejects, visit)}.'

    return Words(lambda visit: f'{{station}} checks {SERVER}: {_reason(guard.asks, visit)}.', end, failed)


def _ports(visit: Visit) -> list[Value]:
    """Return the vnic_type of each port that the payload holds."""
    found = visit.value('before:instance.info_cache.network_info')
    return [at(port, 'vnic_type') for port in found] if isinstance(found, list) else []


def _extended(visit: Visit) -> str:
    asked = visit.caused('instance_has_extended_resource_request')
    if asked and asked.result is True:
        return ('it has ports that request resource groups, but no nova-compute has a service version older than '
                '{constant:MIN_COMPUTE_MOVE_WITH_EXTENDED_RESOURCE_REQUEST}')
    return 'none of its ports requests resource groups' if asked else 'its ports do not stand in the way'


def _no_accelerator_ports(visit: Visit) -> str:
    if any('accelerator' in str(port) for port in _ports(visit)):
        return 'its ports do not stand in the way'
    return 'none of its ports is for an accelerator' if _ports(visit) else 'it has no port for an accelerator'


def _vdpa(visit: Visit) -> str:
    if 'vdpa' in _ports(visit):
        return 'it has a vDPA port, but no nova-compute has a service version older than {made with:until}'
    return 'it has no vDPA port'


_EXTRA = 'instance.flavor.extra_specs'


def _wants(visit: Visit, what: str) -> bool:
    """Return whether the flavor or the image of the server names *what*."""
    found = [visit.value(f'{when}:instance.{where}') for when in ('before', 'after')
             for where in ('flavor.extra_specs', 'system_metadata')]
    return any(what in str(name) for each in found for name in parts(each))


def _vtpm(visit: Visit) -> str:
    return 'it has a virtual TPM that may move' if _wants(visit, 'tpm_version') else 'it has no virtual TPM'


def _vtpm_rejected(visit: Visit) -> str:
    name = _class_of(visit.step.error)
    if name == 'VTPMOldCompute':
        return ('it has a virtual TPM, and a nova-compute has a service version older than '
                '{constant:MIN_COMPUTE_VTPM_LIVE_MIGRATION}')
    if name != 'OperationNotSupportedForVTPM':
        return '{error|error}'
    return (f'it has a virtual TPM[ (hw:tpm_version {{before:{_EXTRA}.hw:tpm_version}})], whose secret security is '
            f'[{{before:{_EXTRA}.hw:tpm_secret_security}}, ]not "host"')


def _encrypted(visit: Visit) -> str:
    if _class_of(visit.step.error) != 'OperationNotSupportedForMemEncryption':
        return '{error|error}'
    return f'its memory must be encrypted[ (hw:mem_encryption {{before:{_EXTRA}.hw:mem_encryption}})]'


def _lock(visit: Visit) -> str:
    if visit.value('before:instance.locked') is True:
        return ('it is locked[ by {before:instance.locked_by}], but {before:context.user_id|text?the caller} is an '
                'administrator (is_admin is {before:context.is_admin})')
    return 'its locked is {before:instance.locked}'


_STATE = 'vm_state is {before:instance.vm_state} and task_state is {before:instance.task_state}'


def _accepts(visit: Visit, name: str) -> str:
    return f'{{made with:{name}|or}}' if visit.has(f'made with:{name}') else ''


def _state_asked(visit: Visit) -> str:
    wanted = [f'{name} {_accepts(visit, name)}' for name in ('vm_state', 'task_state') if _accepts(visit, name)]
    return f'{_STATE}; it accepts {" with ".join(wanted)}' if wanted else _STATE


def _state_passes(visit: Visit) -> str:
    accepted = _accepts(visit, 'vm_state')
    return (f'vm_state is {{before:instance.vm_state}}{f" (it accepts {accepted})" if accepted else ""} and task_state '
            'is {before:instance.task_state}')


def _state_rejects(visit: Visit) -> str:
    attribute = visit.text('error:kwargs.attr')
    if attribute not in ('vm_state', 'task_state', 'launched_at'):
        return '{error|error}'
    if attribute == 'launched_at':
        return 'it was never started: launched_at is {before:instance.launched_at}'
    accepted = _accepts(visit, attribute)
    return (f'{attribute} is {{before:instance.{attribute}}}'
            f'{f" and must be {accepted}" if accepted else ", which is not accepted"}')


_GUARDS = {
    'block_shares': Guard('a server with shares may not be migrated', 'it has no shares', 'it has shares'),
    'block_extended_resource_request': Guard(
        'if its ports request resource groups, every nova-compute must have service version '
        '{constant:MIN_COMPUTE_MOVE_WITH_EXTENDED_RESOURCE_REQUEST} or later', _extended,
        'its ports request resource groups, and a nova-compute has a service version older than '
        '{constant:MIN_COMPUTE_MOVE_WITH_EXTENDED_RESOURCE_REQUEST}'),
    'block_port_accelerators': Guard(
        'none of its ports may have an accelerator', _no_accelerator_ports,
        'it has a port for an accelerator[ (vnic_type {after:vif.vnic_type})]'),
    'reject_vdpa_instances': Guard(
        lambda visit: 'if it has a vDPA port, every nova-compute must have ' + (
            'service version {made with:until} or later' if visit.has('made with:until') else
            'a service version that is new enough'), _vdpa,
        'it has a vDPA port[, and a nova-compute has a service version older than {made with:until}]'),
    'block_accelerators': Guard(
        'its flavor may not ask for an accelerator',
        lambda visit: (f'the accelerator that its flavor asks for is supported (its extra_specs are {{after:{_EXTRA}}})'
                       if visit.has(f'after:{_EXTRA}.accel:device_profile') else
                       f'its flavor asks for no accelerator[ (its extra_specs are {{after:{_EXTRA}}})]'),
        f'its flavor asks for an accelerator[: accel:device_profile is {{after:{_EXTRA}.accel:device_profile}}]'),
    'reject_vtpm': Guard(
        'a virtual TPM may move only if its secret security is "host" and every nova-compute is new enough', _vtpm,
        _vtpm_rejected),
    'reject_mem_enc': Guard(
        'it rejects {made with:operation?the operation} if the memory is encrypted', 'its memory is not encrypted',
        _encrypted),
    'check_instance_lock': Guard(
        'locked is {before:instance.locked}, and for {before:context.user_id|text?the caller} is_admin is '
        '{before:context.is_admin}', _lock,
        'it is locked[ by {before:instance.locked_by}], and {before:context.user_id|text?the caller} is not an '
        'administrator (is_admin is {before:context.is_admin})'),
    'check_instance_state': Guard(_state_asked, _state_passes, _state_rejects),
}
GUARDED = frozenset({*_GUARDS, 'live_migrate', 'pause'})  # what a guard may have inside it

# ------------------------------------------------------------------------------------------------ the compute API


def _taken(visit: Visit) -> str:
    state = (f'The task_state of {SERVER} {{!changes instance.task_state=changed}} from {{before:instance.task_state}} '
             'to {after:instance.task_state}')
    if visit.value('before:host_name') != visit.value('after:host_name'):
        return (f'{state}, host_name {{!changes host_name=became}} {{after:host_name}}, because the scheduler must '
                'confirm {before:host_name}, and the migration {!sends=was handed} to the conductor.')
    return (f'{state}, and {{station}} {{!sends=handed}} the migration to the conductor with host_name '
            '{after:host_name}.')


def _taken_failed(visit: Visit) -> str:
    changed = visit.value('before:instance.task_state') != visit.value('after:instance.task_state')
    inner = visit.inner
    if inner and changed:
        return ('instance.task_state {!changes instance.task_state} from {before:instance.task_state} to '
                '{after:instance.task_state}, but then {trace:origin|name} {!raises} {error|error}.')
    if inner:
        return ('The migration stops while task_state is still {after:instance.task_state}: {trace:origin|name} '
                '{!raises} {error|error}.')
    return _failed(visit)


def _chooses(visit: Visit) -> str:
    way = ('a cast, and the API {!sends=did} not wait for the conductor' if visit.value('before:async_') is True else
           'a call, and the API {!sends=waited} for the conductor')
    return (f'async_ is {{before:async_}}, so the message went out as {way}; the scheduler hint is '
            '{after:scheduler_hint}.')


def _spec(visit: Visit) -> str:
    return ('The request spec of {before:instance_uuid} {!returns=is found}[: flavor {result:flavor.name}][, '
            'force_hosts {result:force_hosts}][ and ignore_hosts {result:ignore_hosts}].')


def _saved(visit: Visit) -> str:
    if not visit.has('after:updates.task_state'):
        return 'The fields of {before:self.display_name|text?the server} that changed {!returns=are} in the database.'
    return ('The database {!writes updates.task_state=has} task_state {after:updates.task_state} for '
            '{before:self.display_name|text?the server} now[; before, it was {before:expected_task_state|or}, as '
            'expected].')


def _conflict(visit: Visit) -> str:
    if visit.has('error:kwargs.actual.task_state'):
        return ('Another request was faster: task_state is {error:kwargs.actual.task_state}, not '
                '{error:kwargs.expected.task_state|or}, so nothing is written: {!raises=it raises} {error|class}.')
    return _failed(visit)


def _updated(visit: Visit) -> str:
    if visit.has('result:1.task_state'):
        return ('The row {!writes values.task_state=has been written}: task_state was {result:0.task_state} and is now '
                '{result:1.task_state}.')
    return 'The row of {before:instance_uuid} {!returns=has been updated}.'


_COMPUTE_API = {
    'live_migrate': Words(
        'The compute API takes over ' + SERVER + ', whose task_state is {before:instance.task_state}: host_name '
        '{before:host_name}, block_migration {before:block_migration}, force {before:force} and async_ '
        '{before:async_}.',
        _taken, _taken_failed),
    'pause': Words(
        f'The compute API is about to pause {SERVER}, whose vm_state is {{before:instance.vm_state}} and whose '
        'task_state is {before:instance.task_state}.',
        f'The task_state of {SERVER} {{!changes instance.task_state=changed}} from {{before:instance.task_state}} to '
        '{after:instance.task_state}, and the message {!sends=went} directly to its host[, {before:instance.host}].',
        _taken_failed),
    'instance_has_share': Words(
        f'{{station}} is about to ask the cell of {SERVER} for the shares of the server.',
        lambda visit: (f'The cell {{!returns}} {{result:objects|count}} {_plural(visit, "result:objects", "share")} of '
                       f'{SERVER}.')),
    'instance_has_extended_resource_request': Words(
        'Nova is about to ask Neutron whether a port of server {before:instance_uuid} requests resource groups.',
        'For server {before:instance_uuid}, the answer {!returns=is} {result}.'),
    'get_all_by_host': Words(
        '{station} is about to look up the given host {before:host} among the compute nodes.',
        'The host {before:host} {!returns=exists}: its node is {result:objects.0.hypervisor_hostname}.'),
    'RequestSpec.get_by_instance_uuid': Words(
        '{station} is about to ask the API database for the request spec of server {before:instance_uuid}.', _spec),
    'Instance.save': Words(
        '{station} is about to save task_state {before:self.task_state} of {before:self.display_name|text?the server}'
        '[, provided that the database still has {before:expected_task_state|or}].', _saved, _conflict),
    'instance_update_and_get_original': Words(
        '{station} is about to set task_state {before:values.task_state} in the row of {before:instance_uuid}[, if it '
        'still is {before:values.expected_task_state|or}].', _updated, _conflict),
    '_record_action_start': Words(
        f'{{station}} is about to record the action {{before:action}} in the list of {SERVER}\'s actions.',
        f'The action {{before:action}} of {SERVER} {{!returns=has been}} recorded.'),
    'action_start': Words(
        '{station} is about to write the action {before:action_name} of {before:instance_uuid} to a table.',
        '{station} {!writes values.action} a row with the action {after:values.action}[, the user '
        '{after:values.user_id}][ and the request id {after:values.request_id}].'),
}

# ------------------------------------------------------------------------------- the conductor's API, and the bus


def _hint(visit: Visit) -> str:
    return 'scheduler_hint {before:scheduler_hint} and block_migration {before:block_migration}'


def _own(visit: Visit) -> str:
    one = len(parts(visit.value('before:kwargs'))) == 1
    return f'its {"argument is" if one else "arguments are"} {{before:kwargs|names}}'


def _how(lead: str) -> str:
    return (f'Visit {{trace:visit|text}}: {lead} messages of version {{before:version}}[ to server '
            f'{{before:server}}][, '
            'with a timeout of {before:timeout} s][, and a sign of life every {before:call_monitor_timeout} s].')


def _call_failed(visit: Visit) -> str:
    if visit.inner is None or _class_of(visit.inner.error) != _class_of(visit.step.error):
        return 'The API waited, and {!raises=the answer is} {error|error}.'
    return 'The call of {before:method|code} ends without a result: {trace:origin|name} {!raises} {error|error}.'


def _bus_failed(visit: Visit) -> str:
    if _class_of(visit.step.error).endswith('_Remote'):
        return ('The message {before:message.method|code} was delivered, but the receiver {!raises=answers} with '
                '{error|error}.')
    if _class_of(visit.step.error) == 'MessagingTimeout':
        return ('No reply to the message {before:message.method|code} came in time: {!raises=the bus reports} '
                '{error|error}.')
    return 'The message {before:message.method|code} could not be sent: {!raises=the bus reports} {error|error}.'


def _sends(visit: Visit) -> str:
    wait = ('the sender will wait for a reply' if visit.value('before:wait_for_reply') is True else
            'the sender will not wait')
    to = '{before:target.topic}[ on server {before:target.server}]' if visit.has('before:target.server') else (
        '{before:target.topic}')
    return (f'The message {{before:message.method|code}} is about to go to the topic {to}, version '
            f'{{before:target.version}}; {wait}.')


def _on_bus(visit: Visit) -> str:
    if visit.value('before:wait_for_reply') is True:
        return ('The message {before:message.method|code} {!sends=was handled} by a receiver of {before:target.topic}, '
                'and the reply is {result}.')
    return ('The message {before:message.method|code} {!sends=is} on the bus for {before:target.topic}; the sender '
            'does not wait.')


def _hint_read(visit: Visit) -> str:
    if visit.has('before:scheduler_hint.host'):
        return 'the hint names {before:scheduler_hint.host}, so the scheduler will not be asked'
    if visit.has('before:request_spec.requested_destination.host'):
        return ('the hint names no host, so the scheduler will have to confirm '
                '{before:request_spec.requested_destination.host}')
    return 'the hint names no host, so the scheduler will choose one'


_RPC = {
    'ComputeTaskAPI.live_migrate_instance': Words(
        f'{{station}} is about to ask the conductor to migrate {SERVER}; async_ is {{before:async_}}, which decides '
        'between a cast and a call, and host_name is {before:host_name}.', _chooses),
    'rpcapi.live_migrate_instance': Words(
        lambda visit: f'{{station}} is about to make a cast to the conductor for {SERVER}: {_hint(visit)}.',
        'The message for ' + SERVER + ' {!sends=is} on the bus in version {after:version}; a cast has no reply.'),
    'rpcapi.migrate_server': Words(
        lambda visit: f'{{station}} is about to make a call to the conductor for {SERVER}: {_hint(visit)}.',
        'The conductor has handled the call for ' + SERVER + ', which {!sends=was sent} in version {after:version}: it '
        '{!returns} {result}.'),
    'rpcapi.pause_instance': Words(
        f'{{station}} is about to send a message to the host of {SERVER}[, {{before:instance.host}}], to pause the '
        'server.',
        'The message to the host[ {before:instance.host}] {!sends=is} on the bus in version {after:version}; a cast '
        'has no reply.'),
    'prepare': Words(
        _how('the RPC client is about to be set up for'), _how('{station} {!returns} a {result|thing} for')),
    'can_send_version': Words(
        'Visit {trace:visit|text}: the RPC client checks whether it may send messages of the version'
        '[ {before:version}] that it was set up for.',
        lambda visit: ('Visit {trace:visit|text}: messages of version {after:version} '
                       f'{"may" if visit.value("result") is True else "may not"} be sent: `can_send_version` '
                       '{!returns} {result}.')),
    'cast': Words(
        lambda visit: ('The API is about to send the message {before:method|code} without waiting; '
                       f'{_own(visit)}.'),
        'The message {before:method|code} {!sends=is} on the bus, and nobody waits for a reply.'),
    'call': Words(
        lambda visit: ('The API is about to send the message {before:method|code} and to wait for the reply; '
                       f'{_own(visit)}.'),
        'The reply to {before:method|code} has come: the call {!returns=returns} {result}.', _call_failed),
    '_make_message': Words(
        lambda visit: (f'`_make_message` is about to turn the {_plural(visit, "before:args", "argument")} of '
                       '{before:method|code} into plain data: {before:args|names}.'),
        lambda visit: ('The message {!returns=is ready}: method {result:method|name}, version {result:version}[, '
                       'namespace {result:namespace}], and {result:args|count} '
                       f'{_plural(visit, "result:args", "argument")} as plain data.')),
    'send': Words(_sends, _on_bus, _bus_failed),
    '_process_incoming': Words(
        'The message [{before:incoming.0.message.method|code} ]has arrived and is about to be handled.',
        'The message [{before:incoming.0.message.method|code} ]{!returns=has been} handled.'),
    'RPCDispatcher.dispatch': Words(
        'The message has arrived at the conductor; namespace and version are about to choose the method.',
        'Namespace {after:namespace} and version {after:version} led to {after:method|code}, which {!returns=returned} '
        '{result}.'),
    'deserialize_context': Words(
        'The context came as plain data[, for {before:context.user_id}][ and request {before:context.request_id}]; '
        'it is about to become an object again.',
        'The context {!returns=is} an object again: user {result:user_id} and request {result:request_id}[; is_admin '
        'is {result:is_admin}].'),
    'manager.live_migrate_instance': Words(
        lambda visit: f'The conductor has received the cast for {SERVER}: {_hint(visit)}.',
        f'The cast for {SERVER} {{!returns=has been}} handled; nobody waits for a reply.'),
    'manager.migrate_server': Words(
        lambda visit: f'The conductor has received the call for {SERVER}: {_hint(visit)}.',
        f'The call for {SERVER} has been handled: it {{!returns}} {{result}}, which will be the reply.'),
    '_live_migrate': Words(
        lambda visit: f'The conductor takes over the migration of {SERVER}: {_hint_read(visit)}.',
        f'The migration of {SERVER} {{!returns=has been}} taken over with scheduler_hint {{before:scheduler_hint}}; '
        'the path that is shown ends here.'),
}

TELLS: dict[str, Words] = {
    **_CLIENT, **_SERVICE, **_ROUTES, **_CONTROLLER, **{key: _row(guard) for key, guard in _GUARDS.items()},
    **_COMPUTE_API, **_RPC}
