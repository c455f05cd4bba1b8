"""The bus: oslo.messaging, with an in-memory driver for use without a broker.

The library's own in-memory driver looks for messages every 50 ms and hands the sender's objects to the receiver. This
driver is notified, carries text, and drops messages that nobody listens for, like a broker that has no queue for them.
"""

import queue
import threading

from explorer.libraries import oslo_messaging

# The import above comes first because it selects threads.
# isort: split
from oslo_messaging._drivers import base, common, impl_fake
from oslo_serialization import jsonutils

RESPONSE_TIMEOUT = 60  # seconds that a call without a timeout of its own waits (rpc_response_timeout)


class MemoryMessage(impl_fake.FakeIncomingMessage):
    """A message as it arrives, parsed from its text."""

    def __init__(self, ctxt, message, reply_q, requeue, replied):
        super().__init__(jsonutils.loads(ctxt), jsonutils.loads(message), reply_q, requeue)
        self._replied = replied

    def reply(self, reply=None, failure=None):
        if self._reply_q:
            self._reply_q.put((jsonutils.dumps(reply), failure and common.serialize_remote_exception(failure)))
        self._replied()


class MemoryListener(impl_fake.FakeListener):
    """A listener that is notified instead of polling every 50 ms."""

    def __init__(self, exchange_manager, targets, driver):
        super().__init__(exchange_manager, targets)
        self._driver = driver

    @base.batch_poll_helper
    def poll(self, timeout=None):
        with self._driver.changed:
            while not self._stopped.is_set():
                for target in self._targets:
                    exchange = self._exchange_manager.get_exchange(target.exchange)
                    ctxt, message, reply_q, requeue = exchange.poll(target, self._pool)
                    if message is not None:
                        self._driver.taken += 1
                        return MemoryMessage(ctxt, message, reply_q, requeue, self._driver.replied)
                if not self._driver.changed.wait(timeout):
                    break
        return None

    def stop(self):
        super().stop()
        with self._driver.changed:
            self._driver.changed.notify_all()


class MemoryDriver(impl_fake.FakeDriver):
    """oslo.messaging's in-memory driver, but messages travel as text, so sender and receiver share no object."""

    def __init__(self, conf, url, default_exchange=None, allowed_remote_exmods=None):
        super().__init__(conf, url, default_exchange, allowed_remote_exmods)
        self._exchange_manager._exchanges = {}
        self.outage = None  # an exception to raise instead of delivering, as if the broker were unreachable
        self.changed = threading.Condition()
        self._unanswered, self.taken = 0, 0  # messages in progress; messages that a listener has taken
        self._queues = set()  # (topic, server) of each queue that has or had a listener

    def _send(self, target, ctxt, message, wait_for_reply=None, timeout=None, transport_options=None):
        reply_q = queue.SimpleQueue() if wait_for_reply else None
        texts = jsonutils.dumps(ctxt), jsonutils.dumps(message)
        if self.outage and (wait_for_reply or not isinstance(self.outage, oslo_messaging.MessagingTimeout)):
            raise self.outage
        exchange = self._exchange_manager.get_exchange(target.exchange)
        with self.changed:
            receivers = [server for topic, server in self._queues
                         if topic == target.topic and (server if target.fanout else server == target.server)]
            if receivers:
                self._unanswered += len(receivers)
                exchange.deliver_message(
                    target.topic, *texts, server=target.server, fanout=target.fanout, reply_q=reply_q)
                self.changed.notify_all()
        if not wait_for_reply:
            return None
        try:
            reply, failure = reply_q.get(timeout=timeout or RESPONSE_TIMEOUT)
        except queue.Empty:
            raise oslo_messaging.MessagingTimeout(f'No reply on topic {target.topic}')
        if failure:
            raise common.deserialize_remote_exception(failure, self._allowed_remote_exmods)
        return jsonutils.loads(reply)

    def listen(self, target, batch_size, batch_timeout):
        targets = [oslo_messaging.Target(topic=target.topic, server=server, exchange=self._default_exchange)
                   for server in (target.server, None)]
        with self.changed:
            self._queues |= {(each.topic, each.server) for each in targets}
        return base.PollStyleListenerAdapter(
            MemoryListener(self._exchange_manager, targets, self), batch_size, batch_timeout)

    def replied(self):
        with self.changed:
            self._unanswered -= 1
            self.changed.notify_all()

    def join(self, timeout):
        """Wait up to *timeout* seconds until every message has been handled; return whether that happened."""
        with self.changed:
            return self.changed.wait_for(lambda: not self._unanswered, timeout)
