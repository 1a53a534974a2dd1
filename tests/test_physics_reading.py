"""Anyone's matrix: read by structure, or refused with the word to say; never a wrong integer."""

import runpy
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
import torch

import tnlearn as tnl
from tnlearn.errors import (
    ConfigError,
    NotChiralError,
    ShapeError,
    TnlearnError,
    UnclearError,
)
from tnlearn.physics.blocks import displacement
from tnlearn.physics.hamiltonians import read

METHODS = ("rswn", "lyapunov", "twist", "log", "localizer")
N = 20


def hamiltonian(h, order="site"):
    n = len(h)
    full = np.block([[np.zeros_like(h), h], [h.conj().T, np.zeros_like(h)]])
    if order == "site":
        sites = np.arange(2 * n).reshape(2, n).T.ravel()
        return full[np.ix_(sites, sites)]
    return full


def block(T, cells, closed=False):
    """The block of repeating hopping matrices T_m: h[x + m, y] = T_m."""
    size = len(next(iter(T.values())))
    h = np.zeros((cells * size, cells * size), dtype=np.result_type(*T.values(), float))
    for m, t in T.items():
        there = np.roll(np.eye(cells), m, axis=0) if closed else np.eye(cells, k=-m)
        h = h + np.kron(there, t)
    return h


