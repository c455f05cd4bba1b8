"""Side by side: the miniature and the real Nova on the same request; where they differ, and why.

Everything here is worked out from two traces. Only the reasons are written by hand; a test holds that there is one for
each difference that was found.
"""

import dataclasses
import difflib
import functools
import json
import operator
import re

from explorer import exception, objects, pipeline
from explorer.explorations import scenario_of_trace
from explorer.payloads import difference
from explorer.stations import BY_KEY, RENAMED, split

# Why the miniature leaves functions of Nova out: at a station, whatever they are; else by the beginning of the name, and then the
# longest one counts.
AT = {
    'VersionsV2.index': 'describes versions in full, with links; ours gives what the client reads',
    'ServersController.index': 'looks through all cells, filters, sorts and pages, and makes links; ours looks one name up',
    'ServersController.show': 'reads all that belongs to a server and describes it in full; ours gives what the client reads',
    '_live_migrate': 'goes on behind the end of our path: it checks, claims and asks, up to the cast to the compute host',
}
_EVENTS = 'notes with the action when the conductor began and ended, and with which error'
REASONS = {
    'nova.api.openstack.api_version_request': 'compares microversions; ours are compared as pairs of numbers',
    'nova.api.openstack.requestlog': 'decides what to log and in which form; ours writes one line',
    'nova.api.openstack.urlmap': 'weighs the Accept header, too; the path alone decides for this request',
    'nova.api.openstack.wsgi': 'spreads over small methods what ours does in one place, with the same result',
    'nova.api.openstack.wsgi.Request.best_match_language': 'looks for a language that the caller understands; ours speaks one',
    'nova.compute.api': 'reads to which cell the server belongs, and mends mappings of old servers; this cloud has none that are old',
    'nova.compute.rpcapi': 'makes the client of the messages to compute hosts when it is first asked for; ours is there from the start',
    'nova.compute.utils': _EVENTS,
    'nova.context': 'serves many cells, with limits of time; this cloud has one cell',
    'nova.context.RequestContext': 'reads or sets a value of the context',
    'nova.context.is_user_context': 'asks whose context it is, before the database is used',
    'nova.context.require_context': 'asks whose context it is, before the database is used',
    'nova.db': 'reaches the tables through classes of SQLAlchemy, with checks and conversions; ours has plain SQL expressions',
    'nova.db.main.api._action_get_by_request_id': _EVENTS,
    'nova.db.main.api.action_event': _EVENTS,
    'nova.exception': 'makes the error, with words for its reader',
    'nova.i18n': 'translates the message, where the caller wants another language',
    'nova.monkey_patch': 'asks whether threads or eventlet are in use; ours knows only threads',
    'nova.network.model': 'makes objects of the ports of the server, and text of them',
    'nova.network.neutron': 'keeps the list of Neutron\'s extensions for a while; this cloud\'s Neutron has none',
    'nova.notifications': 'tells whoever listens that the task state changed; this cloud has no listeners',
    'nova.objects': 'makes objects of rows, loads and saves what hangs on them, field by field; ours hold only what the path touches',
    'nova.objects.base': 'turns objects into plain data and back, with all that hangs on them, and counts what is loaded late',
    'nova.objects.image_meta': 'reads all properties of the image; ours reads the one that is asked for',
    'nova.objects.instance_action': _EVENTS,
    'nova.objects.instance_action.InstanceAction.pack_action_start': 'puts together the row of the action',
    'nova.policy': 'loads the rules when they are first asked for, and looks whether they changed; ours are there from the start',
    'nova.profiler': 'passes the request to osprofiler, which is switched off',
    'nova.safe_utils': 'finds the plain function under its decorators',
    'nova.thread_pool_factory': 'hands the query to a pool of threads that is sized and counted; ours starts a plain thread pool',
    'nova.utils': 'is a small helper, which ours has inline, from a library, or does without',
    'nova.version': 'says whom to contact, for the text of an unexpected error',
    'nova.virt.hardware': 'works out what flavor and image ask for, with all their conflicts; ours asks the one question',
}

# What is different in two runs of the same code: times, ids, addresses and the order of sets. That it is there, or not, is none of it.
VARIES = re.compile(
    r'(.*_at|date|Date|content-length|Content-Length|SERVER_PORT|HTTP_HOST|REMOTE_PORT|url|href|timestamp|updated|created|'
    r'wsgi\..*|webob\..*|database_connection|db_connection|nova_object\.changes|id|compute_id|X-Auth-Token|HTTP_X_AUTH_TOKEN|'
    r'updates|changes)$', re.IGNORECASE)

