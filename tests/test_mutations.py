"""A few damages of every kind of file that is read; benchmarks/mutations.py makes a thousand."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutations import KINDS, attack


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_refused_in_one_line_or_gives_the_same(name: str, tmp_path: Path) -> None:
    few = name.startswith(("ensemble", "training", "profile", "configuration"))
    outcomes = attack(name, tmp_path, range(5 if few else 15))
    assert not outcomes["strange"]
    assert not (KINDS[name].checked and outcomes["other"])
