"""What may come from outside, as JSON schemas: scenarios, traces, recordings. What does not fit is told in one line."""

from explorer.libraries import jsonschema
from explorer.stations import BY_KEY, NODES, STATIONS, WrongUse

LONGEST_REASON = 120  # characters

TEXT, FLAG, NUMBER, OBJECT = ({'type': kind} for kind in ('string', 'boolean', 'integer', 'object'))


def _or_null(shape):
    return {'anyOf': [{'type': 'null'}, shape]}


def _list(shape):
    return {'type': 'array', 'items': shape}


def _object(*optional, **properties):
    """Describe an object: its *properties*, all required but those named as *optional*."""
    return {'type': 'object', 'properties': properties, 'required': [name for name in properties if name not in optional]}


_TEXT_OR_NULL = {'type': ['string', 'null']}
MICROVERSION = r'^(latest|[0-9]{1,4}\.[0-9]{1,4})\Z'
_NAME = {'type': 'string', 'pattern': '^(?!-)'}  # else the client takes it for an option
_HEADERS = {'type': 'object', 'additionalProperties': TEXT}
_REQUEST = _object(
    'headers', 'raw_body', method=TEXT, path={'type': 'string', 'pattern': r'^/[\x20-\x7e]*\Z'}, headers=_HEADERS,
    raw_body=_TEXT_OR_NULL)
_TEXTS = {'type': 'object', 'additionalProperties': TEXT}
_COLUMN = {'type': ['string', 'null'], 'maxLength': 255}  # as wide as the database has it
_STATE = {'properties': {
    **dict.fromkeys(('vm_state', 'task_state', 'host', 'mapping', 'vnic_type'), _COLUMN), 'project': {'type': 'string', 'maxLength': 255},
    **dict.fromkeys(('launched', 'deleted', 'request_spec', 'share'), FLAG),
    'power_state': {'type': 'integer', 'minimum': -2 ** 31, 'maximum': 2 ** 31 - 1},
    **dict.fromkeys(('flavor_extra', 'image_props'), _or_null(_TEXTS)), 'locked_by': {'enum': [None, 'admin', 'owner']}}}
_EXCEPTION = {'type': 'string', 'pattern': r'^[A-Z][A-Za-z0-9]+\Z'}
_REPLY = _object('kwargs', **{'raise': _EXCEPTION, 'kwargs': _or_null(OBJECT)})
_RACE = _object(task_state=_TEXT_OR_NULL)

SCENARIO = _object(
    server=_NAME, host=_or_null(_NAME), block_migrate=FLAG, disk_over_commit=FLAG, force=FLAG,
    microversion={'type': ['string', 'null'], 'pattern': MICROVERSION}, caller=TEXT, state={'type': 'object', **_STATE}, request=_or_null(_REQUEST),
    conductor_reply=_or_null(_REPLY), race=_or_null(_RACE))

_STEP = _object(
    index=NUMBER, exploration={'enum': sorted({row.exploration for row in STATIONS} - {None})}, station={'enum': list(BY_KEY)}, qualname=TEXT, file=TEXT, line=NUMBER,
    lines=_list(NUMBER), node={'enum': list(NODES)}, service=TEXT, process=NUMBER, thread=TEXT,
    parent={'type': ['integer', 'null']}, hop_from={'type': ['integer', 'null']}, before=_or_null(OBJECT),
    after=_or_null(OBJECT), result={}, error={}, started_ns=NUMBER, ended_ns={'type': ['integer', 'null']})
_SENT = _object(method=TEXT, path=TEXT, headers=_HEADERS, body={})
_ANSWERED = _object(status=NUMBER, headers=_HEADERS, body={})
_MESSAGE = _object(kind={'enum': ['cast', 'call']}, method=TEXT, version=TEXT, args=OBJECT)
TRACE = _object(
    'besides', schema=NUMBER, engine=TEXT, versions={'type': 'object', 'additionalProperties': TEXT},
    scenario={'anyOf': [{'type': 'object', 'maxProperties': 0}, {**SCENARIO, 'additionalProperties': False}]},
    request=_or_null(_SENT), response=_or_null(_ANSWERED), messages=_list(_MESSAGE), outcome=_or_null(OBJECT),
    note=_TEXT_OR_NULL, steps=_list(_STEP), besides={'type': 'object', 'additionalProperties': {
        'type': 'object', 'additionalProperties': NUMBER}})

_GIVEN = _object(
    'server', 'conductor_reply', 'race', caller=TEXT, server={'type': ['object', 'null'], **_STATE}, request=_REQUEST,
    conductor_reply=_or_null(_REPLY), race=_or_null(_RACE))
_EXPECT = _object('rpc', rpc=_or_null(OBJECT))
RECORDINGS = _object(
    callers={'type': 'object', 'additionalProperties': _object(user_id=TEXT, project_id=TEXT, roles=_list(TEXT))},
    project=TEXT, other_project=TEXT, hosts=_list(_object(host=TEXT, node=TEXT)),
    server_defaults=_object(**_STATE['properties']),
    cases=_list(_object('expect', 'outside_path', id=TEXT, given=_GIVEN, expect=_or_null(_EXPECT), outside_path={})))

RECORDED = _object(
    schema={'const': 1}, nova=TEXT, python=TEXT, date=TEXT, scenarios={'type': 'object', 'minProperties': 1},
    badges={'type': 'object', 'additionalProperties': TEXT}, places=OBJECT)


def check(data, shape, what, remedy):
    """See that plain *data* has a *shape*.

    Raises: WrongUse, 'WHAT: PLACE: reason; REMEDY', for the first thing that has not.
    """
    try:
        error = next(jsonschema.Draft202012Validator(shape).iter_errors(data), None)
    except (RecursionError, ValueError) as odd:  # and a number of more digits than Python writes
        raise WrongUse(f'{what}: {one_line(odd)}; {remedy}') from odd
    if error is None:
        return
    while error.context:  # of several shapes the last one is the one that is no null
        error = [inner for inner in error.context if inner.schema_path[0] == len(error.validator_value) - 1][0]
    place = '.'.join(map(str, error.absolute_path)) or 'all of it'
    reason = {'enum': f'{short(error.instance)} is unknown here', 'pattern': f'{short(error.instance)} can not be one'}
    raise WrongUse(f'{what}: {place}: {reason.get(error.validator) or _cut(error.message)}; {remedy}')


def one_line(error):
    """Return what an error says in one short line."""
    return _cut(' '.join(str(error).split()))


def short(value):
    """Show what was given in an error's one line, whatever it is."""
    try:
        return _cut(repr(value))
    except Exception:  # a number may be too long for it, and what others write may raise anything
        return f'a {type(value).__name__}'


def _cut(text):
    return text if len(text) <= LONGEST_REASON else f'{text[:LONGEST_REASON]}…'
