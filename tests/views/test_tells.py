"""The sentences: each value is where its source says, and each claim is what the visit did.

What the test knows of a payload it looks up itself; it does not use the module's own look-up or its forms.
"""

import dataclasses
import functools
import http.client
import json
import re

import pytest

from explorer import EXPLORATIONS, Scenario, pipeline, run
from explorer.engines import recordings
from explorer.stations import BY_KEY, STATIONS
from explorer.trace import Trace, pack
from explorer.views import tells as module
from explorer.views.facts import refusals
from explorer.views.lanes import story
from explorer.views.moments import moments
from explorer.views.tells import by_hand, needs, sentence, tells

MISSING = object()
ID = re.compile(r'\b([0-9a-f]{8})(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24})\b')
# What the rules of the path need, written from Nova's documentation.
NEEDS = {
    'context_is_admin': 'an admin',
    'os_compute_api:os-migrate-server:migrate_live': 'a manager of the project, or an admin',
    'os_compute_api:os-migrate-server:migrate_live:host': 'an admin',
    'os_compute_api:os-pause-server:pause': 'a member of the project, or an admin'}
FILLERS = {'the', 'role', 'roles', 'and', 'or', 'no', 'nothing', 'empty', 'None', 'True', 'False'}
VERBS = ('adds', 'changes', 'writes', 'passes', 'rejects', 'returns', 'raises', 'sends')
SHOWN = ('client', 'controller, as a reader', 'a stopped server', 'conductor-api, at microversion 2.29',
         'service, with a token that nobody knows', 'a pause', 'no host is left, over a call')


@functools.cache
def trace_of(name, engine):
    return recordings.trace_of(name) if engine == 'recorded' else run(recordings.scenarios()[name])


CASES = [(name, engine) for name in recordings.scenarios() for engine in ('miniature', 'recorded')]


@pytest.fixture(params=CASES, ids=' by '.join)
def trace(request):
    return trace_of(*request.param)


def sentences(trace):
    for step in trace.steps:
        for moment in ('entry', 'return'):
            yield step, moment, sentence(trace, step, moment)


# ------------------------------------------------------------------------------------- looking things up, once more


def walk(value, path):
    """Return what is at a dotted path, whose keys may contain dots."""
    if not path:
        return value
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, part in items:
        name = str(key)
        if path == name or path.startswith(f'{name}.'):
            found = walk(part, path[len(name) + 1:])
            if found is not MISSING:
                return found
    return MISSING


def below(trace, step):
    """Return everything that a visit caused, directly or not."""
    found = {step.index}
    for other in trace.steps:
        if {other.parent, other.hop_from} & found:
            found.add(other.index)
    return [trace.steps[index] for index in sorted(found - {step.index})]


def source_value(trace, step, source):
    kind, _, path = source.partition(':')
    if source == 'trace:visit':
        same = [other.index for other in trace.steps if other.station == step.station]
        return f'{same.index(step.index) + 1} of {len(same)}'
    if source == 'trace:caller':
        return source_value(trace, trace.steps[step.parent], 'trace:visit')
    if kind == 'trace':
        failed = [other for other in below(trace, step) if other.error is not None and not any(
            inner.error is not None and inner.error[''] == other.error[''] for inner in below(trace, other))]
        if path == 'origin':
            return [BY_KEY[other.station].name for other in failed]  # one of these
        return [other.error for other in failed]
    if kind == 'constant':
        return vars(pipeline)[path]
    if kind == 'policy':
        return step.before['action'] if path == 'action' else path
    payload = {'before': step.before, 'made with': step.before, 'after': step.after, 'result': step.result,
               'error': step.error}[kind]
    return walk(payload, path)


def plain(text):
    return ID.sub(r'\1…', re.sub(r'\s+', ' ', text.replace(r'\"', '"'))).replace('….', '…')


def agrees(cited, value):
    """Return whether a value that is shown is the value at its source."""
    shown = cited.shown.strip('`').rstrip('…')
    if cited.source == 'trace:origin':
        return shown in value
    if cited.source == 'trace:origin error':
        return any(shown.startswith(error['']) for error in value)
    if cited.form == 'needs':
        return shown == NEEDS[value]
    if cited.form == 'count':
        return shown == (str(len(value)) if value else 'no')
    if cited.form == 'version' and isinstance(value, dict):
        minor = value['ver_minor']
        return shown == f'{value["ver_major"]}.{"latest" if isinstance(minor, dict) else minor}'
    if cited.form == 'status' and isinstance(value, int):
        return shown == f'{value} {http.client.responses[value]}'
    if cited.form == 'body' and not value:
        return shown == 'empty'
    if isinstance(value, bool | int | None):
        return shown == str(value)
    whole = plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    if cited.form == 'path':
        return plain(shown) in whole
    if isinstance(value, str) and cited.form in ('', 'text', 'code'):
        return whole.startswith(plain(shown.strip('"')))
    words = re.findall(r'[A-Za-z0-9_.-]{2,}', plain(shown))
    assert words or len(shown) < 3
    return all(word.strip('.') in whole for word in {*words} - FILLERS)


