"""Side by side: the miniature and the real Nova on the same request, where they differ and why.

Everything here is computed from two traces. Only the reasons are written by hand; a test requires one for each
difference that is found.
"""

import dataclasses
import difflib
import functools
import json
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from explorer import exception, objects, pipeline
from explorer.engines.recordings import Run
from explorer.explorations import scenario_of_trace
from explorer.payloads import Path, Plain, Value, difference
from explorer.stations import BY_KEY, RENAMED, split
from explorer.trace import Step, Trace

Badge: TypeAlias = Literal['same', 'simplified', 'left out']

# Why the miniature leaves functions of Nova out. At a station in AT, the reason is the same for every function;
# elsewhere it is found in REASONS by the longest key that the function's name begins with.
AT = {
    'VersionsV2.index': 'describes versions in full, with links; the miniature returns what the client reads',
    'ServersController.index': 'searches all cells, filters, sorts, pages and adds links; the miniature looks up one '
                               'name',
    'ServersController.show': 'reads everything that belongs to a server and describes it in full; the miniature '
                              'returns what the client reads',
    '_live_migrate': 'continues beyond the end of this path: Nova checks, claims resources and asks other services, up '
                     'to the cast to the compute host',
}
_EVENTS = 'records in the instance action when the conductor began and ended, and with which error'
REASONS = {
    'nova.api.openstack.api_version_request': 'compares microversions; the miniature compares pairs of numbers',
    'nova.api.openstack.requestlog': 'decides what to log and in which format; the miniature writes one line',
    'nova.api.openstack.urlmap': 'also weighs the Accept header; for this request, the path alone decides',
    'nova.api.openstack.wsgi': 'spreads over small methods what the miniature does in one place, with the same result',
    'nova.api.openstack.wsgi.Request.best_match_language': 'looks for a language that the caller understands; the '
                                                           'miniature has only one',
    'nova.compute.api': 'reads which cell the server belongs to, and repairs mappings of old servers; this cloud has '
                        'no old ones',
    'nova.compute.rpcapi': 'creates the client for messages to compute hosts on first use; the miniature creates it at '
                           'the start',
    'nova.compute.utils': _EVENTS,
    'nova.context': 'serves many cells, with timeouts; this cloud has one cell',
    'nova.context.RequestContext': 'reads or sets a value of the context',
    'nova.context.is_user_context': 'checks whose context it is before the database is used',
    'nova.context.require_context': 'checks whose context it is before the database is used',
    'nova.db': 'reaches the tables through SQLAlchemy classes, with checks and conversions; the miniature uses plain '
               'SQL expressions',
    'nova.db.main.api._action_get_by_request_id': _EVENTS,
    'nova.db.main.api.action_event': _EVENTS,
    'nova.exception': 'creates the error and its message for the reader',
    'nova.i18n': 'translates the message if the caller wants another language',
    'nova.monkey_patch': 'checks whether threads or eventlet are in use; the miniature supports only threads',
    'nova.network.model': "creates objects for the server's ports, and turns them into text",
    'nova.network.neutron': "caches the list of Neutron's extensions for a while; this cloud's Neutron has none",
    'nova.notifications': 'notifies listeners that the task state has changed; this cloud has no listeners',
    'nova.objects': 'turns rows into objects, and loads and saves related data field by field; the objects of the '
                    'miniature hold only what the path touches',
    'nova.objects.base': 'converts objects to plain data and back, with everything attached to them, and counts what '
                         'is loaded late',
    'nova.objects.image_meta': 'reads all properties of the image; the miniature reads only the one it needs',
    'nova.objects.instance_action': _EVENTS,
    'nova.objects.instance_action.InstanceAction.pack_action_start': 'assembles the row of the action',
    'nova.policy': 'loads the rules on first use, and checks whether they have changed; the miniature loads them at '
                   'the start',
    'nova.profiler': 'passes the request to osprofiler, which is switched off',
    'nova.safe_utils': 'finds the plain function under its decorators',
    'nova.thread_pool_factory': 'submits the query to a thread pool that is sized and counted; the miniature starts a '
                                'plain thread pool',
    'nova.utils': 'is a small helper; the miniature has it inline, takes it from a library, or does without it',
    'nova.version': 'names the contact for the message of an unexpected error',
    'nova.virt.hardware': 'works out what the flavor and the image ask for, including all conflicts between them; the '
                          'miniature checks only the one property that matters here',
}

