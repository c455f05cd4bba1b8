"""The questions to hand out: the prediction first, every option with its letter, and no answers."""

import re

import pytest

from explorer import EXPLORATIONS
from explorer.teaching.cards import marked
from explorer.teaching.catalogue import QUESTIONS
from explorer.teaching.handout import sheet

KEYS = [row.key for row in EXPLORATIONS]


@pytest.mark.parametrize('key', KEYS)
def test_the_questions_of_a_page_hold_no_answers(key):
    html = sheet(QUESTIONS[key].tasks)
    for task in QUESTIONS[key].tasks:
        assert marked(task.explained()) not in html
        for option in task.options:
            assert not option.but or marked(option.but.format(**task.found())) not in html
            assert not option.why or f'>{marked(option.why)}<' not in html


@pytest.mark.parametrize('key', KEYS)
def test_each_question_is_asked_once_and_the_prediction_first(key):
    html = sheet(QUESTIONS[key].tasks)
    asked = [marked(task.asked()) for task in QUESTIONS[key].tasks]
    assert [html.count(question) for question in asked] == [1] * len(asked)
    prediction = next(task for task in QUESTIONS[key].tasks if task.name == 'predict')
    first, rest = html.split('</form>')
    assert marked(prediction.asked()) in first
    assert [question in rest for question in asked].count(True) == len(asked) - 1


@pytest.mark.parametrize('key', KEYS)
def test_a_question_has_lettered_options_or_lines_to_write_on(key):
    html = sheet(QUESTIONS[key].tasks)
    for task in QUESTIONS[key].tasks:
        found = re.findall(f'name="{task.key}" value="(.)" required> <b>(.)</b> <span>(.*?)</span></label>', html)
        assert found == [(letter, letter, marked(option.text))
                         for letter, option in zip('abcd', task.options, strict=False)]
    open_ = [task for task in QUESTIONS[key].tasks if not task.options]
    assert html.count('<textarea') == len(open_)
    assert html.count('<span class=line>') >= len(open_)
