"""What a visit itself changed, what the visits within it changed, and how both are shown."""

import copy
import dataclasses
import functools
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from explorer import Scenario, run
from explorer.engines import recordings
from explorer.payloads import difference, parts
from explorer.stations import BY_KEY, FIELDS
from explorer.trace import pack
from explorer.views import changed
from explorer.views.changed import (
    MOST_LINES,
    Changed,
    changes_of,
    changes_text,
    layers,
    letter_of,
)
from explorer.views.facts import field_of, refusal
from explorer.views.syntax import MISSING, places

NAMES = list(recordings.scenarios())
UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'


@functools.cache
def traced(engine, name):
    return recordings.trace_of(name) if engine == 'recorded' else run(recordings.scenarios()[name])


# By module, so that all tests of a trace follow each other and its panes are rendered and read once.
@pytest.fixture(scope='module', params=[(engine, name) for engine in ('miniature', 'recorded') for name in NAMES],
                ids=', '.join)
def trace(request):
    return traced(*request.param)


@pytest.fixture(scope='module')
def walk():
    return run(Scenario())


# ------------------------------------------------------------------ this test's own way to look at payloads


def at(value, path):
    for name in path:
        below = parts(value)
        if value is MISSING or name not in below:
            return MISSING
        value = below[name]
    return value


def equal(one, other):
    if one is MISSING or other is MISSING:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def put(payload, path, value):
    """Return plain data with one place replaced."""
    if not path:
        return value
    if isinstance(payload, list):
        return [put(part, path[1:], value) if index == path[0] else part for index, part in enumerate(payload)]
    new = dict(payload)
    if len(path) == 1 and value is MISSING:
        new.pop(path[0], None)
    else:
        new[path[0]] = put(payload.get(path[0], {}), path[1:], value)
    return new


def redone(step, found):
    """Apply all changes of a visit to what it held at its entry, each as soon as its old value is there."""
    held, waiting = copy.deepcopy(step.before), [*found.own, *found.inner, *found.omitted]
    while True:
        change = next((each for each in waiting if equal(at(held, each.path), each.old)
                       and at(held, each.path[:-1]) is not MISSING), None)
        if change is None:
            return held, waiting
        held = put(held, change.path, change.new)
        waiting.remove(change)


def caller(trace, step):
    return step.parent if step.parent is not None else step.hop_from


def is_within(trace, index, outer):
    while index is not None and index != outer:
        index = caller(trace, trace.steps[index])
    return index == outer


def alike(one, other):
    """Return whether two paths can lead to the same attribute of an object that two visits hold."""
    tails = sorted([one[1:], other[1:]], key=len)
    return bool(tails[0]) and tails[1][-len(tails[0]):] == tails[0]


def compared(step):
    """List (path, old, new) for all that differs between the entry and the return of a step."""
    found = difference(step.before, step.after) if step.before is not None and step.after is not None else {}
    return [*((path, MISSING, new) for path, new in found.get('added', {}).items()),
            *((path, *values) for path, values in found.get('changed', {}).items()),
            *((path, old, MISSING) for path, old in found.get('dropped', {}).items())]


def changed_trace(trace, edit):
    """Return a trace whose steps have passed through *edit*."""
    steps = [edit(step) for step in trace.steps]
    return dataclasses.replace(
        trace, packed=pack([[getattr(step, name) for name in step.__slots__] for step in steps]))


# -------------------------------------------------------------------------------------------- who changed what


def test_the_changes_lead_from_what_came_in_to_what_was_held_at_the_end(trace):
    for step in trace.steps:
        if step.before is not None and step.after is not None:
            held, unused = redone(step, changes_of(trace, step))
            assert equal(held, step.after), step.index
            assert not unused, (step.index, unused)


