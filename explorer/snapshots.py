"""Copies of values as plain data, made immediately and without running any of the values' code.

ormsgpack makes a copy in one pass; unlike JSON, its format distinguishes NaN from None and bytes from text. Objects
that the library does not know are shown according to their class: those that carry the request show their fields, and
those whose class owns a station show only its name. Of equal copies, only one is kept.

What JSON cannot hold is marked, so that no value is mistaken for another. {"": TYPE, "value": TEXT} stands for a number
that is not finite or does not fit into 64 bits, for text that is not Unicode, and for bytes that are not UTF-8.
{"": "dict", "items": [[key, value], ...]} stands for a dict whose keys are not all text.
"""

import collections
import contextlib
import datetime
import decimal
import enum
import functools
import hashlib
import itertools
import json
import math
import re
import types
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import ormsgpack

from explorer.payloads import Plain, Value
from explorer.stations import CARRIERS, NOISE

Copy: TypeAlias = bytes | int | None  # packed, except None, booleans and integers of up to 64 bits
Plan: TypeAlias = tuple[tuple[str, str], ...]  # (name of a local, 'value', 'whole', 'environ' or 'secret')
_Read: TypeAlias = Callable[[Value], Value]

LONGEST_TEXT, MOST_ENTRIES, DEEPEST, DEEPEST_OBJECT = 10_000, 1_000, 12, 4
NEVER_CUT = frozenset({'body', 'content', 'app_iter', 'datastring', 'message', 'incoming', 'msg'})
ENVIRONS = frozenset({'environ', 'env', 'request_environment'})
MASK = '***'
MASKED = ormsgpack.packb(MASK)
ATOMS = frozenset({types.NoneType, bool, int})
HEAPTYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
SMALLEST, LARGEST = -2 ** 63, 2 ** 64 - 1  # of the integers on which JSON libraries agree
_OPTIONS = ormsgpack.OPT_PASSTHROUGH_DATACLASS | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
_class_name = type.__dict__['__name__'].__get__
_class_dict = type.__dict__['__dict__'].__get__
_module_dict = vars(types.ModuleType)['__dict__'].__get__
_instance_dict = enum.Enum.__dict__['__dict__'].__get__
_class_flags = type.__dict__['__flags__'].__get__
_class_mro = type.__dict__['__mro__'].__get__


def snapshot(value: object) -> Value:
    """Copy *value* into plain data without running any of its code.

    Shape:  mappings keep their keys; objects become {"": class name, **fields}; sequences become lists; functions,
            classes and modules become "<function NAME>"; an enum becomes its value; what JSON cannot hold is marked.
    Limits: 4 levels of objects that CARRIERS does not declare, 12 levels of what ormsgpack cannot copy in one pass,
            10,000 characters per text, 1,000 entries per container. A cut value states its full length and a digest.
            Bodies and messages are not cut. Secrets read "***".
    Raises: nothing; what cannot be copied becomes "<ClassName>".
    """
    return decoded(Copier().value(value))


def decoded(copy: Copy) -> Value:
    """Return the plain data of a copy."""
    return _json(ormsgpack.unpackb(copy)) if type(copy) is bytes else copy


def encoded(plain: Value) -> Copy:
    """Pack plain data as a copy."""
    return plain if type(plain) in ATOMS else ormsgpack.packb(plain)


def _json(value: Value) -> Value:
    """Mark the values in unpacked data that JSON cannot hold."""
    cls = type(value)
    if cls is dict:
        return {key: _json(part) for key, part in value.items()}
    if cls is list:
        return [_json(part) for part in value]
    return _bytes(value) if cls is bytes else _marked(value) if cls is float else value


def plan(names: Iterable[str], shows: Iterable[str] | None = None) -> Plan:
    """Decide how to copy the locals with these *names*; without *shows*, all of them are copied."""
    return tuple(
        (name, 'secret' if is_secret(name) else 'whole' if name in NEVER_CUT else 'environ' if name in ENVIRONS
         else 'value')
        for name in names if (shows is None or name in shows) and name[:2] != '__')


