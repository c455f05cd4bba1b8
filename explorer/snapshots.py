"""Copies of values as plain data, made at once, without running any of the values' code.

A copy is JSON, made by orjson in one go; what that library does not know is told it by the value's class: a class that
carries the request shows its fields, a place of the path shows its name. Copies that are equal are kept once, and an
object that has not changed since its last copy is not copied again.
"""

import collections
import contextlib
import datetime
import decimal
import functools
import hashlib
import itertools
import math
import operator
import re
import types
import uuid

import orjson

from explorer.stations import CARRIERS, NOISE

LONGEST_TEXT, MOST_ENTRIES, DEEPEST, DEEPEST_OBJECT = 10_000, 1_000, 12, 4
NEVER_CUT = frozenset({'body', 'content', 'app_iter', 'datastring', 'message', 'incoming', 'msg'})
ENVIRONS = frozenset({'environ', 'env', 'request_environment'})
MASKED = b'"***"'
ATOMS = frozenset({types.NoneType, bool, int})
_LEAVES = ATOMS | {str, float, bytes, datetime.datetime, uuid.UUID}
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS
_class_name = type.__dict__['__name__'].__get__
_class_dict = type.__dict__['__dict__'].__get__
_class_mro = type.__dict__['__mro__'].__get__


def snapshot(value):
    """Copy *value* into plain data without running any of its code.

    Shape:  mappings keep their keys; objects become {"": class name, **fields}; sequences become lists.
    Limits: 12 levels of what nobody declared, 10,000 characters a text, 1,000 entries; what is cut says its length and
            digest; bodies and messages are not cut; secrets read "***".
    Raises: nothing; what can't be copied becomes "<ClassName>".
    """
    return decoded(Copier().value(value))


def decoded(copy):
    """Read a copy: JSON, or an atom as it is."""
    return orjson.loads(copy) if type(copy) is bytes else copy


def plan(names, shows=None):
    """Say how to copy the locals of these *names*: a tuple of (name, 'value', 'whole', 'environ' or 'secret')."""
    return tuple(
        (name, 'secret' if is_secret(name) else 'whole' if name in NEVER_CUT else 'environ' if name in ENVIRONS
         else 'value')
        for name in names if (shows is None or name in shows) and name[:2] != '__')


class _Memo:
    """The copy of a carrier, and what it was made of, to see whether that has changed."""

    __slots__ = ('value', 'copy', 'fragment', 'sources', 'tick')