def test_an_own_change_is_one_that_no_visit_it_called_had(trace):
    for step in trace.steps:
        called = [each for each in trace.steps if each.parent == step.index]
        theirs = [change for each in called for change in compared(each)]
        for path, old, new in changes_of(trace, step).own:
            same_kind = [
                other for other, was, now in theirs
                if len(path) > 1 and alike(path, other) and equal(old, was) and equal(new, now)]
            assert not same_kind, (step.index, path)


def test_who_is_named_for_a_change_is_within_and_has_that_change_itself(trace):
    number = 0
    for step in trace.steps:
        for change in changes_of(trace, step).inner:
            number += 1
            maker = trace.steps[change.step]
            assert maker.index != step.index
            assert is_within(trace, maker.index, step.index)
            assert maker.node == step.node or maker.node == 'bus'
            own = [each for each in changes_of(trace, maker).own if each.path[-1] == change.path[-1]
                   and equal(each.old, change.old) and equal(each.new, change.new)]
            assert own, (step.index, change.path)
            # What it held at its two moments says so as well, unless something within it went on with the value.
            assert changes_of(trace, maker).inner or any(
                path[-1] == change.path[-1] and equal(old, change.old) and equal(new, change.new)
                for path, old, new in compared(maker)), (step.index, change.path)
    assert number or not any(step.station == 'AuthProtocol' and step.error is None for step in trace.steps)


def test_nothing_that_differs_is_lost(trace):
    for step in trace.steps:
        found = changes_of(trace, step)
        told = [each.path for each in (*found.own, *found.inner, *found.omitted)]
        for path, *_ in compared(step):
            assert any(path[:len(each)] == each or each[:len(path)] == path for each in told), (step.index, path)


def test_what_is_omitted_is_no_news(trace):
    for step in trace.steps:
        for path, old, new in changes_of(trace, step).omitted:
            assert len(path) == 1
            bare = isinstance(new, str) and re.fullmatch('<.*>', new)
            loop = any(path[0] in place.assigns and hasattr(place.statement, 'iter') for place in places(step))
            empty = new is None or new is False or new in ('', [], {})
            assert bare or old is None or (old is MISSING and (empty or loop)), (step.index, path, new)
            assert loop or bare or field_of(path) not in FIELDS


def test_an_empty_local_is_shown_only_if_it_can_be_followed_or_is_returned(trace):
    for step in trace.steps:
        for path, old, new in changes_of(trace, step).own:
            if len(path) == 1 and old is MISSING and (new is None or new is False or new in ('', [], {})):
                returned = [step.result, *(step.result if isinstance(step.result, list) else [])]
                assert field_of(path) in FIELDS or any(equal(new, each) for each in returned), (step.index, path)


def test_the_task_state_is_changed_by_the_method_and_not_by_its_guards(walk):
    method, = walk.find('live_migrate')
    assert [(each.path, each.old, each.new) for each in changes_of(walk, method).own if len(each.path) > 1] == [
        (('instance', 'task_state'), None, 'migrating')]
    guards = [walk.find(key)[0] for key in ('block_shares', 'check_instance_lock', 'check_instance_state')]
    for guard in guards:
        assert not [each for each in changes_of(walk, guard).own if each.path[-1] == 'task_state']
        by = [each for each in changes_of(walk, guard).inner if each.path[-1] == 'task_state']
        assert [(each.path, each.old, each.new, each.step) for each in by] == [
            (('instance', 'task_state'), None, 'migrating', method.index)]


def test_the_microversion_is_read_by_one_visit_of_the_many_that_hold_the_request(walk):
    reader, = walk.find('set_api_version_request')
    for key in ('FaultWrapper', 'RequestLog', 'RequestBodySizeLimiter', 'Resource'):
        step = walk.find(key)[0]
        assert not [each for each in changes_of(walk, step).own if each.path[-1] == 'ver_minor']
        assert {each.step for each in changes_of(walk, step).inner if each.path[-1] == 'ver_minor'} == {reader.index}


