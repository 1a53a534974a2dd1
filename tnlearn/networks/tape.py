"""The live steps of a plan as a tape: numbers that a small machine reads at every training step.

Nearly all that networks of this package do with a sample after folding is bilinear,
``out += scale * a * b`` over a nest of at most `LOOPS` loops, with a stride of zero where an index
is missing: contractions, sums, means, biases, residuals, differences, multiples.  The backward
pass of such a step is two steps of the same kind with the roles exchanged.  Beside them stand
three activations, and one step of its own: rows of a frozen matrix, chosen by sample, times a
weight (*meet*), for which the rows need not be gathered.

All arrays of a member lie in one workspace: parameters, constants, then what is computed, with
the batch as the last axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tnlearn.networks.evaluate import constant_arrays
from tnlearn.networks.plan import Plan
from tnlearn.networks.terms import Term, Use

__all__ = ["ACTIVATIONS", "LAYER", "LOOPS", "MADD", "MEET", "Tape", "make_tape"]

LOOPS = 5
MADD, MEET, LAYER = 0, 1, 2
ACTIVATIONS = {"relu": 3, "tanh": 4, "gelu": 5}

_LARGEST = 1 << 12  # numbers of a weight after the first: beyond, a product by BLAS is faster
_MOST = 1 << 16  # parameters, for the same reason


@dataclass(frozen=True)
class Tape:
    """What the machine is told.

    Attributes
    ----------
    steps
        A row a step: kind; where out, a and b begin; whether a and b are trained; the sizes of
        the loops; their strides in out, in a and in b.  Of *meet*: b is the column at which
        the feature begins, the sizes are channels and numbers of a row.
    scales
        The factor of each step.
    parameters, fixed
        Numbers of parameters; of parameters and constants together.
    constants
        The constants, in the order of the workspace.
    size
        Numbers of the whole workspace.
    out, classes
        Where the output begins, (classes, batch), and how many numbers it has a sample.
    """

    steps: npt.NDArray[np.int64]
    scales: npt.NDArray[np.float64]
    parameters: int
    fixed: int
    constants: npt.NDArray[np.float64]
    size: int
    out: int
    classes: int


@dataclass(frozen=True)
class _Place:
    """Where an array of the workspace begins, and the stride of each axis."""

    start: int
    strides: tuple[int, ...]
    live: bool = True


class _NotHereError(Exception):
    """A step that the machine does not know."""


def make_tape(plan: Plan, batch: int) -> Tape | None:
    """The tape of a plan for batches of one size; None where torch is the better machine."""
    if plan.graph.parameter_count() > _MOST or not plan.output.term.live:
        return None
    try:
        return _Writer(plan, batch).tape()
    except _NotHereError:
        return None


class _Writer:
    def __init__(self, plan: Plan, batch: int) -> None:
        self.plan, self.batch = plan, batch
        self.steps: list[list[int]] = []
        self.scales: list[float] = []
        self.places: dict[int, _Place] = {}
        self.size = 0

    def tape(self) -> Tape:
        plan = self.plan
        for name, node in plan.graph.parameters.items():
            place = self._new(node.sizes)
            if name in plan.leaves:
                self.places[plan.leaves[name].id] = place
        parameters = self.size
        constants = [np.ones(1)]
        self.one = self._new(())
        for i, array in constant_arrays(plan).items():
            if not np.iscomplexobj(array):
                self.places[i] = self._new(array.shape, live=False)
                constants.append(np.ravel(array))
        fixed, column, self.columns = self.size, 0, dict[int, int]()
        for i in plan.frontier:
            self.columns[i] = column
            column += _count(plan.term(i).shape)
        for term in plan.terms:
            if term.live and term.kind != "leaf":
                self._write(term)
        out = plan.output.term
        place = self.places[out.id]
        # Where classes are several axes, they must lie in the order of the output.
        order = [axis for axis in plan.order if out.shape[axis] is not None]
        if order != sorted(order) or None not in out.shape:
            raise _NotHereError
        return Tape(
            steps=np.array(self.steps, dtype=np.int64),
            scales=np.array(self.scales),
            parameters=parameters,
            fixed=fixed,
            constants=np.concatenate(constants),
            size=self.size,
            out=place.start,
            classes=_count(out.shape),
        )

    def _new(self, shape: tuple[int | None, ...], *, live: bool = True) -> _Place:
        """Room for an array; the batch is its last axis, wherever it stands in the shape."""
        strides = [0] * len(shape)
        size = 1
        order = sorted(range(len(shape)), key=lambda axis: (shape[axis] is None, axis))
        for axis in reversed(order):
            strides[axis] = size
            size *= shape[axis] or self.batch
        place = _Place(self.size, tuple(strides), live)
        self.size += size
        return place

    def _write(self, term: Term) -> None:
        """The steps of a term."""
        if not term.real or any(use.conj for use in term.uses):
            raise _NotHereError
        op = term.detail["op"] if term.kind == "function" else term.kind
        self.places[term.id] = self._new(term.shape)
        uses = list(term.uses)
        if op in ACTIVATIONS:
            a, out = self._place(uses[0]), self.places[term.id]
            if uses[0].labels != term.out:
                raise _NotHereError
            row = [ACTIVATIONS[op], out.start, a.start, 0, a.live, 0]
            self._append([*row, self._elements(term.shape)])
        elif op in ("pair", "multiply") and len(uses) == 2:
            if op == "multiply" or not self._product(term, uses):
                self._madd(term, uses[0], uses[1])
        elif op == "square":
            self._madd(term, uses[0], uses[0])
        elif op in ("sum", "expand", "scale"):
            self._madd(term, uses[0], None, term.detail if op == "scale" else 1.0)
        elif op == "mean":
            whole = self._elements(self.plan.term(uses[0].term).shape)
            self._madd(term, uses[0], None, self._elements(term.shape) / whole)
        elif op in ("add", "subtract"):
            for number, use in enumerate(uses):
                self._madd(term, use, None, -1.0 if number and op == "subtract" else 1.0)
        else:
            raise _NotHereError

    def _product(self, term: Term, uses: list[Use]) -> bool:
        """Samples times a weight, all numbers of a sample summed over: of a feature, or a layer."""
        sizes = term.label_sizes(self.plan.table.terms)
        sample, weight = sorted(uses, key=lambda use: not self.plan.term(use.term).data)
        summed = tuple(label for label in sample.labels if sizes[label] is not None)
        kept = tuple(label for label in term.out if sizes[label] is not None)
        if (
            self.plan.term(weight.term).data
            or len(kept) + 1 != len(term.out)
            or sorted(weight.labels) != sorted((*kept, *summed))
            or len(set(weight.labels)) != len(weight.labels)
        ):
            return False
        channels = math.prod(sizes[label] or 1 for label in kept)
        numbers = math.prod(sizes[label] or 1 for label in summed)
        place, strides = self._place(weight), (numbers, 1)
        if weight.labels == (*summed, *kept) and sample.term not in self.columns:
            strides = (1, channels)
        elif weight.labels != (*kept, *summed):
            # The numbers of the weight in the order of those of a sample.
            shape = tuple(sizes[label] for label in (*kept, *summed))
            there = self._new(shape)
            strides_of = dict(zip((*kept, *summed), there.strides, strict=True))
            self._nest(there.start, strides_of, place, _by_label(weight, place), None, {}, sizes)
            place = there
        out = self.places[term.id].start
        if sample.term in self.columns:
            source, kind, live = self.columns[sample.term], MEET, False
        else:
            there, kind = self._place(sample), LAYER
            source, live = there.start, there.live
            if channels * numbers > _LARGEST:
                raise _NotHereError
        self._append(
            [kind, out, place.start, source, place.live, live, channels, numbers, *strides]
        )
        return True

    def _madd(self, term: Term, a: Use, b: Use | None, scale: float = 1.0) -> None:
        places = self._place(a), None if b is None else self._place(b)
        sizes = term.label_sizes(self.plan.table.terms)
        out = self.places[term.id]
        second = {} if b is None or places[1] is None else _by_label(b, places[1])
        self._nest(
            out.start,
            dict(zip(term.out, out.strides, strict=True)),
            places[0],
            _by_label(a, places[0]),
            places[1],
            second,
            sizes,
            scale,
        )

    def _nest(
        self,
        start: int,
        out: Mapping[int, int],
        a: _Place,
        of_a: Mapping[int, int],
        b: _Place | None,
        of_b: Mapping[int, int],
        sizes: Mapping[int, int | None],
        scale: float = 1.0,
    ) -> None:
        """One step ``out += scale * a * b``; the loop that runs fastest is last."""
        labels = [label for label in sizes if label in out or label in of_a or label in of_b]

        def quick(label: int) -> tuple[bool, bool, int]:
            return sizes[label] is None, out.get(label) == 1, sizes[label] or 0

        labels.sort(key=quick)
        if len(labels) > LOOPS:
            raise _NotHereError
        b = _Place(self.one.start, (), live=False) if b is None else b
        empty = LOOPS - len(labels)
        row = [MADD, start, a.start, b.start, a.live, b.live]
        row += [1] * empty + [sizes[label] or self.batch for label in labels]
        for strides in (out, of_a, of_b):
            row += [0] * empty + [strides.get(label, 0) for label in labels]
        self._append(row, scale)

    def _append(self, row: list[int], scale: float = 1.0) -> None:
        self.steps.append([int(x) for x in row] + [0] * (6 + 4 * LOOPS - len(row)))
        self.scales.append(float(scale))

    def _place(self, use: Use) -> _Place:
        """Where an operand lies; a feature lies nowhere, it is only met."""
        if use.term not in self.places:
            raise _NotHereError
        return self.places[use.term]

    def _elements(self, shape: tuple[int | None, ...]) -> int:
        return math.prod(size or self.batch for size in shape)


def _by_label(use: Use, place: _Place) -> dict[int, int]:
    """The stride of each label; one that comes twice runs along the diagonal."""
    strides: dict[int, int] = {}
    for label, stride in zip(use.labels, place.strides, strict=True):
        strides[label] = strides.get(label, 0) + stride
    return strides


def _count(shape: tuple[int | None, ...]) -> int:
    """Numbers a sample."""
    return math.prod(size for size in shape if size is not None)
