"""A contraction handed to quimb and to tensornetwork is the number the network computes."""

from __future__ import annotations

import numpy as np
import pytest
import tensornetwork
import torch

import tnlearn as tnl
from tnlearn.errors import ConfigError, MemoryLimitError, UnknownNameError
from tnlearn.models.network import example_inputs
from tnlearn.models.rswn import FORMS
from tnlearn.networks.evaluate import node_values
from tnlearn.networks.export import (
    chosen_contraction,
    tensor_network,
    to_tensornetwork,
)
from tnlearn.networks.graph import Contraction

CELLS, BATCH = 8, 4
EXACT = {"rtol": 0, "atol": 1e-12}

forms = pytest.mark.parametrize("form", FORMS)
boundaries = pytest.mark.parametrize("boundary", ["open", "periodic"])
dtypes = pytest.mark.parametrize("complex", [False, True], ids=["real", "complex"])


@forms
@boundaries
@dtypes
def test_quimb_contraction_is_the_winding_number(form, boundary, complex):
    net = tnl.rswn(CELLS, form=form, boundary=boundary)
    node = chosen_contraction(net)
    tn = tensor_network(net, example_inputs(net, BATCH, complex=complex))
    contracted = tn.contract(output_inds=node.inds).data
    assert np.iscomplexobj(contracted) == complex
    np.testing.assert_allclose(
        contracted, net(example_inputs(net, BATCH, complex=complex)), **EXACT
    )


@forms
@boundaries
@dtypes
def test_tensornetwork_contraction_is_the_winding_number(form, boundary, complex):
    net = tnl.rswn(CELLS, form=form, boundary=boundary)
    exported = to_tensornetwork(net, example_inputs(net, BATCH, complex=complex))
    result = tensornetwork.contractors.greedy(*exported).tensor
    np.testing.assert_allclose(result, net(example_inputs(net, BATCH, complex=complex)), **EXACT)


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


@pytest.mark.parametrize(
    "exported_size", [3, 8], ids=["copies of three states", "copies of eight states"]
)
def test_every_node_of_tensornetwork_is_connected(exported_size):
    exported = tnl.rswn(exported_size, form="operator").to_tensornetwork(2)
    tensornetwork.check_correct(set(exported.nodes))
    assert [edge.is_dangling() for edge in exported.output_edges] == [True]
    assert max(node.tensor.ndim for node in exported.nodes) == 3


NETWORKS = {
    "linear": lambda: tnl.baseline("linear", cells=6),
    "mlp": lambda: tnl.baseline("mlp", cells=6, hidden=(8, 8)),
    "cnn": lambda: tnl.baseline("cnn", cells=6, features=(4, 6)),
    "resnet": lambda: tnl.baseline("resnet", cells=6, features=(4,)),
    "attention": lambda: tnl.baseline("attention", cells=6, width=8, heads=2),
    "products": lambda: tnl.baseline("symmetric", cells=6, variant="products"),
    "edge": lambda: tnl.baseline("symmetric", cells=8, variant="edge"),
    "position": lambda: (
        tnl.rswn(8).trainable("D", channels=4, structure="position").head(classes=4, hidden=(5,))
    ),
    "channels": lambda: tnl.rswn(8, form="operator").trainable("X", "window", channels=3),
    "dense X": lambda: tnl.rswn(6, form="sublattice").trainable("X", structure="dense"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_contraction_of_every_network(name):
    net = NETWORKS[name]()
    nodes = [node for node in net.nodes.values() if isinstance(node, Contraction)]
    arrays = example_inputs(net, 3)
    values = node_values(net, [node.name for node in nodes], arrays)
    assert nodes
    for node in nodes:
        tn = tensor_network(net, arrays, contraction=node.name)
        contracted = tn.contract(output_inds=node.inds).data
        np.testing.assert_allclose(contracted, values[node.name], rtol=1e-12, atol=1e-12)
        exported = to_tensornetwork(net, arrays, contraction=node.name)
        result = tensornetwork.contractors.greedy(*exported).tensor
        np.testing.assert_allclose(result, values[node.name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("contraction", ["conv0.convolution", "conv1.convolution"])
def test_convolution_with_shift_tensors_is_conv2d(contraction):
    net = tnl.baseline("cnn", cells=7, features=(3, 5))
    node = net.nodes[contraction]
    tn = net.tensor_network(batch=BATCH, contraction=contraction)
    assert sum(any(tag.startswith("shift") for tag in t.tags) for t in tn.tensors) == 2
    image, kernel = node.parts[0].node, node.parts[-1].node
    expected = torch.nn.functional.conv2d(
        torch.as_tensor(tn[image].data),
        torch.as_tensor(tn[kernel].data),
        stride=node.options["stride"],
        padding=node.options["padding"],
    )
    contracted = tn.contract(output_inds=node.inds).data
    np.testing.assert_allclose(contracted, expected.numpy(), rtol=1e-13, atol=1e-13)


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
        with pytest.raises(ConfigError, match="batch must be a whole number"):
            net.tensor_network(batch=batch)


def test_copy_tensors_past_memory_are_refused(monkeypatch):
    def refuse(what, size):
        if "copy tensor" in what:
            raise MemoryLimitError(f"{what} needs {size} bytes")

    monkeypatch.setattr("tnlearn.networks.export.check_memory", refuse)
    with pytest.raises(MemoryLimitError, match="copy tensor of an index of size 4 needs 512"):
        tnl.rswn(CELLS).to_tensornetwork()
