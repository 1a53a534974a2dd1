"""The contraction tree with the least cost when repeated steps are shared.

cotengra proposes trees, but scores each occurrence of a repeated step anew:
it cannot see that ``Σ_n u_n(x) v_n(y)*`` occurs twice in the winding number.
Here a tree is scored by the set of *different* terms it needs.  Small
contractions are searched exhaustively; larger ones start from the tree the
formula was written as and from cotengra's, and are improved by exchanging
neighbouring branches until no exchange helps.  Large networks, those of quimb
say, are swept and rebuilt piece by piece, by cotengra.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence, Set
from typing import Any

from tnlearn.errors import ConfigError
from tnlearn.networks.graph import Inds, Tree, count
from tnlearn.networks.terms import TermTable, Value

__all__ = ["branch_values", "enter_tree", "find_tree", "leaves_of", "propose"]

EXHAUSTIVE = 5  # there are (2n - 3)!! trees: 105 for five tensors, 10,395 for seven
OPTIMAL = 14  # past it cotengra's optimal path takes long, and its other searches are random
LARGE = 20  # past it a network hardly repeats a step, and exchanges of branches take long
NOMINAL_BATCH = 64
# An intermediate of more entries than this at that batch (1 GiB in float64) is never made if any
# other tree exists.
MAX_INTERMEDIATE = 2**27
# A step costs its flops plus this many per entry read or written: a core does some
# tens of flops in the time it takes to move one number.
MOVE = 16
# A step that depends on a trained node is repeated every epoch; a frozen one is folded.
LIVE = 8
MAX_SWEEPS = 20


def leaves_of(tree: Tree) -> tuple[int, ...]:
    """The operands of a tree, left to right."""
    return (tree,) if isinstance(tree, int) else leaves_of(tree[0]) + leaves_of(tree[1])


class _Masks:
    """Which operands (bits) hold each index; bit n stands for the result."""

    def __init__(self, leaves: Sequence[Value], out: Sequence[str]) -> None:
        self.holders: dict[str, int] = {name: 1 << len(leaves) for name in out}
        for bit, leaf in enumerate(leaves):
            for name in leaf.names:
                self.holders[name] = self.holders.get(name, 0) | (1 << bit)

    def keep(self, inside: int) -> set[str]:
        return {name for name, mask in self.holders.items() if mask & ~inside}


def enter_tree(table: TermTable, leaves: Sequence[Value], out: Sequence[str], tree: Tree) -> Value:
    """Enter the steps of a tree into the table and return its result."""
    return table.reduce(branch_values(table, leaves, out, tree)[tree], set(out))


def branch_values(
    table: TermTable, leaves: Sequence[Value], out: Sequence[str], tree: Tree
) -> dict[Tree, Value]:
    """The value of every branch of a tree, each after those it joins."""
    known: dict[Tree, _Branch] = {}
    _enter_branch(table, leaves, _Masks(leaves, out), tree, known)
    return {branch: value for branch, (value, _) in known.items()}


_Branch = tuple[Value, int]


def _enter_branch(
    table: TermTable,
    leaves: Sequence[Value],
    masks: _Masks,
    tree: Tree,
    known: dict[Tree, _Branch],
) -> _Branch:
    """The value of a branch, and its operands as bits."""
    if tree not in known:
        if isinstance(tree, int):
            known[tree] = leaves[tree], 1 << tree
        else:
            a, left = _enter_branch(table, leaves, masks, tree[0], known)
            b, right = _enter_branch(table, leaves, masks, tree[1], known)
            inside = left | right
            known[tree] = table.pair(a, b, masks.keep(inside)), inside
    return known[tree]


def find_tree(
    table: TermTable,
    leaves: Sequence[Value],
    out: Sequence[str],
    *,
    paid: Set[int] = frozenset(),
    written: Tree | None = None,
) -> tuple[float, Tree]:
    """The best tree found for a contraction and its cost, the same on every run.

    Parameters
    ----------
    table
        Terms that exist already; the table is not changed.
    leaves, out
        The operands with their index names, and the names of the result.
    paid
        The numbers of terms that are carried out anyway, and cost nothing here.
    written
        The tree in which the formula was written, if any.
    """
    n = len(leaves)
    scorer = _Scorer(table.copy(), leaves, out, paid)
    if n <= EXHAUSTIVE:
        best = min(_all_trees(tuple(range(n))), key=scorer)
    else:
        starts = [*([written] if written is not None else []), *_proposals(leaves, out)]
        improved = starts if n > LARGE else [_improve(tree, scorer) for tree in starts]
        best = min(improved, key=scorer)
    return scorer(best)[0], best


class _Scorer:
    """The shared cost of a tree; every step is entered once in a scratch table."""

    def __init__(
        self, table: TermTable, leaves: Sequence[Value], out: Sequence[str], paid: Set[int]
    ) -> None:
        self.table, self.leaves, self.masks = table, leaves, _Masks(leaves, out)
        self.paid = paid
        self._costs: dict[int, tuple[float, int]] = {}
        self._trees: dict[Tree, tuple[float, int, str]] = {}
        self._branches: dict[Tree, _Branch] = {}  # trees that are tried share most of theirs

    def __call__(self, tree: Tree) -> tuple[float, int, str]:
        if tree not in self._trees:
            value, _ = _enter_branch(self.table, self.leaves, self.masks, tree, self._branches)
            needed = sorted(self.table.below(value.term) - self.paid)
            for i in needed:
                if i not in self._costs:
                    self._costs[i] = self._cost(i)
            cost = sum(self._costs[i][0] for i in needed)
            # Ties: fewer conjugated or transposed uses, then the spelling, so that the
            # answer does not depend on the order in which trees were tried.
            turned = sum(self._costs[i][1] for i in needed)
            self._trees[tree] = (cost, turned, repr(tree))
        return self._trees[tree]

    def _cost(self, i: int) -> tuple[float, int]:
        """The cost of a step, and how many of its operands are conjugated or transposed."""
        terms = self.table.terms
        term = terms[i]
        turned = sum(use.conj or list(use.labels) != sorted(use.labels) for use in term.uses)
        moved = term.elements(NOMINAL_BATCH)
        if moved > MAX_INTERMEDIATE:
            return math.inf, turned
        moved += sum(count(terms[use.term].shape, NOMINAL_BATCH) for use in term.uses)
        cost = term.flops(terms, NOMINAL_BATCH) + MOVE * moved
        if term.live:  # the gradients it passes on move the same numbers once more
            cost = LIVE * (cost + term.backward_flops(terms, NOMINAL_BATCH))
            # A node made anew at every step from fixed functions ties what is kept of a sample to
            # the cells; with the functions first it is a number a function, at any length.
            summed = any(label not in term.out for use in term.uses for label in use.labels)
            fixed = not all(terms[use.term].live for use in term.uses)
            if summed and fixed and not term.data:
                cost *= LIVE
        return cost, turned


def _all_trees(items: tuple[int, ...]) -> Iterator[Tree]:
    if len(items) == 1:
        yield items[0]
        return
    first, rest = items[0], items[1:]
    # The first item is always on the left, so no tree comes twice mirrored.
    for mask in range(2 ** len(rest) - 1):
        left = (first, *(x for i, x in enumerate(rest) if mask >> i & 1))
        right = tuple(x for i, x in enumerate(rest) if not mask >> i & 1)
        for a in _all_trees(left):
            for b in _all_trees(right):
                yield (a, b)


def _neighbours(tree: Tree) -> Iterator[Tree]:
    """All trees that differ by one exchange of neighbouring branches."""
    if isinstance(tree, int):
        return
    a, b = tree
    if not isinstance(a, int):
        c, d = a
        yield ((c, b), d)
        yield ((d, b), c)
    if not isinstance(b, int):
        c, d = b
        yield ((a, c), d)
        yield ((a, d), c)
    for other in _neighbours(a):
        yield (other, b)
    for other in _neighbours(b):
        yield (a, other)


def _improve(tree: Tree, scorer: _Scorer) -> Tree:
    best = scorer(tree)
    for _ in range(MAX_SWEEPS):
        candidate = min(_neighbours(tree), key=scorer)
        if scorer(candidate) >= best:
            # One exchange does not help; two may, since sharing needs both copies changed.
            candidate = min(
                (second for first in _neighbours(tree) for second in _neighbours(first)),
                key=scorer,
            )
        if scorer(candidate) >= best:
            return tree
        tree, best = candidate, scorer(candidate)
    return tree


def propose(leaves: Sequence[Value], out: Sequence[str], optimize: Any) -> Tree:
    """The tree of an optimiser: a name, an object or a path, whatever cotengra takes.

    Raises
    ------
    ConfigError
        If it gives no path.
    """
    import cotengra  # slow to import, and small contractions never need it

    (inputs, sizes), n = _spelled(leaves), len(leaves)
    try:
        path = cotengra.array_contract_path(inputs, tuple(out), size_dict=sizes, optimize=optimize)
        tree = _tree_of_path(n, path)
        complete = sorted(leaves_of(tree)) == list(range(n))
    except Exception as error:  # whatever a user's optimiser raises
        raise ConfigError(
            f"optimize={optimize!r} gives no path for a contraction of {n} tensors ({error}); "
            "it is a name, an optimiser or a path as cotengra takes them"
        ) from error
    if not complete:
        raise ConfigError(f"optimize={optimize!r} is not a path for {n} tensors")
    return tree


def _spelled(leaves: Sequence[Value]) -> tuple[list[Inds], dict[str, int]]:
    """The indices of every operand, and the size of each."""
    sizes: dict[str, int] = {}
    for leaf in leaves:
        for name, size in zip(leaf.names, leaf.term.shape, strict=True):
            sizes[name] = NOMINAL_BATCH if size is None else size
    return [leaf.names for leaf in leaves], sizes


def _proposals(leaves: Sequence[Value], out: Sequence[str]) -> list[Tree]:
    if len(leaves) <= OPTIMAL:
        return [propose(leaves, out, method) for method in ("greedy", "optimal")]
    import cotengra

    inputs, sizes = _spelled(leaves)
    grown = cotengra.ContractionTree.from_path(
        inputs, tuple(out), sizes, ssa_path=_grown(inputs, out)
    )
    # Rebuilt eight branches at a time, each time in the best way, until nothing changes.
    rebuilt = grown.subtree_reconfigure(subtree_size=8, seed=0, minimize="flops")
    path = rebuilt.get_path()
    return [propose(leaves, out, "greedy"), _tree_of_path(len(leaves), path)]


def _grown(inputs: Sequence[Inds], out: Sequence[str]) -> list[tuple[int, int]]:
    """The path that starts at the first tensor and takes in the neighbour with fewest new indices.

    That is the sweep along a chain, and a fair start for trees and patches.
    """
    indices, left = [set(inds) for inds in inputs], list(range(1, len(inputs)))
    path, grown, last, number = [], set(indices[0]), 0, len(inputs)
    while left:
        key = [(not indices[i] & grown, len(indices[i] - grown), i) for i in left]
        chosen = min(key)[-1]
        left.remove(chosen)
        path.append((last, chosen))
        last, number = number, number + 1
        grown = (grown | indices[chosen]) & set(out).union(*(indices[i] for i in left))
    return path


def _tree_of_path(n: int, path: Sequence[Sequence[int]]) -> Tree:
    branches: list[Tree] = list(range(n))
    for step in path:
        joined = [branches[i] for i in step]
        branches = [b for i, b in enumerate(branches) if i not in step]
        branches.append(functools.reduce(lambda a, b: (a, b), joined))
    # what a path leaves apart is multiplied at the end
    return functools.reduce(lambda a, b: (a, b), branches)
