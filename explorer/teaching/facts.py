"""Read facts off traces: what the questions of the lesson share, and the whole journey as a table."""

from explorer.explorations import bare
from explorer.stations import BY_KEY, NODES
from explorer.views.comparison import compare
from explorer.views.facts import path_of, turned_back
from explorer.views.text import literal


def order(version='2.96', **wish):
    """Make a scenario that sends the order itself without the client, with other fields than the client would."""
    return bare({'os-migrateLive': {'host': None, 'block_migration': 'auto', **wish}}, version)


def status(trace):
    """Give the status of the answer, 0 if there was none."""
    return trace.response['status'] if trace.response else 0


def sent(trace, field):
    """Give a field of the order as it was sent; None, where there is none."""
    body = trace.request['body'] if trace.request else None
    wish = body.get('os-migrateLive') if isinstance(body, dict) else None
    return wish.get(field) if isinstance(wish, dict) else None


def turned_by(trace):
    """Give the station that turned a request back, '' if none did."""
    step = turned_back(trace)
    return step.station if step else ''


def stations(trace):
    return [step.station for step in trace.steps]


def first(trace, station):
    return trace.find(station)[0]


def arguments(trace):
    """Give the arguments of the one message."""
    return trace.messages[0]['args']


def parting(both):
    """Name the leg of the last step that the two runs of a Comparison share before they part; 'nowhere', if they don't."""
    leg = ''
    for row in both.rows:
        if row.a is None or row.b is None:
            return leg
        leg = both.a.steps[row.a].exploration
    return 'nowhere'


def parts_at(one, other):
    """Make the facts of a question about two runs."""
    def facts(ask):
        both = compare(ask(one), ask(other))
        return {'answer': parting(both), 'words': both.words}
    return facts


def statuses(*scenarios):
    """Make the facts of a question about statuses: the only one, or all of them."""
    def facts(ask):
        found = tuple(status(ask(scenario)) for scenario in scenarios)
        return {'answer': found if len(found) > 1 else found[0], **{f'status_{number}': each for number, each in enumerate(found, 1)}}
    return facts


def none(ask):
    return {}


def journey(trace):
    """Show a run leg by leg: (head, rows of leg, where, which station of it has the order, what that looks like there)."""
    def after(station):
        return first(trace, station).after

    target, wish = first(trace, 'send').before['target'], trace.request['body']
    context, order_sent = after('NovaKeystoneContext')['ctx'], trace.messages[0]
    seen = (
        ('client', 'http', f'{trace.request["method"]} {path_of(trace)} {literal(wish)}'),
        ('service', 'NovaKeystoneContext', f'{context["request_id"][:4]}…, from {context["user_id"]}, {", ".join(context["roles"][:2])} …'),
        ('routes', '_get_method', f'"{first(trace, "action_peek").result}" leads to {first(trace, "_get_method").result.strip("<>")}'),
        ('controller', '_migrate_live', f'block_migration={after("_migrate_live")["block_migration"]}, host={after("_migrate_live")["host"]}, '
                                        f'async_={after("_migrate_live")["async_"]}; the policy says yes'),
        ('compute-api', 'Instance.save', f'task_state: None → "{trace.outcome["task_state_after"]}"'),
        ('conductor-api', 'ComputeTaskAPI.live_migrate_instance', f'a {order_sent["kind"]} of {order_sent["method"]}'),
        ('rpc', 'send', f'text: {order_sent["method"]} {target["version"]}, with {", ".join(order_sent["args"])}'),
        ('back again', 'http', f'{status(trace)}, and no word more'))
    rows = [(leg, NODES[first(trace, station).node], BY_KEY[station].name, what) for leg, station, what in seen]
    return ('leg', 'where', 'who has it', 'what it looks like there'), rows
