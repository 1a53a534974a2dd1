"""The study `maps`: starts, cells, and the rules of its claims."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny import tiny

import tnlearn as tnl
from tnlearn.lab.profile import as_record, read_profile
from tnlearn.models.catalogue import build_network
from tnlearn.report.stats import main_effects
from tnlearn.studies import maps
from tnlearn.studies.maps import STUDY, Maps, started, tuned

CELLS = 6
FLAGS = {"success": "success", "common": "common", "near": "own"}  # and as they were kept


# ---------------------------------------------------------------------- starts and cells


def test_starts_are_scaled_as_the_map_says() -> None:
    entries = {k: as_record(e) for k, e in read_profile(Maps, "maps", "quick").entries.items()}
    larger = started(entries["quartic-single"], 3.0, CELLS, 4).parameters["D"].init
    assert (larger.kind, larger.scale) == ("normal", 3.0)
    mended = started(entries["operator-mended"], 0.5, CELLS, 4).parameters
    inits = {name: (p.init.kind, p.init.scale) for name, p in mended.items() if "head" not in name}
    assert inits == {"X.spacings": ("normal", 0.5), "window.cells": ("parts", 0.5)}
    # The head of a formula starts as ever; all of a baseline is scaled.
    head = started(entries["quartic"], 3.0, CELLS, 4).parameters["head.0.weight"].init
    assert head == build_network(entries["quartic"], CELLS, 4).parameters["head.0.weight"].init
    plain = build_network(entries["symmetric-dense"], CELLS, 4).parameters
    for name, parameter in started(entries["symmetric-dense"], 3.0, CELLS, 4).parameters.items():
        assert np.isclose(parameter.init.scale, 3.0 * plain[name].init.scale)
    assert entries["operator-mended"]["free"]["X"]["init"]["scale"] == 1.0  # not changed in place


def test_a_cell_does_not_depend_on_its_chunk(tmp_path: Path) -> None:
    profile = tiny("maps", tmp_path)
    whole = next(t for t in STUDY.tasks(profile) if t.labels["network"] == "quartic-single")
    halves = [
        STUDY.run(
            replace(whole, config={**whole.config, "offset": k, "members": 1}), profile, tmp_path
        )
        for k in (0, 1)
    ]
    together = STUDY.run(whole, profile, tmp_path)
    pd.testing.assert_frame_equal(pd.concat(halves, ignore_index=True), together)
    assert together["accuracy"].nunique() > 1  # members and rates start apart


def test_shipped_profiles_rest_on_enough_members() -> None:
    for name in ("hour", "paper"):
        profile = read_profile(Maps, "maps", name)
        assert all((chosen.members or profile.members) >= 32 for chosen in profile.maps.values())
        assert profile.members >= 100
    baselines = Path(__file__).parents[1] / "docs" / "baselines" / "profile.toml"
    read = read_profile(Maps, "maps", baselines)
    assert read.maps["generic"].networks == ["cnn", "attention"]
    assert STUDY.tasks(read)


# ---------------------------------------------------------------------- rules


def cells(network: str, shares: dict[float, dict[float, float]], members: int = 20) -> Any:
    """Members of which these shares succeed, {scale: {rate: share}}."""
    return pd.DataFrame(
        {"map": "four", "network": network, "scale": scale, "rate": rate}
        | dict.fromkeys(FLAGS, k < round(share * members))
        | {"accuracy": share, "disorder-0.5": share}
        for scale, row in shares.items()
        for rate, share in row.items()
        for k in range(members)
    )


def test_the_best_rate_is_that_of_most_successes() -> None:
    table = cells("a", {0.1: {0.01: 0.5, 0.1: 1.0}, 1.0: {0.01: 0.9, 0.1: 0.6}})
    assert set(tuned(table, "success")["rate"]) == {0.1}
    assert tuned(table, "success")["success"].sum() == 32
    tied = cells("a", {0.1: {0.01: 0.5, 0.1: 0.5}})
    tied.loc[tied["rate"] == 0.01, "accuracy"] += 0.1
    assert set(tuned(tied, "success")["rate"]) == {0.01}


def test_what_explains_success() -> None:
    trials = np.full((2, 2), 20)
    rows, columns = main_effects(np.array([[0, 20], [0, 20]]), trials)
    assert np.isclose([rows["value"], columns["value"]], [0.0, 1.0]).all()
    both = main_effects(np.array([[0, 10], [10, 20]]), trials)
    for share in both:
        assert np.isclose(share["value"], 0.5)
        assert share["low"] < 0.5 < share["high"]
    alike = {"value": 0.0, "low": 0.0, "high": 0.0, "members": 80}
    assert main_effects(trials, trials) == (alike, alike)


LOW, HIGH, SHARP = {0.01: 0.1, 0.1: 0.3}, {0.01: 0.6, 0.1: 1.0}, {0.01: 0.1, 0.1: 1.0}


@pytest.mark.parametrize(
    ("plain", "mended", "reference", "other", "members", "less", "level"),
    [
        (LOW, HIGH, HIGH, HIGH, 200, "depends on", "supported"),
        (LOW, SHARP, HIGH, HIGH, 200, "depends on", "depends on"),  # as good at its best rate only
        (LOW, LOW, HIGH, HIGH, 200, "depends on", "not supported"),
        (LOW, LOW, LOW, HIGH, 200, "supported", None),
        (HIGH, HIGH, HIGH, LOW, 200, "not supported", None),
        (LOW, HIGH, HIGH, HIGH, 10, None, "not supported"),  # the same rates from few members
    ],
)
def test_verdicts_follow_the_intervals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plain: dict[float, float],
    mended: dict[float, float],
    reference: dict[float, float],
    other: dict[float, float],
    members: int,
    less: str | None,
    level: str | None,
) -> None:
    monkeypatch.setattr(maps, "successes", lambda table, profile: table)
    profile = tiny("maps", tmp_path)
    profile.verdicts.exact = ["sublattice", "quartic"]
    shares = dict(
        zip(("sublattice", "operator-mended", "quartic"), (plain, mended, reference), strict=True)
    )
    table = pd.concat(
        cells(name, dict.fromkeys((0.1, 1.0), row), members)
        for name, row in {**shares, "symmetric-dense": other}.items()
    )
    verdicts = STUDY.decide(table, profile)
    assert less in (None, verdicts["less-trainable"].word)
    assert level in (None, verdicts["operator-mended"].word)
    assert verdicts["init-sensitive"].word == "not supported"
    # A map of one scale says nothing of scales.
    one = STUDY.decide(table[table["scale"] == 1.0], profile)
    assert not one["init-sensitive"].word
    assert one["init-sensitive"].rows.empty


def test_the_operator_form_by_spacings_trains_where_the_plain_one_does_not() -> None:
    """Eight members each, the same data, rate and epochs, the same start scale."""
    data = tnl.dataset("extended", cells=12, samples=1000, seed=0)
    held = tnl.dataset("extended", cells=12, samples=500, seed=1)
    entries = read_profile(Maps, "maps", "quick").entries
    # With one X a cell the operator form is the sublattice form, number for number.
    cheaper = {**as_record(entries["operator-mended"]), "options": {"form": "sublattice"}}
    plain, mended = (
        tnl.fit(
            started(entry, 1.0, 12, 4),
            data,
            held,
            members=8,
            epochs=12,
            lr=0.1,
            seed=0,
            progress=False,
        ).history["validation_accuracy"][:, -1]
        for entry in (as_record(entries["operator"]), cheaper)
    )
    assert np.median(mended) > np.max(plain)
    assert np.median(mended) > 0.93
