"""The time machine: how the functions on the way looked in each release of Nova, from Liberty to 2026.2.

releases.json holds what was read in the sources of each release: {"releases": {version: {"name", "facts": {...},
"functions": {dotted name in the newest release: {file, qualname, line, signature, decorators, microversions, rpc_versions,
caught, digest}}}}, "article": {...}}. What changed, when, and what never did, is worked out from it.
"""

import dataclasses
import functools
import html
import itertools
import json
import pathlib
import re

from explorer.errors import WrongUse
from explorer.stations import BY_KEY, STATIONS, split
from explorer.views.pages import LEFT, html_table

RELEASES_FILE = pathlib.Path(__file__).with_name('releases.json')
_SETS = {'decorators': 'decorators', 'microversions': 'asks for microversions', 'rpc_versions': 'RPC versions',
         'caught': 'catches'}


@functools.cache
def releases():
    """Give what is known: {version: {name, facts, functions}}, oldest first."""
    return json.loads(RELEASES_FILE.read_text(encoding='utf-8'))['releases']


@functools.cache
def article():
    """Give the release whose code the article of 2018 shows, and its name."""
    about = json.loads(RELEASES_FILE.read_text(encoding='utf-8'))['article']
    return about['snapshot_tag'], releases()[about['snapshot_tag']]['name']


def known_names():
    """Give {dotted name: key of the station, or None}: every function whose past is known."""
    found = {}
    for release in releases().values():
        for name in release['functions']:
            found.setdefault(name, None)
    for station in STATIONS:
        if (base := _base(station.nova)) in found:
            found[base] = station.key
    return found


def _base(name):
    return name.partition('.<locals>')[0]


