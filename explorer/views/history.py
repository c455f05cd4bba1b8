"""The time machine: how the functions on the path looked in each release of Nova, from Liberty to 2026.2.

releases.json holds what was read from the sources of each release: {"releases": {version: a ReleaseRecord}, "article":
{...}}. What changed, when, and what never did, is computed from it.
"""

import dataclasses
import functools
import html
import itertools
import json
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from explorer.errors import WrongUse
from explorer.payloads import Value
from explorer.stations import BY_KEY, STATIONS, split
from explorer.views.markup import LEFT, html_table

if TYPE_CHECKING:
    import pandas

RELEASES_FILE = pathlib.Path(__file__).with_name('releases.json')
_SETS: dict[Literal['decorators', 'microversions', 'rpc_versions', 'caught'], str] = {
    'decorators': 'decorators', 'microversions': 'checks microversions', 'rpc_versions': 'RPC versions',
    'caught': 'catches'}


class FunctionRecord(TypedDict):
    """A function in a release; a key whose value is not known is missing."""

    file: str
    qualname: str
    line: int
    signature: NotRequired[str]
    decorators: NotRequired[list[str]]
    microversions: NotRequired[list[str]]
    rpc_versions: NotRequired[list[str]]
    rpc_verb: NotRequired[list[str]]
    caught: NotRequired[list[str]]
    digest: NotRequired[str]  # of its text


class ReleaseRecord(TypedDict):
    """What was read from the sources of a release."""

    name: str
    facts: dict[str, Value]
    functions: dict[str, FunctionRecord]  # by the dotted name in the newest release


@functools.cache
def releases() -> dict[str, ReleaseRecord]:
    """Return what is known about each release, by its version, oldest first."""
    return dict(json.loads(RELEASES_FILE.read_text(encoding='utf-8'))['releases'])


@functools.cache
def article() -> tuple[str, str]:
    """Return the version and the name of the release whose code the article of 2018 shows."""
    about = json.loads(RELEASES_FILE.read_text(encoding='utf-8'))['article']
    return about['snapshot_tag'], releases()[about['snapshot_tag']]['name']


def known_names() -> dict[str, str | None]:
    """Return every function whose history is known: {dotted name: key of its station, or None}."""
    found: dict[str, str | None] = {}
    for release in releases().values():
        for name in release['functions']:
            found.setdefault(name, None)
    for station in STATIONS:
        if (base := _base(station.nova)) in found:
            found[base] = station.key
    return found


def _base(name: str) -> str:
    return name.partition('.<locals>')[0]


@dataclasses.dataclass(frozen=True)
class Release:
    """A function in a release.

    Shape: *file*, *line* and *signature* are None if it did not exist; *variant* numbers the versions of its text,
    from 1. *changes* describe what differs from the release before. They mention the body only if nothing else has
    changed.
    """

    version: str
    name: str
    file: str | None
    line: int | None
    signature: str | None
    variant: int | None
    changes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class History:
    """The history of a function, release by release; *never* names what has not changed since it was introduced."""

    function: str
    releases: tuple[Release, ...]
    never: tuple[str, ...]

    def frame(self) -> 'pandas.DataFrame':
        """Return a pandas table with a row for each release."""
        import pandas
        return pandas.DataFrame(
            [{**dataclasses.asdict(row), 'changes': '; '.join(row.changes)} for row in self.releases])

    def _repr_html_(self) -> str:
        rows = [(row.version, html.escape(row.name),
                 f'<code>{html.escape(f"{row.file}:{row.line}" if row.file else "")}</code>', row.variant or '',
                 ''.join(f'<div>{html.escape(change)}</div>' for change in row.changes)) for row in self.releases]
        return (f'{LEFT}<p><code>{html.escape(self.function)}</code></p>'
                f'{html_table(("release", "name", "place", "text", "what changed"), rows)}'
                f'<p>never changed: {html.escape(", ".join(self.never) or "nothing")}</p>')

    def __str__(self) -> str:
        rows = [f'{row.version:<10} {row.name.partition(" (")[0]:<16} '
                f'{f"{row.file}:{row.line}" if row.file else "-":<56} '
                f'{f"v{row.variant}" if row.variant else "":<4} {"; ".join(row.changes)}'.rstrip()
                for row in self.releases]
        return '\n'.join([self.function, *rows, f'never changed: {", ".join(self.never) or "nothing"}'])

    __repr__ = __str__


