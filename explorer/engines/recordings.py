"""What the real Nova did, kept: the traces of the seven explorations, of their comparisons, of requests turned back, and of a
second action.

`record()` writes them with the live engine; `recorded()` serves them, so that a learner without nova still sees the real
one; `stale()` tells what is no longer so.
"""

import contextlib
import dataclasses
import datetime
import functools
import json
import lzma
import pathlib
import re

from explorer.engines.cloud import Cloud
from explorer.errors import OBJECT, TEXT, WrongUse, check, object_of, write_whole
from explorer.explorations import EXPLORATIONS, Scenario
from explorer.payloads import difference
from explorer.stations import NOVA
from explorer.trace import Trace

RECORDINGS_FILE = pathlib.Path(__file__).with_name('recordings.jsonl.xz')
REMEDY = '"python -m explorer record" writes them anew, where nova is installed'

# Turned back, each somewhere else; and lost further in.
REFUSALS = {
    'no token': Scenario(caller='no_token'),
    'not JSON': Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {'Content-Type': 'application/json'},
        'raw_body': '{'}),
    'an action that does not exist': Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {'Content-Type': 'application/json'},
        'body': {'os-fly': None}}),
    'a word of another microversion': Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action',
        'headers': {'Content-Type': 'application/json', 'OpenStack-API-Version': 'compute 2.24'},
        'body': {'os-migrateLive': {'host': None, 'block_migration': 'auto', 'disk_over_commit': False}}}),
    'a server of others': Scenario(caller='manager_other_project'),
    'a manager names a host': Scenario(caller='manager', host='host2'),
    'a host that does not exist': Scenario(host='host9'),
    'a stopped server': Scenario(state={'vm_state': 'stopped'}),
    'a server that is busy': Scenario(state={'task_state': 'rebooting'}),
    'a server with a share': Scenario(state={'share': True}),
    'a server with an accelerator': Scenario(state={'flavor_extra': {'accel:device_profile': 'gpu'}}),
    'a server with a vTPM': Scenario(state={'flavor_extra': {'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'}}),
    'a server with encrypted memory': Scenario(state={
        'flavor_extra': {'hw:mem_encryption': 'true'}, 'image_props': {'hw_firmware_type': 'uefi'}}),
    'a port with an accelerator': Scenario(state={'vnic_type': 'accelerator-direct'}),
    'no request spec': Scenario(state={'request_spec': False}),
    'a race that is lost': Scenario(race={'task_state': 'powering-off'}),
    'no host is left, over a call': Scenario(microversion='2.30', conductor_reply={
        'raise': 'NoValidHost', 'kwargs': {'reason': 'none is left'}}),
    'no host is left, over a cast': Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'none is left'}}),
    'a broker that is away': Scenario(conductor_reply={'raise': 'MessageDeliveryFailure', 'kwargs': {}}),
}

# Another action on the same path.
_PAUSE = {
    'method': 'POST', 'path': '/v2.1/servers/$SERVER/action',
    'headers': {'Content-Type': 'application/json', 'OpenStack-API-Version': 'compute 2.96'}, 'body': {'pause': None}}
PAUSES = {
    'a pause': Scenario(request=_PAUSE),
    'a pause, as a member': Scenario(request=_PAUSE, caller='member'),
    'a pause of a locked server, as a member': Scenario(request=_PAUSE, caller='member', state={'locked_by': 'owner'}),
    'a pause of a stopped server': Scenario(request=_PAUSE, state={'vm_state': 'stopped'}),
    'a pause, as a reader': Scenario(request=_PAUSE, caller='reader'),
}

# The head of the file.
RECORDED = object_of(
    schema={'const': 1}, nova=TEXT, python=TEXT, date=TEXT, scenarios={'type': 'object', 'minProperties': 1},
    badges={'type': 'object', 'additionalProperties': TEXT}, places=OBJECT)


class NotRecorded(WrongUse):
    """There is no recording of a request."""


def scenarios():
    """Give what is recorded: {name: Scenario}, each scenario once."""
    named = [(f'{row.key}{says}', scenario) for row in EXPLORATIONS
             for says, scenario in (('', row.scenario), (f', {row.versus_says}', row.versus)) if scenario]
    found = {}
    for name, scenario in [*named, *REFUSALS.items(), *PAUSES.items()]:
        if scenario not in found.values():
            found[name] = scenario
    return found


def record(run, badges, path=RECORDINGS_FILE):
    """Let an engine answer all that is recorded and write it down, whole or not at all.

    Shape: run(scenario) gives a trace of the real Nova; badges({name: trace}) says how the miniature stands to it, {key of
    a station: badge}.
    Returns: the names of what was written.
    Raises: WrongUse, if the real Nova can't be asked or the file can't be written; then what there was stays.
    """
    traces = _asked(run)
    places = {step.station: [step.file, step.line] for trace in traces.values() for step in trace.steps}
    head = {'schema': 1, 'nova': NOVA, 'python': next(iter(traces.values())).versions['python'],
            'date': datetime.date.today().isoformat(), 'scenarios': {name: trace.scenario for name, trace in traces.items()},
            'badges': badges(traces), 'places': places}
    text = '\n'.join([json.dumps(head), *(trace.to_json() for trace in traces.values())])
    try:
        write_whole(path, lzma.compress(text.encode(), preset=9))
    except OSError as error:
        raise WrongUse(f'{path} cannot be written: {error.strerror}; what was recorded before is still there') from error
    for cached in (_head, _lines, trace_of):
        cached.cache_clear()
    return list(traces)


