"""Which servers a client asks for: the queries that Nova accepts for lists of servers, and how it reads them.

Schemas, names and rules are those of nova/api/openstack/compute/schemas/servers.py, nova/api/openstack/common.py and
nova/db/utils.py in 34.0.0. The order of a schema's keys decides which violation is reported first.
"""

from explorer import exception


def multi_params(schema):
    """Return the schema of a parameter that a query may hold several times."""
    return {'type': 'array', 'items': schema}


_ANY = multi_params({'type': 'string'})
_REGEX = multi_params({'type': 'string', 'format': 'regex'})
_TIME = multi_params({'type': 'string', 'format': 'date-time'})

# Valid before schemas existed, and ignored since then.
SERVER_LIST_IGNORE_SORT_KEY = (
    'architecture', 'cell_name', 'cleaned', 'default_ephemeral_device', 'default_swap_device', 'deleted', 'deleted_at',
    'disable_terminate', 'ephemeral_gb', 'ephemeral_key_uuid', 'id', 'key_data', 'launched_on', 'locked', 'memory_mb',
    'os_type', 'reservation_id', 'root_gb', 'shutdown_terminate', 'user_data', 'vcpus', 'vm_mode')
SERVER_LIST_IGNORE_SORT_KEY_V273 = tuple(key for key in SERVER_LIST_IGNORE_SORT_KEY if key != 'locked')
_SORT_KEYS = (
    'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at',
    'display_description', 'display_name', 'host', 'hostname', 'image_ref', 'instance_type_id', 'kernel_id', 'key_name',
    'launch_index', 'launched_at', 'locked_by', 'node', 'power_state', 'progress', 'project_id', 'ramdisk_id',
    'root_device_name', 'task_state', 'terminated_at', 'updated_at', 'user_id', 'uuid', 'vm_state')
COLUMNS = frozenset(_SORT_KEYS + SERVER_LIST_IGNORE_SORT_KEY)  # of Nova's table of servers
JOINED_TABLE_QUERY_PARAMS_SERVERS = dict.fromkeys((
    'block_device_mapping', 'services', 'metadata', 'system_metadata', 'info_cache', 'security_groups',
    'pci_devices'), _ANY)


def _sort_key(*names):
    return {'sort_key': multi_params({'type': 'string', 'enum': list(names)})}


def _with(schema, *, unknown=True, **parameters):
    return {**schema, 'properties': {**schema['properties'], **parameters}, 'additionalProperties': unknown}


show_query = {'type': 'object', 'properties': {}, 'additionalProperties': True}
show_query_v2102 = _with(show_query, unknown=False)

