"""The cloud around the path: its hosts, cells, callers and servers, as rows and tokens, and its socket.

Shapes are those of the recordings (`callers`, `hosts`, `server_defaults`, `given.server`), so that a recorded case and a
scenario of a lesson seed the same cloud.
"""

import contextlib
import dataclasses
import datetime
import functools
import socket
import socketserver
import threading
from collections.abc import Mapping
from wsgiref import simple_server

import sqlalchemy as sa
from oslo_serialization import jsonutils

from explorer import objects
from explorer.objects import CELL_MAPPINGS, COMPUTE_NODES, INSTANCE_MAPPINGS, INSTANCES, METADATA

_PROJECT, _OTHER_PROJECT = 'a' * 32, 'b' * 32
_ROLES = ('admin', 'manager', 'member', 'reader')


def _caller(user_id, *roles, project_id=_PROJECT):
    return {'user_id': user_id, 'project_id': project_id, 'roles': list(roles)}


@dataclasses.dataclass(frozen=True)
class Cloud:
    """What exists before a request comes in. Everything is plain data."""

    callers: Mapping = dataclasses.field(default_factory=lambda: {
        'admin': _caller('u-admin', *_ROLES),
        'admin_only_role': _caller('u-admin', 'admin'),
        'admin_other_project': _caller('u-admin2', *_ROLES, project_id=_OTHER_PROJECT),
        'manager': _caller('u-mgr', *_ROLES[1:]),
        'manager_other_project': _caller('u-mgr2', *_ROLES[1:], project_id=_OTHER_PROJECT),
        'member': _caller('u-member', *_ROLES[2:]),
        'member_other_project': _caller('u-member2', *_ROLES[2:], project_id=_OTHER_PROJECT),
        'reader': _caller('u-reader', 'reader'),
        'service': _caller('u-service', 'service'),
        'no_roles': _caller('u-none'),
    })
    hosts: tuple = ({'host': 'host1', 'node': 'host1.node'}, {'host': 'host2', 'node': 'host2.node'})
    server_defaults: Mapping = dataclasses.field(default_factory=lambda: {
        'vm_state': 'active', 'task_state': None, 'locked_by': None, 'launched': True, 'deleted': False,
        'request_spec': True, 'mapping': 'cell1', 'host': 'host1', 'project': _PROJECT, 'power_state': 1,
        'flavor_extra': None, 'image_props': None, 'vnic_type': None, 'share': False,
    })
    servers: Mapping = dataclasses.field(default_factory=lambda: {
        f'web-{number}': f'6d1f0a52-3c1e-4a0b-9d0e-0c5f6f1f7a1{number}' for number in (1, 2, 3)})
    project: str = _PROJECT
    other_project: str = _OTHER_PROJECT

    def identities(self):
        """Give what a token stands for: {caller: (user_id, project_id, roles)}."""
        return {name: (who['user_id'], who['project_id'], tuple(who['roles'])) for name, who in self.callers.items()}


# ------------------------------------------------------------------------------------------------------- the rows

CELL1 = '11111111-1111-4111-8111-111111111111'
CELL_DOWN = '22222222-2222-4222-8222-222222222222'
EPOCH = datetime.datetime(2026, 1, 1)
FLAVOR = {'id': 1, 'name': 'm1.tiny', 'memory_mb': 512, 'vcpus': 1, 'root_gb': 1, 'ephemeral_gb': 0, 'flavorid': '1'}


def seed_cloud(database, cloud):
    """Make the tables if they are missing, forget what they hold, and write hosts and cells; servers are not seeded."""
    METADATA.create_all(database)
    url = database.url.render_as_string(hide_password=False)
    with database.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(table.delete())
        for number, host in enumerate(cloud.hosts, 1):
            connection.execute(COMPUTE_NODES.insert().values(
                id=number, host=host['host'], hypervisor_hostname=host['node']))
            connection.execute(objects.SERVICES.insert().values(
                host=host['host'], binary='nova-compute', version=objects.SERVICE_VERSION))
        connection.execute(CELL_MAPPINGS.insert().values(name='cell1', uuid=CELL1, database_connection=url))