def history(station: str) -> History:
    """Return the history of a function, given by the key of its station or its dotted name in Nova.

    Raises: WrongUse for a function whose history is not known.
    """
    known = known_names()
    row = BY_KEY.get(station)
    function = _base(row.nova) if row else station
    if function not in known:
        raise WrongUse(f'the history of {station!r} is not known; choose a function that nova-explorer history lists, '
                       f'or one of {", ".join(filter(None, known.values()))}')
    rows: list[Release]
    seen: dict[str, int]
    before: FunctionRecord | None
    rows, seen, before = [], {}, None
    for version, release in releases().items():
        now = release['functions'].get(function)
        if now and 'digest' in now:
            seen.setdefault(now['digest'], len(seen) + 1)
        place: tuple[str | None, int | None, str | None, int | None] = (
            (now['file'], now['line'], now.get('signature'), seen.get(now.get('digest', ''))) if now
            else (None, None, None, None))
        rows.append(Release(version, release['name'], *place, tuple(_changes(before, now)) if rows else ()))
        before = now
    there = [release['functions'][function] for release in releases().values() if function in release['functions']]
    never = [name for name in ('file', 'signature', *_SETS) if len({json.dumps(now.get(name)) for now in there}) == 1
             and there[0].get(name)]
    if len(seen) == 1:  # if there is none, the text is not known
        never.insert(0, 'its text')
    return History(function, tuple(rows), tuple(never))


def _changes(before: FunctionRecord | None, now: FunctionRecord | None) -> list[str]:
    """Describe what differs between two releases of a function."""
    if before is None or now is None:
        return ['appears'] if now else ['is gone'] if before else []
    words = []
    if before.get('file') != now.get('file'):
        words.append(f'moves to {now["file"]}')
    if before.get('qualname') != now.get('qualname'):
        words.append(f'was called {before["qualname"]}')
    if before.get('signature') != now.get('signature'):
        words.append(f'takes {now.get("signature", "no arguments")}')
    for name, says in _SETS.items():
        old, new = before.get(name, []), now.get(name, [])
        signs = [*(f'+{each}' for each in new if each not in old), *(f'−{each}' for each in old if each not in new)]
        if signs:
            words.append(f'{says} {" ".join(signs)}')
    if before.get('digest') != now.get('digest') and not words:
        words.append('its body')
    return words


def since(function: str) -> tuple[str, str]:
    """Return the (version, name) of the release in which a function first appears.

    Raises: WrongUse for a function whose history is not known.
    """
    return next((row.version, row.name) for row in history(function).releases if row.file)


def fact(name: str) -> list[tuple[str, str, Value]]:
    """Return how a fact about the releases changed: [(version, name, value)], a row for each change.

    Raises: WrongUse for an unknown fact.
    """
    known = {key for release in releases().values() for key in release['facts']}
    if name not in known:
        raise WrongUse(f'there is no fact {name!r}; choose one of {", ".join(sorted(known))}')
    rows: list[tuple[str, str, Value]] = []
    for version, release in releases().items():
        value = release['facts'].get(name)
        if not rows or rows[-1][2] != value:
            rows.append((version, release['name'], value))
    return rows


def answers() -> list[tuple[str, str]]:
    """Answer the questions that people ask first: [(question, answer)]."""
    version, name = article()
    cast, xen = since('nova.conductor.rpcapi.ComputeTaskAPI.live_migrate_instance'), fact('xenapi_driver')[-1]
    command = next(row for row in fact('nova_cmd_api') if not row[2])
    return [
        ('Which release is the article of 2018 about?', f'{version}, {name}'),
        ('When was the cast introduced?', f'in {cast[0]} {cast[1]}'),
        ('When was XenAPI removed?', f'in {xen[0]} {xen[1]}'),
        ('When was the command nova-api removed?', f'in {command[0]} {command[1]}'),
    ]


