"""The moments of a trace, the entry and the return of each visit, in the order in which they are shown."""

import functools
from collections.abc import Sequence
from typing import Literal, TypeAlias

from explorer.trace import Step, Trace, unpacked

When: TypeAlias = Literal['entry', 'return']
Moment: TypeAlias = tuple[int, When]  # the index of a step


def moments(trace: Trace) -> tuple[Moment, ...]:
    """Return the moments of a trace in the order in which they are shown.

    The visits that a visit causes stand between its entry and its return: those that it calls, and those on another
    thread or node that it waits for. What it does not wait for, such as the work that a cast starts, comes at the end.
    """
    return moments_of(trace.packed)


@functools.lru_cache(maxsize=4)
def moments_of(packed: bytes) -> tuple[Moment, ...]:
    """Return the moments of a trace whose steps are packed."""
    inner, outermost = _tree(unpacked(packed))
    found: list[Moment] = []
    waiting = [(step, False) for step in reversed(outermost)]
    while waiting:  # without recursion, because a trace may be deep
        step, ends = waiting.pop()
        found.append((step, 'return' if ends else 'entry'))
        if not ends:
            waiting.append((step, True))
            waiting += [(each, False) for each in reversed(inner[step])]
    return tuple(found)


def _tree(steps: Sequence[Step]) -> tuple[list[list[int]], list[int]]:
    """Return, for each step, the steps between its entry and its return, and the steps that are within no other."""
    inner: list[list[int]] = [[] for _ in steps]
    outermost: list[int] = []
    for step in steps:
        cause = step.parent
        if cause is None and step.hop_from is not None and _waits(steps[step.hop_from]):
            cause = step.hop_from
        (outermost if cause is None else inner[cause]).append(step.index)
    return inner, outermost


def _waits(step: Step) -> bool:
    """Return whether a step waits for the work that it causes elsewhere; only a cast does not."""
    return step.station != 'send' or bool((step.before or {}).get('wait_for_reply'))
