"""The form: command line, body, headers and switches show the same request, and edits keep them in step."""

import dataclasses
import itertools
import json

import pytest

from explorer import Scenario, run
from explorer.errors import WrongUse
from explorer.player.form import FLAGS, LINE, REQUEST_CONTROLS, SWITCHES, TROUBLES, form, parsed, scenario_of

VERSIONS = (None, '2.1', '2.24', '2.25', '2.26', '2.27', '2.29', '2.30', '2.67', '2.68', '2.96')
CAN_FORCE = ('2.30', '2.67')
SCENARIOS = [
    Scenario(microversion=version, block_migrate=block, force=force, host=host, disk_over_commit=disk)
    for version, block, force, disk, host in itertools.product(VERSIONS, *[(False, True)] * 3, (None, 'host2'))
    if (not force or version in CAN_FORCE) and (not disk or version in ('2.1', '2.24'))]


def values(scenario):
    return {field['name']: field['value'] for field in form(scenario)}


@pytest.mark.parametrize('scenario', SCENARIOS[::3], ids=lambda scenario: ' '.join(scenario.command()))
def test_the_form_shows_exactly_what_the_client_sends(scenario):
    sent = run(scenario).request
    shown = values(scenario)
    assert json.loads(shown['body']) == sent['body']
    named = dict(line.split(': ', 1) for line in shown['headers'].splitlines())
    assert named == {name: value for name, value in sent['headers'].items() if name in (
        'Content-Type', 'OpenStack-API-Version', 'X-OpenStack-Nova-API-Version')}


@pytest.mark.parametrize('edited', ['', 'command', *SWITCHES, *REQUEST_CONTROLS, 'caller'])
def test_every_edit_updates_the_other_views(edited):
    for scenario in SCENARIOS:
        shown = values(scenario)
        again = values(scenario_of(shown, edited))
        # The client chooses 2.96 by itself.
        ignored = ('microversion', 'command') if scenario.microversion == '2.96' else ()
        assert {name: again[name] for name in again if name not in ignored} == {
            name: shown[name] for name in shown if name not in ignored}


def test_an_edited_command_updates_body_headers_and_switches():
    command = 'nova --os-compute-api-version 2.30 live-migration --force web-2 host2'
    changed = values(scenario_of({**values(Scenario()), 'command': command}, 'command'))
    assert json.loads(changed['body']) == {
        'os-migrateLive': {'host': 'host2', 'block_migration': 'auto', 'force': True}}
    assert 'OpenStack-API-Version: compute 2.30' in changed['headers']
    assert (changed['force'], changed['host'], changed['microversion']) == (True, 'host2', '2.30')
    assert json.loads(changed['rest'])['server'] == 'web-2'


def test_an_edited_body_updates_the_command():
    shown = values(Scenario(microversion='2.29'))
    body = '{"os-migrateLive": {"host": "host2", "block_migration": true}}'
    changed = values(scenario_of({**shown, 'body': body}, 'body'))
    assert changed['command'] == 'nova --os-compute-api-version 2.29 live-migration --block-migrate web-1 host2'


@pytest.mark.parametrize('body', [
    '{"os-migrateLive": {}}', '{', '[]', '{"resume": null}', '',
    '{"os-migrateLive": {"host": null, "block_migration": "auto", "x": 1}}'])
def test_a_request_that_no_command_sends_goes_without_the_client(body):
    scenario = scenario_of({**values(Scenario()), 'body': body}, 'body')
    assert values(scenario)['command'] == ''
    assert values(scenario)['body'] == body
    assert run(scenario).response['status'] in (400, 404)


def test_a_bare_request_can_return_to_the_client():
    bare = scenario_of({**values(Scenario()), 'body': '{}'}, 'body')
    body = '{"os-migrateLive": {"host": null, "block_migration": "auto"}}'
    again = scenario_of({**values(bare), 'body': body}, 'body')
    assert values(again)['command'] == 'nova live-migration web-1'
    silent = scenario_of({**values(Scenario()), 'caller': 'no_token'}, 'caller')
    assert values(silent)['command'] == ''
    spoken = scenario_of({**values(silent), 'caller': 'admin'}, 'caller')
    assert values(spoken)['command'] == 'nova live-migration web-1'


