"""`tnl.marker`: the winding number of short open chains, by a network that was trained for it.

>>> import tnlearn as tnl
>>> mark = tnl.marker("extended")
>>> chains = tnl.chain(16, {0: 0.8, 1: 1.0})
>>> marking = mark(chains)
>>> marking.integer.tolist(), marking.reliable.tolist()
([1], [True])
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from autoray import do
from numpy.typing import NDArray

from tnlearn.archive import read, write
from tnlearn.errors import CheckpointError, ConfigError, ShapeError, check_choice, check_finite
from tnlearn.files import parsing
from tnlearn.models.scaling import moment_count, scaling_functions
from tnlearn.networks.functions import ACTIVATIONS
from tnlearn.physics import hamiltonians
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import states
from tnlearn.physics.rawblocks import Blocks
from tnlearn.physics.states import States
from tnlearn.shown import Shown, some

__all__ = ["Marker", "Marking", "marker", "read_marker", "write_marker"]

Array = NDArray[Any]

KIND = "tnlearn-marker/1"
SHIPPED = ("extended",)

_CHUNK_BYTES = 64 * 2**20
# States are taken for normalised, and a set for complete, to single precision.
_UNITARY = 1e-3


@dataclass(frozen=True, eq=False)
class Marking:
    """Winding numbers of a batch of chains by a learned marker, each with its probability.

    Attributes
    ----------
    value : (samples,) float array
        Expected winding Σ_k p_k w_k over the marker's classes.
    integer : (samples,) int array
        The most probable winding.
    probability : (samples,) float array
        Its probability, p = max_k p_k.
    reliable : (samples,) bool array
        False if p is below the marker's `threshold`, if the length is outside its `cells`,
        or if the chain is known to have hoppings it was not made for.
    probabilities : (samples, classes) float array
    classes : tuple of int
        The winding of each class.
    method : str
        The marker's name.
    """

    value: Array
    integer: Array
    probability: Array
    reliable: Array
    probabilities: Array
    classes: tuple[int, ...]
    method: str

    def __len__(self) -> int:
        return len(self.value)


class Marker(Shown):
    """A learned finite-size marker of open chiral chains with one orbital a cell and sublattice.

    It sees |q_xy|², q = Σ_n u_n v_n†, in sums over regions that scale with the chain
    (`tnlearn.models.scaling`), standardised to (B − shift) · scale, and answers with class
    probabilities, the mean over its members.  Neither energies nor hoppings are used.

    Attributes
    ----------
    name : str
    classes : tuple of int
        The windings it can answer; of any other it cannot know.
    cells : (int, int)
        Shortest and longest chain on which it was measured.
    offsets : tuple of int
        The hopping offsets it was trained on.
    threshold : float
        Probability below which an answer is not called reliable.
    members : int
    record : dict
        How it was made (command, seed, sizes, samples, versions) and what was measured.
    """

    def __init__(self, name: str, content: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self.name = name
        self.classes = tuple(int(c) for c in content["classes"])
        self.record: dict[str, Any] = content["record"]
        low, high = self.record["cells"]
        self.cells: tuple[int, int] = (int(low), int(high))
        self.offsets = tuple(int(m) for m in self.record["offsets"])
        self.threshold = float(self.record["probability"])
        self._activation = check_choice("activation", content["activation"], ACTIVATIONS)
        self._shift, self._scale = arrays["shift"], arrays["scale"]
        self._layers = [
            (arrays[f"layer{k}/weight"].astype(float), arrays[f"layer{k}/bias"].astype(float))
            for k in range(content["layers"])
        ]
        self.members = len(self._layers[0][0])
        width = moment_count()
        if self._shift.shape != (width,) or self._scale.shape != (width,):
            raise ValueError(f"{self._shift.shape} moments where {width} are computed")
        for weight, bias in self._layers:
            if weight.shape[2] != width or bias.shape != weight.shape[:2]:
                raise ValueError(f"a layer of shape {weight.shape} after {width} numbers")
            width = weight.shape[1]
        if width != len(self.classes):
            raise ValueError(f"{width} outputs for {len(self.classes)} classes")

    def _facts(self) -> dict[str, str]:
        return {
            "name": self.name,
            "windings": some(self.classes),
            "cells": f"{self.cells[0]} to {self.cells[1]}",
            "members": str(self.members),
        }

    def __call__(
        self,
        given: Any,
        **words: Unpack[hamiltonians.Words],
    ) -> Marking:
        """The winding number of open chains.

        Parameters
        ----------
        given
            `Chains` with open ends; all states of them (`States`, or a data set); a block
            h[x, y] = <A,x|H|B,y>, (cells, cells) or (samples, cells, cells); or a
            Hamiltonian: whatever `tnl.winding` takes.
        **words
            What a matrix is, and how it is read, by kind, order, sublattice, chiral, positions,
            cells, params and tolerance: as in `tnl.winding`.

        Raises
        ------
        ConfigError
            For a ring: a marker is for open chains.
        ShapeError
            For states that are not all of those of chains with one orbital a cell and
            sublattice, or arrays of another shape.
        NotFiniteError, NotChiralError, UnknownNameError, MemoryLimitError
            As `tnl.winding`.
        """
        try:
            source, inside = self._source(given, words)
        except hamiltonians.UnbalancedError as error:
            if error.samples > 1:
                raise
            return self._unknown()
        samples = len(source)
        chances = np.empty((samples, len(self.classes)))
        for part in _parts(samples, source.cells):
            solved = source[part] if isinstance(source, States) else states(source[part])
            chances[part] = self._probabilities(solved)
        windings = np.asarray(self.classes)
        probability = chances.max(axis=1)
        low, high = self.cells
        return Marking(
            chances @ windings,
            windings[chances.argmax(axis=1)].astype(np.int64),
            probability,
            (probability >= self.threshold) & inside & (low <= source.cells <= high),
            chances,
            self.classes,
            self.name,
        )

    def _unknown(self) -> Marking:
        """Of a chain with states pinned at zero energy nothing is known: all classes alike."""
        even = np.full((1, len(self.classes)), 1 / len(self.classes))
        none = np.zeros(1, dtype=np.int64)
        value = even @ np.asarray(self.classes)
        return Marking(value, none, even[:, 0], none > 0, even, self.classes, self.name)

    def _source(
        self, source: Any, words: hamiltonians.Words
    ) -> tuple[Chains | States | Blocks, Array]:
        """What is to be solved or is solved, and whether it has none but the known hoppings."""
        solved = source if isinstance(source, States) else getattr(source, "states", None)
        if isinstance(solved, States):
            _check_states(solved)
            chains = getattr(source, "chains", None)  # a data set has them, too
            if isinstance(chains, Chains):
                _check_orbitals(source, chains)
                return solved, self._known_chains(chains)
            return solved, np.full(len(solved), not np.iscomplexobj(solved.u))
        ready = hamiltonians.read(source, **words)
        if not isinstance(ready, Blocks):
            return ready, self._known_chains(ready)
        chains, _ = ready.chains()
        largest = np.max([np.abs(t).max(axis=1) for t in chains.hoppings.values()], axis=0)
        bonds = {
            m: np.where(np.abs(t) > ready.tolerance * largest[:, None], t, 0.0)
            for m, t in chains.hoppings.items()
        }
        return ready, self._known_chains(replace(chains, hoppings=bonds))

    def _known_chains(self, chains: Chains) -> Array:
        if chains.boundary != "open":
            raise ConfigError(
                "this marker is for open chains and these are rings: give "
                'chains.with_boundary("open"), or use tnl.winding'
            )
        known = np.full(chains.samples, np.dtype(chains.dtype).kind != "c")
        for m, t in chains.hoppings.items():
            check_finite(f"the hopping of offset {m}", t)
            if m not in self.offsets:
                known &= ~np.any(t, axis=1)
        return known

    def _probabilities(self, solved: States) -> Array:
        """(samples, classes): the mean over members of their softmax."""
        hidden: Array = ((_moments(solved) - self._shift) * self._scale)[None]
        for number, (weight, bias) in enumerate(self._layers, start=1):
            hidden = hidden @ weight.swapaxes(1, 2) + bias[:, None]
            if number < len(self._layers):
                hidden = do(self._activation, hidden)
        weights = np.exp(hidden - hidden.max(axis=2, keepdims=True))
        return np.asarray((weights / weights.sum(axis=2, keepdims=True)).mean(axis=0))


def marker(name: str | os.PathLike[str] = "extended") -> Marker:
    """A marker shipped with the package, or one from a file.

    Parameters
    ----------
    name
        ``"extended"``: chains with hoppings of offset −1, 0, 1, 2, windings −1, 0, 1, 2; or
        the path of an ``.npz`` file written by ``python -m tnlearn.studies.make_marker``.

    Raises
    ------
    UnknownNameError
        For a name that is not shipped; the known ones are in the message.
    FileError, CheckpointError
        If the file cannot be read, or is none of a marker.
    """
    path = os.fspath(name) if isinstance(name, os.PathLike) else name
    if isinstance(path, str) and path.endswith(".npz"):
        return read_marker(path)
    return _shipped(check_choice("marker", path, SHIPPED))


@cache
def _shipped(name: str) -> Marker:
    with resources.as_file(resources.files("tnlearn.markers").joinpath(f"{name}.npz")) as path:
        return read_marker(path)


def read_marker(path: str | os.PathLike[str]) -> Marker:
    """The marker in a file; no code in it is executed.

    Raises
    ------
    FileError
        If there is no such file.
    CheckpointError
        If it is damaged, or not the file of a marker of this version.
    """
    content, arrays = read(path, KIND)
    hint = "Make it again with 'python -m tnlearn.studies.make_marker'"
    what = "a marker of this version"
    with parsing(Path(path), what, error=CheckpointError, hint=hint):
        return Marker(Path(path).stem, content, arrays)


def write_marker(
    path: str | os.PathLike[str],
    *,
    shift: Array,
    scale: Array,
    layers: Sequence[tuple[Array, Array]],
    activation: str,
    classes: Sequence[int],
    record: Mapping[str, Any],
) -> None:
    """Write a marker, whole or not at all; weights in single precision.

    Parameters
    ----------
    shift, scale : (moments,) float arrays
    layers : list of (weight, bias)
        Arrays (members, out, in) and (members, out); the activation stands between them.
    activation, classes, record
        See `Marker`.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    arrays: dict[str, Array] = {"shift": np.asarray(shift), "scale": np.asarray(scale)}
    for number, (weight, bias) in enumerate(layers):
        arrays[f"layer{number}/weight"] = np.asarray(weight, dtype=np.float32)
        arrays[f"layer{number}/bias"] = np.asarray(bias, dtype=np.float32)
    head = {"activation": activation, "classes": [int(c) for c in classes], "layers": len(layers)}
    write(path, KIND, {**head, "record": dict(record)}, arrays)