# ---------------------------------------------------------------------------------------------------- the sources


def test_each_value_in_a_sentence_is_at_its_source(trace):
    for step, moment, said in sentences(trace):
        for cited in said.values:
            value = source_value(trace, step, cited.source)
            assert value is not MISSING, (step.station, moment, cited)
            assert agrees(cited, value), (step.station, moment, cited, value)
            assert plain(cited.shown).rstrip('…') in said.text.replace('\\"', '"'), (step.station, cited)


def test_at_the_entry_nothing_is_known_of_what_will_happen(trace):
    for step in trace.steps:
        said = sentence(trace, step, 'entry')
        assert said.claims == ()
        assert {cited.source.partition(':')[0] for cited in said.values} <= {
            'before', 'made with', 'policy', 'constant', 'trace'}
        assert {cited.source for cited in said.values if cited.source.startswith('trace')} <= {
            'trace:visit', 'trace:caller'}
        blind = dataclasses.replace(step, after={}, result=None, error=None)
        assert tells(trace, blind, 'entry') == said.text


def test_each_claim_is_what_the_visit_did(trace):
    refused = {step.index for step in refusals(trace)}
    for step, _, said in sentences(trace):
        for verb, path in said.claims:
            old, new = walk(step.before or {}, path), walk(step.after or {}, path)
            what = (step.station, verb, path, said.text)
            if verb == 'adds':
                assert old is MISSING, what
                assert new is not MISSING, what
            elif verb == 'changes':
                assert MISSING not in (old, new), what
                assert old != new, what
            elif verb == 'writes':
                assert step.error is None, what
                assert json.dumps(new) in said.text, what
            elif verb == 'returns':
                assert step.error is None or (verb, step.station) == ('returns', 'raise_http_conflict'), what
            elif (verb, path) == ('raises', 'below'):
                assert any(other.error is not None for other in below(trace, step)), what
            elif verb == 'raises':
                assert step.error is not None, what
            elif verb == 'passes':
                assert step.index not in refused, what
                assert step.error is None or any(other.error is not None for other in below(trace, step)), what
            elif verb == 'rejects':
                result = step.result if isinstance(step.result, dict) else {}
                status = str(result.get('status') or walk(result, 'wrapped_exc.status'))
                assert step.error is not None or status[:1] in '45', what
            else:
                assert verb == 'sends', what
                assert any(other.station in ('send', 'http') for other in [step, *below(trace, step)]), what


def test_no_verb_is_written_without_its_claim():
    for name, engine in CASES:
        trace = trace_of(name, engine)
        for step in trace.steps:
            said = sentence(trace, step, 'return')
            text = said.text
            for cited in sorted(said.values, key=lambda each: -len(each.shown)):
                text = text.replace(cited.shown, '')
            for verb in VERBS:
                assert len(re.findall(rf'\b{verb}\b', text)) <= [claim for claim, _ in said.claims].count(verb), text


# -------------------------------------------------------------------------------- what a sentence says of whom


def test_visits_that_pass_and_visits_that_are_rejected_have_different_sentences():
    told_of = {}
    for name, engine in CASES:
        trace = trace_of(name, engine)
        refused = {step.index for step in refusals(trace)}
        for step in trace.steps:
            status = str(walk(step.result, 'status'))[:1] if isinstance(step.result, dict) else ''
            ended = step.error is not None, step.index in refused, status in ('4', '5')
            told_of.setdefault(step.station, {}).setdefault(ended, set()).add(ID.sub('', tells(trace, step, 'return')))
    assert {'check_instance_state', 'check_instance_lock', 'can', 'schema', 'Fault', 'http'} <= set(told_of)
    for station, groups in told_of.items():
        kinds = list(groups.values())
        assert sum(map(len, kinds)) == len(set().union(*kinds)), station


