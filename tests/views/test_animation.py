"""The moving picture of a request agrees with its trace."""

import xml.etree.ElementTree as ElementTree
from html import escape

import pytest

from explorer import EXPLORATIONS, Scenario, run
from explorer.views.animation import Animation, arrivals, draw_way, ending, file_of, flights

SCENARIOS = {
    'cast': Scenario(), 'call': Scenario(microversion='2.30'), 'rejected': Scenario(caller='reader'),
    'before the routes': Scenario(microversion='2.999'), 'nothing sent': Scenario(caller='manager_other_project')}


@pytest.fixture(params=SCENARIOS)
def trace(request):
    return run(SCENARIOS[request.param])


def flight(trace, kind):
    return next(each for each in flights(trace) if each.kind == kind)


def test_the_steps_in_the_picture_are_those_of_the_last_request():
    walk = run(Scenario())
    post = walk.find('http')[-1].index
    for place in arrivals(walk)[1:]:
        if place.leg == 'conductor':
            assert place.visits == sum(step.node == 'conductor' for step in walk.steps)
        else:
            assert place.visits == sum(step.exploration == place.leg and step.index > post and
                                       step.node != 'conductor' for step in walk.steps)


def test_the_request_reaches_the_legs_one_after_the_other(trace):
    times = [place.at for place in arrivals(trace) if place.at is not None]
    assert times == sorted(times)
    assert [place.leg for place in arrivals(trace)] == [*(row.key for row in EXPLORATIONS), 'conductor']


def test_the_response_to_a_cast_is_under_way_while_the_message_still_travels():
    walk = run(Scenario())
    message, response = flight(walk, 'message'), flight(walk, 'response')
    assert walk.messages[0]['kind'] == 'cast'
    assert response.points[0][0] < message.points[-1][0]


def test_the_response_to_a_call_waits_for_the_conductor():
    called = run(Scenario(microversion='2.30'))
    assert called.messages[0]['kind'] == 'call'
    assert flight(called, 'response').points[0][0] > flight(called, 'message').points[-1][0]


@pytest.mark.parametrize(('name', 'leg', 'status'), [('rejected', 'controller', 403),
                                                     ('before the routes', 'routes', 406)])
def test_a_rejected_request_ends_in_the_leg_that_rejects_it(name, leg, status):
    trace = run(SCENARIOS[name])
    reached = [place.leg for place in arrivals(trace) if place.at is not None]
    assert reached[-1] == leg
    assert f'✗ {status}' in draw_way(trace, ('0s',))
    assert not [each for each in flights(trace) if each.kind == 'message']


def test_it_takes_at_most_six_seconds():
    assert 5 < ending(run(Scenario())) <= 6


def test_it_is_well_formed_and_all_of_it_is_visible_at_rest(trace):
    root = ElementTree.fromstring(file_of(trace))
    name = '{http://www.w3.org/2000/svg}'
    assert len(root.findall(f'{name}rect')) == 4  # the lanes
    texts = [''.join(each.itertext()) for each in root.iter(f'{name}text') if each.get('opacity') != '0']
    for row in EXPLORATIONS:
        assert f'{row.number} {row.key}' in texts
    assert root.find(f'{name}style').text.count('prefers-reduced-motion')


def test_what_a_notebook_without_styles_shows_is_the_same_in_words(trace):
    shown = Animation(trace)
    for line in str(shown).splitlines():
        assert escape(line) in shown._repr_html_()