class Copier:
    """Make copies that share what is equal. *places* are the dotted names of classes that are shown by name."""

    def __init__(self, places=frozenset()):
        self._places, self._tick = places, 0
        self._kept, self._whole, self._texts, self._names, self._now, self._memos = {}, {}, {}, {}, {}, {}

    def locals(self, values, plan, *, at_once=False):
        """Copy a frame's locals: {name: JSON, or an atom as it is}.

        *at_once* says that nothing has run since the last copy: what was copied then need not be copied again.
        """
        if not at_once:
            self._now = {}
            self._tick += 1
        copies = {}
        for name, how in plan:
            if name in values:
                value = values[name]
                if type(value) in ATOMS:
                    copies[name] = value
                elif how == 'value':
                    copies[name] = self.value(value)
                else:
                    copies[name] = MASKED if how == 'secret' else (
                        self._copy(value, self._whole) if how == 'whole' else self.value(_environ(value)))
        return copies

    def value(self, value):
        """Copy one value: JSON, or an atom as it is."""
        cls = type(value)
        if cls in ATOMS:
            return value
        if cls is str:
            known = self._texts.get(value)
            if known is None:
                known = self._texts[value] = self._copy(value, self._kept)
            return known
        known = self._names.get(cls) or self._now.get(id(value))
        if known is None:
            memo = self._memos.get(id(value))
            if memo is not None and memo.copy is not None and self._unchanged(memo):
                return memo.copy
            known = self._copy(value, self._kept)
            memo = self._memos.get(id(value))
            if memo is not None:
                memo.copy = known
            elif known.startswith(b'"<'):
                self._names[cls] = known
            else:
                self._now[id(value)] = known
        return known

    def _copy(self, value, kept):
        try:
            copy = orjson.dumps(value, self._fields, _OPTIONS)
        except (TypeError, ValueError):  # a cycle, too deep, a key that is no text, a text that is no Unicode
            copy = orjson.dumps(self._plain(value, DEEPEST, ()), None, _OPTIONS)
        known = kept.get(copy)
        if known is None:
            known = kept[copy] = _finished(copy, whole=kept is self._whole)
        return known

    def _fields(self, value):
        """Tell the encoder what it does not know: the JSON of a carrier, the parts of a container, a name."""
        memo = self._memos.get(id(value))
        if memo is not None and self._unchanged(memo):
            return memo.fragment
        kind, read, look = _kind(type(value), self._places)
        if kind == 'object':
            return self._plain(value, DEEPEST_OBJECT, ())
        node = read(value)
        if kind != 'carrier':
            return node
        memo, (now, shown) = _Memo(), look(value)
        memo.value, memo.copy, memo.tick, memo.sources = value, None, self._tick, [(now, tuple(now()), None, None)]
        memo.fragment = orjson.Fragment(orjson.dumps(node, self._fields, _OPTIONS))
        if self._watched(shown, memo.sources):
            self._memos[id(value)] = memo
        return memo.fragment

    def _watched(self, parts, sources):
        """Add to *sources* the containers among the parts, and below; say whether all of them can be watched."""
        for part in parts:
            cls = type(part)
            if cls in _LEAVES:
                continue
            memo = self._memos.get(id(part))
            if memo is not None:
                sources += memo.sources
                continue
            kind = _kind(cls, self._places)[0]
            if kind == 'plain':
                continue
            if kind == 'dict':
                now, last = functools.partial(dict.values, part), next(dict.__reversed__(part), None)
                below = tuple(now())
                sources.append((now, below, part, last))
            elif kind == 'list' or kind == 'tuple':
                below = tuple(part)
                if kind == 'list':
                    sources.append((functools.partial(list.copy, part), below, None, None))
            else:
                return False
            if not self._watched(below, sources):
                return False
        return True

    def _unchanged(self, memo):
        """Compare the parts of all its containers with those of its copy, by identity."""
        if memo.tick != self._tick:
            for now, parts, keyed, last in memo.sources:
                parts_now = now()
                # A key that was replaced by another stands at the end.
                if len(parts_now) != len(parts) or not all(map(operator.is_, parts_now, parts)) or (
                        last is not None and next(dict.__reversed__(keyed)) is not last):
                    return False
            memo.tick = self._tick
        return True

    def _plain(self, value, depth, inside):
        """Copy the slow way: objects that nobody declared, cycles, odd keys; *depth* levels, no object in itself."""
        cls = type(value)
        if cls is int and not -2 ** 63 <= value < 2 ** 64:
            return str(value)  # more than the encoder takes
        if cls in ATOMS or cls is float:
            return value
        if cls is str:
            return value.encode('utf-8', 'backslashreplace').decode()
        kind, read, _look = _kind(cls, self._places)
        plain = read(value)
        if type(plain) not in (dict, list):
            return self._plain(plain, depth, inside)
        if depth <= 0 or id(value) in inside:
            return f'<{_class_name(cls)}>'
        depth, inside = min(depth - 1, DEEPEST_OBJECT) if kind == 'object' else depth - 1, (*inside, id(value))
        if type(plain) is dict:
            return {_key(key): self._plain(part, depth, inside) for key, part in plain.items()}
        return [self._plain(part, depth, inside) for part in plain]


def _key(key):
    if type(key) is str:
        return key.encode('utf-8', 'backslashreplace').decode()
    return str(key) if key is None or type(key) in (int, bool, float) else f'<{_class_name(type(key))}>'


# ---------------------------------------------------------------------- how a value is read, by its class alone

_CONTAINERS = (dict, list, tuple, set, frozenset, collections.deque)


def _in_order(values):
    return sorted(values) if all(type(value) is str for value in values) else list(values)


# By the methods of the built-in types, which no subclass can have replaced.
_READERS = {
    datetime.datetime: datetime.datetime.isoformat, datetime.date: datetime.date.isoformat,
    datetime.timedelta: datetime.timedelta.__str__, uuid.UUID: uuid.UUID.__str__,
    decimal.Decimal: decimal.Decimal.__str__, complex: complex.__repr__,
    types.FunctionType: lambda f: f'<function {f.__qualname__}>',
    types.BuiltinFunctionType: lambda f: f'<function {f.__qualname__}>',
    types.MethodType: lambda m: f'<method {m.__func__.__qualname__}>' if type(
        m.__func__) is types.FunctionType else '<method>',
    types.ModuleType: lambda m: '<module>',
    type: lambda c: f'<class {_class_name(c)}>',
    str: str.__str__, bytes: lambda b: bytes.decode(b, 'utf-8', 'replace'),
    bytearray: lambda b: bytearray.decode(b, 'utf-8', 'replace'), int: int.__int__,
    float: lambda f: float.__float__(f) if math.isfinite(float.__float__(f)) else float.__repr__(f),
    dict: lambda d: dict(dict.items(d)), list: list.copy, tuple: lambda t: [*tuple.__iter__(t)],
    set: lambda s: _in_order([*set.__iter__(s)]), frozenset: lambda s: _in_order([*frozenset.__iter__(s)]),
    collections.deque: lambda d: [*collections.deque.__iter__(d)],
}


