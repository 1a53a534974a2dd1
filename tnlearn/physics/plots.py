"""What a physicist plots of a chain: its hoppings, its spectrum, its states, its winding number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ShapeError
from tnlearn.look import DIVERGING, EDGE, GREY, canvas

__all__ = ["cells", "density", "edge_weight", "hoppings", "spectrum", "windings"]

Array = NDArray[Any]


def edge_weight(u: Array, v: Array) -> Array:
    """Share of each state that sits in the outer fifth of the chain, (samples, states).

    Σ |ψ|² over the first and the last tenth of the cells (one cell at least), of
    ψ = (u, ±v)/√2.  A state spread evenly has a fifth, an edge state nearly all.
    """
    cells = u.shape[-1]
    tenth = max(1, cells // 10)
    ends = np.r_[:tenth, cells - tenth : cells]
    return np.asarray(0.5 * (np.abs(u[..., ends]) ** 2 + np.abs(v[..., ends]) ** 2).sum(axis=-1))


def hoppings(hoppings: Mapping[int, Array], ax: Any = None) -> Any:
    """t_m(y) along a chain, (cells,) for each offset m; the modulus of complex ones."""
    with canvas(ax) as ax:
        for m, t in sorted(hoppings.items()):
            ax.plot(np.abs(t) if np.iscomplexobj(t) else t, marker=".", label=f"$t_{{{m}}}$")
        ax.set(xlabel="cell y", ylabel="hopping")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
        return ax


def spectrum(
    energies: Array, edge: Array, against: Any = None, label: str = "", ax: Any = None
) -> Any:
    """±E_n of a batch, coloured by how much of a state sits at the ends of its chain.

    One sample stands against the number of the state, several against their number or
    against the values of `against` (samples,), such as a hopping.

    Raises
    ------
    ShapeError
        If `against` has another length than the batch.
    """
    samples, states = energies.shape
    both = np.concatenate([-energies[:, ::-1], energies], axis=1)
    weight = np.concatenate([edge[:, ::-1], edge], axis=1)
    if samples == 1 and against is None:
        x: Array = np.arange(2 * states)[None]
        name = "state, by energy"
    else:
        x = np.repeat(_places(against, samples)[:, None], 2 * states, axis=1)
        name = "sample" if against is None else label
    with canvas(ax) as ax:
        order = np.argsort(weight, axis=None)  # the edge states on top
        dots = ax.scatter(
            *(a.ravel()[order] for a in (x, both)), c=weight.ravel()[order], cmap=EDGE, vmin=0,
            vmax=1, s=90 / (5 + np.sqrt(max(samples, states))), linewidths=0,
        )  # fmt: skip
        bar = ax.figure.colorbar(dots, ax=ax, pad=0.02)
        bar.set_label("share of the state at the ends")
        bar.outline.set_visible(False)
        ax.set(xlabel=name, ylabel="energy (units of the hopping)")
        return ax


def density(
    u: Array, v: Array, energies: Array, numbers: Sequence[int] = (0, 1), ax: Any = None
) -> Any:
    """|ψ_n|² along one chain, A above the line and B below, of the states `numbers` (by energy)."""
    with canvas(ax) as ax:
        for n in numbers:
            (line,) = ax.plot(0.5 * np.abs(u[n]) ** 2, marker=".", label=f"E = ±{energies[n]:.3g}")
            ax.plot(-0.5 * np.abs(v[n]) ** 2, marker=".", color=line.get_color())
        ax.axhline(0, linewidth=0.8, color=GREY)
        ax.set(xlabel="cell", ylabel="|ψ|²  (A up, B down)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.set_major_formatter(lambda y, _: f"{abs(y):g}")
        ax.legend()
        return ax


def windings(
    value: Array,
    integer: Array,
    reliable: Array,
    against: Any = None,
    label: str = "",
    name: str = "winding number",
    ax: Any = None,
) -> Any:
    """Winding numbers of a batch before rounding, their integers, a cross where not reliable.

    Raises
    ------
    ShapeError
        If `against` has another length than the batch.
    """
    x = _places(against, len(value))
    order = np.argsort(x, kind="stable")
    with canvas(ax) as ax:
        ax.step(x[order], integer[order], where="mid", color=GREY, label="integer")
        ax.plot(x[reliable], value[reliable], ".", label="before rounding")
        if not reliable.all():
            ax.plot(x[~reliable], np.nan_to_num(value)[~reliable], "x", label="not reliable")
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="sample" if against is None else label, ylabel=name)
        ax.legend()
        return ax


def cells(
    places: Array, values: Array | None = None, name: str = "", signed: bool = False, ax: Any = None
) -> Any:
    """The cells of a lattice where they are, (cells, 2), coloured by `values` (cells,)."""
    with canvas(ax, width=4.2, height=3.4) as ax:
        wide = np.ptp(places, axis=0).max() + 1.0
        size = (2.6 * 72 / wide * 0.8) ** 2  # points², of a dot that nearly fills its cell
        if values is None:
            ax.scatter(*places.T, s=size, marker="s", linewidths=0)
        else:
            limits = {"cmap": DIVERGING, "vmin": -2, "vmax": 2} if signed else {"cmap": "Blues"}
            dots = ax.scatter(*places.T, s=size, c=values, marker="s", linewidths=0, **limits)
            bar = ax.figure.colorbar(dots, ax=ax, pad=0.02)
            bar.set_label(name)
            bar.outline.set_visible(False)
        ax.set(xlabel="x", ylabel="y", aspect="equal")
        ax.grid(False)
        return ax


def _places(against: Any, samples: int) -> Array:
    x = np.arange(samples) if against is None else np.asarray(against, dtype=float)
    if x.shape != (samples,):
        raise ShapeError(f"`against` needs one number a sample, ({samples},), got {x.shape}")
    return x
