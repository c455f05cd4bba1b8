"""Nova's nouns: policy, the request context, the objects that travel, and the database that stores them.

The names, fields, versions and rules are those of Nova 34.0.0; the code is ours. Each class holds the fields that the
path of a live migration or a pause uses; its docstring names what is left out.
"""

import contextlib
import functools
import logging
import math
import re
import time
from concurrent import futures

from explorer.libraries import oslo_messaging  # noqa: F401

# The import above comes first because it selects threads; otherwise oslo.versionedobjects would load eventlet.
# isort: split
import sqlalchemy as sa
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_policy import policy as oslo_policy
from oslo_serialization import jsonutils
from oslo_utils import timeutils
from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from explorer import exception, queries

LOG = logging.getLogger(__name__)

# ------------------------------------------------------------------------------- nova/policy.py and nova/policies/

POLICIES = (
    ('context_is_admin', 'role:admin'),
    ('project_manager_api', 'role:manager and project_id:%(project_id)s'),
    ('project_member_api', 'role:member and project_id:%(project_id)s'),
    ('project_reader_api', 'role:reader and project_id:%(project_id)s'),
    ('project_manager_or_admin', 'rule:project_manager_api or rule:context_is_admin'),
    ('project_member_or_admin', 'rule:project_member_api or rule:context_is_admin'),
    ('project_reader_or_admin', 'rule:project_reader_api or rule:context_is_admin'),
    ('os_compute_api:os-migrate-server:migrate_live', 'rule:project_manager_or_admin'),
    ('os_compute_api:os-migrate-server:migrate_live:host', 'rule:context_is_admin'),
    ('os_compute_api:os-pause-server:pause', 'rule:project_member_or_admin'),
    ('os_compute_api:servers:index', 'rule:project_reader_or_admin'),
    ('os_compute_api:servers:index:get_all_tenants', 'rule:context_is_admin'),
    ('os_compute_api:servers:detail', 'rule:project_reader_or_admin'),
    ('os_compute_api:servers:detail:get_all_tenants', 'rule:context_is_admin'),
    ('os_compute_api:servers:allow_all_filters', 'rule:context_is_admin'),
    ('os_compute_api:servers:show', 'rule:project_reader_or_admin'),
)


@functools.cache
def _enforcer():
    """Build oslo.policy's enforcer with Nova's defaults and without a policy file."""
    enforcer = oslo_policy.Enforcer(cfg.ConfigOpts(), rules=oslo_policy.Rules.from_dict(dict(POLICIES)), use_conf=False)
    for name, rule in POLICIES:
        enforcer.register_default(oslo_policy.RuleDefault(name, rule, scope_types=['project'] if ':' in name else None))
    return enforcer


def authorize(context, action, target=None, do_raise=True, exc=None):
    """Check with oslo.policy whether *context* may do *action* to *target* (nova.policy.authorize)."""
    exc = exc or exception.PolicyNotAuthorized
    if target is None:
        target = {'project_id': context.project_id, 'user_id': context.user_id}
    try:
        return _enforcer().authorize(action, target, context, do_raise=do_raise, exc=exc, action=action)
    except oslo_policy.InvalidScope as error:
        raise exc(action=action) from error


def check_is_admin(context):
    """Return whether the caller's roles make it an administrator (nova.policy.check_is_admin)."""
    target = {'project_id': context.project_id, 'user_id': context.user_id}
    return _enforcer().authorize('context_is_admin', target, context)


# ------------------------------------------------------------------------------------------------ nova/context.py


