"""Run one request: seed the cloud, let the client ask, record what happens, wait until all is done, give the trace.

A Runner is given a Nova that answers, ours or the real one: application, bus, conductor, database. It needs nothing of our path,
so that the process in which the real Nova runs can use it, too.
"""

import builtins
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import secrets
import typing

from explorer.engines.client import bare_request, filled, parsed_body, send_bare, send_by_client
from explorer.engines.http_server import HTTPServer
from explorer.errors import HookError, WrongUse
from explorer.libraries import oslo_messaging
from explorer.snapshots import snapshot
from explorer.stations import NOVA, STATIONS
from explorer.trace import RESTART, Recorder, Trace, pack, steps

LIBRARIES = ('WebOb', 'Routes', 'jsonschema', 'oslo.messaging', 'oslo.policy', 'oslo.versionedobjects', 'SQLAlchemy')


def versions(client=False):
    """Give the versions of what a trace depends on; with the client's, where it takes part."""
    names = (*LIBRARIES, *(['python-novaclient'] if client else []))
    return {'nova': NOVA, 'python': platform.python_version(),
            **{name: importlib.metadata.version(name) for name in names}}


class Nova(typing.Protocol):
    """What a Runner asks of a Nova that runs in its process.

    Shape: *engine* names it in traces; *column* says under which names its stations are watched, 'ours' or 'nova', and *name_other* is as
    for a Recorder; *tokens* says who is known, {token: (caller, identity)}, and changes with the cloud; *driver* is that of the
    bus; *conductor* has a *failure* to raise after its work, and *whole*, which says whether that goes on up to its own cast.
    """

    engine: str
    column: str
    name_other: typing.Any
    application: typing.Any
    driver: typing.Any
    conductor: typing.Any
    tokens: dict

    def seed_cloud(self, cloud):
        """Write hosts and cells of a cloud into the database, in place of all it held."""

    def seed_server(self, uuid, name, state):
        """Write a server in a *state* (all keys of `server_defaults`), in place of the one with that uuid."""

    def server_state(self, uuid):
        """Say what the database holds of a server, as `expect` in the recordings."""

    def rivalled(self, uuid, task_state):
        """Let another request set the task state of a server, between its reading and its conditional update: a context."""

    def exception(self, name):
        """Find the class of an exception of Nova by its name; None where there is none."""


