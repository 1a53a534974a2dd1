"""Training on chains of several lengths at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes_training import assert_same

import tnlearn as tnl
from tnlearn.data.dataset import joined
from tnlearn.errors import CheckpointError, ConfigError, ShapeError
from tnlearn.networks import formula

LENGTHS = (8, 12, 15)


def chains(cells: int, samples: int = 120, seed: int = 1, name: str = "extended") -> Any:
    return tnl.dataset(name, cells=cells, samples=samples, seed=seed)


@pytest.fixture(scope="module")
def data() -> list[Any]:
    return [chains(cells) for cells in LENGTHS]


@pytest.fixture(scope="module")
def held() -> list[Any]:
    return [chains(cells, 60, 2) for cells in (10, 20)]


def network(cells: int = 10, **how: Any) -> Any:
    how = {"structure": "position", "channels": 3, "init": tnl.init.normal(0.1), **how}
    return tnl.rswn(cells).trainable("D", **how).head(classes=4, hidden=(7,))


def fit(net: Any, data: Any, held: Any = None, **options: Any) -> Any:
    options = {"members": 2, "epochs": 2, "batch_size": 32, "progress": False, **options}
    return tnl.fit(net, data, held, **options)


def test_it_learns_all_lengths_and_applies_to_others(data: Any, held: Any) -> None:
    fitted = fit(network(), data, held, epochs=30, lr=0.03)
    assert fitted.history["loss"][:, -1].max() < 0.5 * fitted.history["loss"][:, 0].min()
    tests = [chains(cells, 100, 3) for cells in (9, 12, 30)]
    assert all(fitted.resize(x.states.u.shape[-1]).accuracy(x).mean() > 0.75 for x in tests)
    merged = np.concatenate(
        [fitted.resize(c).accuracy(x) for c, x in zip((10, 20), held, strict=True)]
    )
    assert np.allclose(
        merged.reshape(2, 2).mean(0), fitted.history["validation_accuracy"][:, -1], atol=1e-12
    )


def test_the_length_the_network_is_given_at_does_not_matter(data: Any) -> None:
    one, other = fit(network(10), data), fit(network(31), data)
    assert_same(one, other)
    test = chains(14, 50, 4)
    assert np.array_equal(one.resize(14).predict(test), other.resize(14).predict(test))


def test_a_list_of_one_is_that_data_set(held: Any) -> None:
    data = chains(10)
    assert_same(fit(network(), [data], held[0]), fit(network(), data, held[0]))


def test_two_halves_are_the_whole() -> None:
    halves = [chains(10, 256), tnl.dataset("extended", cells=10, samples=256, seed=1, start=256)]
    assert_same(fit(network(), halves), fit(network(), joined(halves)))


def test_members_are_independent_to_the_last_bit(data: Any, held: Any) -> None:
    options = {"lr": 3e-3, "batch_size": 37, "epochs": 2}
    whole = fit(network(), data, held, members=5, **options)
    for offset, members in [(0, 1), (3, 2)]:
        part = fit(network(), data, held, members=members, member_offset=offset, **options)
        assert_same(whole, part, slice(offset, offset + members))
        logits = whole.predict(held[0])[offset : offset + members]
        assert np.array_equal(part.predict(held[0]), logits)


def test_checkpoint_and_file_name_every_part(data: Any, held: Any, tmp_path: Path) -> None:
    plain = fit(network(), data, held)
    again = [fit(network(), data, held, checkpoint=tmp_path / "run") for _ in range(2)]
    for one in again:
        assert_same(plain, one)
    record = plain.config["data"]
    assert record["classes"] == [-1, 0, 1, 2]
    assert [part["info"]["cells"] for part in record["parts"]] == list(LENGTHS)
    assert len({part["sha256"] for part in record["parts"]}) == len(LENGTHS)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit(network(), data[:2], held, checkpoint=tmp_path / "run")
    plain.save(tmp_path / "x.npz")
    loaded = tnl.load(tmp_path / "x.npz")
    assert loaded.config == plain.config
    assert np.array_equal(loaded.resize(12).predict(data[1]), plain.resize(12).predict(data[1]))


def test_real_and_complex_chains_together(data: Any) -> None:
    fitted = fit(network(), [data[0], chains(9, name="complex")])
    assert fitted.config["training"]["complex"]
    assert np.isfinite(fitted.resize(8).predict(data[0])).all()


FIXED = {
    "a dense node": (lambda: tnl.rswn(10).trainable("D").head(4), "parameter 'D' has shapes"),
    "a function after the node": (
        lambda: tnl.rswn(10, "operator").trainable("X", structure="position").head(4),
        "folded to shapes",
    ),
    "a baseline": (lambda: tnl.baseline("mlp", cells=10, classes=4), "parameter"),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_network_that_knows_its_length_is_refused(name: str, data: Any) -> None:
    build, message = FIXED[name]
    with pytest.raises(ConfigError, match=f"of 8 and of 12 cells at once.*{message}"):
        fit(build(), data)


def test_constants_after_the_trained_node_may_not_depend_on_the_length(data: Any) -> None:
    free = tnl.rswn(10).trainable("D", structure="position")
    fitted = fit(free.head(classes=(-1, 0, 1, 2), kind="rounding"), data)
    assert fitted.accuracy(chains(10)).shape == (2,)  # the head's constants are the same for all
    X = [tnl.rswn(c, "operator").trainable("X", structure="position") for c in (8, 8, 12)]
    one, same, other = (net.compile(members=1).step_identity() for net in X)
    assert one == same
    assert one[1] != other[1]


@pytest.mark.parametrize(
    ("error", "match", "change"),
    [
        (ConfigError, "data is an empty list", {"data": []}),
        (ConfigError, r"data\[1\] must be a data set", {"data": [chains(8), "extended"]}),
        (ConfigError, r"data\[1\] has classes", {"data": [chains(8), chains(8, name="ssh")]}),
        (ConfigError, r"validation\[1\] has", {"held": [chains(8), chains(8, name="ssh")]}),
        (ShapeError, "validation has", {"net": network(8), "data": chains(8), "held": chains(10)}),
        (
            ConfigError,
            r"for 12 cells that\s+fails: only networks made by",
            {"net": formula.Tr(formula.states(8)[0] @ formula.states(8)[1].H).network().head(4)},
        ),
    ],
)
def test_wrong_lists(data: Any, error: type[Exception], match: str, change: Any) -> None:
    with pytest.raises(error, match=match):
        fit(**{"net": network(), "data": data, **change})
