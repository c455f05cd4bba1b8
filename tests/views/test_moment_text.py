"""A moment as text: the tasks that say "look" can be answered from it, and it can show all that a step holds."""

import re

import pytest

from explorer import Scenario, run
from explorer.engines.recordings import head_of
from explorer.explorations import exploration
from explorer.payloads import leaves
from explorer.stations import BY_KEY, NODES
from explorer.teaching.catalogue import TASKS
from explorer.teaching.tasks import ask
from explorer.views.moments import moments
from explorer.views.pages import moment_text
from explorer.views.text import literal

LOOKS = {key: task for key, task in TASKS.items() if task.name.startswith('look')}
FAILS = {'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}


def at(station, moment='return', visit=0, **scenario):
    """Return the text of a moment in the trace of a scenario."""
    trace = ask(Scenario(**scenario))
    return moment_text(trace, trace.find(station)[visit], moment)


def ran(text, code):
    """Return whether a line of the code is marked as one that ran."""
    return re.search(rf'^ *\d+ > .*{re.escape(code)}', text, re.MULTILINE) is not None


def number(text):
    """Return the number of the step that a text is about, and how many there are."""
    return tuple(map(int, re.match(r'step (\d+) of (\d+)', text).groups()))


def arguments(text):
    return re.search(r'^Arguments:\n((?:  .*\n)+)', text, re.MULTILINE)[1]


# -------------------------------------------------------------------------------------------- what each task looks at


def the_key_of_the_body(facts):
    text = at('_action')
    assert number(text)[0] == facts['step']
    assert f'+ body {{"{facts["answer"]}": {{' in text


def the_exchange_with_the_first_header(facts):
    exchanges = [at('http', 'entry', visit) for visit in range(4)]
    assert number(exchanges[0])[0] == facts['step']
    first = next(count for count, text in enumerate(exchanges, 1) if 'X-OpenStack-Nova-API-Version: 2.' in text)
    assert first == facts['answer']


def the_version_that_both_know(facts):
    assert f'returns APIVersion 2.{facts["chosen"]}' in at('discover_version')
    assert ran(at('discover_version'), 'return novaclient.API_MAX_VERSION')
    assert f'"version": "2.{facts["api"]}"' in at('http')


def the_filter_that_makes_the_context(facts):
    made = [line.partition(' by ')[2] for station in ('ComputeReqIdMiddleware', 'AuthProtocol', 'NovaKeystoneContext')
            for line in at(station).splitlines() if re.match(r'  \+ \S*environ\.nova\.context ', line)]
    assert made == [f'{facts["step"]} {facts["name"]}', '']  # the last one made it itself
    assert number(at(facts['answer']))[0] == facts['step']


def the_last_station_that_ran(facts):
    trace = ask(exploration('service').versus)
    text = moment_text(trace, trace.steps[-1], 'return')
    assert number(text) == (facts['count'], facts['count'])
    assert f' · {facts["name"]} · ' in text
    assert 'response: 401' in text


def the_id_on_both_sides(facts):
    assert number(at('ComputeReqIdMiddleware'))[0] == facts['step']
    whole = ask(Scenario()).find('NovaKeystoneContext')[0].after['ctx']['request_id']
    for station in ('ComputeReqIdMiddleware', 'deserialize_context'):
        assert f'"{whole[:12]}…"' in at(station)


def the_action_of_the_route(facts):
    assert f'action: "{facts["answer"]}"' in at('routematch').rpartition('returns ')[2]


def who_reads_the_body(facts):
    trace = ask(Scenario())
    before = trace.steps[trace.find('routematch')[0].index:trace.find('dispatch')[0].index]
    readers = [step for step in before if ran(moment_text(trace, step, 'return'), 'jsonutils.loads(')]
    assert len(readers) == facts['answer']
    assert ' and '.join(f'`{BY_KEY[step.station].name}`' for step in readers) == facts['where']


def what_peek_does(facts):
    text = at('action_peek')
    body, key = re.search(r'\+ decoded (.*)', text)[1], re.search(r'returns "(.*)"', text)[1]
    assert body.startswith(f'{{"{key}": ')
    assert key in arguments(at('_migrate_live'))  # the whole body arrives, with its key


def where_async_comes_from(facts):
    for version, value in (('2.33', facts['old']), ('2.34', facts['new'])):
        assert ran(at('_migrate_live', microversion=version), f"async_ = is_supported(req, '2.34')  # async_ = {value}")


def how_many_schemas_looked(facts):
    bodies = [text for text in (at('_schema_validation_helper', visit=visit) for visit in range(5))
              if 'min_version "' in text]
    assert len(bodies) == facts['all']
    assert sum(ran(text, '.validate(') for text in bodies) == facts['answer']


def whose_server_it_is(facts):
    controller = at('_migrate_live')
    assert ran(controller, "target={'project_id': instance.project_id}")
    assert controller.index('instance = get_instance(') < controller.index('context.can(')
    project = ask(Scenario()).find('get_instance')[0].result['project_id']
    assert f'target {{"project_id": "{project[:8]}…"}}' in at('authorize', 'entry')
    assert facts['answer'] == 'whose'


def the_first_guard(facts):
    guards = {station: number(at(station, 'entry'))[0]
              for station in ('check_instance_state', 'check_instance_lock', 'block_shares')}
    assert min(guards, key=guards.get) == facts['answer']


def the_host_that_is_handed_over(facts):
    assert f'  host_name {facts["host"]}\n' in arguments(at('ComputeTaskAPI.live_migrate_instance', 'entry'))


def what_a_faster_request_does(facts):
    text = at('Instance.save', race={'task_state': facts['state']})
    assert '  expected_task_state [None]\n' in arguments(text)
    assert 'raises UnexpectedTaskStateError' in text
    assert f'"{facts["state"]}"' in text
    assert f'response: {facts["status"]}' in at(
        'instance_update_and_get_original', race={'task_state': facts['state']})


def the_argument_that_decides(facts):
    for version, taken, value in (('2.33', 'migrate_server', False), ('2.34', 'live_migrate_instance', True)):
        text = at('ComputeTaskAPI.live_migrate_instance', host='host2', microversion=version)
        assert f'  {facts["answer"]} {value}\n' in arguments(text)
        assert ran(text, f'if {facts["answer"]}:  # {"yes" if value else "no"}')
        assert ran(text, f'.{taken}(')


def where_the_host_is(facts):
    text = at('_live_migrate', 'entry', host='host2')
    assert f'scheduler_hint {{"host": {facts["hint"]}}}' in text
    assert f'confirm "{facts["wish"]}"' in text


def what_a_caller_learns(facts):
    for version, status in (('2.33', facts['old']), ('2.34', facts['new'])):
        response = at('http', 'return', -1, microversion=version, conductor_reply=FAILS).partition('The response:')[2]
        assert f'HTTP/1.1 {status} ' in response
        assert ('No valid host was found' in response) == (status == 400)


def the_name_of_the_queue(facts):
    address = at('send').partition('On the bus:')[2]
    for name, value in (('topic', 'answer'), ('namespace', 'namespace'), ('method', 'method')):
        assert f'✉ {name} "{facts[value]}"' in address


def what_a_202_promises(facts):
    assert f'HTTP/1.1 {facts["status"]} ' in at('http', 'return', -1, conductor_reply=FAILS)
    text = at('_live_migrate', conductor_reply=FAILS)
    assert f' · {facts["where"]} · ' in text
    assert 'nobody: waits for this error' in text


def the_version_of_each_message(facts):
    for station, version, sent in (('rpcapi.live_migrate_instance', None, facts['sent']),
                                   ('rpcapi.migrate_server', '2.30', facts['other'])):
        assert ran(at(station, microversion=version), f'version = "{sent}"')
        assert f'✉ version "{sent}"' in at('send', microversion=version)


EVIDENCE = {
    'client.look-text': the_key_of_the_body, 'client.look-happened': the_exchange_with_the_first_header,
    'client.look-purpose': the_version_that_both_know, 'service.look-text': the_filter_that_makes_the_context,
    'service.look-happened': the_last_station_that_ran, 'service.look-purpose': the_id_on_both_sides,
    'routes.look-text': the_action_of_the_route, 'routes.look-happened': who_reads_the_body,
    'routes.look-purpose': what_peek_does, 'controller.look-text': where_async_comes_from,
    'controller.look-happened': how_many_schemas_looked, 'controller.look-purpose': whose_server_it_is,
    'compute-api.look-text': the_first_guard, 'compute-api.look-happened': the_host_that_is_handed_over,
    'compute-api.look-purpose': what_a_faster_request_does, 'conductor-api.look-text': the_argument_that_decides,
    'conductor-api.look-happened': where_the_host_is, 'conductor-api.look-purpose': what_a_caller_learns,
    'rpc.look-text': the_name_of_the_queue, 'rpc.look-happened': what_a_202_promises,
    'rpc.look-purpose': the_version_of_each_message}


def test_every_look_task_has_its_evidence():
    assert set(EVIDENCE) == set(LOOKS)


@pytest.mark.parametrize('key', EVIDENCE)
def test_a_look_task_can_be_answered_from_the_text_of_moments(key):
    EVIDENCE[key](LOOKS[key].found())


# ----------------------------------------------------------------------------------------------------- the text itself


@pytest.fixture(scope='module')
def rejected():
    return ask(Scenario(caller='reader'))


@pytest.mark.parametrize('moment', ['entry', 'return'])
def test_the_first_lines_name_the_step_and_the_function(walk, moment):
    places, visits = head_of()['places'], {}
    for step in walk.steps:
        first, second = moment_text(walk, step, moment).split('\n')[:2]
        visits[step.station] = visits.get(step.station, 0) + 1
        total = sum(each.station == step.station for each in walk.steps)
        visit = f', visit {visits[step.station]} of {total}' if total > 1 else ''
        assert first == (f'step {step.index + 1} of {len(walk.steps)}{visit} · {NODES[step.node]} · '
                         f'{BY_KEY[step.station].name} · {moment}')
        assert f'{step.file}:{step.line}' in second
        if step.file.startswith('explorer/') and step.station in places:
            assert '{}:{}'.format(*places[step.station]) in second


def test_every_value_that_a_step_holds_is_in_the_whole_text(walk, rejected):
    for trace in (walk, rejected):
        for step in trace.steps:
            lines = {line.strip() for line in moment_text(trace, step, 'return', whole=True).splitlines()}
            ending = step.error if step.error is not None else step.result
            for held in (*filter(None, (step.before, step.after)), ending):
                for path, value in leaves(held):
                    if path[-1:] != ('',):  # the name of a class
                        assert ' '.join(filter(None, (*map(str, path[-1:]), literal(value)))) in lines


def test_the_whole_text_adds_to_the_short_one(walk):
    for step in walk.steps[::10]:
        short = moment_text(walk, step, 'entry')
        assert moment_text(walk, step, 'entry', whole=True).startswith(f'{short}\n\nAll values at its entry:\n')


def test_what_is_long_is_cut_unless_the_whole_is_asked_for():
    trace = run(Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {'Content-Type': 'application/json'},
        'body': {'os-migrateLive': {'host': 'h' * 60_000, 'lines': list(range(1000))}}}))
    for step in trace.steps:
        data = moment_text(trace, step, 'return').partition('\nArguments:\n')[2].partition('\nWhat became of')[0]
        assert max(map(len, data.splitlines())) < 200
        assert len(data.splitlines()) < 300
    parsed, = trace.find('_from_json')
    assert 'h' * 60_000 in moment_text(trace, parsed, 'return', whole=True)