class Copier:
    """Make copies, and keep only one of those that are equal.

    Shape: *places* are the dotted names of the classes whose instances are shown only as the name of their class.
    """

    _kept: dict[bytes, bytes]
    _whole: dict[bytes, bytes]

    def __init__(self, places: frozenset[str] = frozenset()) -> None:
        self._kinds = _kinds(places)
        self._kept, self._whole = {}, {}

    def locals(self, values: Mapping[str, object], plan: Plan) -> dict[str, Copy]:
        """Copy a frame's locals, by name."""
        copies: dict[str, Copy] = {}
        for name, how in plan:
            if name in values:
                value = values[name]
                if value is None or value is True or value is False:
                    copies[name] = value
                elif how == 'value':
                    copies[name] = self.value(value)
                elif how == 'secret':
                    copies[name] = MASKED
                else:
                    copies[name] = self.value(value, self._whole) if how == 'whole' else self.value(_environ(value))
        return copies

    def value(self, value: int | Value, kept: dict[bytes, bytes] | None = None) -> Copy:
        """Copy one value; *kept* holds the copies made so far; those in `_whole` are not cut."""
        cls = type(value)
        if cls in ATOMS and (cls is not int or SMALLEST <= value <= LARGEST):
            return value
        kept = self._kept if kept is None else kept
        try:
            copy = ormsgpack.packb(value, self._parts, _OPTIONS)
        except (TypeError, ValueError):
            # It has a cycle, too many levels, a key that is not text, text that is not Unicode, or a large number.
            copy = ormsgpack.packb(self._plain(value, DEEPEST, ()))
        known = kept.get(copy)
        if known is None:
            known = kept[copy] = _finished(copy, whole=kept is self._whole)
        return known

    def _parts(self, value: object) -> object:
        """Describe to the encoder what it does not know: an object's fields, a container's parts, a name."""
        kind, read = self._kinds[type(value)]
        return self._plain(value, DEEPEST_OBJECT, ()) if kind == 'object' else read(value)

    def _plain(self, value: Value, depth: int, inside: tuple[int, ...]) -> Value:
        """Copy undeclared objects, cycles and what must be marked; this is slower than ormsgpack.

        Shape: at most *depth* levels; *inside* are the ids of the containers around the value, because no container is
        copied again inside itself.
        """
        cls = type(value)
        if cls in ATOMS or cls is float or cls is str:
            return _marked(value)
        kind, read = self._kinds[cls]
        plain = read(value)
        if type(plain) not in (dict, list):
            return self._plain(plain, depth, inside)
        if depth <= 0 or id(value) in inside:
            return f'<{_class_name(cls)}>'
        depth, inside = min(depth - 1, DEEPEST_OBJECT) if kind == 'object' else depth - 1, (*inside, id(value))
        if type(plain) is list:
            return [self._plain(part, depth, inside) for part in plain]
        if all(type(key) is str and key.isascii() for key in plain):
            return {key: self._plain(part, depth, inside) for key, part in plain.items()}
        items = [[self._plain(part, depth, inside) for part in item] for item in plain.items()]
        return dict(items) if all(type(key) is str for key, _ in items) and all(
            type(key) is str for key in plain) else {'': 'dict', 'items': items}


def _marked(value: Value) -> Value:
    """Return a number or a text as it is if JSON can hold it, otherwise marked."""
    cls = type(value)
    if (cls is float and not math.isfinite(value)) or (cls is int and not SMALLEST <= value <= LARGEST):
        return {'': cls.__name__, 'value': _digits(value)}
    if cls is str and not value.isascii() and any('\ud800' <= character <= '\udfff' for character in value):
        return {'': 'str', 'value': ascii(value)}
    return value


def _digits(number: Value) -> str:
    try:
        return repr(number)
    except ValueError:  # it has too many digits for Python to print
        return hex(number)


# ---------------------------------------------------------------------- how a value is read, by its class alone

_CONTAINERS = (dict, list, tuple, set, frozenset, collections.deque)


def _in_order(values: list[Value]) -> list[Value]:
    return sorted(values) if all(type(value) is str for value in values) else list(values)


def _module(name: object) -> str:
    return f'<module {name}>' if type(name) is str else '<module>'


def _bytes(value: bytes) -> str | Plain:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {'': 'bytes', 'value': repr(value)}


