"""The converted notebook in Chromium, without a network: the page and the slides load nothing and can be read."""

import pytest

from explorer import EXPLORATIONS
from tests.browsing import chromium
from tests.converted import convert, copied

pytestmark = pytest.mark.browser
pytest.importorskip('playwright.sync_api')

# The height of each output of a card, a player or a table, and how many letters a reader sees in it.
OUTPUTS = """() => [...document.querySelectorAll('.jp-OutputArea-output[data-mime-type="text/html"]')].map(
  output => [output.getBoundingClientRect().height, output.innerText.trim().length])"""
# For each slide: its height, the height of its content, what is too wide, and the size of its letters.
SLIDES = """() => Reveal.getSlides().map(slide => [
  slide.clientHeight, slide.scrollHeight, slide.scrollWidth - slide.clientWidth,
  parseFloat(getComputedStyle(slide.querySelector('.jp-RenderedHTMLCommon')).fontSize)])"""
# Go to the slide after the one with a heading.
AFTER = """title => Reveal.slide(1 + Reveal.getSlides().findIndex(
  slide => slide.querySelector('h2')?.textContent.startsWith(title)))"""


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """The addresses of the page and the slides, in a folder of their own."""
    notebook = copied(tmp_path_factory.mktemp('stored'))
    away = tmp_path_factory.mktemp('away')
    return {kind: convert(notebook, kind).rename(away / f'{kind}.html').as_uri() for kind in ('html', 'slides')}


@pytest.fixture(scope='module')
def browser():
    with chromium(offline=True, viewport={'width': 1280, 'height': 720}) as page:
        page.on('request', lambda request: page.asked.append(request.url))
        yield page


@pytest.fixture(params=['html', 'slides'])
def either(request, browser, written):
    browser.asked = []
    browser.goto(written[request.param])
    return browser


@pytest.fixture
def slides(browser, written):
    browser.asked = []
    browser.goto(written['slides'])
    browser.wait_for_function('window.Reveal && Reveal.isReady()')
    return browser


def test_nothing_is_requested_but_the_file(either):
    assert [url for url in either.asked if not url.startswith('data:')] == [either.url.partition('#')[0]]
    assert either.errors == []


def test_each_card_and_player_is_visible_on_the_page(browser, written):
    browser.goto(written['html'])
    outputs = browser.evaluate(OUTPUTS)
    assert len(outputs) >= 50
    assert all(height > 20 and letters > 20 for height, letters in outputs)


def test_no_slide_is_taller_or_wider_than_the_screen(slides):
    measured = slides.evaluate(SLIDES)
    assert len(measured) >= 2 * len(EXPLORATIONS)
    for number, (height, content, excess, letters) in enumerate(measured):
        assert content <= height <= 720, number
        assert excess <= 0, number
        assert letters >= 13, number


def test_an_arrow_leads_from_a_prediction_to_the_player(slides):
    slides.evaluate(AFTER, '1. ')
    shown = slides.locator('section.present > section.present')
    slides.keyboard.press('ArrowLeft')
    assert shown.get_by_text('Predict', exact=True).is_visible()
    slides.keyboard.press('ArrowRight')
    assert shown.get_by_text('What each step did').is_visible()


def test_a_fold_that_is_opened_can_be_scrolled_within_its_slide(slides):
    slides.evaluate(AFTER, '1. ')
    shown = slides.locator('section.present > section.present')
    table = shown.get_by_role('columnheader', name='what it did', include_hidden=True)
    assert not table.is_visible()
    shown.get_by_text('What each step did').click()
    assert table.is_visible()
    assert shown.evaluate('slide => slide.clientHeight <= 720 && slide.scrollHeight > slide.clientHeight')
