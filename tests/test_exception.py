"""Nova's domain errors, whose messages reach the client."""

import inspect

import pytest

from explorer import exception

CLASSES = [cls for _, cls in inspect.getmembers(exception, inspect.isclass) if issubclass(cls, exception.NovaException)]


@pytest.mark.parametrize('cls', CLASSES, ids=lambda cls: cls.__name__)
def test_each_error_shows_novas_module_in_its_repr(cls):
    assert repr(cls) == f"<class 'nova.exception.{cls.__name__}'>"


def test_the_arguments_are_filled_into_the_message():
    assert str(exception.ComputeHostNotFound(host='host9')) == 'Compute host host9 could not be found.'


def test_a_message_without_its_arguments_is_left_as_it_is():
    assert str(exception.ComputeHostNotFound(hots='x')) == 'Compute host %(host)s could not be found.'


def test_an_error_inherits_its_code():
    assert exception.UnexpectedDeletingTaskStateError(instance_uuid='', expected='', actual='').code == 500
    assert exception.InstanceIsLocked(instance_uuid='').code == 400
    assert exception.ComputeHostNotFound(host='').code == 404


def test_an_error_without_a_row_has_novas_name():
    made = exception.named('HypervisorTooOld') or exception.named('ConsoleTypeInvalid')
    assert repr(made) == f"<class 'nova.exception.{made.__name__}'>"
    assert made is exception.named(made.__name__)


@pytest.mark.parametrize(
    'name', ['NoValidHots', 'Exception', 'named', 'functools', '_NovaClass', '', 'nova.exception.NoValidHost'])
def test_a_name_that_is_not_a_nova_error_gives_none(name):
    assert exception.named(name) is None
