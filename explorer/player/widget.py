"""The player: one trace or two as a widget. Python owns what is shown (content.py), the browser only the position.

protocol.py describes what the two send to each other.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Self

import anywidget
import traitlets

from explorer.engines.running import run, run_real
from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario, exploration, scenario_of_trace
from explorer.payloads import Plain
from explorer.player import form
from explorer.player.content import content, positions
from explorer.player.protocol import FormTrait, PlayerMessage, PlayerTraits
from explorer.stations import BY_KEY
from explorer.trace import Trace
from explorer.views.comparison import Comparison, compare, is_real
from explorer.views.facts import answered
from explorer.views.flowcharts import outline
from explorer.views.lanes import arrival
from explorer.views.moments import Moment, When
from explorer.views.pages import moment_text, page, step_numbered, tell

_HERE = pathlib.Path(__file__).parent
MODULE, STYLE = _HERE / 'player.js', _HERE / 'player.css'


def explore(key: str) -> 'Player':
    """Run the scenario of an exploration and return its player.

    Raises: WrongUse for an unknown exploration.
    """
    row = exploration(key)
    return Player(run(row.scenario), key)


class Player(anywidget.AnyWidget):
    """Step through a trace with its flowchart, source and payload; change the request and send it; compare two runs.

    Shape: the traits are `PlayerTraits`.
    """

    _esm, _css = MODULE, STYLE
    content = traitlets.Dict().tag(sync=True)
    form = traitlets.Dict().tag(sync=True)
    run = traitlets.Int().tag(sync=True)
    at = traitlets.Int().tag(sync=True)
    moment = traitlets.Unicode('entry').tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, trace: Trace, key: str, other: Trace | None = None) -> None:
        self.key = key
        self._before: Trace | None = None
        self._left: tuple[Trace, Moment] | None = None  # where a comparison began
        super().__init__(**self._shown(trace, other))
        self.on_msg(self._asked)

    @property
    def trace(self) -> Trace:
        """The trace that is shown."""
        return self.traces[self.run]

    def show(self, trace: Trace, other: Trace | None = None) -> None:
        """Show another trace, or two to be compared; of two, the second one is visible.

        The position is the step that rejected the request, or else the exploration's first step in focus.
        """
        shown = self._shown(trace, other)
        with self.hold_sync():  # one message, so that position and content agree
            for name, value in shown.items():
                setattr(self, name, value)

    def goto(self, position: object) -> Self:
        """Go to a step and return the player: to its return, or to its entry if it calls others.

        Shape: *position* is the index of a step, from 0, the key of a station or the key of an exploration; for the
        numbers that the player shows, from 1, see `step`.
        Raises: WrongUse for a position that this trace does not have; then the current step stays.
        """
        places = positions(self.trace)
        if isinstance(position, str) and position in places:
            step = places[position]
        elif type(position) is int and 0 <= position < len(self.trace.steps):
            step = position
        else:
            raise WrongUse(f'this trace has no step {shorten(position)}; use an index from 0 to '
                           f'{len(self.trace.steps) - 1}, or the key of an exploration or a station, such as '
                           '"controller" or "_migrate_live"')
        with self.hold_sync():
            self.at, self.moment = arrival(self.trace, step)
        return self

    def step(self, number: int) -> Self:
        """Go to a step by the number that the player shows, from 1, as `goto` does, and return the player.

        Raises: WrongUse for a number that this trace does not have; then the current step stays.
        """
        return self.goto(step_numbered(self.trace, number).index)

    def text(self, *, whole: bool = False) -> str:
        """Return the current moment as text: the sentence, the code with its values, what changed.

        Shape: *whole* adds every value that the step holds, in full. The trait `moment` is 'entry' or 'return'.
        """
        if not self.trace.steps:
            return repr(self)
        return moment_text(self.trace, self.trace.steps[self.at], self._when(), whole=whole)

    def _when(self) -> When:
        return 'entry' if self.moment == 'entry' else 'return'

    def compare(self, other: Scenario | Trace | None = None) -> Comparison:
        """Compare the trace that is shown (A) with another one, or with the trace of another scenario (B).

        By default, B is the run that the exploration suggests.
        """
        row, a = exploration(self.key), self.trace
        asked = _changed(scenario_of_trace(a), row.scenario, row.versus or row.scenario) if other is None else other
        b = asked if isinstance(asked, Trace) else run(asked)
        if other is None and b.scenario == a.scenario:  # A is the suggested run, so compare it with the usual one
            a = run(row.scenario)
        self._beside(a, b)
        return compare(a, b)

    def compare_with_real(self) -> Comparison:
        """Compare the miniature's trace (A) with the real Nova's (B), which is recorded or, failing that, made now.

        Raises: WrongUse if there is no recording and the real Nova is not installed; then the player does not change.
        """
        scenario = scenario_of_trace(self.trace)
        real = self.trace if is_real(self.trace) else run_real(scenario, tell=self._tell)
        ours = run(scenario) if is_real(self.trace) else self.trace
        self._beside(ours, real)
        return compare(ours, real)

    def _beside(self, a: Trace, b: Trace) -> None:
        if len(self.traces) == 1:
            self._left = self.trace, (self.at, self._when())
        self.show(a, b)

    def close_comparison(self) -> None:
        """End a comparison and return to the run and the moment where it began."""
        if len(self.traces) == 1:
            return
        trace, (step, moment) = self._left or (self.trace, (self.at, 'entry'))
        with self.hold_sync():
            self.show(trace)
            self.at, self.moment = step, moment

    def _tell(self, line: str) -> None:
        self.message = line

    def send(self, values: Mapping[str, object], edited: str = '') -> None:
        """Run the request in the form; an error becomes the message.

        Shape: *values* are some or all of the `FormValues`; *edited* names the control that was changed last.
        """
        self._try(lambda: self._replace(run(form.scenario_of(values, edited))))

    def edit(self, values: Mapping[str, object], edited: str) -> None:
        """Update the form to match the control that was *edited*; an error becomes the message."""
        def follow() -> None:
            self.form = dict(_form(form.scenario_of(values, edited)))
        self._try(follow)

    def compare_with_before(self) -> None:
        """Compare the previous run (A) with this one (B)."""
        self._beside(self._before or self.trace, self.trace)

    def _replace(self, trace: Trace) -> None:
        self._before = self.trace
        self.show(trace)

    def _try(self, work: Callable[[], object]) -> None:
        self.message = ''  # so that even a repeated line counts as a change and reaches the browser
        try:
            work()
        except Exception as error:  # a widget has no better place to show it, and a traceback helps nobody
            self.message = str(error) or type(error).__name__

    def _shown(self, trace: Trace, other: Trace | None) -> PlayerTraits:
        form = _form(scenario_of_trace(other or trace))
        shown = content(trace, self.key, other, form=form['fields'], before=self._before is not None and other is None)
        self.traces: tuple[Trace, ...] = (trace, other) if other else (trace,)
        run = len(self.traces) - 1
        step, moment = shown['runs'][run]['start']
        return {'message': '', 'content': shown, 'form': form, 'run': run, 'at': step, 'moment': moment}

    def set_state(self, sync_data: Mapping[str, object]) -> None:
        """Accept a valid position from the browser, and reset anything else that the browser sets."""
        run = sync_data.get('run', self.run)
        run = run if type(run) is int and 0 <= run < len(self.traces) else self.run
        at = sync_data.get('at', self.at)
        at = at if type(at) is int and 0 <= at < max(len(self.traces[run].steps), 1) else None
        start = self.content['runs'][run]['start']
        moment = sync_data.get('moment', self.moment)
        moment = moment if moment in ('entry', 'return') else self.moment
        good = {'run': run, **({'at': start[0], 'moment': start[1]} if at is None else {'at': at, 'moment': moment})}
        super().set_state(good)
        if odd := [name for name, value in sync_data.items() if name not in good or good[name] != value]:
            self.send_state([name for name in odd if name in self.keys])

    def _asked(self, _widget: object, said: PlayerMessage, _buffers: object) -> None:
        match said:
            case {'kind': 'compare'}:
                self._try(self.compare)
            case {'kind': 'before'} if self._before:
                self._try(self.compare_with_before)
            case {'kind': 'beside'}:
                self._try(self.compare_with_real)
            case {'kind': 'close'}:
                self._try(self.close_comparison)
            case {'kind': 'edit', 'values': dict(values), 'edited': str(edited)}:
                self.edit(values, edited)
            case {'kind': 'send', 'values': dict(values), **more}:
                self.send(values, str(more.get('edited', '')))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        step = self.trace.steps[self.at] if self.trace.steps else None
        where = f'step {step.index + 1} {BY_KEY[step.station].name}' if step else 'no steps'
        return f'Player({self.key}: {where}, of {len(self.trace.steps)}; {answered(self.trace)})'

    def _repr_mimebundle_(self, **kwargs: Plain) -> tuple[Plain, Plain]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, 'text/plain': tell(self.trace, self.key),
                'text/html': page(self.trace, self.key, outline(self.trace, self.key))}, metadata


def _changed(scenario: Scenario, usual: Scenario, other: Scenario) -> Scenario:
    """Apply to a scenario whatever *other* changes in the *usual* one."""
    names = [field.name for field in dataclasses.fields(Scenario)]
    changed = {name: getattr(other, name) for name in names if getattr(other, name) != getattr(usual, name)}
    if 'state' in changed:
        changed['state'] = {**scenario.state, **changed['state']}
    return dataclasses.replace(scenario, **changed)


def _form(scenario: Scenario) -> FormTrait:
    return {'fields': form.form(scenario)}
