"""From a syntax tree to blocks and edges, and the way of a visit, checked with a trace function of this test's own."""

import ast
import collections
import dis
import itertools
import sys
import textwrap
import threading

import pytest

from explorer import EXPLORATIONS, Scenario, run, trace
from explorer.engines import recordings, running
from explorer.engines.cloud import Cloud
from explorer.stations import BY_KEY, STATIONS
from explorer.trace import codes
from explorer.views import decisions, exits, syntax
from explorer.views.decisions import MOST_BLOCKS, shape, way
from tests.views.test_syntax import Visit

# ----------------------------------------------------------------------------------- what really ran, line by line


class Frames:
    """Every call of the functions of the path in one request: its lines in the order in which they ran."""

    def __init__(self, scenario):
        self.found = collections.defaultdict(list)  # {(name of the file, first line): [(lines, whether it raised)]}
        self.codes = {id(code): code for station in STATIONS if not station.boot for code in codes(station.ours)}
        runner = running.miniature()
        uuid, token = runner.seed(scenario, Cloud()), runner.token(scenario.caller)
        with runner._disturbed(scenario, uuid), self.watching():
            runner.send(scenario, Cloud(), uuid, token)
            runner.join()

    def watching(self):
        return Watching(self.on_call)

    def on_call(self, frame, event, arg):
        code = frame.f_code
        if id(code) not in self.codes:
            return None
        lines = []

        def on_event(frame, event, arg):
            if event == 'line':
                lines.append(frame.f_lineno)
            elif event == 'return':
                raised = not dis.opname[code.co_code[frame.f_lasti]].startswith('RETURN')
                self.found[code.co_filename.rpartition('/')[2], code.co_firstlineno].append((lines, raised))
            return on_event
        return on_event

    def like(self, step):
        """Return the calls that ran the same lines as a step and ended as it did."""
        calls = self.found[step.file.rpartition('/')[2], step.line]
        return [lines for lines, raised in calls
                if sorted(set(lines)) == step.lines and raised == (step.error is not None)]


class Watching:
    """Trace this thread and, through the gate that the engine's own threads were started with, those as well."""

    def __init__(self, on_call):
        self.on_call = on_call

    def __enter__(self):
        if hasattr(threading, 'settrace_all_threads'):
            threading.settrace_all_threads(self.on_call)
        self.before, trace._gate['now'] = threading.gettrace(), self.on_call
        threading.settrace(trace._through_gate)
        sys.settrace(self.on_call)

    def __exit__(self, *_):
        sys.settrace(None)
        threading.settrace(self.before)
        trace._gate['now'] = None
        if hasattr(threading, 'settrace_all_threads'):
            threading.settrace_all_threads(None)


def jumps(drawn, lines, *, returned):
    """Return the pairs of blocks that ran one after the other; a block outside of loops counts once."""
    order = [-1]
    for line in lines:
        block = next((block for block in drawn.blocks if block.holds(line)), None)
        again = block and not block.looped and block.kind != 'loop' and block.number in order
        if block and not again and block.number != order[-1]:
            order.append(block.number)
    end = next((block.number for block in drawn.blocks if block.kind == 'end'), None)
    if returned and end is not None and drawn.blocks[order[-1]].kind not in ('return', 'exit'):
        order.append(end)
    return set(itertools.pairwise(order)), order


def checked(step, frames):
    """Compare the marked edges of a visit with the jumps of its calls; return how many edges and conditions it has."""
    drawn = decisions.shape_of(step.station, step.file, step.line)
    if drawn is None:
        return 0, 0
    found, conditions = way(step, drawn), 0
    calls = frames.like(step)
    assert calls, f'{step.station} did not run like this'
    for lines in calls:
        pairs, order = jumps(drawn, lines, returned=step.error is None)
        for position in found.taken:
            edge = found.sources[position], drawn.edges[position].target
            assert edge in pairs, (step.station, drawn.edges[position], order)
            if drawn.edges[position].kind in ('yes', 'no'):
                conditions += 1
                others = {(each.source, each.target) for each in drawn.edges
                          if each.source == edge[0] and each.target != edge[1] and each.kind in ('yes', 'no')}
                assert not others & pairs
        assert {number for number in order[1:] if drawn.blocks[number].kind != 'end'} <= found.ran
    return len(found.taken), conditions


