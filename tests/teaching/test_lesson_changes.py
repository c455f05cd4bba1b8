"""Answers cannot go stale: if the path or the client changes, a task gets another answer or reports that it has none.

Each change is made in a copy of the package, which runs in a process of its own that has already loaded the libraries.
"""

import json
import shutil
import textwrap

import pytest

from explorer.teaching.catalogue import TASKS
from explorer.teaching.judging import keys
from tests import forks
from tests.conftest import ROOT

# What is changed: (file, old text, new text, tasks that have to notice). A program changes novaclient instead.
CHANGES = {
    'rule: locks hold for administrators': (
        'pipeline.py', 'if instance.locked and not context.is_admin:', 'if instance.locked:',
        {'compute-api.predict', 'closing.foretell-2'}),
    'rule: a manager may name a host': (
        'objects.py', "migrate_live:host', 'rule:context_is_admin'",
        "migrate_live:host', 'rule:project_manager_or_admin'", {'controller.predict'}),
    'rule: a member may migrate': (
        'objects.py', "os-migrate-server:migrate_live', 'rule:project_manager_or_admin'",
        "os-migrate-server:migrate_live', '@'", {'closing.foretell-1'}),
    'rule: a lock holds for nobody': (
        'pipeline.py', 'if instance.locked and not context.is_admin:', 'if False:',
        {'closing.pause-locked', 'closing.diagnose-4'}),
    'rule: a pause is for administrators': (
        'objects.py', "os-pause-server:pause', 'rule:project_member_or_admin'",
        "os-pause-server:pause', 'rule:context_is_admin'", {'closing.pause-member'}),
    'payload: a pause goes to the conductor': (
        'pipeline.py', "messaging.Target(topic='compute', version='6.0')",
        "messaging.Target(topic='conductor', version='6.0')", {'closing.pause-whom'}),
    'rule: cast from 2.40 on': (
        'pipeline.py', "async_ = is_supported(req, '2.34')", "async_ = is_supported(req, '2.40')",
        {'controller.look-text', 'conductor-api.look-text', 'conductor-api.look-purpose', 'conductor-api.change'}),
    'rule: cast from 2.26 on': (
        'pipeline.py', "async_ = is_supported(req, '2.34')", "async_ = is_supported(req, '2.26')",
        {'rpc.recall', 'rpc.change', 'conductor-api.check', 'closing.foretell-2', 'closing.foretell-5',
         'closing.diagnose-2'}),
    'rule: a named host is forced as long as it can be': (
        'pipeline.py', 'if force is False and host_name:', 'if force is None and host_name:',
        {'conductor-api.predict', 'conductor-api.look-happened'}),
    'rule: any version will do': (
        'pipeline.py', 'if not self.api_version_request.matches(lowest, highest):', 'if False:', {'routes.change'}),
    'rule: the default is the newest version': (
        'pipeline.py', 'self.api_version_request = APIVersionRequest(DEFAULT_API_VERSION)',
        'self.api_version_request = highest', {'conductor-api.recall'}),
    'rule: no condition when the mark is written': (
        'pipeline.py', "        instance.task_state = 'migrating'\n        instance.save(expected_task_state=[None])",
        "        instance.task_state = 'migrating'\n        instance.save()",
        {'compute-api.look-purpose', 'compute-api.say', 'compute-api.check'}),
    'rule: two keys, and the first counts': (
        'pipeline.py', 'if len(decoded) != 1:', 'if not decoded:',
        {'compute-api.recall', 'routes.check', 'routes.look-purpose'}),
    'rule: one may force without a host': (
        'pipeline.py', 'if force is True and not host:', 'if False:', {'closing.foretell-6'}),
    'payload: auto goes on as False': (
        'pipeline.py', "block_migration == 'auto':\n            block_migration = None",
        "block_migration == 'auto':\n            block_migration = False", {'controller.change'}),
    'payload: another version of the message': (
        'pipeline.py', "version = '1.15'", "version = '1.26'", {'rpc.look-purpose'}),
    'payload: another queue': (
        'pipeline.py', "RPC_TOPIC = 'conductor'", "RPC_TOPIC = 'compute_task'", {'rpc.look-text', 'rpc.say'}),
    'payload: another method is called': (
        'pipeline.py', "cctxt.call(context, 'migrate_server'", "cctxt.call(context, 'migrate_server_anew'",
        {'rpc.change'}),
    'payload: the API picks a host': (
        'pipeline.py', 'context, instance, host_name, block_migration=',
        "context, instance, host_name or 'host2', block_migration=", {'compute-api.look-happened'}),
    'payload: another action for the path': (
        'pipeline.py', "('/servers/{id}/action', {'POST': [server_controller, 'action']})",
        "('/servers/{id}/action', {'POST': [server_controller, '_act']})", {'routes.look-text', 'routes.say'}),
    'payload: a request id of its own for the message': (
        'pipeline.py', "        context = req.environ['nova.context']\n        # The",
        "        context = req.environ['nova.context']\n        context.request_id = 'req-other'\n        # The",
        {'service.look-purpose'}),
    'payload: an id that is not in the target': (
        'pipeline.py', "target={'project_id': instance.project_id})\n\n        block",
        "target={'project_id': context.project_id + 'x'})\n\n        block", {'controller.look-purpose'}),
    'edge: the token is looked at before the size': (
        'pipeline.py', "'sizelimit', 'osprofiler',\n                'authtoken',",
        "'authtoken', 'sizelimit', 'osprofiler',\n                ", {'service.check', 'service.look-happened'}),
    'edge: the guard of shares stands further in': (
        'pipeline.py',
        '    @block_shares_not_supported()\n    @block_extended_resource_request\n    @block_port_accelerators()\n',
        '    @block_extended_resource_request\n    @block_port_accelerators()\n',
        {'compute-api.look-text', 'compute-api.change'}),
    'edge: the stack of schemas is gone': (
        'pipeline.py', "    @schema(migrate_live_v2_68, '2.68')\n", '',
        {'controller.look-happened', 'controller.check', 'routes.look-purpose'}),
    'edge: an unknown token is a person without rights': (
        'pipeline.py', "raise webob.exc.HTTPUnauthorized(", "raise webob.exc.HTTPForbidden(",
        {'service.predict', 'service.change', 'controller.recall'}),
    'edge: the request spec is read after the mark': (
        'pipeline.py',
        "        request_spec = objects.RequestSpec.get_by_instance_uuid(context, instance.uuid)\n"
        "        instance.task_state = 'migrating'\n"
        "        instance.save(expected_task_state=[None])\n",
        "        instance.task_state = 'migrating'\n        instance.save(expected_task_state=[None])\n"
        "        request_spec = objects.RequestSpec.get_by_instance_uuid(context, instance.uuid)\n",
        {'closing.diagnose-1'}),
    'edge: no host is looked up': (
        'pipeline.py', 'nodes = objects.ComputeNodeList.get_all_by_host(context, host_name)', 'nodes = []',
        {'closing.foretell-4'}),
    'edge: the mark is taken back if the bus is broken': (
        'pipeline.py', '        except messaging.MessagingTimeout as messaging_timeout:',
        "        except messaging.MessageDeliveryFailure:\n            instance.task_state = None\n"
        "            instance.save()\n            raise\n"
        '        except messaging.MessagingTimeout as messaging_timeout:',
        {'rpc.predict'}),
    'edge: the body is peeked at once more': (
        'pipeline.py', "action_name = action_peek(body) if action == 'action' else action",
        "action_name = action_peek(body) and action_peek(body)", {'routes.look-happened'}),
    'edge: an action that does not exist has no route': (
        'pipeline.py', 'return self.wsgi_actions[action_name]',
        "return self.wsgi_actions.get(action_name, list(self.wsgi_actions.values())[0])", {'routes.predict'}),
    'edge: the context is made by another filter': (
        'pipeline.py', "req.environ['nova.context'] = ctx", "req.environ['nova.ctx'] = ctx",
        {'service.look-text', 'service.say'}),
    'edge: errors of a call are not told': (
        'pipeline.py', '            if async_:\n                LOG.error',
        '            if True:\n                LOG.error', {'conductor-api.look-purpose', 'conductor-api.say'}),
    'edge: whoever is from elsewhere sees all servers': (
        'objects.py', 'return statement if context.is_admin else statement', 'return statement if True else statement',
        {'controller.look-purpose'}),
    'rule: nobody may list servers': (
        'objects.py', "servers:index', 'rule:project_reader_or_admin'", "servers:index', '!'", {'closing.diagnose-3'}),
    'rule: naming a host is no right of its own': (
        'pipeline.py', "rule = 'migrate_live:host' if host else 'migrate_live'", "rule = 'migrate_live'",
        {'controller.say', 'controller.predict'}),
    'edge: administrators see the servers of their project': (
        'objects.py', 'return statement if context.is_admin else statement',
        'return statement if False else statement', {'closing.foretell-3'}),
    'edge: the guards of state and lock change places': (
        'pipeline.py', "    @check_instance_lock\n    @check_instance_state(vm_state=['active', 'paused'])",
        "    @check_instance_state(vm_state=['active', 'stopped'])",
        {'compute-api.predict', 'closing.diagnose-4', 'closing.foretell-2', 'compute-api.look-text'}),
    'edge: nobody tells the client that an order came to nothing, for it does not': (
        'pipeline.py', 'self._build_live_migrate_task(', '(lambda *args: None)(', {'rpc.look-happened', 'rpc.check'}),
}
PROGRAMS = {
    'client: it knows no version after 2.24': ('''
        import novaclient; from novaclient import api_versions
        novaclient.API_MAX_VERSION = api_versions.APIVersion('2.24')''', {'client.look-purpose', 'client.change'}),
    'client: it knows the newest of the API': ('''
        import novaclient; from novaclient import api_versions
        novaclient.API_MAX_VERSION = api_versions.APIVersion('2.104')''', {'client.look-purpose'}),
    'client: it asks for the server once more': ('''
        from novaclient.v2 import shell
        find = shell._find_server
        shell._find_server = lambda cs, server, **more: find(cs, find(cs, server, **more).id, **more)''',
        {'client.predict', 'client.say'}),
    'client: it knows no version before 2.25': ('''
        import novaclient; from novaclient import api_versions
        novaclient.API_MIN_VERSION = api_versions.APIVersion('2.25')''', {'client.check'}),
    'client: another key': ('''
        from novaclient.v2 import servers
        act = servers.ServerManager._action
        servers.ServerManager._action = lambda self, action, *more, **kw: act(
            self, action.replace('migrateLive', 'moveLive'), *more, **kw)''',
        {'client.look-text', 'routes.recall'}),
    'client: no header of a microversion': ('''
        from novaclient import api_versions
        api_versions.update_headers = lambda headers, version: None''', {'client.look-happened'}),
}

