"""Answers can't go stale: a change of the path changes the answers, or says that a task has none."""

import json
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

from explorer import Scenario, bare
from explorer.judging import judge, keys
from explorer.questions import TASKS
from explorer.tasks import LETTERS, Build, Choice, Foretell, Sentence, Short
from tests.conftest import ROOT

TODAY = keys()
GUIDE = (ROOT / 'INSTRUCTOR.md').read_text()
EACH = pytest.mark.parametrize('task', TASKS.values(), ids=list(TASKS))


@EACH
def test_every_task_is_answered_by_the_path_of_today(task):
    assert 'stale' not in TODAY[task.key]


@EACH
def test_a_right_answer_is_right_and_explained(task):
    verdict = judge(task.key, task.solution())
    if isinstance(task, Sentence):
        assert (verdict.right, bool(verdict)) == (None, False)
    else:
        assert verdict.right is True, verdict
        assert verdict
    assert TODAY[task.key]['told'] in verdict.says


WRONG = {'check': Scenario(caller='no_roles', state={'vm_state': 'error'})}


def wrong_answers(task):
    """Give answers to a task that are wrong, each of another kind."""
    if isinstance(task, Choice):
        return [letter for letter in LETTERS[:len(task.options)] if letter != task.right()]
    if isinstance(task, Short):
        return ['something else', 17]
    if isinstance(task, Build):
        return [WRONG['check']]
    if isinstance(task, Foretell):
        true = task.solution()
        return [{**true, 'status': 418}, {**true, 'message': 'call' if true['message'] == 'none' else 'none'}, {**true, 'task_state': 'nowhere'}]
    return []


@pytest.mark.parametrize(('task', 'answer'), [(task, answer) for task in TASKS.values() for answer in wrong_answers(task)],
                         ids=lambda value: getattr(value, 'key', None) or str(value)[:20])
def test_a_wrong_answer_is_wrong_and_says_why(task, answer):
    verdict = judge(task.key, answer)
    assert verdict.right is False
    assert verdict.says.startswith('Not so.')
    if isinstance(task, Choice | Foretell):
        assert TODAY[task.key]['told'] in verdict.says
    else:  # there is still something to find out
        assert TODAY[task.key]['told'] not in verdict.says
    if isinstance(task, Choice):
        but = task.options[LETTERS.index(answer)].but.format(**task.found())
        assert len(but) > 10
        assert but in verdict.says
    if isinstance(task, Build):
        assert len(verdict.says) > len('Not so. ')


@pytest.mark.parametrize('task', [task for task in TASKS.values() if isinstance(task, Foretell)], ids=lambda task: task.key)
def test_each_part_of_what_is_foretold_is_judged_by_itself(task):
    true = task.solution()
    assert judge(task.key, **true)
    assert 'status is not 418' in judge(task.key, **{**true, 'status': 418}).says.lower()


@EACH
def test_hints_are_three_and_there_where_something_is_to_be_found_out(task):
    assert len(task.hints) == (3 if isinstance(task, Build | Short) else 0)
    filled = [hint.format(**task.found()) for hint in task.hints]
    assert len(set(filled)) == len(filled)
    for hint in filled[:2]:  # the first two don't give it away
        assert str(TODAY[task.key]['answer']) not in hint


class Hostile:
    """An answer that fights back."""

    def __repr__(self):
        raise RuntimeError('no')

    __str__ = __iter__ = __eq__ = __hash__ = __repr__


class Text(str):
    def strip(self, *_):
        raise RuntimeError('no')


DEEP = []
DEEP.append(DEEP)

ODD = [Hostile(), Text('a'), 10**5000, '\ud800', bare({'a': {1, 2}}), bare({1: 1, 'a': 2}), bare(DEEP), bare('x' * 500_000),
       Scenario(state={'power_state': 10**30}), Scenario(state={'vm_state': '\ud800'}), 'x' * 1_000_000,
       {'status': '²', 'message': 'none', 'task_state': 'none'}, {'status': 10**5000, 'message': 'none', 'task_state': 'x' * 5000}, None, ..., 5, 5.5, True, [], {}, '', '  ', 'e', 'ab', 'abcd', '\x00', 'x' * 100_000, b'a', object(), Scenario, {'status': 1}, {'answer': 'a'},
       lambda: 'a', ['a'], float('nan'), '🙂', {'caller': 'nobody'}, {'moon': 1}, 'nova live-migration', 'rm -rf', "nova live-migration 'web"]