def _check_orbitals(data: Any, chains: Chains) -> None:
    """Refuse a data set with several orbitals a cell, whose chains count pairs of them."""
    cells = int(getattr(data, "info", {}).get("cells", chains.cells))
    if chains.cells > cells:
        raise ShapeError(
            f"these chains have {chains.cells // cells} orbitals a cell and sublattice; this "
            "marker is for chains with one"
        )


def _check_states(given: States) -> None:
    if given.u.ndim != 3 or given.u.shape[1] != given.u.shape[2]:
        raise ShapeError(
            f"a marker needs all states of chains with one orbital a cell and sublattice, "
            f"(samples, cells, cells); got u of shape {given.u.shape}"
        )
    for name, array in (("u", given.u), ("v", given.v)):
        check_finite(f"states.{name}", array)
        norms = (np.abs(array) ** 2).sum(axis=2)
        if np.abs(norms - 1).max(initial=0.0) > _UNITARY:
            raise ShapeError(
                f"the states {name} are not normalised to 1 each (|{name}|² is between "
                f"{norms.min():.3g} and {norms.max():.3g}): a marker needs all of them"
            )


def _parts(samples: int, cells: int) -> Iterator[slice]:
    step = max(1, _CHUNK_BYTES // (8 * 4 * cells * cells))
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))


def _moments(solved: States) -> Array:
    """B_k = Σ_xy f_k(x, y) |q_xy|², (samples, moments), a few rows of the chain at a time."""
    weight = np.abs(solved.q()) ** 2
    samples, cells = len(weight), weight.shape[-1]
    sums = np.zeros((samples, moment_count()))
    step = max(1, _CHUNK_BYTES // (8 * moment_count() * cells))
    for start in range(0, cells, step):
        rows = slice(start, start + step)
        functions = scaling_functions(cells, rows)
        part = weight[:, rows].reshape(samples, -1)
        sums += part @ functions.reshape(len(functions), -1).T
    return sums