# Unknown parameters are dropped before 2.75; those that begin with an underscore are kept, and rejected later.
index_query = {
    'type': 'object',
    'properties': {
        **dict.fromkeys(('user_id', 'project_id', 'tenant_id', 'launch_index', 'image_ref', 'image'), _ANY),
        **dict.fromkeys(('kernel_id', 'ramdisk_id', 'hostname', 'key_name', 'power_state'), _REGEX),
        **dict.fromkeys(('vm_state', 'task_state', 'host'), _ANY),
        **dict.fromkeys((
            'node', 'flavor', 'reservation_id', 'launched_at', 'terminated_at', 'availability_zone', 'name',
            'display_name', 'description', 'display_description', 'locked_by'), _REGEX),
        'uuid': _ANY,
        **dict.fromkeys((
            'root_device_name', 'config_drive', 'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'progress'),
            _REGEX),
        **_sort_key(*_SORT_KEYS, *SERVER_LIST_IGNORE_SORT_KEY),
        **dict.fromkeys(('sort_dir', 'all_tenants', 'soft_deleted', 'deleted', 'status'), _ANY),
        'changes-since': _TIME,
        **dict.fromkeys(('ip', 'ip6', 'created_at'), _REGEX),
        **JOINED_TABLE_QUERY_PARAMS_SERVERS,
        'limit': multi_params(
            {'type': ['integer', 'string'], 'pattern': '^[0-9]*$', 'minimum': 0, 'minLength': 1}),
        'marker': _ANY,
    },
    'additionalProperties': True,
    'patternProperties': {'^_': _ANY},
}
TAG_SEARCH_FILTERS = ('tags', 'tags-any', 'not-tags', 'not-tags-any')
index_query_v226 = _with(index_query, **dict.fromkeys(TAG_SEARCH_FILTERS, _REGEX))
index_query_v266 = _with(index_query_v226, **{'changes-before': _TIME})
index_query_v273 = _with(
    index_query_v266, **_sort_key('locked', *_SORT_KEYS, *SERVER_LIST_IGNORE_SORT_KEY_V273), locked=_ANY)
index_query_v275 = _with(index_query_v273, unknown=False, **_sort_key('locked', *_SORT_KEYS))

# What users other than administrators may search for, and from which microversion; anything else is ignored.
SEARCH_OPTIONS = (
    ('2.1', ('reservation_id', 'name', 'status', 'image', 'flavor', 'ip', 'changes-since', 'all_tenants')),
    ('2.5', ('ip6',)),
    ('2.26', TAG_SEARCH_FILTERS),
    ('2.66', ('changes-before',)),
    ('2.73', ('locked',)),
    ('2.83', ('availability_zone', 'config_drive', 'key_name', 'created_at', 'launched_at', 'terminated_at',
              'power_state', 'task_state', 'vm_state', 'progress', 'user_id')),
    ('2.90', ('hostname',)))

_REBUILD = dict.fromkeys(('rebuilding', 'rebuild_block_device_mapping', 'rebuild_spawning'), 'REBUILD')
_RESIZE = dict.fromkeys(('resize_prep', 'resize_migrating', 'resize_migrated', 'resize_finish'), 'RESIZE')
_STATE_MAP = {
    'active': {
        'default': 'ACTIVE',
        **dict.fromkeys(('rebooting', 'reboot_pending', 'reboot_started'), 'REBOOT'),
        **dict.fromkeys(('rebooting_hard', 'reboot_pending_hard', 'reboot_started_hard'), 'HARD_REBOOT'),
        'updating_password': 'PASSWORD', **_REBUILD, 'migrating': 'MIGRATING', **_RESIZE},
    'building': {'default': 'BUILD'},
    'stopped': {'default': 'SHUTOFF', **_RESIZE, **_REBUILD},
    'resized': {'default': 'VERIFY_RESIZE', 'resize_reverting': 'REVERT_RESIZE'},
    'paused': {'default': 'PAUSED', 'migrating': 'MIGRATING'},
    'suspended': {'default': 'SUSPENDED'},
    'rescued': {'default': 'RESCUE'},
    'error': {'default': 'ERROR', **_REBUILD},
    'deleted': {'default': 'DELETED'},
    'soft-delete': {'default': 'SOFT_DELETED'},
    'shelved': {'default': 'SHELVED'},
    'shelved_offloaded': {'default': 'SHELVED_OFFLOADED'},
}


def status_from_state(vm_state, task_state='default'):
    """Return the status that users see."""
    task_map = _STATE_MAP.get(vm_state, {'default': 'UNKNOWN'})
    return task_map.get(task_state, task_map['default'])


def task_and_vm_state_from_status(statuses):
    """Return the vm states and the task states in which a server has one of the *statuses*, both sorted."""
    wanted = {status.lower() for status in statuses}
    found = [(vm_state, task_state) for vm_state, task_map in _STATE_MAP.items()
             for task_state, status in task_map.items() if status.lower() in wanted]
    return sorted({vm_state for vm_state, _ in found}), sorted({task_state for _, task_state in found})


def process_sort_params(sort_keys, sort_dirs, default_keys=('created_at', 'id')):
    """Return the keys and directions to sort by, with the default keys last.

    Raises: InvalidInput for an unknown direction, and for more directions than keys.
    """
    if any(direction not in ('asc', 'desc') for direction in sort_dirs):
        raise exception.InvalidInput(reason="Unknown sort direction, must be 'desc' or 'asc'")
    if len(sort_dirs) > len(sort_keys):
        raise exception.InvalidInput(reason='Sort direction size exceeds sort key size')
    keys = [*sort_keys, *(key for key in default_keys if key not in sort_keys)]
    first = sort_dirs[0] if sort_dirs else 'desc'
    return keys, [*sort_dirs, *[first] * (len(keys) - len(sort_dirs))]


def stable_sort_params(sort_keys, sort_dirs):
    """Return the keys and directions with the UUID, which makes the order the same in each request.

    Source: nova.compute.instance_list.InstanceSortContext.
    """
    keys, dirs = (list(sort_keys), list(sort_dirs)) if sort_keys else (['created_at', 'id'], ['desc', 'desc'])
    return (keys, dirs) if 'uuid' in keys else ([*keys, 'uuid'], [*dirs, 'asc'])
