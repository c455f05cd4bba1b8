"""The source of the functions on the path: the miniature's as it was imported, and Nova's if Nova is installed."""

import ast
import functools
import pathlib
import textwrap
import types

from explorer.engines import real_nova
from explorer.stations import BY_KEY
from explorer.trace import codes, text_as_imported, was_written


def is_ours(file: str) -> bool:
    """Return whether the *file* of a step, as in a trace, belongs to the miniature."""
    return file.startswith('explorer/')


EDITED = 'This function was edited after it was imported. Restart the kernel to run the new text.'


@functools.lru_cache(512)
def text_of(station: str, file: str, line: int) -> list[str]:
    """Return the lines of the function that a step visited; [] if its source is missing.

    Shape: *station*, *file* and *line* as in the step, because a function may have variants. The text is the one that
    ran: if the file has been edited since, it is the text that was imported.
    """
    code = code_of(station, file, line)
    return _text(code) if code else []


def our_text(station: str) -> list[str]:
    """Return the lines of the miniature's function at a station."""
    return _text(codes(BY_KEY[station].ours)[0])


def was_edited(station: str, file: str, line: int) -> bool:
    """Return whether the file's current text of the function that a step visited differs from the text that ran."""
    code = code_of(station, file, line)
    if code is None or not was_written(code.co_filename):
        return False
    try:
        now = pathlib.Path(code.co_filename).read_text(encoding='utf-8').splitlines(keepends=True)
    except (OSError, ValueError):
        return False
    return now[code.co_firstlineno - 1:_last_line(code)] != (_text(code) or None)


def _text(code: types.CodeType) -> list[str]:
    lines = text_as_imported(code.co_filename)
    return list(lines[code.co_firstlineno - 1:_last_line(code)]) if _fits(code) else []


@functools.lru_cache(512)
def _fits(code: types.CodeType) -> bool:
    """Return whether a code object was compiled from the text that was read, and not from an earlier one."""
    compiled = _compiled_text(''.join(text_as_imported(code.co_filename)), code.co_filename)
    return any(other.co_firstlineno == code.co_firstlineno and other.co_qualname == code.co_qualname
               and _same(other, code) for other in compiled)


def _same(one: types.CodeType, other: types.CodeType) -> bool:
    """Compare what two code objects do, constants included; annotations and the name of the file do not count."""
    parts = [(code.co_code, code.co_names, code.co_varnames, len(code.co_consts)) for code in (one, other)]
    return parts[0] == parts[1] and all(
        _same(a, b) if isinstance(a, types.CodeType) and isinstance(b, types.CodeType)
        else type(a) is type(b) and a == b for a, b in zip(one.co_consts, other.co_consts, strict=True))


def code_of(station: str, file: str, line: int) -> types.CodeType | None:
    """Return the code of the function that a step visited; None if its source is missing."""
    row = BY_KEY[station]
    if file.startswith('nova/'):
        found = _codes_below(real_nova.site_packages(), file)
    else:
        try:
            found = codes(row.ours if is_ours(file) else row.nova)
        except LookupError:
            found = ()
    return next((code for code in found if code.co_firstlineno == line), None)


def _codes_below(folder: pathlib.Path | None, file: str) -> tuple[types.CodeType, ...]:
    """Compile a file of a package that this process does not import, and return all code objects in it."""
    path = pathlib.Path(folder or '', file).resolve()
    if not folder or not path.is_relative_to(folder.resolve() / 'nova'):  # the trace may come from anybody
        return ()
    return _compiled_text(''.join(text_as_imported(str(path))), str(path))


@functools.lru_cache(64)
def _compiled_text(text: str, filename: str) -> tuple[types.CodeType, ...]:
    """Compile a text and return all code objects in it; () if it is not Python."""
    try:
        found = [compile(text, filename, 'exec', dont_inherit=True)]
    except (ValueError, SyntaxError):
        return ()
    for code in found:  # the loop itself extends the list
        found += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return tuple(found[1:])


def _last_line(code: types.CodeType) -> int:
    """Return the number of the last line of a code object, including the code objects within it."""
    inner = [_last_line(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return max([code.co_firstlineno, *(end or 0 for _, end, _, _ in code.co_positions()), *inner])


@functools.lru_cache(512)
def statements(station: str, file: str, line: int) -> dict[int, tuple[int, str]]:
    """Map the lines of a function to the simple statements there: {line: (first line, text)}."""
    text = textwrap.dedent(''.join(text_of(station, file, line)))
    nodes = list(ast.walk(ast.parse(text)))
    # What is in a finally block runs in any case.
    last = {inner for node in nodes for part in getattr(node, 'finalbody', ()) for inner in ast.walk(part)}
    simple = [node for node in nodes if isinstance(node, ast.stmt) and not hasattr(node, 'body') and node not in last]
    return {line - 1 + number: (line - 1 + node.lineno, ' '.join((ast.get_source_segment(text, node) or '').split()))
            for node in simple for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
