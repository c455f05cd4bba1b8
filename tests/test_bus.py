"""The in-memory bus: messages travel as text, and listeners are notified."""

import threading

import pytest

from explorer import bus as explorer_bus
from explorer import exception, pipeline
from explorer.libraries import oslo_messaging as messaging


class Endpoint:
    target = messaging.Target(namespace='test', version='1.3')

    def __init__(self):
        self.received, self.arrived = [], threading.Event()

    def take(self, context, **args):
        self.received.append((context, args))
        self.arrived.set()
        return {'taken': sorted(args)}

    def fail(self, context):
        raise exception.InstanceIsLocked(instance_uuid='web-1')


@pytest.fixture
def bus():
    """A transport's driver, an endpoint that listens, and a client."""
    transport, endpoint = pipeline.create_transport('memory://'), Endpoint()
    server = messaging.get_rpc_server(transport, messaging.Target(topic='t', server='here'), [endpoint],
                                      access_policy=messaging.DefaultRPCAccessPolicy)
    server.start()
    client = messaging.get_rpc_client(transport, messaging.Target(topic='t', namespace='test', version='1.0'))
    yield transport._driver, endpoint, client
    server.stop()  # without wait(): its idle thread takes a second to end


def test_a_cast_returns_at_once_and_arrives(bus):
    driver, endpoint, client = bus
    assert client.cast({'user': 'me'}, 'take', x=1) is None
    assert driver.join(5)
    assert endpoint.received == [({'user': 'me'}, {'x': 1})]


def test_a_call_returns_the_answer(bus):
    _, _, client = bus
    assert client.call({}, 'take', b=2, a=1) == {'taken': ['a', 'b']}


def test_an_error_travels_back_as_a_remote_error(bus):
    _, _, client = bus
    with pytest.raises(exception.InstanceIsLocked, match='Instance web-1 is locked'):
        client.call({}, 'fail')


def test_sender_and_receiver_share_no_object(bus):
    driver, endpoint, client = bus
    sent = {'list': [1]}
    client.cast({}, 'take', x=sent)
    sent['list'].append(2)
    assert driver.join(5)
    assert endpoint.received[0][1] == {'x': {'list': [1]}}


def test_a_broker_that_is_down_raises_and_delivers_nothing(bus):
    driver, endpoint, client = bus
    driver.outage = messaging.MessageDeliveryFailure('unreachable')
    with pytest.raises(messaging.MessageDeliveryFailure):
        client.cast({}, 'take')
    driver.outage = None
    client.call({}, 'take')
    assert len(endpoint.received) == 1


def test_a_version_that_the_receiver_does_not_support_is_refused(bus):
    _, _, client = bus
    with pytest.raises(messaging.RemoteError, match='UnsupportedVersion'):
        client.prepare(version='1.4').call({}, 'take')


def test_a_call_that_nobody_answers_times_out(bus):
    _, _, client = bus
    with pytest.raises(messaging.MessagingTimeout):
        client.prepare(topic='nobody', timeout=0.01).call({}, 'take')


@pytest.mark.parametrize('to', [{'topic': 'nobody'}, {'topic': 'nobody', 'server': 'here'}, {'server': 'elsewhere'}])
def test_a_message_without_a_listener_is_neither_kept_nor_waited_for(bus, to):
    driver, endpoint, client = bus
    client.prepare(**to).cast({}, 'take')
    assert driver.join(0)
    assert endpoint.received == []
    target = messaging.Target(topic=to.get('topic', 't'), server=to.get('server'))
    assert driver._exchange_manager.get_exchange('nova').poll(target, None)[1] is None


def test_a_message_to_one_listener_by_name_arrives(bus):
    driver, endpoint, client = bus
    client.prepare(server='here').cast({}, 'take')
    assert driver.join(5)
    assert len(endpoint.received) == 1


def test_two_transports_are_two_buses(bus):
    other = pipeline.create_transport('memory://')
    client = messaging.get_rpc_client(other, messaging.Target(topic='t', namespace='test', version='1.0'))
    client.cast({}, 'take')
    assert bus[1].received == []


def test_a_fanout_reaches_every_server_and_leaves_nothing_open(bus):
    driver, endpoint, client = bus
    second = Endpoint()
    other = messaging.get_rpc_server(client.transport, messaging.Target(topic='t', server='there'), [second],
                                     access_policy=messaging.DefaultRPCAccessPolicy)
    other.start()
    client.prepare(fanout=True).cast({}, 'take', x=1)
    assert driver.join(5)
    assert [len(each.received) for each in (endpoint, second)] == [1, 1]
    client.prepare(topic='nobody', fanout=True).cast({}, 'take')
    assert driver.join(5)
    assert client.call({}, 'take') == {'taken': []}
    other.stop()


def test_a_call_that_nobody_serves_times_out_even_without_a_timeout(bus, monkeypatch):
    driver, _, client = bus
    monkeypatch.setattr(explorer_bus, 'RESPONSE_TIMEOUT', 0.05)
    with pytest.raises(messaging.MessagingTimeout, match='No reply on topic nobody'):
        driver.send(messaging.Target(topic='nobody'), {}, {}, wait_for_reply=True)
    assert driver.join(5)
    assert client.call({}, 'take') == {'taken': []}
