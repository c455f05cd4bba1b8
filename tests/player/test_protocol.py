"""The protocol: its types name just what Python and the browser exchange."""

import re
import types
import typing

import pytest

from explorer import EXPLORATIONS, Scenario, explore, run
from explorer.player import protocol
from explorer.player.content import content
from explorer.player.form import TROUBLES, form
from explorer.player.widget import MODULE, Player
from explorer.teaching.cards import CARD_MODULE, Card, HtmlWidget, card_html, told
from explorer.teaching.catalogue import TASKS
from explorer.teaching.progress import Progress

MODULES = {'player': MODULE.read_text(), 'card': CARD_MODULE.read_text()}


def misfits(value, shape, place='it'):
    """List where plain data is not of a type; the keys of a TypedDict must be equal, not only allowed."""
    origin, inner = typing.get_origin(shape), typing.get_args(shape)
    if typing.is_typeddict(shape):
        hints = typing.get_type_hints(shape)
        if not isinstance(value, dict) or set(value) != set(hints):
            return [f'{place}: {value!r:.100} has not the keys of {shape.__name__}']
        return [each for name, part in hints.items() for each in misfits(value[name], part, f'{place}.{name}')]
    if origin in (typing.Union, types.UnionType):
        found = [misfits(value, part, place) for part in inner]
        return [] if [] in found else found[0]
    if origin is typing.Literal:
        return [] if value in inner else [f'{place}: {value!r:.100} is not one of {inner}']
    if not isinstance(value, origin or shape) or (shape is int and value is True):
        return [f'{place}: {value!r:.100} is not {shape}']
    if origin is tuple and inner[-1:] != (...,):
        wanted = in_full(inner, len(value))
        if len(wanted) != len(value):
            return [f'{place}: {value!r:.100} is not {shape}']
        return [each for part, kind in zip(value, wanted, strict=True) for each in misfits(part, kind, place)]
    if issubclass(origin or object, typing.Mapping):
        pairs = [(part, kind) for pair in value.items() for part, kind in zip(pair, inner, strict=True)]
    else:
        pairs = [(part, inner[0]) for part in value] if inner else []
    return [each for part, kind in pairs for each in misfits(part, kind, place)]


def in_full(parts, length):
    """Repeat the last of the types of a tuple's parts, if it is *tuple[...], until there are so many as values."""
    last = typing.get_args(parts[-1])
    if typing.get_origin(parts[-1]) is typing.Unpack:
        last = typing.get_args(last[0])
    return [*parts[:-1], *last[:1] * (length - len(parts) + 1)] if last[1:] == (...,) else parts


def kinds(messages):
    """Map the kind of each message to its type."""
    return {typing.get_args(typing.get_type_hints(each)['kind'])[0]: each for each in typing.get_args(messages)}


def sent(module, html):
    """List the kinds that a module sends: those that it names, and each action in the HTML that it does not handle."""
    text = MODULES[module]
    goals = re.search(r'function goals\(\) \{.*?return \{(.*?)\n    \};', text, re.S)  # of the player: first: 0, ...
    handled = {*re.findall(r'action [!=]== "(\w+)"', text),
               *re.findall(r'(?:^|,)\s*(\w+)(?=[:,])', goals[1] if goals else '')}
    own = re.findall(r'"data-action": "(\w+)"', text)  # of the buttons that the module itself makes
    actions = {*re.findall('data-action="([^"]*)"', html), *own}
    assert handled <= actions
    return {*re.findall(r'kind: "(\w+)"', text), *(actions - handled)}


def test_a_misfit_is_found():
    step = {'station': 'shell', 'node': 'client', 'refused': False, 'up': None, 'head': '', 'tells': ('', ''),
            'code': '', 'payload': ('', '')}
    assert misfits(step, protocol.StepContent) == []
    for wrong in ({'tells': ('',)}, {'code': ('', '')}, {'payload': None}, {'up': '1'}, {'more': ''}):
        assert len(misfits(step | wrong, protocol.StepContent)) == 1
    assert misfits(('api', 'host', 'str', '"a"', [1], (1, 'entry', None)), protocol.FieldRow) == []
    assert misfits(('api', 'host', 'str', [1]), protocol.FieldRow)
    assert misfits((1, None, ''), protocol.DifferRow) == []
    assert misfits((1, None), protocol.DifferRow)


@pytest.mark.parametrize('row', EXPLORATIONS, ids=lambda row: row.key)
def test_the_content_of_one_run_and_of_two_has_its_types(row):
    trace, other = run(row.scenario), run(row.versus)
    for number, traces in ((1, [trace]), (1, [other]), (2, [trace, other])):
        shown = content(traces[0], row.key, *traces[1:])
        assert misfits(shown, protocol.Content) == []
        assert len(shown['runs']) == number
        assert {len(each) for rows in shown['fields'].values() for each in rows} == {4 + 2 * number}
        assert (shown['differs'] is None) == (number == 1)


