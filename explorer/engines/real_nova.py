"""The real Nova as an engine: a separate process that starts with the first scenario and ends with this process.

Nova can be booted only once per process, and it changes the process (logging, signals, command line). It therefore runs
elsewhere: in_nova/worker.py runs with the Python of an environment that has nova installed. The two processes exchange
lines of JSON.
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
from collections.abc import Callable, Iterator
from typing import IO, NoReturn, TypeAlias

from explorer.engines.cloud import Cloud
from explorer.engines.folders import own_folder
from explorer.errors import WrongUse, shorten
from explorer.explorations import Scenario
from explorer.payloads import Plain, Value
from explorer.stations import NOVA
from explorer.trace import Trace

BOOT_SECONDS, ANSWER_SECONDS = 120, 60
OR_RECORDED = '; engine="recorded" works without it'
INSTALL = f'"make nova" installs nova {NOVA} (about 400 MB) in a separate environment{OR_RECORDED}'
_PACKAGE = pathlib.Path(__file__).resolve().parent.parent
Tell: TypeAlias = Callable[[str], object]  # called with a line of progress


def python() -> str:
    """Return the path of a Python with nova: NOVA_EXPLORER_PYTHON, else the one from `make nova`, else this one.

    Raises: WrongUse if none has nova, or if the first Python with nova has another version of it or lacks a package
    that the worker needs.
    """
    for path in _candidates():
        version, *missing = _looked_for(path)
        if version == 'none':
            continue
        if missing:
            raise WrongUse(f'the real Nova is only half installed, without {" and ".join(missing)}; {INSTALL}')
        if version != NOVA:
            raise WrongUse(f'nova {version} is installed, but this version needs nova {NOVA}; {INSTALL}')
        return path
    if named := os.environ.get('NOVA_EXPLORER_PYTHON'):
        raise WrongUse(f'NOVA_EXPLORER_PYTHON is {named}, which is not a Python with nova; {INSTALL}')
    raise WrongUse(f'the real Nova is not installed; {INSTALL}')


def _candidates() -> Iterator[str]:
    """Yield the Pythons that may have nova, the preferred one first."""
    named = os.environ.get('NOVA_EXPLORER_PYTHON')
    for path in (named,) if named else (_PACKAGE.parent / '.venv-nova/bin/python', sys.executable):
        yield os.path.abspath(shutil.which(path) or os.devnull)  # resolving the symlink would leave the environment


def site_packages() -> pathlib.Path | None:
    """Return the folder that holds the source of the Nova that `python()` would find, or None if there is none."""
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
needed = 'nova', 'ormsgpack', 'novaclient', 'waitress'
print(version, *[name for name in needed if not importlib.util.find_spec(name)])
'''


def _looked_for(path: str) -> list[str]:
    """Return a Python's version of nova, or 'none', followed by the packages that it lacks and the worker needs."""
    try:
        done = subprocess.run([path, '-I', '-c', _LOOKS], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ['none']
    return done.stdout.split() or ['none']


class _Worker(subprocess.Popen[str]):
    """The process of the worker; its input and output are pipes."""

    stdin: IO[str]
    stdout: IO[str]


class RealNova:
    """The real Nova, run by a worker that starts with the first scenario.

    Shape: *tell* is called with each line of progress while the worker starts.
    """

    _process: _Worker | None
    _lines: queue.SimpleQueue[str]

    def __init__(self, tell: Tell = lambda line: None) -> None:
        self.tell, self._process, self._folder = tell, None, ''

    def answer(self, scenario: Scenario, cloud: Cloud, whole: bool = True) -> tuple[Trace, Value]:
        """Run a scenario on the real Nova and return (trace, response).

        Shape: *whole*: the conductor continues up to its own cast; else it only acknowledges the message.
        Raises: WrongUse if nova is not installed, or if the worker rejects the scenario or fails. After a failure,
        the next call starts a fresh worker.
        """
        worker = self._process if self._process and self._process.poll() is None else self._start()
        said = self._ask(worker, {
            'scenario': dataclasses.asdict(scenario), 'cloud': dataclasses.asdict(cloud), 'whole': whole})
        if 'wrong' in said:
            raise WrongUse(said['wrong'])
        if not {'trace', 'response'} <= set(said):
            self._give_up(f'it wrote {shorten(said)}, which is not an answer')
        return Trace.from_json(said['trace']), said['response']

    def close(self) -> None:
        """End the worker; the next scenario starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with contextlib.suppress(OSError):  # closing flushes what has not been written yet
                self._process.stdin.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        self._process = None

    @property
    def pid(self) -> int | None:
        """Return the process id of the worker, or None if it is not running."""
        return self._process.pid if self._process else None

    def _start(self) -> _Worker:
        self.close()
        interpreter = python()
        self.tell(f'starting the real Nova {NOVA}, which takes a few seconds')
        began = time.monotonic()
        try:
            self._folder = own_folder(self)
            self._process = worker = _worker(interpreter, self._folder)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise WrongUse(f'the real Nova cannot be started: {error.strerror}; '
                           f'make sure that there is room in {tempfile.gettempdir()}') from error
        self._lines = queue.SimpleQueue()
        threading.Thread(target=_read, args=(worker.stdout, self._lines), name='nova', daemon=True).start()
        try:
            while 'ready' not in (said := self._line(worker, BOOT_SECONDS)):
                self.tell(said.get('now', ''))
        except KeyboardInterrupt:
            self.close()
            raise
        self.tell(f'ready after {time.monotonic() - began:.1f} s')
        return worker

    def _ask(self, worker: _Worker, asked: Plain) -> Plain:
        try:
            text = json.dumps(asked) + '\n'
        except (TypeError, ValueError) as error:
            raise WrongUse(f'invalid scenario: {error}; see the docstring of Scenario') from error
        try:  # on a separate thread, because a worker that hangs does not read
            threading.Thread(target=_write, args=(worker.stdin, text), name='nova', daemon=True).start()
            return self._line(worker, ANSWER_SECONDS)
        except WrongUse:
            raise
        except BaseException:  # after an interrupt, the late reply would be taken for the next one
            self.close()
            raise

    def _line(self, worker: _Worker, seconds: float) -> Plain:
        """Wait for the worker's next line and return what it holds.

        If no usable line comes, the worker is ended, and the next scenario starts a fresh one.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self._give_up(f'it wrote nothing for {seconds} s')
        try:
            said = json.loads(line)
            if not isinstance(said, dict):
                raise ValueError
        except ValueError:
            self._give_up(f'it wrote {line[:60]!r}, which is not an answer' if line else self._last_words(worker))
        if 'failed' in said:
            self._give_up(said['failed'])
        return said

    def _last_words(self, worker: _Worker) -> str:
        """Describe how the worker ended, with the last line that it printed."""
        code = worker.wait(10)
        try:
            said = pathlib.Path(self._folder, 'said').read_text(errors='replace').strip().splitlines()
        except OSError:  # the worker removed the folder when it ended
            said = []
        how = f'code {code}' if code >= 0 else (
            f'signal {signal.Signals(-code).name if -code in set(signal.Signals) else -code}')
        return f'it ended with {how}' + (f': {said[-1]}' if said else '')

    def _give_up(self, why: str) -> NoReturn:
        self.close()
        raise WrongUse(f'the real Nova did not answer: {why}; run again to start a fresh one, or use engine="recorded"')


def _worker(interpreter: str, folder: str) -> _Worker:
    # The worker finds our package through this link, but nothing else from this environment.
    os.symlink(_PACKAGE, pathlib.Path(folder, 'explorer'))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(('OS_', 'NOVA', 'PYTHON'))}
    with open(pathlib.Path(folder, 'said'), 'w') as said:
        return _Worker(
            [interpreter, '-m', 'explorer.engines.in_nova.worker', folder], cwd=folder, text=True, encoding='utf-8',
            # One malloc arena, or each of Nova's many threads would keep its own; and a separate session,
            # so that an interrupt here does not reach the worker.
            env={**kept, 'PYTHONPATH': folder, 'MALLOC_ARENA_MAX': '1'}, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)


def _write(stream: IO[str], text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the worker ended, which the reading thread reports
        stream.write(text)
        stream.flush()


def _read(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put('')
