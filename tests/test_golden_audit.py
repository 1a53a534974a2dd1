"""The findings that were kept of the study `audit`, from before it had a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from golden import compare, golden, profile_of
from scipy import stats

from tnlearn.studies.audit import CONSTANT, COUNTER, EXACT, STUDY, TESTS

NAMES = {"exact": EXACT, "edge-count": COUNTER, "constant": CONSTANT}


WORDS = {  # of the kept findings
    "ends altered": "ends altered, the winding stands: the answer changes",
    "lowest states left out": "states nearest zero energy left out, the winding stands: the answer "
    "changes",
    "bulk replaced": "bulk replaced and ends kept, the winding changes: the answer does not follow",
}


def members_of(estimate: dict[str, float], count: int) -> np.ndarray[Any, Any]:
    """Numbers with the kept mean and t-interval, one a member."""
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    pattern = np.linspace(-1, 1, count)
    arm = stats.t.ppf(0.975, count - 1) * stats.sem(pattern)
    return np.asarray(value + max(value - low, high - value) / arm * pattern)


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept.

    How many pairs each member followed is there; of those that were right before only what was
    made of them: the shares of trained members are drawn up to have the kept intervals, and the
    counts of a reference are what five digits of their ratios determine.
    """
    certificates = {(c["name"], c["cells"], c["disorder"]): c for c in old["interventions"]}
    frames = []
    for audit in old["audits"]:
        count = audit["members"]
        shares: dict[str, Any] = {}
        if count > 1:
            accuracy = members_of(audit["accuracy"], count)
            kept = (test["right"] for test in audit["tests"].values())
            for failures, names in zip(kept, TESTS.values(), strict=True):
                shares |= dict.fromkeys(names, 1 - members_of(failures, count))
        for row in audit["record"]["rows"]:
            words = certificates[row["name"], audit["cells"], audit["disorder"]]
            certified = words["certified"]
            before, follows = (
                np.array([row[key]["value"]] * count, dtype=float)
                for key in ("accuracy_before", "follows_right")
            )
            if count > 1:
                right, followed = accuracy * certified, shares.get(row["name"], follows)
            else:
                right, followed = np.round(before * certified), follows
            both = followed * right
            frame = pd.DataFrame({"member": range(count), "followed": row["followed"]})
            for key in ("family", "scored", "certified", "edge_count_kept"):
                frame[key] = words[key]
            frames.append(
                frame.assign(
                    network=NAMES.get(audit["network"], audit["network"]),
                    cells=audit["cells"],
                    disorder=audit["disorder"],
                    intervention=row["name"],
                    right_before=right,
                    followed_right=both if count > 1 else np.round(both),
                )
            )
    return pd.concat(frames, ignore_index=True)


def test_findings_and_verdicts_are_those_that_were_kept() -> None:
    """Of both claims all that decide: the tests of pairs right before, and the scores."""
    old = golden("audit")
    keys = {a["title"]: NAMES.get(a["network"], a["network"]) for a in old["audits"]}
    tests = {f"{words} (pairs answered rightly before)": test for test, words in WORDS.items()}
    old["findings"] = [
        f | {"key": keys[f["network"]], "test": tests.get(f["name"])}
        for f in old["findings"]
        if f["name"] in (*tests, "score of the audit")
    ]
    verdicts = STUDY.decide(table_of(old), profile_of(STUDY, old))
    assert compare(verdicts, old, {"proxies": ["network", "test"]}) == 51
    assert compare(verdicts, old, {"audit-score": ["network"]}) == 18
    rows = verdicts["proxies"].rows
    sides = next(v["sides"] for v in old["verdicts"] if v["claim"] == "proxies")
    for test, side in zip(TESTS, sides.values(), strict=True):
        here = rows[rows["test"] == test]
        for word, holds in (("edges", True), ("invariant", False)):
            assert sorted(here[here["holds"] == holds]["network"]) == sorted(side[word])
