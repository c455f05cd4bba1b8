"""Snapshots: plain data, made at once, without running any of the watched program's code."""

import collections
import datetime
import decimal
import enum
import functools
import hashlib
import json
import uuid

import pytest

from explorer.payloads import is_marked, unmarked
from explorer.snapshots import LONGEST_TEXT, MOST_ENTRIES, Copier, decoded, plan, snapshot
from explorer.stations import CARRIERS


class Hostile:
    """An object that raises whenever any of its code runs."""

    def _no(self, *args, **kwargs):
        raise AssertionError('the hook ran code of the watched program')

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __getattr__ = __format__ = _no
    __reduce_ex__ = __sizeof__ = __contains__ = __call__ = __index__ = _no
    value = property(_no)

    def __init__(self):
        self.__dict__['kept'] = 1


class HostileDict(dict):
    __iter__ = __len__ = __getitem__ = items = keys = values = __contains__ = Hostile._no


class HostileText(str):
    __str__ = __repr__ = __eq__ = encode = Hostile._no
    __hash__ = None


@pytest.mark.parametrize(('value', 'shown'), [
    (None, None), (True, True), (7, 7), (1.5, 1.5), ('x', 'x'), ((1, 2), [1, 2]), ([], []),
    ({'a': {'b': 1}}, {'a': {'b': 1}}), (b'{"a": 1}', '{"a": 1}'), ({1: 2}, {'': 'dict', 'items': [[1, 2]]}),
    (2 ** 80, {'': 'int', 'value': str(2 ** 80)}), ([2 ** 80], [{'': 'int', 'value': str(2 ** 80)}]),
    (collections.OrderedDict(a=1), {'a': 1})])
def test_plain_values_are_copied_unchanged(value, shown):
    assert snapshot(value) == shown


class Colour(enum.Enum):
    RED = 'red'


class Level(enum.IntEnum):
    LOW = 1


class Point:
    def __init__(self, x):
        self.x = x

    def move(self):
        return self.x


class Slotted:
    __slots__ = ('a', 'b')

    def __init__(self):
        self.a = 1


def function():
    yield 1


NAN, HUGE, HALF = {'': 'float', 'value': 'nan'}, {'': 'int', 'value': str(2 ** 64)}, {'': 'str', 'value': "'\\ud800'"}
SHARED = [1]


@pytest.mark.parametrize(('value', 'shown'), [
    (Point, '<class Point>'), (Colour, '<class Colour>'), (function, '<function function>'),
    (Point(1).move, '<method Point.move>'), (Point.move, '<function Point.move>'), (len, '<function len>'),
    ([].append, '<function list.append>'), (functools.partial(len), '<partial>'), (json, '<module json>'),
    (Colour.RED, 'red'), ([Colour.RED], ['red']), (Level.LOW, 1), ({'a': Level.LOW}, {'a': 1}),
    (function(), '<generator>'),
    (ValueError('x', 2), {'': 'ValueError', 'args': ['x', 2]}), (KeyError(), {'': 'KeyError', 'args': []}),
    (b'abc', 'abc'), (b'\xff', {'': 'bytes', 'value': "b'\\xff'"}), (bytearray(b'x'), 'x'),
    ({'b', 'a'}, ['a', 'b']), (frozenset('a'), ['a']),
    (datetime.datetime(2026, 1, 2, 3, 4, 5), '2026-01-02T03:04:05'), (datetime.date(2026, 1, 2), '2026-01-02'),
    (datetime.timedelta(seconds=61), '0:01:01'), (decimal.Decimal('1.10'), '1.10'),
    (uuid.UUID(int=5), '00000000-0000-0000-0000-000000000005'),
    (Point(1), {'': 'Point', 'x': 1}), (Slotted(), {'': 'Slotted', 'a': 1}), ((), []), (([],), [[]]),
    ({'a': SHARED, 'b': SHARED}, {'a': [1], 'b': [1]}), (collections.deque([1]), [1]),
    (collections.namedtuple('Pair', 'a b')(1, 2), [1, 2]), (1.5, 1.5), (-2 ** 63, -2 ** 63), (2 ** 64 - 1, 2 ** 64 - 1),
    (float('nan'), NAN), ([None, float('nan')], [None, NAN]),
    ({'a': [None, float('inf')]}, {'a': [None, {'': 'float', 'value': 'inf'}]}),
    (Point(float('nan')), {'': 'Point', 'x': NAN}),
    ({'p': Point(None), 'q': float('-inf')}, {'p': {'': 'Point', 'x': None}, 'q': {'': 'float', 'value': '-inf'}}),
    (2 ** 64, HUGE), ([2 ** 64], [HUGE]), ({'a': -2 ** 63 - 1}, {'a': {'': 'int', 'value': str(-2 ** 63 - 1)}}),
    (10 ** 5000, {'': 'int', 'value': hex(10 ** 5000)}), ('\ud800', HALF), (['\ud800', 'ü'], [HALF, 'ü']),
    ({1: 2}, {'': 'dict', 'items': [[1, 2]]}), ({1: 'a', '1': 'b'}, {'': 'dict', 'items': [[1, 'a'], ['1', 'b']]}),
    ({None: 1, True: 2}, {'': 'dict', 'items': [[None, 1], [True, 2]]}),
    ({(1, 2): 3}, {'': 'dict', 'items': [[[1, 2], 3]]}), ({'\ud800': 1}, {'': 'dict', 'items': [[HALF, 1]]}),
    ({'ü': 2 ** 64}, {'ü': HUGE}), (True, True), ([True, 1, 1.0], [True, 1, 1.0])],
    ids=lambda value: type(value).__name__)
