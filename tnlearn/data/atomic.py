"""Files that are either complete or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tnlearn.errors import FileError

__all__ = ["replacing", "settle"]

_PREFIX = ".tnlearn-"


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
        handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".tmp", dir=target.parent)
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
            temporary.unlink(missing_ok=True)


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
