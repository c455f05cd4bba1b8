"""A trace as it is shown: the same as text and as HTML, and never interpreted."""

import base64
import gzip
import html
import json
import re
from collections import Counter
from html import escape
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from explorer import EXPLORATIONS, Scenario, boot, explore, flowchart, run
from explorer.engines.recordings import head_of
from explorer.player.content import content, start
from explorer.player.export import export
from explorer.player.form import TROUBLES
from explorer.player.widget import Player
from explorer.stations import BY_KEY, FIELDS, NODES
from explorer.views import pages
from explorer.views.changed import Changed, changes_of, changes_text
from explorer.views.facts import MARKS, answered, asked, circumstances, field_of, in_focus, letter, refusal, refusals
from explorer.views.fields import field_rows, journeys
from explorer.views.flowcharts import outline
from explorer.views.lanes import still
from explorer.views.markup import LEFT
from explorer.views.pages import journey_html, refusal_html, tell
from explorer.views.tells import tells
from explorer.views.text import short, short_ids, visible
from tests.browsing import chromium
from tests.player.test_widget import unfolded

KEYS = [row.key for row in EXPLORATIONS]
HOSTILE = '<img src=x onerror=alert(1)></pre><script>alert(2)</script>&amp;"\'`${7*7}{{7*7}}\u202e'


class Page(HTMLParser):
    """Collect the tags, the attributes and the text of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ''
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope='module')
def hostile():
    """The trace of a request with hostile text wherever a client can put some."""
    return run(Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {
            'Content-Type': 'application/json', 'OpenStack-API-Version': 'compute 2.34',
            'X-Hostile': '<script>alert(3)</script>'},
        'body': {'os-migrateLive': {'host': HOSTILE, 'block_migration': 'auto', HOSTILE: HOSTILE}}}))


def test_nothing_from_a_payload_becomes_markup(hostile):
    pieces = [pages.page(hostile, key) for key in KEYS] + [
        Changed().leave(hostile, step) for step in hostile.steps] + [journey_html(hostile, 'host')]
    assert any('alert' in piece for piece in pieces)
    for piece in pieces:
        seen = Page(piece.removeprefix(LEFT))
        assert seen.tags <= {'h4', 'p', 'b', 'br', 'code', 'table', 'tr', 'th', 'td', 'ol', 'ul', 'li', 'details',
                             'summary', 'bdi', 'del', 'span', 'pre', 'section', 'h5', 'nav', 'img'}
        assert not {name for name in seen.attributes if name.startswith('on')}


def test_a_huge_payload_is_shown_and_folded():
    fields = {f'field{number}': number for number in range(1000)}
    trace = run(Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {'Content-Type': 'application/json'},
        'body': {'os-migrateLive': {'host': 'x' * 60_000, '\ud800\u202e\x00': '\udfff', **fields}}}))
    step = next(step for step in trace.steps if step.station == '_from_json')
    tree = Changed().enter(trace, step)
    assert 'x' * 1000 in tree
    for shown in (tree, tell(trace, 'routes'), pages.page(trace, 'routes'), flowchart(trace).source,
                  export(trace, 'routes')):
        shown.encode()  # no half of a character is left
        assert not {'\u202e', '\x00'} & set(shown)
    said = ''.join(Changed().leave(trace, each) for each in trace.steps)
    assert 'field150' in said
    assert re.search('<li>… [0-9,]+ more</li>', said)


def test_everything_that_the_player_sends_to_the_browser_is_escaped(hostile):
    shown = content(hostile, 'controller')
    run_shown = shown['runs'][0]
    for piece in [shown['page'], run_shown['flowchart'], run_shown['facts'],
                  *shown['folds'], *(text for step in run_shown['steps'] for text in (
                      step['head'], step['code'], *step['tells'], *step['payload']))]:
        seen = Page(piece)
        assert not seen.tags & {'script', 'img', 'iframe', 'foreignobject', 'style'}
        assert not {name for name in seen.attributes if name.startswith('on')}


@pytest.fixture(scope='module', params=[(row, name) for row in EXPLORATIONS for name in ('scenario', 'versus')],
                ids=lambda each: f'{each[0].key}-{each[1]}')
def leg(request):
    """Each leg, with the trace of one of its scenarios."""
    row, name = request.param
    return row, run(getattr(row, name))


def test_text_page_widget_and_export_hold_the_same_steps_and_values(leg):
    row, trace = leg
    text, page = tell(trace, row.key), Page(pages.page(trace, row.key)).text
    packed = re.search('id="content">([^<]*)<', export(trace, row.key))[1]
    forms = [content(trace, row.key), json.loads(gzip.decompress(base64.b85decode(packed.replace(',', '<'))))]
    stations = [[step['station'] for step in form['runs'][0]['steps']] for form in forms]
    assert stations == [[step.station for step in trace.steps]] * 2
    focus = in_focus(trace, row.key)
    for told in (text, page):
        assert f'and {len(trace.steps) - len(focus)} more steps' in told
    for step in focus:
        sentence, name = tells(trace, step, 'return'), BY_KEY[step.station].name
        assert re.search(
            rf'^ *{step.index + 1} {NODES[step.node]} +{re.escape(name)}: {re.escape(sentence)}$', text, re.MULTILINE)
        assert f'{step.index + 1}{NODES[step.node]}{name} {sentence.replace("`", "")}' in page
        shown = [form['runs'][0]['steps'][step.index] for form in forms]
        assert tuple(shown[0]['tells']) == tuple(shown[1]['tells'])
        assert Page(shown[0]['tells'][1]).text == sentence.replace('`', '')
        trees = [Page(unfolded(form, each['payload'][1])).text for form, each in zip(forms, shown, strict=True)]
        assert trees[0] == trees[1]
        for change in changes_text(trace, step, 'return'):
            assert change in text
            assert change in page
        for change in changes_of(trace, step).own:
            path = visible('.'.join(map(str, change.path)))
            assert f'{MARKS[change.kind]} {path} ' in text
            assert f'{MARKS[change.kind]} {path} ' in trees[0]


STOP = re.compile(r'step (\d+) · (.+?) · (.+?): (.*)')


def in_the_player(shown, place):
    """Return what the player shows at a place in its moments: number, node, function and sentence; which; the data."""
    run_shown = shown['runs'][0]
    index = run_shown['moments'][place]
    step, at = run_shown['steps'][index], int(place != run_shown['moments'].index(index))
    names = shown['nodes'][step['node']], shown['stations'][step['station']]
    return (str(index + 1), *names, Page(step['tells'][at]).text), at, Page(unfolded(shown, step['payload'][at])).text


def data_in(moment, title):
    """Return the lines of a section of a moment's text, without what is cut off and who made the change."""
    lines = re.search(f'^{title}:\n((?:  .*\n?)+)', moment, re.MULTILINE)[1].splitlines()
    lines = [re.sub(r'^(returns|raises) | by \d+ \S+$', '', line.strip()) for line in lines]
    return [line.removesuffix('…') for line in lines]