class RequestContext(oslo_context.RequestContext):
    """The caller, with project and roles (nova.context.RequestContext).

    Nova's database is a process-wide global; here the context carries it (*api_database*), so nothing is global.
    Left out: the filter of the service catalog, the auth plugin, and the message connection of a cell.
    """

    def __init__(self, user_id=None, project_id=None, is_admin=None, read_deleted='no', remote_address=None,
                 timestamp=None, quota_class=None, service_catalog=None, user_auth_plugin=None, **kwargs):
        super().__init__(user_id=user_id, project_id=project_id, is_admin=is_admin, **kwargs)
        self.read_deleted = read_deleted
        self.remote_address = remote_address
        self.timestamp = timeutils.parse_strtime(timestamp) if isinstance(timestamp, str) else (
            timestamp or timeutils.utcnow())
        self.quota_class = quota_class
        self.service_catalog = service_catalog or []
        self.user_auth_plugin = user_auth_plugin
        self.api_database = None
        self.db_connection = None
        self.cell_uuid = None
        if self.is_admin is None:
            self.is_admin = check_is_admin(self)

    def to_dict(self):
        """Return what is sent over the bus (nova.context.RequestContext.to_dict)."""
        names = ('user_id', 'project_id', 'read_deleted', 'remote_address', 'timestamp', 'quota_class', 'user_name',
                 'service_catalog', 'project_name')
        return {**super().to_dict(), **{name: getattr(self, name) for name in names},
                'timestamp': self.timestamp.strftime('%Y-%m-%dT%H:%M:%S.%f')}

    @classmethod
    def from_dict(cls, values):
        """Rebuild the context from what came over the bus (nova.context.RequestContext.from_dict)."""
        names = ('user_id', 'project_id', 'remote_address', 'timestamp', 'quota_class', 'service_catalog')
        return super().from_dict(
            values, read_deleted=values.get('read_deleted', 'no'), **{name: values.get(name) for name in names})

    def can(self, action, target=None, fatal=True):
        """Return whether *action* on *target* is allowed (nova.context.RequestContext.can).

        Raises: Forbidden if it is not, unless *fatal* is false.
        """
        try:
            return authorize(self, action, target)
        except exception.Forbidden:
            if fatal:
                raise
            return False

    def to_policy_values(self):
        values = super().to_policy_values()
        values['is_admin'] = self.is_admin
        return values


def get_admin_context(read_deleted='no'):
    """Return Nova's own context, which belongs to no caller (nova.context.get_admin_context)."""
    return RequestContext(user_id=None, project_id=None, is_admin=True, read_deleted=read_deleted, overwrite=False)


def set_target_cell(context, cell_mapping):
    """Point the context at the database of a cell (nova.context.set_target_cell).

    A *cell_mapping* of None removes the target. Left out: the cell's own message bus.
    """
    context.cell_uuid = cell_mapping.uuid if cell_mapping else None
    context.db_connection = database(cell_mapping.database_connection) if cell_mapping else None


@contextlib.contextmanager
def target_cell(context, cell_mapping):
    """Yield a clean copy of the context that points at a cell (nova.context.target_cell)."""
    cctxt = RequestContext.from_dict(context.to_dict())
    cctxt.api_database = context.api_database
    set_target_cell(cctxt, cell_mapping)
    yield cctxt


def scatter_gather_single_cell(context, cell_mapping, fn, *args, **kwargs):
    """Run *fn* against one cell in a separate thread (nova.context.scatter_gather_single_cell).

    Returns: {cell uuid: the result, or the exception that was raised}.
    Left out: several cells at once, and the 60 s after which Nova gives up on a cell.
    """
    with target_cell(context, cell_mapping) as cctxt, futures.ThreadPoolExecutor(1, 'cell') as pool:
        future = pool.submit(fn, cctxt, *args, **kwargs)
        error = future.exception()
    return {cell_mapping.uuid: error or future.result()}


# -------------------------------------------------------------------- the database (nova/db/api and nova/db/main)

SERVICE_VERSION = 74  # nova.objects.service.SERVICE_VERSION of 34.0.0
METADATA = sa.MetaData()
_String = sa.String(255)


def _table(name, *columns):
    return sa.Table(name, METADATA, sa.Column('id', sa.Integer, primary_key=True), *columns)


def _columns(kind, *names, unique=False):
    return [sa.Column(name, kind, unique=unique) for name in names]


CELL_MAPPINGS = _table('cell_mappings', *_columns(_String, 'uuid', 'name'), *_columns(sa.Text, 'database_connection'))
INSTANCE_MAPPINGS = _table(
    'instance_mappings', *_columns(sa.String(36), 'instance_uuid', unique=True), *_columns(sa.Integer, 'cell_id'),
    *_columns(_String, 'project_id', 'user_id'))
