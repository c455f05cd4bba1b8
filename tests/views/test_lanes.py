"""The map: the order of the moments, and where the bars and arrows are."""

import dataclasses
import re
from xml.etree import ElementTree

import pytest

from explorer import EXPLORATIONS, Scenario, run
from explorer.engines import recordings
from explorer.stations import BY_KEY, NODES
from explorer.trace import Trace, pack
from explorer.views import lanes, moments
from explorer.views.facts import asked, turned_back


@pytest.fixture(params=recordings.scenarios(), ids=str)
def trace(request):
    return recordings.trace_of(request.param)


def test_each_visit_is_entered_once_and_left_after_what_it_caused(trace):
    order, steps = lanes.moments(trace), trace.steps
    position = {moment: place for place, moment in enumerate(order)}
    assert len(position) == len(order) == 2 * len(steps)
    for step in steps:
        entry, end = position[step.index, 'entry'], position[step.index, 'return']
        assert entry < end
        if step.parent is not None:
            assert position[step.parent, 'entry'] < entry < end < position[step.parent, 'return']


def test_what_a_visit_waits_for_is_within_it_and_what_a_cast_starts_comes_at_the_end(trace):
    position = {moment: place for place, moment in enumerate(lanes.moments(trace))}
    for step in trace.steps:
        if step.parent is None and step.hop_from is not None:
            cause = trace.steps[step.hop_from]
            within = position[step.index, 'return'] < position[cause.index, 'return']
            # The clock says so as well: what waits ends after what it waits for.
            cast = cause.station == 'send' and not cause.before['wait_for_reply']
            assert within == (not cast)
            assert cast or step.ended_ns is None or cause.ended_ns is None or step.ended_ns <= cause.ended_ns
            if cast:
                assert position[step.index, 'entry'] > position[0, 'return']


def test_the_map_never_goes_back_to_the_left(trace):
    bars = {bar.step: bar for bar in lanes.lanes(trace).bars}
    places = [bars[step].x if moment == 'entry' else bars[step].to for step, moment in lanes.moments(trace)]
    assert places == sorted(places)
    assert sorted(bar.x for bar in bars.values()) == list(range(len(trace.steps)))


def test_a_bar_is_in_the_lane_of_its_node_and_below_its_caller(trace):
    shape = lanes.lanes(trace)
    bars = {bar.step: bar for bar in shape.bars}
    assert list(shape.rows) == [node for node in NODES if node in {step.node for step in trace.steps}]
    for step in trace.steps:
        bar = bars[step.index]
        assert bar.node == step.node
        assert 0 <= bar.row < shape.rows[bar.node]
        if step.parent is not None and trace.steps[step.parent].node == step.node:
            assert bar.row > bars[step.parent].row
            assert bars[step.parent].x < bar.x <= bar.to <= bars[step.parent].to
    taken = [(bar.node, bar.row, x) for bar in shape.bars for x in range(bar.x, bar.to + 1)]
    assert len(taken) == len(set(taken))  # no bar covers another


def test_arrows_join_what_the_trace_says_belongs_together(trace):
    links = lanes.lanes(trace).links
    exchanges = [step.index for step in trace.steps if step.station == 'http']
    answered = {link.end for link in links if link.kind == 'response'}
    assert answered <= set(exchanges)
    assert len([link for link in links if link.kind == 'message']) <= len(trace.messages)
    rejections = [link for link in links if link.kind == 'rejection']
    assert bool(rejections) == bool(trace.response and trace.response['status'] >= 400)


def test_the_segments_cover_every_column_once(trace):
    shape = lanes.lanes(trace)
    columns = [x for segment in shape.segments for x in range(segment.x, segment.to + 1)]
    assert columns == list(range(len(shape.bars)))
    legs = {bar.x: trace.steps[bar.step].exploration for bar in shape.bars}
    assert all(legs[x] == segment.leg for segment in shape.segments for x in range(segment.x, segment.to + 1))


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_a_story_has_five_to_eight_stops_where_a_run_gets_through(row):
    assert 5 <= len(row.story) <= 8
    assert {stop.station for stop in row.story} <= set(BY_KEY)
    for scenario in (row.scenario, Scenario(), Scenario(microversion='2.30')):
        trace = run(scenario)
        order = lanes.moments(trace)
        found = lanes.story(trace, row.key)
        assert 5 <= len(found) <= 8
        assert list(found) == sorted(set(found))
        told = {(trace.steps[order[stop][0]].station, order[stop][1]) for stop in found}
        assert told <= {(stop.station, stop.moment) for stop in row.story}


