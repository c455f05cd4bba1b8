"""Recordings of the real Nova: traces of the seven explorations, their comparisons, failing requests, another action.

`record()` writes them with the live engine. `recorded()` serves them, so a learner without nova still sees the
real Nova. `stale()` reports where the real Nova no longer does what was recorded.
"""

import contextlib
import dataclasses
import datetime
import functools
import json
import lzma
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, TypedDict

from explorer.engines.cloud import Cloud
from explorer.errors import OBJECT, TEXT, WrongUse, check, object_of, write_whole
from explorer.explorations import EXPLORATIONS, Scenario
from explorer.payloads import Plain, Value, difference
from explorer.stations import NOVA
from explorer.trace import Trace

RECORDINGS_FILE = pathlib.Path(__file__).with_name('recordings.jsonl.xz')
REMEDY = 'where nova is installed, "python -m explorer record" writes them again'

# They fail at various places along the path; the last three fail beyond the API.
REFUSALS = {
    'no token': Scenario(caller='no_token'),
    'not JSON': Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {'Content-Type': 'application/json'},
        'raw_body': '{'}),
    'an action that does not exist': Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {'Content-Type': 'application/json'},
        'body': {'os-fly': None}}),
    'a field of another microversion': Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action',
        'headers': {'Content-Type': 'application/json', 'OpenStack-API-Version': 'compute 2.24'},
        'body': {'os-migrateLive': {'host': None, 'block_migration': 'auto', 'disk_over_commit': False}}}),
    "another project's server": Scenario(caller='manager_other_project'),
    'a host requested by a manager': Scenario(caller='manager', host='host2'),
    'a host that does not exist': Scenario(host='host9'),
    'a stopped server': Scenario(state={'vm_state': 'stopped'}),
    'a busy server': Scenario(state={'task_state': 'rebooting'}),
    'a server with a share': Scenario(state={'share': True}),
    'a server with an accelerator': Scenario(state={'flavor_extra': {'accel:device_profile': 'gpu'}}),
    'a server with a vTPM': Scenario(state={'flavor_extra': {'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'}}),
    'a server with encrypted memory': Scenario(state={
        'flavor_extra': {'hw:mem_encryption': 'true'}, 'image_props': {'hw_firmware_type': 'uefi'}}),
    'a port with an accelerator': Scenario(state={'vnic_type': 'accelerator-direct'}),
    'no request spec': Scenario(state={'request_spec': False}),
    'a lost race': Scenario(race={'task_state': 'powering-off'}),
    'no host is left, over a call': Scenario(microversion='2.30', conductor_reply={
        'raise': 'NoValidHost', 'kwargs': {'reason': 'none is left'}}),
    'no host is left, over a cast': Scenario(conductor_reply={
        'raise': 'NoValidHost', 'kwargs': {'reason': 'none is left'}}),
    'an unreachable broker': Scenario(conductor_reply={'raise': 'MessageDeliveryFailure', 'kwargs': {}}),
}

# A second action, which takes the same path.
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

# The shape of the first line of the file.
RECORDED = object_of(
    schema={'const': 1}, nova=TEXT, python=TEXT, date=TEXT, scenarios={'type': 'object', 'minProperties': 1},
    badges={'type': 'object', 'additionalProperties': TEXT}, places=OBJECT)

Run: TypeAlias = Callable[[Scenario], Trace]  # runs a scenario


class Head(TypedDict):
    """The first line of the file.

    Shape: *scenarios* {name: scenario}; *badges* {station: badge}; *places* {station: [file, line]} in Nova's source.
    """

    schema: int
    nova: str
    python: str
    date: str
    scenarios: dict[str, Plain]
    badges: dict[str, str]
    places: dict[str, list[Value]]


class NotRecorded(WrongUse):
    """The request is not recorded."""


def scenarios() -> dict[str, Scenario]:
    """Return what is recorded, each scenario once, by name."""
    named = [(f'{row.key}{says}', scenario) for row in EXPLORATIONS
             for says, scenario in (('', row.scenario), (f', {row.versus_says}', row.versus)) if scenario]
    found: dict[str, Scenario] = {}
    for name, scenario in [*named, *REFUSALS.items(), *PAUSES.items()]:
        if scenario not in found.values():
            found[name] = scenario
    return found


def record(
        run: Run, badges: Callable[[dict[str, Trace]], Mapping[str, str]],
        path: pathlib.Path = RECORDINGS_FILE) -> list[str]:
    """Run all scenarios on the real Nova and write the file of recordings, completely or not at all.

    Shape: badges({name: trace of the real Nova}) compares the miniature with it and returns {key of a station: badge}.
    Returns: the names of the recordings.
    Raises: WrongUse if the real Nova fails or the file cannot be written; the old file is then kept.
    """
    traces = _asked(run)
    places = {step.station: [step.file, step.line] for trace in traces.values() for step in trace.steps}
    head = {'schema': 1, 'nova': NOVA, 'python': next(iter(traces.values())).versions['python'],
            'date': datetime.date.today().isoformat(),
            'scenarios': {name: trace.scenario for name, trace in traces.items()},
            'badges': badges(traces), 'places': places}
    text = '\n'.join([json.dumps(head), *(trace.to_json() for trace in traces.values())])
    try:
        write_whole(path, lzma.compress(text.encode(), preset=9))
    except OSError as error:
        raise WrongUse(f'{path} cannot be written: {error.strerror}; the old recordings are unchanged, '
                       'so fix that and record again') from error
    for cached in (_head, _lines, trace_of):
        cached.cache_clear()
    return list(traces)