@dataclasses.dataclass(frozen=True)
class Release:
    """A function in a release.

    Shape: *file*, *line* and *signature* are None where it did not exist; *variant* counts the texts that it has had;
    *changes* are words that tell what is not as in the release before; where they name something, the body may have changed, too.
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
    """The past of a function, release by release; *never* are words for what never changed since it exists."""

    function: str
    releases: tuple[Release, ...]
    never: tuple[str, ...]

    def frame(self):
        """Give a pandas table: a row for each release."""
        import pandas
        return pandas.DataFrame([{**dataclasses.asdict(row), 'changes': '; '.join(row.changes)} for row in self.releases])

    def _repr_html_(self):
        rows = [(row.version, html.escape(row.name), f'<code>{html.escape(f"{row.file}:{row.line}" if row.file else "")}</code>',
                 row.variant or '', ''.join(f'<div>{html.escape(change)}</div>' for change in row.changes)) for row in self.releases]
        return (f'{LEFT}<p><code>{html.escape(self.function)}</code></p>{html_table(("release", "name", "place", "text", "what changed"), rows)}'
                f'<p>never changed: {html.escape(", ".join(self.never) or "nothing")}</p>')

    def __str__(self):
        rows = [f'{row.version:<10} {row.name.partition(" (")[0]:<16} {f"{row.file}:{row.line}" if row.file else "-":<56} '
                f'{f"v{row.variant}" if row.variant else "":<4} {"; ".join(row.changes)}'.rstrip() for row in self.releases]
        return '\n'.join([self.function, *rows, f'never changed: {", ".join(self.never) or "nothing"}'])

    __repr__ = __str__


def history(station):
    """Tell the past of a station, by its key or its dotted name in Nova.

    Raises: WrongUse for one whose past is not known.
    """
    known = known_names()
    row = BY_KEY.get(station)
    function = _base(row.nova) if row else station
    if function not in known:
        raise WrongUse(f'no past is known of {station!r}; there is one of {", ".join(filter(None, known.values()))}, and of '
                       'the functions that nova-explorer history lists')
    rows, seen, before = [], {}, None
    for version, release in releases().items():
        now = release['functions'].get(function)
        if now and 'digest' in now:
            seen.setdefault(now['digest'], len(seen) + 1)
        rows.append(Release(
            version, release['name'], *((now.get(name) for name in ('file', 'line', 'signature')) if now else (None,) * 3),
            seen.get(now.get('digest')) if now else None, tuple(_changes(before, now)) if rows else ()))
        before = now
    there = [release['functions'][function] for release in releases().values() if function in release['functions']]
    never = [name for name in ('file', 'signature', *_SETS) if len({json.dumps(now.get(name)) for now in there}) == 1
             and there[0].get(name)]
    if len(seen) == 1:  # without one, nobody knows
        never.insert(0, 'its text')
    return History(function, tuple(rows), tuple(never))


def _changes(before, now):
    """Say in words what is different between two releases of a function."""
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


def since(function):
    """Give the (version, name) of the release in which a function appears first."""
    return next((row.version, row.name) for row in history(function).releases if row.file)


def fact(name):
    """Tell how a fact of the releases changed: [(version, name, value)], a row for each change.

    Raises: WrongUse for a fact that is not known.
    """
    known = {key for release in releases().values() for key in release['facts']}
    if name not in known:
        raise WrongUse(f'no fact {name!r}; there are {", ".join(sorted(known))}')
    rows = []
    for version, release in releases().items():
        value = release['facts'].get(name)
        if not rows or rows[-1][2] != value:
            rows.append((version, release['name'], value))
    return rows


def answers():
    """Answer what people ask first: [(question, answer)]."""
    version, name = article()
    cast, xen = since('nova.conductor.rpcapi.ComputeTaskAPI.live_migrate_instance'), fact('xenapi_driver')[-1]
    command = next(row for row in fact('nova_cmd_api') if not row[2])
    return [
        ('Which release is the article of 2018 about?', f'{version}, {name}'),
        ('Since when is there a cast?', f'since {cast[0]} {cast[1]}'),
        ('When did XenAPI go?', f'with {xen[0]} {xen[1]}'),
        ('When did the command nova-api go?', f'with {command[0]} {command[1]}'),
    ]


@dataclasses.dataclass(frozen=True)
class Chart:
    """The past of several functions: a row for each, a column for each release, a new shade where the text changed.

    Shape: *rows* are (name, the variant in each release, None where it did not exist).
    """

    rows: tuple

    def __str__(self):
        wide = max(len(name) for name, _ in self.rows)
        lines = [f'{"":<{wide}}{"".join(f"{_number(version):>5}" for version in releases())}']
        lines += [f'{name:<{wide}}{"".join(f"{variant or chr(183):>5}" for variant in variants)}' for name, variants in self.rows]
        return '\n'.join([*lines, 'the number counts the texts that a function has had, without docstrings, async_ read as async; a dot: there was none'])

    __repr__ = __str__

    def _repr_html_(self):
        wide, high, left = 26, 18, 360
        versions = list(releases())
        parts = [f'<text x="{left + (column + 0.5) * wide:g}" y="12" text-anchor="middle">'
                 f'{_number(version)}</text>' for column, version in enumerate(versions)]
        for number, (name, variants) in enumerate(self.rows):
            top = 18 + number * high
            parts.append(f'<text x="{left - 6}" y="{top + 13}" text-anchor="end">{html.escape(name)}</text>')
            for variant, first, count in _stretches(variants):
                said = f'{name}: text {variant}, {versions[first]} to {versions[first + count - 1]}'
                parts.append(f'<rect x="{left + first * wide + 1}" y="{top + 1}" width="{count * wide - 2}" height="{high - 2}" '
                             f'rx="3" fill="{_SHADES[variant % 2]}"><title>{html.escape(said)}</title></rect>'
                             f'<text x="{left + first * wide + 7}" y="{top + 13}" fill="#10243e">{variant}</text>')
        width, height = left + len(versions) * wide + 4, 22 + len(self.rows) * high
        return (f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
                'aria-label="how often the functions on the way changed, release by release" font-family="sans-serif" '
                f'font-size="11" fill="currentColor">{"".join(parts)}</svg>')


def _number(version):
    """Shorten the number of a release: 34 for 34.0.0, 18b1 for 18.0.0.0b1."""
    return re.sub(r'(\.0)+(b\d)?$', r'\2', version)


_SHADES = ('#9ecbff', '#f2c078')


def _stretches(variants):
    """Find the stretches of releases with the same text: (variant, column of the first, how many)."""
    column = 0
    for variant, group in itertools.groupby(variants):
        count = len(list(group))
        if variant:
            yield variant, column, count
        column += count


def chart():
    """Draw the past of all stations whose past is known, and of what the article tells beside them."""
    found = [name for name, key in known_names().items() if key or name in _OF_THE_ARTICLE]
    shown = [split(name)[1] for name in found]
    return Chart(tuple((each if shown.count(each) == 1 else f'{split(name)[0].rpartition(".")[2]}.{each}',
                        tuple(row.variant for row in history(name).releases)) for name, each in zip(found, shown)))


_OF_THE_ARTICLE = ('nova.cmd.api.main', 'nova.api.openstack.compute.wsgi.init_application',
                   'nova.api.openstack.compute.routes.APIRouterV21.__init__')