@pytest.mark.parametrize('name', recordings.scenarios())
def test_each_marked_edge_was_really_taken(name):
    scenario = recordings.scenarios()[name]
    steps, frames = run(scenario).steps, Frames(scenario)
    counts = [checked(step, frames) for step in steps if step.ended_ns is not None]
    if len(steps) > 15:
        assert sum(edges for edges, _ in counts) > 20
        assert sum(conditions for _, conditions in counts) > 5


def test_a_wrong_mark_would_be_found(walk, monkeypatch):
    frames, real = Frames(Scenario()), syntax.decided
    monkeypatch.setattr(syntax, 'decided', lambda step: {line: not went for line, went in real(step).items()})
    monkeypatch.setattr(decisions, '_possible', lambda *_: True)
    step, = walk.find('check_instance_state')
    drawn = decisions.shape_of(step.station, step.file, step.line)
    wrong = way(step, drawn)
    everything = wrong._replace(taken=frozenset(range(len(drawn.edges))))
    monkeypatch.setattr('tests.views.test_decisions.way', lambda *_: everything)
    with pytest.raises(AssertionError):
        checked(step, frames)


@pytest.mark.parametrize('name', recordings.scenarios())
def test_each_box_marked_in_a_recording_holds_a_line_that_ran(name):
    for step in recordings.trace_of(name).steps:
        drawn = decisions.shape_of(step.station, step.file, step.line)
        if drawn:
            for number in way(step, drawn).ran:
                block = drawn.blocks[number]
                assert block.kind == 'end' or any(block.holds(line) for line in step.lines)


# --------------------------------------------------------------------------------------- functions of this test's own


def drawn_of(text):
    return shape(ast.parse(textwrap.dedent(text)).body[0])


def taken(visit):
    """Return the marked edges of a visit as (text of the source, label, text of the target)."""
    drawn = shape(syntax.tree(visit.step))
    found = way(visit.step, drawn)
    text = {block.number: block.text[0] for block in drawn.blocks} | {-1: 'f'}
    return {(text[found.sources[position]], drawn.edges[position].label, text[drawn.edges[position].target])
            for position in found.taken}


CHOICE = """
def f(a):
    if a == 1:
        b = 'one'
    elif a == 2:
        b = 'two'
    else:
        raise ValueError(a)
    c = b
    return c
"""


def test_the_branch_that_ran_is_marked_and_the_other_is_not(monkeypatch):
    assert taken(Visit(CHOICE, monkeypatch, 1)) == {
        ('f', '', 'a == 1'), ('a == 1', 'yes', "b = 'one'"), ("b = 'one'", '', 'c = b'), ('c = b', '', 'return c')}
    assert taken(Visit(CHOICE, monkeypatch, 2)) == {
        ('f', '', 'a == 1'), ('a == 1', 'no', 'a == 2'), ('a == 2', 'yes', "b = 'two'"), ("b = 'two'", '', 'c = b'),
        ('c = b', '', 'return c')}
    assert taken(Visit(CHOICE, monkeypatch, 3)) == {
        ('f', '', 'a == 1'), ('a == 1', 'no', 'a == 2'), ('a == 2', 'no', 'raise ValueError(a)')}


CAUGHT = """
def f(a):
    try:
        b = 1 // a
    except (ZeroDivisionError, TypeError):
        b = 0
    c = b
    return c
"""


