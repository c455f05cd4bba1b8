"""The text of the functions on the way: of ours and of the libraries as imported, of the real Nova where it is installed."""

import ast
import functools
import pathlib
import textwrap
import types

from explorer.engines import real_nova
from explorer.stations import BY_KEY
from explorer.trace import codes, text_as_imported, was_written


def is_ours(file):
    """Say whether the *file* of a step, as in a trace, is one of the miniature's."""
    return file.startswith('explorer/')


EDITED = 'edited since it was imported: restart the kernel to run the new text'


@functools.lru_cache(512)
def text_of(station, file, line):
    """Return the text of the function that a step visited, as its lines; nothing if it is not at hand.

    Shape: *station*, *file* and *line* as in the step, because a function may have variants. The text is the one that ran: of
    a file that has been edited since, what was there when it was imported.
    """
    code = code_of(station, file, line)
    return _text(code) if code else []


def our_text(station):
    """Return the text of the miniature's function at a station, as its lines."""
    return _text(codes(BY_KEY[station].ours)[0])


def was_edited(station, file, line):
    """Say whether the file of the function that a step visited holds another text of it now than the one that ran."""
    code = code_of(station, file, line)
    if code is None or not was_written(code.co_filename):
        return False
    try:
        now = pathlib.Path(code.co_filename).read_text(encoding='utf-8').splitlines(keepends=True)
    except (OSError, ValueError):
        return False
    return now[code.co_firstlineno - 1:_last_line(code)] != (_text(code) or None)


def _text(code):
    lines = text_as_imported(code.co_filename)
    return list(lines[code.co_firstlineno - 1:_last_line(code)]) if _fits(code) else []


@functools.lru_cache(512)
def _fits(code):
    """See whether the text that was read is that of a code: it was compiled from it, and not from an earlier one."""
    compiled = _compiled_text(''.join(text_as_imported(code.co_filename)), code.co_filename)
    return any(other.co_firstlineno == code.co_firstlineno and other.co_qualname == code.co_qualname and _same(other, code)
               for other in compiled)


def _same(one, other):
    """Compare two codes by what they do, constants included; annotations and the file's name are not part of it."""
    parts = [part for code in (one, other) for part in [(code.co_code, code.co_names, code.co_varnames, len(code.co_consts))]]
    return parts[0] == parts[1] and all(
        _same(a, b) if isinstance(a, types.CodeType) and isinstance(b, types.CodeType) else type(a) is type(b) and a == b
        for a, b in zip(one.co_consts, other.co_consts))


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
    if not path or not path.is_relative_to(folder.resolve() / 'nova'):  # the trace may be anybody's
        return ()
    return _compiled_text(''.join(text_as_imported(str(path))), str(path))


@functools.lru_cache(64)
def _compiled_text(text, filename):
    """Compile a text: all code objects in it, () where there is none."""
    try:
        found = [compile(text, filename, 'exec', dont_inherit=True)]
    except (ValueError, SyntaxError):
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
