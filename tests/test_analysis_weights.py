"""Weights as matrices: cut to low rank, trained on at that rank, placed in the chain; masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.analysis.masks import MASKS, masked
from tnlearn.analysis.places import (
    cell_positions,
    edge_entries,
    leading_vectors,
    outer,
    share_of,
)
from tnlearn.analysis.retraining import retrained
from tnlearn.analysis.weights import (
    Singular,
    Weight,
    kept_numbers,
    rank_grid,
    ranks_for_share,
    singular,
    smallest_rank,
    weights_of,
    with_parameters,
)
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.profile import catalogue
from tnlearn.models.catalogue import build_network

CATALOGUE: dict[str, Any] = catalogue()
CELLS = 8


@pytest.fixture(scope="module")
def chains() -> Any:
    return tnl.dataset("ssh", cells=CELLS, samples=256, seed=1)


@pytest.fixture(scope="module")
def fitted(chains: Any) -> Any:
    net = tnl.rswn(CELLS).trainable("D", channels=2, init=tnl.init.normal(0.1))
    net = net.head(classes=2, hidden=(5,))
    return tnl.fit(net, chains, members=3, epochs=6, batch_size=32, lr=0.03, progress=False)


@pytest.fixture(scope="module")
def parts(fitted: Any) -> Any:
    """The singular values and vectors of its D."""
    return singular(fitted, next(w for w in weights_of(fitted.net) if w.name == "D"))


# ------------------------------------------------------------------ weights as matrices


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_weight_of_every_network_is_read_as_matrices(name: str) -> None:
    net = build_network(CATALOGUE[name], CELLS, 4)
    weights = weights_of(net)
    rng = np.random.default_rng(0)
    for weight in weights:
        values = rng.normal(size=(2, *weight.shape))
        assert np.array_equal(weight.node(weight.matrices(values)), values)
        assert weight.copies * weight.rows * weight.columns == np.prod(weight.shape)
    biases = [n for n in net.parameters if n.endswith(".bias")]
    assert sorted([w.name for w in weights] + biases) == sorted(net.parameters)


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
    weight = weight_of(network, node)
    assert (weight.copies, weight.rows, weight.columns) == matrices


def weight_of(network: str, node: str) -> Weight:
    weights = weights_of(build_network(CATALOGUE[network], CELLS, 4))
    return {weight.name: weight for weight in weights}[node]


def singular_of(network: str, node: str, values: np.ndarray) -> Singular:
    weight = weight_of(network, node)
    return Singular(weight, *np.linalg.svd(weight.matrices(values), full_matrices=False))


def test_a_truncation_is_the_nearest_matrix_of_its_rank() -> None:
    values = np.random.default_rng(1).normal(size=(2, 4, 8, 8))
    parts = singular_of("quartic", "D", values)
    assert parts.truncated(8) == pytest.approx(values)
    assert not parts.truncated(0).any()
    for rank in (1, 3, 7):
        cut = parts.truncated(rank)
        assert (np.linalg.matrix_rank(cut) == rank).all()
        # Eckart and Young: what is lost are the squares of the singular values left out.
        lost = ((values - cut) ** 2).sum(axis=(-1, -2))
        assert lost == pytest.approx((parts.values[..., rank:] ** 2).sum(axis=-1))
    ranks = np.array([[1, 2, 3, 4], [0, 8, 5, 2]])
    assert (np.linalg.matrix_rank(parts.truncated(ranks)) == ranks).all()


def test_ranks_that_keep_a_share_of_the_norm() -> None:
    values = np.array([[[3.0, 2.0, 1.0]], [[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]])
    assert ranks_for_share(values, 9 / 14).tolist() == [[1], [1], [0]]
    assert ranks_for_share(values, 9.001 / 14).tolist() == [[2], [1], [0]]
    # The whole norm is the whole rank, but for what is zero.
    assert ranks_for_share(values, 1.0).tolist() == [[3], [1], [0]]


def test_numbers_kept_are_those_of_the_factors_or_of_the_matrix() -> None:
    weight = weight_of("quartic", "D")
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


def test_a_cut_that_keeps_all_is_the_network_itself(fitted: Any, parts: Any, chains: Any) -> None:
    whole = with_parameters(fitted, {"D": parts.truncated(CELLS)})
    assert whole.accuracy(chains) == pytest.approx(fitted.accuracy(chains))
    assert parts.relative(1) == pytest.approx(1.0)
    ratio = parts.values[..., 2] / parts.values[..., 0]
    assert parts.relative(3) == pytest.approx(ratio.mean(axis=1))


# ------------------------------------------------------------------ training on at a rank


def test_the_rank_is_kept_while_everything_trains(fitted: Any, parts: Any, chains: Any) -> None:
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
    cut = with_parameters(fitted, {"D": parts.truncated(1)})
    assert (ends[1].log_loss(chains) < cut.log_loss(chains)).all()


def test_a_rate_of_almost_nothing_leaves_the_truncated_network(fitted: Any, chains: Any) -> None:
    ranks = {"D": np.array([[1, 2], [3, 4], [8, 0]]), "head.0.weight": np.full((3, 1), 1)}
    end = retrained(fitted, [ranks], chains, epochs=1, lr=1e-12)[0]
    for weight in weights_of(fitted.net):
        if weight.name in ranks:
            expected = singular(fitted, weight).truncated(ranks[weight.name])
        else:
            expected = fitted.parameters[weight.name]
        assert end.parameters[weight.name] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["position", "operator", "cnn", "attention"])
def test_a_network_of_factors_is_the_same_network(name: str, chains: Any) -> None:
    net = build_network(CATALOGUE[name], CELLS, 2)
    fitted = tnl.fit(net, chains[:32], members=2, epochs=1, batch_size=16, lr=0.01, progress=False)
    whole = {w.name: np.full((2, w.copies), w.rank) for w in weights_of(net)}
    end = retrained(fitted, [whole], chains[:32], epochs=1, lr=1e-12)[0]
    assert end.predict(chains) == pytest.approx(fitted.predict(chains), abs=1e-4)


def test_what_is_retrained_does_not_depend_on_the_chunk(fitted: Any, chains: Any) -> None:
    cuts = [{"D": np.full((3, 2), rank)} for rank in (1, 3)] + [{}]
    ends = retrained(fitted, cuts, chains, epochs=1, lr=0.01)
    settings = {"epochs": 6, "batch_size": 32, "lr": 0.03, "progress": False}
    last = tnl.fit(fitted.net, chains, members=1, member_offset=2, **settings)
    alone = retrained(last, [{n: r[2:] for n, r in cut.items()} for cut in cuts], chains,
                      epochs=1, lr=0.01)  # fmt: skip
    for end, one in zip(ends, alone, strict=True):
        for name, values in one.parameters.items():
            assert end.parameters[name][2:] == pytest.approx(values, abs=1e-5)
    # A cut that names nothing trains the whole weight.
    assert (np.linalg.matrix_rank(ends[2].parameters["D"], tol=1e-4) == CELLS).all()


def test_a_member_that_diverges_is_marked(fitted: Any, chains: Any) -> None:
    values = fitted.parameters["D"].copy()
    values[1] = 1e38
    (end,) = retrained(with_parameters(fitted, {"D": values}), [{}], chains, epochs=1, lr=0.01)
    # Epochs go on from those of the first training.
    assert end.failed.tolist() == [-1, 6, -1]
    assert (fitted.failed < 0).all()
    (healthy,) = retrained(fitted, [{}], chains, epochs=1, lr=0.01)
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
    weight = weight_of("quartic", "D")
    there = edge_entries(weight, CELLS, 0.25)
    assert there.mean() == 0.25
    corner, bulk = np.zeros((1, 4, 8, 8)), np.zeros((1, 4, 8, 8))
    corner[0, 0, 0, 7], bulk[0, 1, 0, 4] = -2.0, 3.0
    everything = np.concatenate([corner, bulk, np.ones((1, 4, 8, 8)), np.zeros((1, 4, 8, 8))])
    shares = share_of(there, everything)
    assert shares[:3].tolist() == [1.0, 0.0, 0.25]
    assert np.isnan(shares[3])


def test_edge_states_are_near_zero_and_in_outer_cells() -> None:
    weight = weight_of("linear", "logits.weight")
    there = edge_entries(weight, CELLS, 0.25, states=2)
    rows, columns = np.nonzero(np.broadcast_to(there, weight.shape)[0, 0])
    assert set(rows) == {0, 1}
    assert set(columns) == {0, 1, 6, 7}


def test_a_leading_vector_is_drawn_where_it_is() -> None:
    x, y = np.zeros(8), np.zeros(8)
    x[7], y[:2] = -1.0, [0.6, 0.8]
    values = np.zeros((1, 4, 8, 8))
    values[0, 2] = 5.0 * np.outer(x, y)
    first, second, third = leading_vectors(singular_of("quartic", "D", values), 0, 3, CELLS)
    assert (first.number, first.panel, first.axes) == (1, "", ("cell x", "cell y"))
    assert (first.share, second.share, third.number) == (pytest.approx(1.0), 0.0, 3)
    # The sign is free: the largest entry is made positive.
    assert first.values == pytest.approx(-np.outer(x, y))


def test_sublattices_have_a_picture_each_and_hidden_indices_none() -> None:
    values = np.zeros((1, 4, 2, 8, 8))
    values[0, 1, 1, 3, 0] = -2.0  # sublattice B, state 3, cell 0
    u, v = leading_vectors(singular_of("linear", "logits.weight", values), 0, 1, CELLS)
    assert (u.panel, v.panel) == ("u, sublattice A", "v, sublattice B")
    assert u.axes == v.axes == ("state", "cell")
    expected = np.zeros((2, 8, 8))
    expected[1, 3, 0] = 1.0
    assert np.stack([u.values, v.values]) == pytest.approx(expected)
    nowhere = singular_of("attention", "block0.mlp0.weight", np.ones((1, 64, 32)))
    assert not list(leading_vectors(nowhere, 0, 1, CELLS))


# ------------------------------------------------------------------ masks


@pytest.mark.parametrize(
    ("how", "places"),
    [
        *[("nearest", []), ("nearest", [0]), ("nearest", [0, 1, 2])],
        *[("farthest", []), ("farthest", [7]), ("farthest", [5, 6, 7])],
        *[("outer", []), ("outer", [0]), ("outer", [0, 1, 7]), ("outer", [0, 1, 6, 7])],
        *[("inner", []), ("inner", [3]), ("inner", [2, 3, 4]), ("inner", [2, 3, 4, 5])],
        *[(how, [*range(CELLS)]) for how in MASKS],
    ],
)
def test_masks_keep_what_they_say(chains: Any, how: str, places: list[int]) -> None:
    cut = masked(chains, how, len(places))
    axis = (0, 2) if how in ("nearest", "farthest") else (0, 1)
    for before, after in ((chains.states.u, cut.states.u), (chains.states.v, cut.states.v)):
        assert np.flatnonzero(np.abs(after).sum(axis=axis)).tolist() == places
        assert np.array_equal(after[after != 0], before[after != 0])
    assert np.array_equal(cut.labels, chains.labels)


def test_masks_refuse_what_is_not_there(chains: Any) -> None:
    for how, error, words in (("outter", UnknownNameError, "did you mean 'outer'"),
                              ("inner", ConfigError, "0 to 8 of 8")):  # fmt: skip
        with pytest.raises(error, match=words):
            masked(chains, how, 9)
