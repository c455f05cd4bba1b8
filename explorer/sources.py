"""The text of the functions on the way: of ours and of the libraries as imported, of the real Nova where it is installed."""

import ast
import functools
import linecache
import pathlib
import textwrap
import types

from explorer import real_nova
from explorer.stations import BY_KEY
from explorer.trace import codes


def is_ours(file):
    """Say whether the *file* of a step, as in a trace, is one of the miniature's."""
    return file.startswith('explorer/')


@functools.lru_cache(512)
def text_of(station, file, line):
    """Give the text of the function that a step visited, as its lines; nothing, where it is not at hand.

    Shape: *station*, *file* and *line* as in the step, for a function may have variants.
    """
    code = code_of(station, file, line)
    return linecache.getlines(code.co_filename)[line - 1:_last_line(code)] if code else []


def our_text(station):
    """Give the text of the function of the miniature at a station, as its lines."""
    code = codes(BY_KEY[station].ours)[0]
    return linecache.getlines(code.co_filename)[code.co_firstlineno - 1:_last_line(code)]


def code_of(station, file, line):
    """Give the code of the function that a step visited; None, where it is not at hand."""
    row = BY_KEY[station]
    if file.startswith('nova/'):
        found = _codes_below(real_nova.site_packages(), file)
    else:
        try:
            found = codes(row.ours if is_ours(file) else row.nova)
        except LookupError:
            found = ()
    return next((code for code in found if code.co_firstlineno == line), None)


def _codes_below(folder, file):
    """Compile a file of packages that this process does not import: all code objects in it."""
    path = folder and pathlib.Path(folder, file).resolve()
    return _compiled(path) if path and path.is_relative_to(folder.resolve() / 'nova') else ()  # the trace may be anybody's


@functools.lru_cache(64)
def _compiled(path):
    try:
        found = [compile(path.read_text(encoding='utf-8'), str(path), 'exec', dont_inherit=True)]
    except (OSError, ValueError, SyntaxError):
        return ()
    for code in found:  # which grows
        found += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return tuple(found[1:])


def _last_line(code):
    """Give the number of the last line of a code, with those within it."""
    inner = [_last_line(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return max([code.co_firstlineno, *(end or 0 for _, end, _, _ in code.co_positions()), *inner])


@functools.lru_cache(512)
def statements(station, file, line):
    """Map the lines of a function to the simple statements there: {line: (first line, text)}."""
    text = textwrap.dedent(''.join(text_of(station, file, line)))
    nodes = list(ast.walk(ast.parse(text)))
    last = {inner for node in nodes for part in getattr(node, 'finalbody', ()) for inner in ast.walk(part)}  # run on any way
    simple = [node for node in nodes if isinstance(node, ast.stmt) and not hasattr(node, 'body') and node not in last]
    return {line - 1 + number: (line - 1 + node.lineno, ' '.join(ast.get_source_segment(text, node).split()))
            for node in simple for number in range(node.lineno, node.end_lineno + 1)}
