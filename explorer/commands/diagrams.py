"""The pictures of diagrams/: written, or checked whether they are up to date."""

import hashlib
import pathlib

from explorer.explorations import EXPLORATIONS
from explorer.views.flowcharts import flowchart, render

_FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'diagrams'


def diagrams(trace):
    """Give the pictures of `diagrams/`: {name: DOT}, the seven, and the whole path by its landmarks."""
    names = {f'nova-api-{row.number}': flowchart(trace, row.key).source for row in EXPLORATIONS}
    return {**names, 'nova-api-path': flowchart(trace, brief=True).source}


def write_diagrams(trace, *, check=False, folder=_FOLDER):
    """Write the pictures, or with *check* name those that are not up to date.

    Shape: an SVG says in a comment of which DOT it was made, as its bytes differ between versions of Graphviz.
    Returns: the names of the files written, or of those that are stale.
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
        svg, by = render(dot)
        folder.mkdir(exist_ok=True)
        dot_file.write_text(dot, encoding='utf-8')
        done.append(dot_file.name)
        if svg:
            svg_file.write_text(svg.rstrip() + '\n' + mark, encoding='utf-8')
            done.append(svg_file.name)
    return done
