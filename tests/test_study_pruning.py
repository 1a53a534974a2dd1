"""The studies `pruning` and `masked`: what a cut leaves, and the findings that were kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import compare, golden, profile_of
from tiny import tiny

from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.study import Study, assembled, load_study
from tnlearn.report.table import where
from tnlearn.studies import masked, pruning
from tnlearn.studies.pruning import AS_CUT, LEADING, TRAINED_ON


def rows_of(members: Any, **labels: Any) -> pd.DataFrame:
    return pd.DataFrame({"member": range(len(members)), "accuracy": members, **labels})


def alone(source: dict[str, Any], **labels: Any) -> Iterator[pd.DataFrame]:
    """Rows of one weight cut alone, with its edge shares over those of equal entries."""
    edge = source.get("edge", {"ranks": []})
    for place, rank in enumerate(source["ranks"]):
        rows = rows_of([row[place] for row in source["accuracy"]], rank=rank, **labels)
        for kind in ("cells", "states"):
            rows[kind] = np.nan
            if kind in edge and rank in edge["ranks"]:
                share = np.array(edge[kind]["share"], float)[:, edge["ranks"].index(rank)]
                rows[kind] = share / edge[kind]["uniform"]
        yield rows


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept, without what only figures show."""
    clean, rows = old["config"]["shifts"][0], []
    for name, network in old["networks"].items():
        full = {w["name"]: min(w["rows"], w["columns"]) for w in network["weights"]}
        ways = {AS_CUT: network | {"control": network["accuracy"]}}
        ways |= {TRAINED_ON: network["retrained"]} if "retrained" in network else {}
        for way, source in ways.items():
            of = {"network": name, "way": way}
            for shift, members in source["control"].items():
                rows.append(rows_of(members, shift=shift, weight="", numbers=network["size"], **of))
            for weight in source.get("weights", []):
                labels = {"weight": weight["name"], "full": full[weight["name"]], "shift": clean}
                rows += alone(weight, **labels, **of)
            cut = source.get("together", {"shares": []})
            for place, share in enumerate(cut["shares"]):
                labels = {"weight": "all", "share": share}
                labels["numbers"] = [row[place] for row in cut["numbers"]]
                for shift, members in cut["accuracy"].items():
                    accuracy = [row[place] for row in members]
                    rows.append(rows_of(accuracy, shift=shift, **labels, **of))
    return pd.concat(rows, ignore_index=True)


