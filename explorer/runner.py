"""Run one request: seed the cloud, let the client ask, record what happens, wait until all is done, give the trace.

What answers is another's business: a Runner is given an application, a bus and a database by the class that extends it. It
needs nothing of our path, so that the process in which the real Nova runs can use it, too.
"""

import builtins
import contextlib
import dataclasses
import importlib.metadata
import io
import json
import os
import platform
import re
import secrets
from unittest import mock

import webob

from explorer.libraries import oslo_messaging
from explorer.explorations import client_newest
from explorer.http_server import HTTPServer
from explorer.snapshots import snapshot
from explorer.stations import NOVA, STATIONS, WrongUse
from explorer.trace import Recorder, Trace, pack, steps

LIBRARIES = ('WebOb', 'Routes', 'jsonschema', 'oslo.messaging', 'oslo.policy', 'oslo.versionedobjects', 'SQLAlchemy')


def versions(client=False):
    """Give the versions of what a trace depends on; with the client's, where it takes part."""
    names = (*LIBRARIES, *(['python-novaclient'] if client else []))
    return {'nova': NOVA, 'python': platform.python_version(),
            **{name: importlib.metadata.version(name) for name in names}}


class Runner:
    """Run scenarios, one at a time: the hook, the environment and the standard output belong to the process.

    Shape: who extends it sets *application*, *driver* (of the bus) and *column* ('ours' or 'nova'), and *beside* as for a Recorder; it says how to write
    its cloud down. *conductor* has a *failure* to raise after its work, and *whole*, which says whether
    that goes on up to its own cast.
    """

    engine, column, beside = 'miniature', 'ours', None
    application = driver = conductor = None

    def __init__(self):
        self.tokens, self.cloud, self._server = {}, None, None

    # ------------------------------------------------------------------------------------------- what others say

    def seed_cloud(self, cloud):
        """Write hosts and cells of a cloud into the database, in place of all it held."""
        raise NotImplementedError

    def seed_server(self, uuid, name, state):
        """Write a server in a *state* (all keys of `server_defaults`), in place of the one with that uuid."""
        raise NotImplementedError

    def server_state(self, uuid):
        """Say what the database holds of a server, as `expect` in the recordings."""
        raise NotImplementedError

    def rivalled(self, uuid, task_state):
        """Let another request set the task state of a server, between its reading and its conditional update: a context."""
        raise NotImplementedError

    def exception(self, name):
        """Find the class of an exception of Nova by its name; None where there is none."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------- a request

    @property
    def url(self):
        """Give the address of the API; the socket is opened when it is first asked for."""
        if self._server is None:
            self._server = HTTPServer('127.0.0.1', 0, self.application).start()
        return f'http://127.0.0.1:{self._server.server_port}/v2.1'

    def answer(self, scenario, cloud, whole=True):
        """Send the request of a scenario into a cloud that is seeded for it: (trace, response)."""
        self.conductor.whole = whole
        uuid = self._seed(scenario, cloud)
        token = self._token(scenario.caller)
        try:
            with self._disturbed(scenario, uuid):
                return self._traced(scenario, uuid, token)
        finally:  # also after an interrupt: what is under way would run into the next request
            if self._server:
                self._server.join(10)
            self.driver.join(10)

    def recorder(self, bare):
        """Make a recorder of one request: with the client's stations, or *bare*."""
        def aside(values):
            # What the client asks first shows only who answers; the pipeline is shown once, for the action.
            environ = values['environ']
            return not bare and environ['REQUEST_METHOD'] == 'GET' and environ.get('HTTP_X_AUTH_TOKEN') in self.tokens

        stations = [s for s in STATIONS if not s.boot and not (bare and s.service == 'nova')]
        return Recorder(stations, self.column, aside=aside, beside=self.beside)

    def _traced(self, scenario, uuid, token):
        bare = bare_request(scenario)
        with self.recorder(bare) as recorder:
            exchange, note = self._send(scenario, uuid, token)
            if not recorder.join(10):
                note = 'the request is still being worked on'
        records, besides = recorder.records(), recorder.besides()
        sent = steps([record for record in records if record[2] in ('http', 'send')])
        exchange = exchange or last_exchange(sent)
        head = json.dumps(snapshot([dataclasses.asdict(scenario), *exchange, messages(sent), note]))
        scenario, request, response, sent, note = json.loads(head.replace(token, '***') if token else head)
        trace = Trace(
            self.engine, versions(not bare), scenario, request, response, sent,
            self.server_state(uuid), note, pack(records, [token] if token else []),
            {str(index): names for index, names in besides.items()})
        return trace, exchange[1]

    def _seed(self, scenario, cloud):
        if cloud != self.cloud:
            self.cloud, identities = None, cloud.identities()  # none is known until all is written
            self.seed_cloud(cloud)
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
            self.seed_server(name, names[name], cloud.server_defaults)
        self._stale = {uuid}
        self.seed_server(uuid, names[uuid], {**cloud.server_defaults, **scenario.state})
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
        failure = self._failure(scenario.conductor_reply, uuid)
        away = isinstance(failure, oslo_messaging.MessagingException)
        self.driver.outage, self.conductor.failure = (failure, None) if away else (None, failure)
        race = self.rivalled(uuid, scenario.race['task_state']) if scenario.race else contextlib.nullcontext()
        try:
            with race:
                yield
        finally:
            self.driver.outage = self.conductor.failure = None

    def _failure(self, reply, uuid):
        """Make the exception that a scenario asks for."""
        if not reply:
            return None
        name, kwargs = reply['raise'], filled(reply.get('kwargs') or {}, {'$SERVER': uuid})
        cls = next((getattr(home, name) for home in (oslo_messaging, builtins) if hasattr(home, name)), None)
        cls = cls or self.exception(name)
        try:
            if issubclass(cls, Exception):
                return cls(**kwargs)
        except TypeError:  # no class, or not with these arguments
            pass
        raise WrongUse(f'no exception {name}({", ".join(kwargs)}); give one of Nova, oslo.messaging or Python')

    def _send(self, scenario, uuid, token):
        """Send the request, wait until the conductor is done; give ((request, response) of a bare one, note)."""
        bare = bare_request(scenario)
        exchange, note = (send_bare(self.application, bare, uuid, self.cloud, token), None) if bare else (
            None, send_by_client(self.url, scenario, token))
        if not self.driver.join(10):
            note = 'the conductor is still at it'
        return exchange, note


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
    request = filled(request, {
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


def filled(value, words):
    """Replace the words in all texts of plain data, longest word first."""
    if isinstance(value, str):
        return re.sub('|'.join(map(re.escape, sorted(words, key=len, reverse=True))), lambda m: words[m[0]], value)
    if isinstance(value, dict):
        return {key: filled(part, words) for key, part in value.items()}
    return [filled(part, words) for part in value] if isinstance(value, list) else value


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