REQUEST_SPECS = _table(
    'request_specs', *_columns(sa.String(36), 'instance_uuid', unique=True), *_columns(sa.Text, 'spec'))
# Left out: the tables for metadata, system_metadata, info cache and flavor, which are JSON columns here.
INSTANCES = _table(
    'instances',
    *_columns(sa.String(36), 'uuid', unique=True),
    *_columns(_String, 'user_id', 'project_id', 'image_ref', 'display_name', 'hostname', 'vm_state', 'task_state',
              'host', 'node', 'availability_zone', 'locked_by'),
    *_columns(sa.Integer, 'power_state', 'compute_id', 'instance_type_id', 'deleted'),
    *_columns(sa.DateTime, 'created_at', 'updated_at', 'deleted_at', 'launched_at'),
    *_columns(sa.Boolean, 'locked'),
    *_columns(sa.Text, 'metadata', 'system_metadata', 'network_info', 'flavor'))
INSTANCE_ACTIONS = _table(
    'instance_actions', *_columns(sa.DateTime, 'start_time'),
    *_columns(_String, 'action', 'instance_uuid', 'request_id', 'user_id', 'project_id', 'message'))
INSTANCE_FAULTS = _table(
    'instance_faults', *_columns(_String, 'instance_uuid', 'message', 'host', 'details'), *_columns(sa.Integer, 'code'))
COMPUTE_NODES = _table('compute_nodes', *_columns(_String, 'host', 'hypervisor_hostname'))
SERVICES = _table('services', *_columns(_String, 'host', 'binary'), *_columns(sa.Integer, 'version'))
SHARE_MAPPING = _table('share_mapping', *_columns(_String, 'instance_uuid', 'share_id'))
MARK = sa.Table('nova_explorer', METADATA, sa.Column('schema', sa.Integer))  # shows that the tables are ours


@functools.cache
def database(url):
    """Open the database at *url* once per process.

    Returns: a SQLAlchemy engine, not connected yet.
    """
    engine = sa.create_engine(url)
    if engine.dialect.name == 'sqlite':
        # The conductor reads while the API writes, which a write-ahead log allows.
        sa.event.listen(engine, 'connect', lambda connection, _: connection.executescript(
            'PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;'))
    return engine


def _rows(engine, statement):
    with engine.connect() as connection:
        result = connection.execute(statement)
        names = [str(name) for name in result.keys()]  # plain strings, not SQLAlchemy's class for names
        return [dict(zip(names, row)) for row in result]


def _insert(engine, table, **values):
    with engine.begin() as connection:
        return connection.execute(table.insert().values(**values)).inserted_primary_key[0]


def _instance_select(context):
    """Select the instances that *context* may see: not deleted, and in its project unless it is an administrator."""
    statement = sa.select(INSTANCES).filter_by(deleted=0)
    return statement if context.is_admin else statement.filter_by(project_id=context.project_id)


def instance_get_by_uuid(context, uuid, columns_to_join=None):
    """Return the row of a server from its cell (nova.db.main.api.instance_get_by_uuid)."""
    rows = _rows(context.db_connection, _instance_select(context).filter_by(uuid=uuid))
    if not rows:
        raise exception.InstanceNotFound(instance_id=uuid)
    return rows[0]


def _rows_of_cells(context, statement):
    """Yield (context of the cell, rows) from each cell that responds."""
    for row in _rows(context.api_database, sa.select(CELL_MAPPINGS)):
        with target_cell(context, CellMapping._from_row(context, row)) as cctxt:
            try:
                yield cctxt, _rows(cctxt.db_connection, statement)
            except sa.exc.OperationalError as error:
                LOG.warning('Cell %s is not responding: %s', row['name'], error.orig)


_EXACT = ('project_id', 'user_id', 'image_ref', 'vm_state', 'instance_type_id', 'uuid', 'host', 'task_state', 'locked')


