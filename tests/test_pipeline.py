"""The path, tested in HTTP conversations with our API."""

import json
import logging

import pytest

from explorer import exception, pipeline
from tests.conftest import WEB_1

ACTION = f'/v2.1/servers/{WEB_1}/action'
LIVE = {'os-migrateLive': {'host': None, 'block_migration': 'auto'}}
PAUSE = {'pause': None}


def message(response):
    return next(iter(response.json.values()))['message']


# -------------------------------------------------------------------------------------------- before the route


def test_versions_are_listed_without_a_token(api):
    there = api.ask('GET', '/', token=None)
    assert there.status_int == 200
    assert [version['id'] for version in there.json['versions']] == ['v2.0', 'v2.1']
    assert api.ask('GET', '/v2.1/', token=None).json['version']['version'] == '2.104'


def test_a_request_without_a_token_is_rejected(api):
    refused = api.ask('POST', ACTION, LIVE, token=None)
    assert refused.status_int == 401
    assert refused.headers['WWW-Authenticate'].startswith('Keystone uri=')


def test_every_response_has_its_own_request_id(api):
    ids = [api.ask('GET', '/v2.1/servers').headers['X-Compute-Request-Id'] for _ in range(2)]
    assert all(one.startswith('req-') for one in ids)
    assert ids[0] != ids[1]


def test_a_body_that_is_too_long_is_refused_before_it_is_read(api):
    assert api.ask('POST', ACTION, b' ' * 114_689).status_int == 413


def test_identity_headers_from_a_client_are_ignored(api):
    refused = api.ask(
        'POST', ACTION, LIVE, token='bad', X_Roles='admin', X_User_Id='root', X_Identity_Status='Confirmed')
    assert refused.status_int == 401
    assert api.migrate(token='reader').status_int == 403


def test_the_access_log_names_the_request_and_not_the_token(api, caplog):
    with caplog.at_level(logging.INFO):
        api.migrate(token='admin:demo')
    lines = [record.getMessage() for record in caplog.records if record.name == 'explorer.pipeline']
    assert any(f'"POST {ACTION}" status: 202' in line for line in lines), lines
    assert 'admin:demo' not in caplog.text


def test_the_access_log_cannot_be_forged_and_masks_secrets_in_the_query(api, caplog):
    with caplog.at_level(logging.INFO):
        api.ask('GET', '/v2.1/servers/x%0aINFO%20forged%1b[31m?X-Auth-Token=c3cr3t&password=c3cr3t')
    line, = [record.getMessage() for record in caplog.records if record.name == 'explorer.pipeline']
    assert 'c3cr3t' not in caplog.text
    assert '\n' not in line
    assert '\x1b' not in line


# ---------------------------------------------------------------------------------------------- route and version


@pytest.mark.parametrize(('path', 'status'), [
    (f'/v2.1/servers/{WEB_1}/action', 202), (f'/v2.1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/servers/{WEB_1}/action', 202),
    (f'/v2.1/servers/{WEB_1}/actions', 404), ('/v2.1/nowhere', 404), (f'/v3/servers/{WEB_1}/action', 300)])
def test_the_route_decides_the_status(api, path, status):
    assert api.ask('POST', path, LIVE, OpenStack_API_Version='compute 2.34').status_int == status


@pytest.mark.parametrize(('headers', 'version'), [
    ({}, '2.1'),
    ({'OpenStack_API_Version': 'compute 2.34'}, '2.34'),
    ({'X_OpenStack_Nova_API_Version': '2.30'}, '2.30'),
    ({'OpenStack_API_Version': 'compute latest'}, '2.104'),
    ({'OpenStack_API_Version': 'volume 3.1, compute 2.40'}, '2.40'),
    ({'OpenStack_API_Version': 'compute 2.40', 'X_OpenStack_Nova_API_Version': '2.30'}, '2.40')])
def test_the_microversion_comes_from_either_header(api, headers, version):
    response = api.ask('GET', '/v2.1/servers', **headers)
    assert response.headers['OpenStack-API-Version'] == f'compute {version}'
    assert response.headers['X-OpenStack-Nova-API-Version'] == version


@pytest.mark.parametrize(('version', 'status', 'says'), [
    ('2.105', 406, 'Version 2.105 is not supported by the API. Minimum is 2.1 and maximum is 2.104.'),
    ('two', 400, 'API Version String two is of invalid format. Must be of format MajorNum.MinorNum.')])