@dataclasses.dataclass(frozen=True)
class Chart:
    """The history of several functions: a row for each, a column for each release, a new shade where the text changed.

    Shape: *rows* are (name, the variant in each release, None where the function did not exist).
    """

    rows: tuple[tuple[str, tuple[int | None, ...]], ...]

    def __str__(self) -> str:
        wide = max(len(name) for name, _ in self.rows)
        lines = [f'{"":<{wide}}{"".join(f"{_number(version):>5}" for version in releases())}']
        lines += [f'{name:<{wide}}{"".join(f"{variant or chr(183):>5}" for variant in variants)}'
                  for name, variants in self.rows]
        return '\n'.join([*lines, 'The number counts the texts that a function has had (docstrings are ignored, and '
                          'async_ counts as async). A dot means that the function did not exist.'])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        wide, high, left, head = 26, 18, 330, 78
        versions = list(releases())
        parts = [f'<text transform="translate({left + (column + 0.5) * wide + 4:g} {head - 6}) rotate(-60)">'
                 f'{html.escape(_name(version))}</text>' for column, version in enumerate(versions)]
        for number, (name, variants) in enumerate(self.rows):
            top = head + number * high
            parts.append(f'<text x="{left - 6}" y="{top + 13}" text-anchor="end">{html.escape(name)}</text>')
            for variant, first, count in _stretches(variants):
                said = f'{name}: text {variant}, {_name(versions[first])} to {_name(versions[first + count - 1])}'
                parts.append(f'<rect x="{left + first * wide + 1}" y="{top + 1}" width="{count * wide - 2}" '
                             f'height="{high - 2}" rx="3" fill="{_SHADES[variant % 2]}">'
                             f'<title>{html.escape(said)}</title></rect>'
                             f'<text x="{left + first * wide + 7}" y="{top + 13}" fill="#10243e">{variant}</text>')
        width, height = left + len(versions) * wide + 34, head + 4 + len(self.rows) * high
        return (f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
                'aria-label="how often the functions on the path changed, release by release" font-family="sans-serif" '
                f'font-size="11" fill="currentColor" style="max-width: 100%">{"".join(parts)}</svg>')


def _number(version: str) -> str:
    """Shorten the number of a release: 34 for 34.0.0, 18b1 for 18.0.0.0b1."""
    return re.sub(r'(\.0)+(b\d)?$', r'\2', version)


def _name(version: str) -> str:
    """Shorten the name of a release: Hibiscus for 2026.2 Hibiscus; a milestone is marked."""
    name, _, milestone = releases()[version]['name'].partition(' (')
    return f'{name.split()[-1]}{" b1" if milestone else ""}'


_SHADES = ('#b9d6f7', '#7fb2ec')  # two of one hue, so that neighbours differ


def _stretches(variants: tuple[int | None, ...]) -> Iterator[tuple[int, int, int]]:
    """Find the stretches of releases with the same text: yield (variant, column of the first, how many)."""
    column = 0
    for variant, group in itertools.groupby(variants):
        count = len(list(group))
        if variant:
            yield variant, column, count
        column += count


def chart() -> Chart:
    """Draw the history of all stations for which it is known, and of the functions that only the article mentions."""
    found = [name for name, key in known_names().items() if key or name in _OF_THE_ARTICLE]
    shown = [split(name)[1] for name in found]
    return Chart(tuple((each if shown.count(each) == 1 else f'{split(name)[0].rpartition(".")[2]}.{each}',
                        tuple(row.variant for row in history(name).releases))
                       for name, each in zip(found, shown, strict=True)))


_OF_THE_ARTICLE = ('nova.cmd.api.main', 'nova.api.openstack.compute.wsgi.init_application',
                   'nova.api.openstack.compute.routes.APIRouterV21.__init__')