def test_every_form_of_a_leg_tells_the_same_story(leg):
    row, trace = leg
    shown = content(trace, row.key)
    stops = [in_the_player(shown, place)[0] for place in shown['runs'][0]['story']]
    assert stops
    text = [line.replace('`', '') for line in re.findall(r'^ *\d+\. (step .*)', tell(trace, row.key), re.MULTILINE)]
    page = [Page(line).text for line in re.findall('<li>(step .*?)</li>', pages.page(trace, row.key))]
    assert [STOP.fullmatch(line).groups() for line in text] == stops
    assert [STOP.fullmatch(line).groups() for line in page] == stops


def test_the_text_of_a_moment_has_the_sentence_and_the_values_of_the_player(leg):
    row, trace = leg
    shown = content(trace, row.key)
    for place in shown['runs'][0]['story']:
        (number, node, name, sentence), at, data = in_the_player(shown, place)
        step = trace.steps[int(number) - 1]
        moment = pages.moment_text(trace, step, ('entry', 'return')[at])
        head, says, *_ = moment.split('\n\n')
        assert re.match(f'step {number} of {len(trace.steps)}(, visit .*?)? · {node} · {re.escape(name)} · ', head)
        assert says.replace('`', '') == sentence
        for line in data_in(moment, ('Arguments', 'What it changed, and how it ended')[at]):
            if line not in ('No arguments are recorded here.', 'Nothing changed here.'):
                assert short_ids(line) in short_ids(data) or (line.startswith('message ') and letter(step)), line
        for title, value in letter(step):
            assert f'✉ {title} {value}' in moment
            assert f'{title}{value}' in data


