"""Compare an engine with recordings of the real Nova: `given` goes in, `expect` should come out."""

import contextlib
import errno
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator

from explorer.engines import running
from explorer.engines.cloud import Cloud
from explorer.errors import OBJECT, TEXT, WrongUse, check, list_of, object_of, or_null, write_whole
from explorer.explorations import RACE, REPLY, REQUEST, STATE, Scenario
from explorer.payloads import Plain, Value
from explorer.stations import NOVA

_RPC = ('kind', 'topic', 'namespace', 'version', 'method', 'args')
_AFTER = ('vm_state_after', 'task_state_after', 'actions')
_HEADERS = ('content-type', 'openstack-api-version', 'x-openstack-nova-api-version', 'www-authenticate')

# The schema of a file of recorded cases.
_GIVEN = object_of(
    'server', 'conductor_reply', 'race', caller=TEXT, server={'type': ['object', 'null'], **STATE}, request=REQUEST,
    conductor_reply=or_null(REPLY), race=or_null(RACE))
_EXPECT = object_of('rpc', rpc=or_null(OBJECT))
_SERVER = object_of(uuid=TEXT, state={'type': 'object', **STATE})
RECORDINGS = object_of(
    'servers', servers={'type': 'object', 'minProperties': 1, 'additionalProperties': _SERVER},
    callers={'type': 'object', 'additionalProperties': object_of(user_id=TEXT, project_id=TEXT, roles=list_of(TEXT))},
    project=TEXT, other_project=TEXT, hosts=list_of(object_of(host=TEXT, node=TEXT)),
    server_defaults=object_of(**STATE['properties']),
    cases=list_of(object_of('expect', 'outside_path', id=TEXT, given=_GIVEN, expect=or_null(_EXPECT), outside_path={})))


def read_cases(path: str | pathlib.Path, *, inside_only: bool = False) -> tuple[Cloud, list[Plain]]:
    """Read a file of recordings.

    Returns: (cloud, cases).
    Raises: WrongUse for a file that does not hold recorded cases, and for one that has no case to run.
    """
    try:
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
    except OSError as error:
        raise WrongUse(f'{path}: {error.strerror}; name a file of recorded cases') from error
    except (ValueError, RecursionError) as error:
        raise WrongUse(f'{path} holds no recordings: {error}; use a file like tests/data/cases.json') from error
    check(data, RECORDINGS, f'{path} holds no recordings', 'use a file like tests/data/cases.json')
    servers = data.get('servers') or {'server': {'uuid': '5ca1ab1e-0000-4000-8000-00000000cafe', 'state': {}}}
    cloud = Cloud(
        callers=data['callers'], hosts=tuple(data['hosts']), server_defaults=data['server_defaults'],
        servers={name: server['uuid'] for name, server in servers.items()},
        states={name: server['state'] for name, server in servers.items()},
        project=data['project'], other_project=data['other_project'])
    cases = [case for case in data['cases'] if not (inside_only and case.get('outside_path'))]
    if not cases:
        raise WrongUse(f'{path} holds no case to run; use a file that has some')
    return cloud, cases


def answer_case(given: Plain, cloud: Cloud, engine: str = 'miniature') -> Plain:
    """Send the request of *given* to an engine and return its response in the form of `expect`."""
    server, uuid = next(iter(cloud.servers.items()))
    scenario = Scenario(
        server=server, caller=given['caller'], state=given.get('server') or {}, request=given['request'],
        conductor_reply=given.get('conductor_reply'), race=given.get('race'))
    trace, response = running.answer(scenario, engine=engine, cloud=cloud, whole=False)
    headers = {name.lower(): value for name, value in response['headers'].items()}
    shown = {name: headers[name] for name in _HEADERS if name in headers}
    if 'vary' in headers:
        shown['vary'] = sorted(set(re.split(r',\s*', headers['vary'])))
    return _normalised({
        'status': response['status'], 'headers': shown, 'body': _body(response['body']),
        'rpc': trace.messages[0] if trace.messages else None, 'rpc_count': len(trace.messages), **(trace.outcome or {}),
    }, uuid)


def _body(body: Value) -> Value:
    """Return a body; of a list of servers, only their names, because the miniature describes servers more briefly."""
    if isinstance(body, dict) and isinstance(body.get('servers'), list):
        return {**body, 'servers': [server['name'] for server in body['servers']]}
    return body


def _normalised(value: Plain, uuid: str) -> Plain:
    """Replace ids with the placeholders of the recordings."""
    text = json.dumps(value).replace(uuid, '$SERVER').replace(uuid.upper(), '$SERVER_UPPER')
    text = re.sub(r'req-[0-9a-f-]{36}', '$REQUEST_ID', text.replace(uuid.replace('-', ''), '$SERVER_HEX'))
    # From microversion 2.73 on, Nova lists the valid sort keys in any order.
    text = re.sub(r"(?<=is not one of \[)'[^]]*(?=])", lambda found: ', '.join(sorted(found[0].split(', '))), text)
    return dict(json.loads(text))


