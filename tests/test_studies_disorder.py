"""Correlation ratios, mixtures of strengths, and the study of disorder on a tiny scale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.errors import ConfigError, ShapeError, UnknownNameError
from tnlearn.report.old_claims import claims_page
from tnlearn.report.statistics import difference
from tnlearn.studies.correlation import (
    class_means,
    correlation_ratio,
    resampled_ratios,
    spread,
)
from tnlearn.studies.disorder import trainings
from tnlearn.studies.disorder_numbers import assemble, of
from tnlearn.studies.disorder_work import regions
from tnlearn.studies.members import data_set
from tnlearn.studies.study import load_study, read_profile, study
from tnlearn.studies.success import learned_at_all

TINY = """
study = "disorder"
profile = "tiny"
cells = 8
seed = 0
members = 3
chunk = 2
workers = 1
batch_size = 32
batches = "own"
threshold = 0.5
networks = ["quartic", "linear"]
train_at = [0.0, 1.0]
mixture = [0.0, 1.0]
test_at = [0.0, 1.0]
brief = ["linear"]

[entries.quartic]
lr = 0.03
epochs = 4

[entries.linear]
lr = 0.03
epochs = 2
members = 2

[data]
name = "ssh"
train = 128
validation = 40
test = 80

[correlation]
samples = 200
resamples = 50
edge = 0.25
edge_states = 1
"""

# ------------------------------------------------------------------ correlation ratio


def by_hand(feature: np.ndarray, labels: np.ndarray) -> float:
    """η² from the definition, then Kelley's correction."""
    classes = np.unique(labels)
    between = sum(
        (labels == c).sum() * (feature[labels == c].mean() - feature.mean()) ** 2 for c in classes
    )
    share = between / ((feature - feature.mean()) ** 2).sum()
    n, k = len(labels), len(classes)
    return float(1 - (1 - share) * (n - 1) / (n - k))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 5), shift=st.floats(-1e4, 1e4))
def test_the_ratio_is_that_of_the_definition_in_any_units(
    seed: int, classes: int, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(60) % classes)
    features = rng.normal(size=(60, 3)) + labels[:, None] * np.array([0.0, 0.5, 3.0])
    found = correlation_ratio(features, labels)
    assert found == pytest.approx([by_hand(f, labels) for f in features.T], abs=1e-9)
    assert correlation_ratio(-2.5 * features + shift, labels) == pytest.approx(found, abs=1e-6)
    # The names of the classes do not matter.
    assert correlation_ratio(features, (labels + 1) % classes) == pytest.approx(found, abs=1e-9)


def test_the_ratio_of_what_is_known_and_of_what_is_not() -> None:
    labels = np.arange(4000) % 4
    rng = np.random.default_rng(0)
    features = np.stack([labels**2.0, rng.normal(size=4000), np.ones(4000)], axis=1)
    known, unknown, constant = correlation_ratio(features, labels)
    assert known == pytest.approx(1.0)
    # Kelley's correction takes off what chance gives: ±4 standard deviations of χ²_3/4000.
    assert abs(unknown) < 4 * np.sqrt(6) / 4000
    assert constant == 0.0


def test_chance_is_taken_off_on_average() -> None:
    labels = np.arange(40) % 4
    features = np.random.default_rng(3).normal(size=(40, 4000))
    found = correlation_ratio(features, labels)
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean()) < 4 * error
    # Without the correction it would be (k − 1)/(n − 1), far outside.
    assert 20 * error < 3 / 39


def test_resamples_scatter_as_new_samples_do() -> None:
    rng = np.random.default_rng(5)
    labels = np.arange(300) % 3

    def drawn() -> np.ndarray:
        return rng.normal(size=(300, 1)) + 0.5 * labels[:, None]

    values = np.array([correlation_ratio(drawn(), labels)[0] for _ in range(400)])
    again = np.array([resampled_ratios(drawn(), labels, 200, seed=1)[:, 0].std() for _ in range(9)])
    assert again.mean() == pytest.approx(values.std(), rel=0.2)


def test_intervals_are_about_the_value() -> None:
    resampled = np.random.default_rng(0).normal(5.0, 1.0, 20_000)
    assert spread(1.0, resampled) == pytest.approx((1 - 1.96, 1 + 1.96), abs=0.05)
    features, labels = np.random.default_rng(1).normal(size=(60, 2)), np.arange(60) % 2
    one, two = (resampled_ratios(features, labels, 20, seed=k) for k in (1, 2))
    assert np.array_equal(one, resampled_ratios(features, labels, 20, seed=1))
    assert not np.array_equal(one, two)