# The names of values that differ each time the same code runs: times, ids, addresses and the order of sets. A value
# that is missing in only one of the traces is a difference even under these names.
VARIES = re.compile(
    r'(.*_at|date|Date|content-length|Content-Length|SERVER_PORT|HTTP_HOST|REMOTE_PORT|url|href|timestamp|updated|'
    r'created|wsgi\..*|webob\..*|database_connection|db_connection|nova_object\.changes|id|compute_id|X-Auth-Token|'
    r'HTTP_X_AUTH_TOKEN|updates|changes)$', re.IGNORECASE)

_LESS = 'the miniature describes only what the client reads of a server'
_ROW = "in Nova this is in a table of its own, which is read on demand; in the miniature it is in the server's row"

# Why a station's payload differs: (end of the path into the payload, sentence).
PAYLOADS: tuple[tuple[tuple[str, ...], str], ...] = (
    (('self',), 'the real Nova runs with our subclass of the token filter, which replaces Keystone'),
    (('network_info',), "in the miniature this is in the server's row, in Nova in a table of its own"),
    (('links',), _LESS), (('content',), _LESS),
    (('request', ''), 'the real token filter has its own class for the request'),
    (('user_auth_plugin',), "would query Keystone on the user's behalf; nothing uses it here"),
    (('metadata',), _ROW), (('system_metadata',), _ROW), (('flavor',), _ROW),
    (('info_cache',), 'is loaded with the server in the miniature, and on first use in Nova'),
    (('columns_to_join',), 'the miniature has no security groups'),
    (('retry',), 'if the broker is unreachable, the miniature gives up after a second; Nova retries forever'),
    (('code',), 'in Nova, this is a property that reads the status from another attribute'),
    (('actions', '0', 'message'),
     'the real conductor records its failure in the instance action; the miniature leaves these events out'),
    (('wrapped_exc', ''), 'the HTTP error has a class of its own in Nova, with the same status and message'),
    (('',), 'the HTTP error has a class of its own in Nova, with the same status and message'),
)


# What ComputeTaskManager._live_migrate goes on to do in Nova after the end of this path: NEXT_FIND if a host must be
# found, NEXT_GIVEN if one is given.
_TASK = 'nova.conductor.tasks.live_migrate.LiveMigrationTask.'
_FIRST = (
    ('nova.objects.migration.Migration.create', 'records the migration, with the status accepted'),
    (_TASK + '_execute', 'takes over'),
    (_TASK + '_check_instance_is_active', 'checks that the server is running or paused'),
    (_TASK + '_check_host_is_up', 'checks that the source host is up'),
    ('nova.conductor.tasks.migrate.replace_allocation_with_migration',
     'moves the claim in Placement from the server to the migration'),
)
_LAST = (
    ('nova.objects.migration.Migration.save', 'records the destination'),
    ('nova.compute.rpcapi.ComputeAPI.live_migration', 'casts to the source host, where the memory begins to move'),
)
_ASK = ('nova.compute.rpcapi.ComputeAPI.check_can_live_migrate_destination', 'calls that host and waits')
NEXT_FIND = (
    *_FIRST,
    (_TASK + '_find_destination', 'tries one host after another until one is suitable'),
    ('nova.scheduler.rpcapi.SchedulerAPI.select_destinations', 'calls the scheduler and waits'),
    _ASK, *_LAST)
