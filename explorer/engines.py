"""Which code answers a scenario. The miniature: our path, run in this process, with everything around it real.

`run(Scenario())` seeds the cloud, lets the real `nova` client ask (or sends the bare request that the scenario brings),
waits until the conductor has worked it off, and gives the trace.
"""

import builtins
import contextlib
import dataclasses
import functools
import importlib.metadata
import io
import json
import logging
import os
import platform
import re
import secrets
import tempfile
import threading
from unittest import mock

import sqlalchemy as sa
import webob

from explorer import cloud as clouds
from explorer import exception, objects, pipeline
from explorer.bus import oslo_messaging
from explorer.explorations import Scenario, client_newest
from explorer.shapes import short
from explorer.snapshots import snapshot
from explorer.stations import NOVA, STATIONS, WrongUse
from explorer.trace import Recorder, Trace, lasting_threads, pack, steps

LIBRARIES = ('WebOb', 'Routes', 'jsonschema', 'oslo.messaging', 'oslo.policy', 'oslo.versionedobjects', 'SQLAlchemy')


def run(scenario=None, *, engine='miniature', cloud=None):
    """Let an engine answer a scenario.

    Returns: the trace.
    Raises: WrongUse for an unknown engine, server, caller or state.
    """
    return answer(scenario or Scenario(), engine=engine, cloud=cloud)[0]


def answer(scenario, *, engine='miniature', cloud=None):
    """Let an engine answer a scenario: (trace, response). The response is as it came; the trace's is masked."""
    if not isinstance(scenario, Scenario) or not isinstance(cloud, clouds.Cloud | None):
        raise WrongUse(f'run takes a Scenario and a Cloud, not {short(scenario)} and {short(cloud)}')
    with _one_at_a_time:
        return _engine(engine).answer(scenario, cloud or clouds.Cloud())


def boot():
    """Wire a fresh application and give the trace of that: what happens once, when the service starts."""
    with _one_at_a_time, Recorder([station for station in STATIONS if station.boot]) as recorder:
        _engine('miniature').wire()
    return Trace('miniature', _versions(), {}, None, None, [], None, None, pack(recorder.records()))


def _engine(name):
    if name == 'miniature':
        return _miniature()
    if name in ('recorded', 'nova'):
        raise WrongUse(f'the engine {name!r} is not part of this version; use miniature')
    raise WrongUse(f'no engine {name!r}; there are miniature, recorded, nova')


@functools.cache
def _versions(client=False):
    names = (*LIBRARIES, *(['python-novaclient'] if client else []))
    return {'nova': NOVA, 'python': platform.python_version(),
            **{name: importlib.metadata.version(name) for name in names}}


class _Conductor(pipeline.ComputeTaskManager):
    """A conductor that can be told to fail."""

    failure = None

    def _live_migrate(self, *args):
        super()._live_migrate(*args)
        if self.failure:
            raise self.failure