def test_every_reference_in_the_content_leads_somewhere():
    widget = explore('conductor-api')
    widget.compare_with_real()
    shown = widget.content
    for each in shown['runs']:
        for step in each['steps']:
            assert step['station'] in shown['stations']
            assert step['node'] in shown['nodes']
            assert step['up'] is None or 0 <= step['up'] < len(each['steps'])
            folds = re.findall('\x02(\\d+);', ''.join((step['head'], step['code'], *step['payload'])))
            assert all(int(number) < len(shown['folds']) for number in folds)
        assert sorted(each['moments']) == sorted([*range(len(each['steps']))] * 2)
        assert all(0 <= stop < len(each['moments']) for stop in each['story'])
        for rows in shown['fields'].values():
            assert all(row[0] in shown['nodes'] for row in rows)
    for number, each in enumerate(shown['runs']):
        last = len(each['steps']) - 1
        rows = [row for rows in shown['fields'].values() for row in rows if row[4 + number]]
        assert all(0 <= index <= last for row in rows for index in (*row[4 + number], row[6 + number][0]))
        assert [row[number] for row in shown['differs'] if row[number] is not None] == list(range(last + 1))


@pytest.mark.parametrize('trouble', TROUBLES)
def test_the_form_has_its_types(trouble):
    fields = form(Scenario(**TROUBLES[trouble]))
    assert misfits({'fields': fields}, protocol.FormTrait) == []
    assert misfits({field['name']: field['value'] for field in fields}, protocol.FormValues) == []


def test_the_traits_are_those_of_the_widgets(walk):
    for widget, traits in ((Player, protocol.PlayerTraits), (HtmlWidget, protocol.CardTraits)):
        own = {name for name in widget.class_traits(sync=True) if name not in widget.__base__.class_traits(sync=True)}
        assert own == set(traits.__annotations__)
    widget = Player(walk, 'rpc')
    assert misfits({name: getattr(widget, name) for name in protocol.PlayerTraits.__annotations__},
                   protocol.PlayerTraits) == []


def test_every_message_of_the_player_has_a_type():
    widget = explore('rpc')
    pages = [widget.content]
    widget.send({'caller': 'reader'})
    pages.append(widget.content)
    widget.compare()
    pages.append(widget.content)
    html = ''.join([each['page'] + shown['facts'] + shown['more'] for each in pages for shown in each['runs']])
    assert sent('player', html) == set(kinds(protocol.PlayerMessage))


def test_every_message_of_a_card_has_a_type():
    progress = Progress()
    html = ''.join(card_html(task, told(task, progress)) for task in TASKS.values())
    assert sent('card', html) == set(kinds(protocol.CardMessage))


def test_every_message_is_understood():
    widget, seen = explore('rpc'), []
    widget._try = seen.append
    widget._before = widget.trace
    fields = {field['name']: field['value'] for field in form(Scenario())}
    for kind, message in kinds(protocol.PlayerMessage).items():
        said = {'kind': kind, **({'values': fields, 'edited': ''} if 'values' in message.__annotations__ else {})}
        assert misfits(said, message) == []
        seen.clear()
        widget._asked(widget, said, [])
        assert len(seen) == 1, kind


def test_every_message_to_a_card_is_understood():
    card, seen = Card(type('', (), {'kept': lambda self: Progress()})(), ('rpc.predict',)), []
    card._show = lambda key, work: seen.append(key)
    for kind, message in kinds(protocol.CardMessage).items():
        said = {'kind': kind, 'task': 'rpc.predict', **(
            {'values': {'answer': 'a'}} if 'values' in message.__annotations__ else {})}
        assert misfits(said, message) == []
        seen.clear()
        card._asked(card, said, [])
        assert seen == ['rpc.predict'], kind


def test_the_page_has_each_part_that_the_module_fills_and_the_docstring_names_it():
    widget = explore('rpc')
    page = widget.content['page']
    there = set(re.findall('data-(?:part|pane)="([^"]*)"', page))
    used = set(re.findall(r'\bparts\??\.(\w+)', MODULES['player']))
    assert used <= there
    for name in used:
        assert re.search(rf'\b{name}\b', protocol.__doc__), name


@pytest.mark.parametrize('module', MODULES)
def test_the_docstring_names_every_data_attribute_that_a_module_looks_for(module):
    wanted = set(re.findall(r'\[(data-[a-z]+)', MODULES[module]))
    assert {name for name in wanted if name not in protocol.__doc__} == set()
    assert 'data-action' in wanted
