"""Run one request: seed the cloud, send the request, record what happens, wait until all is done, return the trace.

A Runner is given the Nova that answers (the miniature or the real Nova), with its application, bus, conductor and
database. It does not import our path, so the real Nova's process uses it as well.
"""

import builtins
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar
from wsgiref.types import WSGIApplication

from explorer.engines.client import Exchange, bare_request, filled, parsed_body, send_bare, send_by_client
from explorer.engines.cloud import Cloud, Identity
from explorer.engines.http_server import HTTPServer
from explorer.errors import HookError, WrongUse
from explorer.explorations import Scenario
from explorer.libraries import oslo_messaging
from explorer.payloads import Plain, Value
from explorer.snapshots import snapshot
from explorer.stations import NOVA, STATIONS
from explorer.trace import RESTART, Recorder, Step, Trace, lasting_threads, pack, steps

LIBRARIES = ('WebOb', 'Routes', 'jsonschema', 'oslo.messaging', 'oslo.policy', 'oslo.versionedobjects', 'SQLAlchemy')


def versions(client: bool = False) -> dict[str, str]:
    """Return the versions of everything that a trace depends on; *client* adds the client's."""
    names = (*LIBRARIES, *(['python-novaclient'] if client else []))
    return {'nova': NOVA, 'python': platform.python_version(),
            **{name: importlib.metadata.version(name) for name in names}}


class Driver(Protocol):
    """The driver of a bus.

    Shape: *outage* is raised instead of delivering a message; *taken* counts the messages that a listener received.
    """

    outage: Exception | None
    taken: int

    def join(self, timeout: float) -> bool:
        """Wait until every message is processed; return whether that happened within *timeout* seconds."""


class Conductor(Protocol):
    """A conductor that raises *failure* after its work; *whole*: it continues up to its own cast."""

    failure: Exception | None
    whole: bool


class Nova(Protocol):
    """What a Runner needs from a Nova that runs in its process.

    Shape: *engine* is its name in traces; *column*, 'ours' or 'nova', selects the names under which its stations are
    watched; *name_other* is as for a Recorder; *tokens* holds the identity that each token stands for, and changes with
    the cloud; *driver* is the driver of the bus.
    """

    engine: str
    column: str
    name_other: Callable[[str, str], str | None] | None
    application: WSGIApplication
    driver: Driver
    conductor: Conductor
    tokens: dict[str, Identity]

    def seed_cloud(self, cloud: Cloud) -> None:
        """Replace everything in the database with the hosts and cells of a cloud."""

    def seed_server(self, uuid: str, name: str, state: Mapping[str, Value]) -> None:
        """Write a server in a *state* (all keys of `server_defaults`), replacing the one with that uuid."""

    def server_state(self, uuid: str) -> Plain:
        """Return what the database holds about a server, as in `expect` of the recorded cases."""

    def rivalled(self, uuid: str, task_state: str | None) -> AbstractContextManager[None]:
        """Set the server's task state between the read and the conditional update, as a concurrent request would."""

    def exception(self, name: str) -> type[Exception] | None:
        """Return Nova's exception class with that name, or None if there is none."""


_N = TypeVar('_N', bound=Nova)


