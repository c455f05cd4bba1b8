"""The setup: one lock file for make, conda and Binder, and a README that matches the project."""

import importlib.metadata
import os
import re
import signal
import socket
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from explorer import EXPLORATIONS, Scenario, run
from explorer.__main__ import _parser
from tests.conftest import ROOT
from tests.test_layers import committed

PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
REQUIREMENTS = [Requirement(text) for text in [*PROJECT['dependencies'], *PROJECT['optional-dependencies']['test']]]
LOCKED = {canonicalize_name(requirement.name): requirement
          for line in (ROOT / 'requirements.lock').read_text().splitlines() if line and not line.startswith((' ', '#'))
          for requirement in [Requirement(line.partition('#')[0])]}
ENVIRONMENT = yaml.safe_load((ROOT / 'environment.yml').read_text())
README = (ROOT / 'README.md').read_text()


@pytest.mark.parametrize('requirement', REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_every_requirement_is_locked_at_a_version_that_satisfies_it(requirement):
    pin, = LOCKED[canonicalize_name(requirement.name)].specifier
    assert pin.operator == '=='
    assert requirement.specifier.contains(pin.version, prereleases=True)


@pytest.mark.parametrize('requirement', REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_the_installed_version_is_the_locked_one(requirement):
    pin, = LOCKED[canonicalize_name(requirement.name)].specifier
    assert importlib.metadata.version(requirement.name) == pin.version


def test_every_library_that_we_import_is_required():
    import sys
    named = {canonicalize_name(requirement.name) for requirement in REQUIREMENTS}
    homes = importlib.metadata.packages_distributions()
    for path in [*ROOT.glob('explorer/**/*.py'), *ROOT.glob('notebooks/*.py')]:
        for name in re.findall(r'^ *(?:import|from) (\w+)', path.read_text(), re.MULTILINE):
            if name in homes and name not in sys.stdlib_module_names and name != 'explorer':
                homes_named = set(map(canonicalize_name, homes[name]))
                # These come with oslo.messaging, nbval and anywidget.
                indirect = {'kombu', 'nbformat', 'nbclient', 'traitlets', 'importlib'}
                assert homes_named & (named | indirect), f'{path.name} imports {name}'


def test_conda_and_binder_install_the_lock_and_this_project():
    python, graphviz, pip, below = ENVIRONMENT['dependencies']
    assert SpecifierSet(PROJECT['requires-python']).contains(python.removeprefix('python='))
    assert (graphviz, pip) == ('graphviz', 'pip')
    assert below == {'pip': ['-r requirements.lock', '-e .']}
    assert ENVIRONMENT['name'] == PROJECT['name']
    assert 'defaults' not in ENVIRONMENT['channels']


def test_the_licence_is_apache_2():
    assert PROJECT['license'] == 'Apache-2.0'
    assert 'Apache License' in (ROOT / 'LICENSE').read_text()[:200]


def test_the_readme_names_the_seven_explorations_and_every_command():
    for row in EXPLORATIONS:
        assert f'`{row.key}`' in README
        assert row.title in ' '.join(README.split())
    commands = next(action for action in _parser()._actions if action.choices).choices
    for command in commands:
        assert f'explorer {command}' in README, command
    for target in ('make lab', 'make test'):
        assert target in README


def test_the_readmes_links_and_pictures_exist():
    for target in re.findall(r'\]\(([^)#:]+)\)', README):
        assert (ROOT / target).exists(), target


def test_the_readmes_example_returns_what_the_readme_shows():
    scenario, = re.findall(r'run\((Scenario\([^)]+\))\)', README)
    trace = run(eval(scenario, {'Scenario': Scenario}))
    assert f'({trace.response["status"]}, {len(trace.steps)})' in README


# `make test` passes its own arguments and its level to what it starts; here, make is called the way a person calls it.
OF_MAKE = ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'MAKEOVERRIDES')
FRESH = {name: value for name, value in os.environ.items() if name not in OF_MAKE}


def make(*words, **environment):
    return subprocess.run(['make', *words], cwd=ROOT, capture_output=True, text=True, env={**FRESH, **environment})


@pytest.mark.parametrize(('python', 'says'), [
    ('no-such-python', 'python3 is missing: install the package python3'),
    ('old', 'is too old: use 3.11 or newer'), ('bare', 'install the package python3-venv')])
def test_make_names_what_is_missing_in_one_line(tmp_path, python, says):
    scripts = {'old': 'case "$1" in --version) echo Python 3.8.1;; *) exit 1;; esac',
               'bare': 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac'}
    if python in scripts:
        (tmp_path / python).write_text(f'#!/bin/sh\n{scripts[python]}\n')
        (tmp_path / python).chmod(0o755)
    done = make('lab', f'VENV={tmp_path}/venv', f'PYTHON={tmp_path / python if python in scripts else python}')
    assert done.returncode != 0
    assert says in done.stderr
    assert not (tmp_path / 'venv').exists()


@pytest.fixture
def no_network():
    """The environment in which pip uses a package index that nobody serves."""
    return {'PIP_INDEX_URL': 'http://127.0.0.1:9/', 'PIP_RETRIES': '0', 'PIP_CONFIG_FILE': os.devnull,
            'PIP_FIND_LINKS': ''}


def test_without_a_network_make_reports_it_in_one_line_and_tries_again_the_next_time(tmp_path, no_network):
    for _ in range(2):
        done = make('lab', f'VENV={tmp_path}/venv', **no_network)
        assert done.returncode != 0
        assert len(done.stdout.splitlines()) == 1
        assert 'about 600 MB, one to three minutes, once' in done.stdout
        said, by_make = done.stderr.splitlines()
        assert said == ('The libraries could not be installed. Check the network connection and run make again; '
                        f'{tmp_path}/venv/pip.errors says what went wrong.')
        assert 'error' in (tmp_path / 'venv/pip.errors').read_text()
        assert by_make.startswith('make: ***')
        assert not (tmp_path / 'venv/ready').exists()


def test_after_an_interrupt_make_starts_again(tmp_path, no_network):
    with socket.create_server(('127.0.0.1', 0)) as hanging:
        running = subprocess.Popen(
            ['make', 'lab', f'VENV={tmp_path}/venv'], cwd=ROOT, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
            env={**FRESH, **no_network, 'PIP_INDEX_URL': f'http://127.0.0.1:{hanging.getsockname()[1]}/'})
        hanging.settimeout(60)
        hanging.accept()  # pip asks for the first library
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode != 0
    assert 'Traceback' not in said
    assert make('-q', f'{tmp_path}/venv/ready', f'VENV={tmp_path}/venv').returncode == 1


def test_make_copies_settings_that_have_changed_and_installs_nothing_again(tmp_path):
    (tmp_path / 'installed').touch()
    ready = make(f'{tmp_path}/ready', f'VENV={tmp_path}')
    assert (ready.returncode, ready.stdout, ready.stderr) == (0, '', '')
    for path in (ROOT / 'settings/etc').rglob('*.json'):
        assert (tmp_path / path.relative_to(ROOT / 'settings')).read_text() == path.read_text()
    assert make('-q', f'{tmp_path}/ready', f'VENV={tmp_path}').returncode == 0
    os.utime(tmp_path / 'ready', (0, 0))
    assert make('-q', f'{tmp_path}/ready', f'VENV={tmp_path}').returncode == 1


@pytest.mark.parametrize(('flags', 'port'), [
    ('', '--port=8888'), ('--port=8991', '--port=8991'), ('--no-browser --port 8991', '--port 8991')])
def test_a_port_among_the_flags_replaces_the_usual_one(tmp_path, flags, port):
    (tmp_path / 'ready').touch()
    os.utime(tmp_path / 'ready', (2 ** 33, 2 ** 33))
    said = make('-n', 'lab', f'VENV={tmp_path}', f'LABFLAGS={flags}').stdout
    assert re.findall(r'--port[= ]\d+', said) == [port]


def test_make_alone_lists_the_targets():
    assert 'make lab' in make().stdout


def test_every_file_that_the_prose_names_exists():
    named = {path.name for path in committed()}
    of_nova = {'pipeline.py', 'objects.py', 'exception.py'}  # their banners and docstrings name files of Nova
    for path in [*ROOT.glob('explorer/**/*.py'), *ROOT.glob('explorer/**/*.js'), *ROOT.glob('*.md')]:
        text = path.read_text(encoding='utf-8')
        for name in re.findall(r'\bexplorer/[\w/]+\.(?:py|js|css|json|txt)\b', text):
            assert (ROOT / name).exists(), f'{path.name}: {name}'
        for name in re.findall(r'(?<![\w/.])(\w+\.py)\b', text) if path.name not in of_nova else ():
            assert name in named, f'{path.name}: {name}'
