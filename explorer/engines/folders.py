"""Temporary folders that are removed together with their owner.

If a process is killed, the next process that makes such a folder removes what the killed process left.
"""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
import weakref

if sys.platform != 'win32':  # on Windows, the folder of a killed process stays
    import fcntl

PREFIX, LOCK = 'nova-explorer-', '.lock'


def own_folder(owner: object) -> str:
    """Make a temporary folder that is removed together with its *owner*, at the latest when the process ends.

    The folders of killed processes are removed first.
    Raises: OSError if there is no room.
    """
    _collect()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    handle = _locked(folder, os.O_CREAT)
    weakref.finalize(owner, _remove, folder, os.getpid(), handle)
    return folder


def _locked(folder: str | pathlib.Path, flags: int = 0) -> int | None:
    """Lock a folder as in use.

    Returns: the descriptor of the lock file, or None if another process holds the lock or the system has no locks.
    """
    with contextlib.suppress(OSError):
        handle = os.open(os.path.join(folder, LOCK), os.O_RDWR | flags, 0o600)
        try:
            if sys.platform != 'win32':
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
        except OSError:
            pass
        os.close(handle)
    return None


def _collect() -> None:
    """Remove the folders whose lock nobody holds because their process was killed."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f'{PREFIX}*'):
        handle = _locked(folder)
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _remove(folder: str, pid: int, handle: int | None) -> None:
    if os.getpid() == pid:  # a forked child must not remove the folder that its parent still uses
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)
