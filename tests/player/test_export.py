"""The player as one file: small, self-contained and harmless."""

import base64
import gzip
import hashlib
import json
import re
from html import escape

import pytest

from explorer import EXPLORATIONS, Scenario, run
from explorer.player.content import content
from explorer.player.export import export
from explorer.player.widget import MODULE
from explorer.stations import BY_KEY
from explorer.teaching import cards
from explorer.teaching.catalogue import QUESTIONS
from explorer.views.facts import in_focus
from explorer.views.markup import said
from explorer.views.tells import tells

KEYS = [row.key for row in EXPLORATIONS]


def held(page):
    """Return the content that a page holds for the player."""
    packed = re.search('id="content">([^<]*)<', page)[1]
    return json.loads(gzip.decompress(base64.b85decode(packed.replace(',', '<'))))


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_each_page_is_small_and_holds_both_runs(row):
    trace, other = run(row.scenario), run(row.versus)
    page = export(trace, row.key, other, cards.sheet(QUESTIONS[row.key].tasks))
    assert len(page.encode()) < 220_000
    shown = held(page)
    sheet = shown.pop('sheet')
    assert shown == json.loads(json.dumps(content(trace, row.key, other)))
    for task in QUESTIONS[row.key].tasks:
        assert f'<b>{task.heading}</b>' in sheet
    assert [len(each['steps']) for each in shown['runs']] == [len(trace.steps), len(other.steps)]


@pytest.mark.parametrize('key', KEYS)
def test_the_questions_of_a_page_hold_no_answers(key):
    sheet = cards.sheet(QUESTIONS[key].tasks)
    for task in QUESTIONS[key].tasks:
        assert cards.marked(task.explained()) not in sheet
        for option in task.options:
            assert cards.marked(option.text) in sheet
            assert not option.but or cards.marked(option.but.format(**task.found())) not in sheet


def test_a_page_loads_nothing_and_runs_only_its_own_code(walk):
    page = export(walk, 'rpc')
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)[1]
    script = re.search('<script type="module">(.*)</script>', page, re.DOTALL)[1]
    style = re.search('<style>(.*)</style>', page, re.DOTALL)[1]
    digests = [hashlib.sha256(text.encode()).digest() for text in (script, style)]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert policy == (f"default-src 'none'; script-src {hashes[0]}; style-src {hashes[1]}; "
                      "base-uri 'none'; form-action 'none'")
    lines = [line.strip() for line in MODULE.read_text().splitlines() if not line.startswith('//')]
    assert '\n'.join(lines) in script
    assert not re.search(r'(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)|url\(', page.replace('href*=', ''))


def test_without_scripts_a_page_shows_the_steps_in_focus(walk):
    page = export(walk, 'controller')
    for step in in_focus(walk, 'controller'):
        assert f'<li value="{step.index + 1}">' in page
        assert f'{escape(BY_KEY[step.station].name)}: {said(tells(walk, step, "return"))}</li>' in page


def test_a_page_is_the_same_each_time(walk):
    assert export(walk, 'client') == export(walk, 'client')


def test_the_command_line_writes_a_page(explorer, tmp_path):
    done = explorer('export', 'conductor-api', str(tmp_path / 'page.html'))
    assert (done.returncode, done.stdout) == (0, f'{tmp_path}/page.html\n')
    assert 'then call instead of cast' in held((tmp_path / 'page.html').read_text())['runs'][0]['words']
    assert [path.name for path in tmp_path.iterdir()] == ['page.html']


@pytest.mark.parametrize(('key', 'file', 'says'), [
    ('moon', 'page.html', 'no exploration'), ('rpc', 'away/page.html', 'cannot be written'),
    ('rpc', '.', 'cannot be written')])
def test_an_unwritable_file_is_reported_in_one_line(explorer, tmp_path, key, file, says):
    done = explorer('export', key, str(tmp_path / file))
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_broken_unicode_and_markup_stay_text():
    page = export(run(Scenario(host='</script><script>alert(1)</script>\ud800\u202e')), 'client')
    assert 'alert(1)</script>' not in page
    assert page.count('<script') == 2