def test_only_what_is_rejected_is_said_to_be_rejected(trace):
    for step in trace.steps:
        if step.error is None and str(walk(step.result, 'status'))[:1] not in ('4', '5'):
            text = tells(trace, step, 'return')
            if 'wrapped_exc' not in (step.result if isinstance(step.result, dict) else {}):
                assert not re.search(r'\b(rejects|rejected|refuses)\b', text), text


def test_every_stop_of_a_story_is_told_by_hand_at_both_moments():
    for row in EXPLORATIONS:
        for stop in row.story:
            assert by_hand(stop.station, 'entry')
            assert by_hand(stop.station, 'return')


def test_every_station_that_a_request_visits_is_told_by_hand():
    assert {key for key in BY_KEY if not (by_hand(key, 'entry') and by_hand(key, 'return'))} == {
        station.key for station in STATIONS if station.boot}


def test_a_visit_has_what_its_own_sentence_needs(trace):
    for step, moment, said in sentences(trace):
        if moment == 'entry' or step.error is None:
            neutral = module._fitted(module.Visit(trace, step), (
                module._called if moment == 'entry' else module._ended)(module.Visit(trace, step)))
            assert neutral is None or said.text != neutral.text, (step.station, moment)


def test_the_stories_are_told_in_at_most_two_lines(trace):
    order = moments(trace)
    for row in EXPLORATIONS:
        for stop in story(trace, row.key):
            index, moment = order[stop]
            assert len(tells(trace, trace.steps[index], moment)) <= 180


def test_a_sentence_is_whole(trace):
    for step, _moment, said in sentences(trace):
        text = said.text
        assert 10 < len(text) <= 240
        assert text[-1] in '.…?', text
        assert text.count('`') % 2 == 0, text
        for cited in sorted(said.values, key=lambda each: -len(each.shown)):
            text = text.replace(cited.shown, 'X')
        assert not re.search(r'[{}\[\]|]|  | [.,;:]|\.\.|^[ ,;]|MISSING|<object>', text), (step.station, text)


# ------------------------------------------------------------------------------------------------- known sentences


def told_at(trace, station, moment, visit=0):
    return tells(trace, trace.find(station)[visit], moment)


@pytest.mark.parametrize('engine', ['miniature', 'recorded'])
def test_a_guard_tells_what_it_found_and_what_it_did(engine):
    passing, stopped = trace_of('client', engine), trace_of('a stopped server', engine)
    assert told_at(passing, 'check_instance_state', 'return') == (
        '`check_instance_state` lets web-1 through: vm_state is "active" (it accepts "active" or "paused") and '
        'task_state is None.')
    assert told_at(stopped, 'check_instance_state', 'return') == (
        '`check_instance_state` rejects web-1 with `InstanceInvalidState`: vm_state is "stopped" and must be '
        '"active" or "paused".')
    assert told_at(stopped, 'check_instance_lock', 'return') == (
        '`check_instance_lock` lets web-1 through: its locked is False; further in, '
        '`InstanceInvalidState` is raised.')


@pytest.mark.parametrize('engine', ['miniature', 'recorded'])
def test_a_policy_tells_rule_need_and_caller(engine):
    assert told_at(trace_of('controller, as a reader', engine), 'authorize', 'return') == (
        '`os_compute_api:os-migrate-server:migrate_live` needs a manager of the project, or an admin; '
        'u-reader has the role '
        'reader: rejected, with `PolicyNotAuthorized`.')


@pytest.mark.parametrize('engine', ['miniature', 'recorded'])
def test_an_exchange_tells_its_number_method_path_version_and_status(engine):
    trace = trace_of('client', engine)
    assert told_at(trace, 'http', 'entry', -1).startswith(
        'Request 4 of 4 goes out: POST /v2.1/servers/6d1f0a52…/action, OpenStack-API-Version: compute 2.96, body')
    assert told_at(trace, 'http', 'return', -1) == (
        'Response 4 of 4, to POST /v2.1/servers/6d1f0a52…/action: the API answers 202 Accepted.')


def test_a_guard_whose_own_check_fails_does_not_reject_the_server():
    trace = trace_of('a server with a share', 'miniature')
    steps = [dataclasses.replace(step, error={'': 'InstanceMappingNotFound', 'args': ['gone']}, result=None)
             if step.station == 'instance_has_share' else step for step in trace.steps]
    broken = with_steps(trace, steps)
    assert told_at(broken, 'block_shares', 'return').startswith(
        '`block_shares_not_supported` cannot answer for web-1, because `instance_has_share` raises')


