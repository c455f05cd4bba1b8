"""The strip of the legs: where you are, how far you are, and links to the legs."""

import pytest

from explorer import Lesson
from explorer.teaching.catalogue import QUESTIONS, TASKS
from explorer.teaching.strip import segments
from tests.conftest import NOTEBOOK


@pytest.fixture
def lesson(tmp_path):
    return Lesson(tmp_path / 'progress.json')


def test_you_are_here_is_shown_for_every_leg(lesson):
    for leg in QUESTIONS:
        place = lesson.here(leg)
        assert f'{list(QUESTIONS).index(leg) + 1} {leg}]' in str(place)
        assert f'{QUESTIONS[leg].minutes} minutes' in str(place)
        assert place._repr_html_().count('aria-current="step"') == 1


def test_each_segment_leads_to_a_heading_of_the_notebook(lesson):
    import nbformat
    prose = '\n'.join(cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells)
    for each in segments(lesson.kept()):
        assert f'\n## {each.heading}\n' in prose
        assert f'href="#{each.heading.replace(" ", "-")}"' in lesson.progress()._repr_html_()


class Handle:
    """A display that keeps what it is updated with."""

    def __init__(self, shown):
        self.shown = shown

    def update(self, data, raw):
        assert raw
        self.shown.append(data)


def test_the_strip_follows_the_answers(lesson, monkeypatch):
    here, progress = lesson.here('client'), lesson.progress()
    count = sum(task.leg == 'client' for task in TASKS.values())
    shown = []
    monkeypatch.setattr('explorer.teaching.strip.display', lambda data, **how: Handle(shown))
    for each in (here, progress):
        each._ipython_display_()
        assert f'>1 client <small>0 of {count}<' in each._repr_html_()
    lesson.predict('client', 'a')
    assert len(shown) == 2
    assert all(f'>1 client <small>1 of {count}<' in data['text/html'] for data in shown)
    lesson.reset()
    assert all(f'>1 client <small>0 of {count}<' in data['text/html'] for data in shown[2:])
