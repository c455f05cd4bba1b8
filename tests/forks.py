"""Processes that start warm: forks of a process that has loaded the libraries, and nothing of `explorer`.

A process that starts cold spends its time on imports. A fork has the libraries already and imports the package from
the folder it is given, so it can run a modified copy. A test about importing itself needs a cold start: the fixture
`python`.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import pathlib
import runpy
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECONDS = 300

_server = multiprocessing.get_context('forkserver')
_server.set_forkserver_preload(['tests.warm'])


@dataclasses.dataclass(frozen=True)
class Done:
    """How a process ended, like subprocess.CompletedProcess."""

    returncode: int
    stdout: str
    stderr: str


def run(program, *words, cwd=ROOT, env=None, timeout=SECONDS):
    """Run the text *program* with the arguments *words*, in the folder *cwd*, from which it imports first."""
    return _run(_execute, program, words, cwd, env, timeout)


def run_module(name, *words, cwd=ROOT, env=None, timeout=SECONDS):
    """Run a module, like `python -m`."""
    return _run(_execute_module, name, words, cwd, env, timeout)


def _run(target, what, words, cwd, env, timeout):
    with tempfile.TemporaryDirectory() as folder:
        outputs = [os.path.join(folder, name) for name in ('stdout', 'stderr')]
        environment = dict(os.environ if env is None else env)
        process = _server.Process(target=target, args=(what, words, str(cwd), environment, outputs))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f'still running after {timeout} s: {what[:200]}')
        said = [pathlib.Path(path).read_text(errors='replace') if os.path.exists(path) else '' for path in outputs]
        return Done(process.exitcode, *said)


def _execute(program, words, *place):
    with _placed(words, *place):
        exec(compile(program, '-c', 'exec'), {'__name__': '__main__'})


def _execute_module(name, words, *place):
    with _placed(words, *place):
        runpy.run_module(name, run_name='__main__', alter_sys=True)


@contextlib.contextmanager
def _placed(words, cwd, env, outputs):
    """Take on the folder, the environment, the arguments and the outputs of a process that was started there."""
    for number, path in enumerate(outputs, 1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path.insert(0, cwd)
    sys.argv[1:] = words
    yield
