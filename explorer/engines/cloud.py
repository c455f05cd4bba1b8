"""The cloud around the path: its hosts, cells, callers and servers, as plain data.

The shapes are those of the recorded cases (`callers`, `hosts`, `server_defaults`, `given.server`), so a recorded case
and a lesson's scenario seed the same cloud.
"""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import TypeAlias, TypedDict

from explorer.payloads import Value

Identity: TypeAlias = tuple[str, str, tuple[str, ...]]  # user_id, project_id, roles

_PROJECT, _OTHER_PROJECT = 'a' * 32, 'b' * 32
_ROLES = ('admin', 'manager', 'member', 'reader')


class Caller(TypedDict):
    """A user who sends requests."""

    user_id: str
    project_id: str
    roles: list[str]


class Host(TypedDict):
    """A compute host and its only compute node."""

    host: str
    node: str


def _caller(user_id: str, *roles: str, project_id: str = _PROJECT) -> Caller:
    return {'user_id': user_id, 'project_id': project_id, 'roles': list(roles)}


@dataclasses.dataclass(frozen=True)
class Cloud:
    """What exists before a request arrives, all of it plain data.

    Shape: *servers* is {name: uuid}; *states* is {name: what differs from *server_defaults*}.
    """

    callers: Mapping[str, Caller] = dataclasses.field(default_factory=lambda: {
        'admin': _caller('u-admin', *_ROLES),
        'admin_only_role': _caller('u-admin', 'admin'),
        'admin_other_project': _caller('u-admin2', *_ROLES, project_id=_OTHER_PROJECT),
        'manager': _caller('u-mgr', *_ROLES[1:]),
        'manager_other_project': _caller('u-mgr2', *_ROLES[1:], project_id=_OTHER_PROJECT),
        'member': _caller('u-member', *_ROLES[2:]),
        'member_other_project': _caller('u-member2', *_ROLES[2:], project_id=_OTHER_PROJECT),
        'reader': _caller('u-reader', 'reader'),
        'service': _caller('u-service', 'service'),
        'no_roles': _caller('u-none'),
    })
    hosts: tuple[Host, ...] = ({'host': 'host1', 'node': 'host1.node'}, {'host': 'host2', 'node': 'host2.node'})
    server_defaults: Mapping[str, Value] = dataclasses.field(default_factory=lambda: {
        'vm_state': 'active', 'task_state': None, 'locked_by': None, 'launched': True, 'deleted': False,
        'request_spec': True, 'mapping': 'cell1', 'host': 'host1', 'project': _PROJECT, 'power_state': 1,
        'flavor_extra': None, 'image_props': None, 'vnic_type': None, 'share': False,
    })
    servers: Mapping[str, str] = dataclasses.field(default_factory=lambda: {
        f'web-{number}': f'6d1f0a52-3c1e-4a0b-9d0e-0c5f6f1f7a1{number}' for number in (1, 2, 3)})
    states: Mapping[str, Mapping[str, Value]] = dataclasses.field(default_factory=dict)
    project: str = _PROJECT
    other_project: str = _OTHER_PROJECT

    def state(self, server: str) -> dict[str, Value]:
        """Return the whole state of a server."""
        return {**self.server_defaults, **self.states.get(server, {})}

    def identities(self) -> dict[str, Identity]:
        """Return the identity that each caller's token stands for: {caller: identity}."""
        return {name: (who['user_id'], who['project_id'], tuple(who['roles'])) for name, who in self.callers.items()}


CELL1 = '11111111-1111-4111-8111-111111111111'
CELL_DOWN = '22222222-2222-4222-8222-222222222222'
EPOCH = datetime.datetime(2026, 1, 1)
FLAVOR = {'id': 1, 'name': 'm1.tiny', 'memory_mb': 512, 'vcpus': 1, 'root_gb': 1, 'ephemeral_gb': 0, 'flavorid': '1'}
