"""From a trace to a flowchart: assert on the text, render later."""

import re
import shutil
import urllib.parse

import pytest

from explorer import EXPLORATIONS, Scenario, flowchart, run
from explorer.commands.diagrams import diagrams, write_diagrams
from explorer.engines import real_nova, recordings
from explorer.engines.recordings import PAUSES
from explorer.errors import WrongUse
from explorer.explorations import exploration
from explorer.stations import BY_KEY, NODES
from explorer.views import decisions, sources, syntax
from explorer.views.facts import refused, turned_back
from explorer.views.flowcharts import (
    COLOURS,
    LANES,
    NO_SOURCE,
    NOT_DRAWN,
    NOT_REACHED,
    PAPER,
    drawn_functions,
    drawn_steps,
    endings,
    outline,
    render,
)
from tests.conftest import ROOT

KEYS = [row.key for row in EXPLORATIONS]


SCENARIOS = recordings.scenarios()


def boxes(dot):
    """Return the boxes of the picture of the whole path that are not exits."""
    return re.findall(r'^\t\t"?([\w. ]+?)"? \[label=.*id=', dot, re.MULTILINE)


def edges(dot):
    return [line for line in dot.splitlines() if '->' in line]


def nodes(dot):
    """Return {name: attributes} of the boxes."""
    return dict(re.findall(r'^\s+"?([\w. ]+?)"? (\[label=.*\])$', dot, re.MULTILINE))


def traces(name):
    return recordings.trace_of(name), run(SCENARIOS[name])


def test_the_whole_path_shows_the_landmarks_that_were_reached(walk):
    drawn = boxes(flowchart(walk).source)
    assert drawn == [step.station for step in drawn_steps(walk)]
    assert {'http', 'Resource', 'check_instance_state', 'send', '_live_migrate'} <= set(drawn)
    assert flowchart(walk, brief=True).source == flowchart(walk).source


def test_there_is_a_lane_for_each_node(walk):
    dot = flowchart(walk).source
    assert re.findall(r'subgraph cluster_(\w+)', dot) == list(NODES)
    assert all(f'label="{name}"' in dot or f'label={name}' in dot for name in NODES.values())


def test_the_caption_says_engine_version_microversion_and_answer(walk):
    for key in (None, *KEYS):
        assert 'Engine miniature, Nova 34.0.0, microversion 2.96, response 202' in flowchart(walk, key).source


def test_each_landmark_has_the_statuses_with_which_a_request_can_end_there(walk):
    steps = drawn_steps(walk)
    found = {step.station: {each.status for each in endings(walk, steps)[step.index]} for step in steps}
    assert found['Resource'] == {400, 404, 406, 415, 500}
    assert found['get_instance'] >= {404}
    assert found['can'] == {403}
    assert found['check_instance_state'] == {409}
    assert found['_migrate_live'] >= {400, 409}
    assert found['NovaKeystoneContext'] == {401}


@pytest.mark.parametrize('name', SCENARIOS)
def test_only_the_exit_that_a_request_took_is_marked(name):
    for trace in traces(name):
        marked = [text for text in nodes(flowchart(trace).source).values() if 'exit' in text and 'taken' in text]
        rejected = trace.response['status'] >= 400
        assert len(marked) == rejected
        assert not rejected or str(trace.response['status']) in marked[0]


@pytest.mark.parametrize('name', SCENARIOS)
@pytest.mark.parametrize('key', KEYS)
def test_a_leg_is_drawn_with_its_decisions_and_each_id_once(name, key):
    for trace in traces(name):
        dot = flowchart(trace, key).source
        ids = re.findall(r' id="?(station_[^" ]+)', dot)
        assert len(ids) == len(set(ids))
        assert {each.removeprefix('station_') for each in ids} <= set(BY_KEY)
        assert 'shape=diamond' in dot
        known = set(nodes(dot))
        assert {end for edge in edges(dot) for end in re.findall(r'"?(\w+)"? (?:->|\[)|-> "?(\w+)', edge)[0] if end
                } <= known


@pytest.mark.parametrize('name', [name for name in SCENARIOS if run(SCENARIOS[name]).response['status'] >= 400])
def test_what_rejected_a_request_is_drawn_in_its_leg(name):
    for trace in traces(name):
        turned = turned_back(trace)
        if turned.station in next(row for row in EXPLORATIONS if row.key == turned.exploration).focus:
            drawn = {each.station: each for each in drawn_functions(trace, turned.exploration)}
            assert turned.station in drawn
            if drawn[turned.station].step:
                dot = flowchart(trace, turned.exploration).source
                marked = [text for text in nodes(dot).values() if 'exit' in text and 'taken refused' in text]
                assert any(str(trace.response['status']) in text for text in marked)


def test_a_leg_that_was_not_reached_is_drawn_without_marks():
    trace = run(EXPLORATIONS[1].versus)
    dot = flowchart(trace, 'compute-api').source
    assert NOT_REACHED in dot
    assert 'check_instance_state(' in dot
    assert '409 Conflict' in dot
    assert 'taken' not in dot


def test_a_call_can_be_clicked_and_the_head_of_a_drawn_function_has_its_id(walk):
    drawn = nodes(flowchart(walk, 'compute-api').source)
    assert 'check_instance_lock(' in next(text for text in drawn.values() if 'id=station_check_instance_lock' in text)
    assert 'instance.save(' in next(text for text in drawn.values() if 'id="station_Instance.save"' in text)


