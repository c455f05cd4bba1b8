"""Nova's domain errors: their messages are what a client comes to see."""

import inspect

import pytest

from explorer import exception

CLASSES = [cls for _, cls in inspect.getmembers(exception, inspect.isclass) if issubclass(cls, exception.NovaException)]


@pytest.mark.parametrize('cls', CLASSES, ids=lambda cls: cls.__name__)
def test_each_shows_itself_under_novas_module(cls):
    assert repr(cls) == f"<class 'nova.exception.{cls.__name__}'>"


def test_the_message_is_filled_with_what_is_known():
    assert str(exception.ComputeHostNotFound(host='host9')) == 'Compute host host9 could not be found.'


def test_a_message_that_cannot_be_filled_is_shown_as_it_is():
    assert str(exception.ComputeHostNotFound(hots='x')) == 'Compute host %(host)s could not be found.'


def test_the_code_is_inherited():
    assert exception.UnexpectedDeletingTaskStateError(instance_uuid='', expected='', actual='').code == 500
    assert exception.InstanceIsLocked(instance_uuid='').code == 400
    assert exception.ComputeHostNotFound(host='').code == 404


def test_an_error_that_the_path_does_not_tell_apart_has_novas_name():
    made = exception.named('HypervisorTooOld') or exception.named('ConsoleTypeInvalid')
    assert repr(made) == f"<class 'nova.exception.{made.__name__}'>"
    assert made is exception.named(made.__name__)


@pytest.mark.parametrize('name', ['NoValidHots', 'Exception', 'named', 'functools', '_NovaClass', '', 'nova.exception.NoValidHost'])
def test_what_nova_has_no_error_for_is_none(name):
    assert exception.named(name) is None
