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
from tnlearn.phase.points import COLUMNS, Task, evaluate
from tnlearn.physics.boundary import ssh_exponent, ssh_transitions
from tnlearn.physics.lyapunov import lyapunov_winding

CONVENTIONS = {"intra": {0: "W", 1: (0.5, "W")}, "inter": {0: (0.5, "W"), 1: "W"}}
SMALL = {"intra": np.linspace(0.1, 2.0, 13), "W": np.linspace(0.0, 5.0, 7)}


def small(**given):
    return tnl.phase_diagram(SMALL, disorder=CONVENTIONS["intra"], **{"cells": 20, **given})


def same(one, other):
    assert one.names == other.names
    for field in ("columns", "rows", "mean", "error", "majority", "agreement", "settled"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
    np.testing.assert_equal(one.exponent, other.exponent)


def task(**given):
    standard = {
        "number": 0,
        "amplitudes": {0: np.array([0.5, 1.0, 1.5]), 1: np.ones(3)},
        "strengths": {0: np.array([0.5, 2.0, 4.0]), 1: np.array([0.3, 1.0, 2.0])},
        "cells": 37,
        "samples": 40,
        "seed": 5,
        "kind": "lyapunov",
        "boundary": "open",
        "window": 0.5,
    }
    return Task(**{**standard, **given})


def test_clean_chains_are_exact():
    intra = np.array([0.0, 0.5, 1.5, 2.0])
    found = tnl.phase_diagram({"intra": intra, "inter": [0.7, 1.2]}, cells=10, samples=3)
    np.testing.assert_array_equal(found.mean, intra < np.array([[0.7], [1.2]]))
    np.testing.assert_array_equal(found.error, 0)
    np.testing.assert_array_equal(found.agreement, 1)
    np.testing.assert_array_equal(found.majority, found.infinite())


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_boundary_of_the_infinite_chain(convention):
    axes = {"intra": np.linspace(0, 2, 60), "W": np.linspace(0, 6, 40)}
    found = tnl.phase_diagram(axes, disorder=CONVENTIONS[convention])
    right = found.majority == found.infinite()
    clear = found.agreement >= 0.8
    assert right.mean() >= 0.97
    assert right[clear].mean() >= 0.999
    first, second = {"intra": (1, 0.5), "inter": (0.5, 1)}[convention]
    W = axes["W"][:, None]
    np.testing.assert_array_equal(
        found.exponent, ssh_exponent(axes["intra"], 1.0, first * W, second * W)
    )


@pytest.mark.parametrize("intra", [1.1, 1.2])
def test_topological_anderson_insulator_from_long_chains(intra):
    # One chain a point: nothing is averaged but the logarithms of a long chain.
    expected = ssh_transitions(intra)
    assert len(expected) == 2
    near = np.arange(-0.04, 0.0401, 0.005)
    W = np.concatenate([place + near for place in expected])
    found = tnl.phase_diagram(
        {"intra": [intra], "W": W},
        disorder=CONVENTIONS["intra"],
        cells=1_000_000,
        samples=1,
        seed=3,
    ).majority[:, 0]
    opening, closing = found.reshape(2, -1)
    outside = near < -0.02 + 1e-9, near > 0.02 - 1e-9
    np.testing.assert_array_equal(opening[outside[0]], 0)
    np.testing.assert_array_equal(opening[outside[1]], 1)
    np.testing.assert_array_equal(closing[outside[0]], 1)
    np.testing.assert_array_equal(closing[outside[1]], 0)


def test_no_topological_anderson_insulator_beyond():
    found = tnl.phase_diagram(
        {"intra": [1.4], "W": np.arange(0.1, 6.0, 0.1)},
        disorder=CONVENTIONS["intra"],
        cells=200_000,
        samples=1,
    )
    np.testing.assert_array_equal(found.majority, 0)
    assert (found.infinite() == 0).all()


@pytest.mark.parametrize("low", [-2, 0, 1])
@pytest.mark.parametrize("phase", [1.0, np.exp(0.7j)])
def test_sums_of_logarithms_are_the_transfer_matrix(low, phase):
    amplitudes = {low: np.array([0.5, 1.0, 1.5]) * phase, low + 1: np.ones(3)}
    strengths = {low: np.array([0.5, 2.0, 4.0]), low + 1: np.array([0.3, 1.0, 2.0])}
    given = task(amplitudes=amplitudes, strengths=strengths)
    value, settled = phase_points._by_logarithms(given, low)
    counted, also = phase_points._by_chains(given)
    assert settled.all()
    assert also.all()
    np.testing.assert_array_equal(value, counted)
    assert {low, low + 1} == set(value)


def test_vanishing_hoppings():
    amplitudes = {0: np.array([0.0, 1.0, 0.0, 1.0]), 1: np.array([1.0, 0.0, 0.0, 1.0])}
    nothing = {0: np.zeros(4), 1: np.zeros(4)}
    found = evaluate(task(amplitudes=amplitudes, strengths=nothing))
    np.testing.assert_array_equal(found.mean, [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(found.settled, [1, 1, 0, 0])
    np.testing.assert_array_equal(found.agreement, [1, 1, 0, 0])


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_no_overflow_of_the_products(scale):
    found = evaluate(task())
    scaled = task(
        amplitudes={m: scale * t for m, t in task().amplitudes.items()},
        strengths={m: scale * w for m, w in task().strengths.items()},
    )
    np.testing.assert_array_equal(evaluate(scaled).mean, found.mean)


@pytest.mark.parametrize("kind", ["rswn", "twist", "log"])
def test_every_kind_sees_the_same_chains(kind):
    chosen = task(cells=20)
    hoppings = {
        m: np.concatenate([slab.T.copy() for slab in phase_points._slabs(chosen, m)], axis=1)
        for m in (0, 1)
    }
    t, W = chosen.amplitudes, chosen.strengths
    for m in (0, 1):
        assert hoppings[m].shape == (3 * 40, 20)
        middle, spread = np.repeat(t[m], 40)[:, None], np.repeat(W[m], 40)[:, None]
        assert (np.abs(hoppings[m] - middle) <= spread / 2).all()
    chains = tnl.Chains(20, hoppings)
    expected = tnl.winding(chains, kind)
    found = evaluate(task(cells=20, kind=kind))
    groups = expected.value.reshape(3, 40)
    counted = expected.reliable.reshape(3, 40)
    if kind != "rswn":
        groups = np.where(counted, groups, np.nan)
    np.testing.assert_allclose(found.mean, np.nanmean(groups, axis=1), atol=1e-12)
    np.testing.assert_allclose(found.settled, counted.mean(axis=1))
    number = np.isfinite(groups).sum(axis=1)
    np.testing.assert_allclose(
        found.error, np.nanstd(groups, axis=1, ddof=1) / np.sqrt(number), atol=1e-12
    )
    votes = np.round(groups)
    best = [np.unique(row[np.isfinite(row)], return_counts=True) for row in votes]
    np.testing.assert_array_equal(found.majority, [v[c.argmax()] for v, c in best])
    np.testing.assert_allclose(found.agreement, [c.max() / 40 for _, c in best])
    sums, _ = lyapunov_winding(hoppings)
    agreed = evaluate(task(cells=20))
    np.testing.assert_allclose(agreed.mean, sums.reshape(3, 40).mean(axis=1))


def test_any_two_parameters_of_a_longer_chain():
    t2, back = np.linspace(-1, 1, 5), np.linspace(0.1, 0.3, 3)
    found = tnl.phase_diagram(
        {"t2": t2, "back": back},
        hoppings={-1: "back", 0: 0.5, 1: lambda t2, back: 1 + 0 * t2 * back, 2: (2.0, "t2")},
        cells=12,
        samples=2,
    )
    assert found.exponent is None
    with pytest.raises(ConfigError, match="two neighbouring offsets"):
        found.infinite()
    for i, b in enumerate(back):
        for j, t in enumerate(t2):
            clean = tnl.chain(12, {-1: b, 0: 0.5, 1: 1.0, 2: 2 * t})
            assert found.mean[i, j] == tnl.winding(clean, "lyapunov").integer


@pytest.mark.parametrize("kind", ["lyapunov", "rswn"])
def test_workers_do_not_change_anything(kind):
    axes = {"intra": np.linspace(0.1, 2.0, 40), "W": np.linspace(0.0, 5.0, 30)}
    given = {"disorder": CONVENTIONS["inter"], "cells": 8, "samples": 7, "kind": kind, "seed": 2}
    assert len(axes["intra"]) * len(axes["W"]) * 7 > COLUMNS
    one = tnl.phase_diagram(axes, **given)
    same(one, tnl.phase_diagram(axes, **given, workers=2))


def test_seeds():
    same(small(seed=4), small(seed=4))
    assert (small(seed=4).mean != small(seed=5).mean).any()


def test_save_and_load(tmp_path):
    found = small(kind="rswn", samples=3)
    found.save(tmp_path / "diagram.npz")
    again = tnl.PhaseDiagram.load(tmp_path / "diagram.npz")
    same(found, again)
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


@pytest.mark.parametrize("name", ["a.png", "a.SVG", "a.pdf"])
def test_plot(tmp_path, name):
    found = small(samples=2)
    path = found.plot(tmp_path / name, title="a title")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[name[2:].lower()]
    first = path.read_bytes()
    assert first.startswith(start)
    if name == "a.png":
        found.plot(path, title="a title")
        assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_what_is_plotted():
    from matplotlib.collections import QuadMesh

    from tnlearn.phase.picture import phase_figure

    axes = {"intra": np.linspace(0.2, 2, 30), "W": np.linspace(0, 5, 20)}
    found = tnl.phase_diagram(axes, disorder=CONVENTIONS["intra"], samples=2)
    ax = phase_figure([found]).axes[0]
    (mesh,) = (c for c in ax.collections if isinstance(c, QuadMesh))
    np.testing.assert_array_equal(mesh.get_array(), found.mean)
    (line,) = (c for c in ax.collections if not isinstance(c, QuadMesh))
    corners = np.concatenate([path.vertices for path in line.get_paths()])
    # On the drawn line the exponent vanishes, but for the interpolation on a coarse grid.
    exponent = ssh_exponent(corners[:, 0], 1.0, corners[:, 1], corners[:, 1] / 2)
    assert np.abs(exponent).max() < 0.02
    assert ax.get_xlabel() == "intra (units of the hopping)"
    assert "t₁ = 1" in ax.get_title(loc="left")
    assert ax.get_legend().get_texts()[0].get_text().endswith("E ln|t₀| = E ln|t₁|")


def test_plot_refuses(tmp_path):
    found = small(samples=2)
    with pytest.raises(UnknownNameError, match=r"did you mean '.png'"):
        found.plot(tmp_path / "a.pgn")
    with pytest.raises(FileError, match="cannot write"):
        found.plot(tmp_path / "none" / "a.png")


@pytest.mark.parametrize(
    ("axes", "given", "error", "message"),
    [
        ({"intra": [1]}, {}, ConfigError, "two parameters"),
        ({"intra": [1, 2], "inter": []}, {}, ConfigError, "one-dimensional"),
        ({"intra": [1, np.nan], "inter": [1]}, {}, ConfigError, "finite"),
        ({"intra": [2, 1], "inter": [1]}, {}, ConfigError, "ascend"),
        ({"intra": ["a"], "inter": [1]}, {}, ConfigError, "real numbers"),
        ({"intra": [1], "W": [1]}, {}, ConfigError, "depends on 'W'"),
        ({"intra": [1], "W": [1]}, {"disorder": {0: "intr"}}, UnknownNameError, "mean 'intra'"),
        ({"intra": [1], "W": [-1]}, {"disorder": {0: "W"}}, ConfigError, "at least 0"),
        ({"intra": [1], "W": [1]}, {"disorder": {2: "W"}}, ConfigError, "offset 2"),
        ({"intra": [1], "W": [1]}, {"disorder": {0: "W", 0.5: 1}}, ConfigError, "whole number"),
        ({"intra": [1], "W": [1]}, {"disorder": {0: ("W", "W")}}, ConfigError, "pair"),
        (
            {"intra": [1], "W": [1]},
            {"hoppings": {0: lambda a, W: np.ones(7)}},
            ConfigError,
            "one number per point",
        ),
        ({"intra": [1], "inter": [1]}, {"fixed": {"inter": 1.0}}, ConfigError, "cannot be fixed"),
        ({"intra": [1], "inter": [1]}, {"fixed": {"intr": 1.0}}, ConfigError, "depends on 'intr'"),
        ({"intra": [1], "W": [1]}, {"fixed": {"inter": "x"}}, ConfigError, "real number"),
        ({"intra": [1], "inter": [1]}, {"samples": 10**12}, MemoryLimitError, "GiB"),
        ({"intra": [1], "inter": [1]}, {"checkpoint": "/none/a.npz"}, FileError, "cannot write"),
        ({"intra": [1], "inter": [1]}, {"kind": "rwsn"}, UnknownNameError, "'rswn'"),
        ({"intra": [1], "inter": [1]}, {"boundary": "ring"}, UnknownNameError, "boundary"),
        ({"intra": [1], "inter": [1]}, {"cells": 0}, ConfigError, "cells"),
        ({"intra": [1], "inter": [1]}, {"samples": 0}, ConfigError, "samples"),
        ({"intra": [1], "inter": [1]}, {"seed": -1}, ConfigError, "seed"),
        ({"intra": [1], "inter": [1]}, {"workers": 0}, ConfigError, "workers"),
        ({"intra": [1], "inter": [1]}, {"window": 0.0}, ConfigError, "window"),
        ({"intra": [1], "inter": [1]}, {"hoppings": {}}, ConfigError, "hoppings"),
    ],
)
def test_wrong_input(axes, given, error, message):
    with pytest.raises(error, match=message):
        tnl.phase_diagram(axes, **given)