def test_a_condition_shows_the_values_that_it_found(walk):
    dot = flowchart(walk, 'compute-api').source
    assert r'vm_state \"active\"' in dot
    assert 'locked False, is_admin True' in dot
    assert r'vm_state \"stopped\"' in flowchart(run(SCENARIOS['a stopped server']), 'compute-api').source


def test_without_the_source_the_code_of_the_miniature_is_drawn_without_marks(walk, monkeypatch):
    trace = recordings.trace_of('client')
    monkeypatch.setattr(real_nova, 'site_packages', lambda: None)
    caches = sources.text_of, syntax.tree_of, decisions.shape_of, syntax._places_of
    for each in caches:
        each.cache_clear()
    try:
        dot = flowchart(trace, 'compute-api').source
    finally:
        for each in caches:
            each.cache_clear()
    assert NO_SOURCE in dot
    assert 'instance.locked' in dot
    assert 'taken' not in dot


def test_a_source_that_does_not_parse_is_named_in_one_line(walk, monkeypatch):
    monkeypatch.setattr(decisions, 'shape_of', lambda *_: None)
    dot = flowchart(walk, 'compute-api').source
    assert NOT_DRAWN in dot
    assert NOT_DRAWN in outline(walk, 'compute-api')


@pytest.mark.parametrize(('key', 'station'), [
    ('controller', '_pause'), ('compute-api', 'pause'), ('rpc', 'rpcapi.pause_instance')])
def test_a_pause_is_drawn_with_its_own_stations(key, station):
    assert station in {each.station for each in drawn_functions(run(PAUSES['a pause']), key)}


def test_the_active_station_is_marked(walk):
    step, = walk.find('check_instance_lock')
    for dot in (flowchart(walk, 'compute-api', step=step.index).source,
                flowchart(walk, step=walk.find('can')[-1].index).source):
        marked = [text for text in nodes(dot).values() if re.search('class="[^"]* active"', text)]
        assert len(marked) == 1
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


def test_the_answer_is_drawn_from_where_it_was_made(walk):
    answers = [line for line in edges(flowchart(walk).source) if 'class=answer' in line]
    assert len(answers) == 1
    assert answers[0].lstrip().startswith('Resource -> http')
    refused = [line for line in edges(flowchart(run(Scenario(caller='reader'))).source) if 'answer refused' in line]
    assert len(refused) == 1
    assert refused[0].lstrip().startswith('authorize -> http')


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
    for key in (None, *KEYS):
        dot = flowchart(trace, key).source
        svg, _ = render(dot)
        assert '<script' not in svg
        assert svg.count('class="node') == len(nodes(dot))


# -------------------------------------------------------------------------------------------------------- rendering


@pytest.mark.dot
def test_the_program_dot_draws_the_flowchart(walk):
    svg, by = render(flowchart(walk).source)
    assert by == 'dot'
    assert svg.count('class="node') == len(nodes(flowchart(walk).source))
    assert 'id="station_live_migrate"' in svg


@pytest.mark.dot
@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_a_leg_is_legible_in_a_cell_and_on_a_page(row):
    svg, _ = render(flowchart(run(row.scenario), row.key).source)
    width, height = map(float, re.search(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"', svg).groups())
    assert width * 96 / 72 <= 950
    assert height * 96 / 72 <= 1400


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
    told = outline(walk)
    assert 'conductor node' in told
    assert 'ComputeTaskManager._live_migrate' in told
    assert 'check_instance_state (can end here: 409 Conflict)' in told


def test_the_outline_of_a_leg_lists_conditions_values_and_exits(walk):
    told = outline(run(SCENARIOS['a stopped server']), 'compute-api').splitlines()
    assert '>     no: return function(self, context, in…' in told
    assert any(line.startswith('      yes: 409 Conflict raise exception.InstanceIsLocked') for line in told)
    assert any(line.startswith('>     yes: 409 Conflict raise refuse') for line in told)
    assert any('[vm_state ["active", "paused"], instance.vm_state "stopped"]' in line for line in told)


def test_a_flowchart_shows_itself_in_a_notebook_even_without_graphviz(walk, no_graphviz):
    shown = flowchart(walk, 'rpc')._repr_mimebundle_()
    assert 'image/svg+xml' not in shown
    assert 'Graphviz is missing' in shown['text/plain']
    assert 'RPCDispatcher.dispatch(incoming)' in shown['text/plain']


# --------------------------------------------------------------------------------------------------------- diagrams/


@pytest.fixture(scope='module')
def rejected():
    return run(exploration('controller').versus)


def test_the_diagrams_are_up_to_date(walk, rejected):
    assert write_diagrams(walk, rejected, check=True) == []


def test_the_diagrams_do_not_depend_on_the_run(walk):
    assert diagrams(run(Scenario())) == diagrams(walk)
    assert list(diagrams(walk)) == [*(f'nova-api-{n}' for n in range(1, 8)), 'nova-api-path']


@pytest.mark.dot
def test_a_diagram_that_was_edited_by_hand_is_named(walk, rejected, tmp_path):
    assert len(write_diagrams(walk, rejected, folder=tmp_path)) == 19
    assert write_diagrams(walk, rejected, folder=tmp_path, check=True) == []
    (tmp_path / 'nova-api-3.dot').write_text('digraph {}')
    (tmp_path / 'nova-api-5.svg').unlink()
    (tmp_path / 'nova-api-map.svg').write_text('<svg/>')
    assert write_diagrams(walk, rejected, folder=tmp_path, check=True) == [
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