def _exact_instance_filter(context, filters):
    """Select the servers that match those of the filters that compare values, and remove these from *filters*."""
    statement, column = sa.select(INSTANCES), INSTANCES.c
    if since := filters.pop('changes-since', None):
        statement = statement.where(column.updated_at >= since)
    if before := filters.pop('changes-before', None):
        statement = statement.where(column.updated_at <= before)
    if 'deleted' in filters:
        deleted = filters.pop('deleted')
        with_soft = filters.pop('soft_deleted', deleted)
        soft = sa.func.coalesce(column.vm_state, '') == 'soft-delete'
        if deleted:
            statement = statement.where(sa.or_(column.deleted != 0, soft) if with_soft else column.deleted != 0)
        else:
            statement = statement.where(column.deleted == 0, sa.true() if with_soft else ~soft)
    if not context.is_admin:
        filters['project_id'] = context.project_id
    for name in set(_EXACT) & set(filters):
        value = filters.pop(name)
        statement = statement.where(column[name].in_(value) if isinstance(value, list) else column[name] == value)
    return statement


_PATTERN_SECONDS, _PATTERN_SIZE = 0.1, 100_000  # to match; characters


def _regex_instance_filter(rows, filters):
    """Return the rows that match the remaining filters: one regular expression per column.

    Nova lets its database match them. Filters by anything but a column have no effect, as in Nova, except that no
    server here has an address or a tag.
    Raises: Invalid for a pattern that takes too long.
    """
    import regex  # unlike re, it can be interrupted; imported here because only queries need it
    if {'ip', 'ip6', 'tags', 'tags-any'} & set(filters):
        return []
    if 'flavor' in filters:
        rows = [row for row in rows if jsonutils.loads(row['flavor'])['flavorid'] == filters['flavor']]
    end = time.monotonic() + _PATTERN_SECONDS
    for name in set(filters) & (queries.COLUMNS & set(INSTANCES.c.keys())):
        try:
            if _expansion(filters[name]) > _PATTERN_SIZE:
                raise TimeoutError
            pattern = regex.compile(filters[name])
            rows = [row for row in rows if pattern.search(str(row[name]), timeout=max(end - time.monotonic(), 0.001))]
        except TimeoutError:
            raise exception.Invalid('A pattern in the query takes too long to match.')
        except (regex.error, ValueError, RecursionError):
            raise exception.Invalid('A pattern in the query is not supported.')
    return rows


def _expansion(pattern):
    """Return how long a pattern may become when its counted repeats are written out, which compiling it does."""
    counts = re.findall(r'\{(\d*),?(\d*)\}', pattern)
    return len(pattern) * math.prod(max(1, *(int(count[:9] or 1) for count in each)) for each in counts)


def _sorted(rows, sort_keys, sort_dirs):
    """Sort rows by several keys, each in its own direction; a missing value comes before all others."""
    for key, direction in reversed(list(zip(sort_keys, sort_dirs))):
        rows = sorted(rows, key=lambda row: (row[key] is not None, row[key]), reverse=direction == 'desc')
    return rows


def instance_get_all_by_filters_sort(context, filters, limit, marker, columns_to_join, sort_keys, sort_dirs):
    """Return the servers that match all filters, sorted, after *marker*, from all cells that respond.

    Raises: MarkerNotFound, InvalidInput for invalid directions, Invalid for a pattern that takes too long.
    """
    filters, nothing = dict(filters), limit == 0 or bool(filters.get('deleted'))
    try:
        queries.process_sort_params(sort_keys, sort_dirs)
    except exception.InvalidInput:
        if nothing:  # in Nova, only the list of servers being built reports the error, and it is skipped here.
            return []
        raise
    if not set(sort_keys) <= set(INSTANCES.c.keys()):  # only /v2 comes here with another one: each cell fails on it
        return []
    marked = marker and [
        row for _, rows in _rows_of_cells(context, sa.select(INSTANCES).filter_by(uuid=marker)) for row in rows]
    if marker and not marked:
        raise exception.MarkerNotFound(marker=marker)
    contexts, found = {}, []
    statement = _exact_instance_filter(context, filters)
    for cctxt, rows in _rows_of_cells(context, statement):
        contexts.update({row['uuid']: cctxt for row in rows})
        found += rows
    found = _sorted(_regex_instance_filter(found, filters) + (marked or []), *queries.process_sort_params(
        *queries.stable_sort_params(sort_keys, sort_dirs)))
    if marked:
        uuids = [row['uuid'] for row in found]
        found = [row for row in found[uuids.index(marker) + 1:] if row['uuid'] != marker]
    return [Instance._from_db_object(contexts[row['uuid']], Instance(), row, columns_to_join) for row in found[:limit]]


