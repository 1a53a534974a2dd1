"""Drawings: all of it is there, nothing overlaps or is cut off, files are whole or not there."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import tnlearn as tnl
from tnlearn import formula as f
from tnlearn.drawing.explorer import to_html
from tnlearn.drawing.graph import graph_scene
from tnlearn.drawing.layout import Block, layered
from tnlearn.drawing.show import draw, draw_tree
from tnlearn.drawing.tree import contraction_steps, tree_scene
from tnlearn.errors import FileError, UnknownNameError
from tnlearn.models.rswn import FORMS
from tnlearn.networks.nodes import Contraction

FREED = {
    "operator": ("X", "window"),
    "sublattice": ("X",),
    "quartic": ("D",),
    "lowrank": ("left", "right"),
}


def with_head(form):
    net = tnl.rswn(20, form=form).trainable(*FREED[form], channels=4)
    return net.head(classes=4, hidden=(16,))


def three_projectors():
    """A formula that is no ring of two paths: the sector trace of three different operators."""
    rng = np.random.default_rng(0)
    u, v = f.states(6)
    A, B = (f.matrix(name, rng.normal(size=(6, 6))) for name in "AB")
    P = f.diagonal("P", np.arange(6.0))
    return (f.Tr(A @ u @ v.H @ P @ B @ u @ v.H) - 2 * f.Tr(B @ v @ u.H)).network()


NETWORKS = {
    **{form: (lambda form=form: tnl.rswn(20, form=form)) for form in FORMS},
    **{f"{form} with head": (lambda form=form: with_head(form)) for form in FORMS},
    "ring": lambda: tnl.rswn(20, form="operator", boundary="periodic"),
    "position": lambda: tnl.rswn(20).trainable("D", structure="position").head(classes=4),
    "dense X": lambda: tnl.rswn(20, form="operator").trainable("X", structure="dense"),
    "rounding": lambda: tnl.rswn(20).head((-1, 0, 1, 2), kind="rounding"),
    **{k: (lambda k=k: tnl.baseline(k)) for k in ("linear", "mlp", "cnn", "resnet", "attention")},
    **{v: (lambda v=v: tnl.baseline("symmetric", variant=v)) for v in ("products", "conv", "edge")},
    "complex": lambda: tnl.baseline("symmetric", variant="products", complex=True),
    "formula": three_projectors,
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def overlap(a, b, slack=0.005):
    return (
        a[0] < b[2] - slack and b[0] < a[2] - slack and a[1] < b[3] - slack and b[1] < a[3] - slack
    )


def check_legible(scene):
    texts = [text for text in scene.texts if text.text]
    for i, text in enumerate(texts):
        left, top, right, bottom = text.box
        assert text.size >= 7
        assert left >= 0, text
        assert right <= scene.width, text
        assert top >= 0, text
        assert bottom <= scene.height, text
        for other in texts[i + 1 :]:
            assert not overlap(text.box, other.box), (text, other)
    boxes = [rect for rect in scene.rects if rect.node and not rect.frame]
    for rect in boxes:
        half, high = rect.width / 2, rect.height / 2
        edges = (rect.x - half, rect.y - high, rect.x + half, rect.y + high)
        for text in texts:
            if overlap(text.box, edges):  # then the type is the box's own, and all inside
                assert text.node == rect.node, (text, rect)
                assert edges[0] <= text.box[0]
                assert text.box[2] <= edges[2]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart = abs(a.x - b.x) >= (a.width + b.width) / 2 - 1e-9
            assert apart or abs(a.y - b.y) >= (a.height + b.height) / 2 - 1e-9, (a, b)


@every_network
def test_graph_shows_every_node_and_nothing_overlaps(name):
    net = NETWORKS[name]()
    scene = graph_scene(net)
    check_legible(scene)
    shown = {shape.node for shape in (*scene.rects, *scene.dots, *scene.texts)}
    assert shown >= {*net.nodes}


@every_network
def test_trees_are_legible(name):
    net = NETWORKS[name]()
    for node in net.nodes.values():
        if isinstance(node, Contraction):
            check_legible(tree_scene(net, node.name))


def test_quartic_is_drawn_as_its_tensor_network():
    scene = graph_scene(tnl.rswn(20))
    tensors = [text.text for text in scene.texts if text.node in ("u", "v", "D")]
    assert sorted(tensors) == ["D", "u", "u*", "v", "v*"]
    black = [dot for dot in scene.dots if not dot.node and dot.fill == "#222222"]
    assert len(black) == 2  # x and y each join three tensors; n and m are plain lines
    assert {"n", "m", "x", "y", "batch"} <= {text.text for text in scene.texts}


@pytest.mark.parametrize("form", ["quartic", "lowrank"])
def test_tree_costs_add_up_to_those_of_the_network(form):
    net = tnl.rswn(20, form=form)
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
    _, steps = contraction_steps(tnl.rswn(20, form="operator"))
    assert {step.group for step in steps.values()} == {"frozen", "constant"}


def test_figures_are_made_without_pyplot():
    code = (
        "import sys, tnlearn as tnl\n"
        "net = tnl.rswn(6)\n"
        "net.draw(); net.draw_tree()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rendered_type_stays_within_the_figure():
    figure = draw(with_head("operator"))
    assert isinstance(figure, Figure)
    canvas = figure.canvas.get_renderer()
    page = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent(canvas)
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_files_are_written_and_the_folder_is_left_clean(tmp_path, suffix):
    net = tnl.rswn(6)
    net.draw(tmp_path / f"graph{suffix}")
    net.draw_tree(str(tmp_path / f"tree{suffix}"))
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert {path.name for path in tmp_path.iterdir()} == {f"graph{suffix}", f"tree{suffix}"}
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(starts[suffix])


def test_same_network_gives_the_same_png(tmp_path):
    for name in ("a.png", "b.png"):
        with_head("lowrank").draw(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


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
    """Collects what a page refers to, its scripts and its chooseable nodes."""

    def __init__(self, text):
        super().__init__()
        self.outside, self.data, self.nodes, self.tags, self.inside = [], "", set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.outside += [v for k, v in attrs if k in ("src", "href", "action", "xlink:href")]
        self.inside = values.get("id", "") if tag == "script" else self.inside
        if "data-node" in values:
            assert values["tabindex"] == "0"
            assert values["role"] == "button"
            self.nodes.add(values["data-node"])

    def handle_endtag(self, tag):
        self.inside = "" if tag == "script" else self.inside

    def handle_data(self, data):
        if self.inside == "data":
            self.data += data


@pytest.mark.parametrize("name", ["operator with head", "cnn", "position"])
def test_page_is_self_contained_and_complete(tmp_path, name):
    net = NETWORKS[name]()
    path = net.to_html(tmp_path / "net.html")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.outside == []
    assert "{{" not in text
    assert "@import" not in text
    assert "url(" not in text
    data = json.loads(page.data)
    assert data.keys() == net.nodes.keys()
    assert page.nodes == {*net.nodes}
    for node in net.nodes.values():
        entry = data[node.name]
        assert (entry["kind"], entry["inds"]) == (node.kind, list(node.inds))
    assert net.module().graph.code.strip().splitlines()[-1].strip() in text
    assert f"{net.cost(64).shared:,}" in text


def test_page_shows_the_exact_values_of_constants(tmp_path):
    net = tnl.rswn(6)
    page = Page(net.to_html(tmp_path / "net.html").read_text(encoding="utf-8"))
    shown = json.loads(page.data)["D"]["values"]
    np.testing.assert_allclose(shown, net.nodes["D"].array.ravel(), rtol=1e-4)


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
    sizes = st.floats(0.1, 2.0)
    blocks = {
        f"n{i}": Block(draw_value(sizes), draw_value(sizes), draw_value(sizes))
        for i in range(count)
    }
    pairs = [(f"n{i}", f"n{j}") for j in range(count) for i in range(j)]
    edges = draw_value(st.lists(st.sampled_from(pairs), max_size=12)) if pairs else []
    return blocks, edges


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_layers_lead_downwards_and_keep_apart(graph):
    blocks, edges = graph
    placed = layered(blocks, edges, across=0.2, down=0.3)
    for source, target in edges:
        below = placed.anchors[source][1] + blocks[source].height
        assert placed.anchors[target][1] >= below + 0.3 - 1e-9
    names = list(blocks)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if placed.layer[a] == placed.layer[b]:
                left, right = sorted((a, b), key=lambda n: placed.anchors[n][0])
                free = placed.anchors[right][0] - blocks[right].left
                assert free - placed.anchors[left][0] - blocks[left].right >= 0.2 - 1e-9
