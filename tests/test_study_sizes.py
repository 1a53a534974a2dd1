"""The study `sizes`: its grid, and what it knows of lengths."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import table, tiny

from tnlearn.report.table import where
from tnlearn.studies.sizes import STUDY, accuracies


def test_members_are_trained_at_all_lengths_and_tested_at_others() -> None:
    tasks = STUDY.tasks(tiny("sizes"))
    assert next(task for task in tasks if task.kind == "train").config["cells"] == [8, 10]
    rows = where(table("sizes"), kind="test", cells=16)
    assert {"formula, open", "formula, periodic", "position", "low"} == set(rows["network"])
    ours = where(rows, network="position", training="two")
    means = accuracies(rows).set_index(["training", "network"])["value"]
    assert means["two", "position"] == pytest.approx(ours["accuracy"].mean())
    assert len(ours) == 3


def test_which_networks_know_their_length() -> None:
    rows = where(table("sizes"), kind="fixed").set_index("network")
    known = {"position": True, "low": True, "quartic": False, "cnn": False}
    assert rows["any_length"].to_dict() == known
    assert rows["because"]["quartic"] == "D"


@pytest.mark.parametrize("network", ["position", "low"])
def test_the_exact_d_is_drawn_beside_the_learned(network: str) -> None:
    rows = where(table("sizes"), kind="learned", network=network)
    drawn = rows.set_index(["cells", "matrix"])["D"]
    exact = np.array(drawn[8, "exact D"])
    x = np.arange(8)
    # D_xy = (x - y) window(y) / L', in units of its largest entry
    inside = exact.any(axis=0)
    d = (x[:, None] - x[None, :]) * inside
    assert np.allclose(exact, d / np.abs(d).max(), atol=2e-3)
    assert np.array(drawn[12, "D 1"]).shape == (12, 12)