def instance_update_and_get_original(context, instance_uuid, values, columns_to_join=None, expected=None):
    """Update a row if its task state is an expected one (nova.db.main.api.instance_update_and_get_original).

    Shape: *values* may hold expected_task_state, a list of states: the condition of the UPDATE.
    Returns: the row before and the row after.
    Raises: UnexpectedTaskStateError if another request was faster.
    """
    original = instance_get_by_uuid(context, instance_uuid, columns_to_join)
    updates = dict(values, updated_at=timeutils.utcnow())
    statement = INSTANCES.update().where(INSTANCES.c.uuid == instance_uuid)
    states = updates.pop('expected_task_state', None)
    if states is not None:
        column = INSTANCES.c.task_state
        statement = statement.where(sa.or_(column.in_([s for s in states if s is not None]),
                                           column.is_(None) if None in states else sa.false()))
    with context.db_connection.begin() as connection:
        matched = connection.execute(statement.values(**updates)).rowcount
    updated = instance_get_by_uuid(context, instance_uuid, columns_to_join)
    if not matched:
        deleting = updated['task_state'] == 'deleting'
        raise (exception.UnexpectedDeletingTaskStateError if deleting else exception.UnexpectedTaskStateError)(
            instance_uuid=instance_uuid, expected={'task_state': states},
            actual={'task_state': updated['task_state']})
    # As in Nova, the row returned keeps the old updated_at, because the database side sets the new one.
    return original, {**updated, 'updated_at': original['updated_at']}


# -------------------------------------------------------------------------------------------------- nova/objects/


def _texts(*names):
    return {name: fields.StringField(nullable=True) for name in names}


def _numbers(*names):
    return {name: fields.IntegerField(nullable=True) for name in names}


class NovaObjectRegistry(ovo.VersionedObjectRegistry):
    """The names by which objects from the bus are recognized (nova.objects.base.NovaObjectRegistry)."""


class NovaObject(ovo.VersionedObject):
    """An object that travels: its fields are named and typed, and it has a version (nova.objects.base.NovaObject)."""

    OBJ_SERIAL_NAMESPACE = 'nova_object'
    OBJ_PROJECT_NAMESPACE = 'nova'

    @classmethod
    def _from_row(cls, context, row, **values):
        """Return an object with *values* and those columns of *row* that are fields, and with no changes to save."""
        columns = {name: row[name] for name in cls.fields if name in row}
        obj = cls(context, **{**columns, **values})
        obj.obj_reset_changes()
        return obj


class NovaPersistentObject:
    fields = {
        'created_at': fields.DateTimeField(nullable=True),
        'updated_at': fields.DateTimeField(nullable=True),
        'deleted_at': fields.DateTimeField(nullable=True),
        'deleted': fields.BooleanField(default=False),
    }


class NovaObjectSerializer(ovo.VersionedObjectSerializer):
    """Turn objects into plain data for the bus and back (nova.objects.base.NovaObjectSerializer)."""

    OBJ_BASE_CLASS = NovaObject


@NovaObjectRegistry.register
class CellMapping(NovaObject):
    """A cell: its name and its database. Left out: its message bus."""

    VERSION = '1.1'
    fields = {**_numbers('id'), **_texts('uuid', 'name', 'database_connection')}


