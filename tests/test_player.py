"""The player: a trace as a widget."""

import html
import json

import pytest

from explorer import EXPLORATIONS, Scenario, explore, flowcharts, player, run
from explorer.stations import WrongUse

KEYS = [row.key for row in EXPLORATIONS]


@pytest.mark.parametrize('key', KEYS)
def test_each_exploration_has_its_player(key):
    shown = explore(key)
    assert shown.content['key'] == key
    assert shown.content['steps'][shown.step]['station'] in shown.content['focus']
    assert str(shown).startswith(f'Player({key}: step ')
    json.dumps(shown.content)


def test_an_unknown_exploration_is_wrong_use():
    with pytest.raises(WrongUse, match='no exploration'):
        explore('moon')


def test_the_flowchart_is_drawn_once_a_trace(walk):
    flowcharts.render.cache_clear()
    shown = player.Player(walk, 'rpc')
    for shown.step in range(len(walk.steps)):
        assert shown.content['steps'][shown.step]['payload']
    assert flowcharts.render.cache_info().misses == 1


def test_every_station_can_be_clicked(walk):
    content = player.content(walk, 'client')
    for step in walk.steps:
        assert f'data-station="{step.station}"' in content['flowchart']


def test_the_bundle_has_text_and_html_for_where_nothing_runs(walk):
    data = player.Player(walk, 'routes')._repr_mimebundle_()[0]
    assert data['text/plain'].startswith('3. From the path to a method')
    assert html.escape(EXPLORATIONS[2].question) in data['text/html']
    assert 'application/vnd.jupyter.widget-view+json' in data


def sent(widget, **values):
    widget._asked(widget, {'kind': 'send', 'values': {**{field['name']: field['value'] for field in widget.content['form']}, **values}}, [])


def test_send_runs_what_stands_in_the_form():
    widget = explore('controller')
    sent(widget, caller='reader')
    assert widget.trace.response['status'] == 403
    assert widget.content['answer'] == '403 ' + widget.trace.note
    assert widget.message == ''
    assert [field['value'] for field in widget.content['form'] if field['name'] == 'caller'] == ['reader']


@pytest.mark.parametrize(('values', 'says'), [
    ({'microversion': 'abc'}, "'abc' is no microversion"), ({'caller': 'boss'}, "no caller 'boss'"),
    ({'force': True, 'microversion': '2.20'}, '--force exists from 2.30')])
def test_what_cannot_be_sent_is_said_in_one_line_and_nothing_is_lost(values, says):
    widget = explore('client')
    before = widget.trace
    sent(widget, **values)
    assert says in widget.message
    assert '\n' not in widget.message
    assert widget.trace is before
    sent(widget)
    assert widget.message == ''


@pytest.mark.parametrize('said', [{}, {'kind': 'fly'}, None, [], {'kind': 'send', 'values': None}, {'kind': 'send', 'values': {'self': 5}}, {'kind': 'send'}])
def test_odd_messages_from_the_browser_harm_nothing(said):
    widget = explore('client')
    widget._asked(widget, said, [])
    assert widget.trace.response['status'] == 202


def test_a_refused_request_is_shown_where_it_is_refused():
    widget = explore('controller')
    sent(widget, caller='reader')
    assert widget.content['steps'][widget.step]['station'] == 'authorize'
    assert widget.content['steps'][widget.step]['refused']


def test_the_steps_of_the_leg_are_named():
    assert explore('conductor-api').content['leg'].startswith('this leg: ')
    widget = explore('rpc')
    sent(widget, caller='reader')
    assert widget.content['leg'] == 'this leg was not reached'


def test_compare_goes_the_other_way():
    widget = explore('rpc')
    widget._asked(widget, {'kind': 'compare'}, [])
    assert widget.trace.messages[0]['kind'] == 'call'


def test_the_form_and_the_scenario_are_the_same():
    scenario = Scenario(host='host2', block_migrate=True, microversion='2.30', caller='manager',
                        state={'vm_state': 'paused', 'task_state': None, 'locked_by': None})
    fields = player.form(run(scenario).scenario)
    assert player.scenario_of({field['name']: field['value'] for field in fields}) == scenario


def test_without_graphviz_the_boxes_are_a_list(walk, monkeypatch):
    monkeypatch.setattr(player, 'render', lambda dot: (None, 'no picture: <why>'))
    shown = player.content(walk, 'client')['flowchart']
    assert shown.startswith('<p>no picture: &lt;why&gt;</p><ol>')
    assert 'data-station="live_migrate"' in shown
