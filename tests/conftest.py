"""What many tests share: one trace, the markers of what is optional, and a client for our API."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import webob

from explorer import Scenario, objects, pipeline, run
from explorer.commands import serve
from explorer.engines import cloud, real_nova, seeds
from explorer.errors import WrongUse
from tests import forks

ROOT = pathlib.Path(__file__).resolve().parent.parent
CASES = ROOT / 'tests/data/cases.json'
NOTEBOOK = ROOT / 'notebooks/01_nova_api.ipynb'
WEB_1 = cloud.Cloud().servers['web-1']
RABBITMQ = pathlib.Path('/usr/lib/rabbitmq/bin/rabbitmq-server')

# For tests that compare with the real Nova twice: as it was recorded, and live.
REAL = [pytest.param('recorded', id='recorded'), pytest.param('nova', id='live', marks=pytest.mark.nova)]


def has_nova():
    """Return the Python of an environment with the real Nova, None if there is none."""
    try:
        return real_nova.python()
    except WrongUse:
        return None


_NEEDS = {
    'dot': (shutil.which('dot'), 'no program dot; the package graphviz brings it'),
    'broker': (RABBITMQ.exists() and shutil.which('erl'), 'no RabbitMQ; the package rabbitmq-server brings it'),
    'browser': (shutil.which('chromium'), 'no Chromium; the package chromium brings it'),
    'nova': (has_nova(), 'no real Nova; make nova installs it'),
}


def pytest_collection_modifyitems(items):
    for item in items:
        for mark, (there, reason) in _NEEDS.items():
            if not there and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope='session')
def walk():
    """The trace of `nova live-migration web-1`."""
    return run(Scenario())


@pytest.fixture
def explorer():
    """Return a function that runs the command line in a process that starts warm, and returns how it ended."""
    def call(*words, **options):
        return forks.run_module('explorer', *words, **options)
    return call


@pytest.fixture
def python():
    """Return a function that runs a program in a Python that starts cold, and returns what it printed."""
    def call(program, **environment):
        done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, timeout=120,
                              env={**os.environ, **environment})
        assert done.returncode == 0, done.stderr
        return done.stdout
    return call


class Api:
    """Our API without a socket, but with its database and its bus."""

    def __init__(self, folder):
        self.cloud = cloud.Cloud()
        self.database = objects.database(f'sqlite:///{folder}/nova.db')
        seeds.seed_cloud(self.database, self.cloud)
        self.seed()
        self.transport = pipeline.create_transport('memory://')
        self.application = pipeline.init_application(self.database, self.transport, serve.tokens(self.cloud))
        self.conductor = pipeline.start_conductor(self.database, self.transport, pipeline.ComputeTaskManager())

    def seed(self, **state):
        seeds.seed_server(self.database, WEB_1, 'web-1', {**self.cloud.server_defaults, **state})

    def state(self):
        return seeds.server_state(self.database, WEB_1)

    def ask(self, method, path, body=None, token='admin', **headers):
        """Send a request and return the response."""
        request = webob.Request.blank(path, method=method)
        if body is not None:
            request.headers['Content-Type'] = 'application/json'
            if isinstance(body, (dict, list)):
                request.json = body
            else:
                request.body = body
        if token:
            request.headers['X-Auth-Token'] = token
        for name, value in headers.items():
            request.headers[name.replace('_', '-')] = value
        return request.get_response(self.application)

    def migrate(self, token='admin', version='2.34', **fields):
        """Send the request for a live migration of web-1 and return the response."""
        body = {'os-migrateLive': {'host': None, 'block_migration': 'auto', **fields}}
        headers = {'OpenStack_API_Version': f'compute {version}'} if version else {}
        response = self.ask('POST', f'/v2.1/servers/{WEB_1}/action', body, token, **headers)
        assert self.transport._driver.join(10)
        return response


@pytest.fixture
def api(tmp_path):
    """Our API, which answers HTTP requests."""
    there = Api(tmp_path)
    yield there
    there.conductor.stop()  # without wait(): its idle thread takes a second to end