def test_an_object_that_one_visit_adds_and_another_changes_is_traced_to_both(walk):
    outer, = walk.find('URLMap')
    found = {each.path[-1]: each for each in changes_of(walk, outer).inner if 'nova.context' in each.path}
    assert walk.steps[found['nova.context'].step].station == 'NovaKeystoneContext'
    assert walk.steps[found['cell_uuid'].step].station == 'set_target_cell'
    assert found['nova.context'].new['cell_uuid'] is None
    assert outer.after['environ']['nova.context']['cell_uuid'] == found['cell_uuid'].new is not None


def test_an_argument_that_gets_its_default_is_no_news(walk):
    step, = [each for each in walk.find('authorize') if each.before['exc'] is None]
    assert step.after['exc'] == '<class PolicyNotAuthorized>'
    assert changes_of(walk, step).own == ()
    step, = walk.find('check_instance_state')
    assert step.after['refuse'] == '<partial>'
    assert changes_of(walk, step).own == ()


def test_a_followed_field_that_becomes_none_is_news(walk):
    step, = walk.find('_migrate_live')
    own = {each.path: each.new for each in changes_of(walk, step).own}
    assert own['block_migration',] is own['host',] is None
    assert own['force',] is False


def test_without_the_change_within_the_outer_visit_is_named(walk):
    method, = walk.find('live_migrate')

    def edit(step):
        return dataclasses.replace(step, after=put(step.after, ('instance', 'task_state'), None)) if (
            step.index == method.index) else step
    trace = changed_trace(walk, edit)
    guard = trace.find('check_instance_state')[0]
    assert ('instance', 'task_state') in [each.path for each in changes_of(trace, guard).own]
    assert not [each for each in changes_of(trace, guard).inner if each.path[-1] == 'task_state']


def test_another_value_within_is_not_taken_for_the_change(walk):
    method, = walk.find('live_migrate')

    def edit(step):
        return dataclasses.replace(step, after=put(step.after, ('instance', 'task_state'), 'resizing')) if (
            step.index == method.index) else step
    trace = changed_trace(walk, edit)
    guard = trace.find('check_instance_state')[0]
    assert [(each.old, each.new) for each in changes_of(trace, guard).inner if each.path[-1] == 'task_state'] == [
        (None, 'resizing')]
    assert [(each.old, each.new) for each in changes_of(trace, guard).own if each.path[-1] == 'task_state'] == [
        ('resizing', 'migrating')]


def test_another_server_within_is_not_taken_for_this_one(walk):
    method, = walk.find('live_migrate')

    def edit(step):
        return dataclasses.replace(step, **{
            name: put(getattr(step, name), ('instance', 'uuid'), 'another') for name in ('before', 'after')}) if (
                step.index == method.index) else step
    trace = changed_trace(walk, edit)
    guard = trace.find('check_instance_state')[0]
    assert ('instance', 'task_state') in [each.path for each in changes_of(trace, guard).own]


def test_a_change_within_that_is_made_up_is_not_shown_further_out(walk):
    method, = walk.find('live_migrate')

    def edit(step):
        return dataclasses.replace(step, after=put(step.after, ('instance', 'node'), 'elsewhere')) if (
            step.index == method.index) else step
    trace = changed_trace(walk, edit)
    assert 'node' in [each.path[-1] for each in changes_of(trace, trace.find('live_migrate')[0]).own]
    for key in ('check_instance_state', 'block_shares'):
        found = changes_of(trace, trace.find(key)[0])
        assert 'node' not in [each.path[-1] for each in (*found.own, *found.inner)]


def two(walk, outer, inner, **more):
    """Return a trace of two visits that hold these values at their entry and return, the second within the first."""
    first = dataclasses.replace(walk.steps[0], before=outer[0], after=outer[1], result=None, parent=None, hop_from=None)
    second = dataclasses.replace(first, **{
        'index': 1, 'parent': 0, 'before': inner[0], 'after': inner[1], **more})
    rows = [[getattr(step, name) for name in step.__slots__] for step in (first, second)]
    return dataclasses.replace(walk, packed=pack(rows))


