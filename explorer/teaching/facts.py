"""Read facts from traces: what the lesson's questions share, and the whole journey as a table."""

from collections.abc import Callable, Mapping

from explorer.engines.recordings import Run
from explorer.explorations import Scenario, bare
from explorer.payloads import Plain, Value
from explorer.stations import BY_KEY, NODES
from explorer.trace import Step, Trace
from explorer.views.comparison import Comparison, compare
from explorer.views.facts import path_of, turned_back
from explorer.views.text import literal


def order(version: str | None = '2.96', **wish: Value) -> Scenario:
    """Return a scenario that sends the request without the client; *wish* replaces or adds fields of its body."""
    return bare({'os-migrateLive': {'host': None, 'block_migration': 'auto', **wish}}, version)


def status(trace: Trace) -> int:
    """Return the status of the response, 0 if there was none."""
    return trace.response['status'] if trace.response else 0


def sent(trace: Trace, field: str) -> Value:
    """Return a field of the request's body as it was sent, or None if the field is missing."""
    body = request(trace).get('body')
    wish = body.get('os-migrateLive') if isinstance(body, dict) else None
    return wish.get(field) if isinstance(wish, dict) else None


def turned_by(trace: Trace) -> str:
    """Return the key of the station that rejected the request, '' if none did."""
    step = turned_back(trace)
    return step.station if step else ''


def stations(trace: Trace) -> list[str]:
    return [step.station for step in trace.steps]


def first(trace: Trace, station: str) -> Step:
    return trace.find(station)[0]


def before(trace: Trace, station: str) -> Plain:
    """Return the payload at the entry of the first visit of a station."""
    return first(trace, station).before or {}


def after(trace: Trace, station: str) -> Plain:
    """Return the payload at the return of the first visit of a station."""
    return first(trace, station).after or {}


def request(trace: Trace) -> Plain:
    """Return the last request that was sent, {} if there was none."""
    return trace.request or {}


def outcome(trace: Trace) -> Plain:
    """Return what the database holds about the server afterwards."""
    return trace.outcome or {}


def arguments(trace: Trace) -> Value:
    """Return the arguments of the only message, {name: value}."""
    return trace.messages[0]['args']


def parting(both: Comparison) -> str:
    """Return the leg of the last step that both traces share before they diverge, 'nowhere' if they never do."""
    leg = ''
    for row in both.rows:
        if row.a is None or row.b is None:
            return leg
        leg = both.a.steps[row.a].exploration
    return 'nowhere'


def parts_at(one: Scenario, other: Scenario) -> Callable[[Run], Mapping[str, object]]:
    """Return the function that finds the facts of a question about where two traces diverge."""
    def facts(ask: Run) -> Mapping[str, object]:
        both = compare(ask(one), ask(other))
        return {'answer': parting(both), 'words': both.words}
    return facts


def statuses(*scenarios: Scenario) -> Callable[[Run], Mapping[str, object]]:
    """Return the function that finds the facts of a question about statuses.

    Shape: `answer` is the status, or a tuple of them if there are several scenarios; `status_1` and so on are the
    individual statuses.
    """
    def facts(ask: Run) -> Mapping[str, object]:
        found = tuple(status(ask(scenario)) for scenario in scenarios)
        return {'answer': found if len(found) > 1 else found[0],
                **{f'status_{number}': each for number, each in enumerate(found, 1)}}
    return facts


def none(ask: Run) -> Mapping[str, object]:
    return {}


def journey(trace: Trace) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return a trace leg by leg, as a table: its head and its rows.

    Shape: a row names the leg, the node, the station that holds the request, and what the request looks like there.
    """
    target, message = before(trace, 'send')['target'], trace.messages[0]
    context, call = after(trace, 'NovaKeystoneContext')['ctx'], after(trace, '_migrate_live')
    seen = (
        ('client', 'http', f'{request(trace)["method"]} {path_of(trace)} {literal(request(trace)["body"])}'),
        ('service', 'NovaKeystoneContext',
         f'{context["request_id"][:4]}…, from {context["user_id"]}, {", ".join(context["roles"][:2])} …'),
        ('routes', '_get_method',
         f'"{first(trace, "action_peek").result}" leads to {first(trace, "_get_method").result.strip("<>")}'),
        ('controller', '_migrate_live',
         f'block_migration={call["block_migration"]}, host={call["host"]}, async_={call["async_"]}; '
         'the policy allows it'),
        ('compute-api', 'Instance.save', f'task_state: None → "{outcome(trace)["task_state_after"]}"'),
        ('conductor-api', 'ComputeTaskAPI.live_migrate_instance', f'a {message["kind"]} of {message["method"]}'),
        ('rpc', 'send', f'text: {message["method"]} {target["version"]}, with {", ".join(message["args"])}'),
        ('back again', 'http', f'{status(trace)}, with no body'))
    rows: list[tuple[str, ...]] = [
        (leg, NODES[first(trace, station).node], BY_KEY[station].name, what)
        for leg, station, what in seen]
    return ('leg', 'where', 'who has it', 'what it looks like there'), rows
