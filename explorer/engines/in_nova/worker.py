"""The process in which the real Nova runs: boot it, seed a cloud, send a scenario's request, return the trace.

real_nova.py starts it with the Python of an environment that holds nova; nothing else in the package imports this
folder. The worker reads one job per line of its input, writes one reply per line of its output, both in JSON, and
ends when its input ends. The WSGI application with its paste pipeline, policy, objects, databases (SQLite, with cells),
message bus library and conductor are Nova's own. Stand-ins that always respond favourably replace what one process
cannot have: Keystone's tokens, a scheduler, compute hosts, Placement and Neutron.
"""

import contextlib
import gc
import importlib.metadata
import itertools
import json
import logging
import os
import pathlib
import queue
import shutil
import sys
import threading

from nova import monkey_patch

monkey_patch.patch(backend='threading')  # before anything else, as in Nova's own programs

import nova.conf
import nova.rpc
import sqlalchemy as sa
from nova import context as nova_context
from nova import exception, objects
from nova.api.openstack import wsgi_app
from nova.db.api import models as api_models
from nova.db.main import models as main_models
from nova.network import model as network_model
from nova.network import neutron
from nova.objects import base as objects_base
from nova.scheduler.client import report
from oslo_reports import guru_meditation_report

from explorer import stations
from explorer.errors import WrongUse
from explorer.libraries import oslo_messaging
from explorer.engines.cloud import CELL1, CELL_DOWN, EPOCH, FLAVOR, Cloud
from explorer.explorations import Scenario
from explorer.engines.in_nova.stand_ins import Bus, Conductor, Neutron, Placement, Tokens
from explorer.engines.runner import Runner
from explorer.trace import lasting_threads, unpacked

CONF = nova.conf.CONF

NOVA_CONF = """
[DEFAULT]
host = api1
state_path = {folder}
log_file = {folder}/nova.log
transport_url = fake://
service_down_time = 1000000000
[api_database]
connection = sqlite:///{folder}/api.db
sqlite_synchronous = false
[database]
connection = sqlite:///{folder}/cell0.db
sqlite_synchronous = false
[keystone_authtoken]
auth_type = none
www_authenticate_uri = http://keystone.invalid/identity
[oslo_policy]
policy_file = {folder}/policy.yaml
[oslo_concurrency]
lock_path = {folder}
[placement]
auth_type = none
endpoint_override = http://placement.invalid
"""

# ------------------------------------------------------------------------------------------------------------- boot


def boot(folder, tell):
    """Boot the installed nova in this process; this is possible only once.

    Returns: (application, bus).
    """
    _configure(folder)
    # setup_autorun would install signal handlers.
    guru_meditation_report.TextGuruMeditation.setup_autorun = lambda *args, **kwargs: None
    transports = {}

    def one_bus(url):
        """Return one bus for all cells, which would otherwise each have their own."""
        if not transports:
            exmods = nova.rpc.get_allowed_exmods()
            transport = transports[''] = oslo_messaging.get_rpc_transport(
                CONF, url='fake://', allowed_remote_exmods=exmods)
            transport._driver = Bus(CONF, 'memory://', default_exchange='nova', allowed_remote_exmods=exmods)
        return transports['']

    nova.rpc.create_transport = one_bus
    tell('creating the databases')
    wsgi_app.init_global_data(wsgi_app._get_config_files(), 'nova-api-os-compute', 'nova-api-os-compute')
    for name, models in (('api', api_models), ('cell0', main_models)):
        engine = sa.create_engine(f'sqlite:///{folder}/{name}.db')
        models.BASE.metadata.create_all(engine)
        engine.dispose()
    shutil.copy(folder / 'cell0.db', folder / 'cell1.db')
    admin = nova_context.get_admin_context()
    for name, uuid in (('cell0', objects.CellMapping.CELL0_UUID), ('cell1', CELL1)):
        objects.CellMapping(admin, name=name, uuid=uuid, transport_url='fake://',
                            database_connection=f'sqlite:///{folder}/{name}.db').create()
    neutron.get_client = lambda context, admin=False: Neutron()
    report.PLACEMENTCLIENT = Placement([])
    tell('wiring the application')
    return wsgi_app.init_application('osapi_compute', 'nova-api-os-compute'), one_bus('')._driver


