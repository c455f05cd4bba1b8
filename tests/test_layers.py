"""The house: imports point down, the path knows nothing of the hook, and names load when they are asked for."""

import ast
import lzma
import pathlib
import re
import subprocess

import pytest

import explorer
from tests import forks
from tests.conftest import ROOT

PACKAGE = ROOT / 'explorer'
# From the top of the house to its ground; a module imports from below its own floor, or along it in this order.
FLOORS = (
    ('__main__',), ('bench',), ('lesson', 'presenter', 'export'), ('teaching',), ('cards',), ('judging',), ('questions',), ('closing',),
    ('tasks', 'reading'),
    ('player', 'services', 'conform'), ('content',), ('comparison', 'what_if'), ('views', 'engines', 'flowcharts'), ('sources', 'recordings', 'besides'), ('real_nova',),
    ('runner', 'seeds'), ('client',), ('explorations', 'trace', 'http_server', 'pipeline', 'progress'), ('snapshots', 'folders', 'payloads'), ('shapes', 'objects', 'cloud', 'history'),
    ('stations', 'bus'), ('libraries', 'exception'))
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
ALONG = {('views', 'flowcharts')}


def imports(path):
    """Give the modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'explorer':
            parts = node.module.split('.')[1:]
            found |= set(parts[:1]) or {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split('.')[1] for alias in node.names if alias.name.startswith('explorer.')}
    return found


def test_every_module_has_its_floor():
    assert {path.stem for path in PACKAGE.glob('*.py')} - {'__init__'} == set(FLOOR)


@pytest.mark.parametrize('name', sorted(FLOOR))
def test_imports_point_down(name):
    for other in imports(PACKAGE / f'{name}.py'):
        assert FLOOR[other] > FLOOR[name] or (name, other) in ALONG, f'{name} imports {other}'


@pytest.mark.parametrize('path', sorted(PACKAGE.glob('in_nova/*.py')), ids=lambda path: path.stem)
def test_what_runs_in_the_process_of_the_real_nova_knows_nothing_of_our_path(path):
    assert imports(path) <= {'in_nova', 'runner', 'explorations', 'trace', 'cloud', 'bus', 'libraries', 'stations'}


@pytest.mark.parametrize('name', ['pipeline', 'objects', 'bus', 'exception', 'libraries'])
def test_the_path_does_not_know_that_it_is_watched(name):
    text = (PACKAGE / f'{name}.py').read_text()
    assert imports(PACKAGE / f'{name}.py') <= {'objects', 'exception', 'bus', 'libraries'}
    assert not re.search(r'settrace|sys\.monitoring|Recorder', text)


def test_the_hook_does_not_know_the_path():
    assert imports(PACKAGE / 'trace.py') == {'payloads', 'shapes', 'snapshots', 'stations'}


def test_a_student_can_delete_the_hook_and_still_run_the_path(tmp_path, python):
    import shutil
    shutil.copytree(PACKAGE, tmp_path / 'explorer')
    for name in ('trace', 'snapshots', 'payloads', 'player', 'export', 'content', 'comparison', 'what_if', 'views', 'flowcharts', 'engines', 'runner'):
        (tmp_path / f'explorer/{name}.py').unlink()
    said = python(f'''
import sys; sys.path.insert(0, {str(tmp_path)!r})
import webob
from explorer import cloud, objects, pipeline, services
assert pipeline.__file__.startswith({str(tmp_path)!r})
there = cloud.Cloud()
database = objects.database('sqlite:///{tmp_path}/nova.db')
services.seed(database, there)
transport = pipeline.create_transport('memory://')
application = pipeline.init_application(database, transport, services.tokens(there))
request = webob.Request.blank('/v2.1/servers/' + there.servers['web-1'] + '/action', method='POST', headers={{
    'X-Auth-Token': 'admin', 'OpenStack-API-Version': 'compute 2.34'}})
request.json = {{'os-migrateLive': {{'host': None, 'block_migration': 'auto'}}}}
print(request.get_response(application).status_int)
''')
    assert said == '202\n'


NAMES = ['Scenario', 'explore', 'run', 'flowchart', 'Trace', 'EXPLORATIONS', 'STATIONS']


@pytest.mark.parametrize('name', NAMES)
def test_each_public_name_can_be_imported_first(name):
    done = forks.run(f'from explorer import {name}; print({name}.__class__.__name__)')
    assert done.stdout.strip() not in ('', 'module'), done.stderr


# Imports the first, and then each of the others, in a child of a fork where that runs anything; prints what goes wrong.
PAIRS = '''
import importlib, os, sys
first, others = {first!r}, {others!r}
def load(name):
    home, _, rest = name.partition(':')
    found = importlib.import_module(home)
    return getattr(found, rest) if rest else found
def is_module(name):
    return type(load(name)).__name__ == 'module'
load(first)
for other in others:
    if other in sys.modules:
        assert not is_module(first), other
        continue
    child = os.fork()
    if not child:
        load(other)
        os._exit(is_module(first if ':' in first else other))
    if os.waitpid(child, 0)[1]:
        print(first, other)
'''
MODULES = [f'explorer.{path.stem}' for path in sorted(PACKAGE.glob('*.py')) if path.stem not in ('__init__', '__main__')]
PUBLIC = [f'explorer:{name}' for name in NAMES]


@pytest.mark.parametrize('first', [*MODULES, *PUBLIC])
def test_each_public_name_can_be_imported_before_and_after_every_submodule(first):
    done = forks.run(PAIRS.format(first=first, others=PUBLIC if first in MODULES else MODULES))
    assert (done.returncode, done.stdout) == (0, ''), done.stderr


def test_importing_the_package_loads_neither_pandas_nor_widgets(python):
    loaded = python('import sys, explorer; print(*sys.modules)').split()
    assert not {'pandas', 'ipywidgets', 'sqlalchemy', 'graphviz'} & set(loaded)
    loaded = python('import sys; from explorer import run; run(); print(*sys.modules)').split()
    assert not {'pandas', 'ipywidgets'} & set(loaded)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'moon'"):
        explorer.moon  # noqa: B018


def committed():
    """List the files of the repository; without git, those that look like it."""
    try:
        listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split()
    except FileNotFoundError:
        listed = []
    made = {'build', '__pycache__', '.git'}
    return [ROOT / name for name in listed] or [
        path for path in ROOT.rglob('*')
        if path.is_file() and not any(part in made or part.startswith('.venv') or part.endswith('.egg-info') for part in path.relative_to(ROOT).parts)]


def text_of(path):
    return (lzma.decompress(path.read_bytes()) if path.suffix == '.xz' else path.read_bytes()).decode()


def test_no_file_names_a_machine():
    for path in committed():
        if path.is_file() and path.name != 'test_layers.py' and path.suffix != '.png':
            text = text_of(path)
            assert not re.search(r'/(root|home|work|tmp)/\w|\.library|pypi-more', text), path


def test_the_article_is_not_copied_and_the_shared_folder_not_read():
    for path in [*PACKAGE.glob('*'), *pathlib.Path(ROOT / 'tests').glob('*.py')]:
        if path.is_file() and path.name != 'test_layers.py':
            assert '../shared' not in text_of(path)