@EACH
@pytest.mark.parametrize('answer', ODD, ids=range(len(ODD)))
def test_an_answer_of_the_wrong_kind_gets_a_friendly_line(task, answer):
    verdict = judge(task.key, answer)
    assert verdict.right is not True
    assert 0 < len(verdict.says) < 1500
    assert 'Traceback' not in verdict.says


@pytest.mark.parametrize('key', [Hostile(), 'client', 'client.look', 'moon', '', 'client.', None, 5, ['client.predict'], 'client.predict\n'], ids=range(10))
def test_what_is_no_task_gets_a_line_with_those_there_are(key):
    verdict = judge(key, 'a')
    assert verdict.right is None
    assert re.search('there are|give one of', verdict.says)


def test_a_choice_is_read_as_people_write_it():
    letter = TASKS['client.predict'].right()
    for written in (letter.upper(), f' {letter} ', f'({letter})', f'{letter}.'):
        assert judge('client.predict', written)


def test_a_request_may_be_a_scenario_a_dict_a_command_or_a_trace():
    from explorer import run
    scenario = Scenario(microversion='2.24')
    for answer in (scenario, {'microversion': '2.24'}, 'nova --os-compute-api-version 2.24 live-migration web-1', run(scenario)):
        assert judge('client.check', answer)


def test_a_request_that_the_client_refuses_is_told_so_and_the_next_works():
    assert 'the nova client refuses' in judge('client.check', Scenario(force=True)).says
    assert judge('client.check', Scenario(microversion='2.24'))


def test_another_solution_than_ours_is_right_too():
    assert judge('routes.check', bare('no JSON at all'))
    assert judge('compute-api.check', Scenario(state={'request_spec': False}))
    assert judge('service.check', bare('y' * 114_689, caller='reader'))


def test_the_guide_for_teachers_holds_the_keys_of_today():
    for task in TASKS.values():
        told = TODAY[task.key]
        assert told['told'] in GUIDE, task.key
        if isinstance(task, Choice):
            block = GUIDE.partition(f'(`{task.key}`)')[2].partition('\n\n')[0]
            assert re.findall(r'^  - (\w) ✓', block, re.MULTILINE) == [told['answer']]


# ------------------------------------------------------------------------------------------- what a change does

