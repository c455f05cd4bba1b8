"""Nova's nouns: the objects that travel and the rows that are stored."""

import threading

import pytest

from explorer import exception, objects
from tests.conftest import WEB_1


@pytest.fixture
def context(api):
    """Return an administrator's context that points at the cell of web-1."""
    made = objects.RequestContext('u-admin', 'p', roles=['admin'])
    made.api_database = api.database
    objects.set_target_cell(made, objects.InstanceMapping.get_by_instance_uuid(made, WEB_1).cell_mapping)
    return made


def test_a_server_survives_the_bus(context):
    serializer = objects.NovaObjectSerializer()
    server = objects.Instance.get_by_uuid(context, WEB_1, expected_attrs=['flavor'])
    text = serializer.serialize_entity(context, server)
    there = serializer.deserialize_entity(context, text)
    assert there is not server
    assert (there.uuid, there.vm_state, there.flavor.flavorid) == (server.uuid, server.vm_state, server.flavor.flavorid)
    assert text['nova_object.namespace'] == 'nova'


def test_a_request_spec_survives_the_bus(context):
    serializer = objects.NovaObjectSerializer()
    spec = objects.RequestSpec.get_by_instance_uuid(context, WEB_1)
    spec.requested_destination = objects.Destination(host='host2', node='node2')
    there = serializer.deserialize_entity(context, serializer.serialize_entity(context, spec))
    assert (there.instance_uuid, there.requested_destination.host) == (WEB_1, 'host2')


def test_the_state_is_written_only_if_the_old_one_is_as_expected(context):
    one, other = (objects.Instance.get_by_uuid(context, WEB_1) for _ in range(2))
    one.task_state = other.task_state = 'migrating'
    one.save(expected_task_state=[None])
    with pytest.raises(exception.UnexpectedTaskStateError, match=r"Actual: \{'task_state': 'migrating'\}"):
        other.save(expected_task_state=[None])


def test_of_many_simultaneous_writes_exactly_one_wins(context):
    servers = [objects.Instance.get_by_uuid(context, WEB_1) for _ in range(8)]
    outcomes, start = [], threading.Barrier(len(servers))

    def write(server):
        server.task_state = 'migrating'
        start.wait()
        try:
            server.save(expected_task_state=[None])
            outcomes.append('won')
        except exception.UnexpectedTaskStateError:
            outcomes.append('lost')

    threads = [threading.Thread(target=write, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ['lost'] * 7 + ['won']


def test_a_field_that_was_not_read_with_the_row_is_loaded_on_access(context):
    server = objects.Instance.get_by_uuid(context, WEB_1)
    assert not server.obj_attr_is_set('flavor')
    assert server.flavor.flavorid
    assert 'flavor' not in server.obj_what_changed()


def test_the_policy_decides_who_is_an_administrator():
    assert objects.RequestContext('u', 'p', roles=['admin']).is_admin
    assert not objects.RequestContext('u', 'p', roles=['member']).is_admin


def test_a_context_survives_the_bus():
    context = objects.RequestContext('u', 'p', roles=['member'], request_id='req-1', auth_token='s3cret')
    there = objects.RequestContext.from_dict(context.to_dict())
    assert (there.user_id, there.project_id, there.roles, there.request_id) == ('u', 'p', ['member'], 'req-1')


def test_an_unknown_server_is_not_found(context):
    with pytest.raises(exception.InstanceNotFound, match='Instance nobody could not be found'):
        objects.instance_get_by_uuid(context, 'nobody')