BROKEN = {
    'it raises what it should not': ("host = body['os-migrateLive']['host']", "host = body['os-migrateLive']['hosts']"),
    'a name is missing': ('    scheduler_hint = ', '    scheduler_hints = '),
    'a filter is broken': (
        '        ctx.api_database = self.api_database', '        ctx.api_database = self.api_databases'),
    'it ends the process': ("        host = body['os-migrateLive']['host']", '        raise SystemExit(3)'),
    'the wiring is broken': ('def init_application(api_database, transport, tokens):',
                             'def init_application(api_database, transport, tokens):\n    1 / 0'),
    'a station has another name': ('def action_peek(body):', 'def action_peeks(body):')}
LEARNER = """
    from explorer import Lesson
    from explorer.teaching.catalogue import QUESTIONS
    lesson = Lesson('mine.json')
    print(lesson.journey(), lesson.progress(), lesson.myths())
    for leg in QUESTIONS:
        print(lesson.ask(leg), lesson.here(leg))
    for key in ('client.predict', 'controller.predict', 'routes.check', 'closing.foretell-1', 'rpc.say'):
        print(lesson.answer(key, 'a'), lesson.hint(key), lesson.solution(key))"""


def keys_of(names):
    """Write the program that answers tasks and prints how."""
    return f'import json; from explorer.teaching.judging import keys; print(json.dumps(keys(*{sorted(names)!r})))'


