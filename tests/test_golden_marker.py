"""The findings that were kept of the study `marker`, from before it had a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import golden, profile_of

from tnlearn.report.table import where
from tnlearn.studies.marker import SHIPPED, STUDY, Markers, approaches, powers, reliable


def profile_kept(old: dict[str, Any]) -> Markers:
    """The profile of the results that were kept."""
    config = {k: v for k, v in old["config"].items() if k != "tried"}
    titles = {"clean": "clean chains", "mixed": "clean and disordered"}
    training = {k: {"title": titles[k], **v} for k, v in config["training"].items()}
    chains = {
        name: {"disorder": how["strength"], **{k: how[k] for k in ("cells", "samples", "choose")}}
        for name, how in old["config"]["tried"].items()
    }
    kept: Markers = profile_of(STUDY, {"config": config}, training=training, chains=chains)
    return kept


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept."""
    strength, rows = old["conditions"], []
    for answer, about in old["answers"].items():
        if about["kind"] == "trained":
            network, training = answer.split(":")
            labels = {"kind": "train", "network": network, "training": training, "failed": False}
            for member in range(about["members"]):
                level = about["validation"]["mean"]
                labels |= {"validation": level, "parameters": about["parameters"]}
                rows.append({**labels, "member": member})

    def add(row: dict[str, Any], **columns: Any) -> None:
        place = {"disorder": strength[row["condition"]], "cells": row["cells"]}
        rows.append({"kind": "test", **place, **columns})

    for row in old["closest"]:
        members = old["answers"][row["answer"]]["members"]
        columns = {k: v for k, v in row.items() if k not in ("condition", "most", "least")}
        add(row, measure="approach", members=members, nearest=row["least"], **columns)
    for row in old["comparisons"]:
        ends = {end: row[end] for end in ("value", "low", "high")}
        about = {"answer": row["label"], "members": row["members"]}
        add(row, measure="ratio", level=row["level"], **about, **ends)
        add(row, measure="gain", **about, **row["gain"])
    for row in old["curves"]:
        add(row, measure="right", answer=row["answer"], value=row["right"])
        scale = 1 if strength[row["condition"]] else row["cells"]
        columns = (row[k] for k in ("centre", "samples", "share", "low", "high"))
        for x, samples, value, low, high in zip(*columns, strict=True):
            bins = {"distance": x / scale, "samples": samples}
            bins |= {"value": value, "low": low, "high": high}
            add(row, measure="accuracy", answer=row["answer"], **bins)
    for row in old["reliable"]:
        ends = {"value": row["right_if_reliable"], "low": row["low"], "high": row["high"]}
        add(row, measure="sure", answer=SHIPPED, **ends)
        add(row, measure="reliable", answer=SHIPPED, value=row["reliable"])
    for row in old["options"]:
        for answer, value in row["options"].items():
            add(row, measure="option", answer=answer, value=value)
    return pd.DataFrame(rows).astype(dict.fromkeys(("value", "low", "high"), float))


@pytest.fixture(scope="module")
def kept() -> tuple[dict[str, Any], pd.DataFrame, Markers]:
    old = golden("marker")
    return old, table_of(old), profile_kept(old)


def test_findings_and_verdict_are_those_that_were_kept(kept: Any) -> None:
    """Every ratio decides, of which the old findings had those of the closest labels."""
    old, table, profile = kept
    verdict = STUDY.decide(table, profile)["marker"]
    assert verdict.word == old["verdicts"][0]["verdict"] == "depends on"
    rows = {(r["data"], r["label"], r["cells"]): r for r in verdict.rows.to_dict("records")}
    assert len(rows) == len(old["comparisons"]) == 165
    for one in old["comparisons"]:
        label = old["answers"][one["label"]]["title"]
        row = rows[f"extended, {one['condition']}", label, one["cells"]]
        assert row["holds"] == (one["verdict"] == "ahead")
    compared = 0
    for finding in old["findings"]:
        if finding["name"].startswith("times closer than "):
            label = finding["name"].removeprefix("times closer than ").rsplit(", the closest", 1)[0]
            row = rows[finding["data"], label, int(finding["condition"].split()[0])]
            for end in ("value", "low", "high"):
                assert row[end] == pytest.approx(finding[end] or np.inf, rel=1e-12)
            assert row["members"] == finding["members"]
            compared += 1
    assert compared == 45
    counts = verdict.counts
    assert counts["labels that see the states only, clean"] == (28, 28)
    assert counts["labels that see the states only, disorder-0.5"] == (16, 16)
    ahead = "ahead of every label that sees the states only: 7 of 7 lengths (clean)"
    assert ahead in old["verdicts"][0]["condition"]


def test_powers_and_tables_are_those_that_were_kept(kept: Any) -> None:
    old, table, profile = kept
    rows = where(table, measure="approach", crossing=0, level=0.95)
    rows = rows.assign(power=powers(rows)).dropna(subset="power")
    slopes = rows.groupby(["disorder", "answer"])["power"].first()
    assert len(slopes) == len(old["slopes"]) == 41
    for row in old["slopes"]:
        key = old["conditions"][row["condition"]], row["answer"]
        assert slopes[key] == pytest.approx(row["exponent"], rel=1e-12)
    wide = approaches(table, profile)
    assert wide.shape == (45, 4 + 7)
    marker = wide[wide["answer"] == "Learned marker, trained on clean and disordered"].iloc[0]
    assert marker["12 cells"].startswith("0.18 [")
    assert wide.set_index(["answer", "chains"]).loc[("twist", "clean"), "12 cells"] == "≤ 0.02"
    first = reliable(table, profile).iloc[0]
    assert list(first) == ["clean", 12, "96.9", "88.4", "99.6 [99.1, 99.8]"]