class Miniature:
    """Our small Nova in this process: database, bus, conductor, application and socket, started once.

    One scenario at a time: the hook, the environment and the standard output belong to the process.
    """

    def __init__(self):
        for name in ('explorer', 'oslo_messaging'):
            # A refused request is a result here; its log lines are for those who ask for them.
            logging.getLogger(name).addHandler(logging.NullHandler())
        self._folder = tempfile.TemporaryDirectory(prefix='nova-explorer-')
        self.database = objects.database(f'sqlite:///{self._folder.name}/nova.db')
        self.transport = pipeline.create_transport('memory://')
        self.tokens, self.cloud, self.conductor = {}, None, _Conductor()
        self.application = self.wire()
        with lasting_threads():
            server = pipeline.start_conductor(self.database, self.transport, self.conductor, workers=1)
            server._work_executor.submit(int).result()  # the worker's thread begins with its first job
        self._server = None

    def wire(self):
        return pipeline.init_application(self.database, self.transport, self.tokens)

    @property
    def url(self):
        """Give the address of the API; the socket is opened when it is first asked for."""
        if self._server is None:
            self._server = clouds.HTTPServer('127.0.0.1', 0, self.application).start()
        return f'http://127.0.0.1:{self._server.server_port}/v2.1'

    def answer(self, scenario, cloud):
        uuid = self._seed(scenario, cloud)
        token = self._token(scenario.caller)
        try:
            with self._disturbed(scenario, uuid):
                return self._traced(scenario, uuid, token)
        finally:  # also after an interrupt: what is under way would run into the next request
            if self._server:
                self._server.join(10)
            self.transport._driver.join(10)

    def recorder(self, bare):
        """Make a recorder of one request: with the client's stations, or *bare*."""
        def aside(values):
            # What the client asks first shows only who answers; the pipeline is shown once, for the action.
            environ = values['environ']
            return not bare and environ['REQUEST_METHOD'] == 'GET' and environ.get('HTTP_X_AUTH_TOKEN') in self.tokens

        return Recorder([s for s in STATIONS if not s.boot and not (bare and s.service == 'nova')], aside=aside)

    def _traced(self, scenario, uuid, token):
        bare = bare_request(scenario)
        with self.recorder(bare) as recorder:
            exchange, note = self._send(scenario, uuid, token)
            if not recorder.join(10):
                note = 'the request is still being worked on'
        records = recorder.records()
        sent = steps([record for record in records if record[2] in ('http', 'send')])
        exchange = exchange or last_exchange(sent)
        head = json.dumps(snapshot([dataclasses.asdict(scenario), *exchange, messages(sent), note]))
        scenario, request, response, sent, note = json.loads(head.replace(token, '***') if token else head)
        trace = Trace(
            'miniature', _versions(not bare), scenario, request, response, sent,
            clouds.server_state(self.database, uuid), note, pack(records, [token] if token else []))
        return trace, exchange[1]

    # ------------------------------------------------------------------------------------------ before the request

    def _seed(self, scenario, cloud):
        if cloud != self.cloud:
            self.cloud, identities = None, cloud.identities()  # none is known until all is written
            clouds.seed_cloud(self.database, cloud)
            self.tokens.clear()
            self.tokens.update({secrets.token_hex(16): who for who in identities.items()})
            self._caller_tokens = {who[0]: token for token, who in self.tokens.items()}
            self.tokens.update({token: who for token, (_, who) in list(self.tokens.items())})
            self.cloud = cloud
            self._stale = set(cloud.servers.values())
        names = {uuid: name for name, uuid in cloud.servers.items()}
        if scenario.server not in (*names, *cloud.servers):
            raise WrongUse(f'no server {scenario.server!r}; there are {", ".join(cloud.servers)}')
        if unknown := sorted(set(scenario.state) - set(cloud.server_defaults)):
            raise WrongUse(f'a server has no {unknown[0]!r}; its state has {", ".join(cloud.server_defaults)}')
        uuid = cloud.servers.get(scenario.server, scenario.server)
        for name in self._stale - {uuid}:
            clouds.seed_server(self.database, name, names[name], cloud.server_defaults)
        self._stale = {uuid}
        clouds.seed_server(self.database, uuid, names[uuid], {**cloud.server_defaults, **scenario.state})
        return uuid

    def _token(self, caller):
        if caller in ('no_token', 'bad_token'):
            return None if caller == 'no_token' else secrets.token_hex(16)
        if caller not in self._caller_tokens:
            raise WrongUse(f'no caller {caller!r}; there are {", ".join(self._caller_tokens)}, no_token, bad_token')
        return self._caller_tokens[caller]

    @contextlib.contextmanager
    def _disturbed(self, scenario, uuid):
        """Let the conductor or the bus fail, or another request win, for the time of one request."""
        failure = _failure(scenario.conductor_reply, uuid)
        away = isinstance(failure, oslo_messaging.MessagingException)
        driver = self.transport._driver
        driver.outage, self.conductor.failure = (failure, None) if away else (None, failure)
        if scenario.race:
            sa.event.listen(self.database, 'before_cursor_execute', rival := _rival(uuid, scenario.race['task_state']))
        try:
            yield
        finally:
            driver.outage = self.conductor.failure = None
            if scenario.race:
                sa.event.remove(self.database, 'before_cursor_execute', rival)

    # --------------------------------------------------------------------------------------------------- the request

    def _send(self, scenario, uuid, token):
        """Send the request, wait until the conductor is done; give ((request, response) of a bare one, note)."""
        bare = bare_request(scenario)
        exchange, note = (send_bare(self.application, bare, uuid, self.cloud, token), None) if bare else (
            None, send_by_client(self.url, scenario, token))
        if not self.transport._driver.join(10):
            note = 'the conductor is still at it'
        return exchange, note


def _failure(reply, uuid):
    """Make the exception that a scenario asks for."""
    if not reply:
        return None
    name, kwargs = reply['raise'], _filled(reply.get('kwargs') or {}, {'$SERVER': uuid})
    cls = next((getattr(home, name) for home in (oslo_messaging, builtins) if hasattr(home, name)), None)
    cls = cls or exception.named(name)
    try:
        if issubclass(cls, Exception):
            return cls(**kwargs)
    except TypeError:  # no class, or not with these arguments
        pass
    raise WrongUse(f'no exception {name}({", ".join(kwargs)}); give one of Nova, oslo.messaging or Python')


def _rival(uuid, task_state):
    """Make a listener of the database that is faster than the first UPDATE of the server's row."""
    def rival(connection, _cursor, statement, *_):
        if statement.startswith('UPDATE instances') and not rival.done:
            rival.done = True
            with connection.engine.begin() as other:
                other.execute(objects.INSTANCES.update().filter_by(uuid=uuid).values(task_state=task_state))
    rival.done = False
    return rival


