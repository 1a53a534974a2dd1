"""The findings that were kept of the study `sizes`, from before it had a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from golden import compare, golden, profile_of

from tnlearn.studies.sizes import STUDY


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept."""
    parts = []
    for chains, test in old["tests"].items():
        for training, networks in test["accuracy"].items():
            for network, lists in networks.items():
                for cells, samples, values in zip(
                    test["lengths"], test["samples"], lists, strict=True
                ):
                    labels = {"chains": chains, "training": training, "network": network}
                    labels |= {"cells": cells, "samples": samples, "kind": "test"}
                    parts.append(pd.DataFrame({**labels, "accuracy": values}))
    fixed = [
        {"network": name, "kind": "fixed", "any_length": about["any_length"]}
        for name, about in old["fixed"].items()
    ]
    return pd.concat([*parts, pd.DataFrame(fixed)], ignore_index=True)


def test_findings_and_verdicts_are_those_that_were_kept() -> None:
    old = golden("sizes")
    verdicts = STUDY.decide(table_of(old), profile_of(STUDY, old))
    assert [v.word for v in verdicts.values()] == ["depends on", "depends on"]
    rows = verdicts["sizes"].rows
    assert (rows["chains"] == "of one length").sum() == 8
    verdicts["sizes"] = replace(verdicts["sizes"], rows=rows[rows["chains"] != "of one length"])
    labels = ["network", "training", "chains", "cells"]
    assert compare(verdicts, old, {"sizes": labels}) == 39
    assert compare(verdicts, old, {"position-nodes": labels}) == 30
    assert verdicts["position-nodes"].counts == {
        "position": (1, 1),
        "position-short": (0, 1),
        "position-lowrank": (1, 1),
    }