def at_level(expect: Plain, level: str) -> Plain:
    """Return the part of a response that a level compares, as {field: value}; a level includes those before it."""
    if level == 'full':
        return dict(expect)
    part = {'status': expect.get('status')}
    if level != 'status':
        body = expect.get('body')
        inner = next(iter(body.values())) if isinstance(body, dict) and len(body) == 1 else body
        part['message'] = inner.get('message') if isinstance(inner, dict) else inner if isinstance(inner, str) else None
        part['servers'] = body.get('servers') if isinstance(body, dict) else None
    if level == 'rpc':
        part['rpc'] = expect.get('rpc') and {name: expect['rpc'].get(name) for name in _RPC}
        part.update({name: expect.get(name) for name in _AFTER})
    return part


def disagreements(expect: Plain, got: Plain, level: str) -> dict[str, tuple[Value, Value]]:
    """Return the fields in which two responses differ at a level: {field: (expected, got)}."""
    expect, got = at_level(expect, level), at_level(got, level)
    return {name: (expect.get(name), got.get(name)) for name in expect | got if expect.get(name) != got.get(name)}


def conform(path: str | pathlib.Path, level: str = 'rpc', *, inside_only: bool = False, engine: str = 'miniature',
            answers: str | pathlib.Path | None = None) -> tuple[list[str], bool]:
    """Run every case of a file; return the lines to print, and whether all cases agree.

    Shape: *answers* is the name of a file to which the responses are written as {id: response}.
    """
    cloud, cases = read_cases(path, inside_only=inside_only)
    if answers:
        _see_that_it_can_be_written(answers, 'the responses')
    lines, given, agree = _conform(cases, cloud, level, engine, inside_only=inside_only)
    if answers:
        _write(answers, given, 'the responses')
    return lines, agree


@contextlib.contextmanager
def _writing(path: str | pathlib.Path, what: str) -> Iterator[None]:
    """Raise WrongUse, with one line, if a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise WrongUse(f'{path} cannot be written: {error.strerror}; name another file for {what}') from error


def _see_that_it_can_be_written(path: str | pathlib.Path, what: str) -> None:
    """Before the cases run, check that a file can be written, because the cases take a while."""
    with _writing(path, what):
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=os.path.dirname(os.path.abspath(path))).close()


def _write(path: str | pathlib.Path, data: Plain, what: str) -> None:
    with _writing(path, what):
        write_whole(path, json.dumps(data, indent=1) + '\n')


def _conform(cases: list[Plain], cloud: Cloud, level: str, engine: str, *,
             inside_only: bool) -> tuple[list[str], dict[str, Plain], bool]:
    lines: list[str]
    given_answers: dict[str, Plain]
    wrong: set[str]
    outside: set[str]
    lines, given_answers, wrong, outside = [], {}, set(), set()
    for case in cases:
        got = given_answers[case['id']] = answer_case(case['given'], cloud, engine)
        outside |= {case['id']} if case.get('outside_path') else set()
        for name, (expected, found) in disagreements(case.get('expect') or {}, got, level).items():
            wrong.add(case['id'])
            lines.append(f'{case["id"]}: {name}: expected {json.dumps(expected)}, got {json.dumps(found)}')
    if not inside_only:
        lines.append(f'{len(outside - wrong)} of {len(outside)} cases marked outside_path agree at level {level}')
    lines.append(f'{len(cases) - len(wrong)} of {len(cases)} cases agree at level {level}')
    return lines, given_answers, not wrong


def record_cases(source: str | pathlib.Path, target: str | pathlib.Path, *, engine: str = 'nova') -> list[str]:
    """Record every case of a file again with the real Nova, in another file, and return the lines to print.

    Shape: the new file has the responses and the version of this Nova, and lacks `info`, which is not compared.
    Everything else is unchanged.
    Raises: WrongUse if a file cannot be read or written, or the real Nova cannot run; *target* is then unchanged.
    """
    cloud, cases = read_cases(source)
    with open(source, encoding='utf-8') as file:
        data = json.load(file)
    _see_that_it_can_be_written(target, 'the cases')
    fresh = [{**{name: value for name, value in case.items() if name != 'info'},
              'expect': answer_case(case['given'], cloud, engine)} for case in cases]
    _write(target, {**data, 'nova': NOVA, 'cases': fresh}, 'the cases')
    changed = [case['id'] for case, new in zip(cases, fresh, strict=True)
               if case.get('expect') and case['expect'] != new['expect']]
    return [*(f'{name}: the response differs from the one in {source}' for name in changed),
            f'{len(fresh)} cases recorded with nova {NOVA}, {len(changed)} of them with a different response']
