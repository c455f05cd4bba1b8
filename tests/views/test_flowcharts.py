"""From a trace to a flowchart: assert on the text, render later."""

import re
import shutil
import urllib.parse

import pytest

from explorer import EXPLORATIONS, Scenario, flowchart, run
from explorer.commands.diagrams import diagrams, write_diagrams
from explorer.engines.recordings import PAUSES
from explorer.errors import WrongUse
from explorer.stations import NODES
from explorer.views.facts import refused
from explorer.views.flowcharts import COLOURS, LANES, PAPER, drawn_steps, outline, render
from tests.conftest import ROOT

KEYS = [row.key for row in EXPLORATIONS]


def boxes(dot):
    return re.findall(r'^\t\t"?([\w. ]+?)"? \[label=', dot, re.MULTILINE)


def edges(dot):
    return [line for line in dot.splitlines() if '->' in line]


def test_every_box_is_a_step_and_every_station_a_box(walk):
    assert set(boxes(flowchart(walk).source)) == {step.station for step in walk.steps}


def test_there_is_a_lane_for_each_node(walk):
    dot = flowchart(walk).source
    assert re.findall(r'subgraph cluster_(\w+)', dot) == list(NODES)
    assert all(f'label="{name}"' in dot or f'label={name}' in dot for name in NODES.values())


def test_the_caption_says_engine_version_microversion_and_answer(walk):
    assert 'Engine miniature, Nova 34.0.0, microversion 2.96, response 202' in flowchart(walk).source


@pytest.mark.parametrize('key', KEYS)
def test_a_focus_draws_the_path_so_far(walk, key):
    row = next(row for row in EXPLORATIONS if row.key == key)
    drawn = {step.station for step in drawn_steps(walk, key)}
    assert drawn & set(row.focus)
    so_far = {station for leg in EXPLORATIONS[:row.number] for station in leg.focus}
    assert drawn <= so_far
    for leg in EXPLORATIONS[:row.number - 1]:
        assert set(leg.landmarks) & {step.station for step in walk.steps} <= drawn


@pytest.mark.parametrize(('key', 'station'), [
    ('controller', '_pause'), ('compute-api', 'pause'), ('rpc', 'rpcapi.pause_instance')])
def test_a_pause_is_drawn_with_its_own_stations(key, station):
    drawn = {step.station for step in drawn_steps(run(PAUSES['a pause']), key)}
    assert station in drawn


def test_the_active_station_is_marked(walk):
    step, = walk.find('can')[:1]
    dot = flowchart(walk, 'controller', step=step.index).source
    marked = [line for line in dot.splitlines() if ' active' in line]
    assert len(marked) == 1
    assert marked[0].lstrip().startswith('can [')
    assert 'penwidth=3' in marked[0]


def test_a_cast_and_a_call_look_different(walk):
    cast, call = flowchart(walk).source, flowchart(run(Scenario(microversion='2.30'))).source
    assert 'cast live_migrate_instance 1.15' in cast
    assert 'call migrate_server 1.20' in call
    assert [line for line in edges(cast) if 'dashed' in line and 'dir=forward' in line and 'arrowhead=open' in line]
    assert [line for line in edges(call) if 'dashed' in line and 'dir=both' in line]


def test_a_refusing_station_is_red_and_labelled():
    trace = run(Scenario(caller='manager', state={'locked_by': 'owner'}))
    assert refused(trace) == {'check_instance_lock'}
    dot = flowchart(trace).source
    red = [line for line in dot.splitlines() if 'peripheries=2' in line]
    assert len(red) == 1
    assert 'refused' in red[0]
    assert COLOURS['refused'][0] in red[0]
    assert ' 409 ' in dot


def test_a_filter_that_returns_an_error_response_refuses_the_request():
    trace = run(Scenario(caller='bad_token', request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {}, 'body': {}}))
    assert refused(trace) == {'AuthProtocol'}


def test_the_answer_is_drawn_from_where_it_was_made_or_not_at_all(walk):
    answers = [line for line in edges(flowchart(walk).source) if 'class=answer' in line]
    assert len(answers) == 1
    assert walk.steps[[step.index for step in walk.steps if step.node == 'api'][-1]].station in answers[0]
    assert not [line for line in edges(flowchart(walk, 'controller').source) if 'class=answer' in line]


def test_an_unknown_exploration_is_wrong_use(walk):
    with pytest.raises(WrongUse, match='no exploration'):
        flowchart(walk, 'moon')


HOSTILE = ['<b>&amp;</b>', r'\N\G\E\l', '"]; evil [label="x', '<script>alert(1)</script>', '\u202e\x01', 'x' * 5000]


