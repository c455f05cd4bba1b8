"""The player: a trace as a widget. Python owns what is shown, the browser only the position.

Every fragment of HTML is made by the pure functions of views.py; the browser puts it in its place.
"""

import dataclasses
import functools
import pathlib

import anywidget
import traitlets

from explorer import views
from explorer.cloud import Cloud
from explorer.engines import run
from explorer.explorations import Scenario, exploration
from explorer.flowcharts import caption, flowchart, name_of, refusals, render
from explorer.stations import BY_KEY, NODES

_HERE = pathlib.Path(__file__).parent
VM_STATES = ('active', 'paused', 'stopped', 'suspended', 'building', 'rescued', 'resized', 'shelved_offloaded', 'error')
TASK_STATES = ('', 'migrating', 'rebooting', 'powering-off', 'resize_prep', 'deleting')


def explore(key):
    """Run the scenario of an exploration and give its player.

    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key)
    return Player(run(row.scenario), key)


class Player(anywidget.AnyWidget):
    """Step through a trace: flowchart, source, payload; and send another request.

    Shape: *content* as `content()` gives it; *step* is the index of the current step; *message* is the one line that
    says what went wrong.
    """

    _esm, _css = _HERE / 'player.js', _HERE / 'player.css'
    content = traitlets.Dict().tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, trace, key):
        self.key, self.trace, shown = key, trace, content(trace, key)
        super().__init__(content=shown, step=shown['start'])
        self.on_msg(self._asked)

    def show(self, trace):
        """Show another trace, from the first step of the exploration on."""
        shown = content(trace, self.key)
        self.trace = trace
        with self.hold_sync():  # one message, so that the position fits to what is shown
            self.message, self.step, self.content = '', shown['start'], shown

    def send(self, values):
        """Run the path with what stands in the form, {name: value}; an error becomes the message."""
        self._run(lambda: scenario_of(values))

    def send_compare(self):
        """Run the path the other way that the exploration suggests."""
        self._run(lambda: exploration(self.key).compare)

    def _run(self, scenario):
        self.message = ''  # so that the browser hears of the same line again
        try:
            self.show(run(scenario()))
        except Exception as error:  # a widget has no better place for it, and shall not show a traceback
            self.message = str(error) or type(error).__name__

    def _asked(self, _widget, said, _buffers):
        match said:
            case {'kind': 'compare'}:
                self.send_compare()
            case {'kind': 'send', 'values': {**values}}:
                self.send(values)

    def __repr__(self):
        step = self.trace.steps[self.step] if self.trace.steps else None
        where = f'step {step.index} {name_of(step.station)}' if step else 'no steps'
        return f'Player({self.key}: {where}, of {len(self.trace.steps)}; {views.answered(self.trace)})'

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, 'text/plain': views.tell(self.trace, self.key),
                'text/html': views.page(self.trace, self.key)}, metadata


# ---------------------------------------------------------------------------------------------------- what it shows


def content(trace, key):
    """Put together what the browser shows of a trace, as plain data; Graphviz runs once."""
    row, red = exploration(key), [step.index for step in refusals(trace)]
    svg, why = render(flowchart(trace).source)
    steps, sources, within = [], {}, views.made_within(trace)
    for step in trace.steps:
        text = f'{step.file}:{step.line}'
        sources.setdefault(text, views.source(step.station, _column(trace), step.file, step.line))
        steps.append({
            'station': step.station, 'node': step.node, 'where': NODES[step.node], 'name': name_of(step.station),
            'says': BY_KEY[step.station].says, 'source': text, 'lines': step.lines,
            'payload': views.payload(step, within[step.index]), 'refused': step.index in red})
    return {
        'key': key, 'title': f'{row.number}. {row.title}', 'question': row.question, 'asked': views.asked(trace),
        'answer': views.answered(trace), 'failed': bool(trace.note) or not trace.response or trace.response['status'] >= 400,
        'caption': caption(trace), 'flowchart': drawing(svg) if svg else drawing_as_list(trace, why),
        'focus': row.focus, 'start': start(trace, key), 'leg': leg(trace, key), 'steps': steps, 'sources': sources,
        'journey': views.journey_html(trace, row.follow), 'follow': row.follow, 'form': form(trace.scenario),
        'compare': row.compare_says}


def start(trace, key):
    """Give the index of the step to begin at: where the request was turned back, else the first in focus, else the last."""
    found = [step.index for step in trace.steps if step.exploration == key and step.station in exploration(key).focus]
    return [*(step.index for step in refusals(trace)), *found, max(len(trace.steps) - 1, 0)][0]


def leg(trace, key):
    """Say which steps belong to an exploration."""
    found = [step.index for step in trace.steps if step.exploration == key]
    several = f' to {found[-1]}' if len(found) > 1 else ''
    return f'this leg: {found[0]}{several}' if found else 'this leg was not reached'


def drawing(svg):
    """Prepare an SVG of Graphviz for a page: without its head, each box marked with its station."""
    return svg[svg.index('<svg'):].replace('id="station_', 'data-station="')


def drawing_as_list(trace, why):
    """Give the boxes as a list, where there is no Graphviz."""
    seen = dict.fromkeys(step.station for step in trace.steps)
    boxes = ''.join(f'<li data-station="{station}">{views.escape(name_of(station))}</li>' for station in seen)
    return f'<p>{views.escape(why)}</p><ol>{boxes}</ol>'


def _column(trace):
    return 'ours' if trace.engine == 'miniature' else 'nova'


# ------------------------------------------------------------------------------------------------------------ the form


def form(scenario):
    """Describe the controls that edit a scenario, as plain data: name, label, kind, value, options."""
    cloud, state = Cloud(), scenario['state']
    defaults = cloud.server_defaults
    field = functools.partial(dict, options=())
    return (
        field(name='block_migrate', label='block migration', kind='checkbox', value=scenario['block_migrate']),
        field(name='force', label='force', kind='checkbox', value=scenario['force']),
        field(name='host', label='host', kind='text', value=scenario['host'] or '',
              options=[host['host'] for host in cloud.hosts]),
        field(name='microversion', label='microversion', kind='text', value=scenario['microversion'] or '',
              options=['2.1', '2.24', '2.25', '2.29', '2.30', '2.34', '2.67', '2.68', 'latest']),
        field(name='caller', label='caller', kind='select', value=scenario['caller'],
              options=[*cloud.callers, 'no_token', 'bad_token']),
        field(name='vm_state', label='vm_state', kind='select', value=state.get('vm_state', defaults['vm_state']),
              options=VM_STATES),
        field(name='task_state', label='task_state', kind='select', value=state.get('task_state') or '',
              options=TASK_STATES),
        field(name='locked_by', label='locked by', kind='select', value=state.get('locked_by') or '',
              options=('', 'owner', 'admin')))


def scenario_of(values):
    """Make a scenario of what stands in the form; what is empty is left to the client."""
    state = {name: values[name] or None for name in ('vm_state', 'task_state', 'locked_by') if name in values}
    rest = {field.name: values[field.name] for field in dataclasses.fields(Scenario) if field.name in values}
    for name in ('host', 'microversion'):
        rest[name] = (rest.get(name) or '').strip() or None
    return Scenario(**rest, state=state)
