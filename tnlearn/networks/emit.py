"""A plan carried out: each term as `bmm`, `mm`, `mv`, a product or a function.

The same code runs on numpy arrays, on torch tensors and on the proxies that
record a torch graph, because it reaches them through autoray only.  The
ensemble axis is added here: a term of which each member has its own copy
carries the label ``MEMBER``, and a contraction treats it like a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from autoray import do

from tnlearn.networks.functions import (
    MEMBER,
    Label,
    Labelled,
    align,
    apply_function,
    merged_order,
    permute,
)
from tnlearn.networks.plan import Plan
from tnlearn.networks.terms import Term

__all__ = ["MEMBER", "emit", "ordered"]

Sizes = Mapping[Label, int | None]


def emit(
    plan: Plan,
    known: Mapping[int, Labelled],
    wanted: Iterable[int],
    *,
    members: int | None = None,
    note: Callable[[Term, Any], None] | None = None,
) -> dict[int, Labelled]:
    """Compute the wanted terms from the known ones.

    Parameters
    ----------
    plan
        The plan whose terms these are.
    known
        Arrays already there, by term number: leaves, constants, folded terms.
        Labels are the numbers of the term's axes, or ``MEMBER``.
    wanted
        The terms to compute.
    members
        Size of the member axis, where one occurs.
    note
        Called with every term and its array as it is made (to name a graph's nodes).
    """
    wanted = list(wanted)
    done: dict[int, Labelled] = dict(known)
    conjugated: dict[int, Labelled] = {}

    def use(term: int, conj: bool) -> Labelled:
        if not conj:
            return done[term]
        if term not in conjugated:
            x = done[term]
            conjugated[term] = Labelled(do("conj", x.array), x.labels)
        return conjugated[term]

    for i in _order(plan, done, wanted):
        term = plan.term(i)
        args = []
        for u in term.uses:
            x = use(u.term, u.conj)
            labels = tuple(label if label == MEMBER else u.labels[int(label)] for label in x.labels)
            args.append(Labelled(x.array, labels))
        sizes: dict[Label, int | None] = {MEMBER: members}
        sizes |= dict(term.label_sizes(plan.table.terms).items())
        result = _carry_out(term, args, sizes, plan.table.terms)
        axis = {label: n for n, label in enumerate(term.out)}
        labels = tuple(MEMBER if label == MEMBER else axis[int(label)] for label in result.labels)
        done[i] = Labelled(result.array, labels)
        if note is not None:
            note(term, result.array)
    return {i: done[i] for i in wanted}


def ordered(x: Labelled, order: Sequence[int]) -> Any:
    """The array with its member axis (if any) first and the others as asked."""
    front: tuple[Label, ...] = (MEMBER,) if MEMBER in x.labels else ()
    return permute(x, (*front, *order))


def _order(plan: Plan, done: Mapping[int, Labelled], wanted: Sequence[int]) -> list[int]:
    needed: set[int] = set()
    stack = [i for i in wanted if i not in done]
    while stack:
        i = stack.pop()
        if i in needed:
            continue
        needed.add(i)
        stack.extend(u.term for u in plan.term(i).uses if u.term not in done)
    return sorted(needed)


def _carry_out(term: Term, args: list[Labelled], sizes: Sizes, terms: list[Term]) -> Labelled:
    out = term.out
    if term.kind == "pair":
        a, b = args
        real = [terms[use.term].real for use in term.uses]
        if real[0] != real[1] and len(sizes) - 1 > len(out):
            # torch multiplies no real by a complex matrix
            if real[0]:
                a = Labelled(do("type_as", a.array, b.array), a.labels)
            else:
                b = Labelled(do("type_as", b.array, a.array), b.labels)
        return _contract(a, b, set(out), sizes)
    if term.kind == "conv2d":
        return _convolve(args[0], args[1], term, sizes)
    if term.kind == "function":
        return apply_function(term.detail["op"], args, out, term.detail)
    (x,) = args
    if term.kind == "sum":
        stays = (*out, MEMBER)
        gone = tuple(n for n, label in enumerate(x.labels) if label not in stays)
        kept = tuple(label for label in x.labels if label in stays)
        return Labelled(do("sum", x.array, axis=gone), kept)
    if term.kind == "scale":
        return Labelled(x.array * term.detail, x.labels)
    if term.kind == "square":  # as a product: torch takes longer for a power, also backwards
        return Labelled(do("multiply", x.array, x.array), x.labels)
    if term.kind == "abs2":
        return Labelled(do("abs2", x.array), x.labels)
    raise AssertionError(f"a leaf is missing: {term.name}")


def _contract(a: Labelled, b: Labelled, out: set[int], sizes: Sizes) -> Labelled:
    """One pairwise contraction, as the cheapest primitive that does it."""
    shared = [label for label in a.labels if label in b.labels]
    summed = [label for label in shared if label != MEMBER and label not in out]
    batch = [label for label in shared if label not in summed]
    left = [label for label in a.labels if label not in shared]
    right = [label for label in b.labels if label not in shared]
    if not summed:
        order = merged_order([a, b])
        return Labelled(do("multiply", align(a, order), align(b, order)), order)
    # Both operands must agree on the order of the merged axes: the larger one dictates.
    dictates = a if len(a.labels) >= len(b.labels) else b
    summed = [label for label in dictates.labels if label in summed]
    batch = [label for label in dictates.labels if label in batch]
    if not batch:
        if not left:
            a, b, left, right = b, a, right, left
        x = _as_matrix(a, [], left, summed, sizes)
        if not right:
            vector = _reshape(permute(b, summed), [summed], sizes)
            return Labelled(_split(do("mv", x, vector), [left], sizes), tuple(left))
        y = _as_matrix(b, [], summed, right, sizes)
        return Labelled(_split(do("mm", x, y), [left, right], sizes), (*left, *right))
    if not left and not right:
        order = merged_order([a, b])
        product = do("multiply", align(a, order), align(b, order))
        axes = tuple(n for n, label in enumerate(order) if label in summed)
        return Labelled(do("sum", product, axis=axes), tuple(x for x in order if x not in summed))
    x = _as_matrix(a, batch, left, summed, sizes)
    y = _as_matrix(b, batch, summed, right, sizes)
    product = do("bmm", x, y)
    return Labelled(_split(product, [batch, left, right], sizes), (*batch, *left, *right))


def _as_matrix(
    x: Labelled, batch: list[Label], rows: list[Label], columns: list[Label], sizes: Sizes
) -> Any:
    """The array as (batch, rows, columns), through a transposed view where that saves a copy."""
    groups = [batch, rows, columns] if batch else [rows, columns]
    single = all(len(group) == 1 for group in groups)
    if not single and rows and x.labels[-1] in rows:
        swapped = [*groups[:-2], columns, rows]
        array = permute(x, [label for group in swapped for label in group])
        return do("swapaxes", _reshape(array, swapped, sizes), -1, -2)
    array = permute(x, [label for group in groups for label in group])
    return _reshape(array, groups, sizes)


def _reshape(array: Any, groups: Sequence[Sequence[Label]], sizes: Sizes) -> Any:
    """Merge each group of axes into one."""
    if all(len(group) == 1 for group in groups):
        return array
    return do("reshape", array, tuple(_product(group, sizes) for group in groups))


def _split(array: Any, groups: Sequence[Sequence[Label]], sizes: Sizes) -> Any:
    """Undo `_reshape`: one axis per label again."""
    if all(len(group) == 1 for group in groups):
        return array
    shape = tuple(_product([label], sizes) for group in groups for label in group)
    return do("reshape", array, shape)


def _product(group: Sequence[Label], sizes: Sizes) -> int:
    total = 1
    for label in group:
        size = sizes[label]
        if size is None:
            return -1  # the batch, whose size is not known; no array holds two such axes
        total *= size
    return total


def _convolve(image: Labelled, kernel: Labelled, term: Term, sizes: Sizes) -> Labelled:
    """A convolution; members are groups of its channels."""
    batch, feature, row, column = term.uses[0].labels
    out_feature, _, tap_row, tap_column = term.uses[1].labels
    detail = term.detail
    grouped = MEMBER in image.labels
    several = MEMBER in kernel.labels
    if grouped and not several:
        raise AssertionError("a frozen kernel on features that differ by member")
    member: list[Label] = [MEMBER]
    picture = permute(image, [batch, *(member if grouped else []), feature, row, column])
    weights = permute(
        kernel, [*(member if several else []), out_feature, feature, tap_row, tap_column]
    )
    members = sizes[MEMBER] or 1
    if grouped:
        height, width = sizes[row], sizes[column]
        picture = do("reshape", picture, (-1, members * (sizes[feature] or 1), height, width))
    if several:
        taps = (sizes[feature], sizes[tap_row], sizes[tap_column])
        weights = do("reshape", weights, (members * (sizes[out_feature] or 1), *taps))
    groups = members if grouped else 1
    result = do("conv2d", picture, weights, detail["stride"], detail["padding"], groups)
    _, _, out_row, out_column = term.out
    labels: tuple[Label, ...] = (batch, out_feature, out_row, out_column)
    if several:
        shape = (-1, members, sizes[out_feature], sizes[out_row], sizes[out_column])
        result = do("reshape", result, shape)
        labels = (batch, MEMBER, out_feature, out_row, out_column)
    return Labelled(result, labels)
