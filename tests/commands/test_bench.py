"""The measurements: each is made and has a bound. Their results are not tested, because machines differ."""

import time

import pytest

from explorer.bus import MemoryDriver
from explorer.commands import bench


@pytest.fixture(scope='module')
def rows():
    with pytest.MonkeyPatch.context() as patch:
        for name, few in (('ROUNDS', 2), ('WARM', 1), ('SERVERS', 5), ('PLAYERS', 1), ('MESSAGES', 10),
                          ('IDLE_SECONDS', 0.1), ('STARTS', 1), ('WORKS', 1),
                          ('EXPLORATIONS', bench.EXPLORATIONS[:1])):
            patch.setattr(bench, name, few)
        return {row['what']: row for row in bench.bench(lambda key: '')}


@pytest.mark.parametrize(('what', 'bound', 'least'), [
    ('memory per traced request, over 5 servers', 24, 1), ('cast to receipt, ours', 2, 0.001),
    ('idle listener, ours', 1, 0),
    ('fresh process, first run / libraries', 3, 0.1), ('pandas and ipywidgets loaded by `import explorer`', 0, 0),
    ('runs of Graphviz for a player that shows all its steps', 1, 1),
    ('opening a player on the longest trace', 300, 1),
    ('the largest exported page', 220, 50)])
def test_each_promise_is_measured_and_has_a_bound(rows, what, bound, least):
    assert rows[what]['bound'] == bound
    assert rows[what]['value'] >= least


def test_a_bus_that_is_slower_is_measured_as_slower(monkeypatch):
    monkeypatch.setattr(bench, 'MESSAGES', 10)
    monkeypatch.setattr(bench, 'IDLE_SECONDS', 0)
    send = MemoryDriver._send

    def slow(*args, **kwargs):
        time.sleep(0.03)  # the work itself: nothing waits for it
        return send(*args, **kwargs)
    monkeypatch.setattr(MemoryDriver, '_send', slow)
    assert next(row['value'] for row in bench.bus() if row['what'] == 'cast to receipt, ours') >= 30


def test_the_traced_request_is_compared_with_its_peers(rows):
    import sys
    base, bound = ('untraced', 1.25) if hasattr(sys, 'monitoring') else ('idle settrace', 1.4)
    assert rows[f'request, client to conductor, ours / {base}']['bound'] == bound
    assert rows[f'request, client to conductor, ours / {base}']['value'] > 0
    assert any('OpenTelemetry' in what for what in rows)


def test_measurements_without_a_clock_are_within_their_bounds(rows):
    for what in ('memory per traced request, over 5 servers', 'pandas and ipywidgets loaded by `import explorer`',
                 'runs of Graphviz for a player that shows all its steps', 'the largest exported page'):
        assert rows[what]['value'] <= rows[what]['bound']


@pytest.mark.nova
@pytest.mark.parametrize(('what', 'bound'), [
    ('from start to ready', 5), ('a bare HTTP request, traced', 0.5), ('memory after the recorded requests', 250)])
def test_the_real_nova_is_measured_where_it_is_installed(rows, what, bound):
    row = rows[f'the real Nova, {what}']
    assert row['bound'] == bound
    assert row['value'] > 0


def test_without_the_real_nova_the_report_says_that_it_is_not_measured(monkeypatch):
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', '/nowhere/python')
    row, = bench.real()
    assert row['what'].startswith('not measured: NOVA_EXPLORER_PYTHON is /nowhere/python')
    assert row['bound'] is None
