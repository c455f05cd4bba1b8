"""What the real Nova and the miniature promise their callers: names, guards, schemas, policies, versions.

    python -m tests.contracts FILE      where the real Nova is installed: write its promises to FILE

Shape of FILE: `nova` its version; `files` {dotted name of a station: the file that holds it, from its package on};
`recordings` [dotted name of every function of Nova in the recorded call sequences], kept unchanged from the old FILE;
everything else is what `promises()` returns.
"""

import importlib
import importlib.metadata
import json
import pathlib
import sys

from explorer.stations import STATIONS
from explorer.trace import codes, shortened

VARARGS, VARKEYWORDS = 0x04, 0x08
GUARDED = ('nova.api.openstack.compute.migrate_server.MigrateServerController._migrate_live',
           'nova.compute.api.API.live_migrate', 'nova.conductor.manager.ComputeTaskManager.live_migrate_instance',
           'nova.api.openstack.compute.pause_server.PauseServerController._pause', 'nova.compute.api.API.pause')
SCHEMAS = ('migrate_live', 'migrate_live_v2_25', 'migrate_live_v2_30', 'migrate_live_v2_68', 'migrate_live_response',
           'pause', 'pause_response', 'index_query', 'index_query_v226', 'index_query_v266', 'index_query_v273',
           'index_query_v275', 'show_query', 'show_query_v2102')
# The miniature leaves out what surrounds the path; its docstrings say so.
BESIDE_THE_PATH = ('wrap_instance_event',)


def parameters(code):
    """Return the names of a function's parameters, in order, with * and ** where they collect the rest."""
    plain = code.co_argcount + code.co_kwonlyargcount
    rests = [mark for mark, flag in (('*', VARARGS), ('**', VARKEYWORDS)) if code.co_flags & flag]
    return [*code.co_varnames[:plain],
            *(mark + name for mark, name in zip(rests, code.co_varnames[plain:]))]


def promises(column):
    """Return the promises of the functions in a column of STATIONS, 'ours' or 'nova', as plain data.

    Shape: `functions` {dotted name in Nova: [parameters in order]}; `guards` {dotted name: [decorators, outermost
    first]}; `exceptions` [names of all errors]; `schemas` {name: JSON schema}; `policies` {rule: check};
    `microversions` [lowest, highest]; `statuses` {method of a controller: [statuses that it may return]};
    `expected` [errors that the conductor's call may return]; `rpc` {topic, namespace, version}; `routes` {path: [its
    methods, sorted]}; `states` {vm state: {task state: status}}.
    """
    names = _nova() if column == 'nova' else _ours()
    rows = {station.nova: getattr(station, column) for station in STATIONS}
    manager, classes = names['manager'], names['classes']
    return json.loads(json.dumps({
        'functions': {nova: parameters(codes(name)[0]) for nova, name in rows.items()},
        'guards': {nova: [name for name in _guards(_function(classes, nova)) if name not in BESIDE_THE_PATH]
                   for nova in GUARDED},
        'exceptions': names['exceptions'],
        'schemas': {name: _ordered(names['schemas'][name]) for name in SCHEMAS},
        'routes': {path: sorted(methods) for path, methods in names['routes'] if path},
        'states': names['states'],
        'policies': names['policies'],
        'microversions': names['microversions'],
        'statuses': {nova: sorted(_enclosed(_function(classes, nova), 'errors', 'expected'))
                     for nova in GUARDED if nova.startswith('nova.api.')},
        'expected': sorted(each.__name__ for each in _enclosed(vars(manager)['migrate_server'], 'exceptions')),
        'rpc': {'topic': names['topic'], 'namespace': manager.target.namespace, 'version': manager.target.version},
    }))


def _ordered(schema):
    """Return a schema with its sort keys in alphabetical order, because Nova builds some of these lists from sets."""
    properties = schema.get('properties', {})
    if 'sort_key' not in properties:
        return schema
    keys = {'type': 'array', 'items': {'type': 'string', 'enum': sorted(properties['sort_key']['items']['enum'])}}
    return {**schema, 'properties': {**properties, 'sort_key': keys}}


