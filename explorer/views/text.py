"""Text as it is shown: it cannot control a terminal, and values are written as in Python."""

import json
import re

from explorer.payloads import Value, is_marked

_STEERING = re.compile('[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]')


def visible(text: str) -> str:
    """Escape characters that would control a terminal or reverse text, and anything that is invalid in Unicode."""
    return _STEERING.sub(lambda found: f'\\u{ord(found[0]):04x}', text)


def short(value: Value, longest: int = 72) -> str:
    """Show plain data in one line of at most *longest* characters; an error is shown as its class and message."""
    name = value[''] if isinstance(value, dict) and isinstance(value.get(''), str) and not is_marked(value) else ''
    if name and isinstance(value.get('args'), list):
        said = value['args'] or [value[key] for key in ('message', 'code') if value.get(key)]
        return short_text(visible(f'{name}: {" ".join(str(said[0]).split())}' if said else name), longest)
    shown = {key: part for key, part in value.items() if key} if name else value
    return short_text(visible(f'{name} {literal(shown)}'.strip()), longest)


def literal(value: Value) -> str:
    """Write plain data as Python does: functions hold None and True; null and true exist only in the messages."""
    if is_marked(value):
        if not isinstance(value.get('items'), list):
            return str(value.get('value'))
        items = (': '.join(map(literal, item)) if isinstance(item, list) else literal(item) for item in value['items'])
        return f'{{{", ".join(items)}}}'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):  # sorted, because the results of Routes have no fixed order
        return f'{{{", ".join(f"{literal(key)}: {literal(value[key])}" for key in sorted(value))}}}'
    return f'[{", ".join(map(literal, value))}]' if isinstance(value, list) else str(value)


def short_text(text: str, longest: int) -> str:
    """Cut a text to at most *longest* characters."""
    return text if len(text) <= longest else f'{text[:longest - 1]}…'


# An id of a request, a server or a project: (prefix, first eight characters), the latter twice for two forms.
ID = re.compile(r'(?<![0-9A-Za-z-])(req-)?([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z])'
                r'|(?<![0-9A-Za-z])()([0-9a-f]{8})[0-9a-f]{24}(?![0-9A-Za-z])')


def short_ids(text: str) -> str:
    """Shorten the ids in a text to their first eight characters."""
    return ID.sub(lambda found: f'{found[1] or ""}{found[2] or found[4]}…', text) if len(text) > 31 else text