# These use the methods of the built-in types, which a subclass cannot replace.
_READERS: dict[type, _Read] = {
    datetime.datetime: datetime.datetime.isoformat, datetime.date: datetime.date.isoformat,
    datetime.timedelta: datetime.timedelta.__str__, uuid.UUID: uuid.UUID.__str__,
    decimal.Decimal: decimal.Decimal.__str__, complex: complex.__repr__,
    types.FunctionType: lambda f: f'<function {f.__qualname__}>',
    types.BuiltinFunctionType: lambda f: f'<function {f.__qualname__}>',
    types.MethodType: lambda m: f'<method {m.__func__.__qualname__}>' if type(
        m.__func__) is types.FunctionType else '<method>',
    types.ModuleType: lambda m: _module(_module_dict(m).get('__name__')),
    type: lambda c: f'<class {_class_name(c)}>',
    str: str.__str__, bytes: lambda b: _bytes(bytes.__getitem__(b, slice(None))), bytearray: lambda b: _bytes(bytes(b)),
    int: int.__int__, float: float.__float__,
    dict: lambda d: dict(dict.items(d)), list: list.copy, tuple: lambda t: [*tuple.__iter__(t)],
    set: lambda s: _in_order([*set.__iter__(s)]), frozenset: lambda s: _in_order([*frozenset.__iter__(s)]),
    collections.deque: lambda d: [*collections.deque.__iter__(d)],
}


class _Kinds(dict[type, tuple[str, _Read]]):
    """How to read the values of each class, worked out when the class first occurs."""

    def __init__(self, places: frozenset[str]) -> None:
        super().__init__()
        self._places = places

    def __missing__(self, cls: type) -> tuple[str, _Read]:
        self[cls] = found = _kind(cls, self._places)
        return found


_kinds = functools.cache(_Kinds)


def _kind(cls: type, places: frozenset[str]) -> tuple[str, _Read]:
    """Return how to read the values of a class: (kind, function that turns a value into what the encoder knows).

    Kinds: 'plain' for texts, numbers and names; 'dict', 'list', 'tuple', ...; 'carrier' for declared objects; 'object'.
    """
    mro = _class_mro(cls)
    for base, read in _READERS.items():
        if base in mro:
            return base.__name__ if base in _CONTAINERS else 'plain', read
    if enum.Enum in mro:
        return 'plain', lambda value: _instance_dict(value).get('_value_')
    return _kind_of_object(cls, mro, places)


def _kind_of_object(cls: type, mro: tuple[type, ...], places: frozenset[str]) -> tuple[str, _Read]:
    name, bases = _class_name(cls), [dotted(base) for base in mro]
    shown = next((CARRIERS[base] for base in bases if base in CARRIERS), None)
    versioned = 'oslo_versionedobjects.base.VersionedObject' in bases
    fields = next((d['__dict__'].__get__ for d in map(_class_dict, mro)
                   if type(d.get('__dict__')) is types.GetSetDescriptorType), None)
    # The slots of classes that are not written in Python are internal to them.
    slots = [(key, slot.__get__) for base in mro if _class_flags(base) & HEAPTYPE
             for key, slot in _class_dict(base).items() if type(slot) is types.MemberDescriptorType]
    if BaseException in mro:
        slots.append(('args', BaseException.__dict__['args'].__get__))
    place = shown is None and not versioned and not places.isdisjoint(bases[:-1])
    if place or shown == () or not (fields or slots):
        return 'plain', lambda value: f'<{name}>'
    if versioned and fields:  # these keep their fields under _obj_; the rest is bookkeeping
        names = {f'_obj_{key}': key for base in mro for key in _class_dict(base).get('fields', ())}
        hidden = {key: MASK for key in names.values() if is_secret(key)}
        return 'carrier', lambda value: {
            '': name, **{names[key]: part for key, part in fields(value).items() if key in names}, **hidden}
    if fields and shown == ('environ',):
        return 'carrier', lambda value: {
            '': name, 'environ': _environ(fields(value)['environ']),
            'api_version_request': _version(fields(value)['environ'])}
    if shown and fields:
        bare = tuple(key.lstrip('_') for key in shown)
        hidden = dict.fromkeys(filter(is_secret, bare), MASK)  # masked here because every copy holds it
        return 'carrier', lambda value: {
            '': name, **dict(zip(bare, map(fields(value).get, shown), strict=True)), **hidden}

    def read(value: object) -> Plain:
        present: Plain = {}
        for key, get in slots:
            with contextlib.suppress(AttributeError):
                present[key] = get(value)
        return {'': name, **present, **(fields(value) if fields else {})}
    return 'object', read


