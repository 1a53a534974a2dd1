"""The catalogue: each formula is equal to dense linear algebra written here, to 1e-12."""

from __future__ import annotations

import inspect
import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import tnlearn as tnl
from tnlearn.errors import UnknownNameError
from tnlearn.models.catalogue import rebuild

CASES = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())["lattices"]
TIGHT = {"rtol": 1e-12, "atol": 1e-12}
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)
ONE = np.eye(2)
SPIN = np.repeat([1.0, -1.0], 2)  # of the four orbitals of a cell, spin first


def hopping_matrix(shape, onsite, hops, periodic=False):
    """A Hamiltonian on a grid of cells: `hops` are (offset, <r + d|H|r>), adjoints added."""
    grid = np.arange(np.prod(shape)).reshape(shape)
    size, orbitals = grid.size, len(onsite)
    H = np.kron(np.eye(size) / 2, onsite).astype(complex)
    for offset, matrix in hops:
        for r in itertools.product(*map(range, shape)):
            to = np.add(r, offset)
            if periodic:
                to = to % shape
            if ((to >= 0) & (to < shape)).all():
                a, b = (np.arange(orbitals) + orbitals * grid[tuple(x)] for x in (to, r))
                H[np.ix_(a, b)] += matrix
    return H + H.conj().T


def positions(shape, orbitals):
    return np.repeat(np.indices(shape).reshape(len(shape), -1), orbitals, axis=1).astype(float)


def qwz(shape, m, spinful=0.0, periodic=False):
    """Qi, Wu, Zhang; with a Rashba coupling two copies, the second time-reversed (BHZ)."""
    x, y = (PAULI[2] / 2 + PAULI[i] / 2j for i in (0, 1))
    onsite = m * PAULI[2]
    if spinful:
        up, down = np.diag([1, 0]), np.diag([0, 1])
        x, y = (np.kron(up, t) + np.kron(down, t.conj()) for t in (x, y))
        x, y = x + spinful * np.kron(PAULI[1], ONE) / 2j, y - spinful * np.kron(PAULI[0], ONE) / 2j
        onsite = np.kron(ONE, onsite)
    return hopping_matrix(shape, onsite, [((1, 0), x), ((0, 1), y)], periodic)


