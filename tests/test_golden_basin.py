"""The findings that were kept of the study `basin`, from before it had a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from golden import compare, golden, profile_of

from tnlearn.studies.basin import STUDY


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