@pytest.mark.parametrize(('theirs', 'more', 'same'), [
    (('here', 'a', 'value'), {}, True), (('other', 'a', 'value'), {}, True), (('b', 'other', 'a', 'value'), {}, True),
    (('here', 'b', 'value'), {}, False), (('here', 'a', 'other'), {}, False), (('here', 'a', 'value', 'x'), {}, False),
    (('here', 'a', 'value'), {'parent': None, 'hop_from': 0}, True),
    (('here', 'a', 'value'), {'parent': None, 'hop_from': 0, 'node': 'api'}, False)])
def test_a_change_within_is_found_by_the_end_of_its_path_in_the_same_process(walk, theirs, more, same):
    def held(path, value):
        for name in reversed(path):
            value = {name: value}
        return value
    trace = two(walk, [held(('here', 'a', 'value'), value) for value in (1, 2)],
                [held(theirs, value) for value in (1, 2)], **more)
    found = changes_of(trace, trace.steps[0])
    assert [each[1:] for each in found.inner] == ([(1, 2, 1)] if same else [])
    assert bool(found.own) != same


def test_a_value_that_goes_through_several_visits_is_told_in_its_steps(walk):
    trace = two(walk, [{'held': {'value': 1}}, {'held': {'value': 3}}],
                [{'held': {'value': 1}}, {'held': {'value': 2}}])
    found = changes_of(trace, trace.steps[0])
    assert found.inner == ((('held', 'value'), 1, 2, 1),)
    assert found.own == ((('held', 'value'), 2, 3),)
    trace = two(walk, [{'held': {'value': 1}}, {'held': {'value': True}}],
                [{'held': {'value': 0}}, {'held': {'value': 1}}])
    assert changes_of(trace, trace.steps[0])[:2] == (((('held', 'value'), 1, True),), ())


def test_a_server_on_another_node_is_another_object():
    trace = traced('miniature', 'rpc, at microversion 2.30')
    for step in trace.steps:
        for change in changes_of(trace, step).inner:
            assert {step.node, trace.steps[change.step].node} <= {step.node, 'bus'}


# ---------------------------------------------------------------------------------------------------- the panes