def _asked(run):
    """Ask all that is recorded: {name: Trace}. Each is asked twice, as Nova reads some things only once."""
    return {name: [run(scenario) for _ in range(2)][1] for name, scenario in scenarios().items()}


@contextlib.contextmanager
def _readable():
    """Turn what can be wrong with the file into one line."""
    try:
        yield
    except OSError as error:
        raise WrongUse(f'the recordings cannot be read: {error.strerror}; {REMEDY}') from error
    except (ValueError, lzma.LZMAError, EOFError) as error:
        raise error if isinstance(error, WrongUse) else WrongUse(f'the recordings are damaged: {error}; {REMEDY}') from error


def head_of(path=RECORDINGS_FILE):
    """Tell what was recorded: {nova, python, date, scenarios {name: scenario}, badges {station: badge}, places}.

    Shape: *places* is {station: [file, line]} in that version.
    Raises: WrongUse for a file that is missing, damaged, or of another version.
    """
    head = _head(path)
    if head['nova'] != NOVA:
        raise WrongUse(f'the recordings are of nova {head["nova"]}, but this version knows {NOVA}; {REMEDY}')
    return head


@functools.cache
def _head(path):
    with _readable(), lzma.open(path, 'rt', encoding='utf-8') as file:
        head = json.loads(file.readline())
    check(head, RECORDED, 'the recordings are damaged', REMEDY)
    return head


@functools.cache
def _lines(path):
    with _readable(), lzma.open(path, 'rt', encoding='utf-8') as file:
        lines = file.read().splitlines()[1:]
    names = _head(path)['scenarios']
    if len(lines) != len(names):
        raise WrongUse(f'the recordings are damaged: {len(lines)} of {len(names)} are there; {REMEDY}')
    return dict(zip(names, lines))


@functools.cache
def trace_of(name, path=RECORDINGS_FILE):
    """Give a recorded trace by its name."""
    return dataclasses.replace(Trace.from_json(_lines(path)[name]), engine='recorded')


def recorded(scenario, path=RECORDINGS_FILE):
    """Give the recording of a scenario.

    Raises: NotRecorded, if there is none; WrongUse, if the file is damaged.
    """
    asked = _unusual(dataclasses.asdict(scenario))
    for name, known in head_of(path)['scenarios'].items():
        if _unusual(known) == asked:
            return trace_of(name, path)
    raise NotRecorded(f'no recording of this request; there are: {"; ".join(head_of(path)["scenarios"])}. engine="nova" asks '
                      'the real one, where it is installed')


def _unusual(scenario):
    """Drop from a scenario, as plain data, what says of the server only what is usual."""
    usual = Cloud().server_defaults
    state = {name: value for name, value in scenario['state'].items() if name not in usual or value != usual[name]}
    return json.loads(json.dumps({**scenario, 'state': state}))


# ------------------------------------------------------------------------------------------------ are they still true


def gist(trace):
    """Give what of a trace shall not change from run to run, as plain data."""
    response = trace.response and {
        'status': trace.response['status'], 'body': _settled(trace.response['body'])}
    return {
        'response': response, 'messages': _settled(trace.messages), 'outcome': trace.outcome, 'note': _settled(trace.note),
        'steps': [[step.station, step.file, step.line, step.node, _refusal(step)] for step in trace.steps],
        'also_ran': sorted({name for names in trace.also_ran.values() for name in names})}


def _settled(value):
    """Put a mark in the place of the ids of requests."""
    return json.loads(re.sub(r'req-[0-9a-f-]{36}', 'req-…', json.dumps(value)))


def _refusal(step):
    return step.error.get('') if isinstance(step.error, dict) else step.error


def stale(run, path=RECORDINGS_FILE):
    """Ask anew all that is recorded, be it of another version, and tell what is no longer so: a line for each difference."""
    head = _head(path)
    known = head['scenarios']
    lines = [] if head['nova'] == NOVA else [f'recorded with nova {head["nova"]}, asked of nova {NOVA}']
    for name, trace in _asked(run).items():
        if name not in known:
            lines.append(f'{name}: not recorded')
            continue
        found = difference(gist(trace_of(name, path)), gist(trace))
        lines += [f'{name}: {".".join(map(str, where))} {kind}: {json.dumps(what)[:200]}'
                  for kind, places in found.items() for where, what in places.items()]
    return lines + [f'{name}: recorded, but no longer asked' for name in known if name not in scenarios()]