def _nova():
    import inspect

    from nova import monkey_patch
    monkey_patch.patch(backend='threading')
    from nova import exception
    from nova.api.openstack import api_version_request, common
    from nova.api.openstack.compute import migrate_server, pause_server, routes
    from nova.api.openstack.compute.schemas import migrate_server as schemas
    from nova.api.openstack.compute.schemas import pause_server as pause_schemas
    from nova.api.openstack.compute.schemas import servers as server_schemas
    from nova.compute import api, rpcapi  # noqa: F401 (rpcapi before the conductor, as in Nova's own order)
    from nova.conductor import manager
    from nova.conductor import rpcapi as conductor_rpcapi
    from nova.policies import base, servers
    from nova.policies import migrate_server as rules
    from nova.policies import pause_server as pause_rules

    from explorer.objects import POLICIES
    policies = {rule.name: rule.check_str for rule in (
        *base.list_rules(), *rules.list_rules(), *pause_rules.list_rules(), *servers.list_rules())}
    return {
        'classes': {'MigrateServerController': migrate_server.MigrateServerController, 'API': api.API,
                    'PauseServerController': pause_server.PauseServerController,
                    'ComputeTaskManager': manager.ComputeTaskManager},
        'exceptions': sorted(name for name, found in vars(exception).items()
                             if inspect.isclass(found) and found.__module__ == exception.__name__),
        'manager': manager.ComputeTaskManager,
        'schemas': {**vars(server_schemas), **vars(pause_schemas), **vars(schemas)},
        'routes': routes.ROUTE_LIST, 'states': common._STATE_MAP,
        'policies': {name: policies.get(name) for name, _ in POLICIES},
        'microversions': [api_version_request._MIN_API_VERSION, api_version_request._MAX_API_VERSION],
        'topic': conductor_rpcapi.RPC_TOPIC}


def _ours():
    from explorer import exception, objects, pipeline, queries
    routes = {path: methods for path, _, methods in pipeline._routes_left_out()}
    for path, methods in pipeline.ROUTE_LIST:
        routes[path] = [*routes.get(path, ()), *methods]
    return {
        'exceptions': exception.names(), 'classes': vars(pipeline), 'manager': pipeline.ComputeTaskManager,
        'schemas': {**vars(queries), **vars(pipeline)}, 'routes': routes.items(),
        'states': queries._STATE_MAP, 'policies': dict(objects.POLICIES),
        'microversions': [pipeline._MIN_API_VERSION, pipeline._MAX_API_VERSION], 'topic': pipeline.RPC_TOPIC}


def _function(classes, name):
    *_, owner, method = name.split('.')
    return vars(classes[owner])[method]


def _guards(function):
    """Return the names of a function's decorators, outermost first."""
    found = []
    while inner := getattr(function, '__wrapped__', None):
        found.append(function.__code__.co_qualname.partition('.')[0])
        function = inner
    return found


def _enclosed(function, *names):
    """Return the argument of the outermost decorator that takes one of *names*."""
    while not (found := [name for name in names if name in function.__code__.co_freevars]):
        function = function.__wrapped__
    return function.__closure__[function.__code__.co_freevars.index(found[0])].cell_contents


def files():
    """Return {dotted name in Nova: its file}."""
    return {station.nova: shortened(codes(station.nova)[0].co_filename, station.nova) for station in STATIONS}


def live():
    """Return the promises of the real Nova, which must be installed."""
    promised = promises('nova')  # first, because it prepares the process for Nova
    return {'nova': importlib.metadata.version('nova'), 'files': files(), **promised}


if __name__ == '__main__':
    path = pathlib.Path(sys.argv[1])
    known = json.loads(path.read_text(encoding='utf-8'))
    path.write_text(json.dumps({**live(), 'recordings': known['recordings']}, indent=1) + '\n', encoding='utf-8')
