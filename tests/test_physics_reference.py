"""Every chain of the reference cases, computed independently of the package."""

import json
from pathlib import Path

import numpy as np
import pytest

import tnlearn as tnl

CASES = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())["chains"]
EXACT = 1e-10


def amplitudes(values):
    array = np.array(values)
    return array[:, 0] + 1j * array[:, 1] if array.ndim == 2 else array


def make(case):
    hoppings = {int(m): amplitudes(t)[None] for m, t in case["hoppings"].items()}
    return tnl.chain(case["cells"], hoppings)


@pytest.mark.parametrize("raw", [False, True], ids=["chains", "block"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['name']}, {c['cells']} cells")
def test_case(case, raw):
    batch = make(case)
    closed = batch.with_boundary("periodic")
    chain = batch.block() if raw else batch
    ring = closed.block()[0] if raw else closed

    def value(given, method, **options):
        return tnl.winding(given, method, **options).value[0]

    assert abs(value(chain, "rswn") - case["rswn_open_half_window"]) < EXACT
    assert abs(value(chain, "rswn", window=1.0) - case["rswn_open_full"]) < EXACT
    there = {"boundary": "periodic"}
    assert abs(value(ring, "rswn", **there) - case["rswn_periodic"]) < EXACT
    assert abs(value(ring, "log", **there) - case["log_form_periodic"]) < EXACT
    methods = ["twist", "lyapunov"] + ["momentum"] * ("clean" in case["name"])
    for method in methods:
        result = tnl.winding(ring, method, **there)
        assert abs(result.gap[0] - case["ring_gap"]) < EXACT
        assert abs(result.value[0] - case["twist"]) < EXACT
        assert result.integer[0] == case["twist"]
        # (A disordered raw ring is trusted only where all of its halves say the same.)
        assert result.reliable[0] or (raw and "clean" not in case["name"])


def test_there_are_cases():
    assert len(CASES) == 36