def test_a_caller_of_another_project_is_told_so():
    trace = trace_of('controller, as a reader', 'miniature')
    step = trace.find('authorize')[0]
    other = dataclasses.replace(step, before=put(step.before, ('target', 'project_id'), 'b' * 32))
    assert 'in project aaaaaaaa…, while the server belongs to bbbbbbbb…' in tells(trace, other, 'return')


def test_a_check_that_has_no_words_is_shown_as_it_is():
    assert needs('role:auditor or domain_id:%(domain_id)s') == 'an auditor, or `domain_id:%(domain_id)s`'
    assert needs('not role:admin') == '`not role:admin`'
    assert needs('rule:project_reader_or_admin') == 'a reader of the project, or an admin'
    assert needs('(role:a or role:b) and role:c') == '`(role:a or role:b) and role:c`'


# ------------------------------------------------------------------------------------------------------- bad input


def with_steps(trace, steps):
    return dataclasses.replace(trace, packed=pack([[getattr(step, name) for name in step.__slots__] for step in steps]))


def keys_of(value, path):
    """Return the keys that a dotted path stands for, or None."""
    if not path:
        return ()
    for key, part in (enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict)
                      else ()):
        if path == str(key) or path.startswith(f'{key}.'):
            rest = keys_of(part, path[len(str(key)) + 1:])
            if rest is not None:
                return (key, *rest)
    return None


def put(value, keys, new):
    """Return a copy of plain data with another value at one place."""
    if not keys:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[keys[0]] = put(value[keys[0]], keys[1:], new)
    return copy


FIELDS = {'before': 'before', 'made with': 'before', 'after': 'after', 'result': 'result', 'error': 'error'}


def mutated(step, source, new):
    kind, _, path = source.partition(':')
    if kind not in FIELDS:
        return None
    payload = getattr(step, FIELDS[kind])
    return dataclasses.replace(step, **{FIELDS[kind]: put(payload, keys_of(payload, path), new)})


def another(value):
    if isinstance(value, bool) or value is None:
        return 'mutant'
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return ['mutant'] * (len(value) + 2)
    return {'': 'Mutant', 'a': 1, 'b': 2} if isinstance(value, dict) else '299 mutant'


@pytest.mark.parametrize('engine', ['miniature', 'recorded'])
@pytest.mark.parametrize('name', SHOWN)
def test_another_value_in_the_payload_makes_another_sentence(name, engine):
    trace = trace_of(name, engine)
    for step, moment, said in sentences(trace):
        for cited in said.values:
            if cited.source.partition(':')[0] in FIELDS:
                value = source_value(trace, step, cited.source)
                other = mutated(step, cited.source, another(value))
                assert tells(trace, other, moment) != said.text, (step.station, moment, cited)


@pytest.mark.parametrize('odd', [None, [], {}, '', 10 ** 30, True, [[['x']]], {'': 'float', 'value': 'nan'},
                                 {'': 3}, '`{before:x}[y]`|?\u202e', {'args': {'a': 1}, '': 'E'}], ids=repr)
def test_odd_values_are_told_or_left_out(odd):
    for name in ('client', 'controller, as a reader', 'a stopped server', 'no host is left, over a call'):
        trace = trace_of(name, 'recorded')
        for step, moment, said in sentences(trace):
            for cited in said.values:
                other = mutated(step, cited.source, odd)
                text = tells(trace, other, moment) if other else said.text
                assert 10 < len(text) <= 240
                assert '\u202e' not in text
                assert text.count('`') % 2 == 0


@pytest.mark.parametrize('lost', ['before', 'after', 'result', 'error'])
@pytest.mark.parametrize('instead', [None, {}, [], 'text', {'': 'E', 'args': None}], ids=repr)
def test_a_payload_that_is_missing_leaves_a_sentence(lost, instead):
    if lost in ('before', 'after') and not isinstance(instead, dict | None):
        return
    for name in ('client', 'a stopped server', 'no host is left, over a call', 'a pause'):
        trace = trace_of(name, 'miniature')
        for step in trace.steps:
            for moment in ('entry', 'return'):
                text = tells(trace, dataclasses.replace(step, **{lost: instead}), moment)
                assert 10 < len(text) <= 240


def test_hostile_text_stays_text():
    hostile = '</code><script>`{before:x}[y]`\u202e\x1b[31m'
    trace = run(Scenario(host=hostile))
    texts = [tells(trace, step, moment) for step in trace.steps for moment in ('entry', 'return')]
    assert any('</code><script>' in text for text in texts)
    for text in texts:
        assert not re.search('[\u202e\x1b]', text)
        assert text.count('`') % 2 == 0
        assert '`{before' not in text