class Runner(Generic[_N]):
    """Run scenarios on a Nova, one at a time because the hook belongs to the process.

    Shape: *folder* belongs to this Runner alone.
    """

    nova: _N
    _cloud: Cloud | None
    _server: HTTPServer | None
    _recorder: Recorder | None

    def __init__(self, nova: _N, folder: str) -> None:
        self.nova, self._cloud, self._server, self._recorder = nova, None, None, None
        self._home = os.path.join(folder, 'home')
        os.makedirs(self._home, exist_ok=True)

    # --------------------------------------------------------------------------------------------------- a request

    @property
    def url(self) -> str:
        """Return the URL of the API, and open the socket on first use."""
        if self._server is None:
            with lasting_threads():
                self._server = HTTPServer('127.0.0.1', 0, self.nova.application, workers=2).start()
        return f'http://127.0.0.1:{self._server.server_port}/v2.1'

    def answer(self, scenario: Scenario, cloud: Cloud, whole: bool = True) -> tuple[Trace, Value]:
        """Seed the cloud, send the request of a scenario, and return (trace, response)."""
        self.nova.conductor.whole = whole
        uuid = self.seed(scenario, cloud)
        token = self.token(scenario.caller)
        try:
            with self._disturbed(scenario, uuid):
                return self._traced(scenario, cloud, uuid, token)
        except BaseException:
            self._end_server()
            raise
        finally:  # even after an interrupt: anything still running would disturb the next request
            if self._server:
                self._server.join(10)
            self.nova.driver.join(10)

    def _end_server(self) -> None:
        """Let the server finish all that the client has sent; the next request gets a new server.

        After an interrupt, the server may not have read the request yet, and `HTTPServer.join` knows only what is read.
        """
        server, self._server = self._server, None
        if server:
            server.stop(10)

    def is_inside(self) -> bool:
        """Return whether the calling thread is working on the request that is being recorded."""
        return self._recorder is not None and self._recorder.is_inside()

    def recorder(self, bare: object) -> Recorder:
        """Return a recorder for one request, without the client's stations if the request is *bare*."""
        def aside(values: Mapping[str, Value]) -> bool:
            # Of the requests that the client sends first, only the method that handles each is recorded. The pipeline
            # is recorded for the action alone.
            environ = values['environ']
            return (not bare and environ['REQUEST_METHOD'] == 'GET'
                    and environ.get('HTTP_X_AUTH_TOKEN') in self.nova.tokens)

        stations = [s for s in STATIONS if not s.boot and not (bare and s.service == 'nova')]
        return Recorder(stations, self.nova.column, aside=aside, name_other=self.nova.name_other)

    def _traced(self, scenario: Scenario, cloud: Cloud, uuid: str, token: str) -> tuple[Trace, Value]:
        bare = bare_request(scenario)
        asked, taken = self._server.asked if self._server else 0, self.nova.driver.taken
        try:
            with self.recorder(bare) as self._recorder:
                exchange, note = self.send(scenario, cloud, uuid, token)
                if busy := self.join():
                    note = busy
                else:
                    self._see_that_all_was_seen(
                        self._recorder, 1 if bare or not self._server else self._server.asked - asked,
                        self.nova.driver.taken - taken)
            records, also_ran = self._recorder.records()
        finally:
            self._recorder = None
        sent = steps([record for record in records if record[2] in ('http', 'send')])
        exchange = exchange or last_exchange(sent)
        note = note and note.encode('utf-8', 'backslashreplace').decode()
        head = json.dumps(snapshot([dataclasses.asdict(scenario), *exchange, messages(sent), note]))
        asked_for, request, response, sent, note = json.loads(head.replace(token, '***') if token else head)
        trace = Trace(
            self.nova.engine, versions(not bare), asked_for, request, response, sent,
            self.nova.server_state(uuid), note, pack(records, [token] if token else []),
            {str(index): names for index, names in also_ran.items()})
        return trace, exchange[1]

    def _see_that_all_was_seen(self, recorder: Recorder, asked: int, taken: int) -> None:
        """Compare what was recorded with what the server and the bus counted, once all is done.

        Raises: HookError if a step is missing.
        """
        done = recorder.join(1)  # the hook lost sight of any visit that is still open
        seen = recorder.count('http'), recorder.count('send')
        if not done or seen != (asked, taken):
            raise HookError(f'the hook saw {seen[0]} of {asked} requests and {seen[1]} of {taken} messages'
                            f'{"" if done else ", not all of them to the end"}; '
                            f'a debugger may have taken the trace function; {RESTART}')

    def seed(self, scenario: Scenario, cloud: Cloud) -> str:
        """Write the cloud and the server of a scenario into the database, and return the server's uuid."""
        if cloud != self._cloud:
            self._cloud, identities = None, cloud.identities()  # no cloud is seeded until all of it is written
            self.nova.seed_cloud(cloud)
            self._caller_tokens = {caller: secrets.token_hex(16) for caller in identities}
            self.nova.tokens.clear()
            self.nova.tokens.update({self._caller_tokens[caller]: identity for caller, identity in identities.items()})
            self._cloud = cloud
            self._stale = list(cloud.servers.values())
        names = {uuid: name for name, uuid in cloud.servers.items()}
        if scenario.server not in (*names, *cloud.servers):
            raise WrongUse(f'there is no server {scenario.server!r}; choose one of {", ".join(cloud.servers)}')
        if unknown := sorted(set(scenario.state) - set(cloud.server_defaults)):
            raise WrongUse(f'the state of a server has no {unknown[0]!r}; '
                           f'choose from {", ".join(cloud.server_defaults)}')
        uuid = cloud.servers.get(scenario.server, scenario.server)
        for stale in self._stale:
            if stale != uuid:
                self.nova.seed_server(stale, names[stale], cloud.state(names[stale]))
        self._stale = [uuid]
        self.nova.seed_server(uuid, names[uuid], {**cloud.state(names[uuid]), **scenario.state})
        return uuid

    def token(self, caller: str) -> str:
        """Return the token that a caller sends, '' if the caller sends none."""
        if caller in ('no_token', 'bad_token'):
            return '' if caller == 'no_token' else secrets.token_hex(16)
        if caller not in self._caller_tokens:
            raise WrongUse(f'there is no caller {caller!r}; '
                           f'choose one of {", ".join((*self._caller_tokens, "no_token", "bad_token"))}')
        return self._caller_tokens[caller]

    @contextlib.contextmanager
    def _disturbed(self, scenario: Scenario, uuid: str) -> Iterator[None]:
        """Make the conductor or the bus fail during one request, or let a concurrent one win, as the scenario asks."""
        failure = self._failure(scenario.conductor_reply, uuid)
        unreachable = isinstance(failure, oslo_messaging.MessagingException)
        self.nova.driver.outage, self.nova.conductor.failure = (failure, None) if unreachable else (None, failure)
        race = self.nova.rivalled(uuid, scenario.race['task_state']) if scenario.race else contextlib.nullcontext()
        try:
            with race:
                yield
        finally:
            self.nova.driver.outage = self.nova.conductor.failure = None

    def _failure(self, reply: Mapping[str, Value] | None, uuid: str) -> Exception | None:
        """Return the exception that a scenario asks for, or None."""
        if not reply:
            return None
        name, kwargs = reply['raise'], filled(reply.get('kwargs') or {}, {'$SERVER': uuid})
        known = next((getattr(home, name) for home in (oslo_messaging, builtins) if hasattr(home, name)), None)
        cls: type[Exception] | None = known or self.nova.exception(name)
        try:
            if cls and issubclass(cls, Exception):
                return cls(**kwargs)
        except TypeError:  # it is not a class, or does not take these arguments
            pass
        raise WrongUse(f'there is no exception {name}({", ".join(kwargs)}); name one of Nova, oslo.messaging or Python')

    def send(self, scenario: Scenario, cloud: Cloud, uuid: str, token: str) -> tuple[Exchange | None, str | None]:
        """Send the request and return (exchange, note); the exchange is None if the client sent the request."""
        if bare := bare_request(scenario):
            return send_bare(self.nova.application, bare, uuid, cloud, token), None
        return None, send_by_client(self.url, scenario, token, self._home)

    def join(self) -> str:
        """Wait until everything that a request caused is done; return a note on what is not done, or ''."""
        if not self.nova.driver.join(10):
            return 'the conductor is still working'
        return '' if self._server is None or self._server.join(10) else 'the API is still working on the request'


