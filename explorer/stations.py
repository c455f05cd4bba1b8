"""The path as data: a row for each station of the request.

A row names the function as the real library names it; our function has the same name in one of our modules
(`Station.ours`). The hook resolves either name to code objects. If several parts of the path call a function, its row
leaves node, service and exploration open: a visit takes them from the visit that called it.
"""

import collections
import dataclasses
from typing import TypedDict

NOVA = '34.0.0'
NODES = {'client': 'client', 'api': 'API node', 'bus': 'bus', 'conductor': 'conductor node'}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Station:
    """A function of the path that is watched.

    Shape: *key* is short and stable; *nova* is the dotted name in the real library; *says* states what the function
    does. *node* is a key of NODES, *service* the program that runs there, *exploration* the key of one of the seven
    legs; all three are None where the caller decides. *shows* names the locals that are recorded, None for all. *after*
    is the key of the station from which a request arrives here on another thread or node. *made_with* names what a
    decorator was given when it made this function; that is recorded as well. *boot*: the function runs when the service
    starts, not with the request. *last*: the functions that it calls are not followed.
    """

    key: str
    nova: str
    says: str
    exploration: str | None = None
    node: str | None = None
    service: str | None = None
    shows: tuple[str, ...] | None = None
    after: str | None = None
    made_with: tuple[str, ...] = ()
    boot: bool = False
    last: bool = False

    @property
    def ours(self) -> str:
        """Return the dotted name of the function that runs in the miniature."""
        if not self.nova.startswith(('nova.', 'keystonemiddleware.')):
            return self.nova
        module, qualname = split(self.nova)
        owner, _, rest = qualname.partition('.')
        owner = RENAMED.get(f'{module}.{owner}', owner)
        home = 'objects' if module.startswith(IN_OBJECTS) else 'pipeline'
        return f'explorer.{home}.{owner}{"." if rest else ""}{rest}'

    @property
    def name(self) -> str:
        """Return the name that readers of Nova use: class and method, or function.

        Shape: the module comes first where two stations share that name.
        """
        module, qualname = split(self.nova)
        name = qualname.partition('.<locals>')[0]
        return f'{module.rpartition(".")[2]}.{name}' if name in _SHARED else name

    @property
    def nova_file(self) -> str:
        """Return the file of the function in the real library."""
        module = split(self.nova)[0]
        return f'{module.replace(".", "/")}{"/__init__" if module in PACKAGES else ""}.py'


class _More(TypedDict, total=False):
    shows: tuple[str, ...]
    after: str
    made_with: tuple[str, ...]
    boot: bool
    last: bool


def _rows(exploration: str | None, node: str | None, service: str | None,
          *rows: tuple[str, str, str] | tuple[str, str, str, _More]) -> tuple[Station, ...]:
    return tuple(Station(*row[:3], exploration, node, service, **(row[3] if len(row) == 4 else {})) for row in rows)


_RANGE = ('min_version', 'max_version')  # of microversions

