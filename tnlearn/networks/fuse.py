"""Frozen factors before trained ones: ``data (weights functions) = (data functions) weights``.

A node that is a combination of fixed functions with trained weights, ``D = sum_k w_k f_k``, would
have to be formed at every step of training, and all that D is contracted with would be kept of a
sample.  With the functions first, a sample folds to one number for each of them,
``B_k = sum_xy f_k(x, y) |q_xy|^2``: a handful, and as many for a chain of any length.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tnlearn.networks.terms import TermTable, Value

__all__ = ["fused"]


def fused(table: TermTable, a: Value, b: Value, keep: set[str]) -> Value | None:
    """The contraction of two values with the frozen factors first, or None where that is no gain.

    One of the two must hold data and be frozen, the other be a sum over functions that are
    constant, weighted by parameters, all real.  Names that are not kept are summed.
    """
    if b.term.data:
        a, b = b, a
    if not a.term.data or a.term.live or b.term.data or not b.term.live:
        return None
    factors = _factors(table, b)
    constants = [f for f in factors if not f.term.live]
    weights = [f for f in factors if f.term.live]
    summed = any(set(c.names) - set(b.names) for c in constants)
    if not summed or not all(f.term.real for f in factors):
        return None
    open_names = set().union(*(w.names for w in weights))
    while constants:
        # The smallest result first; of equal ones, the one that was made first.
        trials = []
        for c in constants:
            rest = set().union(*(x.names for x in constants if x is not c))
            wanted = keep | open_names | rest
            sizes = dict(zip(a.names, a.term.shape, strict=True))
            sizes |= dict(zip(c.names, c.term.shape, strict=True))
            size = math.prod(s or 1 for name, s in sizes.items() if name in wanted)
            trials.append((size, c.term.id, c, wanted))
        _, _, chosen, wanted = min(trials, key=lambda t: t[:2])
        constants.remove(chosen)
        a = table.pair(a, chosen, wanted)
    product = weights[0]
    for number, w in enumerate(weights[1:], 2):
        rest = set().union(*(x.names for x in weights[number:]))
        product = table.pair(product, w, keep | set(a.names) | rest)
    return table.pair(a, product, keep)


def _factors(table: TermTable, value: Value) -> list[Value]:
    """The factors of a product of products, with names of their own for what is summed within."""
    term = value.term
    if term.kind != "pair":
        return [value]
    names = dict(zip(term.out, value.names, strict=True))
    found = []
    for use in term.uses:
        inner = tuple(names.get(label, f"{term.id}/{label}") for label in use.labels)
        part = type(value)(table.terms[use.term], use.conj, inner)
        found += _factors(table, part)
    return found
