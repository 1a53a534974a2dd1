"""Weights cut to low rank, trained on at that rank, placed in the chain; and the study of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.report.old_claims import claims_page
from tnlearn.studies.coordinates import (
    cell_positions,
    edge_entries,
    leading_pictures,
    outer,
    profiles,
    share_of,
)
from tnlearn.studies.masks import MASKS, masked
from tnlearn.studies.members import build_network
from tnlearn.studies.merging import chosen_members, merged_chunks
from tnlearn.studies.profile import read_toml
from tnlearn.studies.pruning_numbers import rank_finding
from tnlearn.studies.pruning_verdicts import edges_verdict, shallow_verdict
from tnlearn.studies.retraining import retrained
from tnlearn.studies.study import load_study, read_profile, study
from tnlearn.studies.success import learned_at_all
from tnlearn.studies.weights import (
    Singular,
    kept_numbers,
    prune,
    rank_grid,
    ranks_for_share,
    singular,
    smallest_rank,
    weights_of,
    with_parameters,
)

CATALOGUE: dict[str, Any] = read_toml("quick", {"quick": "quick.toml"})["networks"]
CELLS = 8

TINY = """
study = "pruning"
profile = "tiny"
cells = 8
seed = 0
members = 3
chunk = 2
workers = 1
batch_size = 32
batches = "own"
threshold = 0.5
networks = ["quartic", "sublattice", "linear", "attention"]
shifts = ["clean", "disorder-1"]
every = 4
shares = [0.5, 0.9, 1.0]
edge = 0.25
edge_states = 1
pictures = 2
shallow = ["quartic", "linear"]
complex = ["attention"]

[entries.quartic]
lr = 0.03
epochs = 4

[entries.sublattice]
lr = 0.03
epochs = 2

[entries.linear]
lr = 0.03
epochs = 2

[entries.attention]
lr = 0.003
epochs = 1
members = 2

[data]
name = "ssh"
train = 128
validation = 40
test = 60

[retrain]
weights = ["quartic", "sublattice"]
together = ["quartic", "linear"]
epochs = 2
rate = 0.3
every = 2
most = 4
shares = [0.5, 0.9]

[masks]
nearest = [1, 8]
farthest = [4, 8]
outer = [2, 8]
inner = [2, 8]

