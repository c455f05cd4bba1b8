"""The player: a trace as a widget."""

import dataclasses
import html
import json
import re

import pytest

from explorer import EXPLORATIONS, Scenario, compare, explore, run
from explorer.errors import WrongUse
from explorer.explorations import exploration
from explorer.player.content import content, drawing
from explorer.player.widget import MODULE, Player
from explorer.stations import BY_KEY
from explorer.trace import pack
from explorer.views.changed import Changed
from explorer.views.code import Listings
from explorer.views.facts import answered
from explorer.views.flowcharts import flowchart, outline, render
from explorer.views.markup import said
from explorer.views.pages import moment_text, tell
from explorer.views.tells import tells

KEYS = [row.key for row in EXPLORATIONS]


def unfolded(shown, text):
    """Return a payload with its folded parts inserted again."""
    return re.sub('\x02(\\d+);', lambda found: unfolded(shown, shown['folds'][int(found[1])]), text)


def payload(widget, index):
    return unfolded(widget.content, widget.content['runs'][widget.run]['steps'][index]['payload'][1])


@pytest.mark.parametrize('key', KEYS)
def test_each_exploration_has_its_player(key):
    shown = explore(key)
    assert shown.content['key'] == key
    assert shown.content['runs'][0]['steps'][shown.at]['station'] in exploration(key).focus
    assert repr(shown).startswith(f'Player({key}: step ')
    json.dumps(shown.content)


def test_an_unknown_exploration_is_wrong_use():
    with pytest.raises(WrongUse, match='no exploration'):
        explore('moon')


def test_the_flowchart_is_drawn_once_for_each_trace(walk):
    render.cache_clear()
    shown = Player(walk, 'rpc')
    for shown.at in range(len(walk.steps)):
        assert payload(shown, shown.at)
    assert shown._repr_mimebundle_()
    assert render.cache_info().misses == 1


def test_each_box_of_a_visited_station_can_be_clicked(walk):
    drawn = content(walk, 'controller')['runs'][0]['flowchart']
    stations = re.findall('data-station="([^"]*)"', drawn)
    assert len(stations) == len(set(stations))
    assert {'_migrate_live', 'get_instance', 'can'} <= set(stations) <= {step.station for step in walk.steps}


def test_the_drawing_has_the_texts_of_graphviz_but_is_smaller(walk):
    svg = render(flowchart(walk, 'controller').source)[0]
    drawn = drawing(svg)
    assert len(drawn) < len(svg) / 2
    assert re.findall('<text[^>]*>([^<]*)', drawn) == re.findall('<text[^>]*>([^<]*)', svg)
    assert len(re.findall('<(?:rect|path|polygon)', drawn)) == len(re.findall('<(?:path|polygon)', svg))


def test_the_two_moments_of_each_step_can_be_unpacked(walk):
    widget, fresh, listings = Player(walk, 'routes'), Changed(), Listings()
    for step, shown in zip(walk.steps, widget.content['runs'][0]['steps'], strict=True):
        whole = [unfolded(widget.content, text) for text in (shown['head'], shown['code'], *shown['payload'])]
        assert whole == [listings.heading(step), listings.show(step), fresh.enter(walk, step), fresh.leave(walk, step)]
        assert shown['tells'] == tuple(said(tells(walk, step, moment)) for moment in ('entry', 'return'))


def test_the_forms_of_an_error_are_links_on_its_way_back():
    widget = explore('controller')
    sent(widget, caller='reader')
    turned = widget.trace.steps[widget.at]
    assert (turned.station, widget.moment) == ('authorize', 'return')
    assert '<nav class="layers"' in payload(widget, turned.index)
    steps, way = widget.trace.steps, {turned.index}
    while (last := steps[min(way)]).parent is not None or last.hop_from is not None:
        way.add(last.parent if last.parent is not None else last.hop_from)
    assert len(way) > 20
    assert {step.index for step in steps if 'class="layers"' in payload(widget, step.index)} == way


def test_the_bundle_has_text_and_html_where_no_kernel_runs(walk):
    data = Player(walk, 'routes')._repr_mimebundle_()[0]
    assert data['text/plain'].startswith('3. From the path to a method')
    assert html.escape(EXPLORATIONS[2].question) in data['text/html']
    assert 'application/vnd.jupyter.widget-view+json' in data


# -------------------------------------------------------------------------------------------------------- a position


@pytest.mark.parametrize(('position', 'station'), [
    ('controller', 'expected_errors'), ('_migrate_live', '_migrate_live'), (0, 'shell'),
    ('rpc', 'rpcapi.live_migrate_instance')])
def test_goto_takes_an_index_a_station_or_an_exploration(walk, position, station):
    widget = Player(walk, 'client')
    assert widget.goto(position) is widget
    assert walk.steps[widget.at].station == station
    calls = any(step.parent == widget.at or step.hop_from == widget.at for step in walk.steps)
    assert widget.moment == ('entry' if calls else 'return')


