"""Check the wording and the line length of everything that people read: python -m tests.prose (part of make check).

PATTERNS is the searchable part of the house style. ALLOWED lists the places where a match is correct. The tests,
the lesson's questions, the instructor's guide and the notebook are not checked for wording; the lesson's prose is
rewritten as a whole, in a separate change.
"""

import io
import pathlib
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[1]
LONGEST_LINE = 120  # characters
KINDS = ('.py', '.js', '.css', '.md', '.toml', '.yml', '.in', '.cfg', 'Makefile', 'run')
GENERATED = ('INSTRUCTOR.md',)
FOREIGN = 'settings/share/jupyter/nbconvert/templates/explorer-slides/static/reveal.js/'
# These are not checked for wording.
LATER = ('explorer/teaching/questions/', 'explorer/teaching/guide.py', 'INSTRUCTOR.md', 'tests/')

# (what to avoid, what to write instead). Words are matched whole and without regard to case.
PATTERNS = (
    (r'(turned|sent|turns|turn) (back|away)', 'rejected'),
    (r'(is|are|was|were|be|been|being) told', 'is reported, prints, raises'),
    (r'what is (no|none)', 'anything that is not a, an invalid'),
    (r'that (is|are) none', 'an invalid ...'),
    (r'anew', 'again, re-'),
    (r'can not', 'cannot'),
    (r'shall', 'should, must, or the present'),
    (r'whoever', 'anyone who, if you'),
    (r'who (names|asks|gives|wants|chooses|looks)', 'a caller who, if you'),
    (r'of others', "other people's"),
    (r', too(?! (many|much|few|long|large|late|old))', 'also, as well'),
    (r', for (it|its|they|there|this|that|what|so|nobody|then|no|else)', 'because'),
    (r'meant is', 'this means'),
    (r'comes? to nothing', 'fails'),
    (r'(one|two|both|those|they|it) (is|are) away', 'down, unreachable'),
    (r'as (it|they) (comes?|stands?)', 'unchanged'),
    (r'to be had', 'available'),
    (r"can't be (had|done|found)", 'is missing, cannot'),
    (r'so to speak|as it were', 'leave it out'),
    (r'clothes|knocks|astray', 'no figures of speech'),
    (r'the wish', 'the request'),
    (r'an answer of a', "a class's answers"),
    (r'for ever', 'forever'),
    (r'no longer as (it|they)', 'changed'),
)
# A docstring begins with Return, Report or Raise; not with Tell.
OPENINGS = (r'(Give|Say|Tell|Find out|See that|Look whether|Take note)\b', 'Return, Report, Raise, Check')

# (file, a part of the line): correct as written.
ALLOWED: tuple[tuple[str, str], ...] = (
)


def tracked() -> list[str]:
    """List the files of the checkout that people read and write, without those that are generated or copied."""
    done = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines()
            if name.endswith(KINDS) and name not in GENERATED and not name.startswith(FOREIGN)
            and (ROOT / name).is_file()]


def prose(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield (number, line) for the prose in a file: every line, or in Python the comments and strings."""
    if not name.endswith('.py'):
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or token.type == getattr(tokenize, 'FSTRING_MIDDLE', -1):
            yield from enumerate(token.string.splitlines(), token.start[0])


def wording(name: str, text: str) -> Iterator[str]:
    """Yield a line for each use of a pattern."""
    for number, line in prose(name, text):
        for pattern, better in PATTERNS:
            found = re.search(rf'(?:\b|(?=,)){pattern}\b', line, re.IGNORECASE)
            if found and not any(name == file and part in line for file, part in ALLOWED):
                yield f'{name}:{number}: "{found[0].strip()}"; write: {better}'
        found = re.match(rf'\s*r?"""{OPENINGS[0]}', line)
        if found:
            yield f'{name}:{number}: "{found[1]}"; write: {OPENINGS[1]}'


def lengths(name: str, text: str) -> Iterator[str]:
    """Report each line that is too long; a row of a Markdown table may be too long, because it cannot be wrapped."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST_LINE and not (name.endswith('.md') and line.startswith('|')):
            yield f'{name}:{number}: {len(line)} characters; at most {LONGEST_LINE}'


def findings() -> list[str]:
    """Check every file."""
    found = []
    for name in tracked():
        text = (ROOT / name).read_text(encoding='utf-8')
        found += lengths(name, text)
        if not name.startswith(LATER):
            found += wording(name, text)
    return found


if __name__ == '__main__':
    lines = findings()
    print('\n'.join(lines) or 'wording and line lengths are in order')
    sys.exit(bool(lines))
