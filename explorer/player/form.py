"""A request as an editable form. Command line, body, headers and switches are views of one request and stay in sync.

The view that was edited last decides, and the others follow. A request that no client command can send is sent
without the client.
"""

import argparse
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Literal, NoReturn, cast

from explorer.engines.client import bare_request
from explorer.engines.cloud import Cloud
from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario, client_newest
from explorer.payloads import Plain, Value
from explorer.player.protocol import FormField, FormValues

VM_STATES = ('active', 'paused', 'stopped', 'suspended', 'building', 'rescued', 'resized', 'shelved_offloaded', 'error')
TASK_STATES = ('', 'migrating', 'rebooting', 'powering-off', 'resize_prep', 'deleting')
SWITCHES = ('block_migrate', 'force', 'host', 'microversion')  # of the command line
REQUEST_CONTROLS = ('line', 'headers', 'body')  # of the HTTP request
LINE = 'POST /v2.1/servers/$SERVER/action'
STATE_CONTROLS: tuple[Literal['vm_state', 'task_state', 'locked_by'], ...] = ('vm_state', 'task_state', 'locked_by')
TROUBLES: dict[str, Plain] = {
    'none': {}, 'the bus is unreachable': {'conductor_reply': {'raise': 'MessageDeliveryFailure', 'kwargs': {}}},
    'the conductor finds no host': {'conductor_reply': {'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}},
    'the conductor is silent': {'conductor_reply': {'raise': 'MessagingTimeout', 'kwargs': {}}},
    'another request is faster': {'race': {'task_state': 'rebooting'}}}
GIVEN = 'as given'
FLAGS = {'launched': 'was launched', 'request_spec': 'has a request spec', 'share': 'has a share attached'}
WHO = {  # what a caller may do
    'admin': 'may do everything', 'admin_only_role': 'has the role admin and no other',
    'admin_other_project': 'admin of another project',
    'manager': 'may migrate servers of the project, but not name a host',
    'manager_other_project': 'manager of another project', 'member': 'may use servers, but not migrate them',
    'member_other_project': 'member of another project', 'reader': 'may only look',
    'service': 'a service, not a person', 'no_roles': 'has no role', 'no_token': 'sends no token',
    'bad_token': 'sends a token that nobody knows'}
LONGEST_COMMAND = 5000  # characters


# ------------------------------------------------------------------------------------------------- scenario to form


def form(scenario: Scenario) -> tuple[FormField, ...]:
    """Describe the controls that edit a scenario, in the order in which they are laid out."""
    cloud = Cloud()
    trouble = next((name for name, given in TROUBLES.items() if given == _trouble(scenario)), GIVEN)
    line, headers, body = _request(scenario)
    state = {**cloud.server_defaults, **scenario.state}
    asked = _read(scenario)
    what, state_, raw = 'What', 'State of the server', 'Raw HTTP'
    return (
        FormField(group=what, name='command', label='command', kind='text', options=(),  # '' if the client cannot
                  value='' if bare_request(scenario) else f'nova {shlex.join(scenario.command())}'),  # send the request
        FormField(group=what, name='host', label='host', kind='text', value=asked.host or '',
                  options=_plain(host['host'] for host in cloud.hosts)),
        FormField(group=what, name='block_migrate', label='block migration', kind='checkbox', value=asked.block_migrate,
                  options=()),
        FormField(group=what, name='force', label='force', kind='checkbox', value=asked.force, options=()),
        FormField(group=what, name='microversion', label='microversion', kind='text', value=asked.microversion or '',
                  options=_plain(['2.1', '2.24', '2.25', '2.29', '2.30', '2.34', '2.67', '2.68', 'latest'])),
        FormField(group='Who', name='caller', label='caller', kind='select', value=scenario.caller,
                  options=[(name, WHO.get(name, '')) for name in (*cloud.callers, 'no_token', 'bad_token')]),
        *(FormField(group=state_, name=name, label=name.replace('locked_by', 'locked by'), kind='select',
                    value=state[name] or '', options=_plain(options))
          for name, options in zip(STATE_CONTROLS, (VM_STATES, TASK_STATES, ('', 'owner', 'admin')), strict=True)),
        *(FormField(group=state_, name=name, label=label, kind='checkbox', value=state[name], options=())
          for name, label in FLAGS.items()),
        FormField(group='Failure', name='trouble', label='failure', kind='select', value=trouble,
                  options=_plain([*TROUBLES, *([GIVEN] if trouble == GIVEN else [])])),
        FormField(group=raw, name='line', label='request', kind='text', value=line, options=()),
        FormField(group=raw, name='headers', label='headers', kind='area', value=headers, options=()),
        FormField(group=raw, name='body', label='body', kind='area', value=body, options=()),
        # This keeps the parts of the scenario that no control shows.
        FormField(group='', name='rest', label='', kind='hidden', options=(), value=json.dumps({
            'disk_over_commit': scenario.disk_over_commit, 'server': scenario.server,
            'state': {name: part for name, part in scenario.state.items() if name not in (*STATE_CONTROLS, *FLAGS)},
            **({'trouble': _trouble(scenario)} if trouble == GIVEN else {})})))


def _plain(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, '') for value in values]


def _read(scenario: Scenario) -> Scenario:
    """Return the scenario that the switches show: one read from the bare request if possible, else this scenario."""
    sent = scenario.request or {}
    told = _told(sent.get('body'), sent.get('headers', {}), {'server': scenario.server})
    return Scenario(**told) if told else scenario


def _trouble(scenario: Scenario) -> Plain:
    return {name: given for name in ('conductor_reply', 'race') if (given := getattr(scenario, name))}


def _request(scenario: Scenario) -> tuple[str, str, str]:
    """Return the line, the headers and the body of a scenario's request."""
    bare = bare_request(scenario)
    if bare is None:
        return LINE, _as_text(scenario.headers()), json.dumps(scenario.body())
    body = json.dumps(bare['body']) if 'body' in bare else bare.get('raw_body') or ''
    return f'{bare["method"]} {bare["path"]}', _as_text(bare.get('headers', {})), body


def _as_text(headers: Mapping[str, str]) -> str:
    return '\n'.join(f'{name}: {value}' for name, value in headers.items())


# ------------------------------------------------------------------------------------------------- form to scenario


def scenario_of(given: Mapping[str, object], edited: str = '') -> Scenario:
    """Return the scenario that is in the form; *edited* names the control that was changed last.

    Shape: *given* are some of the `FormValues`; the missing ones are taken from the default scenario.
    Raises: WrongUse for an unknown name, a wrong type, or an invalid command, line, header or microversion.
    """
    usual = {field['name']: field['value'] for field in form(Scenario())}
    odd = [shorten(name) for name, value in given.items() if name not in usual or type(value) is not type(usual[name])]
    if odd:
        raise WrongUse(f'the form is damaged: {odd[0]} cannot be read; run the cell again')
    values = cast(FormValues, {**usual, **given})
    try:
        rest = json.loads(values['rest'])
        trouble = rest.get('trouble', {}) if values['trouble'] == GIVEN else TROUBLES[values['trouble']]
        around: Plain = {'caller': values['caller'], **trouble, 'state': {
            **rest['state'], **{name: values[name] or None for name in STATE_CONTROLS}, **_flags(values)}}
        kept: Plain = {'server': rest['server'], 'disk_over_commit': rest['disk_over_commit']}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WrongUse(f'the form is damaged: {error!r}; run the cell again') from error
    if edited == 'command' or (edited not in (*SWITCHES, *REQUEST_CONTROLS) and values['command']):
        return Scenario(**parsed(values['command']), **around)
    if edited in SWITCHES:
        switches: Plain = {name: values[name].strip() or None for name in ('host', 'microversion')}
        return Scenario(**kept, **switches, block_migrate=values['block_migrate'], force=values['force'], **around)
    return _of_request(values, kept, around)


def _flags(values: FormValues) -> dict[str, bool]:
    """Return the flags of the server's state that are not as usual."""
    given = {'launched': values['launched'], 'request_spec': values['request_spec'], 'share': values['share']}
    return {name: flag for name, flag in given.items() if flag is not Cloud().server_defaults[name]}


def parsed(command: str) -> Plain:
    """Parse a command line of the nova client: {field of Scenario: value}.

    Raises: WrongUse for anything that is not a `nova live-migration`.
    """
    if len(command) > LONGEST_COMMAND:
        raise WrongUse(f'the command has {len(command):,} characters; write at most {LONGEST_COMMAND:,}')
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise WrongUse(f'the command cannot be read: {error}; close the quotes') from error
    found = vars(_parser().parse_args(words[1:] if words[:1] == ['nova'] else words))
    version = found.pop('microversion')
    return {**found, 'microversion': 'latest' if version == '2.latest' else version}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongUse(f'this is not a command of the nova client: {message[:200]}; write nova '
                       '[--os-compute-api-version 2.X] live-migration [--block-migrate] [--force] SERVER [HOST]')


def _parser() -> _Parser:
    parser = _Parser(add_help=False)
    parser.add_argument('--os-compute-api-version', dest='microversion')
    commands = parser.add_subparsers(required=True, metavar='live-migration')
    migration = commands.add_parser('live-migration', add_help=False)
    for flag in ('--block-migrate', '--disk-over-commit', '--force'):
        migration.add_argument(flag, action='store_true')
    migration.add_argument('server')
    migration.add_argument('host', nargs='?')
    return parser


def _of_request(values: FormValues, kept: Plain, around: Plain) -> Scenario:
    """Return the scenario of the HTTP request; it uses the client only if a client command sends exactly this."""
    method, _, path = values['line'].strip().partition(' ')
    if not re.fullmatch(r'[A-Za-z]+', method) or not path.strip().startswith('/'):
        raise WrongUse(f'the request begins with {shorten(values["line"])}; write a method and a path, such as {LINE}')
    headers, body = _headers(values['headers']), values['body']
    try:
        sent = {'body': json.loads(body)} if body.strip() else {}
    except ValueError:  # it is sent as it is, to show how the API rejects an invalid body
        sent = {'raw_body': body}
    told = _told(sent.get('body'), headers, kept)
    if told and values['line'].strip() == LINE:
        scenario = Scenario(**told, **around)
        if (not bare_request(scenario) and scenario.headers() == headers
                and json.dumps(scenario.body()) == json.dumps(sent['body'])):
            return scenario
    return Scenario(server=kept['server'], **around,
                    request={'method': method, 'path': path.strip(), 'headers': headers, **sent})


def _headers(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if not re.match(r'[!#$%&\'*+.^_`|~0-9A-Za-z-]+:', line):
            raise WrongUse(f'line {number} of the headers is not a header; write Name: value')
    headers = {name: value.strip() for name, _, value in (line.partition(':') for line in lines)}
    if 'x-auth-token' in map(str.lower, headers):
        raise WrongUse('X-Auth-Token is set from the caller; remove this header and choose the caller instead')
    if len(headers) < len(lines):
        raise WrongUse('a header is repeated; write its values on one line, separated by commas')
    return headers


def _told(body: Value, headers: Mapping[str, str], kept: Plain) -> Plain | None:
    """Guess which fields of a scenario lead to a request; the caller must check whether they do."""
    action = body.get('os-migrateLive') if isinstance(body, dict) else None
    version = headers.get('X-OpenStack-Nova-API-Version', '')
    if (not isinstance(action, dict) or not re.fullmatch(r'2\.[0-9]{1,4}', version)
            or not isinstance(action.get('host'), str | None)):
        return None
    return {'server': kept['server'], 'host': action.get('host') or None,
            'block_migrate': action.get('block_migration') is True,
            'disk_over_commit': action.get('disk_over_commit') is True, 'force': action.get('force') is True,
            'microversion': None if version == f'2.{client_newest()}' else version}