@pytest.mark.parametrize('position', ['moon', 1000, -1, None, True, 2.5, [], 'rpcapi.migrate_server'])
def test_goto_rejects_an_unknown_position_and_stays(walk, position):
    widget = Player(walk, 'client').goto(7)
    with pytest.raises(WrongUse, match=r'this trace has no step .*; use an index from 0 to \d+, or the key of an'):
        widget.goto(position)
    assert widget.at == 7


def test_a_step_is_chosen_by_the_number_that_is_shown(walk):
    widget = Player(walk, 'client')
    for number in (1, 58, len(walk.steps)):
        assert widget.step(number) is widget
        assert f'step {number} {BY_KEY[walk.steps[number - 1].station].name}, of' in repr(widget)
        assert (widget.at, widget.moment) == (number - 1, Player(walk, 'client').goto(number - 1).moment)


@pytest.mark.parametrize('number', [0, -1, 112, '58', None, True, 2.0])
def test_an_unknown_number_of_a_step_is_rejected_and_the_player_stays(walk, number):
    widget = Player(walk, 'client').goto(7)
    with pytest.raises(WrongUse, match=r'^this trace has no step .*; use a number from 1 to 111$'):
        widget.step(number)
    assert widget.at == 7


def test_a_printed_player_shows_its_current_moment():
    widget = explore('controller')
    for move in (lambda: widget.goto('_migrate_live'), lambda: widget.step(70), lambda: widget.set_state(
            {'moment': 'entry'}), lambda: widget.send({'caller': 'reader'}), widget.compare):
        move()
        step = widget.trace.steps[widget.at]
        assert str(widget) == widget.text() == moment_text(widget.trace, step, widget.moment)
        assert str(widget).startswith(f'step {widget.at + 1} of {len(widget.trace.steps)}')
        assert widget.text(whole=True) == moment_text(widget.trace, step, widget.moment, whole=True)
        assert '\n' not in repr(widget)


def test_a_player_without_steps_can_be_printed(walk):
    assert 'no steps' in str(Player(dataclasses.replace(walk, packed=pack([])), 'client'))


# ----------------------------------------------------------------------------------------------------------- what if


def values(widget, **changed):
    return {**{field['name']: field['value'] for field in widget.form['fields']}, **changed}


def sent(widget, **changed):
    widget._asked(widget, {'kind': 'send', 'values': values(widget, **changed), 'edited': next(iter(changed), '')}, [])


def test_send_runs_the_content_of_the_form():
    widget = explore('controller')
    sent(widget, caller='reader')
    assert widget.trace.response['status'] == 403
    assert '403 Forbidden' in widget.content['runs'][0]['asked']
    told = ''.join(widget.content['runs'][0]['steps'][widget.at]['tells'])
    assert 'migrate_live</code> needs a manager of the project, or an admin' in told
    assert 'as reader' in widget.content['runs'][0]['asked']
    assert widget.message == ''
    assert values(widget)['caller'] == 'reader'


def test_the_last_edit_is_sent():
    widget = explore('client')
    sent(widget, body='{"os-migrateLive": {"host": null, "block_migration": true}}')
    assert widget.trace.scenario['block_migrate'] is True
    assert '--block-migrate' in values(widget)['command']
    sent(widget, headers='Content-Type: application/json')
    assert values(widget)['command'] == ''
    assert widget.trace.response['status'] == 400  # without a version `auto` is no block_migration


def test_a_suggested_change_is_applied_to_the_current_request():
    widget = explore('controller')
    sent(widget, command='nova --os-compute-api-version 2.50 live-migration web-1 host1')
    beside = widget.compare()
    assert (beside.a.scenario['host'], beside.a.scenario['caller']) == ('host1', 'admin')
    assert [beside.b.scenario[name] for name in ('host', 'microversion', 'caller')] == ['host1', '2.50', 'reader']


def test_switches_show_what_a_bare_request_asks_for():
    widget = explore('conductor-api')
    sent(widget, headers='Content-Type: application/json\nX-OpenStack-Nova-API-Version: 2.29')
    shown = values(widget)
    assert (shown['command'], shown['host'], shown['microversion']) == ('', 'host2', '2.29')
    widget._asked(widget, {'kind': 'edit', 'values': {**shown, 'microversion': '2.30'}, 'edited': 'microversion'}, [])
    assert values(widget)['command'] == 'nova --os-compute-api-version 2.30 live-migration web-1 host2'


def test_a_refusal_of_a_bare_request_says_why():
    widget = explore('client')
    sent(widget, body='{"os-migrateLive": {"host": null, "block_migration": "maybe"}}')
    assert 'Invalid input for field' in answered(widget.trace)


