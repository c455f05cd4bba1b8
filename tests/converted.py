"""What the tests of converted notebooks share: a copy of the notebook, `jupyter nbconvert`, and what a page loads."""

import os
import re
import runpy
import shutil
import subprocess
import sys

import bs4
import nbformat

from explorer.teaching.progress import VARIABLE
from tests.conftest import NOTEBOOK, ROOT

REFRESH = runpy.run_path(str(ROOT / 'notebooks/refresh.py'))
# Attributes and styles from which a browser loads something.
LOADING = [('src', tag) for tag in ('script', 'img', 'iframe', 'source', 'video', 'audio', 'embed')] + [
    ('href', 'link'), ('data', 'object'), ('srcset', 'img'), ('xlink:href', 'image'), ('href', 'image')]


def copied(folder):
    """Copy the notebook with its pictures to a folder, apply the rules for metadata, and return its path."""
    shutil.copytree(ROOT / 'diagrams', folder / 'diagrams')
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(REFRESH['metadata'](cell))
    notebook.metadata.language_info = REFRESH['LANGUAGE']
    path = folder / 'notebooks' / NOTEBOOK.name
    path.parent.mkdir()
    nbformat.write(notebook, path)
    return path


def convert(path, kind, *options):
    """Convert a notebook as a learner does, and return the path of what nbconvert wrote."""
    before = set(path.parent.iterdir())
    done = subprocess.run(
        [sys.executable, '-m', 'nbconvert', '--to', kind, *options, str(path)], cwd=path.parent,
        capture_output=True, text=True, timeout=300,
        env={**os.environ, 'JUPYTER_CONFIG_DIR': f'{path.parent.parent}/no-settings',
             VARIABLE: f'{path.parent.parent}/progress.json'})
    assert done.returncode == 0, done.stderr
    written, = set(path.parent.iterdir()) - before
    return written


def soup(path):
    return bs4.BeautifulSoup(path.read_text(encoding='utf-8'), 'html.parser')


def loaded(page):
    """List what a browser would load for a page, apart from what the page contains itself."""
    found = [tag[name] for name, kind in LOADING for tag in page.select(kind) if tag.get(name)]
    for style in page.select('style'):
        found += re.findall(r'(?:url\(|@import)\s*["\']?([^"\')]{,80})', style.text)
    return [each for each in found if not each.startswith(('data:', '#'))]
