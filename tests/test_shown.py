"""Everything shows itself: a short line of text, a table and a picture in a notebook."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from matplotlib.figure import Figure

import tnlearn as tnl
from tnlearn.errors import ConfigError, ShapeError, UnknownNameError
from tnlearn.look import ShownAxes

T1 = np.linspace(0.1, 2.0, 20)
CHAINS = tnl.ssh(12, 1.0, T1)
DATA = tnl.dataset("extended", cells=6, samples=40, seed=1)
NET = tnl.rswn(6, form="quartic").trainable("D", channels=2, init=tnl.init.normal(0.1))


@cache
def fitted():
    return tnl.fit(
        NET.head(classes=4), DATA, validation=DATA, members=2, epochs=2, seed=0, progress=False
    )


PLACE = tnl.lattice("square", (4, 4))


@cache
def audit():
    return tnl.audit(fitted(), samples=20, progress=False)


@cache
def diagram():
    axes = {"t": np.linspace(0.5, 2.0, 4), "W": np.linspace(0.0, 1.0, 3)}
    return tnl.phase_diagram(
        axes, hoppings={0: 1.0, 1: "t"}, disorder={0: "W"}, cells=6, samples=2, kind="lyapunov"
    )


OBJECTS = {
    "chains": (lambda: CHAINS, "Chains(samples=20, cells=12, boundary=open, t0=1, t1=0.1 … 2)"),
    "ring": (
        lambda: tnl.ssh(12, 1.0, 2.0j, boundary="periodic"),
        "Chains(samples=1, cells=12, boundary=periodic, t0=1, |t1|=2)",
    ),
    "states": (
        lambda: CHAINS.states(),
        r"States\(samples=20, cells=12, states=12, amplitudes=real float64, energies=.* … 2.98\)",
    ),
    "windings": (
        lambda: tnl.winding(CHAINS, "lyapunov"),
        r"Winding\(samples=20, method=lyapunov, integers=\{0: 10, 1: 10\}, reliable=19, .*\)",
    ),
    "winding": (
        lambda: tnl.winding(CHAINS[-1], "twist"),
        "Winding(samples=1, method=twist, value=1, integer=1, reliable=True, gap=1, error=0)",
    ),
    "data": (
        lambda: DATA,
        r"Dataset\(name=extended, samples=40, cells=6, .*, classes=-1, 0, 1, 2, .*\)",
    ),
    "network": (
        lambda: NET,
        r"Network\(what=.*, takes=u \(batch, 6, 6\), v .*, parameters=72\)",
    ),
    "audit": (audit, r"Audit\(ensemble of 2: score .* \[.*\]\)"),
    "diagram": (
        diagram,
        r"PhaseDiagram\(points=4 × 3, t=0.5 … 2, W=0 … 1, kind=lyapunov, cells=6, samples=2, .*\)",
    ),
    "lattice": (
        lambda: PLACE,
        "Lattice(kind=square, cells=16 of 4 × 4, orbitals=1, boundary=open)",
    ),
    "chern": (
        lambda: tnl.chern(tnl.qwz(PLACE, [1.0, 3.0]), "marker"),
        r"Chern\(samples=2, method=marker, integers=\{0: 1, 1: 1\}, .*\)",
    ),
    "marker": (
        lambda: tnl.marker("extended"),
        r"Marker\(name=extended, windings=-1, 0, 1, 2, cells=12 to \d+, members=\d+\)",
    ),
    "fitted": (fitted, r"Fitted\(members=2, parameters=84, epochs=2, failed=0, .*\)"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_text_and_html(name):
    make, expected = OBJECTS[name]
    shown = make()
    text = repr(shown)
    assert text == expected or re.fullmatch(expected, text)
    html = shown._repr_html_()
    assert html.count("<tr>") == html.count("</tr>") == len(shown._facts())
    assert ("data:image/png" in html or "<svg" in html) == (name not in ("winding", "marker"))


PLOTS = {
    "spectrum": lambda ax: CHAINS.plot(against=T1, label="t1", ax=ax),
    "hoppings": lambda ax: CHAINS.plot("hoppings", sample=3, ax=ax),
    "one spectrum": lambda ax: CHAINS[5].states().plot(ax=ax),
    "density": lambda ax: CHAINS.states().plot("density", sample=19, states=(0, 1, 2), ax=ax),
    "windings": lambda ax: tnl.winding(CHAINS).plot(against=T1, label="t1", ax=ax),
    "classes": lambda ax: DATA.plot(ax=ax),
    "loss": lambda ax: fitted().plot(ax=ax),
    "accuracy": lambda ax: fitted().plot("accuracy", ax=ax),
    "confusion": lambda ax: fitted().plot_confusion(DATA, ax=ax),
    "network": lambda ax: NET.draw(ax=ax),
    "tree": lambda ax: NET.draw_tree(ax=ax),
    "audit": lambda ax: audit().draw(ax=ax),
    "diagram": lambda ax: diagram().plot(ax=ax),
    "lattice": lambda ax: PLACE.plot(ax=ax),
    "local marker": lambda ax: tnl.local_chern(tnl.qwz(PLACE)).plot(ax=ax),
    "node": lambda ax: fitted().plot_node("D", member=1, ax=ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_plots_draw_on_the_axes_of_the_user_or_on_their_own(name):
    ax = Figure().add_subplot()
    assert PLOTS[name](ax) is ax
    assert ax.has_data() or ax.texts
    assert ax.get_ylabel() or name in ("node", "network", "tree", "audit")
    own = PLOTS[name](None)
    assert isinstance(own, ShownAxes)
    bundle = own._repr_mimebundle_()
    assert bundle["image/svg+xml"].rstrip().endswith("</svg>")
    assert len(bundle["image/png"]) > 1000


def test_edge_states_of_the_topological_phase_are_at_the_ends():
    from tnlearn.physics.plots import edge_weight

    states = tnl.ssh(40, 1.0, [0.5, 2.0]).states()
    weight = edge_weight(states.u, states.v)
    assert weight[1, 0] > 0.99  # (1/2)^8 outside
    assert weight[0].max() < 0.3
    assert weight[1, 1:].max() < 0.3


def test_a_picture_is_saved_by_its_ending(tmp_path):
    ax = CHAINS.plot("hoppings")
    assert ax.save(tmp_path / "a.svg").read_text().rstrip().endswith("</svg>")
    with pytest.raises(UnknownNameError, match="gif"):
        ax.save(tmp_path / "a.gif")


def test_wrong_words_are_refused():
    with pytest.raises(UnknownNameError, match="spectrum, hoppings"):
        CHAINS.plot("hopping")
    with pytest.raises(UnknownNameError, match="loss, accuracy, gradient"):
        fitted().plot("losses")
    with pytest.raises(UnknownNameError, match="'E'"):
        fitted().plot_node("E")
    with pytest.raises(ConfigError, match="no member 7"):
        fitted().plot_node("D", member=7)
    with pytest.raises(ShapeError, match="data set with labels"):
        fitted().plot_confusion(3)
    for wrong in ({"sample": 40}, {"states": (12,)}):
        with pytest.raises(ShapeError, match="there is no"):
            CHAINS.states().plot("density", **wrong)
    with pytest.raises(ShapeError, match=r"\(20,\), got \(3,\)"):
        CHAINS.plot(against=[1, 2, 3])


def test_text_loads_no_matplotlib_and_pictures_no_pyplot():
    code = (
        "import sys, tnlearn as tnl; c = tnl.ssh(6, 1., 2.); repr(c), repr(c.states()); "
        "assert 'matplotlib' not in sys.modules; c.plot(); c._repr_html_(); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