def test_the_player_compares_its_run_with_the_real_nova():
    widget = explore('rpc')
    beside = widget.compare_with_real()
    assert beside.with_real
    assert [trace.engine for trace in widget.traces] == ['miniature', 'recorded']
    again = widget.compare_with_real()  # now from the real one
    assert again.words == beside.words


def test_an_edit_changes_the_form_and_sends_nothing():
    widget = explore('client')
    before = widget.trace
    widget._asked(widget, {'kind': 'edit', 'values': values(widget, host='host2'), 'edited': 'host'}, [])
    assert values(widget)['command'] == 'nova live-migration web-1 host2'
    assert json.loads(values(widget)['body'])['os-migrateLive']['host'] == 'host2'
    assert widget.trace is before


@pytest.mark.parametrize(('changed', 'says'), [
    ({'microversion': 'abc'}, "'abc' is not a microversion"), ({'caller': 'boss'}, "no caller 'boss'"),
    ({'force': True, 'microversion': '2.20'}, '--force exists from 2.30'),
    ({'command': 'rm -rf'}, 'this is not a command of the nova client'),
    ({'headers': 'no colon'}, 'line 1 of the headers is not a header'), ({'rest': '{'}, 'the form is damaged'),
    ({'line': 'GET'}, 'write a method and a path'), ({'headers': 'x-auth-token: foo'}, 'choose the caller')])
def test_an_invalid_request_is_reported_in_one_line_and_nothing_is_lost(changed, says):
    widget = explore('client')
    before = widget.trace
    sent(widget, **changed)
    assert says in widget.message
    assert '\n' not in widget.message
    assert widget.trace is before
    sent(widget)
    assert widget.message == ''


@pytest.mark.parametrize('said', [
    {}, {'kind': 'fly'}, None, [], {'kind': 'send', 'values': None}, {'kind': 'send', 'values': {'self': 5}},
    {'kind': 'send'}, {'kind': 'edit', 'values': {}}, {'kind': 'edit', 'values': {'host': 5}, 'edited': 'host'},
    {'kind': 'before'}, {'kind': 'close'}])
def test_odd_messages_from_the_browser_harm_nothing(said):
    widget = explore('client')
    widget._asked(widget, said, [])
    assert widget.trace.response['status'] == 202
    sent(widget)
    assert widget.message == ''


def test_a_refused_request_is_shown_where_it_is_refused():
    widget = explore('controller')
    sent(widget, caller='reader')
    step = widget.content['runs'][0]['steps'][widget.at]
    assert step['station'] == 'authorize'
    assert step['refused']
    assert widget.moment == 'return'
    assert '<nav class="layers"' in payload(widget, widget.at)
    assert widget.content['runs'][0]['more'] == ''
    assert 'PolicyNotAuthorized: Policy' in payload(widget, widget.at)


# ----------------------------------------------------------------------------------------------------------- compare


def test_compare_takes_the_other_way_and_shows_both():
    widget = explore('rpc')
    before = widget.trace
    widget._asked(widget, {'kind': 'compare'}, [])
    assert widget.trace.messages[0]['kind'] == 'call'
    assert widget.traces[0] is before
    assert all('call instead of cast' in shown['words'] for shown in widget.content['runs'])
    widget.run = 0
    assert widget.trace is before
    widget._asked(widget, {'kind': 'close'}, [])
    assert widget.traces == (before,)
    assert widget.content['differs'] is None


def test_compare_keeps_the_first_run_however_often_it_is_used():
    widget = explore('rpc')
    for _ in range(2):
        widget._asked(widget, {'kind': 'compare'}, [])
        assert [trace.messages[0]['kind'] for trace in widget.traces] == ['cast', 'call']


def test_a_comparison_is_of_the_run_that_is_shown():
    widget = explore('rpc')
    widget.compare()
    widget.set_state({'run': 1})
    beside = widget.compare_with_real()
    assert {trace.messages[0]['kind'] for trace in (beside.a, beside.b)} == {'call'}
    widget.compare()
    widget.set_state({'run': 0})
    assert widget.compare_with_real().a.messages[0]['kind'] == 'cast'


def test_closing_a_comparison_returns_to_where_it_began():
    widget = explore('rpc').goto('prepare')
    before = widget.trace
    widget.set_state({'at': 20, 'moment': 'return'})
    widget.compare()
    widget.set_state({'run': 1, 'at': 3, 'moment': 'entry'})
    widget.compare_with_real()
    widget._asked(widget, {'kind': 'close'}, [])
    assert widget.traces == (before,)
    assert (widget.at, widget.moment) == (20, 'return')
    widget._asked(widget, {'kind': 'close'}, [])  # nothing is open any more
    assert (widget.at, widget.moment) == (20, 'return')


