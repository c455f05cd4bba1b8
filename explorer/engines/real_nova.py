"""The real Nova as an engine: a process of its own, started when it is first asked, ended with this one.

Nova can be booted once in a process and rearranges what it finds there (logging, signals, command line), so it is kept out
of this one: in_nova/worker.py runs with the Python of an environment that holds nova, and they exchange lines of JSON.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from explorer.engines.folders import own_folder
from explorer.errors import WrongUse, shorten
from explorer.stations import NOVA
from explorer.trace import Trace

BOOT_SECONDS, ANSWER_SECONDS = 120, 60
OR_RECORDED = '; engine="recorded" needs none'
INSTALL = f'"make nova" installs nova {NOVA} (about 400 MB) in an environment of its own{OR_RECORDED}'
_PACKAGE = pathlib.Path(__file__).resolve().parent.parent


def python():
    """Find the Python of an environment with nova: NOVA_EXPLORER_PYTHON, else the one that `make nova` made, else ours.

    Raises: WrongUse, if there is none, or none that has all that the worker needs.
    """
    for path in _candidates():
        version, *missing = _looked_for(path)
        if version == 'none':
            continue
        if missing:
            raise WrongUse(f'the real Nova is only half installed, without {" and ".join(missing)}: {INSTALL}')
        if version != NOVA:
            raise WrongUse(f'nova {version} is installed, but this version knows nova {NOVA}: {INSTALL}')
        return path
    if named := os.environ.get('NOVA_EXPLORER_PYTHON'):
        raise WrongUse(f'NOVA_EXPLORER_PYTHON names {named}, which is no Python with nova; {INSTALL}')
    raise WrongUse(f'the real Nova is not installed: {INSTALL}')


def _candidates():
    """List the Pythons in which Nova may be, best first."""
    named = os.environ.get('NOVA_EXPLORER_PYTHON')
    for path in (named,) if named else (_PACKAGE.parent / '.venv-nova/bin/python', sys.executable):
        yield os.path.abspath(shutil.which(path) or os.devnull)  # not resolved: that would leave the environment


def site_packages():
    """Return the folder of the packages beside the Nova that `python()` would find, to read its source; None if there is none."""
    for path in _candidates():
        for found in pathlib.Path(path).parent.parent.glob(f'lib/python3.*/site-packages/nova-{NOVA}.dist-info'):
            return found.parent
    return None


_LOOKS = '''
import importlib.metadata, importlib.util
try:
    version = importlib.metadata.version('nova')
except importlib.metadata.PackageNotFoundError:
    version = 'none'
print(version, *[name for name in ('nova', 'ormsgpack', 'novaclient') if not importlib.util.find_spec(name)])
'''


def _looked_for(path):
    """Ask a Python for its version of nova, or 'none', and which packages the worker would miss there."""
    try:
        done = subprocess.run([path, '-I', '-c', _LOOKS], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ['none']
    return done.stdout.split() or ['none']


class RealNova:
    """The worker, from the first question on.

    Shape: *tell* is called with a line that says what is being done while it starts.
    """

    def __init__(self, tell=lambda line: None):
        self.tell, self._process, self._folder = tell, None, None

    def answer(self, scenario, cloud, whole=True):
        """Let the real Nova answer a scenario: (trace, response); *whole*: its conductor goes on to its own cast, too.

        Raises: WrongUse, if there is no nova, if it can't be asked this, or if it went away; the next call has a fresh one.
        """
        if self._process is None or self._process.poll() is not None:
            self._start()
        said = self._ask({'scenario': dataclasses.asdict(scenario), 'cloud': dataclasses.asdict(cloud), 'whole': whole})
        if 'wrong' in said:
            raise WrongUse(said['wrong'])
        if not {'trace', 'response'} <= set(said):
            self._give_up(f'it says {shorten(said)}, which is no answer')
        return Trace.from_json(said['trace']), said['response']

    def close(self):
        """End the worker; the next question starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with contextlib.suppress(OSError):  # what was still to be written
                self._process.stdin.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = None

    @property
    def pid(self):
        """Give the number of the worker's process, None where there is none."""
        return self._process and self._process.pid

    def _start(self):
        self.close()
        interpreter = python()
        self.tell(f'the real Nova {NOVA} starts, which takes some seconds')
        began = time.monotonic()
        try:
            self._folder = own_folder(self)
            self._process = _worker(interpreter, self._folder)
        except OSError as error:
            shutil.rmtree(self._folder or '', ignore_errors=True)
            raise WrongUse(f'the real Nova cannot be started: {error.strerror}; is there room in {tempfile.gettempdir()}?') from error
        self._lines = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), name='nova', daemon=True).start()
        try:
            while 'ready' not in (said := self._line(BOOT_SECONDS)):
                self.tell(said.get('now', ''))
        except KeyboardInterrupt:
            self.close()
            raise
        self.tell(f'ready, after {time.monotonic() - began:.1f} s')

    def _ask(self, asked):
        try:
            text = json.dumps(asked) + '\n'
        except (TypeError, ValueError) as error:
            raise WrongUse(f'no scenario: {error}; see the docstring of Scenario') from error
        try:  # on a thread of its own: a worker that hangs does not read
            threading.Thread(target=_write, args=(self._process.stdin, text), name='nova', daemon=True).start()
            return self._line(ANSWER_SECONDS)
        except WrongUse:
            raise
        except BaseException:  # an interrupt: its answer would be taken for that of the next question
            self.close()
            raise

    def _line(self, seconds):
        """Wait for the worker's next line; where none comes, end it, so that the next question has a fresh one."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self._give_up(f'it says nothing for {seconds} s')
        try:
            said = json.loads(line)
            if not isinstance(said, dict):
                raise ValueError
        except ValueError:
            self._give_up(f'it says {line[:60]!r}, which is no answer' if line else self._last_words())
        if 'failed' in said:
            self._give_up(said['failed'])
        return said

    def _last_words(self):
        """Say how the worker ended."""
        code = self._process.wait(10)
        try:
            said = pathlib.Path(self._folder, 'said').read_text(errors='replace').strip().splitlines()
        except OSError:  # it has taken the folder with it
            said = []
        how = f'signal {signal.Signals(-code).name if -code in set(signal.Signals) else -code}' if code < 0 else f'code {code}'
        return f'it ended with {how}' + (f': {said[-1]}' if said else '')

    def _give_up(self, why):
        self.close()
        raise WrongUse(f'the real Nova gave no answer: {why}; ask again for a fresh one, or use engine="recorded"')


def _worker(interpreter, folder):
    # The worker finds our package in its folder, and nothing else of this environment.
    os.symlink(_PACKAGE, pathlib.Path(folder, 'explorer'))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(('OS_', 'NOVA', 'PYTHON'))}
    with open(pathlib.Path(folder, 'said'), 'w') as said:
        return subprocess.Popen(
            [interpreter, '-m', 'explorer.engines.in_nova.worker', folder], cwd=folder, text=True, encoding='utf-8',
            # One arena: Nova's many threads would keep one each. An interrupt here is none there.
            env={**kept, 'PYTHONPATH': folder, 'MALLOC_ARENA_MAX': '1'}, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)


def _write(stream, text):
    with contextlib.suppress(OSError, ValueError):  # it went away, which its reader tells
        stream.write(text)
        stream.flush()


def _read(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put('')
