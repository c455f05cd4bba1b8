"""What if: a request as a form. Its command line, body, headers and switches are views of one request, kept in step.

Whatever of them is edited last holds, and the others follow; what no command of the client would send goes without it.
"""

import argparse
import functools
import json
import re
import shlex

from explorer.engines.client import bare_request
from explorer.engines.cloud import Cloud
from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario, client_newest

VM_STATES = ('active', 'paused', 'stopped', 'suspended', 'building', 'rescued', 'resized', 'shelved_offloaded', 'error')
TASK_STATES = ('', 'migrating', 'rebooting', 'powering-off', 'resize_prep', 'deleting')
SWITCHES = ('block_migrate', 'force', 'host', 'microversion')  # of the command line
REQUEST_CONTROLS = ('line', 'headers', 'body')  # of the HTTP request
LINE = 'POST /v2.1/servers/$SERVER/action'
STATE_CONTROLS = ('vm_state', 'task_state', 'locked_by')
TROUBLES = {
    'none': {}, 'the bus is away': {'conductor_reply': {'raise': 'MessageDeliveryFailure', 'kwargs': {}}},
    'the conductor finds no host': {'conductor_reply': {'raise': 'NoValidHost', 'kwargs': {'reason': 'all are full'}}},
    'the conductor is silent': {'conductor_reply': {'raise': 'MessagingTimeout', 'kwargs': {}}},
    'another request is faster': {'race': {'task_state': 'rebooting'}}}
GIVEN = 'as it was given'
LONGEST_COMMAND = 5000  # characters


# ------------------------------------------------------------------------------------------------- scenario to form


def form(scenario):
    """Describe the controls that edit a scenario, as plain data: name, label, kind, value, options."""
    cloud = Cloud()
    field = functools.partial(dict, options=())
    trouble = next((name for name, given in TROUBLES.items() if given == _trouble(scenario)), GIVEN)
    line, headers, body = _request(scenario)
    state = {**cloud.server_defaults, **scenario.state}
    asked = _read(scenario)
    return (
        field(name='command', label='command', kind='text', value=_command(scenario)),
        field(name='block_migrate', label='block migration', kind='checkbox', value=asked.block_migrate),
        field(name='force', label='force', kind='checkbox', value=asked.force),
        field(name='host', label='host', kind='text', value=asked.host or '', options=[host['host'] for host in cloud.hosts]),
        field(name='microversion', label='microversion', kind='text', value=asked.microversion or '',
              options=['2.1', '2.24', '2.25', '2.29', '2.30', '2.34', '2.67', '2.68', 'latest']),
        field(name='caller', label='caller', kind='select', value=scenario.caller, options=[*cloud.callers, 'no_token', 'bad_token']),
        *(field(name=name, label=name.replace('locked_by', 'locked by'), kind='select', value=state[name] or '', options=options)
          for name, options in zip(STATE_CONTROLS, (VM_STATES, TASK_STATES, ('', 'owner', 'admin')))),
        field(name='trouble', label='trouble', kind='select', value=trouble,
              options=[*TROUBLES, *([GIVEN] if trouble == GIVEN else [])]),
        field(name='line', label='request', kind='text', value=line),
        field(name='headers', label='headers', kind='area', value=headers),
        field(name='body', label='body', kind='area', value=body),
        # What the form does not show is kept.
        field(name='rest', label='', kind='hidden', value=json.dumps({
            'disk_over_commit': scenario.disk_over_commit, 'server': scenario.server,
            'state': {name: part for name, part in scenario.state.items() if name not in STATE_CONTROLS},
            **({'trouble': _trouble(scenario)} if trouble == GIVEN else {})})))


def _read(scenario):
    """Read a bare request as switches, as far as it can be read so: the scenario that the switches show."""
    sent = scenario.request or {}
    told = _told(sent.get('body'), sent.get('headers', {}), {'server': scenario.server})
    return Scenario(**told) if told else scenario


def _trouble(scenario):
    return {name: given for name in ('conductor_reply', 'race') if (given := getattr(scenario, name))}


def _command(scenario):
    """Give the command line that asks for a scenario, or nothing, where the client can't."""
    return '' if bare_request(scenario) else f'nova {shlex.join(scenario.command())}'


def _request(scenario):
    """Give (line, headers, body) of a scenario as text."""
    bare = bare_request(scenario)
    if bare is None:
        return LINE, _as_text(scenario.headers()), json.dumps(scenario.body())
    body = json.dumps(bare['body']) if 'body' in bare else bare.get('raw_body') or ''
    return f'{bare["method"]} {bare["path"]}', _as_text(bare.get('headers', {})), body


def _as_text(headers):
    return '\n'.join(f'{name}: {value}' for name, value in headers.items())


# ------------------------------------------------------------------------------------------------- form to scenario