@functools.lru_cache(10_000)
def _kind(cls, places):
    """Say how the values of a class are read: (kind, what makes of a value what the encoder knows, what makes of a
    carrier a function that gives its parts as they are now, and those that are shown).

    Kinds: 'plain' for texts, numbers and names; 'dict', 'list', 'tuple', ...; 'carrier' for declared objects; 'object'.
    """
    mro = _class_mro(cls)
    for base, read in _READERS.items():
        if base in mro:
            return base.__name__ if base in _CONTAINERS else 'plain', read, None
    name, bases = _class_name(cls), [dotted(base) for base in mro]
    shown = next((CARRIERS[base] for base in bases if base in CARRIERS), None)
    versioned = 'oslo_versionedobjects.base.VersionedObject' in bases
    fields = next((d['__dict__'].__get__ for d in map(_class_dict, mro)
                   if type(d.get('__dict__')) is types.GetSetDescriptorType), None)
    slots = [(key, slot.__get__) for d in map(_class_dict, mro) for key, slot in d.items()
             if type(slot) is types.MemberDescriptorType]
    if BaseException in mro:
        slots.append(('args', BaseException.__dict__['args'].__get__))
    place = shown is None and not versioned and not places.isdisjoint(bases[:-1])
    if place or shown == () or not (fields or slots):
        return 'plain', lambda value: f'<{name}>', None
    if versioned:  # such objects keep their fields under _obj_; the rest is bookkeeping
        hidden = {key: '***' for base in mro for key in _class_dict(base).get('fields', ()) if is_secret(key)}
        return ('carrier',
                lambda value: {'': name, **{key[5:]: part for key, part in fields(value).items() if key[:5] == '_obj_'},
                               **hidden},
                lambda value: (fields(value).values,
                               [part for key, part in fields(value).items() if key[:5] == '_obj_']))
    if shown == ('environ',):
        return ('carrier', lambda value: _request(name, fields(value)['environ']),
                lambda value: _request_parts(fields(value)['environ']))
    if shown and fields:
        names = tuple(key.lstrip('_') for key in shown)
        hidden = dict.fromkeys(filter(is_secret, names), '***')  # here already: it is in every copy
        return ('carrier', lambda value: {'': name, **dict(zip(names, map(fields(value).get, shown))), **hidden},
                lambda value: (lambda: [*map(fields(value).get, shown)], map(fields(value).get, shown)))

    def read(value):
        present = {}
        for key, get in slots:
            with contextlib.suppress(AttributeError):
                present[key] = get(value)
        return {'': name, **present, **(fields(value) if fields else {})}
    return 'object', read, None


def _request(name, environ):
    return {'': name, 'environ': _environ(environ), 'api_version_request': _version(environ)}


def _environ(environ):
    """Read a WSGI environ: what the client sent, and what the filters have added."""
    if type(environ) is not dict:
        return environ
    node = environ.copy()
    for key in NOISE:
        node.pop(key, None)
    if 'HTTP_X_AUTH_TOKEN' in node:
        node['HTTP_X_AUTH_TOKEN'] = '***'  # here already: it is in every copy
    return node


def _request_parts(environ):
    """Say what to watch of that."""
    shown = [*(part for key, part in environ.items() if key not in NOISE), _version(environ)]
    return lambda: [*environ.values(), _version(environ)], shown


def _version(environ):
    return environ.get('webob.adhoc_attrs', {}).get('api_version_request')


def dotted(cls):
    """Give the module and the qualified name of a class, without running code of its metaclass."""
    return f'{_class_dict(cls).get("__module__", "")}.{type.__dict__["__qualname__"].__get__(cls)}'


# ------------------------------------------------------------------------------------------- secrets, and lengths

_WORDS = (b'token', b'passw', b'adminpass', b'secret', b'cookie', b'authorization', b'credential',
          b'database_connection', b'transport_url')
_IN_TEXT = re.compile(
    rb'((?:%s)\w*(?:\\"|\')?\s*[:=]\s*(?:\\"|\')?(?:(?:basic|bearer)\s+)?)(?:[\[{].*?[\]}]|[^\s"\',;&}\\]+)'
    % b'|'.join(_WORDS), re.I)
