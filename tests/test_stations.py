"""The path as data: complete, and with the real Nova's names."""

import json

import pytest

from explorer import EXPLORATIONS, run
from explorer.engines import recordings
from explorer.stations import FIELDS, LEFT_OUT, NODES, NOVA, RENAMED, STATIONS, split
from explorer.trace import codes
from tests.conftest import ROOT
from tests.contracts import parameters

RUN = run()
NAMES = json.loads((ROOT / 'tests/data/contracts.json').read_text())
NAMED_AS_NOVA = [station for station in STATIONS if station.nova.startswith('nova.')]


def test_the_recorded_names_come_from_the_version_of_nova_that_the_table_names():
    assert NAMES['nova'] == NOVA


@pytest.mark.parametrize('station', STATIONS, ids=lambda station: station.key)
def test_a_station_has_novas_name_and_parameters_in_order(station):
    code = codes(station.ours)[0]
    assert parameters(code) == NAMES['functions'][station.nova]
    name = split(station.nova)[1]
    ours = code.co_qualname
    for new, old in ((new, old.rpartition('.')[2]) for old, new in RENAMED.items()):
        if ours.startswith(f'{new}.') and name.startswith(f'{old}.'):
            ours = ours.replace(new, old, 1)
    assert ours.rpartition('.')[2] == name.rpartition('.')[2]
    if station.ours == station.nova or station in NAMED_AS_NOVA:
        inherited = split(station.nova)[1].partition('.')[0] not in code.co_qualname
        assert ours == name or inherited, (ours, name)


@pytest.mark.parametrize('station', STATIONS, ids=lambda station: station.key)
def test_a_station_names_the_file_of_the_real_function(station):
    assert station.nova_file == NAMES['files'][station.nova]


def test_every_recorded_function_of_nova_is_a_station_or_left_out_with_a_reason():
    assert set(NAMES['recordings']) - {station.nova for station in STATIONS} == set(LEFT_OUT)
    assert all(LEFT_OUT.values())


def test_keys_are_unique_and_every_row_says_what_it_does():
    assert len({station.key for station in STATIONS}) == len(STATIONS)
    assert all(station.says for station in STATIONS)


def test_rows_name_nodes_and_explorations_that_exist():
    keys = {station.key for station in STATIONS}
    for station in STATIONS:
        assert station.exploration in {None, *(row.key for row in EXPLORATIONS)}
        assert station.node in {None, *NODES}
        assert station.after in {None, *keys}


def test_only_classes_that_would_share_a_name_are_renamed():
    classes = {}
    for station in NAMED_AS_NOVA:
        module, name = split(station.nova)
        if name[0].isupper():
            home = station.ours.split('.')[1]
            classes.setdefault((home, name.partition('.')[0]), set()).add(module)
    shared = {f'{module}.{name}' for (_, name), modules in classes.items() if len(modules) > 1 for module in modules}
    assert set(RENAMED) < shared
    assert len(shared - set(RENAMED)) == 2  # of each pair one keeps its name


def test_every_field_is_followed_by_names_of_its_own():
    assert all(end for ends in FIELDS.values() for end in ends)


@pytest.mark.parametrize(('name', 'parts'), [
    ('nova.compute.api.API.get', ('nova.compute.api', 'API.get')),
    ('nova.policy.authorize', ('nova.policy', 'authorize')),
    ('nova.compute.api.reject.<locals>.inner', ('nova.compute.api', 'reject.<locals>.inner')),
    ('nova.x._SchemaValidator.validate', ('nova.x', '_SchemaValidator.validate')),
])
def test_a_dotted_name_splits_into_module_and_qualified_name(name, parts):
    assert split(name) == parts


@pytest.mark.parametrize('station', [each for each in STATIONS if each.made_with], ids=lambda station: station.key)
def test_what_a_decorator_was_made_with_is_recorded_in_both_engines(station):
    for trace in (RUN, recordings.trace_of('client')):
        (step, *_) = trace.find(station.key)
        closure = codes(station.ours)[0].co_freevars
        assert set(station.made_with) <= {*closure} and set(station.made_with) <= step.before.keys()
        assert {name: step.after[name] for name in station.made_with} == {
            name: step.before[name] for name in station.made_with}


@pytest.mark.parametrize('trace', [RUN, recordings.trace_of('client')], ids=lambda trace: trace.engine)
def test_a_guard_shows_the_states_that_its_decorator_accepts(trace):
    held = trace.find('check_instance_state')[0].before
    assert (held['vm_state'], held['task_state'], held['must_have_launched']) == (['active', 'paused'], [None], True)
    ranges = [(step.before['min_version'], step.before['max_version']) for step in trace.find('schema')]
    assert ranges == [('2.0', '2.24'), ('2.25', '2.29'), ('2.30', '2.67'), ('2.68', None)]
