"""`tnlearn.Dataset`: labelled chains and their states, of a recipe or of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.integers import ambiguity, array_fields, class_indices, sample_integers
from tnlearn.data.sampling import stream
from tnlearn.errors import LackingError, ShapeError, check_choice, check_whole
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import states
from tnlearn.physics.states import States
from tnlearn.physics.winding import Winding
from tnlearn.shown import Shown, some

if TYPE_CHECKING:
    from tnlearn.data.stored import StoredDataset

__all__ = ["GAUGES", "Dataset", "as_columns", "from_columns", "joined"]

Array = NDArray[Any]

GAUGES = ("random", "solver")


class Arrays:
    """Arrays by name in the place of states, or of chains that are not known.

    What else is asked of them is a `LackingError`.
    """

    def __init__(self, arrays: Mapping[str, Array], lacking: str) -> None:
        self.arrays, self._lacking = dict(arrays), lacking

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()), ()))

    def __getitem__(self, index: Any) -> Arrays:
        return Arrays({name: x[index] for name, x in self.arrays.items()}, self._lacking)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise LackingError(
            f"these data were made without {self._lacking} ({name!r} of them is asked for); "
            "tnl.Dataset.from_chains makes data that have everything"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Shown):
    """Labelled chains and their states.

    Made by `tnlearn.dataset`; of chains, states or arrays of one's own by `from_chains`,
    `from_states` and `from_arrays`.

    Attributes
    ----------
    states : States
        u, v of shape (samples, states, cells) in the precision asked for;
        energies are kept, but not meant for the networks.
    labels : (samples,) int64 array
        Index of the class of each sample, or −1 where its winding is none of
        `classes` (the shift `unseen-winding`).
    classes : tuple of int
        The winding of each class.
    windings : (samples,) int64 array
        Winding number: the sample's own integer (`lyapunov`, on the ring).
    ambiguous : (samples,) bool array
        Where kinds of winding number disagree (`lyapunov` against the rounded
        `rswn` of the same sample closed into a ring), where that RSWN is more
        than 0.3 from an integer, or where the gap of the ring vanishes.
    chains : Chains
        The chains themselves, float64.
    info : dict
        The recipe: name, cells, samples, disorder, seed, boundary, gauge, start,
        dtype, variant, label (the kind of the label), shifts (applied since).  Of data of
        one's own the name is none of the recipes, and what is not said has its default.
    kinds : dict of str to `Winding`
        Every kind of winding number of every sample, where the data set was made
        with `labels="all"`: the methods of `tnlearn.winding` that apply, of the
        chain as it is, and `rswn-ring`, the RSWN of an open sample closed into a
        ring.  Empty otherwise.  `tnlearn.data.disagreement` compares them.
    """

    states: States
    labels: Array
    classes: tuple[int, ...]
    windings: Array
    ambiguous: Array
    chains: Chains
    info: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, Winding] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unsaid = {
            "name": "chains",
            "samples": len(self.labels),
            "seed": 0,
            "gauge": "solver",
            "start": 0,
            "variant": "",
            "labels": "lyapunov",
            "label": "yours",
            "shifts": [],
        }
        if isinstance(self.states, States):
            unsaid["dtype"] = np.finfo(self.states.dtype).dtype.name
        if isinstance(self.chains, Chains):
            unsaid |= {"cells": self.chains.cells, "boundary": self.chains.boundary}
        more = {key: value for key, value in unsaid.items() if key not in self.info}
        object.__setattr__(self, "info", {**self.info, **more})

    @classmethod
    def from_chains(
        cls,
        chains: Chains,
        labels: Any = None,
        *,
        classes: Sequence[int] | None = None,
        gauge: str = "random",
        seed: int = 1,
        dtype: str = "float32",
    ) -> Dataset:
        """Chains of one's own and their states, labelled by their own integer unless told.

        >>> data = tnl.Dataset.from_chains(tnl.ssh(20, 0.5, 1.0, 1.0, 1.0, samples=100, seed=1))

        Parameters
        ----------
        chains : Chains
        labels : (samples,) ints, optional
            Winding number of each; that of the sample itself (`lyapunov`) if not given.  A
            sample is `ambiguous` where the kinds of winding number of its ring do not tell
            that number clearly.
        classes : sequence of int, optional
            The winding of each class, in order; those that occur, ascending, if not given.
        gauge, dtype
            Of the states, as in `tnlearn.dataset`.
        seed : int
            Of the gauge, and of what shifts and audits draw.

        Raises
        ------
        ShapeError, ConfigError, UnknownNameError
            If these are no chains, or labels or settings do not fit.
        """
        if not isinstance(chains, Chains):
            raise ShapeError(
                f"chains must be made by tnl.chain or tnl.ssh, not a {type(chains).__name__}: a "
                "matrix does not tell the bonds that close it into a ring"
            )
        solved, seed = states(chains), check_whole("seed", seed, 0)
        if check_choice("gauge", gauge, GAUGES) == "random":
            solved = solved.random_gauge(stream(seed, "gauge"))
        if labels is None:
            windings, ambiguous = sample_integers(chains)
        else:
            windings = _whole_labels(labels, len(chains))
            ambiguous = ambiguity(chains, windings)
        info = {"name": "chains", "seed": seed, "gauge": gauge}
        info["label"] = "lyapunov" if labels is None else "yours"
        data = _unknown(solved.astype(dtype), "chains", windings, classes)
        return replace(data, ambiguous=ambiguous, chains=chains, info=info)

    @classmethod
    def from_states(
        cls, states: States, labels: Any, *, classes: Sequence[int] | None = None
    ) -> Dataset:
        """States of one's own under labels of one's own; nothing is known of their chains.

        Such data are trained on, predicted and shifted in their gauge; what alters chains
        needs `from_chains`.  `classes` as there.

        Parameters
        ----------
        states : States
        labels : (samples,) ints
            Winding number of each.

        Raises
        ------
        ShapeError
            If these are no states, or labels of as many samples.
        """
        if not isinstance(states, States):
            raise ShapeError(f"states must be tnl.States, not a {type(states).__name__}")
        return _unknown(states, "states", labels, classes)

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Any], labels: Any, *, classes: Sequence[int] | None = None
    ) -> Dataset:
        """Whatever the inputs of a network are, by their names, under labels of one's own.

        Parameters
        ----------
        arrays : mapping of name to (samples, …) array
            As in ``{"psi": psi}``, for a network with an input of that name.
        labels, classes
            As in `from_states`.

        Raises
        ------
        ShapeError
            If the arrays and labels are not of as many samples.
        """
        if not isinstance(arrays, Mapping) or not arrays:
            raise ShapeError('arrays must be a mapping of names to arrays, as in {"psi": psi}')
        held = {str(name): np.asarray(x) for name, x in arrays.items()}
        shapes = {name: x.shape for name, x in held.items()}
        if len({shape[:1] for shape in shapes.values()}) != 1 or () in shapes.values():
            raise ShapeError(f"the arrays hold different numbers of samples: {shapes}")
        stand_in = Arrays(held, "states u and v, and their energies")
        return _unknown(cast(States, stand_in), "arrays", labels, classes)

    def __len__(self) -> int:
        return len(self.labels)

    def plot(self, *, ax: Any = None) -> Any:
        """How many samples have which winding number, and how many of them are ambiguous.

        Returns the axes it was drawn on, `ax` or those of a figure of its own.
        """
        from tnlearn.data import plots

        return plots.classes(self.windings, np.asarray(self.ambiguous, bool), ax)

    def _facts(self) -> dict[str, str]:
        info = self.info
        where = {k: str(info[k]) for k in ("cells", "boundary") if k in info}
        # (Of several data sets in one it is a list.)
        strengths = some(f"{w:g}" for w in np.ravel(info.get("disorder", ())))
        shifts = some(step["name"] for step in info["shifts"])
        return {
            "name": str(info["name"]),
            "samples": str(len(self)),
            **where,
            "classes": some(self.classes),
            **({"disorder": strengths} if strengths else {}),
            **({"shifts": shifts} if shifts else {}),
            "ambiguous": str(int(np.count_nonzero(self.ambiguous))),
        }

    def _sketch(self) -> Any:
        return self.plot() if len(self) else None

    def __getitem__(self, index: Any) -> Dataset:
        """The samples chosen by a slice, a mask, an index array or one index (a batch of one)."""
        index = as_batch(index, len(self))
        labels = self.labels[index]
        return Dataset(
            self.states[index],
            labels,
            self.classes,
            self.windings[index],
            self.ambiguous[index],
            self.chains[index],
            info_of_rows(self.info, index, len(self), len(labels)),
            kinds_of_columns(
                {
                    f"kind {kind} {n}": getattr(result, n)[index]
                    for kind, result in self.kinds.items()
                    for n in array_fields(result)
                }
            ),
        )

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[dict[str, Array], int]]:
        """Samples as pairs (arrays by name, class), for ``torch.utils.data.DataLoader(data, …)``.

        A batch of the loader is ``({"u": …, "v": …}, labels)``, which ``module(batch[0])`` takes.
        """
        arrays = self.states.arrays
        return [({n: x[i] for n, x in arrays.items()}, int(self.labels[i])) for i in indices]

    def save(self, path: str | os.PathLike[str], *, chunk: int | None = None) -> StoredDataset:
        """Write the data set to an HDF5 file, with its recipe and checksums (Fletcher-32).

        What was there before is replaced once everything is on the disk.  Read it
        with `tnlearn.open_dataset`; `FileError` if it cannot be written.
        """
        from tnlearn.data.stored import save  # upward, and only when called

        return save(self, path, chunk)


def _unknown(states: States, name: str, labels: Any, classes: Sequence[int] | None) -> Dataset:
    """Data of which no chains are known, under the labels that are given."""
    windings = _whole_labels(labels, len(states))
    known = tuple(np.unique(windings).tolist() if classes is None else map(int, classes))
    return Dataset(
        states,
        class_indices(windings, known),
        known,
        windings,
        np.zeros(len(windings), dtype=bool),
        cast(Chains, Arrays({}, "chains")),
        {"name": name},
    )


def _whole_labels(labels: Any, samples: int) -> Array:
    windings = np.asarray(labels)
    if windings.shape != (samples,) or windings.dtype.kind not in "iub":
        raise ShapeError(
            f"labels must be {samples} whole numbers, the winding number of each sample; got "
            f"{windings.dtype} of shape {windings.shape}"
        )
    return windings.astype(np.int64)


def as_batch(index: Any, samples: int) -> Any:
    """An index as a slice, a mask or an index array: of one sample, the batch that holds it."""
    if not isinstance(index, (int, np.integer)):
        return index
    at = range(samples)[index]
    return slice(at, at + 1)


def info_of_rows(info: Mapping[str, Any], index: Any, samples: int, chosen: int) -> dict[str, Any]:
    """The recipe of chosen samples: of a stretch with another start, else of a subset."""
    first, _, step = index.indices(samples) if isinstance(index, slice) else (0, 0, 0)
    more = {"start": info.get("start", 0) + first} if step == 1 else {"subset": True}
    return {**info, "samples": chosen, **more}


def as_columns(data: Dataset) -> dict[str, Array]:
    """All that is known of the samples, one array (samples, …) a column.

    `u`, `v`, `energies`, `labels`, `windings`, `ambiguous`, `hopping m`, `kind name field`.
    """
    states, names = data.states, ("labels", "windings", "ambiguous")
    columns = {"u": states.u, "v": states.v, "energies": states.energies}
    columns |= {name: getattr(data, name) for name in names}
    columns |= {f"hopping {m}": t for m, t in sorted(data.chains.hoppings.items())}
    for kind, result in data.kinds.items():
        columns |= {f"kind {kind} {n}": getattr(result, n) for n in array_fields(result)}
    return columns


def from_columns(
    columns: Mapping[str, Array],
    classes: tuple[int, ...],
    chain: Mapping[str, Any],
    info: dict[str, Any],
) -> Dataset:
    """The data set of such columns; `chain` is what all chains share: cells, boundary and flux."""
    return Dataset(
        States(columns["u"], columns["v"], columns["energies"]),
        columns["labels"],
        classes,
        columns["windings"],
        columns["ambiguous"],
        chains_of_columns(columns, chain),
        info,
        kinds_of_columns(columns),
    )


def chains_of_columns(columns: Mapping[str, Array], chain: Mapping[str, Any]) -> Chains:
    """The chains alone."""
    hoppings = {int(n.split()[1]): t for n, t in columns.items() if n.startswith("hopping ")}
    return Chains(hoppings=hoppings, **chain)


def kinds_of_columns(columns: Mapping[str, Array]) -> dict[str, Winding]:
    """The kinds of winding number alone."""
    kinds: dict[str, dict[str, Any]] = {}
    for name, values in columns.items():
        if name.startswith("kind "):
            _, kind, column = name.split(" ")
            kinds.setdefault(kind, {"method": kind})[column] = values
    return {kind: Winding(**values) for kind, values in kinds.items()}


def shared_by(chains: Chains) -> dict[str, Any]:
    """What all chains share."""
    return {"cells": chains.cells, "boundary": chains.boundary, "flux": chains.flux}


def joined(parts: list[Dataset]) -> Dataset:
    """Several pieces of one data set, one after the other, under the recipe of the first."""
    first, every = parts[0], [as_columns(part) for part in parts]
    if any(set(columns) != set(every[0]) for columns in every):
        raise ShapeError("these are pieces of different data sets")
    whole = {n: np.concatenate([columns[n] for columns in every]) for n in every[0]}
    info = {**first.info, "samples": sum(map(len, parts))}
    return from_columns(whole, first.classes, shared_by(first.chains), info)