def test_a_value_of_ten_megabytes_is_cut():
    trace = trace_of('client', 'miniature')
    for station, path in (('_from_json', ('datastring',)), ('_action', ('info', 'host')), ('can', ('action',))):
        step = trace.find(station)[0]
        long = dataclasses.replace(step, before=put(step.before, path, 'x' * 10_000_000))
        assert len(tells(trace, long, 'entry')) <= 240
    step = trace.find('_action')[0]
    wide = dataclasses.replace(step, before={**step.before, 'info': {str(number): number for number in range(300_000)}})
    assert len(tells(trace, wide, 'entry')) <= 240


def test_a_trace_from_before_decorators_were_recorded_is_told_without_their_arguments():
    names = {name for station in STATIONS for name in station.made_with}
    for name in ('client', 'a stopped server'):
        trace = trace_of(name, 'recorded')
        for step in trace.steps:
            if BY_KEY[step.station].made_with:
                old = dataclasses.replace(step, **{field: {key: value for key, value in getattr(step, field).items()
                                                           if key not in names} for field in ('before', 'after')})
                said = sentence(trace, old, 'return')
                assert not [cited for cited in said.values if cited.source.startswith('made with')]
                assert 'all microversions' not in said.text
                assert 10 < len(said.text) <= 240


def test_a_saved_trace_is_told_in_the_same_words():
    trace = trace_of('controller, as a reader', 'miniature')
    again = Trace.from_json(trace.to_json())
    assert [tells(again, step, 'return') for step in again.steps] == [tells(trace, step, 'return')
                                                                     for step in trace.steps]


def test_a_guard_tells_what_it_found_when_it_asked(trace):
    states = re.compile(r':(instance\.(vm_state|task_state|locked|locked_by|launched_at)|context\.is_admin)$')
    guards = 0
    for step in trace.steps:
        if step.station in module._GUARDS:
            guards += 1
            sources = {cited.source for cited in sentence(trace, step, 'return').values if states.search(cited.source)}
            assert {source.partition(':')[0] for source in sources} <= {'before'}
    assert guards or not trace.find('live_migrate')


def test_a_message_without_a_reply_was_still_sent():
    trace = run(Scenario(microversion='2.30', conductor_reply={'raise': 'MessagingTimeout', 'kwargs': {}}))
    assert told_at(trace, 'send', 'return').startswith('No reply to the message `migrate_server` came in time')
    assert told_at(trace, 'live_migrate', 'return').startswith(
        'instance.task_state changes from None to "migrating", but then `Transport._send` raises `MessagingTimeout`')


@pytest.mark.parametrize(('state', 'station', 'found'), [
    ({'vnic_type': 'vdpa'}, 'reject_vdpa_instances', 'it has a vDPA port, but no nova-compute has a service '
     'version older than 63'),
    ({'locked_by': 'owner'}, 'check_instance_lock', 'it is locked by "owner", but u-admin is an administrator'),
    ({'vm_state': 'paused'}, 'check_instance_state', 'vm_state is "paused" (it accepts "active" or "paused")'),
])
def test_an_unusual_server_passes_for_the_reason_that_is_told(state, station, found):
    trace = run(Scenario(state=state))
    assert trace.response['status'] == 202
    assert found in told_at(trace, station, 'return')


def test_a_server_that_never_started_is_rejected_for_that():
    trace = run(Scenario(state={'launched': False}))
    assert 'it was never started: launched_at is None' in told_at(trace, 'check_instance_state', 'return')


def test_old_and_raw_requests_are_told_without_a_gap():
    body = {'os-migrateLive': {'host': None, 'block_migration': False, 'disk_over_commit': False, 'force': True}}
    for path in ('/v2.1/servers/$SERVER/action', '/v2/servers/$SERVER/action', '/v2.1/nothing', '/', '/v9/x'):
        for headers in ({}, {'Content-Type': 'text/xml'}, {'OpenStack-API-Version': 'compute 2.30'},
                        {'OpenStack-API-Version': 'nonsense'}, {'Accept': 'x/y'}):
            trace = run(Scenario(request={'method': 'POST', 'path': path, 'headers': headers, 'body': body}))
            for _step, _moment, said in sentences(trace):
                assert 10 < len(said.text) <= 240
                assert not re.search(r'  | [.,;:]|^[ ,;]|MISSING', said.text), said.text