def occupied(H):
    """The lower half of the states, in a basis of no meaning: (1, states, sites), and P."""
    vectors = np.linalg.eigh(H)[1][:, : len(H) // 2]
    rng = np.random.default_rng(len(H))
    turn = np.linalg.qr(rng.normal(size=(2, *[vectors.shape[1]] * 2)).T @ [1, 1j])[0]
    vectors = vectors @ turn
    return vectors.T[None], vectors @ vectors.conj().T


def sectors(x, y, radius):
    angle = np.arctan2(y, x) % (2 * np.pi)
    inside = np.hypot(x, y) <= radius
    return [inside * ((angle // (2 * np.pi / 3)) == k).astype(float) for k in range(3)]


def image(x, size):
    """Minimal images of the differences of coordinates; 0 at the tie."""
    d = (x[:, None] - x + size / 2) % size - size / 2
    return np.where(np.isclose(abs(d), size / 2), 0.0, d)


def test_kitaev_and_marker_give_the_reference_numbers():
    shape = (12, 12)
    x, y = positions(shape, 2)
    inside = (np.minimum(x, 11 - x) >= 3) & (np.minimum(y, 11 - y) >= 3)
    window, cell = inside.astype(float), np.repeat(np.arange(144), 2)
    regions = sectors(x - 5.5, y - 5.5, 4.5)
    kitaev = tnl.invariants["chern-kitaev"].network(*regions, occupied=144)
    marker = tnl.invariants["chern-marker"].network(x, y, window, area=36, occupied=144)
    local = tnl.invariants["chern-local"].network(x, y, cell, area=1.0, occupied=144)
    for case in CASES:
        psi, P = occupied(qwz(shape, case["m"]))
        X, Y = np.diag(x), np.diag(y)
        exact = -4 * np.pi * np.diagonal(P @ X @ P @ Y @ P).imag
        A, B, C = map(np.diag, regions)
        value = kitaev(psi)
        np.testing.assert_allclose(
            value, -24 * np.pi * np.trace(A @ P @ B @ P @ C @ P).imag, **TIGHT
        )
        np.testing.assert_allclose(value, case["kitaev_radius_4_5"], atol=1e-9)
        np.testing.assert_allclose(marker(psi=psi), [exact @ window / 36], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(marker(psi), case["local_marker_mean_trim3"], atol=1e-9)
        field = local({"psi": psi})
        assert field.shape == (1, 144)
        np.testing.assert_allclose(field[0], exact.reshape(144, 2).sum(1), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(field.sum(), 0.0, atol=1e-9)
        np.testing.assert_allclose(kitaev(psi.conj()), -value, **TIGHT)


def test_the_torus_form_is_the_chern_number():
    shape = (8, 8)
    dx, dy = (image(x, 8) for x in positions(shape, 2))
    net = tnl.invariants["chern-torus"].network(dx, dy, area=64, occupied=64)
    for m, chern in ((1.0, 1), (-1.0, -1), (2.5, 0)):
        psi, P = occupied(qwz(shape, m, periodic=True))
        K, J = dx * P, dy * P
        exact = 2j * np.pi * np.trace(P @ (K @ J - J @ K)) / 64
        np.testing.assert_allclose(net(psi), [exact.real], **TIGHT)
        np.testing.assert_allclose(net(psi), chern, atol=5e-3)


def test_the_spin_chern_number_with_rashba_coupling():
    shape = (8, 8)
    x, y = positions(shape, 4)
    window = ((abs(x - 3.5) < 2) & (abs(y - 3.5) < 2)).astype(float)
    spin = np.tile(SPIN, 64)
    net = tnl.invariants["spin-chern"].network(x, y, window, spin, area=16, occupied=128)
    for m, chern in ((1.0, 1), (2.6, 0)):
        psi, P = occupied(qwz(shape, m, spinful=0.3))
        S = P @ np.diag(spin) @ P
        for _ in range(3):
            S = S @ (3 * P - S @ S) / 2
        up = (P + S) / 2
        exact = -4 * np.pi / 16 * np.trace(np.diag(window) @ up @ np.diag(x) @ up @ np.diag(y) @ up)
        np.testing.assert_allclose(net(psi), [exact.imag], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(net(psi), chern, atol=0.1)
    assert net.cost(1).shared < 12 * 2 * 256**3  # P, S, three times S² and S³, three of P+


def chiral_3d(size, m, periodic=False):
    """The block of h(k) = Σ sin k_i σ_i − i (m + Σ cos k_i)."""
    steps = np.eye(3, dtype=int)
    h = sum(
        hops_3d(size, sign * step, sign * 0.5j * PAULI[i] - 0.5j * ONE, periodic)
        for i, step in enumerate(steps)
        for sign in (1, -1)
    )
    return h - 1j * m * np.eye(len(h))


def hops_3d(size, offset, matrix, periodic):
    lines = [np.roll(np.eye(size), n, axis=0) for n in offset]
    if not periodic:
        lines = [np.eye(size, k=-n) for n in offset]
    return np.kron(np.kron(np.kron(*lines[:2]), lines[2]), matrix)


def winding_3d(U, window, volume):
    signed = ((np.linalg.det(np.eye(3)[list(p)]), p) for p in itertools.permutations(range(3)))
    total = sum(s * np.trace(np.diag(window) @ U[i] @ U[j] @ U[k]) for s, (i, j, k) in signed)
    return (1j * np.pi / 3 * total / volume).real


@pytest.mark.parametrize("periodic", [False, True], ids=["open", "torus"])
def test_the_winding_number_of_three_dimensions(periodic):
    size = 4
    x = positions((size,) * 3, 2)
    sites = x.shape[1]
    inside = (np.minimum(x, size - 1 - x).min(0) >= 1) & (x[2] < 2)
    window = np.ones(sites) if periodic else inside.astype(float)
    d = [image(row, size) if periodic else row[:, None] - row for row in x]
    start = time.process_time()
    if periodic:
        net = tnl.invariants["winding-3d-torus"].network(d, volume=size**3)
    else:
        net = tnl.invariants["winding-3d"].network(x, window, volume=4)
    assert net.cost(1).shared < (7.3 if not periodic else 11) * 2 * sites**3
    assert time.process_time() - start < 1.0
    for m in (0.0, 2.0):
        h = chiral_3d(size, m, periodic) + 0.01 * np.diag(np.arange(sites))
        states = tnl.states(h[None], kind="block")
        a, _, b = np.linalg.svd(h)
        U = [(a @ b).conj().T @ (shift * (a @ b)) for shift in d]
        exact = winding_3d(U, window, size**3 if periodic else 4)
        np.testing.assert_allclose(net(states), [exact], rtol=1e-11, atol=1e-11)
    if periodic:
        h = chiral_3d(6, 2.0, True)
        shifts = [image(row, 6) for row in positions((6,) * 3, 2)]
        a, _, b = np.linalg.svd(h)
        U = [(a @ b).conj().T @ (shift * (a @ b)) for shift in shifts]
        np.testing.assert_allclose(winding_3d(U, np.ones(432), 216), 1.0, atol=3e-2)


CHAIN = tnl.ssh(10, 0.5, 1.0, disorder_intra=0.6, samples=4, seed=1)
X10 = np.arange(10.0)
WINDOW = ((X10 >= 2) & (X10 < 7)).astype(float)


@pytest.mark.parametrize(
    ("name", "arrays", "exact"),
    [
        ("winding", (X10, WINDOW), lambda c: c @ WINDOW / 5),
        ("winding-operator", (X10, WINDOW), lambda c: c @ WINDOW / 5),
        ("winding-quartic", ((X10[:, None] - X10) * WINDOW / 5,), lambda c: c @ WINDOW / 5),
        ("local-winding", (X10[:, None] - X10,), lambda c: c),
        ("kitaev-chain", (X10, WINDOW), lambda c: c @ WINDOW / 5),
        ("winding-ring", (image(X10, 10),), None),
    ],
)
def test_chains(name, arrays, exact):
    h = CHAIN.block()
    a, _, b = np.linalg.svd(h)
    q = a @ b
    value = tnl.invariants[name].network(*arrays)(CHAIN)
    if exact is None:
        expected = np.einsum("xy,sxy->s", image(X10, 10), abs(q) ** 2) / 10
    else:
        expected = exact(np.einsum("xy,sxy->sy", X10[:, None] - X10, abs(q) ** 2))
    np.testing.assert_allclose(value, expected, **TIGHT)


def test_quantities_of_the_edges():
    chain = tnl.ssh(30, 0.3, 1.0)  # W = 1: the last pair of energies is the edge modes
    u, v = chain.states().u, chain.states().v
    left = (np.arange(30) < 3).astype(float)
    lowest = (chain.states().energies[0] < 1e-6).astype(float)
    edge = tnl.invariants["edge-weight"].network(left, left[::-1], lowest)
    n = int(np.flatnonzero(lowest)[0])
    exact = (u[0, n, :3] ** 2).sum() / 2 + (v[0, n, -3:] ** 2).sum() / 2
    np.testing.assert_allclose(edge(chain), [exact], **TIGHT)
    assert exact > 0.99
    gapped = np.flatnonzero(lowest == 0)
    polarisation = tnl.invariants["chiral-polarisation"].network(np.arange(30.0), 29)
    value = polarisation(u[:, gapped], v[:, gapped])
    exact = (u[0, gapped] ** 2 - v[0, gapped] ** 2).sum(0) @ np.arange(30) / 30
    np.testing.assert_allclose(value, [exact], **TIGHT)
    np.testing.assert_allclose(abs(value), 1.0, atol=0.1)
    psi = np.concatenate([u[:, gapped], -v[:, gapped]], axis=2) / np.sqrt(2)
    sites = np.tile(np.arange(30) - 14.5, 2)
    dipole = tnl.invariants["dipole"].network(sites, 29)
    np.testing.assert_allclose(dipole(psi), np.einsum("snx,x->s", psi**2, sites) / 60, atol=1e-12)


@pytest.mark.parametrize(("mu", "pairing", "winding"), [(0.5, 1, -1), (0.5, -1, 1), (3.0, 1, 0)])
def test_the_kitaev_chain(mu, pairing, winding):
    h = (
        np.diag(np.full(20, -mu))
        + np.eye(20, k=-1) * (pairing - 1)
        - np.eye(20, k=1) * (pairing + 1)
    )
    window = ((np.arange(20) >= 5) & (np.arange(20) < 15)).astype(float)
    net = tnl.invariants["kitaev-chain"].network(np.arange(20.0), window)
    np.testing.assert_allclose(net(tnl.states(h[None], kind="block")), winding, atol=2e-3)


ARRAYS = {
    "positions": np.arange(8.0),
    "displacements": np.arange(8.0)[:, None] - np.arange(8.0),
    "D": np.ones((8, 8)),
    "cell": np.arange(8) // 2,
    "dx": np.arange(8.0)[:, None] - np.arange(8.0),
    "dy": np.cos(np.arange(8.0))[:, None] - np.cos(np.arange(8.0)),
    "occupied": 3,
    "states": 3,
    "area": 2.0,
    "volume": 2.0,
}


@pytest.mark.parametrize("name", tnl.invariants)
def test_every_entry_is_short_drawn_described_and_differentiable(name, tmp_path):
    entry = tnl.invariants[name]
    lines = inspect.getsource(entry.write).split('"""')[2].strip().splitlines()
    assert len(lines) <= 7  # a loop's head apart, six
    assert entry.symmetry
    assert entry.reference
    assert name in str(entry)
    assert name in repr(tnl.invariants)
    wanted = inspect.signature(entry.write).parameters
    rng = np.random.default_rng(0)
    arrays = {key: ARRAYS[key] if key in ARRAYS else rng.random(8) for key in wanted}
    if entry.dimension == 3:
        key = next(iter(arrays))
        arrays[key] = np.array([rng.random(np.shape(arrays[key])) for _ in range(3)])
    net = entry.network(**arrays)
    assert net.to_html(tmp_path / "net.html").stat().st_size > 10_000
    net.draw_tree(tmp_path / "tree.svg")
    inputs = {n: 0.3 * rng.normal(size=(2, *x.shape[1:])) for n, x in net.inputs.items()}
    if not any(node.hermitian and node.operands for node in net.nodes.values()):
        np.testing.assert_array_equal(rebuild(net.describe())(inputs), net(inputs))
    complex_ = {n: torch.as_tensor(x + 0.3j * x[::-1]) for n, x in inputs.items()}
    free = next(n for n, x in net.nodes.items() if x.kind == "constant")
    free = net.trainable(free, channels=2) if len(net.output_shape) == 1 else net
    module = free.module(dtype="float64", complex=True)
    sample = {n: x.requires_grad_() for n, x in complex_.items()}
    module(sample).square().sum().backward()
    assert all(x.grad.abs().max() > 0 for x in (*sample.values(), *module.parameters()))


def test_names_of_the_catalogue():
    assert "chern-kitaev" in tnl.invariants
    assert "kitaev" not in tnl.invariants
    assert len(tnl.invariants) == len(list(tnl.invariants))
    with pytest.raises(UnknownNameError, match="did you mean 'chern-marker'"):
        tnl.invariants["chern-maker"]