@NovaObjectRegistry.register
class InstanceMapping(NovaObject):
    """The cell in which a server lives (nova.objects.instance_mapping.InstanceMapping)."""

    VERSION = '1.2'
    fields = {
        **_numbers('id'),
        **_texts('instance_uuid', 'project_id', 'user_id'),
        'cell_mapping': fields.ObjectField('CellMapping', nullable=True),
    }

    @classmethod
    def get_by_instance_uuid(cls, context, instance_uuid):
        statement = (
            sa.select(INSTANCE_MAPPINGS, CELL_MAPPINGS.c.uuid, CELL_MAPPINGS.c.name,
                      CELL_MAPPINGS.c.database_connection)
            .outerjoin(CELL_MAPPINGS, CELL_MAPPINGS.c.id == INSTANCE_MAPPINGS.c.cell_id)
            .where(INSTANCE_MAPPINGS.c.instance_uuid == instance_uuid))
        rows = _rows(context.api_database, statement)
        if not rows:
            raise exception.InstanceMappingNotFound(uuid=instance_uuid)
        cell = CellMapping._from_row(context, rows[0], id=rows[0]['cell_id']) if rows[0]['uuid'] else None
        return cls._from_row(context, rows[0], cell_mapping=cell)


@NovaObjectRegistry.register
class Flavor(NovaPersistentObject, NovaObject):
    """A server's size and extra specs. Left out: projects, swap, rxtx factor, weights."""

    VERSION = '1.2'
    fields = {
        **_numbers('id', 'memory_mb', 'vcpus', 'root_gb', 'ephemeral_gb'),
        **_texts('name', 'flavorid'),
        'extra_specs': fields.DictOfStringsField(),
    }


class NetworkModel(fields.FieldType):
    """The ports of a server (nova.objects.fields.NetworkModel).

    Shape: a list of dicts here, text in the database and on the bus.
    """

    @staticmethod
    def coerce(obj, attr, value):
        return jsonutils.loads(value) if isinstance(value, str) else value

    @staticmethod
    def to_primitive(obj, attr, value):
        return jsonutils.dumps(value)

    @staticmethod
    def from_primitive(obj, attr, value):
        return jsonutils.loads(value)


@NovaObjectRegistry.register
class InstanceInfoCache(NovaObject):
    """What Neutron last reported about the server's ports; sent over the bus as JSON text, as in Nova."""

    VERSION = '1.5'
    fields = {
        'instance_uuid': fields.UUIDField(),
        'network_info': fields.Field(NetworkModel(), nullable=True),
    }


TPM_VERSIONS, TPM_MODELS = ('1.2', '2.0'), ('tpm-tis', 'tpm-crb')
MEM_ENCRYPTION_MODELS = ('amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx')


@NovaObjectRegistry.register
class ImageMetaProps(NovaObject):
    """The properties of the server's image (nova.objects.image_meta.ImageMetaProps).

    Raises: ValueError for an invalid value.
    Left out: the properties that no guard of the path reads, so their values are not checked.
    """

    VERSION = '1.44'
    fields = {
        'hw_firmware_type': fields.EnumField(('uefi', 'bios')),
        'hw_firmware_stateless': fields.FlexibleBooleanField(),
        'hw_machine_type': fields.StringField(),
        'hw_mem_encryption': fields.FlexibleBooleanField(),
        'hw_mem_encryption_model': fields.EnumField(MEM_ENCRYPTION_MODELS),
        'hw_tpm_model': fields.EnumField(TPM_MODELS),
        'hw_tpm_version': fields.EnumField(TPM_VERSIONS),
        'hw_video_model': fields.EnumField(('cirrus', 'qxl', 'vga', 'vmvga', 'xen', 'virtio', 'gop', 'none', 'bochs')),
    }

    def get(self, name, defvalue=None):
        return getattr(self, name) if self.obj_attr_is_set(name) else defvalue