_miniature = functools.cache(Miniature)
_one_at_a_time = threading.RLock()


def _after_fork():
    global _one_at_a_time
    _one_at_a_time = threading.RLock()
    _miniature.cache_clear()


os.register_at_fork(after_in_child=_after_fork)  # the threads of the parent's are not here


# ------------------------------------------------------------------------------------------------------ the clients


def send_by_client(url, scenario, token):
    """Let the real `nova` command ask, in this process, told by the environment as a user would tell it.

    Returns: the line with which the client gave up, or None.
    Raises: WrongUse, if the client does not know such a command.
    """
    from novaclient import shell
    environment = {'OS_AUTH_TYPE': 'admin_token', 'OS_TOKEN': token, 'OS_ENDPOINT': url, 'OS_PROJECT_NAME': 'unused',
                   'OS_AUTH_URL': 'http://unused', 'NO_PROXY': '127.0.0.1', 'no_proxy': '127.0.0.1'}
    said = io.StringIO()
    with mock.patch.dict(os.environ), contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        for name in [name for name in os.environ if name.startswith(('OS_', 'NOVACLIENT_', 'NOVA_'))]:
            del os.environ[name]
        os.environ.update(environment)
        try:
            shell.OpenStackComputeShell().main(scenario.command())
        except SystemExit:
            line = next((line for line in said.getvalue().splitlines() if 'error:' in line), 'it gave no reason')
            raise WrongUse(f'the nova client refuses: {line.partition("error: ")[2] or line}; --force exists from 2.30 '
                           'to 2.67, --disk-over-commit up to 2.24') from None
        except Exception as error:
            return f'ERROR ({type(error).__name__}): {error}'.replace(token, '***')
    return None


def bare_request(scenario):
    """Give the HTTP request to send without a client, or None where the client can send it."""
    if scenario.request:
        return scenario.request
    version, headers = scenario.microversion or 'latest', scenario.headers()
    if version != 'latest' and not _client_speaks(version):
        headers = {'Content-Type': 'application/json', 'OpenStack-API-Version': f'compute {version}'}
    elif scenario.caller != 'no_token':
        return None
    return {'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': headers, 'body': scenario.body()}


def _client_speaks(version):
    major, minor = map(int, version.split('.'))
    return major == 2 and minor <= client_newest()


def send_bare(application, request, uuid, cloud, token):
    """Send a bare request into the application, without a socket.

    Returns: (request, response), as in a trace.
    """
    request = _filled(request, {
        '$SERVER_UPPER': uuid.upper(), '$SERVER_HEX': uuid.replace('-', ''), '$SERVER': uuid,
        '$PROJECT': cloud.project, '$OTHER_PROJECT': cloud.other_project})
    text = json.dumps(request['body']) if 'body' in request else request.get('raw_body') or ''
    headers = {**request.get('headers', {}), **({'X-Auth-Token': token} if token else {})}
    blank = webob.Request.blank(request['path'], base_url='http://nova', method=request['method'], headers=headers,
                                body=text.encode('utf-8', 'surrogatepass'))
    response = blank.get_response(application)
    shown = {name: '***' if name == 'X-Auth-Token' else value for name, value in headers.items()}
    return (
        {'method': request['method'], 'path': request['path'], 'headers': shown, 'body': _parsed(text)},
        {'status': response.status_int,
         'headers': {name: ', '.join(response.headers.getall(name)) for name in response.headers},
         'body': _parsed(response.text)})


def _filled(value, words):
    """Replace the words in all texts of plain data, longest word first."""
    if isinstance(value, str):
        return re.sub('|'.join(map(re.escape, sorted(words, key=len, reverse=True))), lambda m: words[m[0]], value)
    if isinstance(value, dict):
        return {key: _filled(part, words) for key, part in value.items()}
    return [_filled(part, words) for part in value] if isinstance(value, list) else value


def _parsed(text):
    """Read a body: JSON, else text, else None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text or None


# --------------------------------------------------------------------------------------------- read off the steps


def last_exchange(steps):
    """Give (request, response) of the last HTTP exchange that the client had, or (None, None)."""
    exchanges = [step for step in steps if step.station == 'http']
    if not exchanges:
        return None, None
    sent, got = exchanges[-1].before['request'], exchanges[-1].result
    request = {'method': sent['method'], 'path': '/' + sent['url'].split('/', 3)[3],
               'headers': _headers(sent), 'body': _parsed(sent['body'] or '')}
    return request, got and {'status': got['status_code'], 'headers': _headers(got), 'body': _parsed(got['content'])}


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
