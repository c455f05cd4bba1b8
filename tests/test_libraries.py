"""Libraries that are loaded without what nobody here uses of them, and that work as always."""

import pytest


def test_a_run_builds_no_grammar_and_the_format_can_still_be_checked(python):
    said = python('''
import sys
from explorer import run
run()
print('rfc3987_syntax' in sys.modules)
import jsonschema
validator = jsonschema.Draft202012Validator({'format': 'iri'}, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
print([validator.is_valid(value) for value in ('http://ex.org/é', 'no iri', 5)])
print(sys.modules['rfc3987_syntax'].__file__ is not None)
''')
    assert said == 'False\n[True, False, True]\nTrue\n'


@pytest.mark.parametrize('before', ['import jsonschema', 'import rfc3987_syntax', 'import sys; sys.modules["rfc3987_syntax"] = None'])
def test_whatever_was_loaded_before_jsonschema_is_the_librarys_own(python, before):
    assert python(f'''
{before}
import jsonschema, sys
from explorer.libraries import jsonschema as ours
print(ours is jsonschema, 'iri' in jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers)
''') == f'True {"None" not in before}\n'


def test_a_run_loads_no_eventlet_and_others_still_can(python):
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


def test_a_scenario_loads_no_bus(python):
    assert python('import sys; from explorer import Scenario; Scenario(); print("oslo_messaging" in sys.modules)') == 'False\n'


def test_an_unknown_library_is_an_attribute_error():
    from explorer import libraries
    with pytest.raises(AttributeError, match="no attribute 'moon'"):
        libraries.moon  # noqa: B018