def test_a_folded_page_is_short_and_all_folds_are_closed(leg):
    row, trace = leg
    page = pages.page(trace, row.key, outline(trace, row.key))
    folded = re.sub('<details><summary>(.*?)</summary>.*?</details>', r'\1', page, flags=re.DOTALL)
    assert 'details' not in folded
    assert len(Page(folded.removeprefix(LEFT)).text) < 2500
    titles = ['What each step did', f'{row.follow} on its way', 'The flowchart as text']
    error = ['What became of the error'] if refusal(trace) else []
    assert re.findall('<summary>(.*?)</summary>', page) == [*error, *titles]
    assert re.findall('<summary>(.*?)</summary>', pages.page(trace, row.key)) == [*error, *titles[:-1]]
    assert escape(outline(trace, row.key)) in page


@pytest.mark.browser
@pytest.mark.parametrize('width', [960, 1280])
def test_a_folded_page_fits_on_a_slide(width):
    with chromium(offline=True, viewport={'width': width, 'height': 720}) as shown:
        for row in EXPLORATIONS:
            for scenario in (row.scenario, row.versus):
                page = Player(run(scenario), row.key)._repr_mimebundle_()[0]['text/html']
                shown.set_content(f'<!doctype html><body style="font: 14px sans-serif; margin: 0"><div>{page}</div>')
                assert 300 < shown.evaluate('document.querySelector("div").offsetHeight') < 680
                assert shown.evaluate('document.images[0].naturalWidth') == 960


def test_the_page_says_in_one_line_where_and_why_a_request_was_rejected(leg):
    row, trace = leg
    line = re.search('<br><b>Rejected</b> (.*?)</p>', pages.page(trace, row.key))
    assert bool(line) == (trace.response['status'] >= 400)
    if line:
        first, *_ = refusal(trace)
        assert trace.steps[first.step] in refusals(trace)
        assert Page(line[1]).text == f'in step {first.step + 1}, {first.station} ({first.line}): {first.what}'


def test_the_pages_of_all_legs_are_small():
    shown = [explore(row.key)._repr_mimebundle_()[0]['text/html'] for row in EXPLORATIONS]
    assert sum(len(page.encode()) for page in shown) < 175_000


def bars(svg):
    """Return the bars of a map: {class: [(x, y, width, height) in px, ...]}."""
    found, root = {}, ElementTree.fromstring(re.sub(' xmlns="[^"]*"', '', svg))
    for each in root.iter():
        numbers = []
        if each.tag == 'path':
            numbers = re.findall(r'M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)H', each.get('d'))
        elif each.get('data-bar') and each.tag == 'rect':
            numbers = [[each.get('x'), each.get('y'), each.get('width'), each.get('height')]]
        found.setdefault(each.get('class'), []).extend(tuple(
            float(number.removesuffix('%')) * (9.6 if '%' in number else 1) for number in four) for four in numbers)
    return {name: each for name, each in found.items() if each}


def test_the_map_of_a_page_has_the_bars_of_the_map(leg):
    row, trace = leg
    packed, = re.findall('src="data:image/svg[+]xml;base64,([^"]*)"', pages.page(trace, row.key))
    small, large = bars(base64.b64decode(packed).decode()), bars(still(trace, row.key))
    assert {name: len(each) for name, each in large.items()} == Counter(step.node for step in trace.steps)
    assert small.keys() == large.keys()
    for name, each in large.items():
        assert small[name] == [pytest.approx(bar, abs=0.06) for bar in each]


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_all_forms_follow_a_field_through_the_same_rows(row):
    trace = run(row.scenario)
    rows, held = field_rows(trace, row.follow), content(trace, row.key)
    from_content = [(steps[0], path, kind, value) for _, path, kind, value, steps, _ in held['fields'][row.follow]]
    assert [(row[0], *row[3:]) for row in rows if row[0] != ''] == from_content
    given = held['runs'][0]['given']
    assert [tuple(row[3:]) for row in rows if row[0] == ''] == [
        tuple(given[name]) for name in [row.follow] if name in given]
    for _, _, station, path, kind, value in rows:
        assert f'{station}: {path} = {value} ({kind})' in tell(trace, row.key)


