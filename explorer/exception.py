"""Nova's domain errors: the first of the three layers of errors (nova/exception.py).

Names, bases, codes and messages are Nova's. Read as a table: class, base, what the client may come to see.
"""

import functools
import pathlib


class _NovaClass(type):
    """Show a class under Nova's module: a 500 prints the name to the client."""

    def __repr__(cls):
        return super().__repr__().replace(__name__, 'nova.exception')


class NovaException(Exception, metaclass=_NovaClass):
    """Format *msg_fmt* with the keyword arguments; where they don't fit, show it as it is."""

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


# ruff: noqa: E701

class Forbidden(NovaException): code, msg_fmt = 403, 'Forbidden'
class PolicyNotAuthorized(Forbidden): msg_fmt = "Policy doesn't allow %(action)s to be performed."
class Unauthorized(NovaException): code, msg_fmt = 401, 'Not authorized.'

class NotSupported(NovaException): code, msg_fmt = 400, 'Bad Request - Feature is not supported in Nova'
class ForbiddenWithAccelerators(NotSupported): msg_fmt = 'Feature not supported with instances that have accelerators.'
class ForbiddenSharesNotSupported(NotSupported): msg_fmt = 'Feature not supported until computes have not been updated.'
class ForbiddenWithShare(NotSupported): msg_fmt = 'Feature not supported with instances that have shares.'
class ForbiddenPortsWithAccelerator(NotSupported): msg_fmt = 'Feature not supported with Ports that have accelerators.'
class OperationNotSupportedForMemEncryption(NotSupported):
    msg_fmt = "Operation '%(operation)s' not supported for mem encryption enabled instance (%(instance_uuid)s)."
class OperationNotSupportedForVTPM(NotSupported):
    msg_fmt = "Operation '%(operation)s' not supported for vTPM-enabled instance (%(instance_uuid)s)."
# The missing % before the bracket is Nova's own.
class OperationNotSupportedForVDPAInterface(NotSupported):
    msg_fmt = "Operation '%(operation)s' not supported for instance with vDPA ports ((instance_uuid)s)."

class Invalid(NovaException): code, msg_fmt = 400, 'Bad Request - Invalid Parameters'
class ValidationError(Invalid): msg_fmt = '%(detail)s'
class InvalidContentType(Invalid): msg_fmt = 'Invalid content type %(content_type)s.'
class InvalidAPIVersionString(Invalid):
    msg_fmt = 'API Version String %(version)s is of invalid format. Must be of format MajorNum.MinorNum.'
class InvalidGlobalAPIVersion(Invalid):
    msg_fmt = 'Version %(req_ver)s is not supported by the API. Minimum is %(min_ver)s and maximum is %(max_ver)s.'
class InstanceInvalidState(Invalid):
    msg_fmt = 'Instance %(instance_uuid)s in %(attr)s %(state)s. Cannot %(method)s while the instance is in this state.'
class InstanceIsLocked(InstanceInvalidState): msg_fmt = 'Instance %(instance_uuid)s is locked'
class UnshelveInstanceInvalidState(InstanceInvalidState):
    code = 409
    msg_fmt = (
        'Specifying an availability zone or a host when unshelving server "%(instance_uuid)s" with status "%(state)s" is '
        'not supported. The server status must be SHELVED_OFFLOADED.')
class ServiceUnavailable(Invalid): msg_fmt = 'Service is unavailable at this time.'
class ComputeServiceUnavailable(ServiceUnavailable):
    msg_fmt = 'Compute service of %(host)s is unavailable at this time.'
class UnableToMigrateToSelf(Invalid):
    msg_fmt = 'Unable to migrate instance (%(instance_id)s) to current host (%(host)s).'
class InvalidHypervisorType(Invalid): msg_fmt = 'The supplied hypervisor type of is invalid.'
class DestinationHypervisorTooOld(Invalid):
    msg_fmt = 'The instance requires a newer hypervisor version than has been provided.'
class InvalidCPUInfo(Invalid): msg_fmt = 'Unacceptable CPU info: %(reason)s'
class InvalidMachineType(Invalid):
    msg_fmt = "Machine type '%(mtype)s' is not compatible with image %(image_name)s (%(image_id)s): %(reason)s"
class StatelessFirmwareRequired(Invalid): msg_fmt = '%(feature)s requires stateless firmware'
class InvalidVideoMode(Invalid): msg_fmt = 'Provided video model (%(model)s) is not supported.'
class UnsupportedPolicyException(Invalid): msg_fmt = 'ServerGroup policy is not supported: %(reason)s'
class ExtendedResourceRequestOldCompute(Invalid):
    msg_fmt = (
        'The port-resource-request-groups neutron API extension is not supported by old nova compute service.'
        ' Upgrade your compute services to Xena (24.0.0) or later.')
