"""Write the diagrams in diagrams/, or check whether they are up to date."""

import hashlib
import pathlib

from explorer.explorations import EXPLORATIONS
from explorer.trace import Trace
from explorer.views.animation import file_of
from explorer.views.flowcharts import flowchart, render
from explorer.views.lanes import still

_FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'diagrams'


def diagrams(trace: Trace) -> dict[str, str]:
    """Return {name: DOT} for the seven legs and for the whole path; the latter shows only landmarks."""
    names = {f'nova-api-{row.number}': flowchart(trace, row.key).source for row in EXPLORATIONS}
    return {**names, 'nova-api-path': flowchart(trace, brief=True).source}


def write_diagrams(trace: Trace, rejected: Trace, *, check: bool = False, folder: pathlib.Path = _FOLDER) -> list[str]:
    """Write the diagrams, the map and the pictures that move, or with *check* find those that are not up to date.

    Shape: a comment in each SVG identifies the DOT that it was made from, because the SVG's bytes differ between
    versions of Graphviz.
    Returns: the names of the files that were written or, with *check*, of those that are stale.
    """
    done = []
    for name, dot in diagrams(trace).items():
        mark = f'<!-- of DOT {hashlib.sha256(dot.encode()).hexdigest()} -->\n'
        dot_file, svg_file = folder / f'{name}.dot', folder / f'{name}.svg'
        if check:
            if not dot_file.is_file() or dot_file.read_text(encoding='utf-8') != dot:
                done.append(dot_file.name)
            if not svg_file.is_file() or not svg_file.read_text(encoding='utf-8').endswith(mark):
                done.append(svg_file.name)
            continue
        svg, _ = render(dot)
        folder.mkdir(exist_ok=True)
        dot_file.write_text(dot, encoding='utf-8')
        done.append(dot_file.name)
        if svg:
            svg_file.write_text(svg.rstrip() + '\n' + mark, encoding='utf-8')
            done.append(svg_file.name)
    for name, drawn in drawn_without_dot(trace, rejected).items():
        file = folder / name
        if not check:
            file.write_text(drawn, encoding='utf-8')
        if not check or not file.is_file() or file.read_text(encoding='utf-8') != drawn:
            done.append(file.name)
    return done


def drawn_without_dot(trace: Trace, rejected: Trace) -> dict[str, str]:
    """Return {name of a file: SVG} for what is drawn without Graphviz: the map, and the two that move."""
    return {'nova-api-map.svg': still(trace), 'nova-api-request.svg': file_of(trace),
            'nova-api-rejected.svg': file_of(rejected)}