def _configure(folder):
    """Write Nova's configuration, with our stand-in for the filter that would query Keystone."""
    paste = next((path for path in (pathlib.Path(sys.prefix) / 'etc/nova/api-paste.ini',
                                    pathlib.Path('/etc/nova/api-paste.ini')) if path.is_file()), None)
    if paste is None:
        raise WrongUse('nova is only half installed: its api-paste.ini is missing; remove .venv-nova and run make nova')
    factory = 'keystonemiddleware.auth_token:filter_factory'
    (folder / 'api-paste.ini').write_text(
        paste.read_text().replace(factory, 'explorer.engines.in_nova.stand_ins:tokens_factory'))
    (folder / 'nova.conf').write_text(NOVA_CONF.format(folder=folder))
    (folder / 'policy.yaml').write_text('{}\n')
    os.environ['OS_NOVA_CONFIG_DIR'] = str(folder)
    sys.argv[1:] = []


_STATIONS = frozenset(station.nova for station in stations.STATIONS)


def _name_in_nova(filename, qualname):
    """Return the dotted name of a nova function; None for a station, another package's function, or a nameless one."""
    _, found, path = filename.rpartition('/site-packages/nova/')
    if not found or qualname.rpartition('.')[2].startswith('<'):
        return None
    name = f'nova.{path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")}.{qualname}'
    return None if name in _STATIONS else name