STATIONS = (
    *_rows(
        'client', 'client', 'nova',
        ('shell', 'novaclient.shell.OpenStackComputeShell.main', 'reads the command line', {'shows': ('argv',)}),
        ('discover_version', 'novaclient.api_versions.discover_version',
         'asks the API for its versions and takes the highest that both support', {'shows': ('requested_version',)}),
        ('do_live_migration', 'novaclient.v2.shell.do_live_migration', 'is the subcommand', {'shows': ('args',)}),
        ('find_resource', 'novaclient.utils.find_resource', 'turns the name of a server into a server',
         {'shows': ('name_or_id',)}),
        ('Server.live_migrate', 'novaclient.v2.servers.Server.live_migrate',
         'fills in what the command line left open, by microversion'),
        ('ServerManager.live_migrate', 'novaclient.v2.servers.ServerManager.live_migrate',
         'drops what this microversion does not know'),
        ('_action', 'novaclient.v2.servers.ServerManager._action_return_resp_and_body',
         'packs the action into a body with one key', {'shows': ('action', 'info', 'body', 'url')}),
        ('SessionClient.request', 'novaclient.client.SessionClient.request', 'adds the headers of the microversion',
         {'shows': ('url', 'method', 'kwargs')}),
        ('http', 'requests.sessions.Session.send', 'sends an HTTP request and waits for the response',
         {'shows': ('request',)}),
    ),
    *_rows(
        'client', 'api', 'nova-api',
        ('VersionsV2.index', 'nova.api.openstack.compute.versions.VersionsV2.index', 'describes the API'),
        ('ServersController.index', 'nova.api.openstack.compute.servers.ServersController.index',
         'lists servers by name'),
        ('ServersController.show', 'nova.api.openstack.compute.servers.ServersController.show', 'shows one server'),
    ),
    *_rows(
        'service', 'api', 'nova-api',
        ('URLMap', 'nova.api.openstack.urlmap.URLMap.__call__', 'chooses the pipeline by the version in the path',
         {'shows': ('environ', 'path_info', 'content_type', 'app_url'), 'after': 'http'}),
        ('oslo_middleware', 'oslo_middleware.base.ConfigurableMiddleware.__call__',
         'is visited twice: as the CORS filter, then as the one that trusts a proxy', {'shows': ('req',)}),
        ('ComputeReqIdMiddleware', 'oslo_middleware.request_id.RequestId.__call__', 'gives the request its id',
         {'shows': ('req', 'req_id')}),
        ('FaultWrapper', 'nova.api.openstack.FaultWrapper.__call__', 'catches what nobody else catches'),
        ('FaultWrapper._error', 'nova.api.openstack.FaultWrapper._error', 'turns an uncaught error into a fault'),
        ('RequestLog', 'nova.api.openstack.requestlog.RequestLog.__call__', 'writes the access log'),
        ('RequestBodySizeLimiter', 'oslo_middleware.sizelimit.RequestBodySizeLimiter.__call__',
         'refuses bodies that are too long', {'shows': ('req', 'max_size')}),
        ('AuthProtocol', 'keystonemiddleware.auth_token.AuthProtocol.process_request',
         'exchanges the token for an identity'),
        ('NovaKeystoneContext', 'nova.api.auth.NovaKeystoneContext.__call__',
         'makes the request context from the identity'),
        ('_create_context', 'nova.api.auth.NovaKeystoneContext._create_context', 'reads the identity headers'),
        ('register_subcontroller_actions', 'nova.api.openstack.wsgi.Resource.register_subcontroller_actions',
         'records which method handles which key of a body', {'boot': True}),
        ('create_route', 'nova.api.openstack.ProjectMapper.create_route', 'adds a path to the route table, twice',
         {'boot': True}),
    ),
    *_rows(
        'routes', 'api', 'nova-api',
        ('Router', 'nova.api.wsgi.Router.__call__', 'hands the request to the route table'),
        ('RoutesMiddleware', 'routes.middleware.RoutesMiddleware.__call__', 'asks the route table',
         {'shows': ('environ', 'match')}),
        ('routematch', 'nova.api.openstack.APIMapper.routematch', 'finds the route of the path'),
        ('_dispatch', 'nova.api.wsgi.Router._dispatch', 'returns the application that the route names, or a 404'),
        ('Resource', 'nova.api.openstack.wsgi.Resource.__call__', 'negotiates version and content type'),
        ('set_api_version_request', 'nova.api.openstack.wsgi.Request.set_api_version_request',
         'reads the microversion'),
        ('get_action_args', 'nova.api.openstack.wsgi.Resource.get_action_args',
         'takes the arguments that the route found'),
        ('get_body', 'nova.api.openstack.wsgi.Resource.get_body', 'reads the raw body'),
        ('get_content_type', 'nova.api.openstack.wsgi.Request.get_content_type', 'reads the content type of the body'),
        ('best_match_content_type', 'nova.api.openstack.wsgi.Request.best_match_content_type',
         'chooses the content type of the response'),
        ('_process_stack', 'nova.api.openstack.wsgi.Resource._process_stack', 'finds the method and calls it'),
        ('_get_method', 'nova.api.openstack.wsgi.Resource._get_method', 'finds the method by the key of the body'),
        ('action_peek', 'nova.api.openstack.wsgi.action_peek', 'reads the one key of the body'),
        ('_get_request_content', 'nova.api.openstack.wsgi.Resource._get_request_content', 'reads the body again'),
        ('_from_json', 'nova.api.openstack.wsgi.JSONDeserializer._from_json', 'parses the JSON'),
        ('dispatch', 'nova.api.openstack.wsgi.Resource.dispatch', 'calls the method'),
        ('WSGICodes', 'nova.api.openstack.wsgi.WSGICodes.__call__', 'chooses the status of a success'),
        ('serialize', 'nova.api.openstack.wsgi.ResponseObject.serialize', 'makes the response'),
        ('Fault', 'nova.api.openstack.wsgi.Fault.__call__', 'turns an HTTP error into a JSON response'),
    ),
    *_rows(
        'controller', 'api', 'nova-api',
        ('expected_errors', 'nova.api.openstack.wsgi.expected_errors.<locals>.decorator.<locals>.wrapped',
         'lets the expected errors through and turns any other into a 500', {'made_with': ('errors',)}),
        ('schema', 'nova.api.validation.schema.<locals>.add_validator.<locals>.wrapper',
         'guards the method with the schema of a range of microversions', {'made_with': _RANGE}),
        ('response_body_schema', 'nova.api.validation.response_body_schema.<locals>.add_validator.<locals>.wrapper',
         'checks the response as well', {'made_with': _RANGE}),
        ('_schema_validation_helper', 'nova.api.validation._schema_validation_helper',
         'validates if the microversion is in the range'),
        ('validate', 'nova.api.validation.validators._SchemaValidator.validate', 'runs jsonschema'),
        ('_migrate_live', 'nova.api.openstack.compute.migrate_server.MigrateServerController._migrate_live',
         'is the method for os-migrateLive'),
        ('_pause', 'nova.api.openstack.compute.pause_server.PauseServerController._pause', 'is the method for pause'),
        ('get_instance', 'nova.api.openstack.common.get_instance', 'fetches the server or answers 404'),
        ('API.get', 'nova.compute.api.API.get', 'accepts uuids only'),
        ('_get_instance', 'nova.compute.api.API._get_instance', 'finds the cell of the server'),
        ('_get_instance_from_cell', 'nova.compute.api.API._get_instance_from_cell', 'asks the cell'),
        ('scatter_gather_single_cell', 'nova.context.scatter_gather_single_cell', 'runs a query in another thread'),
        ('_get_force_param', 'nova.api.openstack.compute.migrate_server.MigrateServerController.'
         '_get_force_param_for_live_migration', 'reads force, from 2.30 on'),
        ('raise_http_conflict', 'nova.api.openstack.common.raise_http_conflict_for_instance_invalid_state',
         'answers 409 and names the state'),
    ),
    *_rows(
        'compute-api', 'api', 'nova-api',
        ('block_shares', 'nova.compute.api.block_shares_not_supported.<locals>.inner.<locals>.wrapper',
         'refuses servers with shares'),
        ('instance_has_share', 'nova.compute.api.instance_has_share', 'looks for shares in the cell'),
        ('block_extended_resource_request', 'nova.compute.api.block_extended_resource_request.<locals>.inner',
         'refuses ports that request resource groups while computes are old'),
        ('instance_has_extended_resource_request',
         'nova.network.neutron.API.instance_has_extended_resource_request', 'asks Neutron'),
        ('block_port_accelerators', 'nova.compute.api.block_port_accelerators.<locals>.inner.<locals>.wrapper',
         'refuses ports with accelerators'),
        ('reject_vdpa_instances', 'nova.compute.api.reject_vdpa_instances.<locals>.outer.<locals>.inner',
         'refuses vDPA ports while computes are old', {'made_with': ('operation', 'until')}),
        ('block_accelerators', 'nova.compute.api.block_accelerators.<locals>.inner.<locals>.wrapper',
         'refuses flavors with accelerators'),
        ('reject_vtpm', 'nova.compute.api.reject_legacy_vtpm_live_migration.<locals>.inner',
         'refuses a virtual TPM, unless its secret security is host and no compute is old'),
        ('reject_mem_enc', 'nova.compute.api.reject_mem_enc_instances.<locals>.outer.<locals>.inner',
         'refuses encrypted memory', {'made_with': ('operation',)}),
        ('check_instance_lock', 'nova.compute.api.check_instance_lock.<locals>.inner',
         'refuses locked servers to all but administrators'),
        ('check_instance_state', 'nova.compute.api.check_instance_state.<locals>.outer.<locals>.inner',
         'refuses servers that are busy, or neither active nor paused',
         {'made_with': ('vm_state', 'task_state', 'must_have_launched')}),
        ('live_migrate', 'nova.compute.api.API.live_migrate', 'takes the server for the migration'),
        ('pause', 'nova.compute.api.API.pause', 'takes the server for the pause'),
        ('get_all_by_host', 'nova.objects.compute_node.ComputeNodeList.get_all_by_host', 'looks up the given host'),
        ('RequestSpec.get_by_instance_uuid', 'nova.objects.request_spec.RequestSpec.get_by_instance_uuid',
         'reads what was once asked of the scheduler'),
        ('Instance.save', 'nova.objects.instance.Instance.save', 'writes the task state'),
        ('instance_update_and_get_original', 'nova.db.main.api.instance_update_and_get_original',
         'updates the row if its task state is still the expected one'),
        ('_record_action_start', 'nova.compute.api.API._record_action_start', 'records the action for the user'),
        ('action_start', 'nova.objects.instance_action.InstanceAction.action_start', 'writes the action to a table'),
    ),
    *_rows(
        'conductor-api', 'api', 'nova-api',
        ('ComputeTaskAPI.live_migrate_instance', 'nova.conductor.api.ComputeTaskAPI.live_migrate_instance',
         'chooses between cast and call'),
    ),
    *_rows(
        'rpc', 'api', 'nova-api',
        ('rpcapi.live_migrate_instance', 'nova.conductor.rpcapi.ComputeTaskAPI.live_migrate_instance',
         'casts: sends and forgets'),
        ('rpcapi.migrate_server', 'nova.conductor.rpcapi.ComputeTaskAPI.migrate_server', 'calls: sends and waits'),
        ('rpcapi.pause_instance', 'nova.compute.rpcapi.ComputeAPI.pause_instance',
         'casts, straight to the host of the server'),
        ('prepare', 'oslo_messaging.rpc.client.RPCClient.prepare', 'sets version and timeouts for one message'),
        ('can_send_version', 'oslo_messaging.rpc.client._BaseCallContext.can_send_version',
         'checks whether a message may be sent in a given version'),
        ('cast', 'oslo_messaging.rpc.client._BaseCallContext.cast', 'sends without waiting'),
        ('call', 'oslo_messaging.rpc.client._BaseCallContext.call', 'sends and waits for the reply'),
        ('_make_message', 'oslo_messaging.rpc.client._BaseCallContext._make_message',
         'turns the objects into plain data'),
    ),
    *_rows(
        'rpc', 'bus', 'oslo.messaging',
        ('send', 'oslo_messaging.transport.Transport._send', 'puts the message on the bus'),
    ),
    *_rows(
        'rpc', 'conductor', 'nova-conductor',
        ('_process_incoming', 'oslo_messaging.rpc.server.RPCServer._process_incoming', 'takes a message from the bus',
         {'shows': ('incoming',), 'after': 'send'}),
        ('RPCDispatcher.dispatch', 'oslo_messaging.rpc.dispatcher.RPCDispatcher.dispatch',
         'finds the endpoint by namespace and version', {'shows': ('method', 'args', 'namespace', 'version')}),
        ('deserialize_context', 'nova.rpc.RequestContextSerializer.deserialize_context',
         'rebuilds the request context'),
        ('manager.migrate_server', 'nova.conductor.manager.ComputeTaskManager.migrate_server', 'receives the call'),
        ('manager.live_migrate_instance', 'nova.conductor.manager.ComputeTaskManager.live_migrate_instance',
         'receives the cast'),
        ('_live_migrate', 'nova.conductor.manager.ComputeTaskManager._live_migrate',
         'acknowledges; Nova goes on from here', {'last': True}),
    ),
    *_rows(
        None, None, None,
        ('RequestContext', 'nova.context.RequestContext.__init__', 'records who is asking, and with which rights',
         {'shows': ('self', 'user_id', 'project_id', 'is_admin', 'kwargs')}),
        ('check_is_admin', 'nova.policy.check_is_admin', 'asks whether the roles make the caller an administrator'),
        ('can', 'nova.context.RequestContext.can', 'asks whether the caller may do this'),
        ('authorize', 'nova.policy.authorize', 'evaluates the policy rule'),
        ('set_target_cell', 'nova.context.set_target_cell', 'points the context at the database of a cell'),
        ('InstanceMapping.get_by_instance_uuid', 'nova.objects.instance_mapping.InstanceMapping.get_by_instance_uuid',
         'asks the API database for the cell of a server'),
        ('Instance.get_by_uuid', 'nova.objects.instance.Instance.get_by_uuid', 'reads the server from its cell',
         {'after': 'scatter_gather_single_cell'}),
    ),
)

