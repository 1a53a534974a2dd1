"""Phase diagrams: right numbers, the same whatever the way, kept and taken up again."""

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.errors import (
    CheckpointError,
    ConfigError,
    FileError,
    MemoryLimitError,
    UnknownNameError,
)
from tnlearn.phase import diagram as module
from tnlearn.phase import points as phase_points
from tnlearn.phase.picture import phase_figure
from tnlearn.phase.points import Ensemble, Points
from tnlearn.physics.boundary import ssh_exponent, ssh_transitions
from tnlearn.physics.lyapunov import lyapunov_winding

CONVENTIONS = {"intra": {0: "W", 1: (0.5, "W")}, "inter": {0: (0.5, "W"), 1: "W"}}
SMALL = {"intra": np.linspace(0.1, 2.0, 13), "W": np.linspace(0.0, 5.0, 7)}


def small(**options):
    return tnl.phase_diagram(SMALL, disorder=CONVENTIONS["intra"], **{"cells": 20, **options})


def same(one, other):
    assert one.names == other.names
    for field in ("columns", "rows", "mean", "error", "majority", "agreement", "settled"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
    np.testing.assert_equal(one.exponent, other.exponent)


T = {0: np.array([[0.5], [1.0], [1.5]]), 1: np.ones((3, 1))}
W = {0: np.array([[0.5], [2.0], [4.0]]), 1: np.array([[0.3], [1.0], [2.0]])}
POINTS = Points(0, T, W)


def ensemble(kind="lyapunov", cells=37):
    return Ensemble(cells, 40, kind, "open", 0.5, seed=5)


def test_clean_chains_are_exact():
    intra = np.array([0.0, 0.5, 1.5, 2.0])
    diagram = tnl.phase_diagram({"intra": intra, "inter": [0.7, 1.2]}, cells=10, samples=3)
    np.testing.assert_array_equal(diagram.mean, intra < np.array([[0.7], [1.2]]))
    np.testing.assert_array_equal(diagram.error, 0)
    np.testing.assert_array_equal(diagram.agreement, 1)
    np.testing.assert_array_equal(diagram.majority, diagram.infinite())


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_boundary_of_the_infinite_chain(convention):
    axes = {"intra": np.linspace(0, 2, 60), "W": np.linspace(0, 6, 40)}
    diagram = tnl.phase_diagram(axes, disorder=CONVENTIONS[convention])
    right = diagram.majority == diagram.infinite()
    clear = diagram.agreement >= 0.8
    assert right.mean() >= 0.97
    assert right[clear].mean() >= 0.999
    first, second = {"intra": (1, 0.5), "inter": (0.5, 1)}[convention]
    W = axes["W"][:, None]
    np.testing.assert_array_equal(
        diagram.exponent, ssh_exponent(axes["intra"], 1.0, first * W, second * W)
    )


@pytest.mark.parametrize(("intra", "cells"), [(1.1, 10**6), (1.2, 10**6), (1.4, 200_000)])
def test_topological_anderson_insulator_from_long_chains(intra, cells):
    # One chain a point: nothing is averaged but the logarithms of a long chain.
    transitions = ssh_transitions(intra)
    assert len(transitions) == (2 if intra < 1.3 else 0)
    W, expected = np.arange(0.1, 6.0, 0.1), np.zeros(59)  # beyond them there is none
    if len(transitions):
        W, expected = np.add.outer(transitions, [-0.02, 0.02]).ravel(), [0, 1, 1, 0]
    axes = {"intra": [intra], "W": W}
    diagram = tnl.phase_diagram(axes, disorder=CONVENTIONS["intra"], cells=cells, samples=1, seed=3)
    np.testing.assert_array_equal(diagram.majority[:, 0], expected)
    np.testing.assert_array_equal(diagram.infinite()[:, 0], expected)


@pytest.mark.parametrize("low", [-2, 0, 1])
@pytest.mark.parametrize("phase", [1.0, np.exp(0.7j)])
@pytest.mark.parametrize("cells", [1, 37])
def test_sums_of_logarithms_are_the_transfer_matrix(low, phase, cells):
    # Amplitudes of all cells alike, or each cell with its own.
    wave = 1 + 0.3 * np.cos(np.arange(cells))
    points = Points(0, {low: T[0] * phase * wave, low + 1: T[1]}, {low: W[0], low + 1: W[1]})
    value, settled = ensemble().by_logarithms(points, low)
    counted, also = ensemble().by_chains(points)
    assert settled.all()
    assert also.all()
    np.testing.assert_array_equal(value, counted)
    assert {low, low + 1} == set(value)


def test_vanishing_hoppings():
    amplitudes = {0: np.array([[0.0], [1], [0], [1]]), 1: np.array([[1.0], [0], [0], [1]])}
    counts = ensemble()(Points(0, amplitudes, dict.fromkeys((0, 1), np.zeros((4, 1)))))
    np.testing.assert_array_equal(counts["mean"], [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(counts["settled"], [1, 1, 0, 0])
    np.testing.assert_array_equal(counts["agreement"], [1, 1, 0, 0])


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_no_overflow_of_the_products(scale):
    scaled = Points(0, *({m: scale * x for m, x in q.items()} for q in (T, W)))
    np.testing.assert_array_equal(ensemble()(scaled)["mean"], ensemble()(POINTS)["mean"])


@pytest.mark.parametrize("kind", ["rswn", "twist", "log"])
def test_every_kind_sees_the_same_chains(kind):
    chosen = ensemble(kind, cells=20)
    hoppings = chosen.chains(POINTS)
    for m in (0, 1):
        assert hoppings[m].shape == (3 * 40, 20)
        middle, spread = np.repeat(T[m], 40, axis=0), np.repeat(W[m], 40, axis=0)
        assert (np.abs(hoppings[m] - middle) <= spread / 2).all()
    expected = tnl.winding(tnl.Chains(20, hoppings), kind)
    counts = chosen(POINTS)
    groups = expected.value.reshape(3, 40)
    reliable = expected.reliable.reshape(3, 40)
    if kind != "rswn":
        groups = np.where(reliable, groups, np.nan)
    votes = [np.unique(row[np.isfinite(row)], return_counts=True) for row in np.round(groups)]
    spread = np.nanstd(groups, axis=1, ddof=1) / np.sqrt(np.isfinite(groups).sum(axis=1))
    np.testing.assert_allclose(counts["mean"], np.nanmean(groups, axis=1), atol=1e-12)
    np.testing.assert_allclose(counts["error"], spread, atol=1e-12)
    np.testing.assert_allclose(counts["settled"], reliable.mean(axis=1))
    np.testing.assert_array_equal(counts["majority"], [v[c.argmax()] for v, c in votes])
    np.testing.assert_allclose(counts["agreement"], [c.max() / 40 for _, c in votes])
    sums, _ = lyapunov_winding(hoppings)
    agreed = ensemble(cells=20)(POINTS)
    np.testing.assert_allclose(agreed["mean"], sums.reshape(3, 40).mean(axis=1))


GOLDEN = (5**0.5 - 1) / 2


def wave(cells):
    return np.cos(2 * np.pi * GOLDEN * np.arange(cells))


@pytest.mark.parametrize(
    "intra",
    [
        lambda J, w: J + w * wave(50),
        lambda J, w, y: J + w * np.cos(2 * np.pi * GOLDEN * y),
        lambda J, w, q=GOLDEN: J + w * np.cos(2 * np.pi * q * np.arange(50)),
    ],
    ids=["of the parameters", "and of the cell", "with a default"],
)
@pytest.mark.parametrize("inter", [1.0, np.ones(50)], ids=["number", "array"])
def test_hoppings_that_differ_from_cell_to_cell(intra, inter):
    """The quasi-periodic chain: ⟨ln|J + w cos|⟩ = ln[(J + √(J² − w²))/2], or ln(w/2) for w > J."""
    J, w = np.array([0.8, 1.2, 2.5]), np.array([0.3, 1.5])
    options = {"hoppings": {0: intra, 1: inter}, "cells": 50, "samples": 1}
    diagram = tnl.phase_diagram({"J": J, "w": w}, **options)
    X = w[:, None]
    exact = np.where(X < J, (J + np.sqrt(np.maximum(J**2 - X**2, 0))) / 2, X / 2) < 1
    np.testing.assert_array_equal(diagram.mean, exact)
    np.testing.assert_array_equal(diagram.infinite(), exact)
    chains = tnl.Chains(50, {0: (J[1] + w[1] * wave(50))[None], 1: np.ones((1, 50))})
    assert diagram.mean[1, 1] == tnl.winding(chains, "lyapunov").integer[0]
    rswn = tnl.phase_diagram({"J": J[1:2], "w": w[1:]}, **options, kind="rswn")
    np.testing.assert_allclose(rswn.mean[0], tnl.winding(chains, "rswn").value, atol=1e-12)


def test_what_is_of_points_and_what_of_cells_is_not_guessed():
    J = np.linspace(0.5, 1.5, 10)
    both = {"hoppings": {0: lambda J: np.ones(10), 1: "J"}, "samples": 1}
    with pytest.raises(ConfigError, match="each of 10 points, or for each of as many cells"):
        tnl.phase_diagram({"J": J}, cells=10, **both)
    for cells, reading in ((10, lambda J: J * np.ones(10)), (7, lambda J: J.ravel())):
        diagram = tnl.phase_diagram({"J": J}, hoppings={0: 1.0, 1: reading}, cells=cells, samples=1)
        np.testing.assert_array_equal(diagram.mean, J > 1)


def test_one_parameter(tmp_path):
    W = np.linspace(0, 6, 25)
    disorder = CONVENTIONS["intra"]
    options = {"disorder": disorder, "fixed": {"intra": 1.1}, "cells": 200, "samples": 10}
    line = tnl.phase_diagram({"W": W}, **options, checkpoint=tmp_path / "line.npz")
    assert (line.names, line.rows, line.mean.shape) == (("W",), None, (25,))
    same(line, tnl.PhaseDiagram.load(tmp_path / "line.npz"))
    # The same points, the same streams.
    grid = tnl.phase_diagram({"intra": [1.1], "W": W}, disorder=disorder, cells=200, samples=10)
    np.testing.assert_array_equal(line.mean, grid.mean[:, 0])
    np.testing.assert_array_equal(line.exponent, grid.exponent[:, 0])
    (ax,) = phase_figure([line]).axes
    marked = [entry.get_xdata()[0] for entry in ax.lines if len(set(entry.get_xdata())) == 1]
    np.testing.assert_allclose(marked, ssh_transitions(1.1), atol=0.02)
    assert ax.get_ylabel() == "mean winding number"


def test_any_two_parameters_of_a_longer_chain():
    t2, back = np.linspace(-1, 1, 5), np.linspace(0.1, 0.3, 3)
    diagram = tnl.phase_diagram(
        {"t2": t2, "back": back},
        hoppings={-1: "back", 0: 0.5, 1: lambda t2, back: 1 + 0 * t2 * back, 2: (2.0, "t2")},
        cells=12,
        samples=2,
    )
    assert diagram.exponent is None
    with pytest.raises(ConfigError, match="two neighbouring offsets"):
        diagram.infinite()
    for i, b in enumerate(back):
        for j, t in enumerate(t2):
            clean = tnl.chain(12, {-1: b, 0: 0.5, 1: 1.0, 2: 2 * t})
            assert diagram.mean[i, j] == tnl.winding(clean, "lyapunov").integer


@pytest.mark.parametrize("kind", ["lyapunov", "rswn"])
def test_workers_do_not_change_anything_and_the_seed_does(kind, monkeypatch):
    options = {"kind": kind, "cells": 8, "samples": 7}
    monkeypatch.setattr(phase_points, "COLUMNS", 200)  # several blocks
    one = small(**options, seed=2)
    same(one, small(**options, seed=2, workers=2))
    assert (one.mean != small(**options, seed=3).mean).any()


@pytest.mark.parametrize(("samples", "compiled"), [(3, False), (400, True)])
def test_the_way_of_a_block_is_its_own_not_that_of_its_process(monkeypatch, samples, compiled):
    ways = []

    def noted(chains, kind, **options):
        ways.append(options["compiled"])
        return tnl.winding(chains, kind, **options | {"compiled": False})

    monkeypatch.setattr(phase_points, "winding", noted)
    Ensemble(4, samples, "rswn", "open", 0.5, seed=5)(POINTS)
    assert ways == [compiled]


def test_save_and_load(tmp_path):
    diagram = small(kind="rswn", samples=3)
    diagram.save(tmp_path / "diagram.npz")
    again = tnl.PhaseDiagram.load(tmp_path / "diagram.npz")
    same(diagram, again)
    assert again.recipe["cells"] == 20
    assert again.recipe["disorder"] == {"0": "W", "1": "0.5 W"}
    with np.load(tmp_path / "diagram.npz", allow_pickle=False) as content:
        assert "mean" in content.files
    damaged = bytearray((tmp_path / "diagram.npz").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "diagram.npz").write_bytes(damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        tnl.PhaseDiagram.load(tmp_path / "diagram.npz")
    with pytest.raises(FileError, match="cannot read"):
        tnl.PhaseDiagram.load(tmp_path / "none.npz")


def test_an_interrupted_diagram_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    monkeypatch.setattr(phase_points, "COLUMNS", 100)
    whole = small(samples=10)
    kept = tmp_path / "kept.npz"
    real, calls = module.in_processes, []

    def stopped(work, tasks, workers):
        for count, result in enumerate(real(work, tasks, workers)):
            if count == 4:
                raise KeyboardInterrupt
            yield result

    def counted(work, tasks, workers):
        for result in real(work, tasks, workers):
            calls.append(result[0].number)
            yield result

    monkeypatch.setattr(module, "in_processes", stopped)
    with pytest.raises(KeyboardInterrupt):
        small(samples=10, checkpoint=kept)
    with pytest.raises(CheckpointError, match="not ended"):
        tnl.PhaseDiagram.load(kept)
    monkeypatch.setattr(module, "in_processes", counted)
    same(whole, small(samples=10, checkpoint=kept))
    assert calls == list(range(4, 10))
    same(whole, small(samples=10, checkpoint=kept))
    same(whole, tnl.PhaseDiagram.load(kept))
    assert len(calls) == 6
    with pytest.raises(CheckpointError, match=r"other settings \(samples\)"):
        small(samples=11, checkpoint=kept)


def test_plot(tmp_path):
    diagram = small(samples=2)
    for name, start in {"a.SVG": b"<?xml", "a.pdf": b"%PDF", "a.png": b"\x89PNG"}.items():
        path = tmp_path / name
        diagram.plot(path, title="a title")
        first = path.read_bytes()
        assert first.startswith(start)
    diagram.plot(path, title="a title")
    assert path.read_bytes() == first
    assert len([*tmp_path.iterdir()]) == 3
    with pytest.raises(UnknownNameError, match=r"did you mean '.png'"):
        diagram.plot(tmp_path / "a.pgn")
    with pytest.raises(FileError, match="cannot write"):
        diagram.plot(tmp_path / "none" / "a.png")


def test_what_is_plotted():
    from matplotlib.collections import QuadMesh

    axes = {"intra": np.linspace(0.2, 2, 30), "W": np.linspace(0, 5, 20)}
    diagram = tnl.phase_diagram(axes, disorder=CONVENTIONS["intra"], samples=2)
    ax = phase_figure([diagram]).axes[0]
    (mesh,) = (c for c in ax.collections if isinstance(c, QuadMesh))
    np.testing.assert_array_equal(mesh.get_array(), diagram.mean)
    (line,) = (c for c in ax.collections if not isinstance(c, QuadMesh))
    corners = np.concatenate([path.vertices for path in line.get_paths()])
    # On the drawn line the exponent vanishes, but for the interpolation on a coarse grid.
    exponent = ssh_exponent(corners[:, 0], 1.0, corners[:, 1], corners[:, 1] / 2)
    assert np.abs(exponent).max() < 0.02
    assert ax.get_xlabel() == "intra (units of the hopping)"
    assert "t₁ = 1" in ax.get_title(loc="left")
    assert ax.get_legend().get_texts()[0].get_text().endswith("E ln|t₀| = E ln|t₁|")


AXES, OTHER = {"intra": [1], "inter": [1]}, {"intra": [1], "W": [1]}


@pytest.mark.parametrize(
    ("axes", "options", "error", "message"),
    [
        ({}, {}, ConfigError, "one or two parameters"),
        ({"a": [1], "b": [1], "c": [1]}, {}, ConfigError, "one or two parameters"),
        ({"intra": [1, 2], "inter": []}, {}, ConfigError, "one-dimensional"),
        ({"intra": [1, np.nan], "inter": [1]}, {}, ConfigError, "finite"),
        ({"intra": [2, 1], "inter": [1]}, {}, ConfigError, "ascend"),
        ({"intra": ["a"], "inter": [1]}, {}, ConfigError, "real numbers"),
        (OTHER, {}, ConfigError, "depends on 'W'"),
        (OTHER, {"disorder": {0: "intr"}}, UnknownNameError, "mean 'intra'"),
        (OTHER | {"W": [-1]}, {"disorder": {0: "W"}}, ConfigError, "at least 0"),
        (OTHER, {"disorder": {2: "W"}}, ConfigError, "offset 2"),
        (OTHER, {"disorder": {0: "W", 0.5: 1}}, ConfigError, "whole number"),
        (OTHER, {"disorder": {0: ("W", "W")}}, ConfigError, "pair"),
        (OTHER, {"hoppings": {0: lambda a, W: np.ones(7)}}, ConfigError, "one number per point"),
        ({"J": [1]}, {"hoppings": {0: np.ones(7), 1: "J"}}, ConfigError, "array of one number per"),
        ({"J": [1]}, {"hoppings": {0: lambda J, w, y: J, 1: 1}}, ConfigError, "missing 2 required"),
        (AXES, {"fixed": {"inter": 1.0}}, ConfigError, "cannot be fixed"),
        (AXES, {"fixed": {"intr": 1.0}}, ConfigError, "depends on 'intr'"),
        (OTHER, {"fixed": {"inter": "x"}}, ConfigError, "real number"),
        (AXES, {"samples": 10**12}, MemoryLimitError, "GiB"),
        (AXES, {"checkpoint": "/none/a.npz"}, FileError, "cannot write"),
        (AXES, {"kind": "rwsn"}, UnknownNameError, "'rswn'"),
        (AXES, {"boundary": "ring"}, UnknownNameError, "boundary"),
        (AXES, {"cells": 0}, ConfigError, "cells"),
        (AXES, {"samples": 0}, ConfigError, "samples"),
        (AXES, {"seed": -1}, ConfigError, "seed"),
        (AXES, {"workers": 0}, ConfigError, "workers"),
        (AXES, {"window": 0.0}, ConfigError, "window"),
        (AXES, {"hoppings": {}}, ConfigError, "hoppings"),
    ],
)
def test_wrong_input(axes, options, error, message):
    with pytest.raises(error, match=message):
        tnl.phase_diagram(axes, **options)
