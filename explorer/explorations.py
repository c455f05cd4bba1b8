"""The seven explorations as data, in the order of the article, and the scenario: what a client can choose.

The notebook, the flowcharts, the player, the tests and the README derive from these rows.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from explorer.errors import (
    FLAG,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    Schema,
    WrongUse,
    check,
    object_of,
    one_line,
    or_null,
    shorten,
)
from explorer.payloads import Plain, Value, unmarked
from explorer.stations import STATIONS, Station

# Fields that the command line sets: {key of FIELDS: (attribute of Scenario, name on the command line)}.
OPTIONS = {
    'block_migration': ('block_migrate', '--block-migrate'),
    'disk_over_commit': ('disk_over_commit', '--disk-over-commit'),
    'force': ('force', '--force'),
    'host': ('host', 'HOST'),
    'microversion': ('microversion', '--os-compute-api-version')}

# The schema of a scenario from outside.
MICROVERSION = r'^(latest|[0-9]{1,4}\.[0-9]{1,4})\Z'
_NAME = {'type': 'string', 'pattern': '^(?!-)'}  # a leading hyphen would make it an option of the client
HEADERS = {'type': 'object', 'additionalProperties': TEXT}
REQUEST = object_of(
    'headers', 'raw_body', method=TEXT, path={'type': 'string', 'pattern': r'^/[\x20-\x7e]*\Z'}, headers=HEADERS,
    raw_body=TEXT_OR_NULL)
_TEXTS = {'type': 'object', 'additionalProperties': TEXT}
_COLUMN = {'type': ['string', 'null'], 'maxLength': 255}  # the width of the column in the database
STATE: dict[str, dict[str, Schema]] = {'properties': {
    **dict.fromkeys(('vm_state', 'task_state', 'host', 'mapping', 'vnic_type'), _COLUMN),
    'project': {'type': 'string', 'maxLength': 255},
    **dict.fromkeys(('launched', 'deleted', 'request_spec', 'share'), FLAG),
    'power_state': {'type': 'integer', 'minimum': -2 ** 31, 'maximum': 2 ** 31 - 1},
    **dict.fromkeys(('flavor_extra', 'image_props'), or_null(_TEXTS)), 'locked_by': {'enum': [None, 'admin', 'owner']}}}
_EXCEPTION = {'type': 'string', 'pattern': r'^[A-Z][A-Za-z0-9]+\Z'}
REPLY = object_of('kwargs', **{'raise': _EXCEPTION, 'kwargs': or_null(OBJECT)})
RACE = object_of(task_state=TEXT_OR_NULL)

SCENARIO = object_of(
    server=_NAME, host=or_null(_NAME), block_migrate=FLAG, disk_over_commit=FLAG, force=FLAG,
    microversion={'type': ['string', 'null'], 'pattern': MICROVERSION}, caller=TEXT, state={'type': 'object', **STATE},
    request=or_null(REQUEST), conductor_reply=or_null(REPLY), race=or_null(RACE))


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Everything that a client can choose, and the state of the cloud before the request.

    Shape: *server* is a name or a UUID; *microversion* is 'X.Y', 'latest', or None for the client's default; *caller*
    is a key of the cloud's callers, or no_token, or bad_token; *state* overrides the server's defaults (vm_state,
    task_state, locked_by, ...). *request* {method, path, headers, body or raw_body} is a bare HTTP request that is sent
    without the client. *conductor_reply* {raise, kwargs} makes the conductor or the bus fail; *race* {task_state} lets
    a concurrent request win.
    Raises: WrongUse for an invalid microversion, and for any other value that no client or cloud could have.
    """

    server: str = 'web-1'
    host: str | None = None
    block_migrate: bool = False
    disk_over_commit: bool = False
    force: bool = False
    microversion: str | None = None
    caller: str = 'admin'
    state: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    request: Mapping[str, Value] | None = None
    conductor_reply: Mapping[str, Value] | None = None
    race: Mapping[str, Value] | None = None

    def __post_init__(self) -> None:
        version = self.microversion
        if version is not None and not (isinstance(version, str) and re.fullmatch(MICROVERSION, version)):
            raise WrongUse(f'{shorten(version)} is not a microversion; use one like 2.34, or latest')
        check(vars(self), SCENARIO, 'invalid scenario', 'see the docstring of Scenario')
        for name, part in vars(self).items():
            try:
                json.dumps(part)
            except (TypeError, ValueError, RecursionError) as error:
                raise WrongUse(f'invalid scenario: {name}: {one_line(error)}; use plain data, as in JSON') from error

    def command(self) -> list[str]:
        """Return the words of the command line that sends this request, without the program's name."""
        version = '2.latest' if self.microversion == 'latest' else self.microversion
        flags = [flag for flag, on in (('--block-migrate', self.block_migrate),
                                       ('--disk-over-commit', self.disk_over_commit), ('--force', self.force)) if on]
        return [*(['--os-compute-api-version', version] if version else []), 'live-migration', *flags, self.server,
                *([self.host] if self.host else [])]

    def headers(self) -> dict[str, str]:
        """Return the headers in which the client names the microversion and the type of the body."""
        minor = self._minor()
        new = {'OpenStack-API-Version': f'compute 2.{minor}'} if minor >= 27 else {}
        return {'Content-Type': 'application/json', 'X-OpenStack-Nova-API-Version': f'2.{minor}', **new}

    def body(self) -> Plain:
        """Return the body of the request, as the client builds it."""
        minor = self._minor()
        action = {'host': self.host, 'block_migration': self.block_migrate or (False if minor < 25 else 'auto')}
        if minor < 25:
            action['disk_over_commit'] = self.disk_over_commit
        return {'os-migrateLive': {**action, **({'force': True} if self.force else {})}}

    def _minor(self) -> int:
        """Return the minor number of the microversion; if none is given, the newest that the client supports."""
        return client_newest() if self.microversion in (None, 'latest') else int(self.microversion.partition('.')[2])