def test_an_error_leads_from_the_statement_to_its_handler(monkeypatch):
    assert ('b = 1 // a', '2 errors', 'b = 0') in taken(Visit(CAUGHT, monkeypatch, 0))
    assert ('b = 1 // a', '', 'c = b') not in taken(Visit(CAUGHT, monkeypatch, 0))
    assert taken(Visit(CAUGHT, monkeypatch, 1)) == {
        ('f', '', 'b = 1 // a'), ('b = 1 // a', '', 'c = b'), ('c = b', '', 'return c')}


LOOP = """
def f(items):
    for item in items:
        if item > 1:
            found = item
            break
    else:
        found = None
    return found
"""


def test_nothing_within_a_loop_or_out_of_it_is_marked(monkeypatch):
    visit = Visit(LOOP, monkeypatch, [1, 2])
    assert taken(visit) == {('f', '', 'for item in items')}
    drawn = shape(syntax.tree(visit.step))
    assert [(edge.kind, edge.label) for edge in drawn.edges if edge.source == 0] == [('yes', 'each'), ('no', 'done')]
    assert [edge for edge in drawn.edges if edge.kind == 'back']


SUPPRESSED = """
def f(a):
    import contextlib
    with contextlib.suppress(ZeroDivisionError):
        if 1 // a:
            a = 2
    return a
"""


def test_a_condition_that_an_error_may_have_ended_is_not_decided(monkeypatch):
    assert not [edge for edge in taken(Visit(SUPPRESSED, monkeypatch, 0)) if edge[1]]


def test_the_end_without_a_return_is_a_block_of_its_own(monkeypatch):
    text = 'def f(a):\n    if a:\n        a = 2\n'
    assert ('a', 'no', 'return') in taken(Visit(text, monkeypatch, 0))
    assert ('a = 2', '', 'return') in taken(Visit(text, monkeypatch, 1))


FORMS = {
    'match': ("""
        def f(a):
            match a:
                case [x, *_] if x:
                    return 1
                case None:
                    return 2
                case _:
                    raise ValueError
        """, {'plain', 'case', 'return', 'exit'}),
    'while': ("""
        def f(a):
            while a:
                a -= 1
                continue
            return a
        """, {'plain', 'loop', 'return'}),
    'nested functions': ("""
        def f(a):
            def g():
                if a:
                    return 1
            class C:
                pass
            return g
        """, {'plain', 'return'}),
    'comprehensions': ('def f(a):\n    return [x for x in a if x if not (lambda: 1)()]\n', {'return'}),
    'finally': ("""
        def f(a):
            try:
                return a()
            finally:
                b = 1
        """, {'return', 'plain'}),
    'an asynchronous function': ("""
        async def f(a):
            async with a as b:
                async for c in b:
                    await c
        """, {'plain', 'loop', 'end'}),
    'a try within a try': ("""
        def f(a):
            try:
                try:
                    a()
                except ValueError:
                    raise
                else:
                    b = 1
            except* KeyError:
                pass
            return b
        """.replace('except*', 'except'), {'plain', 'exit', 'return'}),
    'nothing': ('def f():\n    """Do nothing."""\n', {'end'}),
    'code that cannot be reached': ('def f():\n    return 1\n    if 2:\n        return 3\n', {'return'}),
}


@pytest.mark.parametrize('form', FORMS)
def test_every_form_of_statement_can_be_drawn(form):
    text, kinds = FORMS[form]
    drawn = drawn_of(text)
    assert {block.kind for block in drawn.blocks} == kinds
    assert all(-1 <= edge.source < len(drawn.blocks) > edge.target for edge in drawn.edges)
    assert {edge.target for edge in drawn.edges} == {block.number for block in drawn.blocks}


def test_the_rest_of_a_long_function_is_one_block():
    drawn = drawn_of('def f(a):\n' + ''.join(f'    if a == {n}:\n        a = {n + 1}\n' for n in range(40)))
    assert len(drawn.blocks) <= MOST_BLOCKS + 2
    assert drawn.blocks[-1].text == ('… 27 more conditions',)


