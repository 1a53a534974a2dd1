"""The study `basin`: the radius of a basin, a tiny run, and the radii that were kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from golden import compare, golden, profile_of
from tiny import tiny

from tnlearn.errors import UnknownNameError
from tnlearn.lab.study import assembled
from tnlearn.studies.basin import STUDY, radius


def test_radii_are_those_that_were_kept() -> None:
    old = golden("trainability")
    basin = old["config"]["basin"]
    common = {
        key: old["config"][key] for key in ("profile", "cells", "seed", "chunk", "batch_size")
    }
    profile = profile_of(STUDY, {"config": {**common, "data": old["config"]["data"], **basin}})
    table = pd.DataFrame(
        {"form": form, "noise": row["noise"], "trained": float(k < row["success"])}
        | dict.fromkeys(("untrained", "cosine_after"), 0.0)
        for form, kept in old["basin"]["forms"].items()
        for row in kept["rows"]
        for k in range(row["members"])
    )
    findings = [
        {**f, "form": f["network"].removesuffix(", one channel")}
        | {key: np.inf if f[key] is None else f[key] for key in ("value", "low", "high")}
        for f in old["findings"]
        if f["name"].startswith("radius")
    ]
    verdict = STUDY.decide(table, profile)["init-sensitive"]
    # The maps decide.
    kept = {"findings": findings, "verdicts": [{"claim": "init-sensitive", "verdict": ""}]}
    rows = verdict.rows[verdict.rows["measure"].str.startswith("radius")]
    inside = rows["form"] != "quartic"
    assert np.isinf(rows[~inside][["value", "low", "high"]].to_numpy(float)).all()
    verdicts = {"init-sensitive": replace(verdict, rows=rows[inside])}
    assert compare(verdicts, kept, {"init-sensitive": ["form"]}) == 3


def test_radius_is_where_half_of_the_members_fail() -> None:
    flags = [np.arange(100) < k for k in (100, 90, 10, 0)]
    edge = radius([0.0, 0.1, 1.0, 10.0], flags)
    # From .9 at 0.1 to .1 at 1: half way in the logarithm.
    assert np.isclose(edge["value"], 10**-0.5)
    assert 0.25 < edge["low"] < edge["value"] < edge["high"] < 0.42
    none, every = np.zeros(9, bool), np.ones(9, bool)
    assert radius([0.0, 1.0], [none, none])["value"] == 0.0
    assert all(
        radius([0.0, 1.0], [every, every])[key] == np.inf for key in ("value", "low", "high")
    )
    assert np.isclose(radius([0.0, 1.0], [every, none])["value"], 0.5)
    # All of eight succeed, then none: the step is not certain to lie there.
    step = radius([0.0, 1.0, 10.0], [np.arange(8) < k for k in (8, 8, 0)])
    assert step["low"] < step["value"] - 0.05 < step["value"] + 0.05 < step["high"]


def test_without_noise_it_starts_at_the_exact_kernel(tmp_path: Path) -> None:
    profile = tiny("basin", tmp_path, members=2, forms=["quartic"])
    tasks = STUDY.tasks(profile)
    table = assembled(tasks, {t.key: STUDY.run(t, profile, tmp_path) for t in tasks})
    before = table.groupby("noise")["cosine_before"]
    assert np.allclose(before.get_group(0.0), 1.0)
    assert before.get_group(1.0).max() < 0.95
    assert table["trained"].between(0, 1).all()
    with pytest.raises(UnknownNameError, match="form"):
        tiny("basin", tmp_path, forms=["octic"])
