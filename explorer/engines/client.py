"""Send a request: with the real `nova` client in this process, or bare, without a client and without a socket.

The client runs in isolation. It reads only the environment and the home folder that this module prepares, never the
user's. Other threads keep the environment and the standard output of the process.
"""

import collections
import contextlib
import io
import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Generic, TextIO, TypeAlias, TypeVar, cast
from wsgiref.types import WSGIApplication

import webob

from explorer.engines.cloud import Cloud
from explorer.errors import WrongUse
from explorer.explorations import Scenario, client_newest
from explorer.payloads import Plain, Value

Exchange: TypeAlias = tuple[Plain | None, Plain | None]  # request and response, as in a trace
_T = TypeVar('_T')


@contextlib.contextmanager
def own_world(home: str, **environment: str) -> Iterator[io.StringIO]:
    """Isolate this thread: only this environment, a separate home folder, and captured output; yield that output.

    This is enough because requests, keystoneauth and novaclient read all their settings (.netrc, proxies, certificate
    bundles, OS_*, keyrings, caches) from the environment or the home folder.
    """
    written, thread = io.StringIO(), threading.get_ident()
    ours = {'HOME': home, 'USERPROFILE': home, 'NO_PROXY': '*', **environment}
    before = os.environ, sys.stdout, sys.stderr
    environ, *streams = (
        cast('os._Environ[str]', _Environ(before[0], ours, thread)),
        *(cast(TextIO, _Stream(stream, written, thread)) for stream in before[1:]))
    os.environ, (sys.stdout, sys.stderr) = environ, streams
    try:
        yield written
    finally:  # another thread may have replaced them meanwhile
        if os.environ is environ:
            os.environ = before[0]  # noqa: B003  # put the original object back
        for name, stream, original in zip(('stdout', 'stderr'), streams, before[1:], strict=True):
            if getattr(sys, name) is stream:
                setattr(sys, name, original)


class _ByThread(Generic[_T]):
    """An object that looks different to one thread than to all others."""

    def __init__(self, theirs: _T, ours: _T, thread: int) -> None:
        self._theirs, self._ours, self._thread = theirs, ours, thread

    @property
    def data(self) -> _T:
        return self._ours if threading.get_ident() == self._thread else self._theirs

    def __getattr__(self, name: str) -> Value:
        return getattr(self.data, name)


class _Stream(_ByThread[TextIO]):
    """A standard stream of the process."""

    def write(self, text: str) -> int:
        return self.data.write(text)


class _Environ(_ByThread[Value], collections.UserDict[str, str]):  # type: ignore[override]  # data is a property
    """The environment variables of the process."""

    def __or__(self, other: Mapping[Value, Value]) -> Value:
        return {**self.data, **other}

    def __ror__(self, other: Mapping[Value, Value]) -> Value:
        return {**other, **self.data}

    def copy(self) -> Value:
        return dict(self.data)


# ------------------------------------------------------------------------------------------------------ the clients


def send_by_client(url: str, scenario: Scenario, token: str, home: str) -> str | None:
    """Run the real `nova` command in this process, configured through the environment as a user would configure it.

    Returns: the error line with which the client gave up, or None if it succeeded.
    Raises: WrongUse if the client rejects the command line.
    """
    from novaclient import shell
    environment = {'OS_AUTH_TYPE': 'admin_token', 'OS_TOKEN': token, 'OS_ENDPOINT': url, 'OS_PROJECT_NAME': 'unused',
                   'OS_AUTH_URL': 'http://unused'}
    with own_world(home, **environment) as said:
        try:
            shell.OpenStackComputeShell().main(scenario.command())
        except SystemExit:
            line = next((line for line in said.getvalue().splitlines() if 'error:' in line), 'no reason given')
            raise WrongUse(f'the nova client rejects the command: {line.partition("error: ")[2] or line}; '
                           '--force exists from 2.30 to 2.67, --disk-over-commit up to 2.24') from None
        except Exception as error:
            return f'ERROR ({type(error).__name__}): {error}'.replace(token, '***')
    return None


def bare_request(scenario: Scenario) -> Mapping[str, Value] | None:
    """Return the HTTP request to send without a client, or None if the client can send it."""
    if scenario.request:
        return scenario.request
    version, headers = scenario.microversion or 'latest', scenario.headers()
    if version != 'latest' and not _client_speaks(version):
        headers = {'Content-Type': 'application/json', 'OpenStack-API-Version': f'compute {version}'}
    elif scenario.caller != 'no_token':
        return None
    return {'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': headers, 'body': scenario.body()}


def _client_speaks(version: str) -> bool:
    major, minor = map(int, version.split('.'))
    return major == 2 and minor <= client_newest()


def send_bare(
        application: WSGIApplication, request: Mapping[str, Value], uuid: str, cloud: Cloud, token: str) -> Exchange:
    """Send a bare request straight to the application, without a socket."""
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


def filled(value: Value, words: Mapping[str, str]) -> Value:
    """Replace the keys of *words* with their values in every string within plain data, the longest key first."""
    if isinstance(value, str):
        return re.sub('|'.join(map(re.escape, sorted(words, key=len, reverse=True))), lambda m: words[m[0]], value)
    if isinstance(value, dict):
        return {key: filled(part, words) for key, part in value.items()}
    return [filled(part, words) for part in value] if isinstance(value, list) else value


def parsed_body(text: str) -> Value:
    """Parse a body: return JSON as plain data, other text as it is, and None for an empty body."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text or None
