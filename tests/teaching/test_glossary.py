"""The words of the lesson are explained where they occur."""

import re

import nbformat

from explorer import Lesson
from explorer.teaching.glossary import WORDS, anchor, explained
from tests.conftest import NOTEBOOK

PROSE = '\n'.join(cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == 'markdown')


def test_the_notebook_lists_every_word_with_its_meaning():
    for term, meaning in WORDS.items():
        assert f'<a id="{anchor(term)}"></a>**{term}**: {meaning}' in PROSE


def test_a_linked_word_in_the_prose_says_what_it_means():
    found = re.findall(r'\[[^\]]+\]\(#([a-z-]+) "([^"]+)"\)', PROSE)
    assert len(found) >= 8
    meanings = {anchor(term): meaning for term, meaning in WORDS.items()}
    for name, said in found:
        assert said == meanings[name]


def test_a_term_is_explained_where_it_first_occurs_but_not_in_code():
    shown = explained('<code>cast</code> <b title="a cast">a cast</b>, and a cast; two casts')
    term = f'<abbr title="{WORDS["cast"]}">cast</abbr>'
    assert shown == f'<code>cast</code> <b title="a cast">a {term}</b>, and a cast; two casts'


def test_a_card_explains_its_terms(tmp_path):
    card = Lesson(tmp_path / 'progress.json').ask('client.look')
    assert f'<abbr title="{WORDS["microversion"]}">microversion</abbr>' in card.html