def test_each_kind_of_value_has_its_form(value, shown):
    copy = snapshot(value)
    assert (repr(copy), json.loads(json.dumps(copy, allow_nan=False))) == (repr(shown), shown)


@pytest.mark.parametrize('value', [
    float('inf'), float('-inf'), 2 ** 64, -10 ** 400, '\ud800x', "\udfff'\\", b'\xff\x00', {1: 2},
    {None: {2.5: '\ud800'}}, [{'a': {(1, 2): [2 ** 70]}}], None, 'x', [], {}])
def test_a_marked_value_can_be_restored(value):
    assert unmarked(snapshot(value)) == value
    assert is_marked({'': 'Point', 'value': 1}) is is_marked({'': 'float', 'x': 1}) is is_marked({'value': 1}) is False


def test_one_name_does_not_affect_another_of_its_kind():
    """Once, names were cached by the type of the named object."""
    copier, values = Copier(), [
        Point, Slotted, Point(1).move, function, test_no_code_of_a_value_is_run, json, len, print, [].append]
    assert [decoded(copier.value(value)) for value in values * 2] == [snapshot(value) for value in values] * 2
    assert len({copier.value(value) for value in values}) == len(values)


def test_a_value_changed_in_place_is_copied_again_and_the_earlier_copy_stays():
    copier, changing, other = Copier(), {'a': [1], 'point': Point([1])}, {'a': [1], 'point': Point([1])}
    first = copier.value(changing)
    assert copier.value(other) is first  # an equal value shares the copy
    changing['a'].append(2)
    changing['point'].x[0] = 5
    assert decoded(copier.value(changing)) == {'a': [1, 2], 'point': {'': 'Point', 'x': [5]}}
    assert decoded(first) == decoded(copier.value(other)) == {'a': [1], 'point': {'': 'Point', 'x': [1]}}


@pytest.mark.parametrize('make', [
    lambda: Hostile(), lambda: [Hostile()], lambda: {'a': Hostile()}, lambda: HostileDict(a=1),
    lambda: HostileText('x')],
    ids=['object', 'in a list', 'in a dict', 'dict', 'text'])
def test_no_code_of_a_value_is_run(make):
    json.dumps(snapshot(make()))


def test_an_odd_value_never_raises():
    cycle = []
    cycle.append(cycle)
    deep = []
    for _ in range(10_000):
        deep = [deep]
    for value in (cycle, deep, float('nan'), float('inf'), '\ud800', {'\ud800': '\x00'}, object(), type, len,
                  lambda: 1, {1, 2}, range(3), iter([]), Exception('x'), memoryview(b'x'), {(1, 2): 3}, {None: 1}, ...):
        json.dumps(snapshot(value))


def test_a_long_text_is_cut_and_says_its_length_and_digest():
    text = 'x' * (LONGEST_TEXT + 5)
    shown = snapshot(text)
    assert len(shown) < LONGEST_TEXT + 200
    assert str(len(text)) in shown
    assert hashlib.sha256(json.dumps(text).encode()).hexdigest()[:16] in shown
    assert snapshot(text + 'y') != snapshot(text + 'z')


def test_many_entries_are_cut_but_a_change_behind_the_cut_still_shows():
    one, other = list(range(10 * MOST_ENTRIES)), [*range(10 * MOST_ENTRIES - 1), -1]
    assert len(snapshot(one)) == MOST_ENTRIES + 1
    assert str(len(one)) in snapshot(one)[-1]
    assert snapshot(one) != snapshot(other)


def test_bodies_and_messages_are_never_cut():
    body = b'{"x": "' + b'y' * 50_000 + b'"}'
    copies = Copier().locals({'body': body, 'other': body}, plan(('body', 'other')))
    from explorer.snapshots import decoded
    assert decoded(copies['body']) == body.decode()
    assert len(decoded(copies['other'])) < 20_000


@pytest.mark.parametrize('name', ['token', 'auth_token', 'X-Auth-Token', 'password', 'admin_secret', 'HTTP_COOKIE',
                                  'Authorization', 'HTTP_X_AUTH_TOKEN', 'X-Service-Token', 'adminPass',
                                  'X-Auth-Key', 'HTTP_X_AUTH_KEY', 'api_key', 'X-API-Key', 'apikey', 'private-key',
                                  'access_key'])
def test_a_secret_is_masked_by_its_name_wherever_it_stands(name):
    for value in ({name: 's3cret'}, {'headers': {name: 's3cret'}}, [(name, 's3cret')], {'headers': [[name, 's3cret']]}):
        assert 's3cret' not in json.dumps(snapshot(value)), value


def test_locals_that_are_secret_are_masked():
    assert decoded(Copier().locals({'token': 's3cret'}, plan(('token',)))['token']) == '***'


def test_an_object_that_has_not_changed_has_the_same_copy():
    import webob
    request, copier = webob.Request.blank('/x'), Copier()
    names = plan(('request',))
    first = copier.locals({'request': request}, names)['request']
    again = copier.locals({'request': request}, names)['request']
    request.environ['REQUEST_METHOD'] = 'POST'
    changed = copier.locals({'request': request}, names)['request']
    assert first is again
    assert b'POST' in changed


def test_carriers_show_their_content_and_places_their_name():
    from explorer.pipeline import APIVersionRequest
    assert snapshot(APIVersionRequest('2.34')) == {'': 'APIVersionRequest', 'ver_major': 2, 'ver_minor': 34}
    assert snapshot(__import__('functools').partial(print)) == '<partial>'
    assert CARRIERS['functools.partial'] == ()
