"""Chains with two orbitals per sublattice and cell: four bands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.data.recipes import recipe_for

CELLS = 7


def chains(disorder: float = 0.0, samples: int = 20, **how: Any) -> Any:
    return tnl.dataset("multiband", CELLS, samples, disorder, 3, dtype="float64", **how)


def hopping_matrices(h: Any, y: int) -> dict[int, Any]:
    """T_m of cell y, read off an open block with two orbitals a cell."""
    return {m: h[2 * (y + m) : 2 * (y + m) + 2, 2 * y : 2 * y + 2] for m in (-1, 0, 1)}


def test_clean_labels_are_windings_of_the_determinant() -> None:
    data = chains()
    assert data.classes == (-2, -1, 0, 1, 2)
    assert data.states.u.shape == (20, 2 * CELLS, 2 * CELLS)
    assert np.array_equal(np.bincount(data.labels), [4] * 5)
    k = np.linspace(0, 2 * np.pi, 4001)
    for h, winding in zip(data.chains.block(), data.windings, strict=True):
        T = hopping_matrices(h, 3)
        det = np.linalg.det(sum(T[m] * np.exp(1j * m * k)[:, None, None] for m in T))
        turns = np.angle(det[1:] / det[:-1]).sum() / (2 * np.pi)
        assert abs(turns - winding) < 1e-6


def test_the_block_is_made_of_cells() -> None:
    data = chains()
    h = data.chains.block()
    for y in range(1, CELLS - 1):
        for m, T in hopping_matrices(h[0], y).items():
            assert np.array_equal(T, hopping_matrices(h[0], 3)[m])
            assert (np.abs(T.real) < 1).all()
            assert (np.abs(T.imag) < 1).all()
    cell = np.arange(2 * CELLS) // 2
    far = np.abs(cell[:, None] - cell[None, :]) > 1
    assert not h[:, far].any()
    assert recipe_for("multiband").pair_offsets == data.chains.offsets == (-3, -2, -1, 0, 1, 2, 3)


@pytest.mark.parametrize("disorder", [0.0, 1.0])
def test_disordered_labels_and_single_samples(disorder: float) -> None:
    data = chains(disorder)
    for method in ("lyapunov", "twist"):
        assert np.array_equal(tnl.winding(data.chains, method).integer, data.windings)
    part = chains(disorder, 4, start=11)
    assert np.array_equal(part.states.u, data.states.u[11:15])
    assert np.array_equal(part.windings, data.windings[11:15])


def test_disorder_is_real_uniform_and_on_every_bond() -> None:
    data = tnl.dataset("multiband", 40, 30, 0.5, 3, dtype="float64")
    # T_-1[0, 1] and T_1[1, 0], the elements whose pairs of orbitals are farthest apart
    for m, column in ((-3, 1), (3, 0)):
        hopping = data.chains.hoppings[m]
        assert not hopping[:, 1 - column :: 2].any()
        bond = hopping[:, column::2]
        spread = np.ptp(bond.real, axis=1)
        assert (spread < 0.5).all()
        assert (spread > 0.35).all()
        assert np.ptp(bond.imag, axis=1).max() < 1e-12


@pytest.mark.parametrize("how", ["ring", "gauge", "size-2x", "edge-cell", "edge-removed"])
def test_shifts(how: str) -> None:
    data = chains(0.3)
    found = tnl.shift(how, data, seed=4)
    clear = ~found.ambiguous
    own = tnl.winding(found.chains, "lyapunov").integer
    assert np.array_equal(own[clear], found.windings[clear])
    cells = {"size-2x": 2 * CELLS, "edge-removed": CELLS - 1}.get(how, CELLS)
    assert found.info["cells"] == cells
    assert found.states.cells == found.chains.cells == 2 * cells


def test_a_file_holds_them(tmp_path: Path) -> None:
    data = chains(0.5, labels="all")
    assert "momentum" not in data.kinds  # no cell of one pair repeats
    with data.save(tmp_path / "a.h5", chunk=7) as stored:
        assert np.array_equal(stored[:].states.u, data.states.u)
        assert stored.info == data.info
        assert stored[:].chains.offsets == data.chains.offsets


def test_a_network_takes_a_pair_of_orbitals_for_a_cell() -> None:
    data = chains()
    ring = data.chains.with_boundary("periodic")
    exact = tnl.rswn(2 * CELLS, boundary="periodic")(ring.states())
    assert np.allclose(exact, tnl.winding(ring, "rswn").value, atol=1e-10)
    net = tnl.rswn(CELLS).trainable(
        "D", structure="position", channels=2, init=tnl.init.normal(0.1)
    )
    options: dict[str, Any] = {"members": 2, "epochs": 1, "progress": False}
    fitted = tnl.fit(net.head(5), [data, tnl.dataset("multiband", 5, 20)], **options)
    assert fitted.resize(2 * CELLS).accuracy(data).shape == (2,)
    real = tnl.fit(net.head(4), [tnl.dataset("extended", n, 20) for n in (8, 9)], **options)
    assert not real.config["training"]["complex"]
    logits = real.resize(2 * CELLS).predict(data)
    assert logits.shape == (2, 20, 4)
    assert np.isfinite(logits).all()
    unknown = data[data.windings == -2]
    assert (real.resize(2 * CELLS).accuracy(unknown) == 0).all()