def scenario_of(values, edited=''):
    """Make a scenario of what stands in the form; *edited* names the control that was changed last.

    Raises: WrongUse for a command, headers or a microversion that are none.
    """
    usual = {field['name']: field['value'] for field in form(Scenario())}
    values = usual | values
    odd = [shorten(name) for name, value in values.items() if name not in usual or type(value) is not type(usual[name])]
    if odd:
        raise WrongUse(f'the form is damaged: {odd[0]} cannot be read; run the cell again')
    try:
        rest = json.loads(values['rest'])
        trouble = rest.get('trouble', {}) if values['trouble'] == GIVEN else TROUBLES[values['trouble']]
        around = {'caller': values['caller'], **trouble, 'state': {
            **rest['state'], **{name: values[name] or None for name in STATE_CONTROLS}}}
        kept = {'server': rest['server'], 'disk_over_commit': rest['disk_over_commit']}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WrongUse(f'the form is damaged: {error!r}; run the cell again') from error
    if edited == 'command' or (edited not in (*SWITCHES, *REQUEST_CONTROLS) and values['command']):
        return Scenario(**parsed(values['command']), **around)
    if edited in SWITCHES:
        switches = {name: (values[name] or '').strip() or None for name in ('host', 'microversion')}
        return Scenario(**kept, **switches, block_migrate=values['block_migrate'], force=values['force'], **around)
    return _of_request(values, kept, around)


def parsed(command):
    """Read a command line of the nova client: {field of Scenario: value}.

    Raises: WrongUse for what is no `nova live-migration`.
    """
    if len(command) > LONGEST_COMMAND:
        raise WrongUse(f'no command is that long; write at most {LONGEST_COMMAND:,} characters')
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise WrongUse(f'the command cannot be read: {error}; close the quotes') from error
    found = vars(_parser().parse_args(words[1:] if words[:1] == ['nova'] else words))
    version = found.pop('microversion')
    return {**found, 'microversion': 'latest' if version == '2.latest' else version}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise WrongUse(f'no command for the nova client: {message[:200]}; write nova [--os-compute-api-version 2.X] live-migration '
                       '[--block-migrate] [--force] SERVER [HOST]')


def _parser():
    parser = _Parser(add_help=False)
    parser.add_argument('--os-compute-api-version', dest='microversion')
    migration = parser.add_subparsers(required=True, metavar='live-migration').add_parser('live-migration', add_help=False)
    for flag in ('--block-migrate', '--disk-over-commit', '--force'):
        migration.add_argument(flag, action='store_true')
    migration.add_argument('server')
    migration.add_argument('host', nargs='?')
    return parser


def _of_request(values, kept, around):
    """Make a scenario of the HTTP request: with the client, where a command of it sends just that, else without."""
    method, _, path = values['line'].strip().partition(' ')
    if not re.fullmatch(r'[A-Za-z]+', method) or not path.strip().startswith('/'):
        raise WrongUse(f'the request begins with {shorten(values["line"])}; write a method and a path, such as {LINE}')
    headers, body = _headers(values['headers']), values['body']
    try:
        sent = {'body': json.loads(body)} if body.strip() else {}
    except ValueError:  # sent as it stands: that, too, is a question
        sent = {'raw_body': body}
    told = _told(sent.get('body'), headers, kept)
    if told and values['line'].strip() == LINE:
        scenario = Scenario(**told, **around)
        if not bare_request(scenario) and scenario.headers() == headers and json.dumps(scenario.body()) == json.dumps(sent['body']):
            return scenario
    return Scenario(server=kept['server'], request={'method': method, 'path': path.strip(), 'headers': headers, **sent}, **around)


def _headers(text):
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if not re.match(r'[!#$%&\'*+.^_`|~0-9A-Za-z-]+:', line):
            raise WrongUse(f'line {number} of the headers is none; write Name: value')
    headers = {name: value.strip() for name, _, value in (line.partition(':') for line in lines)}
    if 'x-auth-token' in map(str.lower, headers):
        raise WrongUse('the token is the caller\'s; leave X-Auth-Token out, and choose the caller')
    if len(headers) < len(lines):
        raise WrongUse('a header stands there twice; join its values in one line, with commas')
    return headers


def _told(body, headers, kept):
    """Guess which fields of a scenario would lead to a request; whether they do is for the caller to see."""
    wish = body.get('os-migrateLive') if isinstance(body, dict) else None
    version = headers.get('X-OpenStack-Nova-API-Version', '')
    if not isinstance(wish, dict) or not re.fullmatch(r'2\.[0-9]{1,4}', version) or not isinstance(wish.get('host'), str | None):
        return None
    return {'server': kept['server'], 'host': wish.get('host') or None, 'block_migrate': wish.get('block_migration') is True,
            'disk_over_commit': wish.get('disk_over_commit') is True, 'force': wish.get('force') is True,
            'microversion': None if version == f'2.{client_newest()}' else version}

