"""Files that are either complete or not there, and locks that end with the process that holds them.

Used by everything that writes; knows nothing of what is written.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tnlearn.errors import FileError

try:
    import fcntl
except ImportError:  # not a POSIX system: two runs on one output are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["TEMPORARY", "claimed", "lock", "replace_file", "replacing", "settle", "sweep"]

TEMPORARY = ".tnlearn-"  # how the name of a file begins until it is complete


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that takes its place when the block ends without error.

    Raises
    ------
    FileError
        If the file cannot be written; `target` is then as it was, and the
        temporary file is gone.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        os.close(handle)
        # A temporary file is its owner's alone; a result is not.
        temporary.chmod(0o644)
        yield temporary
        settle(temporary, target)
        temporary = None
    except FileError:
        raise
    except OSError as error:
        raise FileError(
            f"cannot write {target}: {error.strerror or error}; what was there before is "
            "unchanged. Give a folder that exists, is writable and has room"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def replace_file(path: str | os.PathLike[str], save: Callable[[Any], Any]) -> None:
    """Call ``save(stream)`` on a temporary file beside `path`, flush it to disk, and rename it.

    Raises
    ------
    FileError
        If anything fails; `path` is then as it was, and the temporary file is gone.
    """
    with replacing(Path(path)) as temporary, temporary.open("wb") as stream:
        save(stream)


def settle(temporary: Path, target: Path) -> None:
    """Flush a finished file to the disk and rename it to `target`."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, target)
    # Without this a power cut may forget the renaming; not every system allows it.
    with contextlib.suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sweep(folder: Path, hours: float = 24.0) -> None:
    """Remove what writers that were killed left behind; younger files may still be written."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{TEMPORARY}*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > 3600 * hours:
                    path.unlink()


def lock(stream: Any) -> bool:
    """Lock an open file for this process until it is closed; False if another process has it.

    The system gives the lock back when a process ends, however it ends.  Where the
    system or its file system has no locks, every request is granted.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network file systems have no locks
    return True


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone holds the claim that the file `path` stands for.

    The file is there only while somebody holds the claim, or after he was killed: a
    claim without a holder is free.  If the file cannot be made, there is no claim to
    respect, and the answer is True.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = _open_claim(path)
        except OSError:
            yield True
            return
        if stream is None:
            yield False
            return
        stack.enter_context(stream)
        try:
            yield True
        finally:
            # Removed before it is unlocked: who opened it meanwhile finds that it is gone.
            with contextlib.suppress(OSError):
                path.unlink()


def _open_claim(path: Path) -> Any:
    while True:
        stream = path.open("ab")
        if not lock(stream):
            stream.close()
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        stream.close()  # the former holder has just removed it: this lock is of no file
