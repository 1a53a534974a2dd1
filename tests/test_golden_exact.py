"""The findings that were kept of the study `exact`, from before it had a table."""

from __future__ import annotations

import pandas as pd
import pytest
from golden import golden, profile_of

from tnlearn.studies.exact import STUDY


def test_findings_and_verdict_are_those_that_were_kept() -> None:
    old = golden("exact")
    rows = []
    for row in old["rows"]:
        labels = {key: row[key] for key in ("data", "cells", "disorder")}
        for name, away in row["deviation"].items():
            form, precision = name.split(", ")
            rows.append(labels | {"form": form, "precision": precision} | away)
        for boundary in ("open", "ring"):
            here = row[boundary]["all"]
            rows.append(
                labels | {"boundary": boundary, "right": here["right"], "chains": here["samples"]}
            )
    known = {"cells", "members", "chunk", "batch_size", "batches", "threshold"}
    old["config"] = {key: value for key, value in old["config"].items() if key not in known}
    verdicts = STUDY.decide(pd.DataFrame(rows), profile_of(STUDY, old))
    assert verdicts["exact-precise"].word == old["verdicts"][0]["verdict"] == "supported"
    found = verdicts["exact-precise"].rows.set_index("precision")["value"]
    shares = verdicts["exact-rounds"].rows.set_index(["data", "cells", "disorder", "boundary"])
    for finding in old["findings"]:
        if "boundary" not in finding:
            assert found[finding["name"].split(", ")[-1]] == finding["value"]
            continue
        row = shares.loc[tuple(finding[key] for key in shares.index.names)]
        assert row[["value", "low", "high"]].tolist() == pytest.approx(
            [finding["value"], finding["low"], finding["high"]], abs=1e-12
        )
        assert row["members"] == finding["members"]
    assert len(shares) == len(old["findings"]) - 2