@pytest.mark.parametrize('name', FIELDS)
def test_a_field_is_found_in_the_same_steps_as_by_the_trace(name):
    trace = run(Scenario(host='host2', microversion='2.30', block_migrate=True, force=True))
    followed = {step.index for step, *_ in trace.follow(name)}
    assert {index for row in journeys(trace).get(name, ()) for index in row.steps} == followed
    assert followed


@pytest.mark.parametrize(('path', 'field'), [
    (('instance', 'host'), 'instance.host'), (('host_name',), 'host'),
    (('instance', 'task_state'), 'instance.task_state'),
    (('message', 'args', 'instance', 'nova_object.data', 'host'), 'instance.host'), (('context', 'roles', 0), 'roles'),
    (('a', 0, 'b'), 'b'), (('force',), 'force'), (('x', 'force'), 'x.force')])
def test_a_field_has_the_name_that_the_table_gives_it_or_its_own(path, field):
    assert field_of(path) == field


@pytest.mark.parametrize('key', KEYS)
def test_the_steps_in_focus_are_those_of_the_row(walk, key):
    row = EXPLORATIONS[KEYS.index(key)]
    steps = in_focus(walk, key)
    assert steps
    assert {step.station for step in steps} <= set(row.focus)
    assert [step.index for step in steps] == sorted(step.index for step in steps)


def test_without_a_key_every_step_is_shown(walk):
    lines = tell(walk).splitlines()
    assert lines[0] == 'nova live-migration web-1: POST /v2.1/servers/{id}/action → 202'
    assert len(lines) == len(walk.steps) + 2


def test_a_refusal_is_shown_with_its_error():
    trace = run(Scenario(caller='manager', state={'locked_by': 'owner'}))
    text = tell(trace, 'compute-api')
    assert re.search(r'raises .*InstanceIsLocked', text)
    assert '→ 409' in text


@pytest.mark.parametrize(('scenario', 'layers', 'station', 'line'), [
    (Scenario(caller='reader'),
     ['domain error PolicyNotAuthorized', 'HTTP error HTTPForbidden', 'fault Fault', 'response 403'],
     'authorize', 'return _enforcer().authorize('),
    (Scenario(caller='manager', state={'locked_by': 'owner'}),
     ['domain error InstanceIsLocked', 'HTTP error HTTPConflict', 'fault Fault', 'response 409'],
     'check_instance_lock', 'raise exception.InstanceIsLocked('),
    (Scenario(state={'vm_state': 'stopped'}),
     ['domain error InstanceInvalidState', 'HTTP error HTTPConflict', 'fault Fault', 'response 409'],
     'check_instance_state', 'raise refuse('),
    (Scenario(microversion='2.999'),
     ['domain error InvalidGlobalAPIVersion', 'HTTP error HTTPNotAcceptable', 'fault Fault', 'response 406'],
     'Request.set_api_version_request', 'raise exception.InvalidGlobalAPIVersion('),
    (EXPLORATIONS[1].versus, ['HTTP error HTTPUnauthorized', 'response 401'],
     'AuthProtocol.process_request', 'raise webob.exc.HTTPUnauthorized('),
    (Scenario(race={'task_state': 'rebooting'}),
     ['domain error UnexpectedTaskStateError', 'HTTP error HTTPInternalServerError', 'fault Fault', 'response 500'],
     'instance_update_and_get_original', 'raise (exception.'),
    (Scenario(host='host2', microversion='2.29', conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'x'}}),
     ['domain error NoValidHost', 'error ExpectedException', 'domain error NoValidHost_Remote',
      'HTTP error HTTPBadRequest', 'fault Fault', 'response 400'],
     'ComputeTaskManager._live_migrate', 'self._build_live_migrate_task(')])
def test_the_line_that_rejects_a_request_is_shown_and_how_the_error_becomes_the_response(
        scenario, layers, station, line):
    trace = run(scenario)
    rows = refusal(trace)
    assert [f'{layer} {what.split(":")[0].split()[0]}' for layer, what, *_ in rows] == layers
    assert rows[0][3] == station
    assert rows[0][5].startswith(line)
    text = tell(trace, 'client')
    assert all(what in text for _, what, *_ in rows)
    assert escape(rows[0][1]) in pages.page(trace, 'client')


def test_an_accepted_request_has_no_refusal(walk):
    assert refusal(walk) == []
    assert refusal_html(walk) == ''


