"""Claims on a file: many ask, one gets it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tnlearn import files


def test_many_claim_and_one_gets_it(tmp_path: Path) -> None:
    """Also while the file of the claim is removed and made again all the time."""
    pytest.importorskip("fcntl")
    inside, most, granted = 0, 0, 0
    count = threading.Lock()

    def try_often() -> None:
        nonlocal inside, most, granted
        for _ in range(300):
            with files.claimed(tmp_path / "claim") as ours:
                if ours:
                    with count:
                        inside += 1
                        most = max(most, inside)
                        granted += 1
                    time.sleep(0)
                    with count:
                        inside -= 1

    threads = [threading.Thread(target=try_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert granted > 4
    assert not list(tmp_path.iterdir())