_LESS = 'the miniature describes a server with what the client reads'
_ROW = 'stands in a table of its own in Nova, which is read when it is asked for; here in the row of the server'

# Why what a station is given or gives back is not the same: (end of the path into the payload, sentence).
PAYLOADS = (
    (('self',), 'the tokens are known without Keystone, in a class of the worker\'s own'),
    (('network_info',), 'stands in the row of the server here, and in a table of its own in Nova'),
    (('links',), _LESS), (('content',), _LESS),
    (('request', ''), 'the filter for tokens has a class of its own for the request'),
    (('user_auth_plugin',), 'would ask Keystone in the name of the user; nobody asks it here'),
    (('metadata',), _ROW), (('system_metadata',), _ROW), (('flavor',), _ROW),
    (('info_cache',), 'is loaded with the server here, and when it is first asked for in Nova'),
    (('columns_to_join',), 'the miniature has no security groups'),
    (('retry',), 'without a broker the miniature answers after a second; Nova tries for ever'),
    (('code',), 'the status is worked out a moment earlier'),
    (('actions', '0', 'message'), 'the real conductor notes with the action that it failed; the miniature leaves these events out'),
    (('wrapped_exc', ''), 'the HTTP error has a class of its own in Nova, with the same status and words'),
    (('',), 'the HTTP error has a class of its own in Nova, with the same status and words'),
)


# What ComputeTaskManager._live_migrate goes on to do in Nova, where our path ends: with a host to be found, with one given.
_TASK = 'nova.conductor.tasks.live_migrate.LiveMigrationTask.'
_FIRST = (
    ('nova.objects.migration.Migration.create', 'writes the migration down, with the status accepted'),
    (_TASK + '_execute', 'takes over'),
    (_TASK + '_check_instance_is_active', 'asks for a server that runs or is paused'),
    (_TASK + '_check_host_is_up', 'asks whether the source is alive'),
    ('nova.conductor.tasks.migrate.replace_allocation_with_migration',
     'moves the claim in Placement from the server to the migration'),
)
_LAST = (
    ('nova.objects.migration.Migration.save', 'writes the destination down'),
    ('nova.compute.rpcapi.ComputeAPI.live_migration', 'casts to the source host, where the memory begins to move'),
)
_ASK = ('nova.compute.rpcapi.ComputeAPI.check_can_live_migrate_destination', 'calls that host, and waits')
NEXT_FIND = (
    *_FIRST,
    (_TASK + '_find_destination', 'looks for a host until one will do'),
    ('nova.scheduler.rpcapi.SchedulerAPI.select_destinations', 'calls the scheduler, and waits'),
    _ASK, *_LAST)
NEXT_GIVEN = (
    *_FIRST,
    (_TASK + '_check_destination_is_not_source', 'refuses the host where the server is'),
    (_TASK + '_check_host_is_up', 'asks whether the given host is alive'),
    (_TASK + '_check_destination_has_enough_memory', 'compares what is free there'),
    (_TASK + '_check_compatible_with_source_hypervisor', 'compares the hypervisors'),
    ('nova.scheduler.utils.claim_resources_on_destination', 'claims in Placement what the server needs there'),
    (_TASK + '_check_requested_destination', 'stays within the cell'),
    _ASK, *_LAST)


@dataclasses.dataclass(frozen=True)
class Pair:
    """A station, in both traces.

    Shape: *ours*, *real*: the index of the step, None where it was not visited; *also_ran* {dotted name: how often} of what
    the real one runs there and the miniature lacks; *payload* [(when, path, ours, real)] of what is not the same.
    """

    station: str
    ours: int | None
    real: int | None
    also_ran: dict
    payload: list

    @property
    def badge(self):
        """Say how the miniature stands to the real one here: same, simplified, left out."""
        if self.ours is None:
            return 'left out'
        return 'same' if self.real is not None and not self.also_ran and not self.payload else 'simplified'


def pairs(miniature, real):
    """Align two traces of the same request.

    Returns: a tuple of Pairs, in the order of the walk.
    """
    return tuple(_pair(miniature, real, *places) for places in align(miniature, real))


def align(a, b):
    """Lay the stations of two traces side by side: [(index in A, index in B)], None where the other has no such visit."""
    keys, places = [[step.station for step in trace.steps] for trace in (a, b)], []
    for kind, first, last, other_first, other_last in difflib.SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        ours, theirs = range(first, last), range(other_first, other_last)
        places += zip(ours, theirs) if kind == 'equal' else [*((i, None) for i in ours), *((None, j) for j in theirs)]
    return places


