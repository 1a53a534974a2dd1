"""The studies `pruning` and `masked`: what a cut leaves, and the rules of claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import table, tiny

from tnlearn.report.table import where
from tnlearn.studies import pruning
from tnlearn.studies.pruning import AS_CUT, LEADING, TRAINED_ON


def rows_of(members: Any, **labels: Any) -> pd.DataFrame:
    return pd.DataFrame({"member": range(len(members)), "accuracy": members, **labels})


# ---------------------------------------------------------------------- what is measured


def test_a_cut_of_nothing_is_the_network_itself() -> None:
    rows = table("pruning")
    key = ["network", "shift", "member"]
    whole = where(rows, way=AS_CUT, weight="").set_index(key)
    # The whole rank of one weight, the whole norm of all.
    for cut in (rows[rows["rank"] == rows["full"]], rows[rows["share"] == 1.0]):
        cut = where(cut, way=AS_CUT).set_index(key)
        assert np.allclose(cut["accuracy"], whole["accuracy"].reindex(cut.index), atol=0.02)
    assert (rows[rows["share"] == 1.0]["numbers"] == whole["numbers"].max()).any()
    linear = where(rows, network="linear", weight="", way=AS_CUT)
    assert set(linear["numbers"]) == {2 * 2 * 8 * 8 + 2}
    again = where(rows, network="quartic", way=TRAINED_ON)
    assert set(again["rank"].dropna()) == {0, 1, 2, 3, 4}
    assert "symmetric-edge" not in set(where(rows, way=TRAINED_ON)["network"])
    assert where(rows, network="linear", way=TRAINED_ON)["rank"].isna().all()
    # Trained on with a rank, D has it still; and where nothing is left there is no place.
    assert where(rows, rank=0)["cells"].isna().all()
    quartic = where(rows, network="quartic", weight="D", rank=1)
    assert quartic["cells"].between(0.0, 4.0).all()
    assert quartic["states"].isna().all()
    drawn = rows[rows["vector"].notna()]
    assert set(drawn["weight"]) == {"D", "logits.weight", "layer0.weight"}


def test_what_is_left_out_is_not_seen() -> None:
    rows = table("masked")
    asked = where(rows, trained_on="everything").set_index(["network", "mask", "kept", "member"])
    accuracy = asked["accuracy"].unstack("member")
    for network in ("quartic", "linear"):
        assert (accuracy.loc[network, "outer", 8] == accuracy.loc[network, "", 8]).all()
    parts = where(rows, trained_on="a part")
    assert parts.groupby(["mask", "kept"]).size().to_dict() == {
        ("inner", 4): 2, ("nearest", 1): 2, ("nearest", 2): 2
    }  # fmt: skip


# ---------------------------------------------------------------------- verdicts follow numbers


def edge(low: float, rank: float, place: str = "cells", network: str = "quartic") -> dict[str, Any]:
    return {"network": network, "weight": "D", "place": place, "part": LEADING, "value": low + 0.1,
            "low": low, "high": low + 0.2, "members": 3, "rank": rank, "full": 20.0,
            "accuracy": 0.9}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ([edge(1.2, 6)], [True]),
        ([edge(1.2, 16)], [False]),
        ([edge(1.2, np.nan)], [False]),  # more than was tried
        ([edge(0.9, 6)], [False]),  # no preference
        ([edge(1.2, 6), edge(0.7, 6, network="linear")], [True, False]),
        # Edge states count where a weight tells states apart.
        ([edge(0.7, 2), edge(3.0, 2, "states")], [None, True]),
        ([edge(1.2, 6) | {"accuracy": 0.5}], [None]),  # at guessing
        ([edge(1.2, 6) | {"low": np.nan}], [None]),
    ],
)
def test_compact_and_on_the_edge(rows: Any, holds: list[Any]) -> None:
    verdict = pruning.outside(pd.DataFrame(rows), tiny("pruning"))
    assert [None if pd.isna(v) else bool(v) for v in verdict] == holds


def test_the_mean_rank_is_not_that_of_the_members_whose_rank_is_known() -> None:
    profile = tiny("pruning")
    accuracy = {0: [0.5, 0.5], 1: [0.9, 0.5], 2: [0.9, 0.5]}
    of = {"network": "quartic", "shift": "clean"}
    rows = [rows_of([0.9, 0.9], weight="", way=way, **of) for way in (AS_CUT, TRAINED_ON)]
    rows += [
        rows_of(a, weight="D", rank=r, full=8, way=TRAINED_ON, **of) for r, a in accuracy.items()
    ]
    (row,) = pruning.low_rank.findings(pd.concat(rows), profile).to_dict("records")
    assert np.isnan(row["value"])
    assert (row["members"], np.isnan(row["rank"])) == (2, True)
