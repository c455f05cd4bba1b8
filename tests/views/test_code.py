"""The listing of a visit: what is marked and shown in it, checked with a trace function of this test's own."""

import ast
import collections
import copy
import dataclasses
import importlib.util
import itertools
import json
import re
import sys
import textwrap
import threading
from xml.etree import ElementTree

import pytest

from explorer import Scenario, pipeline, run, trace
from explorer.engines import recordings
from explorer.stations import BY_KEY
from explorer.trace import Step
from explorer.views import code, sources, syntax
from explorer.views.text import short, visible

_NUMBERS = itertools.count()
_RAN = {'ran', 'raised', 'passed'}


class Lines:
    """What a plain trace function sees of some functions: their lines, jumps, and locals at each line."""

    def __init__(self):
        self.lines, self.jumps, self.held = (collections.defaultdict(kind) for kind in (set, set, dict))

    def __enter__(self):
        self.kept = sys.gettrace(), threading.gettrace()
        threading.settrace(self.on_call)
        sys.settrace(self.on_call)
        return self

    def __exit__(self, *_):
        sys.settrace(self.kept[0])
        threading.settrace(self.kept[1])

    def on_call(self, frame, event, arg):
        if not frame.f_code.co_filename.endswith(('pipeline.py', 'visited.py')):
            return None
        key, last = frame.f_code.co_firstlineno, None

        def on_event(frame, event, arg):
            nonlocal last
            if event == 'line':
                self.lines[key].add(frame.f_lineno)
                self.jumps[key].add((last, frame.f_lineno))
                if key != frame.f_lineno and frame.f_code.co_filename.endswith('visited.py'):
                    self.held[key].setdefault(frame.f_lineno, copy.deepcopy(
                        {name: value for name, value in frame.f_locals.items() if plain(value)}))
                last = frame.f_lineno
            return on_event
        return on_event


def plain(value):
    try:
        return json.loads(json.dumps(value)) == value
    except (TypeError, ValueError, RecursionError):
        return False


