"""Libraries that load without the parts that nobody here uses, and work as usual."""

import pytest


def test_a_run_builds_no_grammar_but_the_format_can_still_be_checked(python):
    said = python('''
import sys
from explorer import run
run()
print('rfc3987_syntax' in sys.modules)
import jsonschema
draft = jsonschema.Draft202012Validator
validator = draft({'format': 'iri'}, format_checker=draft.FORMAT_CHECKER)
print([validator.is_valid(value) for value in ('http://ex.org/é', 'no iri', 5)])
print(sys.modules['rfc3987_syntax'].__file__ is not None)
''')
    assert said == 'False\n[True, False, True]\nTrue\n'


@pytest.mark.parametrize(
    'before', ['import jsonschema', 'import rfc3987_syntax', 'import sys; sys.modules["rfc3987_syntax"] = None'])
def test_jsonschema_stays_its_own_whatever_was_loaded_before(python, before):
    assert python(f'''
{before}
import jsonschema, sys
from explorer.libraries import jsonschema as ours
print(ours is jsonschema, 'iri' in jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers)
''') == f'True {"None" not in before}\n'


def test_a_run_loads_no_eventlet_but_other_code_still_can(python):
    assert python('''
import sys
from explorer import run
run()
print('eventlet' in sys.modules)
import warnings
warnings.simplefilter('ignore')
import eventlet
print(eventlet.__name__)
''') == 'False\neventlet\n'


@pytest.mark.parametrize('module', [
    'objects', 'pipeline', 'bus', 'commands.serve', 'commands.bench', 'engines.runner', 'engines.running',
    'views.reasons'])
def test_no_module_loads_eventlet_even_when_it_is_imported_first(python, module):
    assert python(f'import sys, explorer.{module}; print("eventlet" in sys.modules)') == 'False\n'


def test_a_scenario_loads_no_bus(python):
    said = python('import sys; from explorer import Scenario; Scenario(); print("oslo_messaging" in sys.modules)')
    assert said == 'False\n'


def test_an_unknown_library_is_an_attribute_error():
    from explorer import libraries
    with pytest.raises(AttributeError, match="no attribute 'moon'"):
        libraries.moon  # noqa: B018