def test_an_unsupported_microversion_is_refused(api, version, status, says):
    refused = api.migrate(version=version)
    assert (refused.status_int, message(refused)) == (status, says)


def test_the_error_names_an_unknown_action(api):
    refused = api.ask('POST', ACTION, {'os-fly': {}})
    assert (refused.status_int, message(refused)) == (400, 'There is no such action: os-fly')


@pytest.mark.parametrize('body', [b'', b'{', b'[]', b'{}', b'{"a": 1, "b": 2}', b'\xff'])
def test_a_body_that_is_not_an_action_is_malformed(api, body):
    refused = api.ask('POST', ACTION, body)
    assert refused.status_int == 400
    assert json.loads(refused.text)


def test_an_action_without_a_body_is_rejected(api):
    response = api.ask('POST', ACTION, None, Content_Type='text/plain')
    assert response.status_int == 400


# ---------------------------------------------------------------------------------------------------- the controller


@pytest.mark.parametrize(('version', 'fields', 'status'), [
    (None, {}, 400), ('2.1', {'disk_over_commit': False, 'block_migration': False}, 202),
    ('2.24', {'disk_over_commit': 'yes', 'block_migration': 'no'}, 202), ('2.24', {}, 400),
    ('2.25', {'disk_over_commit': False}, 400), ('2.25', {}, 202), ('2.29', {'force': True}, 400),
    ('2.30', {'force': True}, 400), ('2.30', {'force': True, 'host': 'host2'}, 202), ('2.67', {'force': False}, 202),
    ('2.68', {'force': False}, 400), ('2.104', {}, 202), ('2.34', {'host': ''}, 400), ('2.34', {'host': 5}, 400),
    ('2.34', {'block_migration': 'maybe'}, 400)])
def test_each_range_of_microversions_has_its_schema(api, version, fields, status):
    assert api.migrate(version=version, **fields).status_int == status


def test_the_body_is_validated_before_the_caller_is_authorized(api):
    assert api.migrate(token='reader', host='').status_int == 400
    assert api.migrate(token='reader').status_int == 403


def test_a_server_of_another_project_does_not_exist(api):
    refused = api.migrate(token='member_other_project')
    assert (refused.status_int, message(refused)) == (404, f'Instance {WEB_1} could not be found.')


# --------------------------------------------------------------------------------------------------- the compute API


@pytest.mark.parametrize(('state', 'status'), [
    ({'vm_state': 'paused', 'power_state': 3}, 202), ({'vm_state': 'stopped'}, 409), ({'task_state': 'rebooting'}, 409),
    ({'locked_by': 'owner'}, 202), ({'share': True}, 409), ({'vnic_type': 'accelerator-direct'}, 400),
    ({'flavor_extra': {'accel:device_profile': 'gpu'}}, 400),
    ({'flavor_extra': {'hw:mem_encryption': 'true'}, 'image_props': {'hw_firmware_type': 'uefi'}}, 400),
    ({'mapping': None}, 404), ({'launched': False}, 409), ({'deleted': True}, 404)])
def test_the_guards_reject_some_servers_and_leave_them_unchanged(api, state, status):
    api.seed(**state)
    before = api.state()
    response = api.migrate()
    assert response.status_int == status, response.text
    if status != 202:
        assert api.state() == before


def test_a_locked_server_is_refused_before_live_migrate_runs(api):
    api.seed(locked_by='owner')
    refused = api.migrate(token='manager')
    assert (refused.status_int, message(refused)) == (409, f'Instance {WEB_1} is locked')
    assert api.state()['actions'] == []
    assert api.state()['task_state_after'] is None


def test_a_migration_sets_the_task_state_and_records_the_action(api):
    assert api.migrate().status_int == 202
    assert api.state()['task_state_after'] == 'migrating'
    assert [action['action'] for action in api.state()['actions']] == ['live-migration']
    assert api.migrate().status_int == 409


def test_an_unknown_host_is_refused(api):
    refused = api.migrate(host='host9')
    assert (refused.status_int, message(refused)) == (400, 'Compute host host9 could not be found.')