class InstalledNova:
    """The installed nova in this process: its application, bus, databases and conductor."""

    engine, column, name_other = 'nova', 'nova', staticmethod(_name_in_nova)

    def __init__(self, folder, tell):
        self.tokens = {}
        tell('loading')
        self.application, self.driver = boot(folder, tell)
        Tokens.known = self.tokens
        self._folder, self.conductor, self._ids = folder, Conductor(), itertools.count(1)
        server = nova.rpc.get_server(
            oslo_messaging.Target(topic='conductor', server='api1'), [self.conductor],
            objects_base.NovaObjectSerializer())
        server.start(override_pool_size=1)
        server._work_executor.submit(int).result()  # the worker's thread starts with its first job
        self._api, self._cell = (sa.create_engine(f'sqlite:///{folder}/{name}.db') for name in ('api', 'cell1'))

    def exception(self, name):
        return getattr(exception, name, None)

    @contextlib.contextmanager
    def rivalled(self, uuid, task_state):
        """Context manager: let another request win between the read of the server and the conditional update."""
        save = objects.Instance._save_info_cache  # the first method that `save` calls

        def late(server, context):
            with self._cell.begin() as connection:
                connection.execute(sa.update(_INSTANCES).where(_INSTANCES.c.uuid == uuid).values(task_state=task_state))
            return save(server, context)

        objects.Instance._save_info_cache = late
        try:
            yield
        finally:
            objects.Instance._save_info_cache = save

    # ------------------------------------------------------------------------------------------------- the rows

    def seed_cloud(self, cloud):
        self._forget(None)
        admin = nova_context.get_admin_context()
        cell = objects.CellMapping.get_by_uuid(admin, CELL1)
        hosts = []
        with nova_context.target_cell(admin, cell) as context:
            for host in cloud.hosts:
                objects.Service(context, host=host['host'], binary='nova-compute', topic='compute', report_count=1,
                                disabled=False, last_seen_up=EPOCH).create()
                node = objects.ComputeNode(
                    context, host=host['host'], hypervisor_hostname=host['node'], vcpus=64, memory_mb=65536,
                    local_gb=1000, vcpus_used=0, memory_mb_used=0, local_gb_used=0, free_ram_mb=65536,
                    free_disk_gb=1000, running_vms=0, current_workload=0, hypervisor_type='QEMU',
                    hypervisor_version=8002000, cpu_info='{}', disk_available_least=1000,
                    host_ip='127.0.0.1', supported_hv_specs=[], mapped=1)
                node.create()
                hosts.append({**host, 'uuid': node.uuid, 'id': node.id})
        for host in hosts:
            objects.HostMapping(admin, host=host['host'], cell_mapping=cell).create()
        with self._api.begin() as connection:
            connection.execute(sa.insert(api_models.Flavors.__table__).values(
                **FLAVOR, swap=0, rxtx_factor=1.0, vcpu_weight=0, disabled=False, is_public=True))
        self.driver.hosts, self._hosts = hosts, {host['host']: host for host in hosts}
        report.PLACEMENTCLIENT = Placement(hosts)

    def seed_server(self, uuid, name, state):
        self._forget(uuid)
        admin = nova_context.get_admin_context()
        cell = objects.CellMapping.get_by_uuid(admin, CELL1)
        node = self._hosts.get(state['host'], {})
        flavor = objects.Flavor(admin, **FLAVOR, swap=0, rxtx_factor=1.0, vcpu_weight=0, disabled=False, is_public=True,
                                extra_specs=dict(state['flavor_extra'] or {}), projects=[], description=None)
        with nova_context.target_cell(admin, cell) as context:
            server = objects.Instance(
                context, uuid=uuid, user_id='u-owner', project_id=state['project'], image_ref='', hostname=name,
                display_name=name, display_description=None, vm_state=state['vm_state'], task_state=state['task_state'],
                power_state=state['power_state'], host=state['host'], node=node.get('node'), compute_id=node.get('id'),
                memory_mb=flavor.memory_mb, vcpus=flavor.vcpus, root_gb=flavor.root_gb,
                ephemeral_gb=flavor.ephemeral_gb, instance_type_id=flavor.id, availability_zone='nova',
                locked=bool(state['locked_by']), locked_by=state['locked_by'],
                launched_at=EPOCH if state['launched'] else None, metadata={},
                system_metadata={f'image_{key}': value for key, value in (state['image_props'] or {}).items()},
                flavor=flavor, old_flavor=None, new_flavor=None, numa_topology=None, reservation_id='r-1',
                launch_index=0, config_drive='', key_name=None, cleaned=False, ephemeral_key_uuid=None)
            server.create()
            network = network_model.Network(id='network-1', label='private', subnets=[])
            ports = ([network_model.VIF(id='port-1', network=network, vnic_type=state['vnic_type'])]
                     if state['vnic_type'] else [])
            server.info_cache.network_info = network_model.NetworkInfo(ports)
            server.info_cache.save()
            if state['share']:
                objects.ShareMapping(
                    context, uuid='5a5a5a5a-0000-4000-8000-000000000001', instance_uuid=uuid, share_id='share-1',
                    status='active', tag='share-1', export_location='nfs:/share', share_proto='NFS').create()
        if state['deleted']:
            with self._cell.begin() as connection:
                connection.execute(sa.update(_INSTANCES).where(_INSTANCES.c.uuid == uuid)
                                   .values(deleted=_INSTANCES.c.id, deleted_at=EPOCH, updated_at=EPOCH))
        if state['mapping']:
            down = None if state['mapping'] != 'down' else self._cell_down(admin)
            mapping = objects.InstanceMapping(admin, instance_uuid=uuid, project_id=state['project'], user_id='u-owner',
                                              queued_for_delete=False)
            mapping.cell_mapping = {'cell1': cell, 'down': down}.get(state['mapping'])
            mapping.create()
        if state['request_spec']:
            objects.RequestSpec(
                admin, instance_uuid=uuid, project_id=state['project'], user_id='u-owner', flavor=flavor,
                num_instances=1, image=objects.ImageMeta(properties=objects.ImageMetaProps()), numa_topology=None,
                availability_zone=None, pci_requests=objects.InstancePCIRequests(requests=[]), ignore_hosts=None,
                force_hosts=None, force_nodes=None, requested_destination=None, retry=None,
                limits=objects.SchedulerLimits(), instance_group=None,
                scheduler_hints={}, security_groups=objects.SecurityGroupList(objects=[]), is_bfv=False).create()

    def _cell_down(self, admin):
        """Return the cell whose database is in a folder that does not exist."""
        with contextlib.suppress(exception.CellMappingNotFound):
            return objects.CellMapping.get_by_uuid(admin, CELL_DOWN)
        down = objects.CellMapping(admin, name='down', uuid=CELL_DOWN, transport_url='fake://',
                                   database_connection='sqlite:////nonexistent/cell.db')
        down.create()
        return down

    def _forget(self, uuid):
        """Delete the rows of a server or, if *uuid* is None, of all servers and hosts."""
        for engine, models in ((self._api, api_models), (self._cell, main_models)):
            with engine.begin() as connection:
                for table in reversed(models.BASE.metadata.sorted_tables):
                    of = table.c.get('instance_uuid', table.c.get('uuid') if table.name == 'instances' else None)
                    if uuid is None and table.name != 'cell_mappings':
                        connection.execute(table.delete())
                    elif uuid is not None and of is not None:
                        connection.execute(table.delete().where(of == uuid))

    def server_state(self, uuid):
        actions, faults = main_models.InstanceAction.__table__, main_models.InstanceFault.__table__
        with self._cell.connect() as connection:
            row = connection.execute(sa.select(_INSTANCES).where(_INSTANCES.c.uuid == uuid)).mappings().one()
            actions, faults = (connection.execute(
                sa.select(table).where(table.c.instance_uuid == uuid).order_by(table.c.id)).mappings().all()
                for table in (actions, faults))
        return {
            'vm_state_after': row['vm_state'], 'task_state_after': row['task_state'],
            'actions': [{name: action[name] for name in ('action', 'user_id', 'message')} for action in actions],
            'faults': [fault['code'] for fault in faults]}


