"""The cloud around the path: the seeded data."""

import json

from explorer import objects
from explorer.engines import cloud, seeds
from tests.conftest import CASES


def test_a_cloud_has_the_callers_hosts_and_defaults_of_the_recordings():
    data, ours = json.loads(CASES.read_text()), cloud.Cloud()
    assert ours.callers == data['callers']
    assert ours.server_defaults == data['server_defaults']
    assert [host['host'] for host in ours.hosts] == [host['host'] for host in data['hosts']]
    assert list(ours.servers) == ['web-1', 'web-2', 'web-3']


def test_a_server_is_seeded_in_the_requested_state(tmp_path):
    database, there = objects.database(f'sqlite:///{tmp_path}/nova.db'), cloud.Cloud()
    seeds.seed_cloud(database, there)
    uuid = there.servers['web-1']
    for state in ('active', 'paused'):
        seeds.seed_server(database, uuid, 'web-1', {**there.server_defaults, 'vm_state': state})
        assert seeds.server_state(database, uuid) == {
            'vm_state_after': state, 'task_state_after': None, 'actions': [], 'faults': []}
