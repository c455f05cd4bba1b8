"""Lists of servers: which queries are accepted, and what each selects."""

import datetime
import time

import pytest

from explorer import objects, queries
from explorer.commands import conform
from explorer.engines import seeds
from tests.conftest import ROOT, WEB_1

QUERIES = ROOT / 'tests/data/queries.json'
SLOW = '^(a|a)*$'  # tries 2**n ways to match n times a and something else


@pytest.fixture
def api(api):
    for name in ('web-2', 'web-3'):
        seeds.seed_server(api.database, api.cloud.servers[name], name, api.cloud.server_defaults)
    return api


def set_row(api, name, **values):
    with api.database.begin() as connection:
        connection.execute(objects.INSTANCES.update().where(objects.INSTANCES.c.display_name == name).values(**values))


def listed(api, query, **more):
    """Return the names of the servers that a query selects, or the message of its rejection."""
    response = api.ask('GET', f'/v2.1/servers?{query}', **more)
    body = response.json
    return [server['name'] for server in body['servers']] if response.status_int == 200 else (
        response.status_int, next(iter(body.values()))['message'])


def test_every_recorded_query_agrees():
    lines, agree = conform.conform(QUERIES, 'full')
    assert agree, lines[:20]
    assert lines[-1] == '142 of 142 cases agree at level full'


def test_a_false_name_in_a_list_is_noticed():
    cloud, cases = conform.read_cases(QUERIES)
    case = next(case for case in cases if case['id'] == 'name/part')
    got = conform.answer_case(case['given'], cloud)
    false = {**case['expect'], 'body': {'servers': ['web-1']}}
    assert not conform.disagreements(case['expect'], got, 'message')
    assert conform.disagreements(false, got, 'message')


@pytest.mark.parametrize('query', ['key_name=mine', 'progress=1', 'sort_key=launch_index', 'terminated_at=2026'])
def test_what_the_database_does_not_hold_cannot_be_filtered(api, query):
    name = query.removeprefix('sort_key=').partition('=')[0]
    assert listed(api, query) == (
        501, f'This miniature of Nova stores no {name} of a server, so it cannot filter or sort by it.')
    if not query.startswith('sort'):  # as in Nova, others may not filter by it, so it is ignored
        assert listed(api, query, token='member') == ['web-1', 'web-2', 'web-3']


def test_a_pattern_that_takes_too_long_is_rejected(api):
    set_row(api, 'web-1', display_name='a' * 40 + '!')
    began = time.monotonic()
    assert listed(api, f'name={SLOW}') == (400, 'A pattern in the query takes too long to match.')
    assert time.monotonic() - began < 10  # without a limit it would take hours
    assert listed(api, 'name=web') == ['web-2', 'web-3']


@pytest.mark.parametrize('pattern', ['(?:(?:a{1000}){1000}){1000}', '(?:a{1500}){1500}', '(?:a{,9999}){0,9999}'])
def test_a_pattern_that_grows_when_it_is_compiled_is_rejected(api, pattern):
    assert listed(api, f'name={pattern}', token='reader') == (400, 'A pattern in the query takes too long to match.')


@pytest.mark.parametrize('pattern', ['()' * 320 + '(' * 250 + ')' * 250, '(?:' * 240 + ')' * 240])
def test_a_pattern_of_many_groups_is_matched_or_rejected(api, pattern):
    found = listed(api, f'name={pattern}')
    assert found in (['web-1', 'web-2', 'web-3'], (400, 'A pattern in the query is not supported.'))


@pytest.mark.parametrize('name', ['changes-since', 'changes-before'])
@pytest.mark.parametrize('at', ['0001-01-01T00:00:00%2B14:00', '9999-12-31T23:59:59-14:00'])
def test_a_time_at_the_edge_of_the_calendar_selects_nothing(api, name, at):
    assert listed(api, f'{name}={at}', OpenStack_API_Version='compute 2.66') == []


def test_an_unknown_sort_key_selects_nothing_in_the_old_api(api):
    assert api.ask('GET', '/v2/servers?sort_key=x').json == {'servers': []}


def test_thousands_of_unknown_parameters_are_dropped_at_once(api):
    began = time.monotonic()
    assert listed(api, '&'.join(f'{number:x}' for number in range(8_000))) == ['web-1', 'web-2', 'web-3']
    assert time.monotonic() - began < 10  # one by one, it would take a minute
    assert listed(api, 'name=web-%5B12%5D&x=%26&name=web&x=%C3%A4') == ['web-1', 'web-2', 'web-3']


@pytest.mark.parametrize('pattern', ['(' * 3000 + ')' * 3000, 'a{99999999999999999999}', '(?P<a', '%5C'])
def test_a_pattern_that_python_rejects_is_no_server_error(api, pattern):
    status, message = listed(api, f'name={pattern}')
    assert status == 400
    assert message.startswith('Invalid input for query parameters name.')


def test_the_newest_server_comes_first_and_pages_follow_each_other(api):
    for number, name in enumerate(('web-2', 'web-1', 'web-3')):
        set_row(api, name, created_at=datetime.datetime(2026, 1, number + 1))
    assert listed(api, '') == ['web-3', 'web-1', 'web-2']
    path, names = '/v2.1/servers?limit=2', []
    while path:
        page = api.ask('GET', path).json
        names.append([server['name'] for server in page['servers']])
        path = next((link['href'].partition('http://localhost')[2] for link in page.get('servers_links', [])), None)
    assert names == [['web-3', 'web-1'], ['web-2']]


@pytest.mark.parametrize('path', ['/v2.1/servers/{}/migrations', '/v2.1/os-services', '/v2/flavors/detail',
                                  '/v2.1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/servers/{}/os-instance-actions'])
def test_a_route_that_only_nova_has_is_not_implemented_here(api, path):
    response = api.ask('GET', path.format(WEB_1))
    assert response.status_int == 501
    assert response.json['notImplemented']['message'].endswith(', but this miniature of Nova does not.')
    assert api.ask('PATCH', path.format(WEB_1)).status_int == 404
    assert api.ask('GET', path.format(WEB_1), token=None).status_int == 401


def test_every_status_is_found_by_its_name():
    for vm_state, task_map in queries._STATE_MAP.items():
        for task_state, status in task_map.items():
            vm_states, task_states = queries.task_and_vm_state_from_status([status.lower()])
            assert vm_state in vm_states
            assert task_state in task_states
            assert queries.status_from_state(vm_state, task_state) == status
