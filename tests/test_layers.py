"""The structure: imports point down, the path does not import the hook, and names load on demand."""

import ast
import collections
import lzma
import pathlib
import re
import subprocess

import pytest

import explorer
from tests import forks, house
from tests.conftest import ROOT
from tests.house import PACKAGE

# What each room may import: in the core only the rooms listed here, elsewhere all rooms before it.
CORE = {
    'libraries': set(), 'exception': set(), 'payloads': set(), 'stations': set(), 'errors': {'libraries'},
    'bus': {'libraries'}, 'queries': {'exception'}, 'objects': {'exception', 'libraries', 'queries'},
    'pipeline': {'bus', 'exception', 'libraries', 'objects', 'queries'},
    'snapshots': {'payloads', 'stations'}, 'explorations': {'errors', 'payloads', 'stations'},
    'trace': {'errors', 'explorations', 'payloads', 'snapshots', 'stations'}}
# Each package may import the core and the packages before it, except those in APART.
PACKAGES = ('engines', 'views', 'player', 'teaching', 'commands', '__main__')
APART = {'commands': {'teaching'}}
PATH = ('pipeline', 'objects', 'queries', 'bus', 'exception', 'libraries')


def test_imports_point_down():
    edges = house.graph(house.room)
    assert set(edges) == {*CORE, *PACKAGES}
    for number, package in enumerate(PACKAGES):
        assert edges[package] <= {*CORE, *PACKAGES[:number]} - APART.get(package, set()), package
    for name, allowed in CORE.items():
        assert edges[name] <= allowed, name


def test_the_structure_can_be_seen_at_a_glance():
    rooms = house.graph(house.room)
    assert len(house.longest_chain(rooms)) <= 9
    assert sum(map(len, rooms.values())) <= 80
    for package in PACKAGES[:-1]:
        assert 1 <= len(house.longest_chain(house.graph(house.within(package)))) <= 5, package


def test_a_circle_of_imports_is_found():
    assert house.longest_chain({'a': {'b'}, 'b': {'c'}, 'd': {'c'}}) == ['a', 'b', 'c']
    with pytest.raises(ValueError, match='circular import: a -> b -> a'):
        house.longest_chain({'a': {'b'}, 'b': {'a'}})


def test_a_public_name_is_defined_once():
    homes = collections.defaultdict(set)
    for path in house.files():
        if 'in_nova' not in path.parts:  # its names are Nova's
            for name in house.defined(ast.parse(path.read_text())):
                homes[name].add(path.stem)
    homes['LEG'] = set()  # each file of questions has one
    homes['LOG'] = set()  # on the path, as in Nova
    assert {name: found for name, found in homes.items() if len(found) > 1 and name[0] != '_'} == {}


