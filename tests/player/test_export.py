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
from explorer.stations import BY_KEY, NODES
from explorer.teaching import handout
from explorer.teaching.catalogue import QUESTIONS
from explorer.views.lanes import story
from explorer.views.markup import said
from explorer.views.moments import moments
from explorer.views.tells import tells

KEYS = [row.key for row in EXPLORATIONS]


def held(page):
    """Return the content that a page holds for the player."""
    packed = re.search('id="content">([^<]*)<', page)[1]
    return json.loads(gzip.decompress(base64.b85decode(packed.replace(',', '<'))))


def unfolded(value, folds):
    """Return a part of a content with what its folds stand for."""
    if isinstance(value, str):
        return re.sub('\x02(\\d+);', lambda fold: unfolded(folds[int(fold[1])], folds), value)
    if isinstance(value, dict):
        return {key: unfolded(part, folds) for key, part in value.items()}
    return [unfolded(part, folds) for part in value] if isinstance(value, list | tuple) else value


def all_but(shown, *names):
    return {key: unfolded(part, shown['folds']) for key, part in shown.items() if key not in ('folds', *names)}


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_each_page_is_small_and_holds_both_runs(row):
    trace, other = run(row.scenario), run(row.versus)
    page = export(trace, row.key, other, handout.sheet(QUESTIONS[row.key].tasks))
    assert len(page.encode()) < 220_000
    shown = held(page)
    assert shown['runs'][0].pop('alone') == content(trace, row.key)['runs'][0]['map']
    assert row.versus_says in shown['alone']
    assert all_but(shown, 'alone', 'style', 'script') == all_but(
        json.loads(json.dumps(content(trace, row.key, other))))
    assert [len(each['steps']) for each in shown['runs']] == [len(trace.steps), len(other.steps)]


def test_a_payload_that_looks_like_a_fold_stays_as_it_is():
    trace = run(Scenario(request={
        'method': 'POST', 'path': '/v2.1/servers/$SERVER/action', 'headers': {'Content-Type': 'application/json'},
        'body': {'os-migrateLive': {'host': r'\u00027;' + '\x027; ' * 30, 'block_migration': 'auto'}}}))
    assert all_but(held(export(trace, 'routes')), 'style', 'script') == all_but(
        json.loads(json.dumps(content(trace, 'routes'))))


def test_a_page_loads_nothing_and_runs_only_its_own_code(walk):
    page = export(walk, 'rpc')
    shown = held(page)
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)[1]
    script = re.search('<script type="module">(.*)</script>', page, re.DOTALL)[1]
    style = re.search('<style>(.*)</style>', page, re.DOTALL)[1]
    digests = [hashlib.sha256(text.encode()).digest() for text in (script, shown['script'], style, shown['style'])]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert policy == (f"default-src 'none'; script-src {hashes[0]} {hashes[1]}; style-src {hashes[2]} {hashes[3]}; "
                      "base-uri 'none'; form-action 'none'")
    lines = [line.strip() for line in MODULE.read_text().splitlines() if not line.lstrip().startswith('//')]
    assert '\n'.join(lines) in shown['script']
    for text in (page, shown['script'], shown['style']):
        assert not re.search(r'(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)|url\(', text.replace('href*=', ''))


def test_paper_shows_the_story_with_what_changed_at_each_stop(walk):
    page = export(walk, 'controller')
    order = moments(walk)
    for place in story(walk, 'controller'):
        step, moment = walk.steps[order[place][0]], order[place][1]
        name = escape(BY_KEY[step.station].name).replace('.', '.<wbr>')
        assert (f'<td align="left">{step.index + 1}</td><td align="left">{NODES[step.node]}</td><td align="left">'
                f'<code>{name}</code></td><td align="left">{said(tells(walk, step, moment))}</td>') in page
    assert '~\xa0task_state None → &quot;migrating&quot;' in export(walk, 'conductor-api')
    assert page.count('class="still"') == 1 and page.count('<polygon') > 10


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
