"""One step of a contraction, stored once however often it occurs.

A *term* is a leaf, a pairwise contraction, a sum over axes, a function, or a
convolution.  Terms are hash-consed: two steps that do the same to the same
operands, up to the names of their indices and an overall complex conjugation,
are one term.  That is how ``q = Σ_n u_n v_n†``, which stands twice in the
winding number, is computed once.  A term may be *symmetric*: the same array with its axes in
another order, and conjugated.  A hermitian operator is declared to be; a step such as
``psi psi†``, of which two spellings coincide, shows it.  Then ``A B`` and ``B A = (A B)†`` of
hermitian A and B are one term.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tnlearn.networks.formula import NOTATION
from tnlearn.networks.graph import Inds, Node, Shape, count

__all__ = ["Term", "TermTable", "Use", "Value"]


@dataclass(frozen=True)
class Use:
    """A term used by another: which, conjugated or not, and a label for each of its axes."""

    term: int
    conj: bool
    labels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Term:
    """A computed array; its axes are numbered, their sizes are in `shape`.

    ``live`` says that it depends on a parameter, ``data`` that it depends on
    the inputs, ``real`` that it is real although the states may be complex.
    """

    id: int
    kind: str
    name: str
    uses: tuple[Use, ...]
    out: tuple[int, ...]
    shape: Shape
    live: bool
    data: bool
    real: bool
    detail: Any = None

    def label_sizes(self, terms: list[Term]) -> dict[int, int | None]:
        """Size of each label that occurs in this step."""
        return dict(zip(self.out, self.shape, strict=True)) | _sizes(self.uses, terms)

    def elements(self, batch: int) -> int:
        """Number of entries of the result, for a given batch."""
        return count(self.shape, batch)

    def flops(self, terms: list[Term], batch: int) -> int:
        """Floating point operations of this step: 2 for each multiply-add, 1 for each product."""
        if self.kind == "leaf":
            return 0
        if self.kind == "conv2d":
            kernel = terms[self.uses[1].term].shape
            return 2 * self.elements(batch) * count(kernel[1:], batch)
        if self.kind == "pair":
            return self._product(len(self.shape), terms, batch)
        biggest = max(count(terms[use.term].shape, batch) for use in self.uses)
        return max(biggest, self.elements(batch))

    def backward_flops(self, terms: list[Term], batch: int) -> int:
        """Floating point operations of the gradients it passes on to what depends on a parameter.

        That of a factor of a product is the product of the result's gradient and the other.
        """
        live = [use for use in self.uses if terms[use.term].live]
        if self.kind == "pair":
            return sum(self._product(len(use.labels), terms, batch) for use in live)
        return len(live) * self.flops(terms, batch)

    def _product(self, axes: int, terms: list[Term], batch: int) -> int:
        sizes = tuple(self.label_sizes(terms).values())
        return (2 if len(sizes) > axes else 1) * count(sizes, batch)


def _sizes(uses: tuple[Use, ...], terms: list[Term]) -> dict[int, int | None]:
    """Size of each label of these uses."""
    return {
        label: size
        for use in uses
        for label, size in zip(use.labels, terms[use.term].shape, strict=True)
    }


@dataclass(frozen=True)
class Value:
    """A term seen from outside: with an index name for each axis, and perhaps conjugated."""

    term: Term
    conj: bool
    names: Inds

    def renamed(self, mapping: Mapping[str, str], conj: bool) -> Value:
        """The same array under other index names, conjugated if asked."""
        flipped = (self.conj ^ conj) and not self.term.real
        return Value(self.term, flipped, tuple(mapping[name] for name in self.names))


class TermTable:
    """All terms of a plan, each stored once.  `complex` says what the inputs are."""

    def __init__(self, *, complex: bool) -> None:
        self.complex = complex
        self.terms: list[Term] = []
        self._index: dict[Any, int] = {}
        # The orders of axes, with and without conjugation, in which a term is the same array.
        self._symmetries: dict[int, dict[tuple[tuple[int, ...], bool], None]] = {}
        self._below: list[frozenset[int]] = []

    def copy(self) -> TermTable:
        """A table to try things in without touching this one."""
        other = TermTable(complex=self.complex)
        other.terms, other._below = list(self.terms), list(self._below)
        other._index = dict(self._index)
        other._symmetries = {i: dict(known) for i, known in self._symmetries.items()}
        return other

    def below(self, term: Term) -> frozenset[int]:
        """The steps that a term takes, itself included."""
        return self._below[term.id]

    def _add(
        self,
        kind: str,
        name: str,
        uses: tuple[Use, ...],
        out: tuple[int, ...],
        shape: Shape,
        *,
        real: bool,
        live: bool | None = None,
        data: bool | None = None,
        detail: Any = None,
    ) -> Term:
        key = (kind, uses, out, repr(detail)) if uses else (kind, name)
        if key in self._index:
            return self.terms[self._index[key]]
        operands = [self.terms[use.term] for use in uses]
        term = Term(
            id=len(self.terms),
            kind=kind,
            name=name,
            uses=uses,
            out=out,
            shape=shape,
            live=any(t.live for t in operands) if live is None else live,
            data=any(t.data for t in operands) if data is None else data,
            real=real,
            detail=detail,
        )
        self._index[key] = term.id
        self.terms.append(term)
        steps = [self._below[use.term] for use in uses]
        self._below.append(frozenset({term.id}.union(*steps)) if uses else frozenset())
        return term

    def declare_hermitian(self, a: Value, row: str, column: str) -> None:
        """Take it that a value is its own adjoint on two indices, unless it is trained."""
        if not a.term.live:
            swapped = {row: column, column: row}
            names = tuple(swapped.get(name, name) for name in a.names)
            self._note(a, Value(a.term, not a.conj, names))

    def _note(self, a: Value, b: Value) -> None:
        """Note that two values of one term, whose indices have the same names, are equal."""
        if a.names != b.names:
            order = tuple(a.names.index(name) for name in b.names)
            conj = a.conj != b.conj and not a.term.real
            self._symmetries.setdefault(a.term.id, {})[order, conj] = None

    def _spellings(self, a: Value) -> list[Value]:
        """The same array written in every way that its symmetries allow, first as it stands."""
        known = self._symmetries.get(a.term.id, ())
        turned = [Value(a.term, a.conj != c, tuple(a.names[i] for i in o)) for o, c in known]
        return [a, *turned]

    def rename(self, term: Term, name: str) -> None:
        """Give a term the name of the node it computes (it is only read by people)."""
        self.terms[term.id] = replace(term, name=name)

    def leaf(self, node: Node, *, real: bool) -> Value:
        """An input, a constant or a parameter."""
        out = tuple(range(len(node.inds)))
        term = self._add(
            "leaf",
            node.name,
            (),
            out,
            node.shape,
            real=real,
            live=node.kind == "parameter",
            data=node.kind == "input",
        )
        return Value(term, False, node.inds)

    def reduce(self, a: Value, keep: set[str]) -> Value:
        """Sum over the axes whose name is not kept."""
        kept = tuple(i for i, name in enumerate(a.names) if name in keep)
        if len(kept) == len(a.names):
            return a
        return self._of_one("sum", f"{a.term.name}_sum", a, kept)

    def pair(self, a: Value, b: Value, keep: set[str]) -> Value:
        """Contract two values; names that are not kept are summed."""
        a = self.reduce(a, keep | set(b.names))
        b = self.reduce(b, keep | set(a.names))
        real = a.term.real and b.term.real
        same = a.term.id == b.term.id
        if same and set(a.names) <= keep:
            for x in self._spellings(b):
                if x.names == a.names:
                    kind = "square" if a.conj == x.conj else "abs2"
                    return self._of_one(kind, f"{a.term.name}2", a, real=kind == "abs2")
        if a.term.id > b.term.id:
            a, b = b, a
        choices = [(x, y) for x in self._spellings(a) for y in self._spellings(b)]
        # Of a term with itself either may come first; the spelling decides.
        choices += [(y, x) for x, y in choices] if same else []
        patterns = [self._pattern(x, y, keep) for x, y in choices]
        first = patterns[0] if len(patterns) == 1 else min(patterns, key=lambda p: repr(p[:2]))
        uses, out, names, flip = first
        sizes = _sizes(uses, self.terms)
        shape = tuple(sizes[label] for label in out)
        name = _product_name(a.term.name, b.term.name)
        value = Value(
            self._add("pair", name, uses, out, shape, real=real), flip and not real, names
        )
        for other in patterns[1:]:
            if other[:2] == first[:2]:
                self._note(value, Value(value.term, other[3] and not real, other[2]))
        return value

    def _of_one(
        self,
        kind: str,
        name: str,
        a: Value,
        kept: tuple[int, ...] | None = None,
        *,
        real: bool = False,
        detail: Any = None,
    ) -> Value:
        """A sum, a square or a multiple of one value; `kept` are the axes that stay."""
        axes = tuple(range(len(a.names)))
        kept = axes if kept is None else kept
        shape = tuple(a.term.shape[i] for i in kept)
        uses = (Use(a.term.id, False, axes),)
        term = self._add(kind, name, uses, kept, shape, real=a.term.real or real, detail=detail)
        if kept == axes and a.term.id in self._symmetries:
            self._symmetries[term.id] = dict(self._symmetries[a.term.id])
        return Value(term, a.conj and not real, tuple(a.names[i] for i in kept))

    def _pattern(
        self, a: Value, b: Value, keep: set[str]
    ) -> tuple[tuple[Use, Use], tuple[int, ...], Inds, bool]:
        # (a* b) = (a b*)*: at most the second operand carries a conjugation.
        conj_a, conj_b, flip = a.conj, b.conj, False
        if conj_a or (a.term.real and conj_b):
            flip = True
            conj_a = False
            conj_b = not conj_b and not b.term.real
        number = {name: i for i, name in enumerate(dict.fromkeys((*a.names, *b.names)))}
        kept = [name for name in number if name in keep]
        uses = (
            Use(a.term.id, conj_a, tuple(number[name] for name in a.names)),
            Use(b.term.id, conj_b, tuple(number[name] for name in b.names)),
        )
        return uses, tuple(number[name] for name in kept), tuple(kept), flip

    def scale(self, a: Value, factor: float) -> Value:
        """Multiply by a number."""
        if factor == 1.0:
            return a
        return self._of_one("scale", f"{a.term.name}_scaled", a, detail=float(factor))

    def step(
        self,
        kind: str,
        name: str,
        args: list[Value],
        out: Inds,
        shape: Shape,
        detail: Any,
        *,
        real: bool,
    ) -> Value:
        """A function or a convolution of several values."""
        names = [ind for value in args for ind in value.names]
        number = {ind: i for i, ind in enumerate(dict.fromkeys([*names, *out]))}
        uses = tuple(Use(v.term.id, v.conj, tuple(number[ind] for ind in v.names)) for v in args)
        # The options name indices; in the key they are numbered like everything else.
        numbered = {key: _numbered(x, number) for key, x in sorted(dict(detail or {}).items())}
        axes = tuple(number[ind] for ind in out)
        term = self._add(kind, name, uses, axes, shape, real=real, detail=numbered)
        return Value(term, False, out)


def _product_name(a: str, b: str) -> str:
    name = NOTATION.get(frozenset({a, b}), f"{a}_{b}")
    return name if len(name) <= 24 else "product"


def _numbered(value: Any, number: Mapping[str, int]) -> Any:
    if isinstance(value, str):
        return number.get(value, value)
    if isinstance(value, (tuple, list)):
        return tuple(_numbered(item, number) for item in value)
    return value