BY_KEY = {station.key: station for station in STATIONS}


def split(name: str) -> tuple[str, str]:
    """Split the dotted name of a function into its module and its qualified name.

    Shape: 'nova.compute.api.API.get' becomes ('nova.compute.api', 'API.get').
    """
    parts = name.split('.')
    first = next((i for i, part in enumerate(parts) if part.lstrip('_')[:1].isupper()), len(parts) - 1)
    if '<locals>' in parts[:first]:
        first = parts.index('<locals>') - 1
    return '.'.join(parts[:first]), '.'.join(parts[first:])


# Names (class and method, or function) that stations of several modules share.
_SHARED = frozenset(name for name, count in collections.Counter(
    split(station.nova)[1].partition('.<locals>')[0] for station in STATIONS).items() if count > 1)

# Two pairs of Nova's classes would share a name in one of our files. This is what our classes are called instead.
RENAMED = {
    'nova.conductor.rpcapi.ComputeTaskAPI': 'ComputeTaskRPCAPI',
    'nova.network.neutron.API': 'NeutronAPI',
}

# The modules with stations that are packages, so their code is in an __init__.py.
PACKAGES = ('nova.api.openstack', 'nova.api.validation', 'keystonemiddleware.auth_token')

# The modules of Nova whose functions are in objects.py; the functions of all others are in pipeline.py.
IN_OBJECTS = ('nova.context', 'nova.policy', 'nova.objects', 'nova.db')