@NovaObjectRegistry.register
class Instance(NovaPersistentObject, NovaObject):
    """A server as Nova stores it (nova.objects.instance.Instance).

    Left out: fields that no station of the path reads (about half of Nova's), and separate tables for the joins.
    """

    VERSION = '2.8'
    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        **_texts('user_id', 'project_id', 'image_ref', 'hostname', 'display_name', 'vm_state', 'task_state', 'host',
                 'node', 'availability_zone', 'locked_by'),
        **_numbers('power_state', 'compute_id', 'instance_type_id'),
        'launched_at': fields.DateTimeField(nullable=True),
        'locked': fields.BooleanField(default=False),
        'metadata': fields.DictOfStringsField(),
        'system_metadata': fields.DictOfNullableStringsField(),
        'info_cache': fields.ObjectField('InstanceInfoCache', nullable=True),
        'flavor': fields.ObjectField('Flavor'),
        'numa_topology': fields.StringField(nullable=True),
    }

    @classmethod
    def get_by_uuid(cls, context, uuid, expected_attrs=None, use_slave=False):
        """Read a server from the cell that the context points at (nova.objects.instance.Instance.get_by_uuid)."""
        return cls._from_db_object(context, cls(), instance_get_by_uuid(context, uuid), expected_attrs)

    @classmethod
    def _from_db_object(cls, context, instance, db_inst, expected_attrs=None):
        for name in cls.fields:
            if name in db_inst and name not in ('metadata', 'system_metadata', 'flavor'):
                setattr(instance, name, db_inst[name])
        for name in ('metadata', 'system_metadata'):
            setattr(instance, name, jsonutils.loads(db_inst[name]))
        instance.info_cache = InstanceInfoCache(
            context, instance_uuid=instance.uuid, network_info=db_inst['network_info'])
        if 'flavor' in (expected_attrs or ()):
            instance.flavor = Flavor(context, **jsonutils.loads(db_inst['flavor']))
        if 'numa_topology' in (expected_attrs or ()):
            instance.numa_topology = None
        instance._context = context
        instance.obj_reset_changes(recursive=True)
        return instance

    def obj_load_attr(self, attrname):
        """Load a field that was not read with the row (nova.objects.instance.Instance.obj_load_attr)."""
        instance = type(self).get_by_uuid(self._context, uuid=self.uuid, expected_attrs=[attrname])
        setattr(self, attrname, getattr(instance, attrname))
        self.obj_reset_changes([attrname])

    def save(self, expected_vm_state=None, expected_task_state=None, admin_state_reset=False):
        """Write the changed fields if the row is in an expected state (nova.objects.instance.Instance.save).

        Left out: objects within the instance, *expected_vm_state*, and the notification about the change.
        """
        updates = self.obj_get_changes()
        if expected_task_state is not None:
            updates['expected_task_state'] = expected_task_state
        _old_ref, inst_ref = instance_update_and_get_original(
            self._context, self.uuid, updates, columns_to_join=['metadata', 'system_metadata', 'info_cache'])
        self._from_db_object(self._context, self, inst_ref)

    @property
    def image_meta(self):
        """Return the properties of the image, as copied when the server was booted."""
        return ImageMetaProps(**{name: self.system_metadata[f'image_{name}'] for name in ImageMetaProps.fields
                                 if f'image_{name}' in self.system_metadata})

    def get_network_info(self):
        """Return the ports as Neutron last described them: a list of dicts with vnic_type."""
        return self.info_cache.network_info or []


@NovaObjectRegistry.register
class Destination(NovaObject):
    """The one host that the scheduler must confirm. Left out: cell and aggregates, which the conductor sets later."""

    VERSION = '1.4'
    fields = _texts('host', 'node')


@NovaObjectRegistry.register
class RequestSpec(NovaObject):
    """What the server required of the scheduler when it was booted (nova.objects.request_spec.RequestSpec).

    Left out: image, NUMA, PCI, group, networks and resource groups.
    """

    VERSION = '1.15'
    fields = {
        'id': fields.IntegerField(),
        'instance_uuid': fields.UUIDField(),
        **_texts('project_id', 'user_id', 'availability_zone'),
        'flavor': fields.ObjectField('Flavor'),
        'num_instances': fields.IntegerField(default=1),
        **{name: fields.ListOfStringsField(nullable=True) for name in ('ignore_hosts', 'force_hosts', 'force_nodes')},
        'requested_destination': fields.ObjectField('Destination', nullable=True, default=None),
        'scheduler_hints': fields.DictOfListOfStringsField(nullable=True),
        'is_bfv': fields.BooleanField(),
    }

    @classmethod
    def get_by_instance_uuid(cls, context, instance_uuid):
        rows = _rows(context.api_database, sa.select(REQUEST_SPECS).filter_by(instance_uuid=instance_uuid))
        if not rows:
            raise exception.RequestSpecNotFound(instance_uuid=instance_uuid)
        spec = cls.obj_from_primitive(jsonutils.loads(rows[0]['spec']), context)
        spec.id = rows[0]['id']
        spec.obj_reset_changes(recursive=True)
        return spec