def ran(folder, program):
    """Run a program in a folder; return what it printed."""
    done = forks.run(textwrap.dedent(program), cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def changed(folder, file, old, new):
    """Copy the package into a folder, and change it there."""
    shutil.copytree(ROOT / 'explorer', folder / 'explorer')
    path = folder / 'explorer' / file
    text = path.read_text()
    assert old in text, f'{file} no longer says {old!r}'
    path.write_text(text.replace(old, new, 1))
    return folder


@pytest.fixture(scope='session')
def today():
    return json.loads(json.dumps(keys()))


def notices(said, names, today):
    found = json.loads(said.splitlines()[-1])
    assert set(found) == names
    for key, told in found.items():
        assert told != today[key], f'{key} has not noticed'
        assert 'stale' not in told or 'cannot be' in told['stale']


@pytest.mark.parametrize(('file', 'old', 'new', 'names'), CHANGES.values(), ids=CHANGES)
def test_a_change_of_the_path_changes_or_removes_the_key_of_a_question(tmp_path, today, file, old, new, names):
    notices(ran(changed(tmp_path, file, old, new), keys_of(names)), names, today)


@pytest.mark.parametrize(('program', 'names'), PROGRAMS.values(), ids=PROGRAMS)
def test_a_change_of_the_client_changes_or_removes_the_key_of_a_question(today, program, names):
    notices(ran(ROOT, f'{textwrap.dedent(program)}\n{keys_of(names)}'), names, today)


@pytest.mark.parametrize(('old', 'new'), BROKEN.values(), ids=BROKEN)
def test_a_broken_path_is_reported_without_a_traceback(tmp_path, old, new):
    assert 'cannot be' in ran(changed(tmp_path, 'pipeline.py', old, new), LEARNER)


def test_every_task_is_in_one_of_these_changes():
    noticing = set().union(*(change[-1] for change in (*CHANGES.values(), *PROGRAMS.values())))
    assert set(TASKS) - noticing == set()
