"""The plan: every step once, the best tree found, the same on every run; what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import cotengra
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table import EVERY, FORMS, RSWN, rswn, states, tensors

from tnlearn.errors import ShapeError
from tnlearn.models.network import Network
from tnlearn.networks import formula as f
from tnlearn.networks.graph import BATCH, Contraction, Graph, Input, Operand, as_constant
from tnlearn.networks.plan import make_plan
from tnlearn.networks.search import MOVE, NOMINAL_BATCH, leaves_of


def _score(net: Network, name: str, tree: object) -> int:
    """What the search is to minimise: flops, and numbers moved, of the different steps."""
    plan = make_plan(net, {**net.trees, name: tree}, complex=False)
    terms, total = plan.table.terms, 0
    for term in plan.terms:
        if term.kind != "leaf":
            moved = term.elements(NOMINAL_BATCH)
            moved += sum(terms[use.term].elements(NOMINAL_BATCH) for use in term.uses)
            total += term.flops(terms, NOMINAL_BATCH) + MOVE * moved
    return total


def _all_trees(items: tuple[int, ...]):
    """Every tree of the items, written apart from the package's own enumeration."""
    if len(items) == 1:
        return [items[0]]
    trees = []
    for mask in range(1, 2 ** (len(items) - 1)):
        right = tuple(x for i, x in enumerate(items[1:]) if mask >> i & 1)
        left = tuple(x for x in items if x not in right)
        trees += [(a, b) for a in _all_trees(left) for b in _all_trees(right)]
    return trees


def _cotengra_tree(net: Network, name: str, **options: object):
    parts = net.nodes[name].operands
    sizes = {
        ind: size or NOMINAL_BATCH
        for part in parts
        for ind, size in zip(part.inds, net.nodes[part.node].shape, strict=True)
    }
    path = cotengra.array_contract_path(
        [part.inds for part in parts], net.nodes[name].inds, size_dict=sizes, **options
    )
    branches = list(range(len(parts)))
    for step in path:
        pair = tuple(branches[i] for i in step)
        branches = [b for i, b in enumerate(branches) if i not in step]
        branches.append(pair if len(pair) == 2 else pair[0])
    return branches[0]


@pytest.mark.parametrize("cells", [4, 20])
def test_the_block_q_is_computed_once(cells):
    for form in ("sublattice", "quartic", "lowrank"):
        assert [term.name for term in rswn(cells, form).plan().terms].count("q") == 1
    for form, names in (("quartic", "D"), ("lowrank", "left right"), ("operator", "X")):
        for net in (rswn(cells, form), rswn(cells, form).trainable(*names.split())):
            code = net.module().graph.code
            assert code.count("torch.bmm(") == 1, code
            assert "einsum" not in code
            assert form == "operator" or "q = " in code


def test_cost_of_the_quartic_form_in_closed_form():
    for L, B in ((4, 1), (20, 64), (50, 7)):
        cost = rswn(L, "quartic").cost(B)
        assert cost.shared == 2 * B * L**3 + B * L**2 + 2 * B * L**2
        assert cost.path == 4 * B * L**3 + B * L**2 + 2 * B * L**2
        assert cost.naive == 5 * B * L**4
        assert (cost.peak, cost.parameters, cost.batch) == (B * L**2, 0, B)
        assert rswn(L, "quartic").trainable("D", channels=3).cost(B).parameters == 3 * L**2


@pytest.mark.parametrize("entry", EVERY, ids=str)
def test_costs_are_in_order_and_linear_in_the_batch(entry):
    net = entry.make()
    one, two, three = (net.cost(batch) for batch in (1, 2, 3))
    assert one.naive >= one.path >= one.shared > 0
    assert one.peak <= two.peak <= three.peak
    for what in ("naive", "path", "shared"):
        a, b, c = (getattr(cost, what) for cost in (one, two, three))
        assert c - b == b - a, what
    assert one.parameters == net.parameter_count()
    assert f"{one.parameters:,} parameters" in str(one)
    if entry in RSWN:  # repeated steps are shared
        assert one.naive > one.path > one.shared


@pytest.mark.parametrize("form", FORMS)
def test_no_worse_than_the_trees_of_cotengra(form):
    for net in (rswn(20, form), rswn(6, form, "periodic")):
        for name, tree in net.trees.items():
            assert sorted(leaves_of(tree)) == list(range(len(net.nodes[name].operands)))
            for method in ("greedy", "optimal"):
                other = _cotengra_tree(net, name, optimize=method)
                assert _score(net, name, tree) <= _score(net, name, other)


@st.composite
def _networks(draw):
    """A network of one contraction of up to five random tensors over a few indices."""
    sizes = {name: draw(st.sampled_from([2, 3, 5])) for name in "abde"} | {"s": 3, "c": 3, "k": 3}
    nodes = {"u": Input("u", (BATCH, "s", "c"), (None, 3, 3))}
    parts = [Operand("u", (BATCH, "s", "c"))]
    for number in range(draw(st.integers(1, 4))):
        inds = tuple(draw(st.permutations("abcdes"))[: draw(st.integers(1, 3))])
        shape = tuple(sizes[ind] for ind in inds)
        values = np.random.default_rng(number).standard_normal(shape)
        nodes[f"t{number}"] = as_constant(f"t{number}", inds, values)
        parts.append(Operand(f"t{number}", inds))
    if draw(st.booleans()):
        parts.append(Operand("u", (BATCH, "s", "k")))
    parts = parts[:5]
    every = sorted({ind for part in parts for ind in part.inds} - {BATCH})
    kept = tuple(draw(st.permutations(every))[: draw(st.integers(0, 2))])
    shape = (None, *(sizes[ind] for ind in kept))
    nodes["out"] = Contraction("out", (BATCH, *kept), shape, tuple(parts))
    return Network(Graph(nodes, "out"))


