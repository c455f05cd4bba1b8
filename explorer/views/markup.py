"""Pieces of HTML that several views share."""

import re
from collections.abc import Iterable
from html import escape

# Notebooks align cells to the right; this style aligns them to the left, and wraps them at words. Where styles are
# removed, as on GitHub, the align attributes of the cells do that.
LEFT = ('<style>.jp-RenderedHTMLCommon.jp-RenderedHTMLCommon :is(td, th) { text-align: left; vertical-align: top; '
        'word-break: normal; overflow-wrap: break-word; }</style>')

# Whether the miniature matches the real Nova at a station, as `reasons` computes it when the real Nova is recorded.
BADGES = {
    'same': 'the miniature receives the same, leaves no function out and returns the same; objects of the real Nova '
            'may have more fields',
    'simplified': 'the real Nova does more here, or holds something in another form; nova-explorer beside KEY lists '
                  'the differences',
    'left out': 'the miniature does not do this',
}

_PICTURE = '<style>.explorer-picture[hidden] { display: block !important; }</style>'


def pictured(html: str) -> str:
    """Wrap a drawing so that all of it is hidden where styles are removed: SVG goes too, and its texts would remain.

    Jupyter removes both from notebooks that are not trusted, and `hidden` without a value as well.
    """
    return f'{_PICTURE}<div class="explorer-picture" hidden="hidden">{html}</div>'


def goto(index: int | str | None, run: int = 0) -> str:
    """Show the number of a step, counted from 1, as an element that the player turns into a link; '' without a step.

    Shape: *index* is the index of the step.
    """
    return f'<span data-goto="{index}" data-run="{run}">{numbered(index)}</span>' if isinstance(index, int) else ''


def numbered(index: int | str | None) -> str:
    """Write the number of a step as people read it, counted from 1; '' without a step."""
    return str(index + 1) if isinstance(index, int) else ''


def said(text: str) -> str:
    """Return a sentence as HTML; names of the code are between backticks."""
    return re.sub('`([^`]*)`', r'<code>\1</code>', escape(text))


def code_html(text: str) -> str:
    return f'<code>{escape(text)}</code>'


def html_table(heads: Iterable[str], rows: Iterable[Iterable[object]], title: str = '') -> str:
    """Lay out cells of HTML as a table, aligned to the left; *title* is plain text."""
    head = ''.join(f'<th align="left">{head}</th>' for head in heads)
    body = ''.join('<tr>' + ''.join(f'<td align="left">{cell}</td>' for cell in row) + '</tr>' for row in rows)
    caption = f'<caption>{escape(title)}</caption>' if title else ''
    return f'<table>{caption}<tr>{head}</tr>{body}</table>'