# Functions of Nova that are in the recordings but are not stations here, and why.
LEFT_OUT = {
    'nova.notifications.base.send_update':
        'notifies listeners that the task state changed; this cloud has no listeners',
}

# The names under which a field appears, as ends of paths into a payload. None stands for the payload itself.
FIELDS: dict[str, tuple[tuple[str | None, ...], ...]] = {
    'block_migration': (('block_migrate',), ('block_migration',)),
    'disk_over_commit': (('disk_over_commit',),),
    'force': (('args', 'force'), ('os-migrateLive', 'force'), (None, 'force'), ('kwargs', 'force')),
    'host': (
        ('args', 'host'), ('info', 'host'), ('os-migrateLive', 'host'), (None, 'host'), (None, 'host_name'),
        ('scheduler_hint', 'host'), ('requested_destination', 'host'),
        ('requested_destination', 'nova_object.data', 'host'), (None, 'destination')),
    'instance.task_state': (
        ('instance', 'task_state'), ('instance', 'nova_object.data', 'task_state'), (None, 'self', 'task_state'),
        ('updates', 'task_state'), ('values', 'task_state'), ('result', 'task_state')),
    'microversion': (
        ('HTTP_OPENSTACK_API_VERSION',), ('HTTP_X_OPENSTACK_NOVA_API_VERSION',), ('requested_version',),
        ('OpenStack-API-Version',), ('api_version_request', 'ver_minor')),
    'async_': ((None, 'async_'), ('wait_for_reply',), ('message', 'method')),
    'request_id': (('openstack.request_id',), (None, 'req_id'), ('context', 'request_id'), ('ctxt', 'request_id')),
}