def test_a_result_index_that_no_operand_has_is_refused():
    nodes = {
        "u": Input("u", (BATCH, "s", "c"), (None, 3, 3)),
        "out": Contraction("out", (BATCH, "k"), (None, 3), (Operand("u", (BATCH, "s", "c")),)),
    }
    with pytest.raises(ShapeError, match="index 'k' of 'out'"):
        Network(Graph(nodes, "out"))


@given(net=_networks())
@settings(max_examples=60, deadline=None)
def test_any_contraction_equals_einsum_and_its_tree_is_the_best(net):
    node = net.nodes["out"]
    u = np.random.default_rng(1).standard_normal((2, 3, 3))
    arrays = [u if p.node == "u" else net.nodes[p.node].array for p in node.operands]
    letter = {
        ind: chr(97 + i) for i, ind in enumerate({i: 0 for p in node.operands for i in p.inds})
    }
    terms = ",".join("".join(letter[i] for i in p.inds) for p in node.operands)
    exact = np.einsum(f"{terms}->{''.join(letter[i] for i in node.inds)}", *arrays)
    np.testing.assert_allclose(net(u), exact, rtol=1e-10, atol=1e-10)
    module = net.module(dtype="float64")
    v = torch.as_tensor(u)
    np.testing.assert_allclose(module(v), exact, rtol=1e-10, atol=1e-10)
    assert net.cost(3).shared <= net.cost(3).path


@pytest.mark.parametrize("form", ["sublattice", "quartic"])
def test_exhaustive_search_beats_every_tree(form):
    net = rswn(12, form)
    ((name, tree),) = net.trees.items()
    count = len(net.nodes[name].operands)
    best = _score(net, name, tree)
    # (2n - 3)!! trees; for six tensors a part of them does
    trees = _all_trees(tuple(range(count)))
    assert len(trees) == {5: 105, 6: 945}[count]
    assert best == min(_score(net, name, other) for other in trees)


_SCRIPT = """
import json, sys
import tnlearn as tnl
from tnlearn.networks import formula as f
u, v = f.states(5)
q = u @ v.H
M = f.diagonal("M", range(5))
long = f.Tr(q @ M @ q.H @ q @ q.H @ M @ q @ q.H @ q @ M @ q.H).network()
nets = [tnl.rswn(6, form) for form in ("operator", "sublattice", "quartic", "lowrank")]
nets += [long, nets[0].trainable("X", structure="dense"), tnl.baseline("attention", 5)]
for net in nets:
    print(json.dumps(net.describe()["trees"]))
    print(net.module().graph.code)
"""


def test_the_same_plan_in_every_process():
    runs = []
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT], env=env, capture_output=True, text=True, check=True
        )
        runs.append(done.stdout)
    assert runs[0] == runs[1]
    trees = [json.loads(line) for line in runs[0].splitlines() if line.startswith('{"')]
    assert trees[0] == json.loads(json.dumps(dict(rswn(6, "operator").trees)))


@pytest.mark.parametrize("cells", [6, 20])
@pytest.mark.parametrize(
    ("form", "names", "sites"),
    [
        ("quartic", "D", 1),
        ("sublattice", "X window", 1),
        ("lowrank", "left right", 1),
        ("operator", "X", 2),
    ],
)
def test_frozen_steps_are_folded_to_one_feature(form, names, sites, cells):
    net = rswn(cells, form).trainable(*names.split(), channels=2).head(3)
    plan = net.plan()
    assert [plan.term(i).shape for i in plan.frontier] == [(None, sites * cells, sites * cells)]
    compiled = net.compile(members=2, dtype="float64")
    (feature,) = compiled.fold(*tensors(states("real", cells=cells)))
    assert feature.shape == (3, sites * cells, sites * cells)
    assert "q = " not in compiled.step.code
    if form == "operator":
        # of the live steps that grow with the batch one is a contraction; the head has one more
        live = [t for t in plan.terms if t.live and t.kind == "pair" and None in t.shape]
        assert [set(t.shape) for t in live] == [{None, 2}, {None, 3}]


def test_repeated_terms_in_different_contractions_are_shared():
    u, v = f.states(6)
    q = u @ v.H
    w = f.diagonal("w", np.arange(6.0))
    net = (f.Tr(w @ q.H @ q) + f.Tr(q @ q.H @ w @ w) - f.Tr(w @ q)).network()
    assert net.cost().shared < net.cost().path
    sample = states("real")
    block = sample.q()
    exact = (
        np.einsum("x,sax,sax->s", np.arange(6.0), block, block)
        + np.einsum("sxa,sxa,x->s", block, block, np.arange(6.0) ** 2)
        - np.einsum("x,sxx->s", np.arange(6.0), block)
    )
    np.testing.assert_allclose(net(sample), exact, rtol=1e-12, atol=1e-12)


def _modules_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_only_the_lowering_knows_torch_and_only_the_export_quimb():
    modules = _modules_after(
        "import tnlearn.models.network, tnlearn.networks.plan, tnlearn.networks.formula\n"
        "import tnlearn.models, tnlearn.networks.serial, tnlearn.networks.evaluate\n"
        "import tnlearn as tnl\n"
        "sample = tnl.ssh(6, 0.5, 1.0).states()\n"
        "tnl.rswn(6).trainable('D').head(3)(sample)\n"
        "tnl.baseline('cnn', 6)(sample)"
    )
    for name in ("torch", "quimb", "tensornetwork", "matplotlib", "cotengra"):
        assert name not in modules, name
    modules = _modules_after("import tnlearn.networks.compiled")
    assert "torch" in modules
    assert "quimb" not in modules