class VTPMOldCompute(Invalid):
    msg_fmt = (
        'vTPM live migration is not supported by old nova-compute services. Upgrade your nova-compute '
        'services to Gazpacho (33.0.0) or later.')
class HypervisorUnavailable(NovaException): msg_fmt = 'Connection to the hypervisor is broken on host'
class InvalidSharedStorage(NovaException): msg_fmt = '%(path)s is not on shared storage: %(reason)s'
class InvalidLocalStorage(NovaException): msg_fmt = '%(path)s is not on local storage: %(reason)s'

class MigrationError(NovaException): msg_fmt = 'Migration error: %(reason)s'
class MigrationPreCheckError(MigrationError): msg_fmt = 'Migration pre-check error: %(reason)s'
class NoValidHost(NovaException): msg_fmt = 'No valid host was found. %(reason)s'
class MalformedRequestBody(NovaException): msg_fmt = 'Malformed message body: %(reason)s'
class FlavorImageConflict(NovaException):
    msg_fmt = 'Conflicting values for %(setting)s found in the flavor (%(flavor_val)s) and the image (%(image_val)s).'

class InstanceUpdateConflict(NovaException):
    msg_fmt = 'Conflict updating instance %(instance_uuid)s. Expected: %(expected)s. Actual: %(actual)s'
class UnexpectedTaskStateError(InstanceUpdateConflict): pass
class UnexpectedDeletingTaskStateError(UnexpectedTaskStateError): pass

class NotFound(NovaException): code, msg_fmt = 404, 'Resource could not be found.'
class InstanceNotFound(NotFound): msg_fmt = 'Instance %(instance_id)s could not be found.'
class InstanceMappingNotFound(NotFound): msg_fmt = 'Instance %(uuid)s has no mapping to a cell.'
class RequestSpecNotFound(NotFound): msg_fmt = 'RequestSpec not found for instance %(instance_uuid)s'
class HostNotFound(NotFound): msg_fmt = 'Host %(host)s could not be found.'
class ComputeHostNotFound(HostNotFound): msg_fmt = 'Compute host %(host)s could not be found.'
class MarkerNotFound(NotFound): msg_fmt = 'Marker %(marker)s could not be found.'


# Those that the path never names: a conductor may raise them, and they count as their base does.
_BY_NAME = {
    'VTPMSecretForbidden': (Forbidden, None),
    'AdminRequired': (Forbidden, 'User does not have admin privileges'),
    'ExternalNetworkAttachForbidden': (
        Forbidden, 'It is not allowed to create an interface on external network %(network_uuid)s'),
    'BootFromVolumeRequiredForZeroDiskFlavor': (
        Forbidden, 'Only volume-backed servers are allowed for flavors with zero disk.'),
    'ImageNUMATopologyForbidden': (
        Forbidden, "Image property '%(name)s' is not permitted to override NUMA configuration set against the flavor"),
    'ImagePCINUMAPolicyForbidden': (
        Forbidden, "Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' "
        'flavor extra spec.'),
    'ImageCPUPinningForbidden': (
        Forbidden, "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor"),
    'ImageCPUThreadPolicyForbidden': (
        Forbidden, "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the "
        'flavor'),
    'ForbiddenSharesNotConfiguredCorrectly': (
        NotSupported, 'Feature not supported because either compute or instance are not configured correctly.'),
    'ForbiddenWithRemoteManagedPorts': (
        NotSupported, 'This feature is not supported when remote-managed ports are in use.'),
    'MultiattachNotSupportedByVirtDriver': (
        NotSupported, "Volume %(volume_id)s has 'multiattach' set, which is not supported for this instance."),
    'NotSupportedComputeForEvacuateV295': (
        NotSupported, 'Starting with microversion 2.95, evacuate API will stop instance on destination. To evacuate before upgrades are '
        'complete please use an older microversion. Required version for compute %(expected), current version '
        '%(currently)s'),
    'MigrationSchedulerRPCError': (MigrationError, 'Migration select destinations error: %(reason)s'),
    'MaxRetriesExceeded': (NoValidHost, 'Exceeded maximum number of retries. %(reason)s'),
}


@functools.cache
def _others():
    """Return the names of those of Nova's errors that the path treats all alike."""
    return frozenset(pathlib.Path(__file__).with_name('exception_names.txt').read_text(encoding='utf-8').split())


def named(name):
    """Return the class of Nova's error with a *name*, None if Nova has none. One that the path does not tell apart is made here."""
    if name in _others() or name in _BY_NAME:
        base, msg_fmt = _BY_NAME.get(name, (NovaException, None))
        return globals().setdefault(name, _NovaClass(name, (base,), {'__module__': __name__, 'msg_fmt': msg_fmt or base.msg_fmt}))
    found = globals().get(name)
    return found if isinstance(found, _NovaClass) else None


def names():
    """List the names of all of Nova's errors."""
    return sorted({*_others(), *_BY_NAME, *(name for name, found in globals().items() if isinstance(found, _NovaClass))})