def test_functions_are_small():
    sizes = sorted(size for path in house.files() for _, size in house.functions(ast.parse(path.read_text())))
    assert sizes[len(sizes) // 2] <= 3
    assert sizes[len(sizes) * 9 // 10] <= 11
    assert sizes[-1] <= 30


def test_only_statements_that_do_something_are_counted():
    tree = ast.parse("import a\n\nclass B(TypedDict):\n    c: int\n\ndef d():\n    'e'\n    f: int\n    return 1\n")
    assert house.statements(tree) == 2  # def and return
    assert list(house.functions(tree)) == [('d', 1)]


INITS = [path for path in house.files() if path.stem == '__init__' and path.parent != house.PACKAGE]


@pytest.mark.parametrize('init', INITS, ids=lambda path: path.parent.stem)
def test_a_package_itself_is_only_a_docstring(init):
    assert [type(node).__name__ for node in ast.parse(init.read_text()).body] == ['Expr']


@pytest.mark.parametrize('name', ['worker', 'stand_ins'])
def test_what_runs_in_the_real_novas_process_does_not_import_our_path(name):
    allowed = {'engines/runner.py', 'engines/cloud.py', 'engines/in_nova/stand_ins.py', 'bus.py', 'errors.py',
               'explorations.py', 'libraries.py', 'stations.py', 'trace.py'}
    assert house.imports(PACKAGE / f'engines/in_nova/{name}.py') <= allowed
    loaded, todo = set(), [PACKAGE / f'engines/in_nova/{name}.py']
    while todo:
        new = {PACKAGE / other for other in house.imports(todo.pop())} - loaded
        loaded |= new
        todo += new
    assert not {path.stem for path in loaded} & {'pipeline', 'objects', 'exception', 'seeds', 'miniature'}


@pytest.mark.parametrize('name', PATH)
def test_the_path_does_not_know_that_it_is_watched(name):
    text = (PACKAGE / f'{name}.py').read_text()
    assert {other.removesuffix('.py') for other in house.imports(PACKAGE / f'{name}.py')} <= set(PATH)
    assert not re.search(r'settrace|sys\.monitoring|Recorder', text)


def test_the_hook_does_not_know_the_path():
    assert not house.graph(house.room)['trace'] & {'pipeline', 'objects', 'bus', 'exception'}


def test_a_student_can_delete_the_hook_and_still_run_the_path(tmp_path, python):
    import shutil
    shutil.copytree(PACKAGE, tmp_path / 'explorer')
    for name in ('trace', 'snapshots', 'payloads', 'engines/runner', 'engines/running', 'engines/miniature'):
        (tmp_path / f'explorer/{name}.py').unlink()
    for package in ('views', 'player', 'teaching'):
        shutil.rmtree(tmp_path / 'explorer' / package)
    said = python(f'''
import sys; sys.path.insert(0, {str(tmp_path)!r})
import webob
from explorer import objects, pipeline
from explorer.commands import serve
from explorer.engines import cloud
assert pipeline.__file__.startswith({str(tmp_path)!r})
there = cloud.Cloud()
database = objects.database('sqlite:///{tmp_path}/nova.db')
serve.seed(database, there)
transport = pipeline.create_transport('memory://')
application = pipeline.init_application(database, transport, serve.tokens(there))
request = webob.Request.blank('/v2.1/servers/' + there.servers['web-1'] + '/action', method='POST', headers={{
    'X-Auth-Token': 'admin', 'OpenStack-API-Version': 'compute 2.34'}})
request.json = {{'os-migrateLive': {{'host': None, 'block_migration': 'auto'}}}}
print(request.get_response(application).status_int)
''')
    assert said == '202\n'


NAMES = ['Scenario', 'explore', 'run', 'flowchart', 'Trace', 'EXPLORATIONS', 'STATIONS', 'judge']


@pytest.mark.parametrize('name', NAMES)
def test_each_public_name_can_be_imported_first(name):
    done = forks.run(f'from explorer import {name}; print({name}.__class__.__name__)')
    assert done.stdout.strip() not in ('', 'module'), done.stderr


# Import the first name, and then each of the others; in a forked child if that loads anything. Print what goes wrong.
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
MODULES = ['.'.join(path.relative_to(ROOT).with_suffix('').parts) for path in house.files()
           if path.stem not in ('__init__', '__main__') and path.parent.stem != 'in_nova']
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
    """Return the files of the repository; without git, those that seem to belong to it."""
    try:
        listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split()
    except FileNotFoundError:
        listed = []
    made = {'build', '__pycache__', '.git'}

    def is_made(part):
        return part in made or part.startswith('.venv') or part.endswith('.egg-info')
    return [ROOT / name for name in listed] or [
        path for path in ROOT.rglob('*') if path.is_file() and not any(map(is_made, path.relative_to(ROOT).parts))]


def text_of(path):
    return (lzma.decompress(path.read_bytes()) if path.suffix == '.xz' else path.read_bytes()).decode()


def test_no_file_names_a_machine():
    for path in committed():
        if path.is_file() and path.name != 'test_layers.py' and path.suffix != '.png':
            text = text_of(path)
            assert not re.search(r'/(root|home|work|tmp)/\w|\.library|pypi-more', text), path


def test_no_code_reads_the_shared_folder():
    for path in [*PACKAGE.glob('*'), *pathlib.Path(ROOT / 'tests').glob('*.py')]:
        if path.is_file() and path.name != 'test_layers.py':
            assert '../shared' not in text_of(path)