def test_the_message_on_the_bus_is_shown_with_its_address(walk):
    step, = walk.find('send')
    told = dict(letter(step))
    assert told['kind'].startswith('cast')
    assert (told['topic'], told['namespace'], told['version'], told['method']) == (
        '"conductor"', '"compute_task"', '"1.15"', '"live_migrate_instance"')
    for shown in (tell(walk, 'rpc'), pages.page(walk, 'rpc'), Changed().enter(walk, step)):
        assert all(html.escape(text) in shown or text in shown for text in told.values())
    assert all(letter(step) == [] for step in walk.steps if step.node != 'bus')


def test_what_happens_at_boot_can_be_shown():
    assert tell(boot()).startswith('nothing was sent → no response')


def test_a_request_that_was_never_sent_is_reported(walk):
    trace = run(Scenario(server=walk.request['path'].split('/')[3], caller='member_other_project'))
    assert answered(trace).startswith('no request was sent: ERROR (CommandError)')


def test_a_microversion_that_the_client_does_not_speak_goes_without_it():
    assert 'without the nova client' in asked(run(Scenario(microversion='2.104')))


def test_a_run_of_the_real_nova_says_so_in_each_form():
    trace = run(engine='recorded')
    says = f'answered by the real Nova 34.0.0, recorded on {head_of()["date"]}'
    assert says in tell(trace, 'rpc')
    assert says in pages.page(trace, 'rpc')
    assert 'real Nova' not in tell(run(), 'rpc')


def test_nothing_from_a_payload_steers_a_terminal():
    trace = run(Scenario(host='\x1b[31m\u202ehost\n'))
    for text in (tell(trace), tell(trace, 'client'), pages.page(trace, 'client')):
        assert not {'\x1b', '\u202e'} & set(text)
    assert '\\u001b[31m' in tell(trace)


@pytest.mark.parametrize(('value', 'text'), [
    ('x', '"x"'), (None, 'None'), ({'b': 1, 'a': 2}, '{"a": 2, "b": 1}'), ('x' * 100, '"' + 'x' * 70 + '…')])
def test_short_writes_a_value_briefly(value, text):
    assert short(value) == text


@pytest.mark.parametrize(('scenario', 'words'), [
    (Scenario(), ''), (Scenario(caller='reader'), 'as reader'), (Scenario(caller='no_token'), 'without a token'),
    (Scenario(state={'locked_by': 'owner', 'vm_state': 'active'}), 'locked_by "owner"'),
    (Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'x'}}),
     'the conductor fails with NoValidHost'),
    (Scenario(conductor_reply={'raise': 'MessageDeliveryFailure'}), 'the bus fails with MessageDeliveryFailure'),
    (Scenario(race={'task_state': 'rebooting'}), 'another request sets "rebooting" first')])
def test_what_is_unusual_is_said_with_the_request(scenario, words):
    assert ', '.join(circumstances(run(scenario))) == words
    assert asked(run(scenario)).endswith(f' ({words})' if words else 'action')


def test_a_cast_that_fails_is_reported_as_lost():
    trace = run(Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}))
    assert trace.response['status'] == 202
    assert 'failed in the conductor, and the client never learned of it' in answered(trace)
    (layer, what, index, *_), *_, last = refusal(trace)
    assert (layer, what) == ('domain error', 'NoValidHost: No valid host was found. all are full')
    assert trace.steps[index].node == 'conductor'
    assert last[0] == 'nobody'
    assert start(trace, 'rpc') == (index, 'return')
    assert all(trace.steps[row[2]].node == 'conductor' for row in refusal(trace)[:-1])


def test_an_error_that_is_only_passed_on_is_not_a_refusal():
    trace = run(Scenario(
        microversion='2.30', conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}))
    assert {step.node for step in refusals(trace)} == {'conductor'}
    assert trace.steps[start(trace, 'rpc')[0]].node == 'conductor'


@pytest.mark.parametrize('trouble', TROUBLES)
@pytest.mark.parametrize('microversion', ['2.30', None])
def test_only_boxes_are_drawn_as_boxes(trouble, microversion):
    svg = content(run(Scenario(microversion=microversion, **TROUBLES[trouble])), 'rpc')['runs'][0]['flowchart']
    edges = re.findall(r'<g class="edge.*?</g>', svg, re.S)
    assert edges
    assert not any('<rect' in edge for edge in edges)