def test_every_stop_of_a_story_is_reached_by_some_run():
    traces = [recordings.trace_of(scenario) for scenario in recordings.scenarios()]
    for row in EXPLORATIONS:
        reached = {trace.steps[step].station for trace in traces
                   for step, _ in (lanes.moments(trace)[stop] for stop in lanes.story(trace, row.key))}
        assert {stop.station for stop in row.story} <= reached, row.key


def test_a_story_stops_where_the_request_was_rejected(trace):
    refused = turned_back(trace)
    for row in EXPLORATIONS:
        stops = [lanes.moments(trace)[stop] for stop in lanes.story(trace, row.key)]
        assert len(stops) <= 8
        assert refused is None or (refused.index, 'return') in stops


def test_one_arrives_where_most_can_be_seen(trace):
    refused, inner = turned_back(trace), {step.parent for step in trace.steps} | {step.hop_from for step in trace.steps}
    for step in trace.steps:
        index, moment = lanes.arrival(trace, step.index)
        assert index == step.index
        if step is refused or step.index not in inner:
            assert moment == 'return'


@pytest.mark.parametrize('half', [False, True])
def test_everything_drawn_is_within_the_map(trace, half):
    text = lanes.draw_lanes(trace, 'controller', half=half)
    rects = re.findall(r'<rect class="\w+" data-station="[^"]+" data-bar="\d+" data-x="\d+" data-to="\d+" '
                       r'x="([\d.]+)%" width="([\d.]+)%" '
                       r'y="([\d.]+)" height="([\d.]+)"', text)
    assert len(rects) == len(trace.steps)
    for x, width, y, height in (map(float, each) for each in rects):
        assert x + width <= 100
        assert y + height <= lanes.HEIGHTS[half]
    assert ('class="leg own"' in text) == any(step.exploration == 'controller' for step in trace.steps)


def deep(walk, number, *, nested):
    """Return a trace of *number* visits, each within the one before it, or each within the first."""
    first = walk.steps[0]
    steps = [dataclasses.replace(first, index=index, parent=(index - 1 if nested else 0) if index else None)
             for index in range(number)]
    rows = [[getattr(step, name) for name in step.__slots__] for step in steps]
    return dataclasses.replace(walk, packed=pack(rows), response=None, messages=[])


@pytest.mark.parametrize(('number', 'nested'), [(1, True), (3, True), (200, True), (2_000, False), (2_000, True)])
def test_a_small_a_deep_and_a_long_trace_can_be_drawn(walk, number, nested):
    trace = deep(walk, number, nested=nested)
    shape = lanes.lanes(trace)
    assert len(shape.bars) == number
    assert shape.rows == {'client': number if nested else min(number, 2)}
    assert lanes.draw_lanes(trace).count('data-x=') == number


def test_the_same_trace_is_read_once(walk, monkeypatch):
    lanes.moments(walk)
    monkeypatch.setattr(moments, '_tree', None)
    assert lanes.moments(walk)[0] == (0, 'entry')


def test_a_trace_saved_as_json_has_the_same_map():
    trace = run(Scenario(caller='reader'))
    assert lanes.draw_lanes(Trace.from_json(trace.to_json())) == lanes.draw_lanes(trace)


def test_a_still_map_stands_by_itself(trace):
    drawn = lanes.still(trace, 'controller')
    root = ElementTree.fromstring(drawn)
    assert root.find('{http://www.w3.org/2000/svg}title').text.startswith(asked(trace))
    assert len(root.findall('.//{http://www.w3.org/2000/svg}rect[@data-x]')) == len(trace.steps)
    assert 'var(' not in drawn
    assert '://' not in drawn.replace('http://www.w3.org/2000/svg', '')
    assert 'url(' not in drawn


def test_hostile_text_stays_text_in_the_map():
    trace = run(Scenario(host='</svg><script>alert(1)</script>\u202e'))
    for drawn in (lanes.draw_lanes(trace), lanes.still(trace)):
        assert '<script' not in drawn
        assert '\u202e' not in drawn
        ElementTree.fromstring(drawn)
