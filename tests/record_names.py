"""Write down how the real Nova names what our stations are called: run it where that nova is installed.

    python tests/record_names.py STATIONS.md... > tests/data/names.json

Shape: `functions` {dotted name: [parameters in order]} of every station, with * and ** before the rests; `files` {dotted
name: the file that holds it, from its package on}; `recordings`
[dotted name of every function of nova in the call sequences that were recorded].
"""

import importlib.metadata
import json
import pathlib
import re
import sys

from explorer.stations import STATIONS
from explorer.trace import shortened, codes

VARARGS, VARKEYWORDS = 0x04, 0x08


def parameters(code):
    """Give the names of a function's parameters, in order."""
    plain = code.co_argcount + code.co_kwonlyargcount
    rests = [mark for mark, flag in (('*', VARARGS), ('**', VARKEYWORDS)) if code.co_flags & flag]
    return [*code.co_varnames[:plain],
            *(mark + name for mark, name in zip(rests, code.co_varnames[plain:]))]


def signatures(column):
    """Give {dotted name in Nova: parameters} of the functions that a column of the table names."""
    return {station.nova: parameters(codes(getattr(station, column))[0]) for station in STATIONS}


def files():
    """Give {dotted name in Nova: its file}."""
    return {station.nova: shortened(codes(station.nova)[0].co_filename, station.nova) for station in STATIONS}


def recorded(text):
    """Find the functions of nova in a recorded call sequence."""
    return re.findall(r'^ *\d+ +(?:\[T\] )?(nova\.[\w.<>]+)', text, re.MULTILINE)


if __name__ == '__main__':
    recordings = {name for path in sys.argv[1:] for name in recorded(pathlib.Path(path).read_text(encoding='utf-8'))}
    json.dump({'nova': importlib.metadata.version('nova'), 'functions': signatures('nova'), 'files': files(),
               'recordings': sorted(recordings)}, sys.stdout, indent=1)
    print()
