"""The miniature promises what the real Nova promises, as it was recorded and as the live one reports it."""

import json
import re
import subprocess

import pytest

from explorer.commands import conform
from explorer.engines import real_nova
from explorer.stations import NOVA
from tests.conftest import CASES, REAL, ROOT
from tests.contracts import promises

RECORDED = ROOT / 'tests/data/contracts.json'
OURS = promises('ours')


@pytest.fixture(scope='module', params=REAL)
def real(request, tmp_path_factory):
    """The promises of the real Nova: {name: value}."""
    if request.param == 'recorded':
        return json.loads(RECORDED.read_text())
    path = tmp_path_factory.mktemp('live') / 'contracts.json'
    path.write_text(RECORDED.read_text())
    subprocess.run(
        [real_nova.python(), '-W', 'ignore', '-m', 'tests.contracts', str(path)], cwd=ROOT, check=True, timeout=120)
    return json.loads(path.read_text())


@pytest.mark.parametrize('what', sorted(OURS))
def test_the_miniature_promises_what_the_real_nova_does(real, what):
    assert OURS[what] == real[what]


def test_no_promise_of_the_real_nova_is_empty(real):
    assert real['nova'] == NOVA
    assert len(real['guards']['nova.compute.api.API.live_migrate']) == 9
    assert all(real['guards'].values())
    assert all(real[what] for what in OURS)
    assert all(real['policies'].values())
    assert all(real['schemas'].values())


def test_what_was_recorded_is_what_the_live_one_promises(real):
    assert real == json.loads(RECORDED.read_text())


@pytest.mark.parametrize(('what', 'change'), [
    ('functions', lambda value: value['nova.compute.api.API.live_migrate'].append('wait')),
    ('guards', lambda value: value['nova.compute.api.API.live_migrate'].reverse()),
    ('schemas', lambda value: value['migrate_live']['properties']['os-migrateLive']['required'].pop()),
    ('policies', lambda value: value.update({'os_compute_api:os-migrate-server:migrate_live': '@'})),
    ('microversions', lambda value: value.append('2.105')),
    ('statuses', lambda value: next(iter(value.values())).append(418)),
    ('expected', lambda value: value.pop()), ('rpc', lambda value: value.update(topic='conductors'))])
def test_each_promise_is_compared(what, change):
    changed = json.loads(RECORDED.read_text())[what]
    change(changed)
    assert OURS[what] != changed


@pytest.mark.nova
def test_the_live_one_answers_every_case_as_it_was_recorded():
    lines, agree = conform.conform(CASES, 'full', engine='nova')
    assert agree, lines[:20]
    assert re.fullmatch(r'489 of 489 cases agree at level full', lines[-1])
