"""The check of the wording finds what it is meant to find, and nothing else."""

import re

import pytest

from tests import house, prose

BAD = (
    'The request is turned back.', 'The error is told in one line.', 'Raises: WrongUse for what is no trace.',
    'Start it anew.', 'It can not be read.', 'The answer shall be kept.', 'Whoever wants it gets it.',
    'It is checked, too.',
    'Skip it, for it is broken.', 'Who names a host needs a role.')
GOOD = (
    'The request is rejected.', 'The error is one line.', 'Raises: WrongUse for an invalid trace.', 'Start it again.',
    'It cannot be read.', 'The answer must be kept.', 'Anyone can have it.', 'It is checked as well.',
    'It is long, too long.', 'It is too late.', 'One line, for the path.', 'A caller who may migrate needs a role.')


@pytest.mark.parametrize('line', BAD)
def test_a_sentence_that_nobody_would_say_is_found(line):
    assert list(prose.wording('page.md', line))


@pytest.mark.parametrize('line', GOOD)
def test_plain_english_passes(line):
    assert not list(prose.wording('page.md', line))


def test_of_code_only_comments_and_strings_are_read():
    assert not list(prose.wording('code.py', 'shall = anew = 1\n'))
    assert len(list(prose.wording('code.py', '# It shall be.\nsays = "begin anew"\n'))) == 2


def test_a_docstring_may_not_open_with_give():
    assert list(prose.wording('code.py', 'def f():\n    """Give the name."""\n'))
    assert not list(prose.wording('code.py', 'def f():\n    """Return the name."""\n'))


def test_a_line_is_too_long_from_121_characters_on_except_in_tables():
    assert not list(prose.lengths('a.py', 'x' * 120))
    assert list(prose.lengths('a.py', 'x' * 121))
    assert not list(prose.lengths('a.md', '|' * 121))


def test_every_exception_is_still_needed():
    for name, part in prose.ALLOWED:
        assert part in (prose.ROOT / name).read_text(encoding='utf-8'), (name, part)


def test_any_has_one_home_and_few_types_are_ignored():
    texts = {str(path.relative_to(house.PACKAGE)): path.read_text(encoding='utf-8') for path in house.files()}
    assert [name for name, text in texts.items() if re.search(r'import .*\bAny\b|typing\.Any', text)] == ['payloads.py']
    ignored = [line for text in texts.values() for line in text.splitlines() if 'type: ignore' in line]
    assert len(ignored) <= 20
    for line in ignored:
        assert re.search(r'# type: ignore\[[a-z-]+\]  # \w', line), line
