"""The findings that were kept of the study `samples`, from before it had a table."""

from __future__ import annotations

from typing import Any

import pandas as pd
from golden import compare, golden, profile_of

from tnlearn.studies.samples import STUDY


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept."""
    return pd.DataFrame(
        {
            "network": row["network"],
            "size": row["size"],
            "budget": row["budgets"][0],
            "shift": shift,
            "member": member,
            "accuracy": accuracy,
            "validation": validation,
        }
        for row in old["rows"]
        for shift in old["config"]["shifts"]
        for member, (accuracy, validation) in enumerate(
            zip(row["accuracy"][shift], row["validation"], strict=True)
        )
    )


def test_findings_and_verdicts_are_those_that_were_kept() -> None:
    old = golden("samples")
    verdicts = STUDY.decide(table_of(old), profile_of(STUDY, old))
    assert compare(verdicts, old, {"beats-cnn-resnet": ["network", "rival", "shift", "size"]}) == 12
    assert compare(verdicts, old, {"accurate-symmetric-generic": ["network", "shift", "size"]}) == 2