def _asked(run: Run) -> dict[str, Trace]:
    """Run all scenarios and return their traces by name; run each twice, because Nova reads some things only once."""
    return {name: [run(scenario) for _ in range(2)][1] for name, scenario in scenarios().items()}


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Raise WrongUse, with one line, for anything that is wrong with the file."""
    try:
        yield
    except OSError as error:
        raise WrongUse(f'the recordings cannot be read: {error.strerror}; {REMEDY}') from error
    except (ValueError, lzma.LZMAError, EOFError) as error:
        raise error if isinstance(error, WrongUse) else WrongUse(
            f'the recordings are damaged: {error}; {REMEDY}') from error


def head_of(path: pathlib.Path = RECORDINGS_FILE) -> Head:
    """Return the head of the file, which describes what is recorded.

    Raises: WrongUse for a file that is missing, damaged, or from another version of nova.
    """
    head = _head(path)
    if head['nova'] != NOVA:
        raise WrongUse(f'the recordings are of nova {head["nova"]}, but this version needs nova {NOVA}; {REMEDY}')
    return head


@functools.cache
def _head(path: pathlib.Path) -> Head:
    with _readable(), lzma.open(path, 'rt', encoding='utf-8') as file:
        head: Head = json.loads(file.readline())
    check(head, RECORDED, 'the recordings are damaged', REMEDY)
    return head


@functools.cache
def _lines(path: pathlib.Path) -> dict[str, str]:
    with _readable(), lzma.open(path, 'rt', encoding='utf-8') as file:
        lines = file.read().splitlines()[1:]
    names = _head(path)['scenarios']
    if len(lines) != len(names):
        raise WrongUse(f'the recordings are damaged: the file holds {len(lines)} of {len(names)} traces; {REMEDY}')
    return dict(zip(names, lines, strict=True))


@functools.cache
def trace_of(name: str, path: pathlib.Path = RECORDINGS_FILE) -> Trace:
    """Return a recorded trace by its name."""
    return dataclasses.replace(Trace.from_json(_lines(path)[name]), engine='recorded')


def recorded(scenario: Scenario, path: pathlib.Path = RECORDINGS_FILE) -> Trace:
    """Return the recorded trace of a scenario.

    Raises: NotRecorded if there is none; WrongUse if the file is missing or damaged.
    """
    asked = _unusual(dataclasses.asdict(scenario))
    for name, known in head_of(path)['scenarios'].items():
        if _unusual(known) == asked:
            return trace_of(name, path)
    raise NotRecorded('there is no recording of this request; use engine="nova" if the real Nova is installed, '
                      f'or choose one of: {"; ".join(head_of(path)["scenarios"])}')


def _unusual(scenario: Plain) -> Value:
    """Return a scenario, as plain data, without the parts of the server's state that have their default values."""
    usual = Cloud().server_defaults
    state = {name: value for name, value in scenario['state'].items() if name not in usual or value != usual[name]}
    return json.loads(json.dumps({**scenario, 'state': state}))


# ------------------------------------------------------------------------------------------------ do they still hold


def gist(trace: Trace) -> Plain:
    """Return, as plain data, the parts of a trace that must not change from one recording to the next."""
    response = trace.response and {
        'status': trace.response['status'], 'body': _settled(trace.response['body'])}
    return {
        'response': response, 'messages': _settled(trace.messages), 'outcome': trace.outcome,
        'note': _settled(trace.note),
        'steps': [[step.station, step.file, step.line, step.node,
                   step.error.get('') if isinstance(step.error, dict) else step.error] for step in trace.steps],
        'also_ran': sorted({name for names in trace.also_ran.values() for name in names})}


def _settled(value: Value) -> Value:
    """Replace the request ids with a placeholder."""
    return json.loads(re.sub(r'req-[0-9a-f-]{36}', 'req-…', json.dumps(value)))


def stale(run: Run, path: pathlib.Path = RECORDINGS_FILE) -> list[str]:
    """Run all scenarios again and return one line per difference from the recordings, even if of another version."""
    head = _head(path)
    known = head['scenarios']
    lines = [] if head['nova'] == NOVA else [f'recorded with nova {head["nova"]}, compared with nova {NOVA}']
    for name, trace in _asked(run).items():
        if name not in known:
            lines.append(f'{name}: not recorded')
            continue
        found = difference(gist(trace_of(name, path)), gist(trace))
        lines += [f'{name}: {".".join(map(str, where))} {kind}: {json.dumps(what)[:200]}'
                  for kind, places in found.items() for where, what in places.items()]
    return lines + [f'{name}: recorded, but no longer a scenario' for name in known if name not in scenarios()]