@pytest.fixture
def visit(tmp_path, monkeypatch):
    """Return a function that visits a function of a temporary module: once with the hook, once with `Lines`."""
    def visit(text, *args, name='f', function=None, before=()):
        path = tmp_path / f'{next(_NUMBERS)}_visited.py'
        path.write_text(textwrap.dedent(text), encoding='utf-8')
        spec = importlib.util.spec_from_file_location('visited', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        function = function(module) if function else getattr(module, name)
        watched, seen = function.__code__, {'lines': set(), 'result': None, 'error': None}

        def held(frame):
            return {key: copy.deepcopy(value) if plain(value) else f'<{type(value).__name__}>'
                    for key, value in frame.f_locals.items()}

        def leave(code, frame, result, error):
            named = error and {'': type(error).__name__, 'args': [str(error)]}
            seen.update(after=held(frame), result=result if plain(result) else None, error=named)

        for context in (trace.watch([watched], lambda code, frame: seen.update(before=held(frame)),
                                    lambda code, line: seen['lines'].add(line), leave), Lines()):
            try:
                with context:
                    function(*copy.deepcopy(args))
            except Exception as error:
                assert seen['error'] and seen['error'][''] == type(error).__name__
        file = f'visited/{path.name}'
        for module in (code, syntax, sources):
            monkeypatch.setattr(module, 'code_of', lambda *_: watched, raising=False)
            monkeypatch.setattr(module, 'text_of', lambda *_: sources._text(watched), raising=False)
        step = Step(0, 'client', 'shell', name, file, watched.co_firstlineno, sorted(seen['lines']), 'client', 'nova',
                    1, 't', None, None, seen['before'], seen['after'], seen['result'], seen['error'], 0, 1)
        can = {number for _, _, number in watched.co_lines() if number} - {step.line}
        return step, context.lines[step.line] & can, context.jumps[step.line], context.held[step.line], can
    return visit


class Row:
    """A line as it is shown."""

    def __init__(self, element, gap):
        self.classes = set(element.get('class', '').split())
        self.code = ''.join(element.find('span').itertext())
        self.chips = [(each.get('class'), ''.join(each.itertext())) for each in element.findall('b')]
        self.titles = [each.get('title') for each in element.findall('b')]
        self.fields = [name.get('data-field') for name in element.findall('b/code')]
        self.gap = gap

    @property
    def texts(self):
        return [text for _, text in self.chips]


def rows(html):
    """Read a listing: {number of the line: Row}; it must be well-formed."""
    listing = ElementTree.fromstring(f'<div>{html}</div>').find('pre')
    inside = {id(line): each.find('summary').text for each in listing.iter('details') for line in each.iter('span')}
    found = [(int(line.get('data-line')), Row(line, inside.get(id(line)))) for line in listing.iter('span')
             if line.get('data-line')]
    assert [number for number, _ in found] == list(range(found[0][0], found[0][0] + len(found)))
    return dict(found)


def left(step):
    return rows(code.Listings().show(step))


def marked(shown):
    return {number for number, row in shown.items() if row.classes & _RAN}


EVERYTHING = '''
def f(items, mode='auto'):
    """Do many things.

    This is a longer text.
    """
    total = 0
    # A comment.
    if mode == 'auto':
        total = 1
    elif mode == 'off':
        total = 2
        total += 3
    else:
        total = 4
    for item in items:
        if item > 5:
            total += item
            continue
        total -= 1
    try:
        found = items[3]
    except IndexError:
        found = None
    else:
        found += 1
    finally:
        done = True
    while total > 100:
        total -= 50
    with open('/dev/null') as file:
        names = [
            each
            for each in items
        ]

    def inner(x):
        return (x +
                1)
    match mode:
        case 'auto':
            kind = 1
        case 'off' | 'none':
            kind = 2
        case _:
            kind = 3
    return inner(
        total)
'''


@pytest.mark.parametrize('given', [([],), ([1, 2, 3, 9],), ([200, 1], 'off'), ([7], 'other')])
def test_the_lines_that_ran_are_marked_and_no_others(visit, given):
    step, ran, _, _, can = visit(EVERYTHING, *given)
    shown = left(step)
    assert marked(shown) & can == ran
    assert {number for number, row in shown.items() if 'idle' in row.classes} & can == can - ran
    for number, row in shown.items():  # what begins a block is marked like the block
        if row.code.strip() in ('else:', 'finally:', 'try:'):
            assert bool(row.classes & _RAN) == (number + 1 in ran)


@pytest.mark.parametrize('given', [('off', 1, []), ('x', 1, []), ('auto', None, [])])
def test_a_part_of_a_condition_that_was_not_reached_is_not_marked(visit, given):
    step, ran, _, _, can = visit(CONDITIONS, *given)
    assert marked(left(step)) & can == ran
    assert (7 in ran) == (given[0] == 'x')


@pytest.mark.parametrize('given', [([],), ([1, 2, 3, 9],), ([200, 1], 'off'), ([7], 'other')])
def test_a_listing_holds_the_whole_text_in_order(visit, given):
    step, *_ = visit(EVERYTHING, *given)
    lines = [line.rstrip() for line in sources.text_of(step.station, step.file, step.line) or code.text_of('', '', 1)]
    assert [row.code for row in rows(code.Listings().show(step)).values()] == lines


def test_two_or_more_lines_in_a_row_that_did_not_run_are_folded_and_one_stays(visit):
    step, *_ = visit("""
    def f(a):
        if a:
            b = 1
            # about c

            c = 2
        if a:
            d = 1
        # about the rest
        if a:
            # why
            e = 1
        else:
            e = 2
        if a:

            # about f
            f = 1
            g = 2
        return e
    """, 0)
    shown = left(step)
    assert {number: row.gap for number, row in shown.items() if row.gap} == dict.fromkeys(
        (4, 5, 6, 7, 18, 19, 20), '2 lines that did not run')
    assert shown[9].classes == {'idle'} and shown[13].classes == {'idle'}
    assert shown[3].classes == {'ran'} and ('no', 'no') in shown[3].chips
    assert shown[10].classes == shown[12].classes == set()


def test_a_handler_that_was_not_tried_belongs_to_the_gap(visit):
    step, *_ = visit("""
    def f(a):
        try:
            b = a
        except (ValueError,
                KeyError) as error:
            raise error
        return b
    """, 1)
    shown = left(step)
    assert shown[3].classes == {'ran'}
    assert [number for number, row in shown.items() if row.gap == '3 lines that did not run'] == [5, 6, 7]


def test_a_handler_tells_whether_it_took_the_error(visit):
    step, *_ = visit("""
    def f(a):
        try:
            return a[0]
        except (ValueError,
                KeyError):
            return 1
        except IndexError:
            return 2
    """, [])
    shown = left(step)
    assert shown[6].chips == [('no', 'no')] and shown[8].chips == [('yes', 'yes')]


def test_the_first_line_of_a_docstring_is_shown_and_the_rest_is_folded(visit):
    step, *_ = visit(EVERYTHING, [])
    shown = rows(code.Listings().show(step))
    assert [number for number, row in shown.items() if 'docstring' in (row.gap or '')] == [4, 5, 6]
    assert not any(shown[number].classes for number in (3, 4, 5, 6))


GIVEN = list(itertools.product(['auto', 'off', 'x'], [None, 3], [[], [1], [1, 2, 3]]))
CONDITIONS = """
def f(mode, limit, items):
    size = len(items)
    if mode == 'auto' and limit is None:
        mode = None
    elif (mode == 'off' or
            size > 2):
        size = 0
    if not items:
        return None
    if size:
        size = 7
    else:
        size = 8
    return size
"""


@pytest.mark.parametrize('given', GIVEN)
def test_yes_and_no_stand_where_the_jumps_went(visit, given):
    step, _, jumps, _, _ = visit(CONDITIONS, *given)
    shown = left(step)
    function = ast.parse(textwrap.dedent(CONDITIONS)).body[0]
    for test in [node for node in ast.walk(function) if isinstance(node, ast.If)]:
        lines = range(test.test.lineno, test.test.end_lineno + 1)
        went = {to in range(test.body[0].lineno, test.body[-1].end_lineno + 1) for start, to in jumps
                if start in lines and to not in lines}
        told = [kind for kind, _ in shown[lines[-1]].chips if kind in ('yes', 'no')]
        assert told == (['yes'] if went == {True} else ['no'] if went == {False} else [])


@pytest.mark.parametrize('given', GIVEN)
def test_the_values_at_a_condition_are_those_that_it_found(visit, given):
    step, _, _, held, _ = visit(CONDITIONS, *given)
    shown, counted = left(step), 0
    for number, row in shown.items():
        if not {'yes', 'no'} & {kind for kind, _ in row.chips}:
            continue
        first = number if number in held else number - 1
        for text in row.texts[1:]:
            name, _, value = text.partition(' = ')
            assert value == short(held.get(first, held.get(number))[name], 48)
            counted += 1
    assert counted >= 2


def test_a_value_stands_after_the_last_assignment_that_ran(visit):
    step, _, _, held, _ = visit(CONDITIONS, 'auto', None, [1])
    shown = left(step)
    assert [text for number in (3, 5, 12) for text in shown[number].texts] == ['mode = None', 'size = 7']
    assert held[15]['size'] == 7 and shown[15].texts == []


def test_a_name_that_something_else_binds_has_no_value(visit):
    step, *_ = visit("""
    def f(error):
        kept = 1
        json = 2
        import json
        try:
            raise ValueError('a')
        except ValueError as error:
            if error:
                kept = 3

        def change():
            nonlocal kept
            kept = 4
        change()
        return kept
    """, 5)
    assert not any(text.startswith(('json', 'error', 'kept')) for row in left(step).values() for text in row.texts)


def test_a_condition_shows_no_value_that_it_made_itself_or_that_a_handler_bound(visit):
    step, *_ = visit("""
    def f(found, error):
        if (found := found + 1) > 3:
            found += 1
        try:
            raise ValueError(1)
        except ValueError as error:
            if error:
                pass
        if found:
            return 1
    """, 5, 'before')
    shown = left(step)
    assert [shown[line].texts for line in (3, 8, 10)] == [['yes'], ['yes'], ['yes', 'found = 7']]


def test_a_string_keeps_the_lines_that_are_indented_less(visit):
    step, *_ = visit("""
    class Owner:
        def method(self):
            return '''one
      two
    three'''
    """, None, function=lambda module: module.Owner.method)
    assert [row.code for row in left(step).values()] == [
        'def method(self):', "    return '''one", 'two', "three'''"]


def test_the_field_of_a_value_can_be_followed(walk):
    step, = walk.find('check_instance_state')
    fields = {text.partition(' = ')[0]: field for row in left(step).values()
              for text, field in zip([text for text in row.texts if ' = ' in text], row.fields, strict=True)}
    assert fields['instance.vm_state'] == 'vm_state'
    assert fields['instance.task_state'] is None  # that is the name of the field


# ------------------------------------------------------------------------------------------------------- errors


GUARD = """
def f(server, allowed):
    if server['state'] not in allowed:
        raise ValueError(
            server['state'], server['other'])
    return server
"""


def test_the_raise_is_marked_with_the_field_that_it_read(visit):
    step, *_ = visit(GUARD, {'state': 'stopped', 'other': 1}, ['active'])
    shown = left(step)
    assert [number for number, row in shown.items() if 'raised' in row.classes] == [4, 5]
    assert shown[5].texts == ['raises ValueError', 'server.state = "stopped"']
    alone = visit('def f(a, b):\n    if a:\n        raise ValueError(b)\n', 1, 2)[0]
    assert left(alone)[3].texts == ['raises ValueError', 'b = 2']
    without = visit('def f(a, b):\n    if a:\n        raise ValueError\n', 1, 2)[0]
    assert left(without)[3].texts == ['raises ValueError', 'a = 1']
    assert 'raised' not in str([row.classes for row in left(visit(GUARD, {'state': 1, 'other': 1}, [1])[0]).values()])


@pytest.mark.parametrize(('text', 'given', 'number', 'says'), [
    ('def f(a):\n    b = 1\n    b = int(a)\n    return b\n', 'x', 3, 'raises ValueError'),
    ('def f(a):\n    for b in a:\n        c = int(b)\n        d = c\n    return 1\n', ['1', 'x'], 2,
     'raises ValueError in this loop'),
    ('def f(a):\n    try:\n        raise KeyError(a)\n    except KeyError:\n        int(a)\n    return 1\n', 'x', 5,
     'raises ValueError'),
    ('def f(a):\n    try:\n        return int(a)\n    finally:\n        b = 1\n        c = 2\n', 'x', 3,
     'raises ValueError'),
    ('def f(a):\n    if int(a):\n        return 1\n    return 2\n', 'x', 2, 'raises ValueError'),
])
def test_an_error_that_passed_is_marked_where_it_came_through(visit, text, given, number, says):
    step, *_ = visit(text, given)
    shown = left(step)
    assert [line for line, row in shown.items() if row.classes & {'passed', 'raised'}] == [number]
    assert 'passed' in shown[number].classes and says in shown[number].texts


def test_an_error_that_is_raised_again_when_a_block_ends_is_not_blamed_on_the_block(visit):
    step, *_ = visit("""
    import contextlib

    @contextlib.contextmanager
    def save_and_reraise_exception():
        yield
        raise ValueError('again')

    def f(a):
        try:
            return int(a)
        except ValueError:
            with save_and_reraise_exception():
                len(a)
    """, 'x')
    assert [number for number, row in left(step).items() if 'passed' in row.classes] == [13]


def test_a_rejection_shows_the_line_and_the_field():
    step, = run(Scenario(state={'vm_state': 'stopped'})).find('check_instance_state')
    (row,) = [row for row in left(step).values() if 'raised' in row.classes]
    assert row.code.strip() == "raise refuse(attr='vm_state', state=instance.vm_state)"
    assert row.texts == ['raises InstanceInvalidState', 'instance.vm_state = "stopped"']


# ------------------------------------------------------------------------------------------ what was known before


MADE = """
def made(allowed, limit):
    def outer(f):
        def inner(a, *rest, server=None):
            return f(a) in allowed and limit
        return inner
    return outer
"""


def test_what_a_decorator_was_made_with_stands_at_the_def(visit):
    step, *_ = visit(MADE, 5, 6, name='inner', function=lambda module: module.made(['active', None], 3)(abs))
    known = dataclasses.replace(step, before={'a': 5, 'rest': [6], 'server': {'': 'Server', 'id': 1},
                                              'allowed': ['active', None], 'limit': 3})
    entry = code.listing_text(known, 'entry').splitlines()
    assert [line.partition('  # ')[2] for line in entry if '  # ' in line] == [
        'allowed = ["active", None], limit = 3, a = 5, rest = [6]']
    assert left(known)[4].texts == ['allowed = ["active", None]', 'limit = 3']
    old = dataclasses.replace(known, before={'a': 5})
    assert '  # a = 5' in code.listing_text(old, 'entry') and left(old)[4].texts == []


def test_at_entry_nothing_has_run(walk):
    for step in walk.steps:
        shown = code.listing_text(step, 'entry')
        assert not re.search(r'^ *\d+ >|  # (.*, )?(yes|no)$|did not run', shown, re.M)


# ------------------------------------------------------------------------------------------- the miniature and Nova


STATIONS = ('_migrate_live', 'check_instance_state', 'check_instance_lock', 'block_shares', 'live_migrate',
            'get_instance', '_get_force_param', 'reject_vtpm')


@pytest.mark.parametrize('state', [{}, {'vm_state': 'stopped'}, {'locked_by': 'owner'}], ids=str)
def test_the_lines_of_the_miniature_are_those_of_a_request_without_the_hook(api, state):
    api.seed(**state)
    with Lines() as seen:
        answer = api.migrate(version='2.96')
    found = run(Scenario(state=state))
    assert answer.status_int == found.response['status']
    checked = 0
    for step in (step for name in STATIONS for step in found.find(name)):
        shown = left(step)
        can = {number for _, _, number in sources.code_of(step.station, step.file, step.line).co_lines()} - {step.line}
        assert marked(shown) & can == seen.lines[step.line], step.station
        for number, row in shown.items():
            kinds = {kind for kind, _ in row.chips if kind in ('yes', 'no')}
            if kinds and row.code.lstrip().startswith(('if ', 'elif ')):  # its body begins on the next line
                assert ((number, number + 1) in seen.jumps[step.line]) == (kinds == {'yes'}), (step.station, number)
                checked += 1
    assert checked > 2


@pytest.mark.parametrize('name', list(recordings.scenarios())[::3])
def test_each_value_of_a_recorded_trace_is_in_the_payload(name):
    for step in recordings.trace_of(name).steps:
        held = [payload or {} for payload in (step.before, step.after)]
        for row in rows(code.Listings().show(step) or '<pre><span data-line="1"><span/></span></pre>').values():
            for text in row.texts:
                path, equals, value = text.partition(' = ')
                if equals:
                    at = [syntax.value_in(each, tuple(path.split('.'))) for each in held]
                    assert value in [shape for each in at for shape in (
                        short(each, 48), each.get('') if isinstance(each, dict) else None)], (step.station, text)


@pytest.mark.nova
@pytest.mark.parametrize('name', list(recordings.scenarios())[::3])
def test_a_recorded_trace_of_the_real_nova_shows_its_function_and_what_ran(name):
    sources.text_of.cache_clear()
    for step in recordings.trace_of(name).steps:
        if step.file.startswith('nova/'):
            shown = left(step)
            assert code.note_of(step) == ''
            assert set(step.lines) <= marked(shown)
            assert [row.code.strip() for row in shown.values()] == [
                visible(line.strip()) for line in sources.text_of(step.station, step.file, step.line)]


@pytest.fixture
def without_nova(monkeypatch, tmp_path):
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', str(tmp_path / 'bin/python'))
    sources.text_of.cache_clear()
    yield
    sources.text_of.cache_clear()


def test_without_nova_the_miniatures_function_is_shown_and_a_line_says_so(without_nova):
    step, = run(engine='recorded').find('live_migrate')
    note = code.note_of(step)
    assert 'make nova' in note and 'miniature' in note and '\n' not in note
    html = code.Listings().show(step)
    assert f'<p role="note">{note.replace(chr(39), "&#x27;")}</p>' in html
    shown = rows(html)
    ours = trace.codes(BY_KEY['live_migrate'].ours)[0]
    assert next(iter(shown)) == ours.co_firstlineno
    assert [row.code.strip() for row in shown.values()] == [line.strip() for line in sources.our_text('live_migrate')]
    assert not any(row.classes or row.chips for row in shown.values())
    assert code.listing_text(step, 'return').splitlines()[0] == note


def test_a_text_that_is_not_the_one_that_ran_is_not_shown(monkeypatch, walk):
    step = dataclasses.replace(walk.find('live_migrate')[0], file='explorer/other_text.py')
    monkeypatch.setattr(code, 'text_of', lambda *_: [])
    assert code.Listings().show(step) == f'<p role="note">{code.NOT_THE_ONE}</p>'
    assert code.listing_text(step, 'return') == code.NOT_THE_ONE


def test_a_function_that_is_gone_is_replaced_and_a_line_says_so(walk):
    step = dataclasses.replace(walk.find('live_migrate')[0], line=1)
    assert code.note_of(step) == 'Another version of the miniature ran here. This is the function of this version.'
    assert any('def live_migrate' in row.code for row in left(step).values())


def test_an_edited_function_says_so_and_shows_what_ran(monkeypatch, walk):
    step, = walk.find('live_migrate')
    monkeypatch.setattr(code, 'was_written', lambda file: file == pipeline.__file__)
    monkeypatch.setattr(code, 'was_edited', lambda *place: place == (step.station, step.file, step.line))
    html = code.Listings().show(step)
    assert sources.EDITED in html and set(step.lines) <= marked(rows(html))
    assert sources.EDITED not in code.Listings().show(walk.find('check_instance_state')[0])


# ---------------------------------------------------------------------------------------------------- the heading


def test_the_heading_names_function_place_and_badge_in_one_short_line(walk):
    listings = code.Listings()
    for step in walk.steps:
        head = ElementTree.fromstring(listings.heading(step))
        text = ''.join(head.itertext())
        assert '\n' not in text and len(text) < 115
        assert text.startswith(BY_KEY[step.station].name.rpartition('.')[2])
        assert f'{step.file}:{step.line}' in (text if sources.is_ours(step.file) else listings.heading(step))
    head = listings.heading(walk.find('_migrate_live')[0])
    file, line = recordings.head_of()['places']['_migrate_live']
    assert f'nova/…/migrate_server.py:{line}' in head and f'{file}:{line}"' in head
    badge = recordings.head_of()['badges']['_migrate_live']
    assert f'title="{code.BADGES[badge]}">{badge}</b>' in head


# ------------------------------------------------------------------------------------------------ unusual input


FORTY = 'def f(a):\n' + ''.join(f'    if a == {number}:\n        return {number}\n' for number in range(40))
UNUSUAL = [
    (FORTY, 20), (FORTY, 99),
    ('def f(a):\n    if a == 1: return 2\n    return 3\n', 1),
    ('def f(a):\n    while a:\n        a -= 1\n        if a == 2:\n            break\n    else:\n        a = 9\n', 5),
    ('def f(a):\n    return [b\n            for b in range(a)\n            if b]\n', 3),
    ('def f(a): return a\n', 3),
    ('def f(a):\n    pass\n', 3),
    ('def f(a):\n    try:\n        b = a\n    finally:\n        c = 2\n    return c\n', 3),
    ('def f(a):\n    class C:\n        d = 1\n        e = 2\n    return C.d\n', 3),
    ('def f(a):\n    global g\n    g = a\n    x: int\n    return g\n', 3),
    ('def f(a):\n\tif a:\n\t\tb = """x\n\t\ty"""\n\telse:\n\t\tb = 1\n\treturn b\n', 1),
    ('def f(a):\n    return (' + ' + '.join(['a'] * 900) + ')\n', 1),
    ('def f(a):\n    if ' + ' + '.join(['a'] * 900) + ':\n        return 1\n    return 2\n', 1),
    ('def f(a):\n    if 0:\n        b = 1\n        c = 2\n    return a\n', 1),
    ('def f(a):\n    b = f"{a!r:>{a}} # no comment"\n    return b\n', 1),
]


@pytest.mark.parametrize(('text', 'given'), UNUSUAL)
def test_unusual_functions_are_shown(visit, text, given):
    step, ran, _, _, can = visit(text, given)
    shown = left(step)
    assert marked(shown) & can == ran & can
    assert [row.code for row in shown.values()] == [line.expandtabs() for line in text.splitlines()]
    assert code.listing_text(step, 'entry') and code.listing_text(step, 'return')


@pytest.mark.parametrize('text', ['def f(:\n    x\n', 'x = (\n', '\x00\n', 'lambda: 1\n', 'if\n', '    "\n'])
def test_a_text_that_cannot_be_parsed_is_shown_as_it_is(monkeypatch, walk, text):
    step = dataclasses.replace(walk.find('live_migrate')[0], file=f'broken-{next(_NUMBERS)}', line=1, lines=[1, 2])
    for module in (code, syntax):
        monkeypatch.setattr(module, 'text_of', lambda *_: text.splitlines(keepends=True))
    monkeypatch.setattr(code, 'code_of', lambda *_: compile('def f():\n  1\n', 'broken', 'exec'))
    assert code.note_of(step) == code.UNPARSED
    assert [row.code.strip() for row in left(step).values()] == [visible(line.strip()) for line in text.splitlines()]


HOSTILE = '<script>alert("x")</script>&amp;\x1b[31m\u202e'


def test_hostile_text_stays_text(visit):
    step, *_ = visit("""
    def f(a):
        b = a
        if a == '<b class="yes">&lt;':  # <i>\u202e</i>
            return b <'&amp;'
        raise ValueError(a)
    """, HOSTILE)
    step = dataclasses.replace(step, error={'': f'Error{HOSTILE}', 'args': [HOSTILE]})
    html = code.Listings().show(step)
    text = code.listing_text(step, 'return') + code.listing_text(step, 'entry')
    shown = left(step)
    assert '<script' not in html and '<i>' not in html
    assert not re.search('[\x00-\x09\x0b-\x1f\u202e]', html + text)
    assert '''if a == '<b class="yes">&lt;':  # <i>\\u202e</i>''' in shown[4].code
    assert shown[3].texts == [f'b = {short(HOSTILE, 48)}'] and 'no' in shown[4].texts
    assert shown[5].code.strip() == "return b <'&amp;'"
    assert [title for title in shown[6].titles if '<script>' in title]


def test_a_file_with_a_hostile_name_stays_text(walk):
    step = dataclasses.replace(walk.find('live_migrate')[0], file=f'{HOSTILE}/x.py')
    html = code.Listings().heading(step) + code.Listings().show(step)
    assert '<script' not in html and '\x1b' not in html


@pytest.mark.parametrize('large', [
    'x' * 10_000_000, ['y' * 100] * 100_000, {f'{number:07}': number for number in range(500_000)},
    {'': 'dict', 'items': [[number, 'z'] for number in range(300_000)]}], ids=['text', 'list', 'dict', 'marked'])
def test_a_large_value_is_cut(visit, large):
    step, *_ = visit('def f(a):\n    b = a\n    if b:\n        return 1\n', 1)
    step = dataclasses.replace(step, before={'a': large}, after={'a': large, 'b': large})
    html = code.Listings().show(step)
    assert len(html) < 4_000
    (text,) = left(step)[2].texts
    assert text == f'b = {short(large, 48)}'  # as if it had not been cut first


def test_a_deep_value_is_shown(visit):
    step, *_ = visit('def f(a):\n    b = a\n', 1)
    deep = []
    for _ in range(400):
        deep = [deep]
    assert left(dataclasses.replace(step, after={'b': deep}))[2].texts[0].startswith('b = [[[[')


def test_a_step_that_has_not_ended_is_shown(walk):
    step = dataclasses.replace(walk.find('live_migrate')[0], before=None, after=None, lines=[], ended_ns=None)
    assert not marked(left(step))


# ------------------------------------------------------------------------------------------------ folds and text


def test_what_is_folded_away_is_stored_once_and_comes_back(walk):
    folds = {}
    folding = code.Listings(lambda text: f'\x02{folds.setdefault(text, len(folds))};')
    known = code.Listings()
    for step in walk.steps:
        assert unfolded(folding.show(step), list(folds)) == known.show(step)
    assert len(folds) < len(walk.steps)  # visits that look the same share a listing


def unfolded(html, texts):
    while '\x02' in html:
        html = re.sub('\x02([0-9]+);', lambda found: texts[int(found[1])], html)
    return html


def test_the_text_for_the_terminal_says_the_same(walk):
    for step in walk.steps:
        shown = left(step)
        for line in code.listing_text(step, 'return').splitlines():
            if not re.match(r' *\d', line):
                summary = line.strip().removeprefix('… ')
                assert summary in {row.gap for row in shown.values()}
                continue
            number, mark, rest = re.match(r' *(\d+) ([> ]) ?(.*)', f'{line}   ').groups()
            row = shown[int(number)]
            assert (mark == '>') == bool(row.classes & _RAN) and row.gap is None
            assert rest.rstrip() == f'{row.code}{"  # " + ", ".join(row.texts) if row.chips else ""}'.rstrip()
