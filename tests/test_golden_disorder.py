"""The findings that were kept of the study `disorder`, from before it had a table."""

from __future__ import annotations

from typing import Any

import pandas as pd
from golden import compare, golden, profile_of

from tnlearn.report.claims import SUPPORTED
from tnlearn.studies import amplitudes, disorder


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept of `disorder`."""
    rows = []
    for name, trainings in old["networks"].items():
        for training in trainings:
            at = training["at"]
            words = "mixture" if isinstance(at, list) else f"{at:g}" if at else "clean"
            for place, strength in enumerate(old["test_at"]):
                rows.append(pd.DataFrame({
                    "network": name, "trained_at": words, "strength": strength,
                    "member": range(len(training["validation"])),
                    "accuracy": [row[place] for row in training["accuracy"]],
                    "validation": training["validation"],
                }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def amplitudes_of(old: dict[str, Any]) -> pd.DataFrame:
    """That of `amplitudes`."""
    return pd.DataFrame(
        {"strength": row["strength"], "amplitude": kind, "region": region,
         "members": row["samples"],
         **{key: number[key] for key in ("value", "low", "high", "entries")}}
        for row in old["correlation"]
        for kind in amplitudes.KINDS
        for region, number in row[kind]["regions"].items()
    )  # fmt: skip


def test_findings_and_verdicts_are_those_that_were_kept() -> None:
    old = golden("disorder")
    correlation = old["config"].pop("correlation")
    verdicts = disorder.STUDY.decide(table_of(old), profile_of(disorder.STUDY, old))
    regrets = {**old, "findings": [f for f in old["findings"] if f["kind"] == "regret"]}
    labels = ["network", "strength"]
    assert compare(verdicts, regrets, {"disorder-erodes": labels}) == 50
    eroded = verdicts["disorder-erodes"].rows.dropna(subset="holds")
    names = eroded["network"].map(lambda name: old["config"]["entries"][name]["title"])
    more, most = old["verdicts"][0]["condition"].split("; at most a point: ")
    assert set(names[eroded["holds"]]) == set(
        more.removeprefix("more than a point of regret: ").split(", ")
    )
    assert list(names[~eroded["holds"]]) == [most]

    keys = ("profile", "cells", "seed", "workers", "test_at")
    config = {key: old["config"][key] for key in keys} | correlation | {"chains": "extended"}
    profile = profile_of(amplitudes.STUDY, {"config": config})
    verdicts = amplitudes.STUDY.decide(amplitudes_of(old), profile)
    known = {**old, "findings": [f for f in old["findings"] if f["kind"] == "correlation"]}
    known["verdicts"] = [{"claim": "disorder-erodes", "verdict": SUPPORTED}]
    labels = ["amplitude", "region", "strength"]
    assert compare(verdicts, known, {"disorder-erodes": labels}) == 60