NEXT_GIVEN = (
    *_FIRST,
    (_TASK + '_check_destination_is_not_source', 'rejects the host that the server is already on'),
    (_TASK + '_check_host_is_up', 'checks that the given host is up'),
    (_TASK + '_check_destination_has_enough_memory', 'compares the memory that is free there'),
    (_TASK + '_check_compatible_with_source_hypervisor', 'compares the hypervisors'),
    ('nova.scheduler.utils.claim_resources_on_destination', 'claims in Placement what the server needs there'),
    (_TASK + '_check_requested_destination', 'makes sure that the host is in the same cell'),
    _ASK, *_LAST)


class PlainDifference(NamedTuple):
    """A place where plain data differs; a value is None where it is missing."""

    path: Path
    ours: Value
    real: Value


class PayloadDifference(NamedTuple):
    """A place where the payloads of a step differ; *when* is before, result or error."""

    when: str
    path: Path
    ours: Value
    real: Value


class LeftOut(NamedTuple):
    """Functions that the miniature leaves out at a station for the same reason."""

    why: str
    names: str  # by module
    number: int


@dataclasses.dataclass(frozen=True)
class Pair:
    """A visit of a station, in both traces.

    Shape: *ours* and *real* are the indices of the steps, None where the station was not visited; *also_ran* is what
    the real Nova runs there and the miniature lacks, {dotted name: how often}; *payload* is what differs.
    """

    station: str
    ours: int | None
    real: int | None
    also_ran: Mapping[str, int]
    payload: Sequence[PayloadDifference]

    @property
    def badge(self) -> Badge:
        """Whether the miniature matches the real Nova here."""
        if self.ours is None:
            return 'left out'
        return 'same' if self.real is not None and not self.also_ran and not self.payload else 'simplified'


def pairs(miniature: Trace, real: Trace) -> tuple[Pair, ...]:
    """Align two traces of the same request, in the order of the path."""
    return tuple(_pair(miniature, real, *places) for places in align(miniature, real))


def align(a: Trace, b: Trace) -> list[tuple[int | None, int | None]]:
    """Align the stations of two traces: [(index in A, index in B)], None where that trace has no such visit."""
    keys = [[step.station for step in trace.steps] for trace in (a, b)]
    places: list[tuple[int | None, int | None]] = []
    blocks = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes()
    for kind, first, last, other_first, other_last in blocks:
        ours, theirs = range(first, last), range(other_first, other_last)
        places += (zip(ours, theirs, strict=True) if kind == 'equal'
                   else [*((i, None) for i in ours), *((None, j) for j in theirs)])
    return places


def _pair(miniature: Trace, real: Trace, ours: int | None, theirs: int | None) -> Pair:
    a, b = (None if index is None else trace.steps[index] for trace, index in ((miniature, ours), (real, theirs)))
    ran = real.also_ran.get(str(theirs), {})
    return Pair(next(step.station for step in (a, b) if step), ours, theirs,
                {name: count for name, count in ran.items() if not in_miniature(name)},
                payload_differences(a, b) if a and b else [])


@functools.cache
def in_miniature(name: str) -> bool:
    """Return whether the miniature also has a function of Nova that is not a station."""
    module, qualname = split(name)
    owner, dot, rest = qualname.partition('.')
    owner = RENAMED.get(f'{module}.{owner}', owner)
    path = f'{owner}{dot}{rest}'.split('.<locals>')[0].split('.')
    for home in (pipeline, objects, exception):
        try:
            found = operator.attrgetter('.'.join(path))(home)
        except AttributeError:
            continue
        holder, origin = getattr(home, path[0]), getattr(found, '__module__', home.__name__)
        if origin.startswith('explorer.') and (len(path) == 1 or path[-1] in vars(holder)):
            return True
    return False


