"""What the text of a function tells about a visit, checked with a trace function of this test's own."""

import itertools
import pathlib
import sys
import textwrap

import pytest

from explorer import pipeline, run
from explorer.engines import recordings
from explorer.payloads import leaves
from explorer.trace import Step
from explorer.views import syntax
from explorer.views.fields import journeys, same
from explorer.views.moments import moments_of
from explorer.views.syntax import MISSING, assignments, decided, returns_at, value_at
from explorer.views.text import short

_NUMBERS = itertools.count()


class Visit:
    """A function run by this test: its step, and each jump from line to line."""

    def __init__(self, text, monkeypatch, *args, name='f'):
        text = textwrap.dedent(text)
        space, self.jumps, lines, held, last = {}, set(), set(), {}, None
        exec(compile(text, 'visited', 'exec'), space)
        code = space[name].__code__

        def on_line(frame, event, arg):
            nonlocal last
            if event == 'line':
                self.jumps.add((last, frame.f_lineno))
                last = frame.f_lineno
                lines.add(last)
            held.clear()
            held.update(frame.f_locals)
            return on_line

        def on_call(frame, event, arg):
            if frame.f_code is not code:
                return None
            self.before = dict(frame.f_locals)
            return on_line

        error, result, before = None, None, sys.gettrace()
        sys.settrace(on_call)
        try:
            result = space[name](*args)
        except Exception as raised:
            error = {'': type(raised).__name__, 'args': []}
        finally:
            sys.settrace(before)
        file = f'visited-{next(_NUMBERS)}.py'
        body = text.splitlines(keepends=True)[code.co_firstlineno - 1:]
        monkeypatch.setattr(syntax, 'text_of', lambda *_: body)
        self.step = Step(0, 'client', 'shell', 'f', file, code.co_firstlineno, sorted(lines), 'client', 'nova', 1, 't',
                         None, None, self.before, dict(held), result, error, 0, 1)
        syntax.tree(self.step)  # kept for this file's name


GUARD = """
def f(state, allowed):
    if state not in allowed:
        raise ValueError(state)
    if state == 'active':
        found = 1
    else:
        found = 2
    return found
"""


@pytest.mark.parametrize(('state', 'ways'), [('stopped', {3: True}), ('active', {3: False, 5: True}),
                                             ('paused', {3: False, 5: False})])
def test_each_condition_went_the_way_that_the_lines_show(monkeypatch, state, ways):
    visit = Visit(GUARD, monkeypatch, state, ['active', 'paused'])
    assert decided(visit.step) == ways
    for line, was_true in ways.items():
        assert ((line, line + 1) in visit.jumps) == was_true


@pytest.mark.parametrize('text', [
    'def f(x):\n    for y in x:\n        if y:\n            z = 1\n    return x\n',
    'def f(x):\n    while x:\n        if x[0]:\n            x = x[1:]\n        else:\n            x = []\n',
    'def f(x):\n    if x: return 1\n    return 2\n',
    'def f(x):\n    try:\n        if x[9]:\n            y = 1\n    except IndexError:\n        pass\n',
    'def f(x):\n    if x.missing:\n        y = 1\n',
])
def test_nothing_is_decided_in_a_loop_on_one_line_or_where_an_error_may_have_ended_the_test(monkeypatch, text):
    assert decided(Visit(text, monkeypatch, [1, 0]).step) == {}


def test_a_value_stands_at_the_last_assignment_that_ran(monkeypatch):
    visit = Visit("""
    def f(a):
        b = a
        c = None
        if a:
            c = 'twice'
        a = (
            3)
        d, (e, *g) = 1, (2, 3)
        with open('/dev/null') as h:
            i = 1
        return b
    """, monkeypatch, 5)
    found = {each.name: (each.line, each.value) for each in assignments(visit.step) if each.name != 'h'}
    assert found == {'b': (3, 5), 'c': (6, 'twice'), 'a': (8, 3), 'd': (9, 1), 'e': (9, 2), 'g': (9, [3]), 'i': (11, 1)}


@pytest.mark.parametrize('text', [
    'def f(a):\n    b = 1\n    for b in range(3):\n        pass\n',
    'def f(a):\n    try:\n        a = int("x")\n    except ValueError:\n        pass\n',
    'def f(a):\n    a = int("x")\n',
])
def test_a_value_stands_nowhere_if_the_lines_do_not_tell_where_it_was_made(monkeypatch, text):
    assert assignments(Visit(text, monkeypatch, 1).step) == []


