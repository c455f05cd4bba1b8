"""A trace as it is shown: the same as text and as HTML, and never interpreted."""

import base64
import gzip
import html
import json
import re
from html import escape
from html.parser import HTMLParser

import pytest

from explorer import EXPLORATIONS, Scenario, boot, flowchart, run
from explorer.engines.recordings import head_of
from explorer.player.content import content, start
from explorer.player.export import export
from explorer.player.form import TROUBLES
from explorer.stations import BY_KEY, FIELDS, NODES
from explorer.views import pages
from explorer.views.changed import Changed, changes_of, changes_text
from explorer.views.facts import MARKS, answered, asked, circumstances, field_of, in_focus, letter, refusal, refusals
from explorer.views.fields import field_rows, journeys
from explorer.views.markup import LEFT
from explorer.views.pages import journey_html, refusal_html, tell
from explorer.views.tells import tells
from explorer.views.text import short, visible
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
        assert seen.tags <= {'h4', 'p', 'b', 'br', 'code', 'table', 'caption', 'tr', 'th', 'td', 'ul', 'li', 'details',
                             'summary', 'bdi', 'del', 'span', 'pre', 'section', 'h5', 'nav'}
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


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_text_page_widget_and_export_hold_the_same_steps_and_values(row):
    trace = run(row.scenario)
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