def test_servers_are_listed_by_name_and_shown_with_their_state(api):
    listed = api.ask('GET', '/v2.1/servers?name=web-1').json['servers']
    assert [server['name'] for server in listed] == ['web-1']
    api.migrate()
    assert api.ask('GET', f'/v2.1/servers/{WEB_1}').json['server']['OS-EXT-STS:task_state'] == 'migrating'
    assert api.ask('GET', '/v2.1/servers/web-1').status_int == 404


@pytest.mark.parametrize(('vm_state', 'shown'), [
    ('active', 'ACTIVE'), ('stopped', 'SHUTOFF'), ('paused', 'PAUSED'), ('error', 'ERROR')])
def test_clients_see_the_state_of_a_server_under_another_name(api, vm_state, shown):
    api.seed(vm_state=vm_state)
    assert api.ask('GET', f'/v2.1/servers/{WEB_1}').json['server']['status'] == shown


# ----------------------------------------------------------------------------------------------------- over the bus


@pytest.mark.parametrize(('version', 'method', 'sent_version'), [
    ('2.33', 'migrate_server', '1.20'), ('2.34', 'live_migrate_instance', '1.15')])
def test_from_2_34_on_the_api_does_not_wait(api, monkeypatch, version, method, sent_version):
    sent = []
    send = api.transport._driver._send
    monkeypatch.setattr(api.transport._driver, '_send',
                        lambda target, ctxt, message, wait_for_reply=None, *rest, **more:
                        (sent.append((message, bool(wait_for_reply))),
                         send(target, ctxt, message, wait_for_reply, *rest, **more))[1])
    assert api.migrate(version=version).status_int == 202
    (message, waits), = sent
    assert (message['method'], message['version'], waits) == (
        method, sent_version, method == 'migrate_server')


def test_the_conductor_receives_its_own_objects(api, monkeypatch):
    from explorer import objects, pipeline
    received = []
    monkeypatch.setattr(pipeline.ComputeTaskManager, '_live_migrate', lambda self, *args: received.append(args))
    api.migrate(host='host2')
    context, instance, hint, *_, spec = received[0]
    assert isinstance(context, objects.RequestContext)
    assert isinstance(instance, objects.Instance)
    assert (instance.uuid, instance.task_state, hint) == (WEB_1, 'migrating', {'host': None})
    assert spec.requested_destination.host == 'host2'


@pytest.mark.parametrize('name', [
    'X-Domain-Id', 'X-User-Domain-Id', 'X-Service-Roles', 'X-Is-Admin-Project', 'X-Tenant'])
def test_no_identity_header_from_a_client_changes_the_response(api, name):
    response = api.ask('POST', ACTION, LIVE, OpenStack_API_Version='compute 2.34', **{name: 'other'})
    assert response.status_int == 202


def test_a_server_that_the_caller_may_not_see_is_not_found(api):
    assert api.ask('GET', f'/v2.1/servers/{WEB_1}', token='member_other_project').status_int == 404
    assert api.ask('GET', '/v2.1/servers/00000000-0000-4000-8000-000000000000').status_int == 404


@pytest.mark.parametrize(('version', 'fields', 'asks'), [
    ('2.34', {}, True), ('2.34', {'host': 'host2'}, True), ('2.29', {'host': 'host2'}, False),
    ('2.30', {'host': 'host2', 'force': True}, False)])
def test_the_conductor_logs_whether_nova_would_ask_the_scheduler(api, caplog, version, fields, asks):
    with caplog.at_level(logging.INFO):
        assert api.migrate(version=version, **fields).status_int == 202
    assert ('to a host that the scheduler finds or confirms taken over' in caplog.text) == asks
    assert ('to host2 taken over' in caplog.text) != asks


# ---------------------------------------------------------------------------------------------------- another action


@pytest.fixture
def sent(api, monkeypatch):
    """Return the list of what is put on the bus: [(target, message, whether the sender waits)]."""
    found, send = [], api.transport._driver._send

    def noted(target, ctxt, message, wait_for_reply=None, *rest, **more):
        found.append((target, message, bool(wait_for_reply)))
        return send(target, ctxt, message, wait_for_reply, *rest, **more)

    monkeypatch.setattr(api.transport._driver, '_send', noted)
    return found


@pytest.mark.parametrize(('token', 'status'), [
    ('admin', 202), ('admin_other_project', 202), ('manager', 202), ('member', 202), ('reader', 403), ('service', 403),
    ('no_roles', 403), ('member_other_project', 404)])