class _Traced(Protocol):
    @property
    def scenario(self) -> Plain:
        """The scenario that was recorded, as plain data."""


def scenario_of_trace(trace: _Traced) -> Scenario:
    """Return the scenario that a trace was recorded from."""
    return Scenario(**unmarked(trace.scenario))


ACTION = '/v2.1/servers/$SERVER/action'


def bare(body: Value, version: str | None = '2.96', *, path: str = ACTION, **more: Value) -> Scenario:
    """Return the scenario of a request that is sent unchanged, without the client.

    Shape: *body* is plain data, which is sent as JSON, or text, which is sent unchanged; *version* is a microversion,
    or None to send none; *more* are fields of a Scenario.
    Raises: WrongUse for a version that is not text, and for an invalid Scenario.
    """
    if not isinstance(version, str | None):
        raise WrongUse(f'{shorten(version)} is not a microversion; use text such as "2.30", or None')
    headers = {'Content-Type': 'application/json',
               **({'OpenStack-API-Version': f'compute {version}'} if version else {})}
    sent = {'raw_body': body} if isinstance(body, str) else {'body': body}
    return Scenario(request={'method': 'POST', 'path': path, 'headers': headers, **sent}, **more)


def client_newest() -> int:
    """Return the minor number of the newest microversion that the client supports."""
    import novaclient
    return int(novaclient.API_MAX_VERSION.ver_minor)


class Stop(NamedTuple):
    """A moment of a story: a visit to a station, the *visit*-th in its leg (-1: the last), at its entry or return."""

    station: str
    moment: Literal['entry', 'return']
    visit: int = 0


def _stops(*places: str) -> tuple[Stop, ...]:
    """Read stops: 'in _action' is an entry, 'out _action' a return, 'in http -1' the last visit."""
    return tuple(Stop(station, 'entry' if way == 'in' else 'return', *map(int, visit))
                 for way, station, *visit in map(str.split, places))


@dataclasses.dataclass(frozen=True)
class Exploration:
    """One leg of the lesson.

    Shape: *focus* holds the keys of stations in the order of the path; *story* are the moments to stop at, of which a
    run has those that it reaches; *landmarks* are those that later diagrams still show; *deciding* are the stations
    whose code the leg's flowchart draws, of which the first stands for the leg if a request does not get that far;
    *follow* is a key of FIELDS; *versus* is a second scenario, which takes a different course, and *versus_says*
    describes it.
    """

    key: str
    title: str
    question: str
    focus: tuple[str, ...]
    story: tuple[Stop, ...]
    landmarks: tuple[str, ...]
    deciding: tuple[str, ...]
    follow: str
    scenario: Scenario = Scenario()
    versus: Scenario | None = None
    versus_says: str = ''

    @property
    def number(self) -> int:
        return [exploration.key for exploration in EXPLORATIONS].index(self.key) + 1

    @property
    def stations(self) -> tuple[Station, ...]:
        """Return the stations that belong to this leg."""
        return tuple(station for station in STATIONS if station.exploration == self.key)


