"""What a process that starts warm has loaded: every library, but nothing of `explorer`."""

import gc
import importlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

for path in sorted(ROOT.glob('explorer/**/*.py')):
    if path.stem not in ('__init__', '__main__') and path.parent.stem != 'in_nova':
        # This loads the libraries that the module needs.
        importlib.import_module('.'.join(path.relative_to(ROOT).with_suffix('').parts))
for name in [name for name in sys.modules if name.partition('.')[0] == 'explorer']:
    del sys.modules[name]

import novaclient.v2.client  # noqa: E402
import novaclient.v2.shell  # noqa: E402, F401
import pandas  # noqa: E402, F401
import pytest  # noqa: E402, F401

gc.freeze()  # so that a fork shares more memory with its parent