@pytest.mark.parametrize('trouble', TROUBLES)
def test_each_trouble_can_be_run(trouble):
    scenario = scenario_of({**values(Scenario()), 'trouble': trouble}, 'trouble')
    trace = run(scenario)
    assert values(Scenario(**trace.scenario))['trouble'] == trouble
    fails = trouble in ('the bus is unreachable', 'another request is faster')
    assert trace.response['status'] == (500 if fails else 202)


def test_values_that_the_form_does_not_show_are_kept():
    scenario = Scenario(server='web-2', state={'power_state': 4, 'vm_state': 'paused'}, race={'task_state': 'deleting'})
    again = scenario_of(values(scenario))
    assert (again.server, again.race) == ('web-2', {'task_state': 'deleting'})
    assert again.state['power_state'] == 4
    assert again.state['vm_state'] == 'paused'


def test_a_custom_request_is_kept():
    request = {'method': 'PUT', 'path': '/v2.1/nowhere', 'headers': {'X-One': '1'}, 'body': {'a': 1}}
    scenario = Scenario(request=request, caller='reader')
    assert dataclasses.replace(scenario_of(values(scenario)), state={}) == scenario
    assert values(scenario)['line'] == 'PUT /v2.1/nowhere'
    assert values(Scenario())['line'] == LINE


@pytest.mark.parametrize(('command', 'found'), [
    ('nova live-migration web-1', {'server': 'web-1', 'host': None, 'microversion': None}),
    ('live-migration web-1 host2', {'host': 'host2'}),
    ('nova --os-compute-api-version 2.latest live-migration "web 1"', {'server': 'web 1', 'microversion': 'latest'})])
def test_a_command_is_read(command, found):
    assert parsed(command).items() >= found.items()


@pytest.mark.parametrize('command', [
    '', 'nova', 'nova list', 'nova live-migration', 'nova live-migration "web', 'openstack server list',
    'nova live-migration a b c'])
def test_an_invalid_command_is_reported_in_one_line(command):
    with pytest.raises(WrongUse, match=r'^[^\n]+; (write nova|close the quotes)'):
        parsed(command)


def test_a_damaged_form_is_reported():
    for damage in ({'rest': '[]'}, {'rest': 'x'}, {'trouble': 'moon'}, {'trouble': 'as given', 'rest': '{}'},
                   {'host': 5}, {'force': 'yes'}, {'host': None}, {'caller': ['admin']}, {'moon': ''}):
        with pytest.raises(WrongUse, match='the form is damaged'):
            scenario_of({**values(Scenario()), **damage})


def test_a_duplicate_header_is_reported():
    with pytest.raises(WrongUse, match='a header is repeated'):
        scenario_of({**values(Scenario()), 'headers': 'Accept: a/b\nAccept: c/d'}, 'headers')


@pytest.mark.parametrize(('name', 'flag', 'status'), [
    ('launched', False, 409), ('share', True, 409), ('request_spec', False, 500)])
def test_the_flags_of_a_server_reach_the_request(name, flag, status):
    shown = {**values(Scenario()), name: flag}
    scenario = scenario_of(shown, name)
    assert scenario.state[name] is flag
    assert values(scenario)[name] is flag
    assert run(scenario).response['status'] == status


def test_a_flag_that_is_as_usual_is_not_part_of_the_scenario():
    assert not set(scenario_of(values(Scenario())).state) & set(FLAGS)


def test_each_caller_has_a_word_on_what_it_may_do_that_a_run_confirms():
    offered = next(field['options'] for field in form(Scenario()) if field['name'] == 'caller')
    assert all(says for _, says in offered)
    status = {(name, host): run(Scenario(caller=name, host=host)).response['status']
              for name, _ in offered for host in (None, 'host2')}
    migrates = {name for name, _ in offered if status[name, None] == 202}
    names_a_host = {name for name, _ in offered if status[name, 'host2'] == 202}
    assert migrates - names_a_host == {name for name, says in offered if 'but not name a host' in says}
    assert not migrates & {name for name, says in offered if 'not migrate' in says or 'only look' in says}
    assert {name for name, says in offered if 'token' in says} == {name for name, _ in offered
                                                                  if status[name, None] == 401}
