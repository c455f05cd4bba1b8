"""Nova's domain errors: the first of the three error layers (nova/exception.py).

Names, bases, codes and messages are Nova's. CLASSES lists them; each row becomes a class of this module.
"""

import functools
import pathlib


class _NovaClass(type):
    """Show a class under Nova's module name, because a 500 prints it to the client."""

    def __repr__(cls):
        return super().__repr__().replace(__name__, 'nova.exception')


class NovaException(Exception, metaclass=_NovaClass):
    """Format *msg_fmt* with the keyword arguments; if they do not fit, leave it as it is."""

    msg_fmt = 'An unknown exception occurred.'
    code = 500
    safe = False

    def __init__(self, message=None, **kwargs):
        self.kwargs = {'code': self.code, **kwargs}
        try:
            self.message = str(message) if message else self.msg_fmt % kwargs
        except (KeyError, TypeError):
            self.message = self.msg_fmt
        super().__init__(self.message)

    def format_message(self):
        return self.args[0]


# Name, base, message (None: the base's), and the status if it differs from the base's. Bases come before subclasses.
CLASSES = (
    ('Forbidden', 'NovaException', 'Forbidden', 403),
    ('PolicyNotAuthorized', 'Forbidden', "Policy doesn't allow %(action)s to be performed."),
    ('VTPMSecretForbidden', 'Forbidden', None),
    ('AdminRequired', 'Forbidden', 'User does not have admin privileges'),
    ('ExternalNetworkAttachForbidden', 'Forbidden',
     'It is not allowed to create an interface on external network %(network_uuid)s'),
    ('BootFromVolumeRequiredForZeroDiskFlavor', 'Forbidden',
     'Only volume-backed servers are allowed for flavors with zero disk.'),
    ('ImageNUMATopologyForbidden', 'Forbidden',
     "Image property '%(name)s' is not permitted to override NUMA configuration set against the flavor"),
    ('ImagePCINUMAPolicyForbidden', 'Forbidden',
     "Image property 'hw_pci_numa_affinity_policy' is not permitted to override the "
     "'hw:pci_numa_affinity_policy' flavor extra spec."),
    ('ImageCPUPinningForbidden', 'Forbidden',
     "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the "
     'flavor'),
    ('ImageCPUThreadPolicyForbidden', 'Forbidden',
     "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set "
     'against the flavor'),
    ('Unauthorized', 'NovaException', 'Not authorized.', 401),
    ('NotSupported', 'NovaException', 'Bad Request - Feature is not supported in Nova', 400),
    ('ForbiddenWithAccelerators', 'NotSupported', 'Feature not supported with instances that have accelerators.'),
    ('ForbiddenSharesNotSupported', 'NotSupported', 'Feature not supported until computes have not been updated.'),
    ('ForbiddenWithShare', 'NotSupported', 'Feature not supported with instances that have shares.'),
    ('ForbiddenPortsWithAccelerator', 'NotSupported', 'Feature not supported with Ports that have accelerators.'),
    ('OperationNotSupportedForMemEncryption', 'NotSupported',
     "Operation '%(operation)s' not supported for mem encryption enabled instance (%(instance_uuid)s)."),
    ('OperationNotSupportedForVTPM', 'NotSupported',
     "Operation '%(operation)s' not supported for vTPM-enabled instance (%(instance_uuid)s)."),
    # The missing % before the parenthesis is Nova's own mistake.
    ('OperationNotSupportedForVDPAInterface', 'NotSupported',
     "Operation '%(operation)s' not supported for instance with vDPA ports ((instance_uuid)s)."),
    ('ForbiddenSharesNotConfiguredCorrectly', 'NotSupported',
     'Feature not supported because either compute or instance are not configured correctly.'),
    ('ForbiddenWithRemoteManagedPorts', 'NotSupported',
     'This feature is not supported when remote-managed ports are in use.'),
    ('MultiattachNotSupportedByVirtDriver', 'NotSupported',
     "Volume %(volume_id)s has 'multiattach' set, which is not supported for this instance."),
    ('NotSupportedComputeForEvacuateV295', 'NotSupported',
     'Starting with microversion 2.95, evacuate API will stop instance on destination. To evacuate before '
     'upgrades are complete please use an older microversion. Required version for compute %(expected), '
     'current version %(currently)s'),
    ('Invalid', 'NovaException', 'Bad Request - Invalid Parameters', 400),
    ('ValidationError', 'Invalid', '%(detail)s'),
    ('InvalidInput', 'Invalid', 'Invalid input received: %(reason)s'),
    ('InvalidContentType', 'Invalid', 'Invalid content type %(content_type)s.'),
    ('InvalidAPIVersionString', 'Invalid',
     'API Version String %(version)s is of invalid format. Must be of format MajorNum.MinorNum.'),
    ('InvalidGlobalAPIVersion', 'Invalid',
     'Version %(req_ver)s is not supported by the API. Minimum is %(min_ver)s and maximum is %(max_ver)s.'),
    ('InstanceInvalidState', 'Invalid',
     'Instance %(instance_uuid)s in %(attr)s %(state)s. Cannot %(method)s while the instance is in this '
     'state.'),
    ('InstanceIsLocked', 'InstanceInvalidState', 'Instance %(instance_uuid)s is locked'),
    ('UnshelveInstanceInvalidState', 'InstanceInvalidState',
     'Specifying an availability zone or a host when unshelving server "%(instance_uuid)s" with status '
     '"%(state)s" is not supported. The server status must be SHELVED_OFFLOADED.', 409),
    ('ServiceUnavailable', 'Invalid', 'Service is unavailable at this time.'),
    ('ComputeServiceUnavailable', 'ServiceUnavailable', 'Compute service of %(host)s is unavailable at this time.'),
    ('UnableToMigrateToSelf', 'Invalid', 'Unable to migrate instance (%(instance_id)s) to current host (%(host)s).'),
    ('InvalidHypervisorType', 'Invalid', 'The supplied hypervisor type of is invalid.'),
    ('DestinationHypervisorTooOld', 'Invalid',
     'The instance requires a newer hypervisor version than has been provided.'),
    ('InvalidCPUInfo', 'Invalid', 'Unacceptable CPU info: %(reason)s'),
    ('InvalidMachineType', 'Invalid',
     "Machine type '%(mtype)s' is not compatible with image %(image_name)s (%(image_id)s): %(reason)s"),
    ('StatelessFirmwareRequired', 'Invalid', '%(feature)s requires stateless firmware'),
    ('InvalidVideoMode', 'Invalid', 'Provided video model (%(model)s) is not supported.'),
    ('UnsupportedPolicyException', 'Invalid', 'ServerGroup policy is not supported: %(reason)s'),
    ('ExtendedResourceRequestOldCompute', 'Invalid',
     'The port-resource-request-groups neutron API extension is not supported by old nova compute service.'
     ' Upgrade your compute services to Xena (24.0.0) or later.'),
    ('VTPMOldCompute', 'Invalid',
     'vTPM live migration is not supported by old nova-compute services. Upgrade your nova-compute '
     'services to Gazpacho (33.0.0) or later.'),
    ('HypervisorUnavailable', 'NovaException', 'Connection to the hypervisor is broken on host'),
    ('InvalidSharedStorage', 'NovaException', '%(path)s is not on shared storage: %(reason)s'),
    ('InvalidLocalStorage', 'NovaException', '%(path)s is not on local storage: %(reason)s'),
    ('MigrationError', 'NovaException', 'Migration error: %(reason)s'),
    ('MigrationPreCheckError', 'MigrationError', 'Migration pre-check error: %(reason)s'),
    ('MigrationSchedulerRPCError', 'MigrationError', 'Migration select destinations error: %(reason)s'),
    ('NoValidHost', 'NovaException', 'No valid host was found. %(reason)s'),
    ('MaxRetriesExceeded', 'NoValidHost', 'Exceeded maximum number of retries. %(reason)s'),
    ('MalformedRequestBody', 'NovaException', 'Malformed message body: %(reason)s'),
    ('FlavorImageConflict', 'NovaException',
     'Conflicting values for %(setting)s found in the flavor (%(flavor_val)s) and the image '
     '(%(image_val)s).'),
    ('InstanceUpdateConflict', 'NovaException',
     'Conflict updating instance %(instance_uuid)s. Expected: %(expected)s. Actual: %(actual)s'),
    ('UnexpectedTaskStateError', 'InstanceUpdateConflict', None),
    ('UnexpectedDeletingTaskStateError', 'UnexpectedTaskStateError', None),
    ('NotFound', 'NovaException', 'Resource could not be found.', 404),
    ('InstanceNotFound', 'NotFound', 'Instance %(instance_id)s could not be found.'),
    ('InstanceMappingNotFound', 'NotFound', 'Instance %(uuid)s has no mapping to a cell.'),
    ('RequestSpecNotFound', 'NotFound', 'RequestSpec not found for instance %(instance_uuid)s'),
    ('HostNotFound', 'NotFound', 'Host %(host)s could not be found.'),
    ('ComputeHostNotFound', 'HostNotFound', 'Compute host %(host)s could not be found.'),
    ('MarkerNotFound', 'NotFound', 'Marker %(marker)s could not be found.'),
)


def _define(name, base, msg_fmt, code=None):
    """Define the class of a row in this module, where oslo.messaging looks for an error that came over the bus."""
    base = globals()[base]
    return globals().setdefault(name, _NovaClass(name, (base,), {
        '__module__': __name__, 'msg_fmt': msg_fmt or base.msg_fmt, 'code': code or base.code}))


for _row in CLASSES:
    _define(*_row)


@functools.cache
def _others():
    """Return the names of Nova's errors that have no row because the path treats them all alike."""
    return frozenset(pathlib.Path(__file__).with_name('exception_names.txt').read_text(encoding='utf-8').split())


def named(name):
    """Return the class of Nova's error *name*, or None if Nova has no such error."""
    if name in _others():
        return _define(name, 'NovaException', None)
    found = globals().get(name)
    return found if isinstance(found, _NovaClass) else None


def names():
    """Return the names of all of Nova's errors, sorted."""
    return sorted({*_others(), *(name for name, found in globals().items() if isinstance(found, _NovaClass))})
