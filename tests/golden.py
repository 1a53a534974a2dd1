"""Results of the studies before they had a table, and how new verdicts are compared with them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from tnlearn.lab.study import Study
from tnlearn.report.claims import Verdict

FOLDER = Path(__file__).parent / "data" / "golden"


def golden(name: str) -> dict[str, Any]:
    """The ``results.json`` that was kept of a study (profile `hour`)."""
    content: dict[str, Any] = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    return content


def profile_of(study: Study, old: dict[str, Any], **changes: Any) -> Any:
    """The profile of results that were kept; `changes` for what it did not know."""
    table = {**old["config"], "study": study.name, **changes}
    return msgspec.convert(table, study.profile)


def compare(
    verdicts: dict[str, Verdict],
    old: dict[str, Any],
    claims: dict[str, list[str]],
    tolerance: float = 1e-12,
) -> int:
    """Hold claims against the findings of the same labels and the verdict that were kept.

    `claims` says by which labels rows and findings are the same (`network` is the key of the
    catalogue).  Returns how many rows were compared: every row has to have its finding.
    """
    count = 0
    for key, labels in claims.items():
        word = next(v["verdict"] for v in old["verdicts"] if v["claim"] == key)
        assert verdicts[key].word == word, (key, verdicts[key].word, word)
        kept = {}
        for finding in old["findings"]:
            if finding["claim"] == key:
                named = {**finding, "network": finding.get("key", finding.get("network"))}
                kept[tuple(named.get(label) for label in labels)] = finding
        for row in verdicts[key].rows.to_dict("records"):
            finding = kept[tuple(row[label] for label in labels)]
            for end in ("value", "low", "high"):
                ours, theirs = row[end], finding[end]
                if theirs is None:
                    assert pd.isna(ours), (key, row, finding)
                else:
                    assert abs(ours - theirs) <= tolerance * max(1, abs(theirs)), (
                        key,
                        row,
                        finding,
                    )
            count += 1
    return count