EXPLORATIONS = (
    Exploration(
        'client', 'From the command line to an HTTP request',
        'What does the client send, and what does it ask first?',
        ('shell', 'discover_version', 'VersionsV2.index', 'do_live_migration', 'find_resource',
         'ServersController.index', 'ServersController.show', 'Server.live_migrate', 'ServerManager.live_migrate',
         '_action', 'SessionClient.request', 'http'),
        _stops('in shell', 'out discover_version', 'in do_live_migration', 'out find_resource', 'in _action',
               'in http -1', 'out http -1'),
        ('do_live_migration', 'http'),
        ('Server.live_migrate', 'do_live_migration', 'SessionClient.request'),
        'block_migration', versus=Scenario(block_migrate=True), versus_says='with --block-migrate'),
    Exploration(
        'service', 'Into the API service',
        'What happens to a request before Nova looks at what it asks for?',
        ('URLMap', 'ComputeReqIdMiddleware', 'FaultWrapper', 'RequestBodySizeLimiter', 'AuthProtocol',
         'NovaKeystoneContext', 'RequestContext', 'check_is_admin'),
        _stops('in URLMap', 'in ComputeReqIdMiddleware', 'out AuthProtocol', 'out check_is_admin', 'out RequestContext',
               'out NovaKeystoneContext', 'out URLMap'),
        ('URLMap', 'NovaKeystoneContext'),
        ('AuthProtocol', 'NovaKeystoneContext', 'RequestBodySizeLimiter'),
        'request_id', versus=Scenario(request={
            'method': 'POST', 'path': '/v2.1/servers/$SERVER/action',
            'headers': {'Content-Type': 'application/json'}, 'body': {'os-migrateLive': {}}}, caller='bad_token'),
        versus_says='with a token that nobody knows'),
    Exploration(
        'routes', 'From the path to a method',
        'How does a path that says only "action" lead to the method for live migration?',
        ('Router', 'routematch', '_dispatch', 'Resource', 'set_api_version_request', 'get_body', '_process_stack',
         '_get_method', 'action_peek', 'dispatch', 'serialize'),
        _stops('in Router', 'out routematch', 'in Resource', 'out set_api_version_request', 'out _get_method',
               'in dispatch', 'out serialize'),
        ('Resource', 'action_peek'),
        ('Resource', '_get_method', 'action_peek'),
        'microversion', versus=Scenario(microversion='2.999'), versus_says='with a microversion that does not exist'),
    Exploration(
        'controller', 'The controller decides',
        'What must be true before the controller takes the request on?',
        ('expected_errors', 'schema', '_schema_validation_helper', 'validate', '_migrate_live', '_pause',
         'get_instance', 'API.get', '_get_instance_from_cell', 'scatter_gather_single_cell', 'Instance.get_by_uuid',
         'can', 'authorize'),
        _stops('in expected_errors', 'out validate', 'in _migrate_live', 'in _pause', 'out get_instance',
               'out authorize', 'out _migrate_live', 'out _pause'),
        ('_migrate_live', '_pause', 'get_instance', 'can'),
        ('_migrate_live', '_pause', '_schema_validation_helper', 'get_instance'),
        'block_migration', versus=Scenario(caller='reader'), versus_says='as a reader'),
    Exploration(
        'compute-api', 'The compute API takes the server',
        'Which servers are rejected, and how is an accepted one protected from other requests?',
        ('block_shares', 'block_extended_resource_request', 'block_port_accelerators', 'reject_vdpa_instances',
         'block_accelerators', 'reject_vtpm', 'reject_mem_enc', 'check_instance_lock', 'check_instance_state',
         'live_migrate', 'pause', 'RequestSpec.get_by_instance_uuid', 'Instance.save',
         'instance_update_and_get_original', 'action_start'),
        _stops('in block_shares', 'in check_instance_lock', 'in check_instance_state', 'in live_migrate', 'in pause',
               'out RequestSpec.get_by_instance_uuid', 'out Instance.save', 'out action_start'),
        ('check_instance_state', 'live_migrate', 'pause'),
        ('check_instance_state', 'check_instance_lock', 'live_migrate', 'pause'),
        'instance.task_state', versus=Scenario(caller='manager', state={'locked_by': 'owner'}),
        versus_says='a locked server, as a manager'),
    Exploration(
        'conductor-api', 'Cast or call?',
        'Who waits for the conductor, and who decides that?',
        ('live_migrate', 'ComputeTaskAPI.live_migrate_instance', 'rpcapi.live_migrate_instance',
         'rpcapi.migrate_server'),
        _stops('in live_migrate', 'in ComputeTaskAPI.live_migrate_instance', 'in rpcapi.live_migrate_instance',
               'in rpcapi.migrate_server', 'out rpcapi.live_migrate_instance', 'out rpcapi.migrate_server',
               'out ComputeTaskAPI.live_migrate_instance', 'out live_migrate'),
        ('ComputeTaskAPI.live_migrate_instance',),
        ('ComputeTaskAPI.live_migrate_instance', 'rpcapi.live_migrate_instance', 'rpcapi.migrate_server'),
        'host', scenario=Scenario(host='host2'), versus=Scenario(host='host2', microversion='2.29'),
        versus_says='at microversion 2.29'),
    Exploration(
        'rpc', 'Over the bus',
        'What exactly travels, and who picks it up?',
        ('rpcapi.live_migrate_instance', 'rpcapi.migrate_server', 'rpcapi.pause_instance', 'prepare', 'cast', 'call',
         '_make_message', 'send', '_process_incoming', 'RPCDispatcher.dispatch', 'deserialize_context',
         'manager.live_migrate_instance', 'manager.migrate_server', '_live_migrate'),
        _stops('out prepare', 'in cast', 'in call', 'out _make_message', 'in send', 'in RPCDispatcher.dispatch',
               'out deserialize_context', 'in _live_migrate'),
        (),
        ('RPCDispatcher.dispatch', '_make_message', 'rpcapi.pause_instance'),
        'async_', versus=Scenario(microversion='2.30'), versus_says='at microversion 2.30'),
)


def exploration(key: object) -> Exploration:
    """Return an exploration by its key.

    Raises: WrongUse for an unknown key.
    """
    for row in EXPLORATIONS:
        if row.key == key:
            return row
    raise WrongUse(f'there is no exploration {key!r}; choose one of {", ".join(row.key for row in EXPLORATIONS)}')
