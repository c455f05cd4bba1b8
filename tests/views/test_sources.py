"""The source of the functions on the path: the miniature's, the libraries', and the real Nova's if it is installed."""

import sys

import pytest

from explorer import run
from explorer.engines import real_nova, recordings
from explorer.stations import BY_KEY, NOVA
from explorer.views import sources


def test_each_step_of_the_miniature_has_its_text(walk):
    for step in walk.steps:
        text = sources.text_of(step.station, step.file, step.line)
        name = BY_KEY[step.station].ours.rpartition('.')[2].rpartition('>.')[2]
        assert any(f'def {name}(' in line for line in text), step.station
        assert set(step.lines) <= set(range(step.line, step.line + len(text)))


@pytest.mark.parametrize('place', [
    ('can', 'nova/context.py', 1), ('can', 'nova/../../etc/passwd', 1), ('can', 'explorer/objects.py', 1)])
def test_a_missing_source_gives_no_text(place):
    assert sources.text_of(*place) == []


def test_without_nova_its_text_is_not_available(monkeypatch, tmp_path):
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', str(tmp_path / 'bin/python'))
    sources.text_of.cache_clear()
    step, = run(engine='recorded').find('live_migrate')
    assert sources.text_of(step.station, step.file, step.line) == []
    sources.text_of.cache_clear()


@pytest.mark.nova
def test_each_recorded_step_of_the_real_nova_has_its_text():
    assert real_nova.site_packages()
    sources.text_of.cache_clear()
    for name in recordings.scenarios():
        for step in recordings.trace_of(name).steps:
            text = sources.text_of(step.station, step.file, step.line)
            if step.file.startswith('nova/'):
                name = BY_KEY[step.station].nova.rpartition('.')[2]
                assert any(f'def {name}(' in line for line in text), step.station
                assert set(step.lines) <= set(range(step.line, step.line + len(text)))


def test_novas_text_is_read_where_nova_is_installed(monkeypatch, tmp_path):
    """The Python that would run and the folder whose source is read are found by the same rule."""
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin/python').symlink_to(sys.executable)
    (tmp_path / f'lib/python3.11/site-packages/nova-{NOVA}.dist-info').mkdir(parents=True)
    monkeypatch.delenv('NOVA_EXPLORER_PYTHON', raising=False)
    monkeypatch.setattr(real_nova, '_PACKAGE', tmp_path / 'nowhere/explorer')
    monkeypatch.setattr(real_nova.sys, 'executable', str(tmp_path / 'bin/python'))
    assert real_nova.site_packages() == tmp_path / 'lib/python3.11/site-packages'
    monkeypatch.setenv('NOVA_EXPLORER_PYTHON', '/nowhere/python')
    assert real_nova.site_packages() is None