[masked]
networks = ["quartic"]
members = 2
nearest = [1, 2]
inner = [4]
"""


@pytest.fixture(scope="module")
def chains() -> Any:
    return tnl.dataset("ssh", cells=CELLS, samples=256, seed=1)


@pytest.fixture(scope="module")
def fitted(chains: Any) -> Any:
    net = tnl.rswn(CELLS).trainable("D", channels=2, init=tnl.init.normal(0.1))
    net = net.head(classes=2, hidden=(5,))
    return tnl.fit(net, chains, members=3, epochs=6, batch_size=32, lr=0.03, progress=False)


# ------------------------------------------------------------------ weights as matrices


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_weight_of_every_network_is_read_as_matrices(name: str) -> None:
    net = build_network(CATALOGUE[name], CELLS, 4)
    found = weights_of(net)
    rng = np.random.default_rng(0)
    for weight in found:
        values = rng.normal(size=(2, *weight.shape))
        assert np.array_equal(weight.node(weight.matrices(values)), values)
        assert weight.copies * weight.rows * weight.columns == weight.numbers
    biases = [n for n in net.parameters if n.endswith(".bias")]
    assert sorted([w.name for w in found] + biases) == sorted(net.parameters)


@pytest.mark.parametrize(
    ("network", "node", "matrices"),
    [
        ("quartic", "D", (4, 8, 8)),
        ("quartic-single", "D", (1, 8, 8)),
        ("lowrank", "left", (4, 8, 2)),
        ("sublattice", "X", (1, 4, 8)),
        ("operator", "window", (1, 4, 16)),
        ("symmetric-dense", "layer0.weight", (1, 64, 64)),
        ("cnn", "conv1.kernel", (1, 32, 144)),
        ("attention", "block0.attention.query", (1, 32, 32)),
        ("attention", "block0.attention.output", (1, 32, 32)),
        ("attention", "embedding.weight", (1, 32, 16)),
    ],
)
def test_shapes_of_the_matrices(network: str, node: str, matrices: tuple[int, ...]) -> None:
    net = build_network(CATALOGUE[network], CELLS, 4)
    weight = next(w for w in weights_of(net) if w.name == node)
    assert (weight.copies, weight.rows, weight.columns) == matrices


def singular_of(network: str, node: str, values: np.ndarray) -> Singular:
    net = build_network(CATALOGUE[network], CELLS, 4)
    weight = next(w for w in weights_of(net) if w.name == node)
    return Singular(weight, *np.linalg.svd(weight.matrices(values), full_matrices=False))


def test_a_truncation_is_the_nearest_matrix_of_its_rank() -> None:
    values = np.random.default_rng(1).normal(size=(2, 4, 8, 8))
    found = singular_of("quartic", "D", values)
    assert found.truncated(8) == pytest.approx(values)
    assert not found.truncated(0).any()
    for rank in (1, 3, 7):
        cut = found.truncated(rank)
        assert (np.linalg.matrix_rank(cut) == rank).all()
        # Eckart and Young: what is lost are the squares of the singular values left out.
        lost = ((values - cut) ** 2).sum(axis=(-1, -2))
        assert lost == pytest.approx((found.values[..., rank:] ** 2).sum(axis=-1))
    ranks = np.array([[1, 2, 3, 4], [0, 8, 5, 2]])
    assert (np.linalg.matrix_rank(found.truncated(ranks)) == ranks).all()


def test_ranks_that_keep_a_share_of_the_norm() -> None:
    values = np.array([[[3.0, 2.0, 1.0]], [[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]])
    assert ranks_for_share(values, 9 / 14).tolist() == [[1], [1], [0]]
    assert ranks_for_share(values, 9.001 / 14).tolist() == [[2], [1], [0]]
    # The whole norm is the whole rank, but for what is zero.
    assert ranks_for_share(values, 1.0).tolist() == [[3], [1], [0]]


def test_numbers_kept_are_those_of_the_factors_or_of_the_matrix() -> None:
    weight = singular_of("quartic", "D", np.ones((1, 4, 8, 8))).weight
    assert kept_numbers(weight, 1) == 4 * 16
    assert kept_numbers(weight, 8) == 4 * 64
    assert kept_numbers(weight, np.array([[0, 1, 2, 8]])).tolist() == [16 + 32 + 64]


@pytest.mark.parametrize(("rank", "every"), [(1, 4), (4, 4), (20, 20), (64, 6), (256, 8)])
def test_the_grid_of_ranks_holds_both_ends(rank: int, every: int) -> None:
    grid = rank_grid(rank, every)
    assert grid == sorted(set(grid))
    assert grid[0] == 0
    assert grid[-1] == rank
    assert set(range(min(every, rank) + 1)) <= set(grid)


def test_the_smallest_rank_is_that_from_which_all_are_good() -> None:
    ranks = [0, 1, 2, 4]
    assert smallest_rank(ranks, np.array([0.2, 0.9, 0.5, 0.9]), 0.8) == 4
    assert smallest_rank(ranks, np.array([0.2, 0.8, 0.9, 0.9]), 0.8) == 1
    assert smallest_rank(ranks, np.array([0.9, 0.9, 0.9, 0.9]), 0.8) == 0
    assert smallest_rank(ranks, np.array([0.9, 0.9, 0.9, 0.7]), 0.8) is None
    assert smallest_rank(ranks, np.array([0.9, np.nan, 0.9, 0.9]), 0.8) == 2


def test_pruning_ends_at_the_network_itself(fitted: Any, chains: Any) -> None:
    found = prune(fitted, "D", chains)
    assert found["ranks"] == list(range(CELLS + 1))
    assert found["accuracy"][:, -1] == pytest.approx(fitted.accuracy(chains))
    zero = with_parameters(fitted, {"D": np.zeros((3, 2, CELLS, CELLS))})
    assert found["accuracy"][:, 0] == pytest.approx(zero.accuracy(chains))
    with pytest.raises(ConfigError, match=r"no weight 'E'; it has: D, head.0.weight"):
        prune(fitted, "E", chains)


# ------------------------------------------------------------------ training on at a rank


def test_the_rank_is_kept_while_everything_trains(fitted: Any, chains: Any) -> None:
    settings = [{"D": np.full((3, 2), rank)} for rank in (0, 1, 3)]
    ends = retrained(fitted, settings, chains, epochs=3, lr=0.01)
    for rank, end in zip((0, 1, 3), ends, strict=True):
        values = np.linalg.svd(end.parameters["D"].astype(float), compute_uv=False)
        # Products of float32 factors: the rest is rounding.
        assert (values[..., rank:] <= 1e-5 * values[..., :1].max()).all()
        if rank:
            assert (values[..., rank - 1] > 1e-3).all()
            moved = np.abs(end.parameters["head.0.weight"] - fitted.parameters["head.0.weight"])
            assert moved.max() > 1e-4
    cut = [with_parameters(fitted, {"D": singular(fitted, w).truncated(1)}) for w in named(fitted)]
    assert (ends[1].log_loss(chains) < cut[0].log_loss(chains)).all()


def named(fitted: Any) -> list[Any]:
    return [w for w in weights_of(fitted.net) if w.name == "D"]


def test_a_rate_of_almost_nothing_leaves_the_truncated_network(fitted: Any, chains: Any) -> None:
    ranks = {"D": np.array([[1, 2], [3, 4], [8, 0]]), "head.0.weight": np.full((3, 1), 1)}
    end = retrained(fitted, [ranks], chains, epochs=1, lr=1e-12)[0]
    for weight in weights_of(fitted.net):
        if weight.name in ranks:
            expected = singular(fitted, weight).truncated(ranks[weight.name])
        else:
            expected = fitted.parameters[weight.name]
        assert end.parameters[weight.name] == pytest.approx(expected, abs=1e-5)


def test_what_is_retrained_does_not_depend_on_what_else_is(fitted: Any, chains: Any) -> None:
    one, three = ({"D": np.full((3, 2), rank)} for rank in (1, 3))
    alone = retrained(fitted, [three], chains, epochs=1, lr=0.01)[0]
    beside = retrained(fitted, [one, three, {}], chains, epochs=1, lr=0.01)
    for name, values in alone.parameters.items():
        assert beside[1].parameters[name] == pytest.approx(values, abs=1e-4)
    # A setting that names nothing trains the whole weight.
    assert (np.linalg.matrix_rank(beside[2].parameters["D"], tol=1e-4) == CELLS).all()


def test_a_member_that_diverges_is_marked(fitted: Any, chains: Any) -> None:
    values = fitted.parameters["D"].copy()
    values[1] = np.inf
    end = retrained(with_parameters(fitted, {"D": values}), [{}], chains, epochs=1, lr=0.01)[0]
    # Epochs go on from those of the first training.
    assert end.failed.tolist() == [-1, 6, -1]
    assert (fitted.failed < 0).all()
    healthy = retrained(fitted, [{}], chains, epochs=1, lr=0.01)[0]
    assert end.parameters["D"][[0, 2]] == pytest.approx(healthy.parameters["D"][[0, 2]], abs=1e-6)


# ------------------------------------------------------------------ places in the chain


def test_positions_of_entries() -> None:
    assert cell_positions("cell", 8, 8).tolist() == list(range(8))
    assert cell_positions("x", 16, 8).tolist() == [*range(8), *range(8)]
    assert cell_positions("e", 4, 8).tolist() == [0, 1, 6, 7]
    assert cell_positions("cell", 4, 8).tolist() == [0.5, 2.5, 4.5, 6.5]
    assert cell_positions("hidden0", 8, 8) is None
    assert outer(np.arange(8.0), 8, 0.25).tolist() == [True] * 2 + [False] * 4 + [True] * 2


def test_edge_shares() -> None:
    weight = singular_of("quartic", "D", np.ones((1, 4, 8, 8))).weight
    there = edge_entries(weight, CELLS, 0.25)
    assert there.mean() == 0.25
    corner, bulk = np.zeros((1, 4, 8, 8)), np.zeros((1, 4, 8, 8))
    corner[0, 0, 0, 7], bulk[0, 1, 0, 4] = -2.0, 3.0
    everything = np.concatenate([corner, bulk, np.ones((1, 4, 8, 8)), np.zeros((1, 4, 8, 8))])
    shares = share_of(there, everything)
    assert shares[:3].tolist() == [1.0, 0.0, 0.25]
    assert np.isnan(shares[3])


def test_edge_states_are_near_zero_and_in_outer_cells() -> None:
    weight = singular_of("linear", "logits.weight", np.ones((1, 4, 2, 8, 8))).weight
    there = edge_entries(weight, CELLS, 0.25, states=2)
    rows, columns = np.nonzero(np.broadcast_to(there, weight.shape)[0, 0])
    assert set(rows) == {0, 1}
    assert set(columns) == {0, 1, 6, 7}


def test_profiles_are_shares_along_the_chain() -> None:
    values = np.zeros((1, 4, 8, 8))
    values[0, :, 2, 5] = 1.0
    weight = singular_of("quartic", "D", values).weight
    found = profiles(weight, values, CELLS)
    assert found["x"][0].tolist() == np.eye(8)[2].tolist()
    assert found["y"][0].tolist() == np.eye(8)[5].tolist()


def test_a_leading_vector_is_drawn_where_it_is() -> None:
    x, y = np.zeros(8), np.zeros(8)
    x[7], y[:2] = -1.0, [0.6, 0.8]
    values = np.zeros((1, 4, 8, 8))
    values[0, 2] = 5.0 * np.outer(x, y)
    drawn = leading_pictures(singular_of("quartic", "D", values), 0, 3, CELLS)
    assert drawn is not None
    assert drawn["copy"] == 2
    assert drawn["axes"] == ["cell x", "cell y"]
    assert drawn["norm"] == pytest.approx(5.0)
    # The sign is free: the largest entry is made positive.
    assert drawn["pictures"][0][0] == pytest.approx(-np.outer(x, y), abs=1e-4)


def test_sublattices_have_a_picture_each_and_hidden_indices_none() -> None:
    values = np.zeros((1, 4, 2, 8, 8))
    values[0, 1, 1, 3, 0] = -2.0  # sublattice B, state 3, cell 0
    drawn = leading_pictures(singular_of("linear", "logits.weight", values), 0, 1, CELLS)
    assert drawn is not None
    assert drawn["panels"] == ["u, sublattice A", "v, sublattice B"]
    assert drawn["axes"] == ["state", "cell"]
    expected = np.zeros((2, 8, 8))
    expected[1, 3, 0] = 1.0
    assert np.abs(drawn["pictures"][0] - expected).max() < 1e-4
    nowhere = singular_of("attention", "block0.mlp0.weight", np.ones((1, 64, 32)))
    assert leading_pictures(nowhere, 0, 1, CELLS) is None


# ------------------------------------------------------------------ masks


@pytest.mark.parametrize("how", MASKS)
@pytest.mark.parametrize("kept", [0, 1, 3, CELLS])
def test_masks_keep_what_they_say(chains: Any, how: str, kept: int) -> None:
    cut = masked(chains, how, kept)
    axis = (0, 2) if how in ("nearest", "farthest") else (0, 1)
    there = np.abs(cut.states.u).sum(axis=axis) > 0
    assert there.sum() == kept
    assert np.array_equal(there, np.abs(cut.states.v).sum(axis=axis) > 0)
    places = np.flatnonzero(there)
    if how == "nearest":
        assert places.tolist() == list(range(kept))
    elif how == "farthest":
        assert places.tolist() == list(range(CELLS - kept, CELLS))
    elif kept and how == "outer":
        distance = np.minimum(np.arange(CELLS), CELLS - 1 - np.arange(CELLS))
        assert distance[there].max() <= distance[~there].min(initial=CELLS)
    elif kept:
        assert places.tolist() == list(range((CELLS - kept) // 2, (CELLS - kept) // 2 + kept))
    whole = masked(chains, how, CELLS)
    assert np.array_equal(whole.states.u, chains.states.u)
    assert np.array_equal(cut.labels, chains.labels)


def test_masks_refuse_what_is_not_there(chains: Any) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'outer'"):
        masked(chains, "outter", 2)
    with pytest.raises(ConfigError, match="0 to 8 of 8"):
        masked(chains, "inner", 9)


# ------------------------------------------------------------------ chunks, members


def test_chunks_are_put_together_and_members_chosen() -> None:
    parts = [
        {"accuracy": {"clean": [0.9, 0.8]}, "weights": [{"ranks": [0, 1], "share": [[1], [2]]}]},
        {"accuracy": {"clean": [0.7]}, "weights": [{"ranks": [0, 1], "share": [[3]]}]},
    ]
    for part, mean in zip(parts, ([1.0, 0.0], [4.0, 3.0]), strict=True):
        part["singular_values"] = mean
    merged = merged_chunks(parts, [2, 1])
    assert merged["accuracy"]["clean"] == [0.9, 0.8, 0.7]
    assert merged["weights"] == [{"ranks": [0, 1], "share": [[1], [2], [3]]}]
    assert merged["singular_values"] == pytest.approx([2.0, 1.0])
    chosen = chosen_members(merged, np.array([True, False, True]))
    assert chosen["accuracy"]["clean"] == [0.9, 0.7]
    assert chosen["weights"] == [{"ranks": [0, 1], "share": [[1], [3]]}]
    assert chosen["singular_values"] == merged["singular_values"]


@pytest.mark.parametrize(
    ("levels", "learned"),
    [
        ([0.95, 0.94, 0.25, None, 0.61], [True, True, False, False, True]),
        ([0.2, 0.25, None], [True, True, False]),
        ([0.24, 0.27, 0.31], [True, True, True]),
        ([None, None], [False, False]),
    ],
)
def test_members_that_learned(levels: list[float | None], learned: list[bool]) -> None:
    assert learned_at_all(levels, 0.25).tolist() == learned


# ------------------------------------------------------------------ the study


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "pruning"
    assert study("pruning", tiny, out, progress=False) == out / "report.html"
    return out


def measured(out: Path) -> Any:
    found = json.loads((out / "results.json").read_text())
    for key in ("seconds", "environment", "command"):
        found.pop(key)
    return found


def test_everything_is_measured(finished: Path) -> None:
    found = measured(finished)
    quartic = found["networks"]["quartic"]
    for how in ("clean", "disorder-1"):
        assert len(quartic["accuracy"][how]) == 3
        assert np.shape(quartic["together"]["accuracy"][how]) == (3, 3)
        # The whole norm of every weight is the network itself.
        whole = np.array(quartic["together"]["accuracy"][how])[:, -1]
        assert whole == pytest.approx(quartic["accuracy"][how])
    weight = quartic["weights"][0]
    assert weight["name"] == "D"
    assert np.shape(weight["accuracy"]) == (3, len(weight["ranks"]))
    assert np.array(weight["accuracy"])[:, -1] == pytest.approx(quartic["accuracy"]["clean"])
    assert np.shape(weight["edge"]["cells"]["share"]) == (3, len(weight["ranks"]) - 1)
    assert np.array(weight["profile"]["x"]["whole"]).sum(axis=1) == pytest.approx(1, abs=1e-3)
    for mask in quartic["masks"].values():
        # The last mask of each family keeps everything.
        assert np.array(mask["accuracy"])[:, -1] == pytest.approx(quartic["accuracy"]["clean"])
    again = quartic["retrained"]
    assert [w["name"] for w in again["weights"]] == [w["name"] for w in quartic["weights"]]
    assert again["weights"][0]["ranks"] == [0, 1, 2, 3, 4]
    assert np.shape(again["together"]["accuracy"]["clean"]) == (3, 2)
    assert "retrained" not in found["networks"]["attention"]
    assert "weights" not in found["networks"]["linear"]["retrained"]
    assert found["networks"]["linear"]["weights"][0]["edge"]["states"]["uniform"] < 0.25
    rows = {(row["network"], row["how"]): row for row in found["masked"]}
    assert set(rows) == {("quartic", "nearest"), ("quartic", "inner")}
    assert np.shape(rows["quartic", "nearest"]["accuracy"]) == (2, 2)


def test_the_numbers_kept_are_counted(finished: Path) -> None:
    linear = measured(finished)["networks"]["linear"]
    weight = linear["weights"][0]
    assert linear["size"] == 2 * 2 * 8 * 8 + 2
    assert (weight["rows"], weight["columns"]) == (2, 128)
    assert np.array(linear["together"]["numbers"])[:, -1].tolist() == [258, 258, 258]


def test_page_and_claims_are_made_from_the_results(finished: Path) -> None:
    report = (finished / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 7
    found = json.loads((finished / "results.json").read_text())
    claims = claims_page({"pruning": found}, "results")
    assert "Study `pruning`: **" in claims
    assert {verdict["claim"] for verdict in found["verdicts"]} == {
        "pruning-edges",
        "shallow-equals-complex",
    }


def test_a_run_without_some_tasks_goes_on_to_the_same(
    finished: Path, tiny: Path, tmp_path: Path
) -> None:
    import shutil

    out = tmp_path / "again"
    shutil.copytree(finished, out)
    for path in sorted((out / "tasks").glob("*.json"))[::3]:
        path.unlink()
    (out / "results.json").unlink()
    study("pruning", tiny, out, workers=1, progress=False)
    assert measured(out) == measured(finished)


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ('shallow = ["quartic"', 'shallow = ["quartc"', UnknownNameError, "'quartic'"),
        ('together = ["quartic"', 'together = ["cnn"', UnknownNameError, "cnn"),
        ("edge = 0.25", "edge = 0.75", ConfigError, "share of the chain at each end"),
        ("shares = [0.5, 0.9, 1.0]", "shares = [0.5, 2]", ConfigError, "in \\(0, 1\\]"),
        ("edge_states", "egde_states", UnknownNameError, "'edge_states'"),
    ],
)
def test_mistakes_in_a_profile(
    tmp_path: Path, old: str, new: str, error: type[Exception], words: str
) -> None:
    assert old in TINY
    path = tmp_path / "bad.toml"
    path.write_text(TINY.replace(old, new, 1))
    with pytest.raises(error, match=words):
        study("pruning", path, tmp_path / "out", progress=False)


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_shipped_profiles_are_complete(name: str) -> None:
    chosen = load_study("pruning")
    profile = read_profile(chosen, name)
    made = chosen.tasks(profile)
    assert {task.config["name"] for task in made} == set(profile["networks"])
    assert len({task.key for task in made}) == len(made)
    if name == "paper":
        assert set(CATALOGUE) <= set(profile["networks"])


# ------------------------------------------------------------------ verdicts follow the numbers


def feature(key: str, low: float, high: float, kind: str = "cells") -> dict[str, Any]:
    part = {"part": "leading singular vector", "weight": "D", "value": (low + high) / 2}
    return {"key": key, "network": key, "kind": kind, "low": low, "high": high, **part}


def rank(key: str, smallest: int | None) -> dict[str, Any]:
    place = {"weight": "D", "rank": smallest, "full": 20}
    return {"key": key, "network": key, "kind": "rank", **place}


@pytest.mark.parametrize(
    ("features", "verdict"),
    [
        ([feature("a", 1.2, 1.4), rank("a", 6)], "supported"),
        ([feature("a", 1.2, 1.4), rank("a", 16)], "not supported"),
        ([feature("a", 1.2, 1.4), rank("a", None)], "not supported"),
        # With retraining, which comes last, it is that rank that counts.
        ([feature("a", 1.2, 1.4), rank("a", 16), rank("a", 6)], "supported"),
        ([feature("a", 0.9, 1.4), rank("a", 6)], "not supported"),
        ([feature("a", 1.2, 1.4), rank("a", 6), feature("b", 0.7, 0.8)], "depends on"),
        # Edge states count where a weight tells states apart.
        (
            [feature("a", 0.7, 0.9), feature("a", 3.0, 4.0, "states"), rank("a", 2)],
            "supported",
        ),
    ],
)
def test_verdict_on_edges(features: list[dict[str, Any]], verdict: str) -> None:
    found = edges_verdict({"a": {}, "b": {}}, features, [])
    assert found[0]["verdict"] == verdict


def test_the_mean_rank_is_not_that_of_the_members_whose_rank_is_known() -> None:
    profile = read_profile(load_study("pruning"), "hour")
    weight = {"name": "D", "rows": 20, "columns": 20}

    def found(members: list[int | None]) -> dict[str, Any]:
        smallest = {"mean": 6, "members": members}
        return rank_finding(profile, "quartic", weight, "retrained", smallest)

    known = found([4, 6])
    assert (known["value"], known["members"]) == (5.0, 2)
    assert known["low"] < 5.0 < known["high"]
    censored = found([4, None, None])
    assert censored["value"] is censored["low"] is censored["high"] is None
    assert (censored["members"], censored["rank"]) == (3, 6)
    assert "2 members need a larger rank" in censored["condition"]


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([(-0.5, 2.0), (3.0, 9.0)], "supported"),
        ([(-5.0, -2.0), (-9.0, -3.0)], "not supported"),
        ([(-0.5, 2.0), (-5.0, 1.0)], "depends on"),
    ],
)
def test_verdict_on_shallow_networks(ends: list[tuple[float, float]], verdict: str) -> None:
    pairs = [
        {
            "network": f"n{k}",
            "name": "pruned − CNN whole, clean",
            "value": sum(end) / 2,
            "low": end[0],
            "high": end[1],
            "kept": 10.0,
        }
        for k, end in enumerate(ends)
    ]
    assert shallow_verdict(pairs)[0]["verdict"] == verdict


def test_data_is_left_alone(chains: Any) -> None:
    before = chains.states.u.copy()
    masked(chains, "inner", 2)
    assert np.array_equal(before, chains.states.u)
    assert replace(chains).info == chains.info
