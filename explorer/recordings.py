"""What the real Nova did, kept: the traces of the seven explorations, of their comparisons, and of requests turned back.

`record()` writes them with the live engine; `recorded()` serves them, so that a learner without nova still sees the real
one; `stale()` tells what is no longer so.
"""

import dataclasses
import datetime
import functools
import json
import lzma
import pathlib
import re

from explorer.explorations import EXPLORATIONS, Scenario
from explorer.shapes import RECORDED, check
from explorer.stations import NOVA, WrongUse
from explorer.trace import Trace, difference

FILE = pathlib.Path(__file__).with_name('recordings.jsonl.xz')
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
    'no request spec': Scenario(state={'request_spec': False}),
    'a race that is lost': Scenario(race={'task_state': 'powering-off'}),
    'no host is left, over a call': Scenario(microversion='2.30', conductor_reply={
        'raise': 'NoValidHost', 'kwargs': {'reason': 'none is left'}}),
    'no host is left, over a cast': Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': 'none is left'}}),
    'a broker that is away': Scenario(conductor_reply={'raise': 'MessageDeliveryFailure', 'kwargs': {}}),
}


def scenarios():
    """Give what is recorded: {name: Scenario}, each scenario once."""
    named = [(f'{row.key}{says}', scenario) for row in EXPLORATIONS
             for says, scenario in (('', row.scenario), (f', {row.compare_says}', row.compare)) if scenario]
    found = {}
    for name, scenario in [*named, *REFUSALS.items()]:
        if scenario not in found.values():
            found[name] = scenario
    return found


def record(run, path=FILE):
    """Let an engine answer all that is recorded and write it down, whole or not at all.

    Shape: run(scenario) gives a trace of the real Nova.
    Returns: the names of what was written.
    Raises: WrongUse, if the real Nova can't be asked or the file can't be written; then what there was stays.
    """
    traces = _asked(run)
    head = {'schema': 1, 'nova': NOVA, 'python': next(iter(traces.values())).versions['python'],
            'date': datetime.date.today().isoformat()}
    lines = [json.dumps(head), *(json.dumps({'name': name, 'trace': json.loads(trace.to_json())})
                                 for name, trace in traces.items())]
    path = pathlib.Path(path)
    part = path.with_name(f'.{path.name}.part')
    try:
        part.write_bytes(lzma.compress('\n'.join(lines).encode(), preset=9))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WrongUse(f'{path} can not be written: {error.strerror}; what was recorded before is still there') from error
    kept.cache_clear()
    return list(traces)


@functools.cache
def kept(path=FILE):
    """Read what was recorded: (head, {name: Trace}).

    Raises: WrongUse for a file that is missing, damaged, or of another version.
    """
    try:
        head, *lines = lzma.decompress(pathlib.Path(path).read_bytes()).decode().splitlines()
        head, lines = json.loads(head), [json.loads(line) for line in lines]
    except OSError as error:
        raise WrongUse(f'the recordings can not be read: {error.strerror}; {REMEDY}') from error
    except (ValueError, lzma.LZMAError, EOFError) as error:
        raise WrongUse(f'the recordings are damaged: {error}; {REMEDY}') from error
    check([head, *lines], RECORDED, 'the recordings are damaged', REMEDY)
    if head['nova'] != NOVA:
        raise WrongUse(f'the recordings are of nova {head["nova"]}, but this version knows {NOVA}; {REMEDY}')
    traces = {line['name']: dataclasses.replace(Trace.from_json(json.dumps(line['trace'])), engine='recorded')
              for line in lines}
    return head, traces


def recorded(scenario, path=FILE):
    """Give the recording of a scenario.

    Raises: WrongUse, if there is none.
    """
    asked = json.loads(json.dumps(dataclasses.asdict(scenario)))
    traces = kept(path)[1]
    for trace in traces.values():
        if trace.scenario == asked:
            return trace
    raise WrongUse(f'no recording of this request; there are: {"; ".join(traces)}. engine="nova" asks the real one, '
                   'where it is installed')


def _asked(run):
    """Ask all that is recorded: {name: Trace}. Each is asked twice, as Nova reads some things only once."""
    return {name: [run(scenario) for _ in range(2)][1] for name, scenario in scenarios().items()}


# ------------------------------------------------------------------------------------------------ are they still true


def gist(trace):
    """Give what of a trace shall not change from run to run, as plain data."""
    response = trace.response and {
        'status': trace.response['status'], 'body': _settled(trace.response['body'])}
    return {
        'response': response, 'messages': _settled(trace.messages), 'outcome': trace.outcome, 'note': _settled(trace.note),
        'steps': [[step.station, step.file, step.line, step.node, _refusal(step)] for step in trace.steps],
        'besides': sorted({name for names in trace.besides.values() for name in names})}


def _settled(value):
    """Put a mark in the place of the ids of requests."""
    return json.loads(re.sub(r'req-[0-9a-f-]{36}', 'req-…', json.dumps(value)))


def _refusal(step):
    return step.error.get('') if isinstance(step.error, dict) else step.error


def stale(run, path=FILE):
    """Ask anew all that is recorded and tell what is no longer so: a line for each difference."""
    lines, traces = [], kept(path)[1]
    for name, trace in _asked(run).items():
        if name not in traces:
            lines.append(f'{name}: not recorded')
            continue
        found = difference(gist(traces[name]), gist(trace))
        lines += [f'{name}: {".".join(map(str, where))} {kind}: {json.dumps(what)[:200]}'
                  for kind, places in found.items() for where, what in places.items()]
    return lines + [f'{name}: recorded, but no longer asked' for name in traces if name not in scenarios()]