def test_class_means_are_about_their_mean() -> None:
    features = np.array([[1.0], [3.0], [10.0], [20.0]])
    assert class_means(features, np.array([0, 0, 1, 1])).tolist() == [[-6.5], [6.5]]


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (np.ones((4, 2)), np.zeros(3, dtype=int), r"got \(4, 2\) and \(3,\)"),
        (np.ones((4, 2)), np.zeros(4, dtype=int), "two classes"),
        (np.ones((2, 2)), np.arange(2), "more samples than classes"),
    ],
)
def test_ratios_refuse_what_has_none(features: Any, labels: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        correlation_ratio(features, labels)


@pytest.mark.parametrize("cells", [6, 8, 20, 21])
def test_regions_part_all_amplitudes(cells: int) -> None:
    for masks in regions(cells, 0.25, 2).values():
        assert np.array_equal(sum(masks.values()), np.ones((cells, cells), dtype=int))
    blocks = regions(8, 0.25, 2)
    assert np.argwhere(blocks["q2"]["from end to end"]).tolist() == [
        [x, y] for x in range(8) for y in range(8) if {x // 2, y // 2} == {0, 3}
    ]
    assert blocks["u2"]["nearest zero, outer cells"].sum() == 2 * 4


# ------------------------------------------------------------------ mixtures


def test_a_mixture_has_every_strength_and_no_chain_twice() -> None:
    mixed = data_set("ssh", 8, 11, (0.0, 1.0, 2.0), 4)
    assert mixed.info["disorder"] == [0.0, 1.0, 2.0]
    assert mixed.info["samples"] == len(mixed) == 11
    starts = {0.0: (0, 4), 1.0: (4, 4), 2.0: (8, 3)}
    for strength, (start, count) in starts.items():
        part = tnl.dataset("ssh", 8, count, strength, 4, start=start)
        mine = slice(start, start + count)
        assert np.array_equal(mixed.states.u[mine], part.states.u)
        assert np.array_equal(mixed.labels[mine], part.labels)
        assert np.array_equal(mixed.ambiguous[mine], part.ambiguous)
        varies = part.chains.hoppings[0].std(axis=1) > 0
        assert varies.all() if strength else not varies.any()
    with pytest.raises(ConfigError, match="2 samples cannot be shared by 3 strengths"):
        data_set("ssh", 8, 2, (0.0, 1.0, 2.0), 4)


# ------------------------------------------------------------------ the study


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "disorder"
    assert study("disorder", tiny, out, progress=False) == out / "report.html"
    return out


def measured(out: Path) -> Any:
    found = json.loads((out / "results.json").read_text())
    for key in ("seconds", "environment", "command"):
        found.pop(key)
    return found


def test_everything_is_measured(finished: Path) -> None:
    found = measured(finished)
    assert [t["at"] for t in found["networks"]["quartic"]] == [0.0, 1.0, [0.0, 1.0]]
    assert [t["at"] for t in found["networks"]["linear"]] == [0.0, [0.0, 1.0]]
    for name, members in (("quartic", 3), ("linear", 2)):
        for training in found["networks"][name]:
            assert np.shape(training["accuracy"]) == (members, 2)
            assert np.shape(training["accuracy_clear"]) == (members, 2)
    for row in found["correlation"]:
        for kind in ("u2", "v2", "q2"):
            table = np.array(row[kind]["map"])
            assert table.shape == (8, 8)
            assert row[kind]["mean"]["value"] == pytest.approx(table.mean(), abs=1e-4)
            assert row[kind]["mean"]["low"] < row[kind]["mean"]["high"]
            entries = [region["entries"] for region in row[kind]["regions"].values()]
            assert sum(entries) == 64
        assert row["q2"]["pattern"] == pytest.approx(1.0) if row["strength"] == 0 else True
    assert found["chance"] == 0.5


def test_regret_is_the_mixture_less_the_clean_training(finished: Path) -> None:
    found = measured(finished)
    for row in found["regrets"]:
        trained = found["networks"][row["key"]]
        place = found["test_at"].index(row["strength"])
        ends = []
        for at in ("mixture", 0.0):
            chosen = of(trained, at)
            keep = learned_at_all(chosen["validation"], found["chance"])
            ends.append(np.array(chosen["accuracy"])[keep, place])
        expected = difference(*ends)
        assert row["value"] == pytest.approx(100 * expected.value)
        assert row["low"] is None or row["low"] == pytest.approx(100 * expected.low)
        assert row["members"] == min(map(len, ends))


def test_the_formula_is_the_rounded_winding_number(finished: Path) -> None:
    row = next(r for r in measured(finished)["exact"] if r["strength"] == 1.0)
    test = tnl.shift("disorder-1", tnl.dataset("ssh", cells=8, samples=80, seed=2))
    nearest = np.clip(tnl.winding(test.chains, "rswn").integer, 0, 1)
    assert row["open"]["all"] == int((nearest == test.windings).sum())
    assert row["ambiguous"] == int(test.ambiguous.sum())


def test_page_and_claims_are_made_from_the_results(finished: Path) -> None:
    assert (finished / "report.html").read_text().count("data:image/png;base64,") == 4
    found = json.loads((finished / "results.json").read_text())
    assert "Study `disorder`: **" in claims_page({"disorder": found}, "results")


def test_a_run_without_some_tasks_goes_on_to_the_same(
    finished: Path, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    shutil.copytree(finished, out)
    for path in sorted((out / "tasks").glob("*.json"))[::2]:
        path.unlink()
    shutil.rmtree(out / "trained")
    (out / "results.json").unlink()
    study("disorder", tiny, out, progress=False)
    assert measured(out) == measured(finished)


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("test_at = [0.0, 1.0]", "test_at = [0.5]", ConfigError, "must hold 0"),
        ("mixture = [0.0, 1.0]", "mixture = [0.0, -1]", ConfigError, "mixture lists strengths"),
        ('brief = ["linear"]', 'brief = ["linera"]', UnknownNameError, "did you mean 'linear'"),
    ],
)
def test_mistakes_in_a_profile(
    tmp_path: Path, old: str, new: str, error: type[Exception], words: str
) -> None:
    assert old in TINY
    path = tmp_path / "bad.toml"
    path.write_text(TINY.replace(old, new, 1))
    with pytest.raises(error, match=words):
        study("disorder", path, tmp_path / "out", progress=False)


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_shipped_profiles_are_complete(name: str) -> None:
    chosen = load_study("disorder")
    profile = read_profile(chosen, name)
    made = chosen.tasks(profile)
    assert len({task.key for task in made}) == len(made)
    for network in profile["networks"]:
        done = trainings(profile, network)
        assert done[0] == 0.0
        assert done[-1] == profile["mixture"]


@pytest.mark.parametrize(
    ("levels", "known", "verdict"),
    [
        # Accuracy at disorder 1 of (quartic, linear), trained clean; the mixture has .9.
        ((0.6, 0.5), (0.3, 0.1), "supported"),
        ((0.9, 0.5), (0.3, 0.1), "depends on"),
        ((0.9, 0.9), (0.3, 0.1), "not supported"),
        # Where the correlation does not fall, it is not what was eroded.
        ((0.6, 0.5), (0.3, 0.3), "not supported"),
    ],
)
def test_the_verdict_follows_the_numbers(
    tiny: Path, levels: tuple[float, float], known: tuple[float, float], verdict: str
) -> None:
    chosen = load_study("disorder")
    profile = read_profile(chosen, tiny)
    done = []
    for task in chosen.tasks(profile):
        if task.kind == "disorder-train":
            members = task.config["training"]["members"]
            mixed = isinstance(task.config["trained_at"], list)
            level = levels[profile["networks"].index(task.config["name"])]
            here = 0.9 if mixed else level
            row = [[0.95, here + 0.001 * k] for k in range(members)]
            result: dict[str, Any] = {
                "accuracy": row,
                "accuracy_clear": row,
                "validation": [0.95] * members,
            }
        elif task.kind == "disorder-exact":
            counts = {"all": 40, "clear": 30}
            result = {"samples": 80, "ambiguous": 10, "open": counts, "ring": counts}
        else:
            value = known[int(task.config["strength"])]
            number = {"value": value, "low": value - 0.01, "high": value + 0.01}
            number |= {"largest": value, "entries": 64}
            result = {"samples": 200}
            result |= {kind: {"regions": {"inner cells": number}} for kind in ("u2", "v2", "q2")}
        done.append((task, result))
    found = assemble(profile, done)
    assert [v["verdict"] for v in found["verdicts"]] == [verdict]
