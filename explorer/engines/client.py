"""How a request is sent: by the real `nova` client in this process, or bare, without a client and without a socket.

The client runs in a world of its own: what it reads of the environment, and of files in the home folder, is what stands here
and nothing of the user's. Other threads keep the environment and the standard output of the process.
"""

import collections
import contextlib
import io
import json
import os
import re
import sys
import threading

import webob

from explorer.errors import WrongUse
from explorer.explorations import client_newest


@contextlib.contextmanager
def own_world(home, **environment):
    """Let this thread see no environment but this, a home folder of its own, and streams of its own; yield what it writes.

    Whatever requests, keystoneauth and novaclient look for (.netrc, proxies, bundles of certificates, OS_*, keyrings, caches) they
    look for in the environment or the home folder.
    """
    written, thread = io.StringIO(), threading.get_ident()
    ours = {'HOME': home, 'USERPROFILE': home, 'NO_PROXY': '*', **environment}
    before = os.environ, sys.stdout, sys.stderr
    environ, *streams = _Environ(before[0], ours, thread), *(_Stream(stream, written, thread) for stream in before[1:])
    os.environ, (sys.stdout, sys.stderr) = environ, streams
    try:
        yield written
    finally:  # another thread may have put something else in the place meanwhile
        if os.environ is environ:
            os.environ = before[0]
        for name, stream, original in zip(('stdout', 'stderr'), streams, before[1:]):
            if getattr(sys, name) is stream:
                setattr(sys, name, original)


class _ByThread:
    """Something that one thread sees otherwise than all others."""

    def __init__(self, theirs, ours, thread):
        self._theirs, self._ours, self._thread = theirs, ours, thread

    @property
    def data(self):
        return self._ours if threading.get_ident() == self._thread else self._theirs

    def __getattr__(self, name):
        return getattr(self.data, name)


class _Stream(_ByThread):
    """A standard stream."""

    def write(self, text):
        return self.data.write(text)


class _Environ(_ByThread, collections.UserDict):
    """The environment of the process."""

    def __or__(self, other):
        return {**self.data, **other}

    def __ror__(self, other):
        return {**other, **self.data}

    def copy(self):
        return dict(self.data)


# ------------------------------------------------------------------------------------------------------ the clients


def send_by_client(url, scenario, token, home):
    """Let the real `nova` command ask, in this process, configured by the environment as a user would do it.

    Returns: the line with which the client gave up, or None.
    Raises: WrongUse, if the client does not know such a command.
    """
    from novaclient import shell
    environment = {'OS_AUTH_TYPE': 'admin_token', 'OS_TOKEN': token, 'OS_ENDPOINT': url, 'OS_PROJECT_NAME': 'unused',
                   'OS_AUTH_URL': 'http://unused'}
    with own_world(home, **environment) as said:
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
        {'method': request['method'], 'path': request['path'], 'headers': shown, 'body': parsed_body(text)},
        {'status': response.status_int,
         'headers': {name: ', '.join(response.headers.getall(name)) for name in response.headers},
         'body': parsed_body(response.text)})


def filled(value, words):
    """Replace the words in all texts of plain data, longest word first."""
    if isinstance(value, str):
        return re.sub('|'.join(map(re.escape, sorted(words, key=len, reverse=True))), lambda m: words[m[0]], value)
    if isinstance(value, dict):
        return {key: filled(part, words) for key, part in value.items()}
    return [filled(part, words) for part in value] if isinstance(value, list) else value


def parsed_body(text):
    """Read a body: JSON, else text, else None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text or None
