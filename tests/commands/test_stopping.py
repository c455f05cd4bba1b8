"""The service stops under load: what it has accepted is finished, and nothing else begins."""

import collections
import http.client
import itertools
import json
import threading
import time

import pytest

from explorer import objects, pipeline
from explorer.commands import serve
from explorer.engines import cloud, seeds
from explorer.engines.http_server import HTTPServer

STOPS, CLIENTS, SERVERS = 20, 8, 60
BODY = json.dumps({'os-migrateLive': {'host': None, 'block_migration': 'auto'}})


class Conductor(pipeline.ComputeTaskManager):
    """A conductor that notes which servers it received, and keeps calls waiting on request."""

    def __init__(self):
        super().__init__()
        self.received, self.go_on = [], threading.Event()
        self.go_on.set()

    def _build_live_migrate_task(self, context, instance, *args):
        self.received.append(instance.uuid)
        self.go_on.wait(20)


class Service:
    """The API with its socket, its conductor, and servers that nobody has migrated yet."""

    def __init__(self, folder):
        self.cloud, self.conductor = cloud.Cloud(), Conductor()
        self.database = objects.database(f'sqlite:///{folder}/nova.db')
        seeds.seed_cloud(self.database, self.cloud)
        self.transport = pipeline.create_transport('memory://')
        self.handler = pipeline.start_conductor(self.database, self.transport, self.conductor)
        self.application = pipeline.init_application(self.database, self.transport, serve.tokens(self.cloud))

    def servers(self, number):
        """Yield the uuids of new servers."""
        for each in range(number):
            uuid = f'00000000-0000-4000-8000-{each:012}'
            seeds.seed_server(self.database, uuid, f'web-{each}', self.cloud.server_defaults)
            yield uuid

    def start(self):
        return HTTPServer('127.0.0.1', 0, self.application).start()


@pytest.fixture
def service(tmp_path):
    there = Service(tmp_path)
    yield there
    there.conductor.go_on.set()
    there.handler.stop()


def migrate(port, uuid, version):
    """Send a live migration and return the status; None if there was no response."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    try:
        connection.request('POST', f'/v2.1/servers/{uuid}/action', BODY, {
            'Content-Type': 'application/json', 'X-Auth-Token': 'admin', 'OpenStack-API-Version': f'compute {version}'})
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def test_every_accepted_request_has_its_message_in_twenty_stops_under_load(service):
    for stop in range(STOPS):
        server, enough = service.start(), threading.Event()
        waiting, answers = collections.deque(service.servers(SERVERS)), collections.defaultdict(list)

        def client(server=server, enough=enough, waiting=waiting, answers=answers, least=stop):
            while waiting:
                uuid = waiting.pop()
                status = migrate(server.server_port, uuid, '2.34')
                answers[status].append(uuid)
                if len(answers[202]) > least:
                    enough.set()
                if status is None:
                    return

        clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for each in clients:
            each.start()
        assert enough.wait(20)
        server.stop(5)
        for each in clients:
            each.join(20)
        assert service.transport._driver.join(10)
        assert set(answers) <= {202, None}, stop
        assert sorted(service.conductor.received) == sorted(answers[202]), stop
        service.conductor.received.clear()


def test_a_call_that_waits_gets_a_503_and_its_message_stays_sent(service):
    service.conductor.go_on.clear()
    server, answers = service.start(), []
    uuid, = service.servers(1)
    waiting = threading.Thread(target=lambda: answers.append(migrate(server.server_port, uuid, '2.30')))
    waiting.start()
    for _ in itertools.takewhile(lambda _: not service.conductor.received, itertools.count()):
        threading.Event().wait(0.01)
    start = time.monotonic()
    server.stop(0.5)
    waiting.join(10)
    assert answers == [503]
    assert service.conductor.received == [uuid]
    assert 0.5 <= time.monotonic() - start < 2


def test_after_a_stop_nobody_is_accepted(service):
    server = service.start()
    server.stop(1)
    assert migrate(server.server_port, 'any', '2.34') is None
