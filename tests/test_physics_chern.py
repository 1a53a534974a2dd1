"""Lattices, models on them, and their Chern numbers, against formulas and independent numbers."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import tnlearn as tnl
from tnlearn.errors import ConfigError, ShapeError, TnlearnError, UnknownNameError
from tnlearn.physics.inertia import elimination

SQUARE = tnl.lattice("square", (12, 12))
HONEYCOMB = tnl.lattice("honeycomb", (10, 10))
METHODS = ("localizer", "marker", "kitaev", "bott", "fhs")
SIGMA = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def qwz_number(m, v, t):
    """−½ sign(v_x v_y) Σ ab sign(m + a t_x + b t_y)."""
    signs = [(a * b) * np.sign(m + a * t[0] + b * t[1]) for a in (1, -1) for b in (1, -1)]
    return -0.5 * np.sign(v[0] * v[1]) * sum(signs)


# ------------------------------------------------------------------ lattices and models


@pytest.mark.parametrize(
    ("kind", "shape", "cells"),
    [("square", "L", 75), ("square", "ring", 84), ("square", "disc", 80)],
)
def test_shapes(kind, shape, cells):
    place = tnl.lattice(kind, (10, 10), shape=shape)
    assert place.cells == cells == place.mask.sum()
    assert place.sites == len(place.positions) == cells
    assert place.depth.min() >= 0.5 - 1e-12
    assert place.window(0.5)[np.argmax(place.depth)]


def test_depth_and_sectors_of_a_square():
    assert SQUARE.depth.max() == 5.5
    assert SQUARE.window(0.5).sum() == 36  # depth 3.5 and more
    assert np.allclose(SQUARE.centre, 5.5)
    parts = SQUARE.sectors(0.75)
    assert np.isin(sum(parts), (0, 1)).all()
    # Counter-clockwise: the middle of each third lies 120 degrees after the one before it.
    angles = [np.angle(((SQUARE.positions[p > 0] - 5.5) @ [1, 1j]).sum()) for p in parts]
    assert np.allclose(np.mod(np.diff(angles), 2 * np.pi), 2 * np.pi / 3, atol=0.1)


def test_a_torus_has_no_surface():
    place = tnl.lattice("square", (6, 6), boundary="torus")
    assert np.isinf(place.depth).all()
    assert place.window(0.5).all()
    cylinder = tnl.lattice("square", (6, 5), boundary="cylinder")
    assert np.allclose(cylinder.depth.reshape(6, 5), [0.5, 1.5, 2.5, 1.5, 0.5])


def test_qwz_on_a_torus_has_the_energies_of_its_formula():
    v, t, m = (1.0, -1.2), (0.8, 1.1), 0.7
    samples = tnl.qwz(tnl.lattice("square", (5, 6), boundary="torus"), m, v, t)
    kx, ky = np.meshgrid(2 * np.pi * np.arange(5) / 5, 2 * np.pi * np.arange(6) / 6)
    d = (v[0] * np.sin(kx), v[1] * np.sin(ky), m + t[0] * np.cos(kx) + t[1] * np.cos(ky))
    size = np.sqrt(sum(x**2 for x in d)).ravel()
    energies = samples.states().energies[0]
    assert np.allclose(energies, np.sort(np.concatenate([-size, size])), atol=1e-13)


def test_haldane_on_a_torus_has_the_energies_of_its_formula():
    m, t2, phi = 0.3, 0.2, 0.7
    place = tnl.lattice("honeycomb", (4, 5), boundary="torus")
    k1, k2 = np.meshgrid(2 * np.pi * np.arange(4) / 4, 2 * np.pi * np.arange(5) / 5)
    around = [k1, k2 - k1, -k2]
    f = abs(1 + np.exp(-1j * k1) + np.exp(-1j * k2))
    even = 2 * t2 * np.cos(phi) * sum(np.cos(k) for k in around)
    odd = m + 2 * t2 * np.sin(phi) * sum(np.sin(k) for k in around)
    size = np.sqrt(f**2 + odd**2)
    expected = np.sort(np.concatenate([(even - size).ravel(), (even + size).ravel()]))
    energies = tnl.haldane(place, m, t2, phi).states().energies[0]
    assert np.allclose(energies, expected, atol=1e-13)


@pytest.mark.parametrize("boundary", ["open", "cylinder", "torus"])
def test_every_plaquette_holds_the_same_flux(boundary):
    place = tnl.lattice("square", (4, 6), boundary=boundary)
    hops = {(1, 0): [[1.0]], (0, 1): [[1.0]]}
    h = tnl.tight_binding(place, [[0.0]], hops, flux=1 / 8).hamiltonian()[0]
    wide, high = 4 if boundary != "open" else 3, 6 if boundary == "torus" else 5
    for i in range(wide):
        for j in range(high):
            ring = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1), (i, j)]
            numbers = [(a % 4) * 6 + b % 6 for a, b in ring]
            product = np.prod([h[b, a] for a, b in itertools.pairwise(numbers)])
            assert np.isclose(product, np.exp(2j * np.pi / 8))


def test_disorder_belongs_to_the_sample_and_hermitian_is_what_comes_out():
    strengths = {"cell": 1.0, "orbital": 0.2, (1, 0): 0.3}
    many = tnl.qwz(SQUARE, 1.0, disorder=strengths, samples=3, seed=4)
    few = tnl.qwz(SQUARE, 1.0, disorder=strengths, samples=2, seed=4)
    h = many.hamiltonian()
    assert np.array_equal(h[:2], few.hamiltonian())
    assert np.array_equal(h, h.conj().swapaxes(1, 2))
    assert not np.allclose(h[0], h[1])
    for dense, sparse in zip(h, many.hamiltonian(sparse=True), strict=True):
        assert np.array_equal(dense, sparse.toarray())
    assert np.array_equal(many[1].hamiltonian()[0], h[1])


def test_the_projector_knows_no_gauge():
    states = tnl.haldane(tnl.lattice("honeycomb", (4, 4))).states()
    p = states.projector()[0]
    assert np.allclose(p @ p, p, atol=1e-13)
    assert np.isclose(np.trace(p).real, 16)
    turned = states.random_gauge(np.random.default_rng(0))
    assert not np.allclose(turned.psi, states.psi)
    assert np.allclose(turned.projector(), states.projector(), atol=1e-13)


# ------------------------------------------------------------------ Chern numbers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("t", [(1.0, 1.0), (-0.7, 1.2)])
@pytest.mark.parametrize("v", [(1.0, 1.0), (1.0, -0.8)])
def test_one_sign_in_all_methods(method, v, t):
    m = np.array([-2.6, -1.2, -0.4, 1.1, 3.0])
    expected = [qwz_number(x, v, t) for x in m]
    result = tnl.chern(tnl.qwz(SQUARE, m, v, t), method)
    right = result.integer == expected
    assert right[result.reliable].all()
    assert result.reliable.sum() >= 4
    assert right.all() or method in ("marker", "kitaev")


@pytest.mark.parametrize("method", METHODS)
def test_haldane_with_both_signs(method):
    phi = np.linspace(-np.pi, np.pi, 9) + 0.1
    mass = 3 * np.sqrt(3) * 0.25 * np.sin(phi)
    expected = -0.5 * (np.sign(0.4 + mass) - np.sign(0.4 - mass))
    result = tnl.chern(tnl.haldane(HONEYCOMB, 0.4, 0.25, phi), method)
    assert np.array_equal(result.integer, expected)
    assert result.reliable.all()


def test_against_independent_numbers():
    cases = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())["lattices"]
    samples = tnl.qwz(SQUARE, [case["m"] for case in cases])
    field = tnl.local_chern(samples)
    middle = field.values.reshape(-1, 12, 12)[:, 3:9, 3:9].mean(axis=(1, 2))
    assert np.allclose(middle, [c["local_marker_mean_trim3"] for c in cases], atol=1e-13)
    assert np.allclose(field.values.sum(axis=1), 0, atol=1e-10)
    for method, name in (("fhs", "chern_fhs"), ("bott", "bott_periodic")):
        value = tnl.chern(samples, method).value
        assert np.allclose(value, [case[name] for case in cases], atol=1e-12)


def test_complex_conjugation_turns_the_sign_and_keeps_the_density():
    """|P_jk|² cannot know the sign of C."""
    samples = tnl.qwz(SQUARE, 1.0)
    h, places = samples.hamiltonian(), samples.lattice.positions
    for method in ("localizer", "marker", "kitaev"):
        here = tnl.chern(h, method, positions=places).value
        there = tnl.chern(h.conj(), method, positions=places).value
        assert np.allclose(here, -there, atol=1e-10)
        assert abs(here[0]) > 0.9


@pytest.mark.parametrize("shape", ["disc", "L", "ring"])
def test_shapes_of_all_kinds(shape):
    place = tnl.lattice("square", (14, 14), shape=shape)
    samples = tnl.qwz(place, [1.0, -1.0, 2.6])
    for method in ("localizer", "marker", "kitaev"):
        assert np.array_equal(tnl.chern(samples, method).integer, [1, -1, 0])


@pytest.mark.parametrize("form", ["dense", "sparse", "shuffled"])
def test_anyones_matrix_with_positions(form):
    samples = tnl.haldane(HONEYCOMB, 0.2, 0.2, [np.pi / 2, -np.pi / 2])
    h, places = samples.hamiltonian(), samples.lattice.positions
    order = np.random.default_rng(1).permutation(len(places)) if form == "shuffled" else slice(None)
    h, places = h[:, order][:, :, order], places[order]
    given = [sp.csr_array(x) for x in h] if form == "sparse" else h
    for method in ("localizer", "marker", "kitaev"):
        result = tnl.chern(given, method, positions=places)
        assert np.array_equal(result.integer, [-1, 1])
        assert result.reliable.all()


def test_a_point_of_a_large_sample_and_a_wall():
    """Left of the wall C = +1, right of it −1; the localizer at a point looks no further."""
    place = tnl.lattice("square", (60, 20))
    left = place.coordinates[:, 0] < 30
    h = tnl.tight_binding(
        tnl.lattice("square", (60, 20), orbitals=[[0, 0], [0, 0]]),
        np.zeros((2, 2)),
        {(1, 0): SIGMA[2] / 2 + SIGMA[0] / 2j, (0, 1): SIGMA[2] / 2 + SIGMA[1] / 2j},
    ).hamiltonian(sparse=True)[0]
    mass = np.where(left, 1.0, -1.0)
    h = h + sp.kron(sp.diags_array(mass), SIGMA[2])
    places = np.repeat(place.positions, 2, axis=0)
    for x, expected in ((12.0, 1), (48.0, -1)):
        result = tnl.chern(h, at=(x, 9.5), positions=places, energy=0.0)
        assert result.integer == expected
        assert result.reliable.all()
    with pytest.raises(ConfigError, match="say energy="):
        tnl.chern(h, at=(12.0, 9.5), positions=places)


@pytest.mark.parametrize("method", ["bott", "fhs"])
def test_where_the_gap_closes_nothing_is_reliable(method):
    critical = tnl.qwz(tnl.lattice("square", (8, 8)), [2.0, 0.0])
    assert not tnl.chern(critical, method).reliable.any()


def test_positions_in_any_unit_around_any_point():
    samples = tnl.qwz(SQUARE, [1.0, -1.0])
    h, places = samples.hamiltonian(), samples.lattice.positions
    for given in (places * 1e-10, places * 1e6, places + 1e6):
        for method in ("localizer", "marker", "kitaev"):
            result = tnl.chern(h, method, positions=given)
            assert np.array_equal(result.integer, [1, -1])
            assert result.reliable.all()


@pytest.mark.parametrize("cells", [(1, 1), (2, 2), (1, 20), (3, 9)])
def test_without_a_bulk_nothing_is_reliable(cells):
    for method in ("localizer", "marker", "kitaev"):
        assert not tnl.chern(tnl.qwz(tnl.lattice("square", cells)), method).reliable.any()
    zero = np.zeros((81, 81))
    assert not tnl.chern(zero, positions=np.argwhere(np.ones((9, 9))), energy=0.0).reliable.any()


MISTAKES = {
    "kappa": (lambda: tnl.chern(tnl.qwz(SQUARE), kappa=0), ConfigError, "positive"),
    "energy": (lambda: tnl.chern(tnl.qwz(SQUARE), energy=np.nan), ConfigError, "energy"),
    "occupied": (lambda: tnl.chern(tnl.qwz(SQUARE), occupied=2.5), ConfigError, "whole"),
    "radius": (lambda: tnl.chern(tnl.qwz(SQUARE), "kitaev", radius=2), ConfigError, "share"),
    "grid": (lambda: tnl.chern(tnl.qwz(SQUARE), "fhs", grid=0), ConfigError, "grid"),
    "no matrix": (lambda: tnl.chern(np.zeros((0, 0))), ShapeError, "square matrices"),
    "no lattice": (lambda: tnl.qwz((8, 8)), ConfigError, "one place"),
    "a word": (lambda: tnl.qwz(SQUARE, "a"), ShapeError, "one number"),
    "NaN": (lambda: tnl.qwz(SQUARE, np.nan), TnlearnError, "NaN"),
    "no pair": (lambda: tnl.qwz(SQUARE, 1.0, 1.0), ShapeError, "pair"),
    "negative disorder": (lambda: tnl.qwz(SQUARE, disorder=-1.0), ConfigError, "0 or more"),
    "a hopping to itself": (
        lambda: tnl.tight_binding(SQUARE, [[0]], {(0, 0): [[1]]}),
        ConfigError,
        "not \\(0, 0\\)",
    ),
    "method": (lambda: tnl.chern(tnl.qwz(SQUARE), "markers"), UnknownNameError, "marker"),
    "no positions": (lambda: tnl.chern(np.eye(4)), ShapeError, r"positions=\(4, 2\)"),
    "a line": (
        lambda: tnl.chern(np.eye(6), positions=np.outer(np.arange(6), [1, 2])),
        ConfigError,
        "do not span a plane",
    ),
    "not Hermitian": (
        lambda: tnl.chern(np.triu(np.ones((9, 9))), positions=np.argwhere(np.ones((3, 3)))),
        ConfigError,
        "not Hermitian",
    ),
    "a vector": (lambda: tnl.chern(np.ones(4), positions=np.ones((4, 2))), ShapeError, "square"),
    "torus": (
        lambda: tnl.chern(tnl.qwz(tnl.lattice("square", (4, 4), boundary="torus")), "marker"),
        ConfigError,
        "bott",
    ),
    "Bott of a disc": (
        lambda: tnl.chern(tnl.qwz(tnl.lattice("square", (8, 8), shape="disc")), "bott"),
        ConfigError,
        "full rectangle",
    ),
    "disorder in momentum": (
        lambda: tnl.chern(tnl.qwz(SQUARE, disorder=1.0, seed=0), "fhs"),
        ConfigError,
        "alike",
    ),
    "raw fhs": (lambda: tnl.chern(np.eye(4), "fhs"), ConfigError, "tight_binding"),
    "kind": (lambda: tnl.lattice("hexagon"), UnknownNameError, "honeycomb"),
    "shape": (lambda: tnl.lattice(shape="circle"), UnknownNameError, "disc"),
    "no cell": (lambda: tnl.lattice(mask=np.zeros((3, 3))), ConfigError, "no cell"),
    "orbitals": (lambda: tnl.haldane(SQUARE), ConfigError, "honeycomb"),
    "matrix": (
        lambda: tnl.tight_binding(HONEYCOMB, np.eye(3), {}),
        ShapeError,
        "2 orbitals in a cell",
    ),
    "conjugate twice": (
        lambda: tnl.tight_binding(SQUARE, [[0]], {(1, 0): [[1]], (-1, 0): [[1]]}),
        ConfigError,
        "Hermitian conjugate",
    ),
    "flux": (
        lambda: tnl.tight_binding(
            tnl.lattice("square", (3, 3), boundary="torus"), [[0]], {(1, 0): [[1]]}, flux=0.1
        ),
        ConfigError,
        "whole",
    ),
    "disorder of what": (
        lambda: tnl.tight_binding(SQUARE, [[0]], {(1, 0): [[1]]}, disorder={(0, 1): 1.0}),
        ConfigError,
        "not \\(0, 1\\)",
    ),
    "half filling": (
        lambda: tnl.tight_binding(tnl.lattice("square", (3, 3)), [[0]], {}).states(),
        ConfigError,
        "half filled",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_clear_error(name):
    call, kind, words = MISTAKES[name]
    assert issubclass(kind, TnlearnError)
    with pytest.raises(kind, match=words):
        call()


# ------------------------------------------------------------------ many at once


@pytest.mark.parametrize("width", [1, 3])
def test_inertia_of_random_patterns_is_that_of_the_eigenvalues(width):
    rng = np.random.default_rng(width)
    graph = sp.random_array((30, 30), density=0.08, rng=rng) + sp.eye_array(30)
    a, b = sp.coo_array(graph + graph.T).coords
    inner = np.arange(width)
    rows = (width * a[:, None, None] + inner[:, None] + 0 * inner).ravel()
    columns = (width * b[:, None, None] + 0 * inner[:, None] + inner).ravel()
    matrices = np.zeros((11, 30 * width, 30 * width), complex)
    matrices[:, rows, columns] = rng.normal(size=(11, len(rows), 2)) @ [1, 1j]
    matrices = matrices + matrices.conj().swapaxes(1, 2) + np.eye(30 * width)
    counts, growth = elimination(rows, columns, width, 30 * width)(matrices[:, rows, columns])
    stable = growth < 1e7 * 30
    assert stable.sum() > 8
    expected = (np.linalg.eigvalsh(matrices) < 0).sum(axis=1)
    assert np.array_equal(counts[stable], expected[stable])


@pytest.mark.parametrize("shape", ["rectangle", "L"])
def test_labels_by_kernels_are_those_of_the_plain_way(shape, monkeypatch):
    place = tnl.lattice("square", (9, 8), shape=shape)
    m = np.random.default_rng(0).uniform(-2.5, 2.5, 13)
    samples = tnl.qwz(place, m, disorder=2.0, seed=3)
    plain = tnl.chern(samples, gap=False)
    monkeypatch.setattr("tnlearn.physics.chern.kernels_pay", lambda seconds: True)
    fast = tnl.chern(samples, gap=False)
    assert np.array_equal(plain.value, fast.value)
    assert np.array_equal(plain.reliable, fast.reliable)
    assert len(set(plain.integer)) == 3


def test_the_gap_of_the_localizer_is_its_smallest_eigenvalue():
    samples = tnl.qwz(tnl.lattice("square", (6, 6)), [1.0, 2.5], disorder=1.0, seed=2)
    result = tnl.chern(samples, kappa=0.3, energy=0.1)
    z = (samples.lattice.positions - samples.lattice.centre) @ [1, -1j]
    for h, gap, value in zip(samples.hamiltonian(), result.gap, result.value, strict=True):
        h = h - 0.1 * np.eye(len(h))
        levels = np.linalg.eigvalsh(
            np.block([[h, np.diag(0.3 * z)], [np.diag(0.3 * z.conj()), -h]])
        )
        assert np.isclose(np.abs(levels).min(), gap, rtol=1e-5)
        assert np.sign(levels).sum() / 2 == value
