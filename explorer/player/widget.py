"""The player: a trace, or two, as a widget. Python owns what is shown (content.py), the browser only the position."""

import dataclasses
import pathlib

import anywidget
import traitlets

from explorer.engines.running import run, run_real
from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario, exploration, scenario_of_trace
from explorer.player import form
from explorer.player.content import content, positions
from explorer.stations import BY_KEY
from explorer.trace import Trace
from explorer.views.comparison import compare, is_real
from explorer.views.facts import answered
from explorer.views.pages import page, tell

_HERE = pathlib.Path(__file__).parent
MODULE, STYLE = _HERE / 'player.js', _HERE / 'player.css'


def explore(key):
    """Run the scenario of an exploration and give its player.

    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key)
    return Player(run(row.scenario), key)


class Player(anywidget.AnyWidget):
    """Step through a trace: flowchart, source, payload; change the request and send it; compare two runs.

    Shape: *content* as `content()` gives it; *run* says which of its runs is shown, *step* is the index of the current step;
    *form* are the controls as `form.form` gives them; *message* is the one line that says what went wrong.
    """

    _esm, _css = MODULE, STYLE
    content = traitlets.Dict().tag(sync=True)
    form = traitlets.Dict().tag(sync=True)
    run = traitlets.Int().tag(sync=True)
    step = traitlets.Int().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, trace, key, other=None):
        self.key, self._before = key, None
        super().__init__(**self._shown(trace, other))
        self.on_msg(self._asked)

    @property
    def trace(self):
        """Give the trace that is shown."""
        return self.traces[self.run]

    def show(self, trace, other=None):
        """Show another trace, or two side by side: then the second, from where it was turned back or the exploration begins."""
        shown = self._shown(trace, other)
        with self.hold_sync():  # one message, so that the position fits to what is shown
            self.message = ''
            for name, value in shown.items():
                setattr(self, name, value)

    def goto(self, position):
        """Go to a step: by its index, by the key of its station, or by that of an exploration; give the player.

        Raises: WrongUse for what this trace has not; the position stays.
        """
        places = positions(self.trace)
        if isinstance(position, str) and position in places:
            self.step = places[position]
        elif type(position) is int and 0 <= position < len(self.trace.steps):
            self.step = position
        else:
            raise WrongUse(f'no step {shorten(position)} in this trace; give 0 to {len(self.trace.steps) - 1}, an exploration '
                           'or a station, such as "controller" or "_migrate_live"')
        return self

    def compare(self, other=None):
        """Lay this run (A) beside that of another scenario, or another trace (B); by default what the exploration suggests.

        Returns: the Comparison, which tells it in words.
        """
        row, a = exploration(self.key), self.traces[0]
        asked = _changed(scenario_of_trace(a), row.scenario, row.versus) if other is None else other
        b = asked if isinstance(asked, Trace) else run(asked)
        if other is None and b.scenario == a.scenario:  # this is what it suggests; so beside what it suggests that for
            a = run(row.scenario)
        self.show(a, b)
        return compare(a, b)

    def compare_with_real(self):
        """Lay the miniature's run (A) beside what the real Nova does (B): as it is recorded, else live, where it is installed.

        Returns: the Comparison, which tells it in words.
        Raises: WrongUse, if this is not recorded and there is no real Nova; what is shown stays.
        """
        scenario = scenario_of_trace(self.trace)
        real = self.trace if is_real(self.trace) else run_real(scenario, tell=self._tell)
        ours = run(scenario) if is_real(self.trace) else self.trace
        self.show(ours, real)
        return compare(ours, real)

    def _tell(self, line):
        self.message = line

    def send(self, values, edited=''):
        """Run the path with what stands in the form, {name: value}; an error becomes the message."""
        self._try(lambda: self._replace(run(form.scenario_of(values, edited))))

    def edit(self, values, edited):
        """Keep the form in step with the control that was *edited*; an error becomes the message."""
        def follow():
            self.form = _form(form.scenario_of(values, edited))
        self._try(follow)

    def compare_with_before(self):
        """Lay the run before this one (A) beside this one (B)."""
        self.show(self._before, self.traces[0])

    def _replace(self, trace):
        self._before = self.trace
        self.show(trace)

    def _try(self, work):
        self.message = ''  # so that the browser hears of the same line again
        try:
            work()
        except Exception as error:  # a widget has no better place for it, and shall not show a traceback
            self.message = str(error) or type(error).__name__

    def _shown(self, trace, other):
        form = _form(scenario_of_trace(other or trace))
        shown = content(trace, self.key, other, form=form['fields'], before=self._before is not None and other is None)
        self.traces = (trace, other) if other else (trace,)
        run = len(self.traces) - 1
        return {'content': shown, 'form': form, 'run': run, 'step': shown['runs'][run]['start']}

    def set_state(self, sync_data):
        """Take over from the browser what it may say, the position; anything else, and any position that is none, is undone there."""
        run = sync_data.get('run', self.run)
        run = run if type(run) is int and 0 <= run < len(self.traces) else self.run
        step = sync_data.get('step', self.step)
        step = step if type(step) is int and 0 <= step < max(len(self.traces[run].steps), 1) else None
        good = {'run': run, 'step': step if step is not None else self.content['runs'][run]['start']}
        super().set_state(good)
        if odd := [name for name, value in sync_data.items() if name not in good or good[name] != value]:
            self.send_state([name for name in odd if name in self.keys])

    def _asked(self, _widget, said, _buffers):
        match said:
            case {'kind': 'compare'}:
                self._try(self.compare)
            case {'kind': 'before'} if self._before:
                self._try(self.compare_with_before)
            case {'kind': 'beside'}:
                self._try(self.compare_with_real)
            case {'kind': 'close'}:
                self._try(lambda: self.show(self.trace))
            case {'kind': 'edit', 'values': {**values}, 'edited': str(edited)}:
                self.edit(values, edited)
            case {'kind': 'send', 'values': {**values}, **more}:
                self.send(values, str(more.get('edited', '')))

    def __repr__(self):
        step = self.trace.steps[self.step] if self.trace.steps else None
        where = f'step {step.index} {BY_KEY[step.station].name}' if step else 'no steps'
        return f'Player({self.key}: {where}, of {len(self.trace.steps)}; {answered(self.trace)})'

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, 'text/plain': tell(self.trace, self.key),
                'text/html': page(self.trace, self.key)}, metadata


def _changed(scenario, usual, other):
    """Change in a scenario what *other* has other than the *usual* one, and leave the rest."""
    names = [field.name for field in dataclasses.fields(Scenario)]
    changed = {name: getattr(other, name) for name in names if getattr(other, name) != getattr(usual, name)}
    if 'state' in changed:
        changed['state'] = {**scenario.state, **changed['state']}
    return dataclasses.replace(scenario, **changed)


def _form(scenario):
    return {'fields': form.form(scenario)}
