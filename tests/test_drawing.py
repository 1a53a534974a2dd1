"""Drawings: all of it is there, nothing overlaps or is cut off, files are whole or not there."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from html import escape
from html.parser import HTMLParser
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import tnlearn as tnl
from tnlearn import formula as f
from tnlearn.drawing.graph import graph_scene
from tnlearn.drawing.layout import Block, layered
from tnlearn.drawing.scene import MARKS, WHITE, Box, Text
from tnlearn.drawing.show import draw, draw_tree, to_html
from tnlearn.drawing.tree import contraction_steps, tree_scene
from tnlearn.errors import FileError, UnknownNameError
from tnlearn.look import ShownAxes
from tnlearn.models.rswn import FORMS
from tnlearn.models.scaling import scaling
from tnlearn.networks.graph import Contraction

TRAINED = {  # form, boundary, the nodes set free, and how; each with a head
    "channels of X and window": ("operator", "open", ["X", "window"], {"channels": 4}),
    "channels of X": ("sublattice", "open", ["X"], {"channels": 4}),
    "channels of D": ("quartic", "open", ["D"], {"channels": 4}),
    "channels of factors": ("lowrank", "open", ["left", "right"], {"channels": 4}),
    "dense X": ("operator", "open", ["X"], {"structure": "dense"}),
    "diagonal window": ("sublattice", "open", ["window"], {"structure": "diagonal"}),
    "window in factors": ("operator", "open", ["window"], {"structure": "lowrank", "bond": 2}),
    "sigma of cells": ("operator", "open", ["sigma"], {"structure": "cells"}),
    "X by spacings": ("sublattice", "open", ["X"], {"structure": "spacings"}),
    "D of position": ("quartic", "open", ["D"], {"structure": "position"}),
    "X of distance": ("operator", "periodic", ["X"], {"structure": "position-short"}),
}


def trained(name):
    form, boundary, nodes, how = TRAINED[name]
    return tnl.rswn(20, form, boundary).trainable(*nodes, **how).head(classes=4, hidden=(16,))


def three_projectors():
    """A formula that is no ring of two paths: the sector trace of three different operators."""
    rng = np.random.default_rng(0)
    u, v = f.states(6)
    A, B = (f.matrix(name, rng.normal(size=(6, 6))) for name in "AB")
    P = f.diagonal("P", np.arange(6.0))
    return (f.Tr(A @ u @ v.H @ P @ B @ u @ v.H) - 2 * f.Tr(B @ v @ u.H)).network()


SYMMETRIC = ("products", "dense", "conv", "edge")
NETWORKS = {
    **{form: lambda form=form: tnl.rswn(20, form=form) for form in FORMS},
    **{f"{form} ring": lambda form=form: tnl.rswn(8, form, "periodic") for form in FORMS},
    **{name: lambda name=name: trained(name) for name in TRAINED},
    "rounding": lambda: tnl.rswn(20).head((-1, 0, 1, 2), kind="rounding"),
    "scaling": lambda: scaling(12),
    "scaling with head": lambda: scaling(12, shift=[0.1] * 83, scale=[2.0] * 83).head(4, (32,)),
    **{k: lambda k=k: tnl.baseline(k) for k in ("linear", "mlp", "cnn", "resnet", "attention")},
    "symmetric": lambda: tnl.baseline("symmetric"),
    **{f"symmetric {v}": lambda v=v: tnl.baseline("symmetric", variant=v) for v in SYMMETRIC},
    "complex": lambda: tnl.baseline("symmetric", variant="products", complex=True),
    "formula": three_projectors,
}
SVG = "{http://www.w3.org/2000/svg}"
every_network = pytest.mark.parametrize("name", NETWORKS)


@cache
def network(name):
    return NETWORKS[name]()


def of(kind, scene):
    return [shape for shape in scene.shapes if isinstance(shape, kind)]


def overlap(a, b, slack=0.005):
    return all(a[i] < b[i + 2] - slack and b[i] < a[i + 2] - slack for i in (0, 1))


def check_legible(scene):
    texts = [text for text in of(Text, scene) if text.text]
    for text in texts:
        left, top, right, bottom = text.bounds
        assert text.size >= 7
        assert 0 <= left < right <= scene.width, text
        assert 0 <= top < bottom <= scene.height, text
    for a, b in combinations(texts, 2):
        assert not overlap(a.bounds, b.bounds), (a, b)
    boxes = [box for box in of(Box, scene) if box.node and box.fill != WHITE]
    for a, b in combinations(boxes, 2):
        assert not overlap(a.bounds, b.bounds, 1e-9), (a, b)
    for box in boxes:
        for text in texts:
            if overlap(text.bounds, box.bounds):  # then the type is the box's own, and all inside
                assert text.node == box.node, (text, box)
                assert box.bounds[0] <= text.bounds[0]
                assert text.bounds[2] <= box.bounds[2]
    bars = [box for box in of(Box, scene) if box.fill in MARKS.values() and not box.line]
    for bar in bars:
        assert not any(overlap(bar.bounds, text.bounds) for text in texts), bar


@every_network
def test_every_network_is_drawn_whole_and_legible(name, tmp_path):
    net = network(name)
    scene = graph_scene(net, net.title)
    check_legible(scene)
    texts = [text.text for text in of(Text, scene)]
    assert {getattr(shape, "node", "") for shape in scene.shapes} >= {*net.nodes}
    contractions = [node.name for node in net.nodes.values() if isinstance(node, Contraction)]
    for contraction in contractions:
        check_legible(tree_scene(net, contraction, net.title))
    axes = net.draw(tmp_path / "net.svg")
    assert [text.get_text() for text in axes.texts] == texts
    assert len(axes.patches) == len(scene.shapes) - len(texts)
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    assert ["".join(e.itertext()) for e in root.iter(f"{SVG}text")] == texts
    assert len([*root]) == len(scene.shapes) + 1  # and the paper
    assert isinstance(net.draw_tree(), ShownAxes)
    check_page(net, tmp_path / "net.html")


def check_page(net, path):
    """The page asks for nothing from outside and holds every node, tree and cost, and the code."""
    text = net.to_html(path).read_text(encoding="utf-8")
    page = Page(text)
    assert page.outside == []
    for outside in ("{{", "@import", "url("):
        assert outside not in text
    data = json.loads(page.data)
    assert page.nodes == data.keys() == {*net.nodes}
    assert page.trees == {n.name for n in net.nodes.values() if isinstance(n, Contraction)}
    for node in net.nodes.values():
        entry = data[node.name]
        assert (entry["kind"], entry["inds"]) == (node.kind, list(node.inds))
        if node.kind == "constant" and node.array.size < 1000:
            np.testing.assert_allclose(entry["values"], node.array.ravel(), rtol=1e-4)
    assert escape(net.module().graph.code.strip().splitlines()[-1].strip()) in text
    assert f"{net.cost(64).shared:,}" in text


def test_quartic_is_drawn_as_its_tensor_network():
    scene = graph_scene(tnl.rswn(20))
    tensors = [text.text for text in of(Text, scene) if text.node in ("u", "v", "D")]
    assert sorted(tensors) == ["D", "u", "u*", "v", "v*"]
    dots = [box for box in of(Box, scene) if not box.node and box.radius == box.width / 2]
    assert len(dots) == 2  # x and y each join three tensors; n and m are plain lines
    bars = [box for box in of(Box, scene) if box.fill == MARKS["batch"]]
    assert len(bars) == 5  # on u, v, u*, v* and in the legend
    words = {text.text for text in of(Text, scene)}
    assert {"n", "m", "x", "y", "sum over m, n, x, y → (batch)", "batch index"} <= words


@pytest.mark.parametrize("form", ["quartic", "lowrank"])
def test_tree_costs_add_up_to_those_of_the_network(form):
    net = network(form)
    _, steps = contraction_steps(net)
    cost = net.cost(64)
    assert sum(step.flops for step in steps.values()) == cost.shared
    assert sum(step.flops * step.times for step in steps.values()) == cost.path
    assert max(step.entries for step in steps.values() if not step.leaf) == cost.peak


def test_tree_says_what_is_shared_frozen_and_live():
    _, steps = contraction_steps(tnl.rswn(20).trainable("D"))
    by_name = {step.name: step for step in steps.values()}
    assert by_name["q"].times == 2
    assert by_name["q"].inds == ("batch", "x", "y")
    assert by_name["q"].summed == ("n",)
    assert [by_name[name].group for name in ("u", "q", "q2")] == ["frozen"] * 3
    assert [by_name[name].group for name in ("D", "W")] == ["live"] * 2
    _, steps = contraction_steps(network("operator"))
    assert {step.group for step in steps.values()} == {"frozen", "constant"}


def test_figures_are_made_without_pyplot():
    code = (
        "import sys, tnlearn as tnl\n"
        "net = tnl.rswn(6)\n"
        "net.draw(); net.draw_tree()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("on", ["a figure of its own", "axes of another"])
def test_rendered_type_stays_within_its_axes(on):
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots(1, 2) if on == "axes of another" else (None, None)
    net = network("channels of X and window")
    for write, ax in zip((net.draw, net.draw_tree), axes, strict=True):
        drawn = write(ax=ax)
        assert ax in (None, drawn)
        ax = drawn
        room = ax.get_window_extent()
        assert ax.texts
        for text in ax.texts:
            box = text.get_window_extent()
            assert room.x0 <= box.x0 < box.x1 <= room.x1
            assert room.y0 <= box.y0 < box.y1 <= room.y1


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_files_are_whole_and_the_same_each_time(tmp_path, suffix, start):
    for number in (1, 2):
        net = tnl.rswn(6).trainable("D", channels=2)
        net.draw(tmp_path / f"graph{number}{suffix}")
        net.draw_tree(str(tmp_path / f"tree{number}{suffix}"))
    assert len([*tmp_path.iterdir()]) == 4
    for name in ("graph", "tree"):
        first, second = ((tmp_path / f"{name}{n}{suffix}").read_bytes() for n in (1, 2))
        assert first == second
        assert first.startswith(start)


@pytest.mark.parametrize("write", [draw, draw_tree, to_html])
def test_bad_paths_are_refused_clearly(tmp_path, write):
    net = tnl.rswn(6)
    good = ".html" if write is to_html else ".png"
    with pytest.raises(UnknownNameError, match=r"unknown kind of (picture|page) '\.jpeg'"):
        write(net, tmp_path / "graph.jpeg")
    with pytest.raises(FileError, match=r"cannot write .*No such file or directory"):
        write(net, tmp_path / "missing" / f"graph{good}")
    (tmp_path / f"folder{good}").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        write(net, tmp_path / f"folder{good}")
    assert [path.name for path in tmp_path.iterdir()] == [f"folder{good}"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "graph.png"
    path.write_bytes(b"old")

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(FileError, match="No space left on device"):
        tnl.rswn(6).draw(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_contraction_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'polynomial'"):
        tnl.rswn(6).draw_tree(contraction="polynomal")


class Page(HTMLParser):
    """Collects what a page refers to, its scripts, its trees and its chooseable nodes."""

    def __init__(self, text):
        super().__init__()
        self.outside, self.data, self.inside, self.tags = [], "", "", []
        self.nodes, self.trees = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.outside += [v for k, v in attrs if k in ("src", "href", "action", "xlink:href")]
        self.inside = values.get("id", "") if tag == "script" else self.inside
        self.trees |= {values["data-tree"]} if "data-tree" in values else set()
        if "data-node" in values:
            assert values["tabindex"] == "0"
            assert values["role"] == "button"
            self.nodes.add(values["data-node"])

    def handle_endtag(self, tag):
        self.inside = "" if tag == "script" else self.inside

    def handle_data(self, data):
        if self.inside == "data":
            self.data += data


def test_names_cannot_break_out_of_the_page(tmp_path):
    u, v = f.states(4)
    name = '</script><b onclick="x">&'
    net = f.Tr(f.diagonal(name, np.ones(4)) @ u @ v.H).network()
    page = Page(net.to_html(tmp_path / "net.html").read_text(encoding="utf-8"))
    assert "b" not in page.tags
    assert name in json.loads(page.data)
    assert name in page.nodes
    net.draw(tmp_path / "net.svg")
    assert "<b onclick" not in (tmp_path / "net.svg").read_text(encoding="utf-8")


@st.composite
def graphs(draw_value):
    count = draw_value(st.integers(1, 9))
    size = st.floats(0.1, 2.0)
    blocks = {f"n{i}": Block(*(draw_value(size) for _ in range(3))) for i in range(count)}
    edges = st.lists(st.sampled_from([*combinations(blocks, 2)] or [None]), max_size=12)
    return blocks, draw_value(edges) if count > 1 else []


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_layers_lead_downwards_and_keep_apart(graph):
    blocks, edges = graph
    placed = layered(blocks, edges, across=0.2, down=0.3)
    for source, target in edges:
        below = placed.anchors[source][1] + blocks[source].height
        assert placed.anchors[target][1] >= below + 0.3 - 1e-9
    for pair in combinations(blocks, 2):
        if placed.layer[pair[0]] == placed.layer[pair[1]]:
            left, right = sorted(pair, key=lambda n: placed.anchors[n][0])
            free = placed.anchors[right][0] - blocks[right].left
            assert free - placed.anchors[left][0] - blocks[left].right >= 0.2 - 1e-9
