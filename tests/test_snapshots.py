"""Snapshots: plain data, made at once, without running any of the watched program's code."""

import collections
import hashlib
import json

import pytest

from explorer.snapshots import LONGEST_TEXT, MOST_ENTRIES, Copier, plan, snapshot
from explorer.stations import CARRIERS


class Hostile:
    """Runs into an error whenever any of its code is run."""

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
    (None, None), (True, True), (7, 7), (1.5, 1.5), ('x', 'x'), ((1, 2), [1, 2]), ([], []), ({'a': {'b': 1}}, {'a': {'b': 1}}),
    (b'{"a": 1}', '{"a": 1}'), ({1: 2}, {'1': 2}), (2 ** 80, 2 ** 80), ([2 ** 80], [str(2 ** 80)]), (collections.OrderedDict(a=1), {'a': 1})])
def test_plain_values_are_copied_as_they_are(value, shown):
    assert snapshot(value) == shown


@pytest.mark.parametrize('make', [
    lambda: Hostile(), lambda: [Hostile()], lambda: {'a': Hostile()}, lambda: HostileDict(a=1), lambda: HostileText('x')],
    ids=['object', 'in a list', 'in a dict', 'dict', 'text'])
def test_no_code_of_a_value_is_run(make):
    json.dumps(snapshot(make()))


def test_what_is_odd_never_raises():
    cycle = []
    cycle.append(cycle)
    deep = []
    for _ in range(10_000):
        deep = [deep]
    for value in (cycle, deep, float('nan'), float('inf'), '\ud800', {'\ud800': '\x00'}, object(), type, len, lambda: 1, {1, 2},
                  range(3), iter([]), Exception('x'), memoryview(b'x'), {(1, 2): 3}, {None: 1}, ...):
        json.dumps(snapshot(value))


def test_a_long_text_is_cut_and_says_its_length_and_digest():
    text = 'x' * (LONGEST_TEXT + 5)
    shown = snapshot(text)
    assert len(shown) < LONGEST_TEXT + 200
    assert str(len(text)) in shown
    assert hashlib.sha256(json.dumps(text).encode()).hexdigest()[:16] in shown
    assert snapshot(text + 'y') != snapshot(text + 'z')


def test_many_entries_are_cut_and_a_change_behind_the_cut_still_shows():
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
                                  'Authorization', 'HTTP_X_AUTH_TOKEN', 'X-Service-Token', 'adminPass'])
def test_a_secret_is_masked_by_its_name_wherever_it_stands(name):
    for value in ({name: 's3cret'}, {'headers': {name: 's3cret'}}, [(name, 's3cret')], {'headers': [[name, 's3cret']]}):
        assert 's3cret' not in json.dumps(snapshot(value)), value


def test_locals_that_are_secret_are_masked():
    assert Copier().locals({'token': 's3cret'}, plan(('token',))) == {'token': b'"***"'}


def test_an_object_that_has_not_changed_is_copied_once():
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
