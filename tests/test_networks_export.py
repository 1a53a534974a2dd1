"""A contraction handed to quimb and to tensornetwork is the number the network computes."""

from __future__ import annotations

import numpy as np
import pytest
import tensornetwork
from table import EVERY, RSWN

import tnlearn as tnl
from tnlearn.errors import ConfigError, MemoryLimitError, UnknownNameError
from tnlearn.models.network import example_inputs
from tnlearn.networks.evaluate import node_values
from tnlearn.networks.export import tensor_network, to_tensornetwork
from tnlearn.networks.graph import Contraction

CELLS, BATCH = 8, 4
EXACT = {"rtol": 0, "atol": 1e-12}


def test_methods_hand_out_the_same_networks():
    net = tnl.rswn(CELLS)
    value = net(example_inputs(net, BATCH, seed=3))
    tn = net.tensor_network(batch=BATCH, seed=3)
    np.testing.assert_allclose(tn.contract(output_inds=("batch",)).data, value, **EXACT)
    result = tensornetwork.contractors.greedy(*net.to_tensornetwork(batch=BATCH, seed=3))
    np.testing.assert_allclose(result.tensor, value, **EXACT)
    assert not np.allclose(value, net(example_inputs(net, BATCH, seed=4)))


def test_hyperindices_are_native_and_tags_are_node_names():
    net = tnl.rswn(CELLS, form="operator")
    tn = net.tensor_network(batch=BATCH)
    assert {*net.nodes} >= {*tn.tags} - {"conj", "scale"}
    assert {"window", "P_A", "P_B", "psi", "sigma", "X.difference", "scale", "conj"} == {*tn.tags}
    assert len(tn.ind_map["batch"]) == 4
    site = next(t for t in tn.tensors if "window" in t.tags).inds[0]
    assert len(tn.ind_map[site]) > 3
    assert sum("conj" in t.tags for t in tn.tensors) == 2
    (scale,) = (t for t in tn.tensors if "scale" in t.tags)
    assert float(scale.data) == 1 / 4  # 1/L' of a window of four cells


@pytest.mark.parametrize("cells", [3, 8])
def test_every_node_of_tensornetwork_is_connected(cells):
    exported = tnl.rswn(cells, form="operator").to_tensornetwork(2)
    tensornetwork.check_correct(set(exported.nodes))
    assert [edge.is_dangling() for edge in exported.output_edges] == [True]
    assert max(node.tensor.ndim for node in exported.nodes) == 3


@pytest.mark.parametrize("entry", EVERY, ids=str)
def test_every_contraction_of_every_network(entry):
    net = entry.make()
    nodes = [node for node in net.nodes.values() if isinstance(node, Contraction)]
    arrays = example_inputs(net, 3, complex=entry.kind == "complex")
    values = node_values(net, [node.name for node in nodes], arrays)
    assert nodes
    for node in nodes:
        tn = tensor_network(net, arrays, contraction=node.name)
        contracted = tn.contract(output_inds=node.inds).data
        np.testing.assert_allclose(contracted, values[node.name], rtol=1e-12, atol=1e-12)
        exported = to_tensornetwork(net, arrays, contraction=node.name)
        result = tensornetwork.contractors.greedy(*exported).tensor
        np.testing.assert_allclose(result, values[node.name], rtol=1e-12, atol=1e-12)
    if entry in RSWN:  # the one contraction there is, chosen by default, is the winding number
        contracted = tensor_network(net, arrays).contract(output_inds=("batch",)).data
        assert np.iscomplexobj(contracted) == (entry.kind == "complex")
        np.testing.assert_allclose(contracted, net(arrays), **EXACT)


def test_node_values_agree_with_the_output():
    net = tnl.rswn(CELLS, form="sublattice").trainable("X", channels=2).head(classes=3)
    states = example_inputs(net, BATCH)
    values = node_values(net, [net.output, "W", "X"], states)
    np.testing.assert_array_equal(values[net.output], net(states))
    assert values["W"].shape == (BATCH, 2)
    np.testing.assert_array_equal(values["X"], node_values(net, ["X"])["X"])


def test_wrong_requests_are_refused_clearly():
    net = tnl.rswn(CELLS)
    with pytest.raises(UnknownNameError, match=r"did you mean 'polynomial'"):
        net.tensor_network(contraction="polynomal")
    for batch in (0, -1, 2.5, True):
        with pytest.raises(ConfigError, match="batch must be"):
            net.tensor_network(batch=batch)


def test_copy_tensors_past_memory_are_refused(monkeypatch):
    def refuse(what, size):
        if "copy tensor" in what:
            raise MemoryLimitError(f"{what} needs {size} bytes")

    monkeypatch.setattr("tnlearn.networks.export.check_memory", refuse)
    with pytest.raises(MemoryLimitError, match="copy tensor of an index of size 4 needs 512"):
        tnl.rswn(CELLS).to_tensornetwork()
