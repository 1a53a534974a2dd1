"""The study `marker`: its labels, its chains, and a tiny run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tiny import table, tiny

import tnlearn as tnl
from tnlearn.analysis.approach import closest
from tnlearn.data.near import near_chains
from tnlearn.errors import UnknownNameError
from tnlearn.lab.profile import read_profile
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
from tnlearn.studies.marker import SHIPPED, STUDY, Markers
from tnlearn.studies.marker_training import marker_network, training_sets

REACH = (0.05, 12.0, 1.2)


def near(cells: int, samples: int, distance: tuple[float, float], seed: int) -> KnownChains:
    """Clean chains next to their transitions."""
    return KnownChains.near(near_chains(cells, samples, distance, seed))


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


def test_a_tiny_run_measures_what_is_answered() -> None:
    profile = tiny("marker")
    assert [task.kind for task in STUDY.tasks(profile)] == ["train"] * 2 + ["test"] * 3
    rows = where(table("marker"), cells=14)
    assert set(rows["answer"]) == {"scaling:mixed", SHIPPED, *LABELS}
    known = rows.set_index(["measure", "answer"]).sort_index()
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
    assert where(rows, measure="accuracy", answer="rswn")["samples"].sum() == 200
    approach = where(rows, measure="approach", level=0.9)
    assert set(approach["crossing"]) == {0, 1, 2}
    main = where(approach, crossing=0).set_index("answer")
    # Knowing the hoppings of a clean chain, it repeats the truth.
    assert main.loc["lyapunov", "value"] == 0.0
    assert main.loc[SHIPPED, "value"] < np.nan_to_num(main.loc["rswn", "value"], nan=np.inf)
    assert (main.loc["scaling:mixed", "members"], main.loc["rswn", "members"]) == (3, 1)
    verdict = STUDY.decide(rows, profile)["marker"]
    assert set(verdict.rows["label"]) == {x.title for n, x in LABELS.items() if n != "twist"}


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_shipped_profiles_reach_beyond_what_was_trained(name: str) -> None:
    profile = read_profile(Markers, "marker", name)
    assert max(profile.sizes) <= 48
    lengths = profile.chains["clean"].cells
    assert (min(lengths), max(lengths) >= 100) == (12, True)
    assert name == "quick" or profile.members >= 32