# (what is changed, file, old text, new text, tasks that have to notice). In novaclient it is changed by a program instead.
CHANGES = {
    'rule: locks hold for administrators': (
        'pipeline.py', 'if instance.locked and not context.is_admin:', 'if instance.locked:', {'compute-api.predict', 'closing.foretell-2'}),
    'rule: a manager may name a host': (
        'objects.py', "migrate_live:host', 'rule:context_is_admin'", "migrate_live:host', 'rule:project_manager_or_admin'", {'controller.predict'}),
    'rule: a member may migrate': (
        'objects.py', "os-migrate-server:migrate_live', 'rule:project_manager_or_admin'", "os-migrate-server:migrate_live', '@'",
        {'closing.foretell-1'}),
    'rule: a lock holds for nobody': (
        'pipeline.py', 'if instance.locked and not context.is_admin:', 'if False:', {'closing.pause-locked', 'closing.diagnose-4'}),
    'rule: a pause is for administrators': (
        'objects.py', "os-pause-server:pause', 'rule:project_member_or_admin'", "os-pause-server:pause', 'rule:context_is_admin'", {'closing.pause-member'}),
    'payload: a pause goes to the conductor': (
        'pipeline.py', "messaging.Target(topic='compute', version='6.0')", "messaging.Target(topic='conductor', version='6.0')", {'closing.pause-whom'}),
    'rule: cast from 2.40 on': ('pipeline.py', "async_ = is_supported(req, '2.34')", "async_ = is_supported(req, '2.40')",
                                {'controller.look-text', 'conductor-api.look-text', 'conductor-api.look-purpose', 'conductor-api.change'}),
    'rule: cast from 2.26 on': ('pipeline.py', "async_ = is_supported(req, '2.34')", "async_ = is_supported(req, '2.26')",
                                {'rpc.recall', 'rpc.change', 'conductor-api.check', 'closing.foretell-2', 'closing.foretell-5', 'closing.diagnose-2'}),
    'rule: a named host is forced as long as it can be': (
        'pipeline.py', 'if force is False and host_name:', 'if force is None and host_name:',
        {'conductor-api.predict', 'conductor-api.look-happened'}),
    'rule: any version will do': (
        'pipeline.py', 'if not self.api_version_request.matches(lowest, highest):', 'if False:', {'routes.change'}),
    'rule: the default is the newest version': (
        'pipeline.py', 'self.api_version_request = APIVersionRequest(DEFAULT_API_VERSION)', 'self.api_version_request = highest',
        {'conductor-api.recall'}),
    'rule: no condition when the mark is written': (
        'pipeline.py', "        instance.task_state = 'migrating'\n        instance.save(expected_task_state=[None])",
        "        instance.task_state = 'migrating'\n        instance.save()", {'compute-api.look-purpose', 'compute-api.say', 'compute-api.check'}),
    'rule: two keys, and the first counts': (
        'pipeline.py', 'if len(decoded) != 1:', 'if not decoded:', {'compute-api.recall', 'routes.check', 'routes.look-purpose'}),
    'rule: one may force without a host': (
        'pipeline.py', 'if force is True and not host:', 'if False:', {'closing.foretell-6'}),
    'payload: auto goes on as False': (
        'pipeline.py', "block_migration == 'auto':\n            block_migration = None", "block_migration == 'auto':\n            block_migration = False",
        {'controller.change'}),
    'payload: another version of the message': ('pipeline.py', "version = '1.15'", "version = '1.26'", {'rpc.look-purpose'}),
    'payload: another queue': ('pipeline.py', "RPC_TOPIC = 'conductor'", "RPC_TOPIC = 'compute_task'", {'rpc.look-text', 'rpc.say'}),
    'payload: another method is called': ('pipeline.py', "cctxt.call(context, 'migrate_server'", "cctxt.call(context, 'migrate_server_anew'", {'rpc.change'}),
    'payload: the API picks a host': (
        'pipeline.py', 'context, instance, host_name, block_migration=', "context, instance, host_name or 'host2', block_migration=",
        {'compute-api.look-happened'}),
    'payload: another action for the path': (
        'pipeline.py', "('/servers/{id}/action', {'POST': [server_controller, 'action']})", "('/servers/{id}/action', {'POST': [server_controller, '_act']})",
        {'routes.look-text', 'routes.say'}),
    'payload: a request id of its own for the message': (
        'pipeline.py', "        context = req.environ['nova.context']\n        # The", "        context = req.environ['nova.context']\n        context.request_id = 'req-other'\n        # The",
        {'service.look-purpose'}),
    'payload: an id that is not in the target': (
        'pipeline.py', "target={'project_id': instance.project_id})\n\n        block", "target={'project_id': context.project_id + 'x'})\n\n        block",
        {'controller.look-purpose'}),
    'edge: the token is looked at before the size': (
        'pipeline.py', "'sizelimit', 'osprofiler',\n                'authtoken',", "'authtoken', 'sizelimit', 'osprofiler',\n                ", {'service.check', 'service.look-happened'}),
    'edge: the guard of shares stands further in': (
        'pipeline.py', '    @block_shares_not_supported()\n    @block_extended_resource_request\n    @block_port_accelerators()\n',
        '    @block_extended_resource_request\n    @block_port_accelerators()\n', {'compute-api.look-text', 'compute-api.change'}),
    'edge: the stack of schemas is gone': (
        'pipeline.py', "    @schema(migrate_live_v2_68, '2.68')\n", '', {'controller.look-happened', 'controller.check', 'routes.look-purpose'}),
    'edge: an unknown token is a person without rights': (
        'pipeline.py', "raise webob.exc.HTTPUnauthorized(", "raise webob.exc.HTTPForbidden(",
        {'service.predict', 'service.change', 'controller.recall'}),
    'edge: the request spec is read after the mark': (
        'pipeline.py', "        request_spec = objects.RequestSpec.get_by_instance_uuid(context, instance.uuid)\n        instance.task_state = 'migrating'\n"
        "        instance.save(expected_task_state=[None])\n",
        "        instance.task_state = 'migrating'\n        instance.save(expected_task_state=[None])\n"
        "        request_spec = objects.RequestSpec.get_by_instance_uuid(context, instance.uuid)\n", {'closing.diagnose-1'}),
    'edge: no host is looked up': (
        'pipeline.py', 'nodes = objects.ComputeNodeList.get_all_by_host(context, host_name)', 'nodes = []', {'closing.foretell-4'}),
    'edge: the mark is taken back if the bus is broken': (
        'pipeline.py', '        except messaging.MessagingTimeout as messaging_timeout:',
        "        except messaging.MessageDeliveryFailure:\n            instance.task_state = None\n            instance.save()\n            raise\n"
        '        except messaging.MessagingTimeout as messaging_timeout:', {'rpc.predict'}),
    'edge: the body is peeked at once more': (
        'pipeline.py', "action_name = action_peek(body) if action == 'action' else action", "action_name = action_peek(body) and action_peek(body)",
        {'routes.look-happened'}),
    'edge: an action that does not exist has no route': (
        'pipeline.py', 'return self.wsgi_actions[action_name]', "return self.wsgi_actions.get(action_name, list(self.wsgi_actions.values())[0])",
        {'routes.predict'}),
    'edge: the context is made by another filter': (
        'pipeline.py', "req.environ['nova.context'] = ctx", "req.environ['nova.ctx'] = ctx", {'service.look-text', 'service.say'}),
    'edge: errors of a call are not told': (
        'pipeline.py', '            if async_:\n                LOG.error', '            if True:\n                LOG.error', {'conductor-api.look-purpose', 'conductor-api.say'}),
    'edge: whoever is from elsewhere sees all servers': (
        'objects.py', 'return statement if context.is_admin else statement', 'return statement if True else statement',
        {'controller.look-purpose'}),
    'rule: nobody may list servers': (
        'objects.py', "servers:index', 'rule:project_reader_or_admin'", "servers:index', '!'", {'closing.diagnose-3'}),
    'rule: naming a host is no right of its own': (
        'pipeline.py', "rule = 'migrate_live:host' if host else 'migrate_live'", "rule = 'migrate_live'", {'controller.say', 'controller.predict'}),
    'edge: administrators see the servers of their project': (
        'objects.py', 'return statement if context.is_admin else statement', 'return statement if False else statement', {'closing.foretell-3'}),
    'edge: the guards of state and lock change places': (
        'pipeline.py', "    @check_instance_lock\n    @check_instance_state(vm_state=['active', 'paused'])", "    @check_instance_state(vm_state=['active', 'stopped'])",
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
        shell._find_server = lambda cs, server, **more: find(cs, find(cs, server, **more).id, **more)''', {'client.predict', 'client.say'}),
    'client: it knows no version before 2.25': ('''
        import novaclient; from novaclient import api_versions
        novaclient.API_MIN_VERSION = api_versions.APIVersion('2.25')''', {'client.check'}),
    'client: another key': ('''
        from novaclient.v2 import servers
        act = servers.ServerManager._action
        servers.ServerManager._action = lambda self, action, *more, **kw: act(self, action.replace('migrateLive', 'moveLive'), *more, **kw)''',
        {'client.look-text', 'routes.recall'}),
    'client: no header of a microversion': ('''
        from novaclient import api_versions
        api_versions.update_headers = lambda headers, version: None''', {'client.look-happened'}),
}


def keys_in(folder, program, names):
    """Answer tasks in another folder's package, in a process of its own."""
    program = f'{textwrap.dedent(program)}\nimport json; from explorer.judging import keys; print(json.dumps(keys(*{sorted(names)!r})))'
    done = subprocess.run([sys.executable, '-c', program], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def assert_noticed(found):
    for key, told in found.items():
        assert told != json.loads(json.dumps(TODAY[key])), f'{key} has not noticed'
        assert 'stale' not in told or 'can not be answered any more' in told['stale']


@pytest.mark.parametrize('change', CHANGES)
def test_a_change_of_the_path_gives_a_question_another_key_or_none(tmp_path, change):
    file, old, new, names = CHANGES[change]
    shutil.copytree(ROOT / 'explorer', tmp_path / 'explorer')
    path = tmp_path / 'explorer' / file
    assert path.read_text().count(old) >= 1, f'{file} no longer says {old!r}'
    path.write_text(path.read_text().replace(old, new, 1))
    assert_noticed(keys_in(tmp_path, '', names))


BROKEN = {
    'it raises what it should not': ("host = body['os-migrateLive']['host']", "host = body['os-migrateLive']['hosts']"),
    'a name is missing': ('    scheduler_hint = ', '    scheduler_hints = '),
    'a filter is broken': ('        ctx.api_database = self.api_database', '        ctx.api_database = self.api_databases'),
    'it ends the process': ("        host = body['os-migrateLive']['host']", "        raise SystemExit(3)"),
    'the wiring is broken': ('def init_application(api_database, transport, tokens):', 'def init_application(api_database, transport, tokens):\n    1 / 0'),
    'a station has another name': ('def action_peek(body):', 'def action_peeks(body):')}


@pytest.mark.parametrize('change', BROKEN)
def test_a_path_that_was_broken_is_told_and_never_a_traceback(tmp_path, change):
    old, new = BROKEN[change]
    shutil.copytree(ROOT / 'explorer', tmp_path / 'explorer')
    path = tmp_path / 'explorer/pipeline.py'
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    program = """
        from explorer import Lesson
        from explorer.questions import SEVEN, TASKS
        lesson = Lesson('mine.json')
        print(lesson.journey(), lesson.progress(), lesson.myths())
        for leg in SEVEN:
            print(lesson.ask(leg), lesson.here(leg))
        for key in ('client.predict', 'controller.predict', 'routes.check', 'closing.foretell-1', 'rpc.say'):
            print(lesson.answer(key, 'a'), lesson.hint(key), lesson.solution(key))"""
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(program)], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'can not be' in done.stdout


@pytest.mark.parametrize('change', PROGRAMS)
def test_a_change_of_the_client_gives_a_question_another_key_or_none(change):
    program, names = PROGRAMS[change]
    assert_noticed(keys_in(ROOT, program, names))


def test_every_task_is_in_one_of_these_changes():
    noticing = set().union(*(change[-1] for change in (*CHANGES.values(), *PROGRAMS.values())))
    assert set(TASKS) - noticing == set()


@pytest.mark.parametrize('scenario', [
    Scenario(caller='no_token'), Scenario(caller='bad_token'), Scenario(caller='manager_other_project'), Scenario(microversion='2.999'),
    bare([]), bare(None), bare({'os-migrateLive': []}), bare({'os-migrateLive': None}), bare('null'), bare(''), bare({}, path='/nowhere'),
    bare({'os-migrateLive': {}}, version=None), Scenario(conductor_reply={'raise': 'ValueError'}), Scenario(state={'mapping': None}),
    bare({'pause': None})], ids=lambda scenario: scenario.caller)
@pytest.mark.parametrize('task', [task for task in TASKS.values() if isinstance(task, Build)], ids=lambda task: task.key)
def test_any_request_can_be_judged(task, scenario):
    verdict = judge(task.key, scenario)
    assert verdict.right in (True, False)
