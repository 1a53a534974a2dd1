"""The studies `disorder` and `amplitudes`: their rules and their numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tiny import table, tiny

import tnlearn as tnl
from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import chains, part_seed
from tnlearn.lab.profile import PROFILES, read_profile
from tnlearn.report.claims import DEPENDS, REFUSED, SUPPORTED
from tnlearn.report.table import where
from tnlearn.studies import amplitudes, disorder
from tnlearn.studies.amplitudes import regions


@pytest.mark.parametrize(
    ("levels", "word"),
    [
        # Accuracy at disorder 1 of (quartic, linear), trained clean; the mixture has .9.
        ((0.6, 0.5), SUPPORTED),
        ((0.9, 0.5), DEPENDS),
        ((0.9, 0.9), REFUSED),
    ],
)
def test_the_verdict_follows_the_numbers(levels: tuple[float, float], word: str) -> None:
    rows = [
        {"network": network, "trained_at": trained_at, "strength": strength, "member": member,
         "accuracy": (level if strength and trained_at == "clean" else 0.9) + 0.001 * member,
         "validation": 0.95}
        for network, level in zip(("quartic", "linear"), levels, strict=True)
        for trained_at in ("clean", "mixture")
        for strength in (0.0, 1.0)
        for member in range(3)
    ]  # fmt: skip
    verdicts = disorder.STUDY.decide(pd.DataFrame(rows), tiny("disorder"))
    assert verdicts["disorder-erodes"].word == word


def test_a_correlation_falls_beyond_its_intervals() -> None:
    rows = [
        {"amplitude": "u2", "region": region, "strength": strength, "value": value,
         "low": value - 0.05, "high": value + 0.05}
        for region, values in {"a": (0.3, 0.1), "b": (0.3, 0.3), "c": (0.3, 0.25)}.items()
        for strength, value in zip((0.0, 1.0), values, strict=True)
    ]  # fmt: skip
    holds = amplitudes.falls(pd.DataFrame(rows), tiny("amplitudes")).dropna()
    assert holds.to_dict() == {1: True, 3: False}


# ---------------------------------------------------------------------- what is measured


def test_every_training_is_put_to_every_strength() -> None:
    rows = table("disorder")
    count = rows.groupby(["network", "trained_at"], sort=False).size().to_dict()
    assert count == {
        ("quartic", "clean"): 6, ("quartic", "1"): 6, ("quartic", "mixture"): 6,
        ("linear", "clean"): 4, ("linear", "mixture"): 4,
    }  # fmt: skip
    (exact,) = where(rows, boundary="open", strength=1.0).to_dict("records")
    test = tnl.shift("disorder-1", tnl.dataset("ssh", cells=8, samples=80, seed=2))
    nearest = np.clip(tnl.winding(test.chains, "rswn").integer, 0, 1)
    assert exact["accuracy"] == (nearest == test.windings).mean()
    assert exact["ambiguous"] == test.ambiguous.sum()


def test_maps_and_regions_are_of_the_same_ratios() -> None:
    rows = table("amplitudes")
    whole, parts = rows[rows["region"] == ""], rows[rows["region"] != ""]
    for row in whole.to_dict("records"):
        assert np.shape(row["map"]) == (8, 8)
        assert row["value"] == pytest.approx(np.mean(row["map"]), abs=1e-4)
        assert row["low"] < row["value"] < row["high"]
        here = where(parts, amplitude=row["amplitude"], strength=row["strength"])
        assert here["entries"].sum() == 64
        assert (here["value"] * here["entries"]).sum() / 64 == pytest.approx(row["value"])
        if not row["strength"]:
            assert row["pattern"] == pytest.approx(1.0)


@pytest.mark.parametrize("cells", [6, 8, 20, 21])
def test_regions_part_all_amplitudes(cells: int) -> None:
    for masks in regions(cells, 0.25, 2).values():
        assert np.array_equal(sum(masks.values()), np.ones((cells, cells), dtype=int))
    blocks = regions(8, 0.25, 2)
    assert np.argwhere(blocks["q2"]["from end to end"]).tolist() == [
        [x, y] for x in range(8) for y in range(8) if {x // 2, y // 2} == {0, 3}
    ]
    assert blocks["u2"]["nearest zero, outer cells"].sum() == 2 * 4


def test_a_mixture_has_every_strength_and_no_chain_twice() -> None:
    config = {
        "data": {"name": "ssh", "train": 11, "disorder": [0.0, 1.0, 2.0]},
        "cells": 8,
        "seed": 4,
    }
    mixed = chains(config, "train")
    assert mixed.info["disorder"] == [0.0, 1.0, 2.0]
    assert mixed.info["samples"] == len(mixed) == 11
    for strength, (start, count) in {0.0: (0, 4), 1.0: (4, 4), 2.0: (8, 3)}.items():
        part = tnl.dataset("ssh", 8, count, strength, part_seed(4, "train"), start=start)
        here = slice(start, start + count)
        assert np.array_equal(mixed.states.u[here], part.states.u)
        assert np.array_equal(mixed.labels[here], part.labels)
        assert np.array_equal(mixed.ambiguous[here], part.ambiguous)
        varies = part.chains.hoppings[0].std(axis=1) > 0
        assert varies.all() if strength else not varies.any()
    with pytest.raises(ConfigError, match="2 samples cannot be shared by 3 strengths"):
        chains(config, "train", samples=2)


@pytest.mark.parametrize("name", PROFILES)
def test_every_network_is_trained_clean_and_on_the_mixture(name: str) -> None:
    profile = read_profile(disorder.Disorder, "disorder", name)
    for network in profile.networks:
        trainings = list(profile.trainings(network).items())
        assert trainings[0] == ("clean", 0.0)
        assert trainings[-1] == ("mixture", profile.mixture)
