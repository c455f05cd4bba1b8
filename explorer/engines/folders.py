"""Temporary folders that go with their owner, and at the latest with the next process that makes one."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import weakref

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves stays there
    fcntl = None

PREFIX, LOCK = 'nova-explorer-', '.lock'


def own_folder(owner):
    """Make a temporary folder that goes with its *owner*, or with the process; remove those of processes that were killed.

    Raises: OSError, where there is no room.
    """
    _collect()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    handle = _locked(folder, os.O_CREAT)
    weakref.finalize(owner, _remove, folder, os.getpid(), handle)
    return folder


def _locked(folder, flags=0):
    """Open and lock the file that says that the folder is in use; None, where somebody else has it or there are no locks."""
    with contextlib.suppress(OSError):
        handle = os.open(os.path.join(folder, LOCK), os.O_RDWR | flags, 0o600)
        try:
            if fcntl:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
        except OSError:
            pass
        os.close(handle)
    return None


def _collect():
    """Remove the folders whose owners were killed: nobody holds their locks any more."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f'{PREFIX}*'):
        handle = _locked(folder)
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _remove(folder, pid, handle):
    if os.getpid() == pid:  # a child of a fork has it from its parent, who still needs it
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)