def test_a_condition_takes_at_most_two_lines_and_is_whole_elsewhere():
    text = 'instance_is_locked_by_somebody and not context_of_the_caller.is_admin and not overridden'
    block = drawn_of(f'def f():\n    if {text}:\n        return 1\n').blocks[0]
    assert len(block.text) == 2
    assert block.text[1].startswith('and not')
    assert max(map(len, block.text)) <= 34
    assert block.whole == text


def test_a_value_of_ten_million_characters_is_cut(monkeypatch):
    visit = Visit('def f(a):\n    if a:\n        return 1\n', monkeypatch, 'x' * 10_000_000)
    test = syntax.tree(visit.step).body[0].test
    value, = decisions.values(visit.step, test)
    assert len(value) <= 34


def test_values_are_found_for_names_and_attributes(walk):
    step, = walk.find('check_instance_lock')
    test = next(block.test for block in decisions.shape_of(step.station, step.file, step.line).blocks if block.test)
    assert ', '.join(decisions.values(step, test)) == 'locked False, is_admin True'


# ----------------------------------------------------------------------------------------------------------- exits


def statuses(trace, key):
    """Return {class of an error: the status that the client gets} for what a station raises."""
    calls, step = exits.Calls(trace), trace.find(key)[0]
    drawn, function = decisions.shape_of(step.station, step.file, step.line), syntax.tree(step)
    named = {(exits.error_of(block.exit, function), block.exit) for block in drawn.blocks if block.exit}
    return {name: exits.status_for(calls, step, statement, name) for name, statement in named if name}


@pytest.mark.parametrize(('key', 'expected'), [
    ('check_instance_lock', {'InstanceIsLocked': 409}), ('check_instance_state', {'InstanceInvalidState': 409}),
    ('block_shares', {'ForbiddenWithShare': 409}), ('block_accelerators', {'ForbiddenWithAccelerators': 400}),
    ('set_api_version_request', {'InvalidGlobalAPIVersion': 406}), ('action_peek', {'MalformedRequestBody': 400}),
    ('get_content_type', {'InvalidContentType': 415}), ('API.get', {'InstanceNotFound': 404}),
    ('authorize', {'PolicyNotAuthorized': 403}), ('AuthProtocol', {'HTTPUnauthorized': 401}),
    ('RequestSpec.get_by_instance_uuid', {'RequestSpecNotFound': 500}), ('get_all_by_host', {})])
def test_an_error_is_followed_to_the_status_that_the_client_gets(walk, key, expected):
    found = statuses(walk if walk.find(key) else run(Scenario(host='host2')), key)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize('name', recordings.scenarios())
def test_the_status_of_what_rejected_a_request_is_that_of_the_response(name):
    trace = run(recordings.scenarios()[name])
    for step in (step for step in trace.steps if step.error is not None and step.node == 'api'):
        function, drawn = syntax.tree(step), decisions.shape_of(step.station, step.file, step.line)
        for block in drawn.blocks if drawn else ():
            error = exits.error_of(block.exit, function) if block.exit else None
            if error and block.number in way(step, drawn).ran:
                status = exits.status_for(exits.Calls(trace), step, block.exit, error)
                assert status == trace.response['status'], (step.station, error)


def test_an_error_that_nobody_waits_for_has_no_status():
    trace = run(recordings.scenarios()['no host is left, over a cast'])
    step, = trace.find('_live_migrate')
    assert exits.status_for(exits.Calls(trace), step, syntax.tree(step).body[-1], 'NoValidHost') is None
    trace = run(recordings.scenarios()['no host is left, over a call'])
    step, = trace.find('_live_migrate')
    assert exits.status_for(exits.Calls(trace), step, syntax.tree(step).body[-1], 'NoValidHost') == 400


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_every_deciding_station_exists_and_can_be_drawn(row):
    assert row.deciding
    for key in row.deciding:
        for code in codes(BY_KEY[key].ours):
            assert decisions.shape_of(key, trace.shortened(code.co_filename, BY_KEY[key].ours), code.co_firstlineno)