def _pair(miniature, real, ours, theirs):
    a, b = (None if index is None else trace.steps[index] for trace, index in ((miniature, ours), (real, theirs)))
    ran = real.also_ran.get(str(theirs), {})
    return Pair((a or b).station, ours, theirs, {name: count for name, count in ran.items() if not in_miniature(name)},
                payload_differences(a, b) if a and b else [])


@functools.cache
def in_miniature(name):
    """Say whether the miniature has a function of Nova, too, without a station of its own."""
    module, qualname = split(name)
    owner, dot, rest = qualname.partition('.')
    owner = RENAMED.get(f'{module}.{owner}', owner)
    path = [part for part in f'{owner}{dot}{rest}'.split('.<locals>')[0].split('.')]
    for home in (pipeline, objects, exception):
        try:
            found = operator.attrgetter('.'.join(path))(home)
        except AttributeError:
            continue
        holder = getattr(home, path[0])
        if getattr(found, '__module__', home.__name__).startswith('explorer.') and (len(path) == 1 or path[-1] in vars(holder)):
            return True
    return False


def reason(name, station):
    """Say why the miniature leaves a function of Nova out that runs at a station; None where no reason is known."""
    known = [start for start in REASONS if name.startswith(start)]
    return AT.get(station) or (REASONS[max(known, key=len)] if known else None)


def by_reason(names, station):
    """Sort functions that the miniature leaves out at a station by the reason: ((reason, names by modules as a text, how many), ...)."""
    found = {}
    for name in sorted(names):
        module, qualname = split(name)
        why = reason(name, station) or 'not met so far, so nobody has said why'
        found.setdefault(why, {}).setdefault(module, []).append(qualname)
    return tuple((why, '; '.join(f'{module}: {", ".join(each)}' for module, each in modules.items()), sum(map(len, modules.values())))
                 for why, modules in found.items())


def payload_reason(path):
    """Say why a payload differs at a path; None where no reason is known."""
    names = tuple(map(str, path))
    return next((says for end, says in PAYLOADS if names[-len(end):] == end), None)


def payload_differences(ours, real):
    """Compare what a step was given and gave back: [(when, path, ours, real)].

    What only the real one has is no difference: its objects have more fields.
    """
    found = []
    for when in ('before', 'result', 'error'):
        found += [(when, path[1:], one, other)
                  for path, one, other in _differences({when: getattr(ours, when)}, {when: getattr(real, when)})]
    return found


def differences_at_the_end(miniature, real):
    """Compare what became of a request: [(path, ours, real)] of answer, messages, state left behind and the client's last words."""
    ends = ({name: getattr(trace, name) for name in ('response', 'messages', 'outcome', 'note')} for trace in (miniature, real))
    return _differences(*ends, added=True)


def _differences(ours, real, *, added=False):
    parts = difference(_plain(ours), _plain(real))
    found = [(path, one, other) for path, (one, other) in parts['changed'].items()]
    found += [(path, one, None) for path, one in parts['dropped'].items()]
    found += [(path, None, other) for path, other in parts['added'].items() if added]
    return [each for each in found if not _varies(*each)]


def _varies(path, one, other):
    return (one is None) == (other is None) and any(VARIES.match(str(name)) for name in path)


# What bears another name here; and the conductors that can be told to fail.
_OURS = {**{f'<{ours}>': f'<{theirs.rpartition(".")[2]}>' for theirs, ours in RENAMED.items()},
         '<_Conductor>': '<ComputeTaskManager>', '<Conductor>': '<ComputeTaskManager>'}


def _plain(payload):
    text = re.sub(r'req-[0-9a-f-]{36}|127\.0\.0\.1:\d+|WSGIServer/[\d.]+ CPython/[\d.]+', '…', json.dumps(payload))
    return json.loads(re.sub('|'.join(_OURS), lambda found: _OURS[found[0]], text))


def badges(pairs):
    """Sum up the pairs of several comparisons: {key of the station: badge}; what was never reached is not in it."""
    worst = {}
    for pair in pairs:
        if pair.ours is not None or pair.real is not None:
            worst.setdefault(pair.station, set()).add(pair.badge)
    order = ('left out', 'simplified', 'same')
    return {key: next(badge for badge in order if badge in found) for key, found in worst.items() if key in BY_KEY}


def badges_of(run, traces):
    """Compare what was recorded with the miniature: {key of a station: badge}.

    Shape: run(scenario) gives a trace of the miniature; *traces* {name: trace of the real Nova}.
    """
    return badges([pair for real in traces.values() for pair in pairs(run(scenario_of_trace(real)), real)])