_INSTANCES = main_models.Instance.__table__


# ------------------------------------------------------------------------------------------------------ the protocol


def serve(folder):
    """Do the jobs on standard input, one per line, until the input ends.

    Shape: a job is {scenario, cloud, whole}; a reply is {trace, response}, or {wrong} or {failed} with one line.
    The first reply is preceded by {now} lines with the current activity and a {ready} line with nova's version.
    """
    wire = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)  # so that printed text cannot get in between the lines

    def say(**line):
        wire.write(json.dumps(line) + '\n')
        wire.flush()

    begun = False
    try:
        with lasting_threads():  # every thread starts inside this block
            real = Runner(InstalledNova(pathlib.Path(folder), lambda now: say(now=now)), folder)
            gc.freeze()  # Nova itself stays; each trace leaves many cycles to collect
            say(ready=importlib.metadata.version('nova'))
            begun = True
            for line in iter(_lines(folder).get, None):
                say(**_answered(real, json.loads(line)))
                gc.collect()
    except WrongUse as error:
        say(failed=str(error))
    except Exception as error:
        logging.getLogger('explorer').exception('the worker failed')
        what = 'it failed' if begun else 'nova cannot start here'
        say(failed=f'{what}: {type(error).__name__}: {error}'.splitlines()[0])
    finally:
        _end(folder)


def _lines(folder):
    """Read the input on a separate thread; when it ends, end the process, whatever it is doing."""
    lines = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            lines.put(line)
        _end(folder)

    threading.Thread(target=read, name='input', daemon=True).start()
    return lines


def _end(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # Nova's threads would keep running


def _answered(real, asked):
    cloud = Cloud(**{**asked['cloud'], 'hosts': tuple(asked['cloud']['hosts'])})
    try:
        trace, response = real.answer(Scenario(**asked['scenario']), cloud, asked['whole'])
    except WrongUse as error:
        return {'wrong': str(error)}
    try:
        return {'trace': trace.to_json(), 'response': response}
    finally:
        unpacked.cache_clear()  # nothing here reads it again


if __name__ == '__main__':
    serve(sys.argv[1])