def outcome(call):
    """(integer, reliable) of one sample, or the name of our error; warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = call()
        except TnlearnError as error:
            return type(error).__name__
    return int(result.integer[0]), bool(result.reliable[0])


SSH = tnl.ssh(N, 0.5, 1.0)
TRIVIAL = tnl.ssh(N, 1.0, 0.5)
EXTENDED = tnl.chain(N, {-1: 0.2, 0: 0.3j, 1: 0.4, 2: 1.0})
TWO = {0: 0.5 * np.eye(2), 1: np.array([[0.0, 1.0], [-1.0, 0.0]])}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize(("chains", "winding"), [(SSH, 1), (TRIVIAL, 0), (EXTENDED, 2)])
def test_where_a_matrix_closes_is_seen_from_its_corners(chains, winding, boundary, method):
    closed = chains.with_boundary(boundary)
    h = closed.block()[0]
    for matrix in (h, hamiltonian(h), sp.coo_array(hamiltonian(h, "sublattice"))):
        assert read(matrix).boundary == boundary
        assert outcome(lambda m=matrix: tnl.winding(m, method)) == (winding, True)


def test_a_long_sparse_ring_is_a_ring():
    h = sp.csr_array(tnl.ssh(600, 1.5, 1.0, boundary="periodic").block()[0])
    full = sp.block_array([[None, h], [h.T, None]], format="csr")
    for matrix in (h, full):
        assert read(matrix).source.offsets == (0, 1)
        assert outcome(lambda m=matrix: tnl.winding(m, "lyapunov")) == (0, True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("closed", [False, True])
def test_several_orbitals_a_cell(method, closed):
    h = block(TWO, N, closed)
    order = np.arange(2 * N).reshape(N, 2).T.ravel()
    slow = h[np.ix_(order, order)]
    for matrix in (h, hamiltonian(h), slow, hamiltonian(slow, "sublattice")):
        assert outcome(lambda m=matrix: tnl.winding(m, method)) == (2, True)


@pytest.mark.parametrize("size", [39, 41])
@pytest.mark.parametrize("intra", [0.5, 1.0])
def test_an_end_site_too_many_is_no_chain(size, intra):
    H = np.diag(np.tile([intra, 1.5 - intra], N)[: size - 1], 1)
    H = H + H.T
    for matrix in (H, sp.csr_array(H)):
        with pytest.raises(ShapeError, match=r"orbitals are on sublattice A.*kind=\"block\""):
            tnl.winding(matrix)
        assert not tnl.marker()(matrix).reliable[0]
    with pytest.raises(ShapeError):
        tnl.states(H)


RNG = np.random.default_rng(0)
FULL = hamiltonian(SSH.block()[0])
NOISE = RNG.standard_normal(FULL.shape)


@pytest.mark.parametrize("method", ["rswn", "lyapunov"])
@pytest.mark.parametrize("asymmetry", [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 1e-4])
def test_what_misses_hermiticity_is_read_within_the_tolerance_or_refused(asymmetry, method):
    H = FULL * (1 + asymmetry * NOISE)
    skew = np.abs(H - H.T).max()
    for batch in (H, np.array([FULL, H, FULL])):
        if asymmetry <= 1e-9:
            assert tnl.winding(batch, method).reliable.all()
        else:
            with pytest.raises(NotChiralError, match=f"sample .*{skew:.3g}.*kind="):
                tnl.winding(batch, method)
        result = tnl.winding(batch, method, tolerance=1e-2)
        assert result.reliable.all()
        assert (result.integer == 1).all()
    single = H.astype(np.float32)
    assert outcome(lambda: tnl.winding(single)) == ((1, True) if skew < 1e-4 else "NotChiralError")


TILTED = np.diag(0.3j * np.tile([1, -1], N))
UNCLEAR = {
    "hermitian block": (tnl.chain(N, {-1: 0.4, 0: 0.5, 1: 0.4}).block()[0], NotChiralError),
    "odd": (np.ones((3, 3)), NotChiralError),
    "non-reciprocal": (np.tril(FULL) + 0.6 * np.triu(FULL), NotChiralError),
    "gain and loss": (FULL + TILTED, NotChiralError),
    "spins one after the other": (np.kron(np.eye(2), FULL), UnclearError),
    "no order": (hamiltonian(SSH.block()[0][RNG.permutation(N)]), UnclearError),
    "full": (RNG.standard_normal((N, N)), UnclearError),
    "noise": (SSH.block()[0] + 1e-4 * NOISE[:N, :N], UnclearError),
}


def test_the_word_decides():
    hermitian, _ = UNCLEAR["hermitian block"]
    assert abs(tnl.winding(hermitian, kind="block").value[0]) < 1e-12
    spins, _ = UNCLEAR["spins one after the other"]
    assert outcome(lambda: tnl.winding(spins, "lyapunov", order="orbital")) == (2, True)
    assert tnl.states(spins, order="orbital").cells == 2 * N
    noisy, _ = UNCLEAR["noise"]
    assert outcome(lambda: tnl.winding(noisy, "lyapunov", tolerance=1e-2)) == (1, True)
    both = np.array([FULL, hamiltonian(SSH.with_boundary("periodic").block()[0])])
    with pytest.raises(UnclearError, match=r"sample 0 is .*open.*sample 1 is .*periodic"):
        tnl.winding(both)
    with pytest.raises(UnclearError, match="no element joins"):
        tnl.winding(FULL, boundary="periodic")


@pytest.mark.parametrize("width", [6, 8, 12])
@pytest.mark.parametrize("closed", [False, True])
def test_a_lattice_of_two_dimensions_is_no_chain(width, closed):
    step = np.eye(width, k=1) + (np.eye(width, k=1 - width) if closed else 0)
    row, one = step + step.T, np.eye(width)
    lattice = np.kron(row, one) + np.kron(one, row)
    places = np.stack(np.meshgrid(np.arange(width), np.arange(width), indexing="ij"), -1)
    for words in ({}, {"positions": places.reshape(-1, 2)}):
        with pytest.raises(UnclearError, match="two dimensions"):
            tnl.winding(lattice, **words)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize(("chains", "winding"), [(SSH, 1), (TRIVIAL, 0)])
def test_a_ring_whose_atoms_stand_on_a_circle(chains, winding, turn):
    H = chains.with_boundary("periodic").hamiltonian()[0]
    angle = turn * 2 * np.pi * (np.arange(2 * N) + 0.2) / (2 * N)
    places = np.c_[5 * np.cos(angle), np.zeros(2 * N), 4 * np.sin(angle)]
    for method in ("rswn", "lyapunov", "log"):
        result = outcome(lambda m=method: tnl.winding(H, m, positions=places))
        assert result == (winding, True)
    order = RNG.permutation(2 * N)
    with pytest.raises(UnclearError, match="circle"):
        tnl.winding(H[np.ix_(order, order)], positions=places[order])


class Opaque:
    """What a matrix of another package answers."""

    def __init__(self, matrix):
        self.full = lambda: matrix


KINDS = {
    "float16": FULL.astype(np.float16),
    "uint8": (2 * FULL).astype(np.uint8),
    "longdouble": FULL.astype(np.longdouble),
    "object": FULL.astype(object),
    "list of objects": [Opaque(FULL), torch.tensor(FULL)],
    "bfloat16": torch.tensor(FULL).bfloat16(),
    "torch coo": torch.tensor(FULL).to_sparse(),
    "gradients": torch.tensor(FULL, requires_grad=True),
    "conjugate": torch.tensor(FULL + 0j).conj(),
    "dia": sp.dia_array(FULL),
    "lil": sp.lil_matrix(FULL),
    "full()": Opaque(FULL),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_matrix_comes_in_any_kind_of_array(name):
    for method in ("rswn", "lyapunov"):
        assert outcome(lambda m=method: tnl.winding(KINDS[name], m)) == (1, True)


@pytest.mark.parametrize(
    "what",
    [None, "chain", object(), np.array(["a"]), {}, [FULL, FULL[:3]], np.ma.masked_equal(FULL, 0)],
)
def test_what_is_no_matrix_is_named(what):
    with pytest.raises(ShapeError):
        tnl.winding(what)
    broken = sp.csr_array(FULL)
    broken.indices = broken.indices + 2 * N
    with pytest.raises(ShapeError, match="well formed"):
        tnl.winding(broken)


@pytest.mark.parametrize("exponent", [-1070, -1040, -700, 700, 1020])
def test_a_winding_has_no_scale(exponent):
    for h in (SSH.block()[0], EXTENDED.block()[0]):
        scaled = np.ldexp(h.real, exponent) + 1j * np.ldexp(h.imag, exponent)
        for method in METHODS:
            plain = tnl.winding(h, method)
            result = tnl.winding(scaled, method)
            assert result.integer[0] == plain.integer[0]
            assert result.reliable[0]
            if abs(exponent) < 1000:
                assert np.allclose(result.gap, np.ldexp(plain.gap, exponent), rtol=1e-6, atol=0)


@pytest.mark.parametrize("cells", [40, 80])
@pytest.mark.parametrize("form", ["block", "site", "sublattice"])
def test_a_domain_wall_has_no_winding(cells, form):
    half = cells // 2
    t0, t1 = np.repeat([0.5, 1.0], half), np.repeat([1.0, 0.5], half)
    h = np.diag(t0) + np.diag(t1[:-1], -1)
    matrix = h if form == "block" else hamiltonian(h, form)
    for method in METHODS:
        assert not tnl.winding(matrix, method).reliable[0]


def test_a_repeating_bulk_outweighs_noise_up_to_its_gap():
    for size in (0.01, 0.05, 0.1):
        h = SSH.block()[0]
        h = h + size * np.where(h != 0, RNG.uniform(-1, 1, h.shape), 0)
        for method in METHODS:
            assert outcome(lambda m=method, x=h: tnl.winding(x, m)) == (1, True)
    # (A triple zero next to the circle keeps the gap below any bound of its slope: flagged, soon.)
    triple = dict(enumerate(np.poly(np.full(3, np.exp(-6e-4)))[::-1]))
    assert not tnl.winding(tnl.chain(N, triple).block()[0], "log").reliable[0]
    # A zero on the unit circle stays one under noise below every tolerance.
    zero = tnl.chain(N, {0: 1.0, 1: 1.0, 2: 1.0}).block()[0]
    for noise in (0.0, 1e-12, 1e-10):
        noisy = zero + noise * np.where(zero != 0, RNG.standard_normal(zero.shape), 0)
        for method in METHODS:
            assert not tnl.winding(noisy, method).reliable[0]


def test_random_chains_are_right_or_flagged_or_refused():
    path = Path(__file__).parents[1] / "benchmarks" / "reading.py"
    script = runpy.run_path(str(path))
    counts = script["counts"](rounds=6, seed=5)
    for kind, count in counts.items():
        assert count["wrong"] == 0, kind
        assert count["foreign"] + count["hangs"] == 0, kind
    assert sum(c["clear"] - c["answered"] for c in counts.values()) <= 0.02 * sum(
        c["clear"] for c in counts.values()
    )


PERMUTED = np.random.default_rng(3).permutation(2 * N)
# Matrix, words, and the winding number or the error; the same for all who read.
READINGS = {
    "site": (FULL, {}, 1),
    "sublattice": (hamiltonian(TRIVIAL.block()[0], "sublattice"), {}, 0),
    "block": (SSH.block()[0], {}, 1),
    "ring": (hamiltonian(SSH.with_boundary("periodic").block()[0]), {}, 1),
    "two orbitals": (hamiltonian(block(TWO, N)), {}, 2),
    "orbital": (np.kron(np.eye(2), FULL), {"order": "orbital"}, 2),
    "cells": (hamiltonian(block(TWO, N)), {"cells": N}, 2),
    "symmetric block": (tnl.chain(N, {-1: 0.2, 0: 1.0, 1: 0.2}).block()[0], {"kind": "block"}, 0),
    "noisy": (FULL * (1 + 1e-6 * NOISE), {"tolerance": 1e-4}, 1),
    "permuted": (FULL[np.ix_(PERMUTED, PERMUTED)], {}, UnclearError),
    "two dimensions": (np.kron(H8 := np.eye(8, k=1) + np.eye(8, k=-1), np.eye(8))
                       + np.kron(np.eye(8), H8), {}, UnclearError),
    "nearly Hermitian": (FULL * (1 + 1e-6 * NOISE), {}, NotChiralError),
    "on site": (FULL + 0.1 * np.eye(2 * N), {}, NotChiralError),
    **{name: (matrix, {}, error) for name, (matrix, error) in UNCLEAR.items()},
}  # fmt: skip


def by_states(matrix, words):
    solved = tnl.states(matrix, **words)
    inside = slice(solved.cells // 4, -solved.cells // 4)
    ring = read(matrix, **words).boundary
    local = (np.abs(solved.q()) ** 2 * displacement(solved.cells, ring)).sum(axis=1)
    return round(local[:, inside].mean())


def by_file(write):
    def integer(matrix, words, folder):
        path = write(folder / "in", matrix)
        tnl.label_file(path, folder / "out.npz", "lyapunov", **words)
        with np.load(folder / "out.npz") as table:
            assert table["reliable"][0]
            return int(table["integer"][0])

    return integer


def npy(path, matrix):
    np.save(path.with_suffix(".npy"), matrix)
    return path.with_suffix(".npy")


def npz(path, matrix):
    sp.save_npz(path.with_suffix(".npz"), sp.csr_array(matrix))
    return path.with_suffix(".npz")


def hdf5(path, matrix):
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["matrix"] = matrix
    return path.with_suffix(".h5")


READERS = {
    "winding": lambda m, w, _: int(tnl.winding(m, "lyapunov", **w).integer[0]),
    "sparse": lambda m, w, _: int(tnl.winding(sp.coo_array(m), "lyapunov", **w).integer[0]),
    "local": lambda m, w, _: round(tnl.local_winding(m, **w)[0, N // 2 - 2 : N // 2 + 2].mean()),
    "states": lambda m, w, _: by_states(m, w),
    "states, sparse": lambda m, w, _: by_states(sp.csr_array(m), w),
    "marker": lambda m, w, _: int(tnl.marker()(m, **w).integer[0]),
    "file": by_file(npy),
    "file, sparse": by_file(npz),
    "file, HDF5": by_file(hdf5),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", READINGS)
def test_one_law_of_reading_for_all_who_read(name, reader, tmp_path):
    matrix, words, expected = READINGS[name]
    if reader == "marker" and name == "ring":
        expected = ConfigError  # it is for open chains
    integer = READERS[reader]
    if isinstance(expected, int):
        assert integer(matrix, words, tmp_path) == expected
        return
    # (States are of blocks in any order: what cannot be read as a Hamiltonian is refused.)
    if reader.startswith("states") and name in ("full", "noise"):
        assert tnl.states(matrix).cells == N
        return
    with pytest.raises(expected, match=r"kind=|order=|tolerance|orbitals are on|open chains"):
        integer(matrix, words, tmp_path)


def test_an_audit_takes_no_matrix_since_a_matrix_lacks_the_seam():
    with pytest.raises(TnlearnError, match="data set"):
        tnl.audit(tnl.rswn(N), FULL, progress=False)