# --------------------------------------------------------------------------------------------- read from the steps


def last_exchange(steps: Sequence[Step]) -> Exchange:
    """Return the client's last HTTP exchange, or (None, None)."""
    exchanges = [(step.before['request'], step.result) for step in steps if step.station == 'http' and step.before]
    if not exchanges:
        return None, None
    sent, got = exchanges[-1]
    request = {'method': sent['method'], 'path': '/' + sent['url'].split('/', 3)[3],
               'headers': _headers(sent), 'body': parsed_body(sent['body'] or '')}
    return request, got and {
        'status': got['status_code'], 'headers': _headers(got), 'body': parsed_body(got['content'])}


def _headers(payload: Plain) -> Plain:
    """Return headers as {Name: value} from the requests library's form: {lower: [Name, value]}, or {lower: mask}."""
    return {name: part for lower, pair in payload['headers']['store'].items()
            for name, part in [pair if isinstance(pair, list) else (lower, pair)]}


_INSTANCE = ('uuid', 'project_id', 'host', 'node', 'vm_state', 'task_state', 'power_state', 'locked')
_SPEC = ('instance_uuid', 'project_id', 'num_instances', 'force_hosts', 'ignore_hosts')


def messages(steps: Sequence[Step]) -> list[Plain]:
    """Return the messages that were put on the bus, as in `rpc` of the recorded cases."""
    return [_message(step.before) for step in steps if step.station == 'send' and step.before]


def _message(sent: Plain) -> Plain:
    args = dict(sent['message']['args'])
    if 'instance' in args:
        instance = args['instance']['nova_object.data']
        args['instance'] = {name: instance.get(name) for name in _INSTANCE}
    if args.get('request_spec'):
        spec = args['request_spec']['nova_object.data']
        destination = spec.get('requested_destination')
        args['request_spec'] = {
            **{name: spec.get(name) for name in _SPEC}, 'flavor': spec['flavor']['nova_object.data']['flavorid'],
            'requested_destination': destination and {
                name: destination['nova_object.data'].get(name) for name in ('host', 'node')}}
    target = sent['target']
    return {
        'kind': 'call' if sent['wait_for_reply'] else 'cast',
        **{name: target[name] for name in ('topic', 'namespace', 'version')},
        'method': sent['message']['method'], 'server': target['server'], 'fanout': target['fanout'],
        'timeout': sent['timeout'], 'call_monitor_timeout': sent['call_monitor_timeout'], 'args': args,
        'context': {name: sent['ctxt'][name] for name in ('user_id', 'project_id', 'roles', 'is_admin')}}
