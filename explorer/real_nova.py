"""The real Nova as an engine: a process of its own, started when it is first asked, ended with this one.

Nova can be booted once in a process and rearranges what it finds there (logging, signals, command line), so it is kept out
of this one: nova_worker.py runs with the Python of an environment that holds nova, and they exchange lines of JSON.
"""

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

from explorer.stations import NOVA, WrongUse
from explorer.trace import Trace

BOOT_SECONDS, ANSWER_SECONDS = 120, 60
NEEDS = 'nova', 'orjson', 'novaclient'
INSTALL = f'"make nova" installs nova {NOVA} (about 400 MB) in an environment of its own; engine="recorded" needs none'
_PACKAGE = pathlib.Path(__file__).resolve().parent


def python():
    """Find the Python of an environment with nova: NOVA_EXPLORER_PYTHON, else the one that `make nova` made, else ours.

    Raises: WrongUse, if there is none, or none that has all that the worker needs.
    """
    named = os.environ.get('NOVA_EXPLORER_PYTHON')
    for path in (named,) if named else (_PACKAGE.parent / '.venv-nova/bin/python', sys.executable):
        missing = _missing(path) if shutil.which(path) else NEEDS
        if not missing:
            return str(path)
        if 'nova' not in missing:
            raise WrongUse(f'the real Nova is only half installed, {" and ".join(missing)} is missing beside it: {INSTALL}')
    if named:
        raise WrongUse(f'NOVA_EXPLORER_PYTHON names {named}, which is no Python with nova; {INSTALL}')
    raise WrongUse(f'the real Nova is not installed: {INSTALL}')


def library():
    """Give the folder of the packages beside the installed Nova, to read its text; None, where it is not installed."""
    interpreter = pathlib.Path(os.environ.get('NOVA_EXPLORER_PYTHON') or _PACKAGE.parent / '.venv-nova/bin/python')
    return next((found.parent for found in interpreter.parent.parent.glob(f'lib/python3.*/site-packages/nova-{NOVA}.dist-info')), None)


def _missing(path):
    """Ask a Python which of the packages that the worker needs it lacks; a Python that does not answer lacks all."""
    looks = f'import importlib.util; print(*[name for name in {NEEDS} if not importlib.util.find_spec(name)])'
    try:
        done = subprocess.run([path, '-I', '-c', looks], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return NEEDS
    return tuple(done.stdout.split()) if done.returncode == 0 else NEEDS


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
        return Trace.from_json(said['trace']), said['response']

    def close(self):
        """End the worker; the next question starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
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
            self._folder = tempfile.mkdtemp(prefix='nova-explorer-')
            # The worker finds our package here, and nothing else of this environment.
            os.symlink(_PACKAGE, pathlib.Path(self._folder, 'explorer'))
            kept = {name: value for name, value in os.environ.items() if not name.startswith(('OS_', 'NOVA', 'PYTHON'))}
            self._process = subprocess.Popen(
                [interpreter, '-m', 'explorer.nova_worker', self._folder], cwd=self._folder, text=True, encoding='utf-8',
                env={**kept, 'PYTHONPATH': self._folder}, start_new_session=True,  # an interrupt here is none there
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(pathlib.Path(self._folder, 'said'), 'w'))
        except OSError as error:
            raise WrongUse(f'the real Nova can not be started: {error.strerror}; is there room in {tempfile.gettempdir()}?') from error
        self._lines = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), name='nova', daemon=True).start()
        while 'ready' not in (said := self._line(BOOT_SECONDS)):
            self.tell(said.get('now', ''))
        if said['ready'] != NOVA:
            self.close()
            raise WrongUse(f'nova {said["ready"]} is installed, but this version knows nova {NOVA}; {INSTALL}')
        self.tell(f'ready, after {time.monotonic() - began:.1f} s')

    def _ask(self, asked):
        try:
            self._process.stdin.write(json.dumps(asked) + '\n')
            self._process.stdin.flush()
        except OSError:
            self._give_up('it went away')
        return self._line(ANSWER_SECONDS)

    def _line(self, seconds):
        """Wait for the worker's next line; where none comes, end it, so that the next question has a fresh one."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self._give_up(f'it says nothing for {seconds} s')
        except BaseException:  # an interrupt: its answer would be taken for that of the next question
            self.close()
            raise
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
        how = f'signal {signal.Signals(-code).name}' if code < 0 else f'code {code}'
        return f'it ended with {how}' + (f': {said[-1]}' if said else '')

    def _give_up(self, why):
        self.close()
        raise WrongUse(f'the real Nova gave no answer: {why}; ask again for a fresh one, or use engine="recorded"')


def _read(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put('')
