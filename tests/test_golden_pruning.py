"""The findings that were kept of the study `pruning`, from before it had a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import compare, golden, profile_of

from tnlearn.lab.study import Study
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