def test_members_of_the_project_may_pause(api, token, status):
    assert api.ask('POST', ACTION, PAUSE, token).status_int == status


def test_the_error_names_the_rule_that_forbids_a_reader_to_pause(api):
    refused = api.ask('POST', ACTION, PAUSE, 'reader')
    assert message(refused) == "Policy doesn't allow os_compute_api:os-pause-server:pause to be performed."


@pytest.mark.parametrize(('body', 'status'), [
    ({'pause': {}}, 202), ({'pause': 'now'}, 202), ({'pause': None, 'os-migrateLive': None}, 400)])
def test_the_value_of_a_pause_does_not_matter(api, body, status):
    assert api.ask('POST', ACTION, body).status_int == status


def test_a_pause_sets_the_task_state_and_records_the_action(api):
    assert api.ask('POST', ACTION, PAUSE, 'member').status_int == 202
    assert api.state() == {
        'vm_state_after': 'active', 'task_state_after': 'pausing', 'faults': [],
        'actions': [{'action': 'pause', 'user_id': 'u-member', 'message': None}]}


def test_a_pause_goes_directly_to_the_host_and_the_api_does_not_wait(api, sent):
    api.seed(host='host2')
    api.ask('POST', ACTION, PAUSE)
    (target, message, waits), = sent
    assert (target.topic, target.server, target.namespace, waits) == ('compute', 'host2', None, False)
    assert (message['method'], message['version'], list(message['args'])) == ('pause_instance', '6.0', ['instance'])
    assert message['args']['instance']['nova_object.data']['task_state'] == 'pausing'
    assert api.transport._driver.join(0)


@pytest.mark.parametrize(('state', 'token', 'status', 'says'), [
    ({'locked_by': 'owner'}, 'member', 409, f'Instance {WEB_1} is locked'),
    ({'vm_state': 'stopped'}, 'admin', 409, f"Cannot 'pause' instance {WEB_1} while it is in vm_state stopped"),
    ({'vm_state': 'paused'}, 'admin', 409, f"Cannot 'pause' instance {WEB_1} while it is in vm_state paused"),
    ({'task_state': 'pausing'}, 'admin', 409, f"Cannot 'pause' instance {WEB_1} while it is in task_state pausing"),
    ({'launched': False}, 'admin', 409, f"Instance {WEB_1} is in an invalid state for 'pause'"),
    ({'deleted': True}, 'admin', 404, f'Instance {WEB_1} could not be found.')])
def test_a_server_that_cannot_be_paused_stays_unchanged(api, sent, state, token, status, says):
    api.seed(**state)
    before = api.state()
    refused = api.ask('POST', ACTION, PAUSE, token)
    assert (refused.status_int, message(refused)) == (status, says)
    assert (api.state(), sent) == (before, [])


@pytest.mark.parametrize('state', [
    {'locked_by': 'owner'}, {'share': True}, {'vnic_type': 'vdpa'}, {'flavor_extra': {'accel:device_profile': 'gpu'}},
    {'flavor_extra': {'hw:mem_encryption': 'true'}, 'image_props': {'hw_firmware_type': 'uefi'}},
    {'request_spec': False}])
def test_what_stops_a_migration_does_not_stop_an_administrators_pause(api, state):
    api.seed(**state)
    assert api.ask('POST', ACTION, PAUSE).status_int == 202


def test_pausing_a_server_without_a_host_fails(api):
    api.seed(host=None)
    refused = api.ask('POST', ACTION, PAUSE)
    assert refused.status_int == 500
    assert "<class 'nova.exception.NovaException'>" in message(refused)


@pytest.mark.parametrize(('error', 'status', 'says'), [
    (NotImplementedError(), 501, 'The requested functionality is not supported.'),
    (exception.InstanceNotFound(instance_id='web-1'), 404, 'Instance web-1 could not be found.')])
def test_an_error_in_the_compute_api_becomes_a_response(api, monkeypatch, error, status, says):
    def fail(*_):
        raise error
    monkeypatch.setattr(pipeline.ComputeAPI, 'pause_instance', fail)
    refused = api.ask('POST', ACTION, PAUSE)
    assert (refused.status_int, message(refused)) == (status, says)
