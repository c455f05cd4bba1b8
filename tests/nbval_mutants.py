"""A plugin for nbval: would a change in any stored output have been noticed?

The notebook runs once. After each cell, nbval's own comparison runs again, with one stored output of a kind changed at
a time. The changes that it missed are written to the file that --missed names, as JSON: {kind: {number of the cell:
how many changes it missed}}. A cell that missed none is listed with 0. Notebooks in that file's folder are left out.
"""

import collections
import copy
import json
import pathlib

KINDS = ('printed line', 'text/plain', 'text/html')


def pytest_addoption(parser):
    parser.addoption('--missed', type=pathlib.Path)


def pytest_configure(config):
    config.missed = {kind: collections.Counter() for kind in KINDS}


def pytest_runtest_teardown(item):
    if item.test_outputs is not None and item.path.parent != item.config.getoption('--missed').parent:
        for kind in KINDS:
            for outputs in mutants(item.cell.outputs, kind):
                item.config.missed[kind][item.cell_num] += bool(item.compare_outputs(item.test_outputs, outputs))


def pytest_unconfigure(config):
    config.getoption('--missed').write_text(json.dumps(config.missed))


def mutants(outputs, kind):
    """Yield copies of a cell's outputs, each with one output of a kind changed."""
    for number, output in enumerate(outputs):
        changed = copy.deepcopy(outputs)
        if kind == 'printed line' and output.output_type == 'stream':
            changed[number].text = f'{output.text.rstrip()}x\n'
            yield changed
        elif kind in output.get('data', {}):
            text = output.data[kind]
            changed[number].data[kind] = f'{text[:len(text) // 2]}mutated{text[len(text) // 2:]}'
            yield changed
