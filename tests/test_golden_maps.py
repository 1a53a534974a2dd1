"""The findings that were kept of the study `maps`, from before it had a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import compare, golden, profile_of

from tnlearn.studies import maps
from tnlearn.studies.maps import MAP, STUDY, TUNED, Maps

FLAGS = {"success": "success", "common": "common", "near": "own"}  # and as they were kept


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """A table with the successes and mean accuracies of every cell that were kept."""
    rows = [
        {"map": name, "network": network, "scale": cell["scale"], "rate": cell["rate"]}
        | {flag: k < cell[key] for flag, key in FLAGS.items()}
        | {"accuracy": cell["accuracy"]["mean"]}
        | {how: _spread(summary, k) for how, summary in cell["shifts"].items()}
        for name, chosen in old["maps"].items()
        for network, of_network in chosen["networks"].items()
        for cell in of_network["cells"]
        for k in range(cell["members"])
    ]
    return pd.DataFrame(rows)


def _spread(summary: dict[str, float], k: int) -> float:
    """One of as many values of the mean and the interval of Student's t that were kept."""
    from scipy.stats import t

    n = summary["members"]
    arm = (summary["high"] - summary["low"]) / 2
    deviation = arm * np.sqrt(n) / t.ppf(0.975, n - 1) * np.sqrt((n - 1) / n)
    return float(summary["mean"] + deviation * (-1) ** k)


def labelled(old: dict[str, Any]) -> dict[str, Any]:
    """The findings that were kept, with the labels of the new ones read from their words."""
    keys = {entry["title"]: name for name, entry in old["config"]["entries"].items()}
    findings = []
    for finding in old["findings"]:
        name = finding["name"]
        place = TUNED if "best" in name.split(", ")[-1] else MAP
        measure = name.removeprefix("members that ").rpartition(", ")[0]
        if name.startswith("success at the best scale"):
            measure = "best less worst scale"
        elif name.startswith("share of the variance"):
            measure = f"variance explained by {'scale' if 'scale' in name else 'rate'}"
        elif name.startswith("members that succeed"):
            measure = "success"
        elif name.startswith("test accuracy"):
            measure, place = name, TUNED
        elif name.startswith("success less"):
            measure = "success less that of the rival"
        key = keys.get(finding["network"])
        findings.append({**finding, "key": key, "measure": measure, "where": place})
    return {**old, "findings": findings}


def test_findings_and_verdicts_are_those_that_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of the members of a cell only counts were kept, so the flags come with the table.
    monkeypatch.setattr(maps, "successes", lambda table, profile: table)
    old = labelled(golden("trainability"))
    config = {key: old["config"][key] for key in Maps.__struct_fields__ if key in old["config"]}
    for chosen in config["maps"].values():
        chosen.pop("title")
    profile = profile_of(STUDY, {"config": config})
    verdicts = STUDY.decide(table_of(old), profile)
    assert compare(verdicts, old, {"less-trainable": ["network", "measure", "where"]}) == 32
    assert compare(verdicts, old, {"init-sensitive": ["network", "measure"]}) == 21
    assert compare(verdicts, old, {"operator-mended": ["network", "measure", "where"]}) == 13
    assert verdicts["less-trainable"].counts == {
        "reach 0.9": (10, 12),
        "come within 2 points of the network's own best member": (11, 12),
    }
