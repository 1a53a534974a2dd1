"""The study `marker`: its labels, its chains, and the findings that were kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import golden, profile_of
from tiny import tiny

import tnlearn as tnl
from tnlearn.analysis.approach import closest
from tnlearn.data.near import near_chains
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.profile import read_profile
from tnlearn.lab.study import assembled
from tnlearn.models.scaling import moment_count
from tnlearn.report.table import where
from tnlearn.studies.labels import (
    LABELS,
    NEAREST_PHASE,
    KnownChains,
    best_option,
    integers,
    known_chains,
)
from tnlearn.studies.marker import SHIPPED, STUDY, Markers, approaches, powers, reliable, run
from tnlearn.studies.marker_training import marker_network, training_sets

REACH = (0.05, 12.0, 1.2)


def near(cells: int, samples: int, distance: tuple[float, float], seed: int) -> KnownChains:
    """Clean chains next to their transitions."""
    return KnownChains.near(near_chains(cells, samples, distance, seed))


# ---------------------------------------------------------------------- what was kept


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


# ---------------------------------------------------------------------- labels


@pytest.mark.parametrize("name", list(LABELS))
def test_every_label_is_right_deep_in_every_phase(name: str) -> None:
    chains = near(40, 40, (0.8, 1.0), 5)
    option = best_option(name, chains, 0.95)
    assert np.mean(integers(name, chains, option) == chains.truth) > 0.95
    assert not LABELS[name].options or option in LABELS[name].options


def test_labels_of_the_package_are_what_it_gives() -> None:
    chains = near(16, 60, (0.02, 0.8), 6)
    for name, method, boundary in (
        ("rswn", "rswn", "open"),
        ("rswn-ring", "rswn", "periodic"),
        ("log-ring", "log", None),
        ("lyapunov-ring", "lyapunov", None),
        ("twist", "twist", None),
        ("localizer", "localizer", None),
    ):
        known = tnl.winding(chains.chains, method, boundary=boundary, gap=False)
        option = (LABELS[name].options or (0.0,))[0]
        assert np.array_equal(integers(name, chains, option), known.integer), name
    value = LABELS["log-open"].answer(chains, 0.0)  # of open states a whole number, too
    assert np.allclose(value, np.round(value), atol=1e-8)


def test_zero_modes_are_signed_by_the_end_they_sit_at() -> None:
    windings = [-1, 0, 1, 2]
    hoppings = {m: np.array([1.0 if m == w else 0.1 for w in windings]) for m in windings}
    none = np.zeros(4)
    chains = KnownChains(tnl.chain(20, hoppings), np.array(windings), none, none.astype(int))
    assert integers("edges", chains, 1.0).tolist() == windings


def test_a_free_number_is_the_one_that_comes_closest() -> None:
    chains = near(16, 300, (0.005, 0.8), 8)

    def approach(option: float) -> Any:
        right = integers("rswn-best", chains, option) == chains.truth
        rng = np.random.default_rng(0)
        return closest(chains.distance, right, 0.9, rng=rng, bootstraps=1)["value"]

    best = approach(best_option("rswn-best", chains, 0.9))
    assert best == min(map(approach, LABELS["rswn-best"].options))


# ---------------------------------------------------------------------- chains


def test_clean_chains_are_at_the_scaling_variables_asked_for() -> None:
    chains = known_chains(24, 400, 0.0, REACH, 3)
    assert (24 * chains.distance).min() >= REACH[0]
    assert (24 * chains.distance).max() <= REACH[1]
    known = tnl.winding(chains.chains, "momentum", gap=False).integer
    assert np.array_equal(known, chains.truth)
    assert set(chains.crossing.tolist()) == {1, 2}


def test_the_truth_of_disordered_chains_is_that_of_the_sample_continued() -> None:
    chains, longer = (known_chains(cells, 60, 1.0, REACH, 3) for cells in (30, 3000))
    assert len(chains) < 60
    assert chains.distance.min() >= NEAREST_PHASE
    assert np.array_equal(longer.truth, chains.truth)
    far = chains.distance > 0.1
    integer = tnl.winding(longer.chains, "lyapunov", gap=False).integer
    assert np.array_equal(integer[far], chains.truth[far])
    short = tnl.winding(chains.chains, "lyapunov", gap=False).integer
    assert np.mean(short == chains.truth) < 1.0  # a short sample is not its phase


def test_training_sets_are_of_every_length_and_kind_and_apart_from_the_tests() -> None:
    counts = {"near": 16, "clean": 8, "disordered": 8}
    recipe = {"sizes": [8, 12], "reach": list(REACH), "disorder": [0.5, 1.0], **counts}
    sets, held = (training_sets(recipe, part, 1) for part in ("train", "validation"))
    kinds = [(d.states.cells, d.info["variant"], d.info["disorder"], len(d)) for d in sets]
    one = [("near", 0.0, 16), ("", 0.0, 8), ("", 0.5, 8), ("", 1.0, 8)]
    assert kinds == [(cells, *rest) for cells in (8, 12) for rest in one]
    assert [len(d) for d in held] == [4, 2, 2, 2] * 2
    first = {d.chains.hoppings[0][0, 0] for d in (*sets, *held)}
    assert len(first) == len(sets) + len(held)
    assert known_chains(8, 1, 0.0, REACH, 1).chains.hoppings[0][0, 0] not in first
    network = marker_network({"kind": "scaling", "hidden": [5]}, 8, sets)
    assert network.output_shape == (None, 4)
    moments = np.concatenate([network.nodes["scale"].array, network.nodes["shift"].array])
    assert moments.shape == (2 * moment_count(),)
    with pytest.raises(UnknownNameError, match="option of scaling"):
        marker_network({"kind": "scaling", "options": {"width": 3}}, 8, sets)


# ---------------------------------------------------------------------- the study


def test_a_tiny_run_measures_what_is_answered(tmp_path: Path) -> None:
    profile = tiny("marker", tmp_path)
    tasks = STUDY.tasks(profile)
    assert [task.kind for task in tasks] == ["train"] * 2 + ["test"] * 3
    test = next(task for task in tasks if task.labels.get("cells") == 14)
    table = assembled([test], {test.key: run(test, profile, tmp_path)})
    assert set(table["answer"]) == {"scaling:mixed", SHIPPED, *LABELS}
    known = table.set_index(["measure", "answer"]).sort_index()
    chains = known_chains(14, 200, 0.0, REACH, 4)
    right = integers("rswn-ring", chains) == chains.truth
    marking = tnl.marker("extended")(chains.chains)
    sure = marking.integer[marking.reliable] == chains.truth[marking.reliable]
    for measure, answer, value in (
        ("right", "rswn-ring", right.mean()),
        ("right", SHIPPED, (marking.integer == chains.truth).mean()),
        ("reliable", SHIPPED, marking.reliable.mean()),
        ("sure", SHIPPED, sure.mean()),
    ):
        assert known.loc[(measure, answer), "value"].item() == pytest.approx(value)
    assert where(table, measure="accuracy", answer="rswn")["samples"].sum() == 200
    approach = where(table, measure="approach", level=0.9)
    assert set(approach["crossing"]) == {0, 1, 2}
    main = where(approach, crossing=0).set_index("answer")
    # Knowing the hoppings of a clean chain, it repeats the truth.
    assert main.loc["lyapunov", "value"] == 0.0
    assert main.loc[SHIPPED, "value"] < np.nan_to_num(main.loc["rswn", "value"], nan=np.inf)
    assert (main.loc["scaling:mixed", "members"], main.loc["rswn", "members"]) == (3, 1)
    verdict = STUDY.decide(table, profile)["marker"]
    assert set(verdict.rows["label"]) == {x.title for n, x in LABELS.items() if n != "twist"}


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_shipped_profiles_reach_beyond_what_was_trained(name: str) -> None:
    profile = read_profile(Markers, "marker", name)
    assert max(profile.sizes) <= 48
    lengths = profile.chains["clean"].cells
    assert (min(lengths), max(lengths) >= 100) == (12, True)
    assert name == "quick" or profile.members >= 32


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"reach": [0.05, 12.0]}, ConfigError, "length 3"),
        ({"reach": [12.0, 0.05, 1.2]}, ConfigError, "reach is"),
        ({"levels": [90.0]}, ConfigError, r"Expected `float` < 1.0 - at `levels"),
        ({"judged": "none"}, UnknownNameError, "training that is judged"),
        (
            {"chains": {"few": {"cells": [8], "samples": [9, 9], "choose": 9}}},
            ConfigError,
            r"chains\.few\] has 1 lengths",
        ),
        (
            {"chains": {k: {"cells": [8], "samples": [9], "choose": 9} for k in "ab"}},
            ConfigError,
            "strength of disorder of its own",
        ),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tiny("marker", tmp_path, **change)
