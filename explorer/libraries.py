"""Two libraries that Nova runs on, imported without the parts that neither Nova nor this package uses.

Import `jsonschema` and `oslo_messaging` from here; each is loaded on first use.
"""

import contextlib
import importlib
import importlib.util
import sys
import types


def __getattr__(name):
    load = {'jsonschema': import_jsonschema, 'oslo_messaging': import_oslo_messaging}.get(name)
    if load is None:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return load()


def import_oslo_messaging():
    """Import oslo.messaging with threads and without eventlet, which is how Nova runs it."""
    with _standing_in('eventlet', None):
        import oslo_service.backend
        oslo_service.backend.register_backend_default_hook(lambda: oslo_service.backend.BackendType.THREADING)
        import oslo_messaging
    return oslo_messaging


def import_jsonschema():
    """Import jsonschema, but delay building the grammar of the format "iri" until that format is first checked.

    Building it takes half the time of the first request, and the path does not use the format. The stand-in loads
    the optional package rfc3987_syntax when it is called, so every format check in this process works as before.
    """
    name = 'rfc3987_syntax'
    if 'jsonschema' in sys.modules or importlib.util.find_spec(name) is None:
        import jsonschema
        return jsonschema
    stand_in = types.ModuleType(name)
    stand_in.is_valid_syntax = lambda *args: importlib.import_module(name).is_valid_syntax(*args)
    with _standing_in(name, stand_in):
        import jsonschema
    return jsonschema


@contextlib.contextmanager
def _standing_in(name, stand_in):
    """Put *stand_in* in the place of a module that is not loaded yet; None blocks its import."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]
