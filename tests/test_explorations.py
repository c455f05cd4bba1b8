"""The seven explorations as data."""

import datetime

import pytest

from explorer import EXPLORATIONS, STATIONS, Scenario, Trace, bare, run
from explorer.errors import WrongUse
from explorer.explorations import exploration, scenario_of_trace
from explorer.stations import FIELDS

KEYS = ['client', 'service', 'routes', 'controller', 'compute-api', 'conductor-api', 'rpc']


def test_the_seven_explorations_follow_the_order_of_the_article():
    assert [row.key for row in EXPLORATIONS] == KEYS
    assert [row.number for row in EXPLORATIONS] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize('row', EXPLORATIONS, ids=KEYS)
def test_each_exploration_has_a_focus_that_its_request_reaches_and_a_field_to_follow(row):
    trace = run(row.scenario)
    visited = {step.station for step in trace.steps}
    either_way = {'rpcapi.migrate_server', 'manager.migrate_server', 'call', 'scatter_gather_single_cell',
                  '_pause', 'pause', 'rpcapi.pause_instance'}
    assert set(row.focus) - visited <= either_way
    assert set(row.landmarks) <= set(row.focus)
    assert row.follow in FIELDS
    assert trace.follow(row.follow)


@pytest.mark.parametrize('row', EXPLORATIONS, ids=KEYS)
def test_each_comparison_takes_a_different_way(row):
    way, other = run(row.scenario), run(row.versus)
    assert row.versus_says
    assert (way.messages, way.response['status']) != (other.messages, other.response['status'])


@pytest.mark.parametrize('row', EXPLORATIONS, ids=KEYS)
def test_the_stations_of_each_exploration_are_rows_of_the_table(row):
    assert row.stations
    assert set(row.stations) <= set(STATIONS)


def test_a_scenario_is_a_command_line():
    scenario = Scenario(block_migrate=True, host='host2', microversion='2.30', force=True)
    assert scenario.command() == [
        '--os-compute-api-version', '2.30', 'live-migration', '--block-migrate', '--force', 'web-1', 'host2']
    assert Scenario(microversion='latest').command()[:2] == ['--os-compute-api-version', '2.latest']


@pytest.mark.parametrize('version', ['', '2', 'two', '2.34\n', '2.34 ', '2.-1', 2.34, '2.' + '9' * 5000])
def test_an_invalid_microversion_is_refused_at_once(version):
    with pytest.raises(WrongUse, match=r'is not a microversion; use one like 2\.34, or latest'):
        Scenario(microversion=version)


@pytest.mark.parametrize('wrong', [
    {'caller': []}, {'state': None}, {'state': {'vm_state': [1]}}, {'state': {'image_props': 5}}, {'race': {'x': 1}},
    {'conductor_reply': 5}, {'conductor_reply': {'raise': 5}}, {'request': {'method': 'GET'}}, {'host': 5},
    {'host': '-h'}, {'request': {'method': 'GET', 'path': 'no'}}, {'request': {'method': 'GET', 'path': '/ü'}},
    {'block_migrate': 'yes'}], ids=str)
def test_a_scenario_that_no_client_or_cloud_could_have_is_refused_in_one_line(wrong):
    with pytest.raises(WrongUse, match=f'invalid scenario: {next(iter(wrong))}') as error:
        Scenario(**wrong)
    assert '\n' not in str(error.value)


DEEP = []
for _ in range(10_000):
    DEEP = [DEEP]


@pytest.mark.parametrize('make', [
    lambda: bare({'a': b'x'}), lambda: bare({'a': datetime.date(2026, 1, 1)}), lambda: bare({'a': {1, 2}}),
    lambda: bare(DEEP), lambda: bare(object()), lambda: bare({(1, 2): 3}), lambda: bare({'a': 10 ** 5000}),
    lambda: bare('x', path=b'/x'), lambda: bare('x', version=object()),
    lambda: Scenario(state={'power_state': 10 ** 40}), lambda: Scenario(state={'power_state': 10 ** 5000}),
    lambda: Scenario(state={'power_state': 1.5}), lambda: Scenario(state={'flavor_extra': {'a': {'b': 1}}}),
    lambda: Scenario(state={'host': 'h' * 256}), lambda: Scenario(race={'task_state': b'x'}),
    lambda: Scenario(conductor_reply={'raise': 'NoValidHost', 'kwargs': {'reason': {1}}})])
def test_data_that_no_request_can_hold_is_refused_in_one_line(make):
    with pytest.raises(WrongUse, match=r'^(invalid scenario|.* is not a microversion)') as error:
        make()
    assert '\n' not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize('body', [{'a': float('nan')}, {'a': 2 ** 64}, {1: 2}, ['\ud800'], {'a': [[[[[[]]]]]]}])
def test_a_scenario_comes_back_unchanged_from_its_trace(body):
    scenario = bare(body)
    assert repr(scenario_of_trace(Trace.from_json(run(scenario).to_json()))) == repr(scenario)


def test_an_unknown_exploration_is_refused_with_a_list_of_the_known_ones():
    with pytest.raises(WrongUse, match="no exploration 'client2'; choose one of client, service"):
        exploration('client2')
