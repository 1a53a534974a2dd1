"""Files that are complete or not there, read whole or refused, and locks that end with a process.

Used by everything that writes or reads; knows nothing of what is in a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tnlearn.errors import FileError, TnlearnError

try:
    import fcntl
except ImportError:  # not a POSIX system: two runs on one output are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["TEMPORARY", "claimed", "lock", "make_folder", "open_file", "open_lock", "parsing"]
__all__ += ["read_bytes", "read_json", "replace_file", "replacing", "sweep", "target_path"]
__all__ += ["write_bytes"]

TEMPORARY = ".tnlearn-"  # how the name of a file begins until it is complete
LARGEST = 2**28  # bytes of a file that is read at once: of all that is text
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer would be waited for
_DAY = 86400.0
_swept: set[Path] = set()


def open_file(path: str | os.PathLike[str]) -> Any:
    """A file, opened to be read in bytes.

    Raises
    ------
    FileError
        If there is none, or it is a folder, a pipe or a device.
    """
    try:
        stream = open(path, "rb", opener=_not_waiting)  # noqa: SIM115
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise FileError(f"{path} is not a file: a pipe or a device is not read")
    return stream


def _not_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | _NO_WAIT)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file of at most 256 MB; `FileError` if it cannot be had."""
    with open_file(path) as stream:
        try:
            content: bytes = stream.read(LARGEST + 1)
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > LARGEST:
        raise FileError(f"{path} is larger than {LARGEST / 2**20:g} MB, and not read for that")
    return content


def read_json(path: Path, what: str, *, error: type[FileError] = FileError, hint: str = "") -> Any:
    """What a JSON file holds; errors as of `read_bytes` and `parsing`."""
    content = read_bytes(path)
    with parsing(path, what, error=error, hint=hint):
        return json.loads(content)


def target_path(path: str | os.PathLike[str]) -> Path:
    """Where a file is to be written; `FileError` if that cannot be."""
    target = _no_folder(Path(path))
    if not target.parent.is_dir():
        raise FileError(f"the folder {target.parent} does not exist; create it first")
    return target


def _no_folder(target: Path) -> Path:
    if target.is_dir():
        raise FileError(f"{target} is a folder; give the name of a file")
    return target


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that takes its place when the block ends without error.

    Its name cannot be foreseen and it is opened for this writer alone; a link at `target` is
    replaced, not followed.  It is locked, so that what a killed process left is told from it.

    Raises
    ------
    FileError
        If the file cannot be written; `target` is then as it was, and the
        temporary file is gone.
    """
    temporary, held = _no_folder(target), None
    try:
        sweep(target.parent)
        while held is None:  # (unless a sweep takes it for dead in the instant before it is locked)
            temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
            held = open_lock(temporary, os.O_EXCL)
        with held:
            yield temporary
            os.fsync(held.fileno())
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
            if temporary != target:
                temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed writers left in a folder, once a process; who still writes has a lock."""
    folder = folder.absolute()
    if folder in _swept:
        return
    _swept.add(folder)
    for path in folder.glob(f"{TEMPORARY}*.tmp"):
        with contextlib.suppress(OSError), open(path, "rb+", opener=_not_a_link) as stream:
            known = lock(stream)
            if known or (known is None and time.time() - path.stat().st_mtime > _DAY):
                path.unlink()


def _not_a_link(name: str, flags: int) -> int:
    return _not_waiting(name, flags | _NO_LINK)


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
    """The folder, made if it is not there; `FileError` if it cannot be, or is a link."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make {path}: {error.strerror or error}") from error
    if path.is_symlink():
        raise FileError(f"{path} is a link, and would be written through; remove it")
    return path


@contextlib.contextmanager
def parsing(
    path: Any, what: str, *, error: type[TnlearnError] = FileError, hint: str = ""
) -> Iterator[None]:
    """Whatever a parser throws at a damaged file becomes one error with the name of the file.

    Parameters
    ----------
    path, what
        The file, or what else is parsed, and what it should be: "a file of tnlearn".
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


def lock(stream: Any) -> bool | None:
    """Lock an open file for this process until it is closed; False if another process has it.

    The system gives the lock back when a process ends, however it ends.  None where the system
    or its file system has no locks: every request is granted then.
    """
    if fcntl is None:
        return None  # type: ignore[unreachable]
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None  # some network file systems have no locks
    return True


def open_lock(path: Path, flags: int = 0) -> Any:
    """The file of a lock, made if it is not there, opened and locked; None if another has it.

    Raises `OSError` if it cannot be opened, or is a link; with the flag ``os.O_EXCL`` also if it
    is there.
    """
    flags |= os.O_CREAT | os.O_RDWR | os.O_APPEND | _NO_LINK
    while True:
        stream = os.fdopen(os.open(path, flags, 0o666), "ab")
        if lock(stream) is False:
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