def masked_table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The same of the masks."""
    clean, rows = old["config"]["shifts"][0], []
    for name, network in old["networks"].items():
        of = {"network": name, "trained_on": "everything"}
        rows.append(rows_of(network["accuracy"][clean], mask="", kept=20, **of))
        for mask, source in network["masks"].items():
            for place, kept in enumerate(source["kept"]):
                accuracy = [row[place] for row in source["accuracy"]]
                rows.append(rows_of(accuracy, mask=mask, kept=kept, **of))
    for row in old["masked"]:
        of = {"network": row["network"], "trained_on": "a part", "mask": row["how"]}
        rows += [
            rows_of(a, kept=k, **of) for k, a in zip(row["kept"], row["accuracy"], strict=True)
        ]
    return pd.concat(rows, ignore_index=True)


def kept(study: Study, **changes: Any) -> tuple[dict[str, Any], Any]:
    """The results that were kept, and the part of their profile that is of this study."""
    old = golden("pruning")
    fields = study.profile.__struct_fields__
    config = {key: value for key, value in old["config"].items() if key in fields}
    return old, profile_of(study, {"config": config}, **changes)


def test_findings_and_verdicts_are_those_that_were_kept() -> None:
    old, profile = kept(pruning.STUDY)
    parts = {"rank 1, retrained": "rank 1, trained on"}
    for finding in old["findings"]:
        finding["rival"], finding["place"] = finding.get("against"), finding.get("kind")
        finding["part"] = parts.get(finding.get("part"), finding.get("part"))
    verdicts = pruning.STUDY.decide(table_of(old), profile)
    pairs = ["network", "rival", "shift"]
    assert compare(verdicts, old, {"shallow-equals-complex": pairs}) == 28
    # Which of them decide: of each network that learned, its first weight with a place.
    edges = ["network", "weight", "place", "part"]
    assert compare(verdicts, old, {"pruning-edges": edges}) == 58
    rows = verdicts["pruning-edges"].rows
    decided = rows[rows["holds"].notna()]
    assert set(decided["part"]) == {LEADING}
    words = next(v["condition"] for v in old["verdicts"] if v["claim"] == "pruning-edges")
    there = words.split(";")[0].removeprefix("compact and on the edge: ").split(", ")
    assert set(decided[decided["holds"]]["network"].map(profile.titles)) == set(there)
    assert len(decided) == 13
    # The ranks that keep the accuracy, of every weight that has a place.
    ranks = {(f["key"], f["weight"], f["name"].split(", ")[1]): f
             for f in old["findings"] if f.get("kind") == "rank"}  # fmt: skip
    for row in verdicts["low-rank"].rows.to_dict("records"):
        way = row["way"].replace(TRAINED_ON, "retrained").replace(AS_CUT, "as it was cut")
        finding = ranks.pop((row["network"], row["weight"], way), None)
        if finding is not None:
            labels = ("rank", "value", "low", "high")
            expected = np.array([finding[label] for label in labels], dtype=float)
            measured = [row[label] for label in labels]
            assert measured == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert not ranks


def test_findings_on_masks_are_those_that_were_kept() -> None:
    old, _ = kept(pruning.STUDY)
    given = old["config"]
    trained = {key: given["masked"][key] for key in masked.MASKS}
    _, profile = kept(masked.STUDY, asked=given["masks"], trained=trained,
                      retrained=given["masked"]["networks"], retrained_members=32)  # fmt: skip
    verdicts = masked.STUDY.decide(masked_table_of(old), profile)
    differences = {
        (row["network"], row["how"], k): difference
        for row in old["masked"]
        for k, difference in zip(row["kept"], row["differences"], strict=True)
    }
    rows = verdicts["either-part"].rows
    assert len(rows) == len(differences) == 18
    for row in rows.to_dict("records"):
        expected = 100 * np.array(differences[row["network"], row["mask"], row["kept"]])
        assert [row[end] for end in ("value", "low", "high")] == pytest.approx(expected, abs=1e-12)
    old["verdicts"].append({"claim": "proxies", "verdict": ""})
    for finding in old["findings"]:
        finding["mask"] = finding.get("how")
    assert compare(verdicts, old, {"proxies": ["network", "mask"]}) == 30


# ---------------------------------------------------------------------- what is measured


def table(name: str, folder: Path, **changes: Any) -> tuple[pd.DataFrame, Any]:
    study, profile = load_study(name), tiny(name, folder, **changes)
    tasks = study.tasks(profile)
    rows = {task.key: study.run(task, profile, folder / "trained") for task in tasks}
    return assembled(tasks, rows), profile


def test_a_cut_of_nothing_is_the_network_itself(tmp_path: Path) -> None:
    rows, _ = table("pruning", tmp_path)
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


def test_what_is_left_out_is_not_seen(tmp_path: Path) -> None:
    rows, profile = table("masked", tmp_path)
    asked = where(rows, trained_on="everything").set_index(["network", "mask", "kept", "member"])
    accuracy = asked["accuracy"].unstack("member")
    for network in profile.networks:
        assert (accuracy.loc[network, "outer", 8] == accuracy.loc[network, "", 8]).all()
    parts = where(rows, trained_on="a part")
    assert parts.groupby(["mask", "kept"]).size().to_dict() == {
        ("inner", 4): 2, ("nearest", 1): 2, ("nearest", 2): 2
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "error", "words"),
    [
        ("pruning", {"shallow": ["quartc"]}, UnknownNameError, "did you mean 'quartic'"),
        ("pruning", {"complex": ["linear"]}, ConfigError, "'linear' is shallow or complex"),
        ("pruning", {"edge": 0.75}, ConfigError, "`float` < 0.5 - at `edge`"),
        ("pruning", {"shares": [0.5, 2.0]}, ConfigError, "<= 1.0 - at `shares"),
        ("pruning", {"egde_states": 1}, ConfigError, "did you mean 'edge_states'"),
        ("masked", {"retrained": ["cnn"]}, UnknownNameError, "network in 'retrained'"),
        ("masked", {"trained": {"outter": [2]}}, UnknownNameError, "did you mean 'outer'"),
    ],
)
def test_mistakes_are_named(
    name: str, change: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        tiny(name, tmp_path, **change)


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
def test_compact_and_on_the_edge(rows: Any, holds: list[Any], tmp_path: Path) -> None:
    verdict = pruning.outside(pd.DataFrame(rows), tiny("pruning", tmp_path))
    assert [None if pd.isna(v) else bool(v) for v in verdict] == holds


def test_the_mean_rank_is_not_that_of_the_members_whose_rank_is_known(tmp_path: Path) -> None:
    profile = tiny("pruning", tmp_path)
    accuracy = {0: [0.5, 0.5], 1: [0.9, 0.5], 2: [0.9, 0.5]}
    of = {"network": "quartic", "shift": "clean"}
    rows = [rows_of([0.9, 0.9], weight="", way=way, **of) for way in (AS_CUT, TRAINED_ON)]
    rows += [
        rows_of(a, weight="D", rank=r, full=8, way=TRAINED_ON, **of) for r, a in accuracy.items()
    ]
    (row,) = pruning.smallest(pd.concat(rows), profile).to_dict("records")
    assert np.isnan(row["value"])
    assert (row["members"], np.isnan(row["rank"])) == (2, True)