# Classes that carry the request, and the attributes that are their content. For other classes that own a station, and
# for those with (), only the name is shown, because the request only passes through them. Any other
# object shows all its attributes.
CARRIERS: dict[str, tuple[str, ...]] = {
    'webob.request.BaseRequest': ('environ',),
    'webob.response.Response': ('_status', '_headerlist', '_app_iter'),
    'webob.exc.WSGIHTTPException': ('_status', 'explanation', '_headerlist'),
    'requests.models.PreparedRequest': ('method', 'url', 'headers', 'body'),
    'requests.models.Response': ('status_code', 'headers', '_content'),
    'requests.structures.CaseInsensitiveDict': ('_store',),
    'oslo_context.context.RequestContext': (
        'user_id', 'project_id', 'roles', '_is_admin', 'request_id', 'auth_token', 'remote_address', 'cell_uuid'),
    'oslo_messaging.target.Target': ('exchange', 'topic', 'namespace', 'version', 'server', 'fanout'),
    'oslo_messaging._drivers.base.IncomingMessage': ('ctxt', 'message'),
    'novaclient.base.Resource': ('_info',),
    'novaclient.api_versions.APIVersion': ('ver_major', 'ver_minor'),
    **{f'{home}.{name}': shown for home in ('explorer.pipeline', 'nova.api.openstack.wsgi') for name, shown in (
        ('APIVersionRequest', ('ver_major', 'ver_minor')), ('ResponseObject', ('obj', 'code')),
        ('WSGICodes', ('_codes',)), ('Fault', ('wrapped_exc',)))},
    'routes.route.Route': ('routepath', 'conditions'),
    **dict.fromkeys((
        '_io._IOBase', 'concurrent.futures._base.Executor', 'concurrent.futures._base.Future',
        'explorer.pipeline.Controller', 'explorer.pipeline.Middleware', 'explorer.pipeline.Resource',
        'functools.partial', 'novaclient.base.Manager', 'novaclient.v2.client.Client', 'oslo_config.cfg.ConfigOpts',
        'oslo_messaging.rpc.dispatcher.RPCDispatcher', 'oslo_messaging.transport.Transport',
        'oslo_middleware.base.ConfigurableMiddleware', 'routes.mapper.Mapper', 'routes.util.URLGenerator',
        'sqlalchemy.engine.base.Connection', 'sqlalchemy.engine.base.Engine', 'sqlalchemy.orm.state.InstanceState',
        'sqlalchemy.sql.visitors.Visitable',
    ), ()),
}

# Keys of a request's WSGI environ that belong to the server and the libraries.
NOISE = frozenset({
    *(f'wsgi.{name}' for name in ('version', 'input', 'errors', 'multithread', 'multiprocess', 'run_once', 'url_scheme',
                                  'file_wrapper', 'input_terminated')),
    'webob.adhoc_attrs', 'webob.is_body_seekable', 'webob._body_file', 'webob._parsed_query_vars', 'routes.url',
    'routes.route', 'GATEWAY_INTERFACE', 'SERVER_SOFTWARE', 'SERVER_PROTOCOL', 'REMOTE_HOST'})