class Runner:
    """Run scenarios on a Nova, one at a time: the hook belongs to the process. *folder* is one of its own."""

    def __init__(self, nova, folder):
        self.nova, self._cloud, self._server, self._recorder = nova, None, None, None
        self._home = os.path.join(folder, 'home')
        os.makedirs(self._home, exist_ok=True)

    # --------------------------------------------------------------------------------------------------- a request

    @property
    def url(self):
        """Give the address of the API; the socket is opened when it is first asked for."""
        if self._server is None:
            self._server = HTTPServer('127.0.0.1', 0, self.nova.application).start()
        return f'http://127.0.0.1:{self._server.server_port}/v2.1'

    def answer(self, scenario, cloud, whole=True):
        """Send the request of a scenario into a cloud that is seeded for it: (trace, response)."""
        self.nova.conductor.whole = whole
        uuid = self.seed(scenario, cloud)
        token = self.token(scenario.caller)
        try:
            with self._disturbed(scenario, uuid):
                return self._traced(scenario, uuid, token)
        finally:  # also after an interrupt: what is under way would run into the next request
            if self._server:
                self._server.join(10)
            self.nova.driver.join(10)

    def is_inside(self):
        """Say whether the calling thread works on the request that is being recorded."""
        return self._recorder is not None and self._recorder.is_inside()

    def recorder(self, bare):
        """Make a recorder of one request: with the client's stations, or *bare*."""
        def aside(values):
            # What the client asks first shows only who answers; the pipeline is shown once, for the action.
            environ = values['environ']
            return not bare and environ['REQUEST_METHOD'] == 'GET' and environ.get('HTTP_X_AUTH_TOKEN') in self.nova.tokens

        stations = [s for s in STATIONS if not s.boot and not (bare and s.service == 'nova')]
        return Recorder(stations, self.nova.column, aside=aside, name_other=self.nova.name_other)

    def _traced(self, scenario, uuid, token):
        bare = bare_request(scenario)
        asked, taken = self._server.asked if self._server else 0, self.nova.driver.taken
        try:
            with self.recorder(bare) as self._recorder:
                exchange, note = self.send(scenario, uuid, token)
                if busy := self.join():
                    note = busy
                else:
                    self._see_that_all_was_seen(1 if bare else self._server.asked - asked, self.nova.driver.taken - taken)
            records, also_ran = self._recorder.records()
        finally:
            self._recorder = None
        sent = steps([record for record in records if record[2] in ('http', 'send')])
        exchange = exchange or last_exchange(sent)
        note = note and note.encode('utf-8', 'backslashreplace').decode()
        head = json.dumps(snapshot([dataclasses.asdict(scenario), *exchange, messages(sent), note]))
        scenario, request, response, sent, note = json.loads(head.replace(token, '***') if token else head)
        trace = Trace(
            self.nova.engine, versions(not bare), scenario, request, response, sent,
            self.nova.server_state(uuid), note, pack(records, [token] if token else []),
            {str(index): names for index, names in also_ran.items()})
        return trace, exchange[1]

    def _see_that_all_was_seen(self, asked, taken):
        """Compare what was recorded with what the server and the bus have counted, once all is done.

        Raises: HookError, if a step is missing.
        """
        done = self._recorder.join(1)  # what is still open has lost the hook
        seen = self._recorder.count('http'), self._recorder.count('send')
        if not done or seen != (asked, taken):
            raise HookError(f'of {asked} requests and {taken} messages the hook saw {seen[0]} and {seen[1]}'
                            f'{"" if done else ", and not to their end"}: a debugger may have taken the trace function; {RESTART}')

    def seed(self, scenario, cloud):
        """Write cloud and server of a scenario into the database; return the server's uuid."""
        if cloud != self._cloud:
            self._cloud, identities = None, cloud.identities()  # none is known until all is written
            self.nova.seed_cloud(cloud)
            self.nova.tokens.clear()
            self.nova.tokens.update({secrets.token_hex(16): who for who in identities.items()})
            self._caller_tokens = {who[0]: token for token, who in self.nova.tokens.items()}
            self.nova.tokens.update({token: who for token, (_, who) in list(self.nova.tokens.items())})
            self._cloud = cloud
            self._stale = set(cloud.servers.values())
        names = {uuid: name for name, uuid in cloud.servers.items()}
        if scenario.server not in (*names, *cloud.servers):
            raise WrongUse(f'no server {scenario.server!r}; there are {", ".join(cloud.servers)}')
        if unknown := sorted(set(scenario.state) - set(cloud.server_defaults)):
            raise WrongUse(f'a server has no {unknown[0]!r}; its state has {", ".join(cloud.server_defaults)}')
        uuid = cloud.servers.get(scenario.server, scenario.server)
        for name in self._stale - {uuid}:
            self.nova.seed_server(name, names[name], cloud.server_defaults)
        self._stale = {uuid}
        self.nova.seed_server(uuid, names[uuid], {**cloud.server_defaults, **scenario.state})
        return uuid

    def token(self, caller):
        """Return the token that a caller sends, None for none."""
        if caller in ('no_token', 'bad_token'):
            return None if caller == 'no_token' else secrets.token_hex(16)
        if caller not in self._caller_tokens:
            raise WrongUse(f'no caller {caller!r}; there are {", ".join(self._caller_tokens)}, no_token, bad_token')
        return self._caller_tokens[caller]

    @contextlib.contextmanager
    def _disturbed(self, scenario, uuid):
        """Let the conductor or the bus fail, or another request win, for the time of one request."""
        failure = self._failure(scenario.conductor_reply, uuid)
        away = isinstance(failure, oslo_messaging.MessagingException)
        self.nova.driver.outage, self.nova.conductor.failure = (failure, None) if away else (None, failure)
        race = self.nova.rivalled(uuid, scenario.race['task_state']) if scenario.race else contextlib.nullcontext()
        try:
            with race:
                yield
        finally:
            self.nova.driver.outage = self.nova.conductor.failure = None

    def _failure(self, reply, uuid):
        """Make the exception that a scenario asks for."""
        if not reply:
            return None
        name, kwargs = reply['raise'], filled(reply.get('kwargs') or {}, {'$SERVER': uuid})
        cls = next((getattr(home, name) for home in (oslo_messaging, builtins) if hasattr(home, name)), None)
        cls = cls or self.nova.exception(name)
        try:
            if issubclass(cls, Exception):
                return cls(**kwargs)
        except TypeError:  # no class, or not with these arguments
            pass
        raise WrongUse(f'no exception {name}({", ".join(kwargs)}); give one of Nova, oslo.messaging or Python')

    def send(self, scenario, uuid, token):
        """Send the request; return ((request, response) of a bare one, note)."""
        if bare := bare_request(scenario):
            return send_bare(self.nova.application, bare, uuid, self._cloud, token), None
        return None, send_by_client(self.url, scenario, token, self._home)

    def join(self):
        """Wait until all that a request has caused is done; return what is not, or ''."""
        if not self.nova.driver.join(10):
            return 'the conductor is still at it'
        return '' if self._server is None or self._server.join(10) else 'the request is still being worked on'


# --------------------------------------------------------------------------------------------- read off the steps


def last_exchange(steps):
    """Give (request, response) of the last HTTP exchange that the client had, or (None, None)."""
    exchanges = [step for step in steps if step.station == 'http']
    if not exchanges:
        return None, None
    sent, got = exchanges[-1].before['request'], exchanges[-1].result
    request = {'method': sent['method'], 'path': '/' + sent['url'].split('/', 3)[3],
               'headers': _headers(sent), 'body': parsed_body(sent['body'] or '')}
    return request, got and {'status': got['status_code'], 'headers': _headers(got), 'body': parsed_body(got['content'])}


def _headers(payload):
    """Read requests' headers: {lower: [Name, value]}, or the mask in place of the pair."""
    pairs = payload['headers']['store'].items()
    return dict(pair if isinstance(pair, list) else (name, pair) for name, pair in pairs)


_INSTANCE = ('uuid', 'project_id', 'host', 'node', 'vm_state', 'task_state', 'power_state', 'locked')
_SPEC = ('instance_uuid', 'project_id', 'num_instances', 'force_hosts', 'ignore_hosts')


def messages(steps):
    """Give the messages that were put on the bus, as `rpc` in the recordings."""
    return [_message(step.before) for step in steps if step.station == 'send']


def _message(sent):
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
