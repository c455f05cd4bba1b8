"""Show a table of the lesson as text and as HTML."""

import dataclasses
from collections.abc import Sequence
from html import escape

from explorer.views.markup import LEFT, html_table


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A table of the lesson, as text and as HTML, with an optional line below it."""

    head: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    line: str = ''

    def __str__(self) -> str:
        widths = [max(len(str(cell)) for cell in column) for column in zip(self.head, *self.rows, strict=True)]
        lines = ['  '.join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                 for row in (self.head, *self.rows)]
        return '\n'.join([*lines, *filter(None, [self.line])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = [[escape(str(cell)) for cell in row] for row in self.rows]
        return f'{LEFT}{html_table(self.head, cells)}{f"<p>{escape(self.line)}</p>" if self.line else ""}'