_ANY = re.compile(b'|'.join(_WORDS))
_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|[-\d.eE+]+|true|false')


@functools.lru_cache(10_000)
def is_secret(name):
    """Say whether a value of that name is to be masked."""
    return _has_secret(name.lower().encode('utf-8', 'replace'))


def _has_secret(lower):
    # Written out: it is asked for every copy.
    return (b'token' in lower or b'passw' in lower or b'adminpass' in lower or b'secret' in lower or b'cookie' in lower
            or b'authorization' in lower or b'credential' in lower or b'database_connection' in lower
            or b'transport_url' in lower)


def _finished(copy, *, whole):
    """Mask secrets in JSON that was not seen before, and cut what is too long unless it is to be *whole*."""
    lower = copy.lower()
    if _has_secret(lower.replace(b'token":"***"', b'').replace(b'connection":"***"', b'')):
        copy = _masked(copy, lower)
    if len(copy) > LONGEST_TEXT and not whole:
        copy = orjson.dumps(_cut(orjson.loads(copy)))
    return copy


def _masked(copy, lower):
    """Mask what stands under a secret name in JSON, and after one in its lists and texts; *lower* is it lowered."""
    parts, done = [], 0
    for found in _ANY.finditer(lower):
        at = found.start()
        if at < done:
            continue
        first, last = _quote(copy, at, copy.rfind), _quote(copy, at, copy.find)
        following, value = copy[last + 1:last + 2], last + 2
        listed = following == b',' and (copy[first + 1:first + 2] == b'-' or copy[first - 1:first] == b'[')
        if following == b':' or listed:
            scalar = _SCALAR.match(copy, value)
            if scalar:
                parts += [copy[done:value], MASKED]
                done = scalar.end()
            elif following == b':' and copy[value:value + 1] in b'{[':
                return orjson.dumps(_without_secrets(orjson.loads(copy)))
        else:
            parts += [copy[done:first], _masked_text(copy[first:last + 1])]
            done = last + 1
    return b''.join([*parts, copy[done:]])


def _masked_text(quoted):
    """Mask within one text of JSON: by its parts, where it is JSON itself, else by what looks like name=value."""
    text = orjson.loads(quoted)
    if text[:1] in ('{', '['):
        with contextlib.suppress(ValueError):
            inner = orjson.loads(text)
            if (masked := _without_secrets(inner)) != inner:
                quoted = orjson.dumps(orjson.dumps(masked).decode())
    return _IN_TEXT.sub(rb'\1***', quoted)


def _quote(copy, at, find):
    """Find the quote that begins or ends the text around a place in JSON, passing over those that are escaped."""
    backwards = find == copy.rfind
    while True:
        at = find(b'"', 0, at) if backwards else find(b'"', at + 1)
        slashes = at - len(copy[:at].rstrip(b'\\')) if copy[at - 1:at] == b'\\' else 0
        if slashes % 2 == 0:
            return at


def _without_secrets(plain):
    """Mask in plain data, where whole objects stand under a secret name."""
    if isinstance(plain, str) and is_secret(plain):
        return orjson.loads(_masked_text(orjson.dumps(plain)))
    if isinstance(plain, dict):
        return {key: '***' if part not in (None, '', {}, []) and is_secret(key) else _without_secrets(part)
                for key, part in plain.items()}
    return [_without_secrets(part) for part in plain] if isinstance(plain, list) else plain


def _cut(plain):
    """Cut texts and containers that are too long; what is left says the true length and a digest of the whole."""
    if isinstance(plain, str) and len(plain) > LONGEST_TEXT:
        return f'{plain[:LONGEST_TEXT]}… [{len(plain)} characters, sha256 {_digest(plain)}]'
    if isinstance(plain, dict):
        node = {key: part if key in NEVER_CUT else _cut(part)
                for key, part in itertools.islice(plain.items(), MOST_ENTRIES)}
        return node | {'…': f'[{len(plain)} entries, sha256 {_digest(plain)}]'} if len(plain) > MOST_ENTRIES else node
    if isinstance(plain, list):
        node = [_cut(part) for part in plain[:MOST_ENTRIES]]
        return [*node, f'… [{len(plain)} entries, sha256 {_digest(plain)}]'] if len(plain) > MOST_ENTRIES else node
    return plain


def _digest(plain):
    return hashlib.sha256(orjson.dumps(plain)).hexdigest()[:16]