def reason(name: str, station: str) -> str | None:
    """Return why the miniature leaves out a function of Nova that runs at a station; None if no reason is known."""
    known = [start for start in REASONS if name.startswith(start)]
    return AT.get(station) or (REASONS[max(known, key=len)] if known else None)


def by_reason(names: Iterable[str], station: str) -> tuple[LeftOut, ...]:
    """Group by reason the functions that the miniature leaves out at a station."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(names):
        module, qualname = split(name)
        why = reason(name, station) or 'no reason has been written down yet'
        found.setdefault(why, {}).setdefault(module, []).append(qualname)
    return tuple(LeftOut(why, '; '.join(f'{module}: {", ".join(each)}' for module, each in modules.items()),
                         sum(map(len, modules.values()))) for why, modules in found.items())


def payload_reason(path: Iterable[object]) -> str | None:
    """Return why a payload differs at a path; None if no reason is known."""
    names = tuple(map(str, path))
    return next((says for end, says in PAYLOADS if names[-len(end):] == end), None)


def payload_differences(ours: Step, real: Step) -> list[PayloadDifference]:
    """Compare what a step received and returned.

    What only the real Nova has is not counted, because its objects have more fields.
    """
    found = []
    for when in ('before', 'result', 'error'):
        found += [PayloadDifference(when, path[1:], one, other)
                  for path, one, other in _differences({when: getattr(ours, when)}, {when: getattr(real, when)})]
    return found


def differences_at_the_end(miniature: Trace, real: Trace) -> list[PlainDifference]:
    """Compare the results of a request: its response, its messages, the final state and the client's last message."""
    ours, theirs = ({name: getattr(trace, name) for name in ('response', 'messages', 'outcome', 'note')}
                    for trace in (miniature, real))
    return _differences(ours, theirs, added=True)


def _differences(ours: Plain, real: Plain, *, added: bool = False) -> list[PlainDifference]:
    parts = difference(_plain(ours), _plain(real))
    found = [PlainDifference(path, one, other) for path, (one, other) in parts['changed'].items()]
    found += [PlainDifference(path, one, None) for path, one in parts['dropped'].items()]
    found += [PlainDifference(path, None, other) for path, other in parts['added'].items() if added]
    return [each for each in found if not _varies(*each)]


def _varies(path: Path, one: Value, other: Value) -> bool:
    return (one is None) == (other is None) and any(VARIES.match(str(name)) for name in path)


# What has another name in the miniature, and the conductors that can be made to fail.
_OURS = {**{f'<{ours}>': f'<{theirs.rpartition(".")[2]}>' for theirs, ours in RENAMED.items()},
         '<_Conductor>': '<ComputeTaskManager>', '<Conductor>': '<ComputeTaskManager>'}


def _plain(payload: Plain) -> Value:
    text = re.sub(
        r'req-[0-9a-f-]{36}|127\.0\.0\.1:\d+|WSGIServer/[\d.]+ CPython/[\d.]+', '…', json.dumps(payload))
    return json.loads(re.sub('|'.join(_OURS), lambda found: _OURS[found[0]], text))


def badges(pairs: Iterable[Pair]) -> dict[str, Badge]:
    """Sum up the pairs of several comparisons: {key of a station that was reached: its worst badge}."""
    worst: dict[str, set[Badge]] = {}
    for pair in pairs:
        if pair.ours is not None or pair.real is not None:
            worst.setdefault(pair.station, set()).add(pair.badge)
    order: tuple[Badge, ...] = ('left out', 'simplified', 'same')
    return {key: next(badge for badge in order if badge in found) for key, found in worst.items() if key in BY_KEY}


def badges_of(run: Run, traces: Mapping[str, Trace]) -> dict[str, Badge]:
    """Compare the recordings with the miniature: {key of a station: badge}.

    Shape: run(scenario) returns a trace of the miniature; *traces* is {name: trace of the real Nova}.
    """
    return badges([pair for real in traces.values() for pair in pairs(run(scenario_of_trace(real)), real)])
