"""Run the notebook from top to bottom and store its outputs: `make notebook`.

Views of live widgets are not stored, because they need their kernel; text and HTML show the same content.
"""

import os
import pathlib
import sys
import tempfile

import nbformat
from nbclient import NotebookClient

from explorer.teaching.progress import VARIABLE

NOTEBOOK = pathlib.Path(__file__).with_name('01_nova_api.ipynb')
LIVE = 'application/vnd.jupyter.widget-view+json'


def refresh(path):
    """Run the notebook at *path* in its folder, and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=60, store_widget_state=False, record_timing=False, coalesce_streams=True,
                            resources={'metadata': {'path': str(path.parent)}})
    with tempfile.TemporaryDirectory() as folder:  # the stored outputs are those of a learner without any answers
        client.execute(env={**os.environ, VARIABLE: f'{folder}/progress.json'})
    for cell in notebook.cells:
        for output in cell.get('outputs', ()):
            output.get('data', {}).pop(LIVE, None)
    notebook.metadata.language_info = {'name': 'python'}
    nbformat.write(notebook, path)


if __name__ == '__main__':
    refresh(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK)