def test_a_value_at_a_line_is_the_one_that_the_line_read(monkeypatch):
    visit = Visit("""
    def f(mode, server, later):
        if mode == 'auto' and server['state'] is None:
            mode = None
        size = len(later)
        later.append(size)
        if later:
            return mode
    """, monkeypatch, 'auto', {'state': None}, [])
    assert value_at(visit.step, ('mode',), 3) == 'auto'  # later it is None
    assert value_at(visit.step, ('server', 'state'), 3) is None
    assert value_at(visit.step, ('nothing',), 3) is MISSING
    assert value_at(visit.step, ('size',), 7) == 0
    visit.step.after['server'] = {'state': 'changed'}
    assert value_at(visit.step, ('server', 'state'), 3) is None  # no line before it can have changed it
    assert value_at(visit.step, ('server', 'state'), 8) is MISSING


@pytest.mark.parametrize('text', ['def f(:\n', '', '    def f():\n  pass\n', 'x = 1\n', 'lambda: 1\n', '\x00'])
def test_a_text_that_is_no_function_says_nothing(monkeypatch, text):
    step = Step(0, 'client', 'shell', 'f', f'broken-{text!r}', 1, [1, 2], 'client', 'nova', 1, 't', None, None, {}, {},
                None, None, 0, 1)
    monkeypatch.setattr(syntax, 'text_of', lambda *_: text.splitlines(keepends=True))
    assert syntax.tree(step) is None
    assert (decided(step), assignments(step), returns_at(step)) == ({}, [], None)


@pytest.mark.parametrize('text', [
    'def f(a):\n' + ''.join(f'    if a == {number}:\n        return {number}\n' for number in range(40)),
    'def f(a):\n    match a:\n        case 1:\n            b = 1\n        case _:\n            b = 2\n    return b\n',
    'def f(a):\n    def g():\n        if a:\n            return 1\n    class C:\n        d = 1\n    return g()\n',
    'def f(a):\n    return [b for b in range(a) if b]\n',
    'def f(a):\n    try:\n        b = a\n    finally:\n        c = 2\n    return c\n',
])
def test_unusual_functions_are_read(monkeypatch, text):
    step = Visit(text, monkeypatch, 1).step
    assert syntax.tree(step).name == 'f'
    assert all(value in (1, 2) for _, _, value in assignments(step) if not callable(value))


@pytest.mark.parametrize('scenario', list(recordings.scenarios())[::4])
def test_a_value_is_nowhere_held_before_the_moment_where_it_came_from(scenario):
    trace = recordings.trace_of(scenario)
    places = {moment: place for place, moment in enumerate(moments_of(trace.packed))}
    for name, rows in journeys(trace).items():
        for row in rows:
            made = places[row.origin.step, 'entry']  # it was made at the earliest after this
            assert all(places[step, 'return'] >= made for step in row.steps), (name, row)
            if row.origin.moment == 'entry':
                held = trace.steps[row.origin.step].before
                assert any(same(row.value, text) for text in texts(held)), (name, row)


def texts(plain):
    """Return all values in plain data as they are shown."""
    return [short(value) for _, value in leaves(plain)]


def test_where_the_values_of_the_request_came_from():
    trace = run()
    lines = pathlib.Path(pipeline.__file__).read_text(encoding='utf-8').splitlines()

    def maker(field, value):
        (origin,) = {row.origin for row in journeys(trace)[field] if row.value == value}
        return trace.steps[origin.step].station, lines[origin.line - 1].strip()

    assert maker('block_migration', 'None') == ('_migrate_live', 'block_migration = None')
    assert maker('async_', 'True') == ('_migrate_live', "async_ = is_supported(req, '2.34')")
    assert maker('instance.task_state', '"migrating"') == ('live_migrate', "instance.task_state = 'migrating'")


@pytest.mark.parametrize('text', [
    'def f(a):\n    try:\n        b = 1\n        raise ValueError\n'
    '    except ValueError as b:\n        pass\n    return a\n',
    'def f(a):\n    b = 1\n    def g():\n        nonlocal b\n        b = 2\n    g()\n    return b\n',
    'def f(a):\n    b = 1\n    import sys as b\n    return b\n',
    'def f(a):\n    b = 1\n    match a:\n        case b:\n            return b\n',
])
def test_a_name_that_something_else_than_an_assignment_binds_has_no_value(monkeypatch, text):
    step = Visit(text, monkeypatch, 5).step
    assert 'b' not in {each.name for each in assignments(step)}
    assert value_at(step, ('b',), 99) is MISSING