class Page(HTMLParser):
    """The tags, attributes and text of HTML, and what is within what."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.folds, self.listed = set(), [], [], 0, 0
        self.texts, self.outside = [], []  # the second is what is not in a list of values and not whole in a fold
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes.append(dict(attributes))
        self.folds += tag == 'details'
        self.listed += tag == 'details' and any(('class', 'values') in each for _, each in self.open)
        self.open.append((tag, attributes))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.texts.append(data)
        within = [(tag, dict(attributes).get('class')) for tag, attributes in self.open]
        if ('ul', 'values') not in within and not (('details', None) in within and within[-1][0] in ('bdi', 'code')
                                                   and ('summary', None) not in within):
            self.outside.append(data)

    @property
    def text(self):
        return ''.join(self.texts)


def panes(trace, kind=None):
    shown = kind or Changed()
    return [(step, shown.enter(trace, step), shown.leave(trace, step)) for step in trace.steps]


LAST = {}  # the pages of the last trace


def pages(trace):
    """Return each step with its two panes as HTML, and as read."""
    if LAST.get('packed') is not trace.packed:
        LAST.update(packed=trace.packed, pages=[
            (step, came, left, Page(came), Page(left)) for step, came, left in panes(trace)])
    return LAST['pages']


def test_both_panes_are_well_formed_and_few_folds_are_in_them(trace):
    for step, _, _, *both in pages(trace):
        for page in both:
            assert page.tags <= {'h5', 'p', 'ul', 'li', 'b', 'code', 'bdi', 'del', 'span', 'details', 'summary',
                                 'section', 'pre', 'dl', 'dt', 'dd'}
            assert page.folds <= 8 + sum(bool(parts(value)) for value in (step.before or {}).values())
            assert page.listed == 0


def test_a_pane_shows_each_change_with_its_name_and_its_mark(trace):
    for step, *_, page in pages(trace):
        found = changes_of(trace, step)
        for change in (*found.own, *found.inner):
            mark = {'added': '+', 'changed': '~', 'dropped': '−'}[change.kind]
            assert f'{mark} {".".join(map(str, change.path))} ' in page.text
        links = [each for each in page.attributes if 'data-goto' in each]
        assert [int(each['data-goto']) for each in links] == [each.step for each in found.inner]
        for each in links:
            maker = trace.steps[int(each['data-goto'])]
            assert f'by step {maker.index + 1}, {BY_KEY[maker.station].name}' in page.text
        if not found.own:
            assert 'Nothing changed here.' in page.text


def test_a_pane_lists_the_argument_and_what_the_decorator_was_made_with(walk):
    step, = walk.find('check_instance_state')
    came = Changed().enter(walk, step)
    first, _, made = came.partition('<h5>Fixed by the decorator</h5>')
    for name in ('vm_state', 'task_state', 'must_have_launched'):
        assert name in Page(made).outside
        assert name not in Page(first).outside
    assert '<code>instance</code> Instance web-1 active' in first

    def edit(each):
        return dataclasses.replace(each, before={
            name: value for name, value in each.before.items() if name not in BY_KEY[each.station].made_with}) if (
                each.index == step.index) else each
    older = changed_trace(walk, edit)
    assert 'Fixed by' not in Changed().enter(older, older.steps[step.index])


def values(value):
    """Yield every value that has no parts but perhaps the name of its class."""
    below = [part for name, part in parts(value).items() if name != '']
    if not below:
        yield value
    for part in below:
        yield from values(part)


def test_all_values_are_listed_up_to_a_limit(trace):
    for step, _, left, _, page in pages(trace):
        held = list(values(step.after or {})) if step.after else []
        if len(held) <= MOST_LINES and held:
            assert f'all {len(held)} value' in left
            everything = page.text.rpartition(f'all {len(held)} value')[2]
            for value in held:
                if isinstance(value, str) and re.fullmatch(r'[\w .:/-]+', value) and len(value) < 150:
                    assert f'"{value}"' in everything


def test_what_does_not_fit_is_counted(walk):
    def edit(step):
        return dataclasses.replace(step, after={'many': list(range(1000))}) if step.index == 0 else step
    trace = changed_trace(walk, edit)
    left = Changed().leave(trace, trace.steps[0])
    assert 'all 1,000 values' in left
    assert f'… {1000 - MOST_LINES} more' in left
    assert f'<li>{changed._name(("many", 5), "5", leaf=True)} 5</li>' in left
    assert left.count('<li>') < 2 * MOST_LINES + 20


def test_an_id_is_shortened_and_whole_on_a_click(trace):
    number = 0
    for _, came, left, *both in pages(trace):
        for pane, page in zip((came, left), both, strict=True):
            for title, whole, shown in re.findall(
                    r'<span class="id" title="([^"]*)" tabindex="0" data-whole="([^"]*)">([^<]*)</span>', pane):
                number += 1
                assert title == whole
                assert re.fullmatch(f'(req-)?{UUID}|[0-9a-f]{{32}}', whole)
                assert whole.startswith(shown.removesuffix('…'))
                assert len(shown.removeprefix('req-')) == 9
            assert not re.search(UUID, '\n'.join(page.outside))
    assert number


def test_the_run_of_a_link_is_the_one_asked_for(walk):
    step = walk.find('check_instance_state')[0]
    assert 'data-run="0"' in Changed().leave(walk, step)
    assert set(re.findall('data-run="([0-9]+)"', Changed().leave(walk, step, 1))) == {'1'}


def test_folded_fragments_together_are_what_is_shown_without_folding(walk):
    stored = {}

    def fold(text):
        return text if len(text) < 120 else f'\x02{stored.setdefault(text, len(stored))};'

    def unfolded(text):
        texts = list(stored)
        while '\x02' in text:
            text = re.sub('\x02([0-9]+);', lambda found: texts[int(found[1])], text)
        return text
    plain = panes(walk)
    packed = panes(walk, Changed(fold))
    assert [(unfolded(came), unfolded(left)) for _, came, left in packed] == [
        (came, left) for _, came, left in plain]
    size = sum(map(len, stored)) + sum(len(came) + len(left) for _, came, left in packed)
    assert size < 250_000


def test_hostile_text_stays_text():
    host = '</bdi></code>"\'><script>alert(1)</script><img onerror=x>\u202e\x02\x1b[31m'
    trace = run(Scenario(host=host, request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action?x=</pre><script>',
        'headers': {'Content-Type': 'application/json', 'X-Evil': '</pre><script>alert(2)</script>'},
        'body': {'os-migrateLive': {'host': host, '"><script>': '</summary><script>' * 40}}}))
    seen = ''
    for step, *both in panes(trace):
        for pane in [*both, layers(trace, step)]:
            page = Page(pane)
            seen += page.text
            assert not page.tags & {'script', 'img'}
            assert not [name for each in page.attributes for name in each if name.startswith('on')]
            assert not {'\u202e', '\x02', '\x1b'} & set(pane)
        for line in [*changes_text(trace, step, 'entry'), *changes_text(trace, step, 'return')]:
            assert not {'\u202e', '\x1b', '\n'} & set(line)
    assert '<script>alert(1)</script>' in seen
    assert '<script>alert(2)</script>' in seen


@pytest.mark.parametrize('made', [
    lambda text: {'host': text}, lambda text: {'body': {'a': {'b': text}}},
    lambda text: {'host': {'': 'bytes', 'value': text}},
    lambda text: {'request': {'': 'PreparedRequest', 'method': 'POST', 'url': 'http://x/y', 'headers': {},
                              'body': text}},
    lambda text: {'target': {'topic': 'x'}, 'message': {'method': text, 'args': {text[:100]: text}}},
    lambda text: {'many': [text[:200]] * 50_000}], ids=['text', 'nested', 'bytes', 'request', 'message', 'list'])
def test_a_value_of_ten_megabytes_is_cut_and_its_length_is_told(walk, made):
    after = made('<' * 10_000_000)

    def edit(step):
        return dataclasses.replace(step, station='send', node='bus', before=made('x' * 10_000_000), after=after,
                                   result='y' * 10_000_000) if step.index == 98 else step
    trace = changed_trace(walk, edit)
    step = trace.steps[98]
    came, left = Changed().enter(trace, step), Changed().leave(trace, step)
    lines = changes_text(trace, step, 'return')
    assert len(came) < 400_000
    assert len(left) < 600_000
    assert '10,000,000' in left
    assert 'more</li>' in left or 'x' * 20_000 in came + left or '&lt;' * 19_000 in left
    assert all(len(line) < 400 for line in lines)


def test_a_long_value_is_folded_and_whole(walk):
    text = ' '.join(map(str, range(100)))

    def edit(step):
        return dataclasses.replace(step, after={**step.after, 'text': text}) if step.index == 0 else step
    trace = changed_trace(walk, edit)
    left = Changed().leave(trace, trace.steps[0])
    first, _, rest = left.partition('<h5>returns</h5>')
    assert re.search(r'<code>text</code> <details><summary>"0 1 2 3.*…</summary><bdi>"', first)
    assert f'<bdi>"{text}"</bdi>' in first
    assert f'data-whole="&quot;{text}&quot;"' in rest


@pytest.mark.parametrize('lacking', ['before', 'after'])
def test_a_trace_that_lacks_what_was_held_says_so(trace, lacking):
    older = changed_trace(trace, lambda step: dataclasses.replace(step, **{lacking: None}))
    for step in older.steps:
        assert changes_of(older, step).own == changes_of(older, step).inner == ()
        assert 'not recorded' in Changed().leave(older, step)
        assert ('not recorded' in Changed().enter(older, step)) == (lacking == 'before')
        assert changes_text(older, step, 'return')
        changes_text(older, step, 'entry')


def test_the_terminal_shows_the_same_changes_as_the_pane(trace):
    for step in trace.steps:
        found, lines = changes_of(trace, step), changes_text(trace, step, 'return')
        assert len([line for line in lines if line[0] in '+~−']) == len(found.own) + len(found.inner)
        by = lines[len(lines) - len(found.inner):]
        assert [int(line.rpartition(' by ')[2].split()[0]) - 1 for line in by] == [each.step for each in found.inner]
        assert any(line.startswith(('returns ', 'raises ')) for line in lines)


# ------------------------------------------------------------------------------------------ requests and messages


def objects(value):
    if isinstance(value, dict):
        yield value
    for part in parts(value).values():
        yield from objects(part)


def held_in(trace):
    for step in trace.steps:
        for value in (step.before, step.after, step.result):
            yield from objects(value)


def test_a_request_that_arrived_is_written_as_it_was_sent(trace):
    number = 0
    for value in held_in(trace):
        if 'REQUEST_METHOD' not in value:
            continue
        number += 1
        written = letter_of(value)
        method, path, protocol = written.first.split(' ')
        assert (method, protocol) == (value['REQUEST_METHOD'], 'HTTP/1.1')
        assert path.partition('?')[0] == value['SCRIPT_NAME'] + value['PATH_INFO']
        names = {name.upper().replace('-', '_'): text for name, text in written.headers}
        for name, text in value.items():
            if name.startswith('HTTP_'):
                assert names.pop(name[5:]) == str(text)
        assert set(names) <= {'CONTENT_TYPE', 'CONTENT_LENGTH'}
        assert letter_of({'': 'Request', 'environ': value}) == written
    assert number


def test_the_exchange_with_the_api_is_shown_as_the_trace_has_it(trace):
    for step, _, _, came, left in pages(trace):
        if [step] != trace.find('http')[-1:]:
            continue
        text = came.text
        path = trace.request['path']
        assert f'{trace.request["method"]} {re.sub(UUID, lambda found: found[0][:8] + "…", path)} HTTP/1.1\n' in text
        for name, value in trace.request['headers'].items():
            if name.lower() in ('accept', 'content-type', 'openstack-api-version'):
                assert f'{name}: {value}\n'.lower() in f'{text}\n'.lower()
        for part in re.findall(r'"[\w-]+"', json.dumps(trace.request['body'])):
            assert part in text
        answer = left.text
        assert f'HTTP/1.1 {trace.response["status"]} ' in answer
        body = trace.response['body']
        if isinstance(body, dict):
            begun = answer.index('\n\n{') + 2
            assert json.JSONDecoder().raw_decode(answer[begun:].replace('\\u000a', '\\n'))[0].keys() == body.keys()


def test_a_response_has_its_status_headers_and_body():
    response = {'': 'Response', 'status': '409 Conflict', 'headerlist': [['Vary', 'a'], ['Vary', 'b']],
                'app_iter': ['{"a": ', '[1, 2.50]}']}
    written = letter_of(response)
    assert written.first == 'HTTP/1.1 409 Conflict'
    assert written.headers == [('Vary', 'a'), ('Vary', 'b')]
    assert written.body == '{"a": [1, 2.50]}'  # laid out, it would be another text: 2.5


@pytest.mark.parametrize(('body', 'shown'), [
    ('{"a": {"b": null}}', '{\n  "a": {\n    "b": null\n  }\n}'), ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
    ('{', '{'), ('[1e999]', '[1e999]'), ('[NaN]', '[NaN]'), ('[-0]', '[-0]'), ('', ''), (None, ''),
    ('[' * 5000, '[' * 5000)])
def test_a_body_is_laid_out_only_if_that_changes_nothing(body, shown):
    request = {'': 'PreparedRequest', 'method': 'POST', 'url': 'http://host:80/a?b=1', 'headers': {'X': 'y'},
               'body': body}
    written = letter_of(request)
    assert written.first == 'POST /a?b=1 HTTP/1.1'
    assert written.headers == [('Host', 'host:80'), ('X', 'y')]
    assert written.body == shown


def test_the_message_has_its_address_and_its_text_on_the_wire(walk):
    step, = walk.find('send')
    page = Page(Changed().enter(walk, step))
    for text in ('kindcast: the sender does not wait', 'topic"conductor"', 'namespace"compute_task"', 'version"1.15"',
                 'method"live_migrate_instance"'):
        assert text in page.text
    assert json.dumps(step.before['message']) in page.text


def test_what_a_letter_leaves_out_is_listed_below_it(walk):
    step, = walk.find('Resource')
    text = Page(Changed().enter(walk, step)).text
    assert re.search('openstack.request_id "req-', text)
    assert 'nova.context' in text
    assert text.count('PATH_INFO') == 0


def test_secrets_stay_masked(trace):
    tokens = {text for _, came, left, *_ in pages(trace) for text in re.findall(
        r'X-Auth-Token</code>: (?:<[^>]*>)?([^<\n]*)', came + left)}
    assert tokens <= {'***'}


# -------------------------------------------------------------------------------------------------- rejections


def test_the_layers_are_links_on_the_way_back_only(trace):
    rows = refusal(trace)
    for step in trace.steps:
        shown = layers(trace, step)
        assert layers(trace, step, 'entry') == ''
        if not rows or not is_within(trace, rows[0].step, step.index):
            assert shown == ''
            continue
        beyond = any(trace.steps[index].parent is None and trace.steps[outer].station == 'send'
                     and not trace.steps[outer].before['wait_for_reply']
                     for index, outer in itertools.pairwise(way(trace, rows[0].step, step.index)))
        assert (shown == '') == beyond
        if shown:
            page = Page(shown)
            links = [each for each in page.attributes if 'data-goto' in each]
            assert [int(each['data-goto']) for each in links][:len(rows) - 1] == [row.step for row in rows[:-1]]
            now = [each for each in page.attributes if each.get('aria-current') == 'true']
            assert now
            assert all(is_within(trace, int(each['data-goto']), step.index) for each in now)


def way(trace, index, outer):
    found = [index]
    while index != outer:
        index = caller(trace, trace.steps[index])
        found.append(index)
    return found


def test_the_layer_of_the_step_is_current():
    trace = run(Scenario(caller='reader'))
    rows = refusal(trace)

    def current(index):
        return re.findall('aria-current="true">([^<]*)<', layers(trace, trace.steps[index]))
    assert current(rows[0].step) == ['domain error PolicyNotAuthorized']
    assert current(trace.find('expected_errors')[0].index) == ['domain error PolicyNotAuthorized']
    assert current(rows[1].step) == ['HTTP error 403', 'fault']
    assert current(trace.find('URLMap')[0].index) == ['HTTP error 403', 'fault']
    assert current(trace.find('http')[-1].index) == current(0) == ['response 403']
    assert layers(trace, trace.find('AuthProtocol')[0]) == ''


def test_an_accepted_request_has_no_layers(walk):
    assert not any(layers(walk, step) for step in walk.steps)


def test_a_claim_that_is_not_true_would_be_found(walk):
    step, = walk.find('live_migrate')
    found = changes_of(walk, step)
    untrue = found.own[0]._replace(new='resizing')
    held, unused = redone(step, found._replace(own=(untrue, *found.own[1:])))
    assert not equal(held, step.after)
    held, unused = redone(step, found._replace(own=found.own[1:]))
    assert not equal(held, step.after)
    held, unused = redone(step, found._replace(own=(*found.own, found.own[0]._replace(old='paused'))))
    assert unused
