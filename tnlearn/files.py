"""Files that are either complete or not there, and locks that end with the process that holds them.

Used by everything that writes or reads; knows nothing of what is in a file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tnlearn.errors import FileError, TnlearnError

try:
    import fcntl
except ImportError:  # not a POSIX system: two runs on one output are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["TEMPORARY", "claimed", "lock", "make_folder", "open_lock", "parsing", "replace_file"]
__all__ += ["replacing", "sweep", "write_bytes"]

TEMPORARY = ".tnlearn-"  # how the name of a file begins until it is complete
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that takes its place when the block ends without error.

    Its name cannot be foreseen and it is opened for this writer alone; a link at `target` is
    replaced, not followed.

    Raises
    ------
    FileError
        If the file cannot be written; `target` is then as it was, and the
        temporary file is gone.
    """
    if target.is_dir():
        raise FileError(f"{target} is a folder; give the name of a file")
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_LINK, 0o666))
        yield temporary
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
    except FileError:
        raise
    except OSError as error:
        raise FileError(
            f"cannot write {target}: {error.strerror or error}; what was there before is "
            "unchanged. Give a folder that exists, is writable and has room"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def replace_file(path: str | os.PathLike[str], save: Callable[[Any], Any]) -> None:
    """Call ``save(stream)`` on a temporary file beside `path`, flush it to disk, and rename it.

    Raises
    ------
    FileError
        If anything fails; `path` is then as it was, and the temporary file is gone.
    """
    with replacing(Path(path)) as temporary, temporary.open("wb") as stream:
        save(stream)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a whole file, or leave what was there, and return its path.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    replace_file(path, lambda stream: stream.write(content))
    return path


def make_folder(path: Path) -> Path:
    """The folder, made if it is not there; `FileError` if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make {path}: {error.strerror or error}") from error
    return path


@contextlib.contextmanager
def parsing(
    path: Path, what: str, *, error: type[FileError] = FileError, hint: str = ""
) -> Iterator[None]:
    """Whatever a parser throws at a damaged file becomes one error with the name of the file.

    Parameters
    ----------
    path, what
        The file, and what it is expected to be: "a file of tnlearn".
    error, hint
        The kind of the error, and how to mend it.
    """
    try:
        yield
    except TnlearnError:
        raise
    except Exception as cause:  # what a parser throws is not to be foreseen
        why = f"{type(cause).__name__}: {cause}".rstrip(": ").splitlines()[0][:200]
        raise error(
            f"{path} is damaged, cut short or not {what} ({why}); it is left as it is"
            + (f". {hint}" if hint else "")
        ) from cause


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
        return True  # type: ignore[unreachable]
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network file systems have no locks
    return True


def open_lock(path: Path) -> Any:
    """The file of a lock, made if it is not there, opened and locked; None if another has it.

    Raises `OSError` if it cannot be opened, or is a link.
    """
    flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | _NO_LINK
    while True:
        stream = os.fdopen(os.open(path, flags, 0o666), "ab")
        if not lock(stream):
            stream.close()
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        stream.close()  # the former holder has just removed it: this lock is of no file


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone holds the claim that the file `path` stands for.

    The file is there only while somebody holds the claim, or after he was killed: a
    claim without a holder is free.  If the file cannot be made, there is no claim to
    respect, and the answer is True.
    """
    try:
        stream = open_lock(path)
    except OSError:
        yield True
        return
    if stream is None:
        yield False
        return
    with stream:
        try:
            yield True
        finally:
            # Removed before it is unlocked: who opened it meanwhile finds that it is gone.
            with contextlib.suppress(OSError):
                path.unlink()
