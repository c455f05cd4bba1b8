"""Run the notebook from top to bottom and store its outputs: `make notebook`.

Views of live widgets are not stored, because they need their kernel; text and HTML show the same content. The source of
a cell decides about its metadata: which code is hidden, and what the slides show.
"""

import ast
import os
import pathlib
import re
import sys
import tempfile

import nbformat
from nbclient import NotebookClient

from explorer.teaching.progress import VARIABLE

NOTEBOOK = pathlib.Path(__file__).with_name('01_nova_api.ipynb')
LIVE = 'application/vnd.jupyter.widget-view+json'
# nbconvert --to script needs all of this.
LANGUAGE = {'name': 'python', 'file_extension': '.py', 'mimetype': 'text/x-python', 'nbconvert_exporter': 'python'}

HEADING = re.compile(r'^##? ', re.MULTILINE)
PLAYER = re.compile(r'\b(explore|Player)\(')
# The cards that a talk shows below a heading.
IN_TALK = re.compile(
    r"^lesson\.((opening|here|myths)\(|ask\('[\w-]+\.(recall|predict|foretell|pause)'\))", re.MULTILINE)


def slide_type(cell):
    """Return what nbconvert --to slides does with a cell: 'slide', '-' (on the same slide), 'notes' or 'skip'.

    A heading begins a slide, and so does a player. Other prose becomes the speaker's notes.
    """
    if cell.cell_type == 'markdown':
        return 'slide' if HEADING.search(cell.source) else 'notes'
    if PLAYER.search(cell.source):
        return 'slide'
    return '-' if IN_TALK.search(cell.source) else 'skip'


def is_card(source):
    """Return whether the code of a cell is better hidden: one call that shows a card, or the start of the lesson.

    Learners edit the code of lesson.check. What lesson.opening shows is the first thing that they see.
    """
    shows = source.startswith('lesson.') and not source.startswith('lesson.check(') and len(ast.parse(source).body) == 1
    return shows or source.endswith('lesson.opening()')


def metadata(cell):
    """Return the metadata of a cell: its place in the slides, and whether its code is hidden."""
    hidden = cell.cell_type == 'code' and is_card(cell.source)
    return {'slideshow': {'slide_type': slide_type(cell)}, **({'jupyter': {'source_hidden': True}} if hidden else {})}


def refresh(path):
    """Run the notebook at *path* in its folder, and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=60, store_widget_state=False, record_timing=False, coalesce_streams=True,
                            resources={'metadata': {'path': str(path.parent)}})
    with tempfile.TemporaryDirectory() as folder:  # the stored outputs are those of a learner without any answers
        client.execute(env={**os.environ, VARIABLE: f'{folder}/progress.json'})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(metadata(cell))
        for output in cell.get('outputs', ()):
            output.get('data', {}).pop(LIVE, None)
    notebook.metadata.language_info = LANGUAGE
    nbformat.write(notebook, path)


if __name__ == '__main__':
    refresh(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK)
