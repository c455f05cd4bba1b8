"""Write a cloud into our database (hosts, cells, servers) and read what it holds about a server afterwards."""

from collections.abc import Mapping

import sqlalchemy as sa
from oslo_serialization import jsonutils

from explorer import objects
from explorer.engines.cloud import CELL1, CELL_DOWN, EPOCH, FLAVOR, Cloud
from explorer.objects import CELL_MAPPINGS, COMPUTE_NODES, INSTANCE_MAPPINGS, INSTANCES, METADATA
from explorer.payloads import Plain, Value


def seed_cloud(database: sa.Engine, cloud: Cloud) -> None:
    """Create missing tables, empty all tables, and write the hosts and cells of a cloud, but not its servers."""
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


def seed_server(database: sa.Engine, uuid: str, name: str, state: Mapping[str, Value]) -> None:
    """Write a server in a *state* (all keys of `server_defaults`), replacing the one with that uuid."""
    flavor = {**FLAVOR, 'extra_specs': state['flavor_extra'] or {}}
    spec = objects.RequestSpec(
        instance_uuid=uuid, project_id=state['project'], user_id='u-owner', flavor=objects.Flavor(**flavor),
        availability_zone=None, num_instances=1, ignore_hosts=None, force_hosts=None, force_nodes=None,
        scheduler_hints={}, is_bfv=False)
    image = {f'image_{key}': value for key, value in (state['image_props'] or {}).items()}
    ports = [{'id': 'port-1', 'vnic_type': state['vnic_type']}] if state['vnic_type'] else []
    cell = sa.select(CELL_MAPPINGS.c.id).where(CELL_MAPPINGS.c.name == state['mapping']).scalar_subquery()
    down = sa.select(CELL_MAPPINGS).where(CELL_MAPPINGS.c.name == 'down')
    with database.begin() as connection:
        connection.execute(INSTANCES.delete().where(INSTANCES.c.uuid == uuid))
        for table in METADATA.sorted_tables:
            if 'instance_uuid' in table.c:
                connection.execute(table.delete().where(table.c.instance_uuid == uuid))
        if state['mapping'] == 'down' and not connection.execute(down).first():
            # The cell is down because the folder of its database does not exist.
            connection.execute(CELL_MAPPINGS.insert().values(
                name='down', uuid=CELL_DOWN, database_connection='sqlite:////nonexistent/cell.db'))
        compute: Mapping[Value, Value] = connection.execute(
            sa.select(COMPUTE_NODES).where(COMPUTE_NODES.c.host == state['host'])).mappings().first() or {}
        connection.execute(INSTANCES.insert().values(
            uuid=uuid, user_id='u-owner', project_id=state['project'], image_ref='', hostname=name,
            display_name=name, vm_state=state['vm_state'], task_state=state['task_state'],
            power_state=state['power_state'], host=state['host'], node=compute.get('hypervisor_hostname'),
            compute_id=compute.get('id'), instance_type_id=FLAVOR['id'], availability_zone='nova',
            locked=bool(state['locked_by']), locked_by=state['locked_by'],
            launched_at=EPOCH if state['launched'] else None, created_at=EPOCH, deleted=int(state['deleted']),
            updated_at=EPOCH if state['deleted'] else None,
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


def server_state(database: sa.Engine, uuid: str) -> Plain:
    """Return the states, actions and fault codes of a server in the database, as in `expect` of the recorded cases."""
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