def test_a_run_can_be_compared_with_the_previous_one():
    widget = explore('controller')
    assert 'data-action="before"' not in widget.content['page']
    sent(widget, caller='reader')
    assert 'data-action="before"' in widget.content['page']
    widget._asked(widget, {'kind': 'before'}, [])
    assert [trace.response['status'] for trace in widget.traces] == [202, 403]


def test_compare_takes_a_scenario_or_a_trace(walk):
    widget = explore('client')
    told = widget.compare(Scenario(block_migrate=True))
    assert told.words == compare(*widget.traces).words
    assert widget.compare(walk).b is walk


def test_each_step_shows_its_differences():
    widget = explore('client')
    widget.compare()
    told = {row[1]: row[2] for row in widget.content['differs'] if row[2]}
    assert '--block-migrate' in html.unescape(told[0])


def test_what_was_known_before_comes_first_among_the_differences():
    widget = explore('controller')
    widget.compare()
    turned = widget.at
    told = html.unescape(next(row[2] for row in widget.content['differs'] if row[1] == turned))
    assert told.index('context.roles') < told.index('context.is_admin')
    assert 'result' not in told  # that comes of it, and is counted with the rest
    assert 'and 2 more' in told


# ------------------------------------------------------------------------------------------------------------ follow


def test_each_field_is_followed_from_the_command_line_to_the_conductor():
    widget = Player(run(Scenario(host='host2')), 'conductor-api')
    rows = widget.content['fields']['host']
    assert {row[0] for row in rows} == {'client', 'api', 'bus', 'conductor'}
    assert widget.content['runs'][0]['given']['host'] == ('HOST', 'str', '"host2"')
    assert {row[2] for row in rows} == {'str', 'NoneType'}


def test_a_name_in_the_payload_leads_to_its_field():
    widget = Player(run(Scenario(host='host2')), 'conductor-api')
    tree = payload(widget, widget.trace.find('live_migrate')[0].index)
    assert re.search('<code data-field="host">host_name</code>', tree)
    assert re.search('<code data-field="instance.host">host</code>', tree)
    assert set(re.findall('data-field="([^"]*)"', tree)) <= set(widget.content['fields'])


def test_without_graphviz_the_flowchart_is_text(walk, monkeypatch):
    monkeypatch.setattr('explorer.player.content.render', lambda dot: (None, 'no picture: <why>'))
    shown = content(walk, 'controller')['runs'][0]['flowchart']
    assert shown.startswith('<p>no picture: &lt;why&gt;</p><pre>')
    assert html.escape(outline(walk, 'controller')) in shown


def test_the_module_is_small():
    assert MODULE.stat().st_size < 30_000
    module = MODULE.read_text().replace('http://www.w3.org/2000/svg', '')
    assert not re.search(r'https?:|import\(|import .* from', module)


@pytest.mark.parametrize('said', [
    {'at': -1}, {'at': 10 ** 9}, {'at': 'x'}, {'at': None}, {'at': 1.5}, {'at': True}, {'at': [1]},
    {'run': 1}, {'run': -1}, {'run': '0'}, {'run': 5, 'at': 3}, {'content': {}}, {'content': {'runs': []}, 'at': 2},
    {'form': {'fields': 5}}, {'message': '<img>'}, {'key': 'moon'},
    {'traces': []}, {'_esm': 'alert(1)'}, {'layout': 'x'}, {'at': 2, 'form': {}}, {'moment': 'noon'}, {'moment': 5},
    {'moment': None}, {'moment': ['entry']}, {}])
def test_state_that_the_browser_sets_is_checked(said):
    widget = explore('client')
    before = widget.content, widget.form, widget.run, widget.at, widget.message, widget.key, widget.traces
    sent = []
    widget.send_state = lambda key=None: sent.append(key)
    widget.set_state(said)
    good = {'at': said['at']} if said.get('at') in (2, 3) else {}
    assert (widget.content, widget.form, widget.run, widget.at, widget.message, widget.key, widget.traces) == (
        *before[:3], good.get('at', before[3]), *before[4:])
    assert bool(sent) == bool(said)  # and the browser gets the true state again
    assert widget.moment == 'entry'
    assert f'step {widget.at + 1} ' in repr(widget)
    assert widget._repr_mimebundle_()[0]['text/plain'] == str(tell(widget.trace, 'client'))


def test_a_position_from_the_browser_is_taken_over():
    widget = explore('conductor-api')
    widget.compare()
    widget.set_state({'run': 0, 'at': 7, 'moment': 'return'})
    assert (widget.run, widget.at, widget.moment) == (0, 7, 'return')
    widget.set_state({'at': len(widget.traces[0].steps) - 1})
    assert widget.at == len(widget.traces[0].steps) - 1
    widget.set_state({'run': 1})
    assert widget.run == 1
    assert 0 <= widget.at < len(widget.traces[1].steps)