def _environ(environ: Value) -> Value:
    """Return a WSGI environ without NOISE, so only what the client sent and what the filters added."""
    if type(environ) is not dict:
        return environ
    node = {key: part for key, part in environ.items() if key not in NOISE}
    if 'HTTP_X_AUTH_TOKEN' in node:
        node['HTTP_X_AUTH_TOKEN'] = MASK  # masked here because every copy holds it
    return node


def _version(environ: Plain) -> object:
    return environ.get('webob.adhoc_attrs', {}).get('api_version_request')


def dotted(cls: type) -> str:
    """Return the module and the qualified name of a class without running its metaclass's code."""
    return f'{_class_dict(cls).get("__module__", "")}.{type.__dict__["__qualname__"].__get__(cls)}'


# ------------------------------------------------------------------------------------------- secrets, and lengths

_NAMES = ('token', 'passw', 'adminpass', 'secret', 'cookie', 'authorization', 'credential', 'database_connection',
          'transport_url')
_WORDS = (*_NAMES, *(f'{what}{dash}key' for what in ('auth', 'api', 'access', 'private') for dash in ('-', '_', '')))
# One quick search of a packed copy finds a name that may be secret and whose value is not masked yet.
_MAYBE = re.compile(b'(?:%s|key)(?!%s)' % ('|'.join(_NAMES).encode(), re.escape(MASKED)))
_IN_TEXT = re.compile(
    r'((?:' + '|'.join(_WORDS) + r')\w*["\']?\s*[:=]\s*["\']?(?:(?:basic|bearer)\s+)?)'
    r'(?:[\[{].*?[\]}]|[^\s"\',;&}]+)', re.I)


@functools.lru_cache(10_000)
def is_secret(name: str) -> bool:
    """Return whether values with that name must be masked."""
    lower = name.lower()
    return any(word in lower for word in _WORDS)


def _finished(copy: bytes, *, whole: bool) -> bytes:
    """Mask secrets in a new copy, and cut what is too long unless the copy must stay *whole*."""
    if _MAYBE.search(copy.lower()):
        copy = ormsgpack.packb(_masked(decoded(copy)))
    if len(copy) > LONGEST_TEXT and not whole:
        copy = ormsgpack.packb(_cut(decoded(copy)))
    return copy


def _masked(plain: Value) -> Value:
    """Mask what follows a secret name in plain data, whether the name is a key, an item of a list or part of a text."""
    if type(plain) is dict:
        return {key: MASK if part not in (None, '', {}, []) and is_secret(key) else _masked(part)
                for key, part in plain.items()}
    if type(plain) is list:
        return [MASK if number and _names_a_secret(plain[number - 1], first=number == 1) else _masked(part)
                for number, part in enumerate(plain)]
    return _masked_text(plain) if type(plain) is str and is_secret(plain) else plain


def _names_a_secret(part: Value, *, first: bool) -> bool:
    """Return whether the next item of a list is secret, as the value of a pair or of an option."""
    return type(part) is str and (first or part[:1] == '-') and is_secret(part) and len(part) < 60


def _masked_text(text: str) -> str:
    """Mask secrets within a text: by its parts if it is JSON, otherwise wherever it looks like name=value."""
    if text[:1] in ('{', '['):
        with contextlib.suppress(ValueError):
            inner = json.loads(text)
            if (masked := _masked(inner)) != inner:
                return json.dumps(masked, ensure_ascii=False, separators=(',', ':'))
    return _IN_TEXT.sub(r'\1***', text)


def _cut(plain: Value) -> Value:
    """Cut texts and containers that are too long, and add the full length and a digest of the whole."""
    if isinstance(plain, str) and len(plain) > LONGEST_TEXT:
        return f'{plain[:LONGEST_TEXT]}… [{len(plain)} characters, sha256 {_digest(plain)}]'
    if isinstance(plain, dict):
        node = {key: part if key in NEVER_CUT else _cut(part)
                for key, part in itertools.islice(plain.items(), MOST_ENTRIES)}
        return node | {'…': f'[{len(plain)} entries, sha256 {_digest(plain)}]'} if len(plain) > MOST_ENTRIES else node
    if isinstance(plain, list):
        parts = [_cut(part) for part in plain[:MOST_ENTRIES]]
        return [*parts, f'… [{len(plain)} entries, sha256 {_digest(plain)}]'] if len(plain) > MOST_ENTRIES else parts
    return plain


def _digest(plain: Value) -> str:
    return hashlib.sha256(json.dumps(plain, ensure_ascii=False, separators=(',', ':')).encode()).hexdigest()[:16]
