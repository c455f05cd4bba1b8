"""Stand-ins for what one process cannot have: Keystone's tokens, a scheduler, compute hosts, Placement and Neutron.

Import this module only after nova's monkey patching, as worker.py does.
"""

import functools

from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import _exceptions
from nova import exception, objects
from nova.conductor import manager
from nova.objects import base as objects_base
from oslo_serialization import jsonutils

from explorer.bus import MemoryDriver
from explorer.engines.cloud import CELL1


class Tokens(auth_token.AuthProtocol):
    """Nova's own token filter, but the tokens are stored here instead of in Keystone."""

    known = {}

    def fetch_token(self, token, **kwargs):
        if token not in self.known:
            raise _exceptions.InvalidToken('unknown token')
        user, project, roles = self.known[token]
        domain = {'id': 'default', 'name': 'Default'}
        return {'token': {
            'methods': ['password'], 'audit_ids': ['a'], 'catalog': [], 'is_admin_project': True,
            'issued_at': '2026-01-01T00:00:00.000000Z', 'expires_at': '2999-01-01T00:00:00.000000Z',
            'user': {'id': user, 'name': user, 'domain': domain},
            'project': {'id': project, 'name': project, 'domain': domain},
            'roles': [{'id': role, 'name': role} for role in roles]}}


def tokens_factory(global_conf, **local_conf):
    """Return the filter for api-paste.ini."""
    return functools.partial(Tokens, conf={**global_conf, **local_conf})


class Bus(MemoryDriver):
    """The bus, on which calls to the scheduler and the compute hosts return immediately.

    Shape: *hosts* as in a Cloud, with the `uuid` of their compute nodes.
    """

    hosts = ()

    def _send(self, target, ctxt, message, wait_for_reply=None, *args, **kwargs):
        if target.topic == 'conductor' or not wait_for_reply:
            return super()._send(target, ctxt, message, wait_for_reply, *args, **kwargs)
        text = jsonutils.dumps(message['args'])
        return jsonutils.loads(jsonutils.dumps(getattr(self, message['method'])(**jsonutils.loads(text))))

    def select_destinations(self, spec_obj, instance_uuids, **_):
        spec = spec_obj['nova_object.data']
        wanted = (spec.get('requested_destination') or {}).get('nova_object.data', {}).get('host')
        host = next((host for host in self.hosts if host['host'] not in (spec['ignore_hosts'] or ())
                     and wanted in (None, host['host'])), None)
        if host is None:
            raise exception.NoValidHost(reason='')
        selection = objects.Selection(
            service_host=host['host'], nodename=host['node'], compute_node_uuid=host['uuid'], cell_uuid=CELL1,
            limits=None, allocation_request=None, allocation_request_version=None)
        return [[objects_base.NovaObjectSerializer().serialize_entity(None, selection)]]

    def check_can_live_migrate_destination(self, **_):
        data = objects.LibvirtLiveMigrateData(is_shared_instance_path=False, is_shared_block_storage=True)
        return objects_base.NovaObjectSerializer().serialize_entity(None, data)


class Placement:
    """A Placement client that finds room everywhere."""

    def __init__(self, hosts):
        self.allocations = {
            host['uuid']: {'resources': {'VCPU': 1, 'MEMORY_MB': 512, 'DISK_GB': 1}} for host in hosts[:1]}

    def get_allocs_for_consumer(self, context, consumer):
        return {'allocations': self.allocations, 'consumer_generation': 1, 'project_id': '', 'user_id': ''}

    def __getattr__(self, name):
        return lambda *args, **kwargs: True


class Neutron:
    """A Neutron client that reports no extensions and no ports."""

    def list_extensions(self, **_):
        return {'extensions': []}

    def list_ports(self, **_):
        return {'ports': []}


class Conductor(manager.ComputeTaskManager):
    """Nova's conductor, which can be set to fail, or to acknowledge its messages and do nothing else."""

    failure, whole = None, True

    def live_migrate_instance(self, context, *args, **kwargs):
        return super().live_migrate_instance(context, *args, **kwargs) if self.whole else self._acknowledge()

    def migrate_server(self, context, *args, **kwargs):
        return super().migrate_server(context, *args, **kwargs) if self.whole else self._acknowledge()

    def _build_live_migrate_task(self, *args):
        self._acknowledge()
        return super()._build_live_migrate_task(*args)

    def _acknowledge(self):
        if self.failure:
            raise self.failure