@NovaObjectRegistry.register
class ComputeNode(NovaObject):
    """A hypervisor. Left out: its capabilities and its resources."""

    VERSION = '1.19'
    fields = {**_numbers('id'), **_texts('host', 'hypervisor_hostname')}


@NovaObjectRegistry.register
class ComputeNodeList(ovo.ObjectListBase, NovaObject):
    VERSION = '1.17'
    fields = {'objects': fields.ListOfObjectsField('ComputeNode')}

    @classmethod
    def get_all_by_host(cls, context, host, use_slave=False):
        """Find the nodes of a compute host (nova.objects.compute_node.ComputeNodeList.get_all_by_host)."""
        rows = _rows(context.db_connection, sa.select(COMPUTE_NODES).filter_by(host=host))
        if not rows:
            raise exception.ComputeHostNotFound(host=host)
        return cls(context, objects=[ComputeNode._from_row(context, row) for row in rows])


@NovaObjectRegistry.register
class ShareMapping(NovaObject):
    VERSION = '1.2'
    fields = {**_numbers('id'), **_texts('instance_uuid', 'share_id')}


@NovaObjectRegistry.register
class ShareMappingList(ovo.ObjectListBase, NovaObject):
    VERSION = '1.1'
    fields = {'objects': fields.ListOfObjectsField('ShareMapping')}

    @classmethod
    def get_by_instance_uuid(cls, context, instance_uuid):
        rows = _rows(context.db_connection, sa.select(SHARE_MAPPING).filter_by(instance_uuid=instance_uuid))
        return cls(context, objects=[ShareMapping._from_row(context, row) for row in rows])


@NovaObjectRegistry.register
class Service(NovaObject):
    """A running nova-compute and its version. Left out: liveness, which the path does not check."""

    VERSION = '1.22'
    fields = {**_texts('host', 'binary'), **_numbers('version')}

    @classmethod
    def get_minimum_version(cls, context, binary, use_slave=False):
        rows = _rows(context.db_connection, sa.select(sa.func.min(SERVICES.c.version).label('version')).where(
            SERVICES.c.binary == binary))
        return rows[0]['version'] or 0


@NovaObjectRegistry.register
class InstanceAction(NovaObject):
    """An entry in the list of the server's actions that users see (nova.objects.instance_action.InstanceAction)."""

    VERSION = '1.2'
    fields = {
        **_numbers('id'),
        **_texts('action', 'instance_uuid', 'request_id', 'user_id', 'project_id', 'message'),
        'start_time': fields.DateTimeField(nullable=True),
    }

    @classmethod
    def action_start(cls, context, instance_uuid, action_name, want_result=True):
        values = {
            'action': action_name, 'instance_uuid': instance_uuid, 'request_id': context.request_id,
            'user_id': context.user_id, 'project_id': context.project_id, 'start_time': timeutils.utcnow(),
            'message': None,
        }
        row_id = _insert(context.db_connection, INSTANCE_ACTIONS, **values)
        if want_result:
            return cls._from_row(context, values, id=row_id)


def add_instance_fault_from_exc(context, instance, fault):
    """Record that an operation on the server failed (nova.compute.utils.add_instance_fault_from_exc).

    Left out: the details of Nova's own errors, because only the bus fails here.
    """
    _insert(context.db_connection, INSTANCE_FAULTS, instance_uuid=instance.uuid, host=instance.host, code=500,
            message=type(fault).__name__, details='')