@pytest.mark.parametrize('text', HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_from_a_payload_is_interpreted_by_graphviz(text):
    trace = run(Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action?x=' + urllib.parse.quote(text),
        'headers': {'Content-Type': 'application/json', 'OpenStack-API-Version': 'compute 2.34'},
        'body': {'os-migrateLive': {'host': text, 'block_migration': 'auto'}}}))
    dot = flowchart(trace).source
    assert set(boxes(dot)) == {step.station for step in trace.steps}
    svg, _ = render(dot)
    assert '<script' not in svg
    assert svg.count('class="node') == len(boxes(dot))


# -------------------------------------------------------------------------------------------------------- rendering


@pytest.mark.dot
def test_the_program_dot_draws_the_flowchart(walk):
    svg, by = render(flowchart(walk).source)
    assert by == 'dot'
    assert svg.count('class="node') == len(boxes(flowchart(walk).source))
    assert 'id="station_live_migrate"' in svg


@pytest.fixture
def no_dot(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    assert not shutil.which('dot')
    render.cache_clear()
    yield
    render.cache_clear()


def test_without_dot_a_library_that_carries_graphviz_draws(walk, no_dot):
    svg, by = render(flowchart(walk).source)
    assert by == 'pygraphviz'
    assert 'id="station_live_migrate"' in svg


@pytest.fixture
def no_graphviz(no_dot, monkeypatch, tmp_path):
    (tmp_path / 'pygraphviz.py').write_text('raise ImportError')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))


def test_the_library_that_draws_writes_no_warning(walk, no_dot, capfd):
    render(flowchart(walk).source)
    assert capfd.readouterr() == ('', '')


def test_without_both_the_outline_says_why(walk, no_graphviz):
    svg, why = render(flowchart(walk).source)
    assert svg is None
    assert 'install the package graphviz' in why
    told = outline(walk, 'rpc')
    assert 'conductor node' in told
    assert 'ComputeTaskManager._live_migrate' in told


def test_a_flowchart_shows_itself_in_a_notebook_even_without_graphviz(walk, no_graphviz):
    shown = flowchart(walk, 'rpc')._repr_mimebundle_()
    assert 'image/svg+xml' not in shown
    assert 'Graphviz is missing' in shown['text/plain']
    assert 'ComputeTaskManager._live_migrate' in shown['text/plain']


# --------------------------------------------------------------------------------------------------------- diagrams/


def test_the_diagrams_are_up_to_date(walk):
    assert write_diagrams(walk, check=True) == []


def test_the_diagrams_do_not_depend_on_the_run(walk):
    assert diagrams(run(Scenario())) == diagrams(walk)
    assert list(diagrams(walk)) == [*(f'nova-api-{n}' for n in range(1, 8)), 'nova-api-path']


@pytest.mark.dot
def test_a_diagram_that_was_edited_by_hand_is_named(walk, tmp_path):
    assert len(write_diagrams(walk, folder=tmp_path)) == 17
    assert write_diagrams(walk, folder=tmp_path, check=True) == []
    (tmp_path / 'nova-api-3.dot').write_text('digraph {}')
    (tmp_path / 'nova-api-5.svg').unlink()
    (tmp_path / 'nova-api-map.svg').write_text('<svg/>')
    assert write_diagrams(walk, folder=tmp_path, check=True) == [
        'nova-api-3.dot', 'nova-api-5.svg', 'nova-api-map.svg']


A4 = 523, 770  # points, within a margin of half an inch
PICTURES = sorted(path.with_suffix('.svg') for path in (ROOT / 'diagrams').glob('*.dot'))


@pytest.mark.parametrize('path', PICTURES, ids=lambda path: path.stem)
def test_a_picture_can_be_read_in_a_cell_and_on_a_page(path):
    text = path.read_text()
    width, height = map(float, re.search(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"', text).groups())
    smallest = min(map(float, re.findall(r'font-size="([\d.]+)"', text)))
    assert width * 4 / 3 < 900  # pixels at 100 %
    assert smallest * min(A4[0] / width, A4[1] / height, 1) >= 7


@pytest.mark.parametrize('path', PICTURES, ids=lambda path: path.stem)
def test_a_picture_has_its_own_background_and_every_node_its_fill_and_text(path):
    text = path.read_text()
    assert re.search(r'<polygon fill="(?:#ffffff|white)" stroke="(?:transparent|none)"', text)
    nodes = re.findall(r'<g id="station_.*?</text>', text, re.DOTALL)
    assert nodes
    for node in nodes:
        fill, ink = (re.search(rf'<{tag}[^>]* fill="(#[0-9a-f]{{6}})"', node)[1]
                     for tag in ('(?:path|polygon)', 'text'))
        assert contrast(fill, ink) > 4.5
    for ground in (PAPER, *LANES.values()):
        for ink in set(re.findall(r'<text[^>]* fill="(#[0-9a-f]{6})"', text)):
            assert contrast(ground, ink) > 4.5


def contrast(*colours):
    """Return the ratio of two colours' luminance, as WCAG 2 defines it."""
    def luminance(colour):
        parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    light, dark = sorted(map(luminance, colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)