def seed_server(database, uuid, name, state):
    """Write a server in a *state* (all keys of `server_defaults`), in place of the one with that uuid."""
    flavor = {**FLAVOR, 'extra_specs': state['flavor_extra'] or {}}
    spec = objects.RequestSpec(
        instance_uuid=uuid, project_id=state['project'], user_id='u-owner', flavor=objects.Flavor(**flavor),
        availability_zone=None, num_instances=1, ignore_hosts=None, force_hosts=None, force_nodes=None,
        requested_destination=None, scheduler_hints={}, is_bfv=False)
    image = {f'image_{key}': value for key, value in (state['image_props'] or {}).items()}
    ports = [{'id': 'port-1', 'vnic_type': state['vnic_type'] or 'normal'}]
    cell = sa.select(CELL_MAPPINGS.c.id).where(CELL_MAPPINGS.c.name == state['mapping']).scalar_subquery()
    down = sa.select(CELL_MAPPINGS).where(CELL_MAPPINGS.c.name == 'down')
    with database.begin() as connection:
        connection.execute(INSTANCES.delete().where(INSTANCES.c.uuid == uuid))
        for table in METADATA.sorted_tables:
            if 'instance_uuid' in table.c:
                connection.execute(table.delete().where(table.c.instance_uuid == uuid))
        if state['mapping'] == 'down' and not connection.execute(down).first():
            # Its database lies in a folder that does not exist.
            connection.execute(CELL_MAPPINGS.insert().values(
                name='down', uuid=CELL_DOWN, database_connection='sqlite:////nonexistent/cell.db'))
        compute = connection.execute(
            sa.select(COMPUTE_NODES).where(COMPUTE_NODES.c.host == state['host'])).mappings().first() or {}
        connection.execute(INSTANCES.insert().values(
            uuid=uuid, user_id='u-owner', project_id=state['project'], image_ref='', hostname=name,
            display_name=name, vm_state=state['vm_state'], task_state=state['task_state'],
            power_state=state['power_state'], host=state['host'], node=compute.get('hypervisor_hostname'),
            compute_id=compute.get('id'), instance_type_id=FLAVOR['id'], availability_zone='nova',
            locked=bool(state['locked_by']), locked_by=state['locked_by'],
            launched_at=EPOCH if state['launched'] else None, created_at=EPOCH, deleted=int(state['deleted']),
            deleted_at=EPOCH if state['deleted'] else None, metadata='{}', system_metadata=jsonutils.dumps(image),
            network_info=jsonutils.dumps(ports), flavor=jsonutils.dumps(flavor)))
        if state['mapping']:
            connection.execute(INSTANCE_MAPPINGS.insert().values(
                instance_uuid=uuid, cell_id=cell, project_id=state['project'], user_id='u-owner'))
        if state['request_spec']:
            connection.execute(objects.REQUEST_SPECS.insert().values(
                instance_uuid=uuid, spec=jsonutils.dumps(spec.obj_to_primitive())))
        if state['share']:
            connection.execute(objects.SHARE_MAPPING.insert().values(instance_uuid=uuid, share_id='share-1'))


def server_state(database, uuid):
    """Say what the database holds of a server: states, actions and fault codes, as `expect` in the recordings."""
    with database.connect() as connection:
        row = connection.execute(sa.select(INSTANCES).where(INSTANCES.c.uuid == uuid)).mappings().one()
        actions, faults = (
            connection.execute(sa.select(table).where(table.c.instance_uuid == uuid).order_by(table.c.id))
            .mappings().all() for table in (objects.INSTANCE_ACTIONS, objects.INSTANCE_FAULTS))
    return {
        'vm_state_after': row['vm_state'],
        'task_state_after': row['task_state'],
        'actions': [{name: action[name] for name in ('action', 'user_id', 'message')} for action in actions],
        'faults': [fault['code'] for fault in faults],
    }


# ----------------------------------------------------------------------------------------------------- the socket


_LONGEST_REST = 10_000_000  # bytes of a body that is read only to be dropped


class _Response(simple_server.ServerHandler):
    os_environ = {}  # the request's environ shall not hold the environment of this process


class _Handler(simple_server.WSGIRequestHandler):
    timeout = 60  # seconds for a client to say something

    def handle(self):
        self.raw_requestline = self.rfile.readline(65537)
        if not self.parse_request():
            return  # it has answered itself
        if not self.path.startswith('/'):
            self.send_error(400, 'the target of a request is a path')
            return
        response = _Response(self.rfile, self.wfile, self.get_stderr(), self.get_environ(), multithread=True)
        response.request_handler = self
        response.run(self.server.get_app())

    def log_message(self, *args):
        """Nothing: RequestLog writes the access log."""


class HTTPServer(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    """Serve a WSGI application, a thread for each request.

    Raises: OSError when the port is taken.
    """

    daemon_threads = True
    request_queue_size = 128  # clients that wait for their turn

    def shutdown_request(self, request):
        """Close when the client has sent all it has: a body that nobody read would turn the answer into a reset."""
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(1)
            left = _LONGEST_REST
            while left > 0 and (read := len(request.recv(65536))):
                left -= read
        self.close_request(request)

    def __init__(self, host, port, app):
        super().__init__((host, port), _Handler)
        self.set_app(app)
        self._open, self._closed = 0, threading.Condition()

    def server_bind(self):
        # Not the base class's: that one asks the name service for our name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()

    def process_request(self, request, client_address):
        with self._closed:
            self._open += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._closed:
                self._open -= 1
                self._closed.notify_all()

    def join(self, timeout):
        """Wait until no request is open; say whether it came to that within *timeout* seconds."""
        with self._closed:
            return self._closed.wait_for(lambda: not self._open, timeout)

    def start(self):
        threading.Thread(target=functools.partial(self.serve_forever, 0.1), name='http', daemon=True).start()
        return self