def test_the_length_of_what_the_recorder_cut_is_stated():
    trace = run(Scenario(host='h' * 60_000))
    step = trace.find('_action')[0]
    shown = moment_text(trace, step, 'entry', whole=True)
    assert re.search(r'^ +host "h{10000}… \[60000 characters, sha256 [0-9a-f]+\]"$', shown, re.MULTILINE)


def test_a_request_is_written_out_only_where_it_is_new(walk):
    for station, written in (('http', True), ('URLMap', True), ('FaultWrapper', False), ('_migrate_live', False)):
        step = walk.find(station)[-1]
        assert ('\nThe request:\n  POST /v2.1/servers/' in moment_text(walk, step, 'entry')) == written
    assert '\nThe response:\n  HTTP/1.1 202 ' in moment_text(walk, walk.find('http')[-1], 'return')
    assert '\nThe response:\n' not in moment_text(walk, walk.find('http')[-1], 'entry')


def test_only_the_step_that_rejected_the_request_tells_what_became_of_its_error(rejected):
    told = [(rejected.steps[step].station, moment) for step, moment in moments(rejected)
            if 'What became of the error:' in moment_text(rejected, rejected.steps[step], moment)]
    assert told == [('authorize', 'return')]


def test_nothing_from_a_payload_steers_a_terminal():
    trace = run(Scenario(host='\x1b[31m\u202ehost\n'))
    for step in trace.steps:
        text = moment_text(trace, step, 'return', whole=True)
        assert not {'\x1b', '\u202e'} & set(text)
    assert '\\u001b[31m' in moment_text(trace, trace.find('_action')[0], 'return')
