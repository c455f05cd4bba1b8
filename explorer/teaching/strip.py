"""The seven legs as a strip: where you are, and how much of each leg you have done. Each segment leads to its leg."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from IPython.display import DisplayHandle, display

from explorer.explorations import EXPLORATIONS, Exploration, exploration
from explorer.stations import NODES
from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.progress import Progress, ProgressFile
from explorer.teaching.questions.closing import CLOSING
from explorer.teaching.tables import Sheet
from explorer.teaching.tasks import PHASES, Task

CLOSING_TITLE = 'Put it to the test'  # the notebook's heading of the closing


class LegProgress(NamedTuple):
    """A leg, or the closing: its name, the heading that it leads to, and how many of its tasks are done."""

    key: str
    name: str
    heading: str
    done: int
    tasks: int

    @property
    def share(self) -> str:
        return '✓' if self.done == self.tasks else f'{self.done} of {self.tasks}'


def segments(progress: Progress) -> Iterator[LegProgress]:
    """Yield the seven legs and the closing."""
    names = {row.key: (f'{row.number} {row.key}', f'{row.number}. {row.title}') for row in EXPLORATIONS}
    for key, (name, heading) in {**names, CLOSING: (CLOSING, CLOSING_TITLE)}.items():
        tasks = [task for task in TASKS.values() if task.leg == key]
        yield LegProgress(key, name, heading, sum(progress.done(task.key) for task in tasks), len(tasks))


def link_to(heading: str) -> str:
    """Return the link to a heading of the notebook, as Jupyter names it."""
    return f'#{heading.replace(" ", "-")}'


class Strip:
    """The strip of the legs; where a notebook shows it, it follows the answers.

    Shape: *keeper* holds the answers; *here* is the key of the leg that you are in, '' for none.
    """

    tasks = tuple(TASKS)

    def __init__(self, keeper: ProgressFile, here: str = '') -> None:
        self.keeper, self.row = keeper, exploration(here) if here else None
        self._displays: list[DisplayHandle] = []

    def refresh(self) -> None:
        """Show the current progress wherever this strip is displayed."""
        for each in self._displays:
            each.update(self._bundle(), raw=True)

    def _ipython_display_(self) -> None:
        self._displays.append(display(self._bundle(), raw=True, display_id=True))

    def _bundle(self) -> dict[str, str]:
        return {'text/plain': str(self), 'text/html': self._repr_html_()}

    def _repr_html_(self) -> str:
        links = ' '.join(
            f'<a href="{escape(link_to(each.heading))}" style="background: linear-gradient(to right, #16a34a '
            f'{100 * each.done / each.tasks:.0f}%, transparent 0) bottom / 100% 4px no-repeat"'
            f'{self._current(each)}>{escape(each.name)} <small>{each.share}</small></a>'
            for each in segments(self.keeper.read()))
        return f'{_STYLE}<nav class="explorer-strip" aria-label="the legs">{links}</nav>{self._about()}'

    def _current(self, segment: LegProgress) -> str:
        return ' aria-current="step"' if self.row and segment.key == self.row.key else ''

    def _about(self) -> str:
        """Introduce the leg; without one, list the progress task by task."""
        if self.row is None:
            return f'<details><summary>task by task</summary>{self._table()._repr_html_()}</details>'
        return (f'<p><b>{escape(self.row.question)}</b> <small>about {QUESTIONS[self.row.key].minutes} minutes, on '
                f'{escape(where(self.row))}</small></p>')

    def _table(self) -> Sheet:
        return Sheet(*progress_rows(self.keeper.read()), self.keeper.told())

    def __str__(self) -> str:
        legs = ' → '.join(f'[{each.name}]' if self._current(each) else f'{each.name} ({each.share})'
                          for each in segments(self.keeper.read()))
        if self.row is None:
            return f'Your progress: {legs}\n\n{self._table()}'
        return (f'You are here: {legs}\n{self.row.question}\nabout {QUESTIONS[self.row.key].minutes} minutes, on '
                f'{where(self.row)}')

    __repr__ = __str__


_STYLE = """<style>
.explorer-strip { display: flex; flex-wrap: wrap; gap: 4px; margin: 2px 0; }
.explorer-strip a, .explorer-strip a:visited {
  flex: 1 1 auto; padding: 2px 6px 5px; font-size: 13px; white-space: nowrap; text-decoration: none; border-radius: 4px;
  border: 1px solid var(--jp-border-color1, #bdbdbd); color: var(--jp-ui-font-color1, #1f2328) !important;
}
.explorer-strip a[aria-current] { font-weight: 700; outline: 2px solid currentColor; }
.explorer-strip a:hover { text-decoration: underline; }
</style>"""


def where(row: Exploration) -> str:
    """Name the nodes on which a leg runs."""
    return ', '.join(NODES[node] for node in dict.fromkeys(station.node for station in row.stations if station.node))


def progress_rows(progress: Progress) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Return the table of the progress, a row for each leg: (head, rows)."""
    rows: list[tuple[object, ...]] = []
    for leg, questions in QUESTIONS.items():
        marks = [_mark([task for task in questions.tasks if task.phase == phase], progress) for phase in PHASES]
        rows.append((f'{exploration(leg).number}. {leg}', *marks))
    rest = [task for task in TASKS.values() if task.leg == CLOSING]
    rows.append((CLOSING, *[''] * (len(PHASES) - 1), _mark(rest, progress)))
    return ('leg', *PHASES), rows


def _mark(tasks: Sequence[Task], progress: Progress) -> str:
    if not tasks:
        return ''
    done = sum(progress.done(task.key) for task in tasks)
    tried = any(task.key in progress.answers for task in tasks)
    return ('done' if done == len(tasks) else 'open' if not tried
            else f'{done} of {len(tasks)}' if len(tasks) > 1 else 'tried')
