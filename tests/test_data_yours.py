"""Data sets of one's own chains, states and arrays: trained on, tested, shifted and audited."""

import numpy as np
import pytest
from test_networks_inputs import occupied

import tnlearn as tnl
from tnlearn.errors import ConfigError, ShapeError, UnknownNameError

CHAINS = tnl.ssh(8, np.linspace(0.2, 1.8, 40), 1.0, 0.5, 0.5, seed=3)
DATA = tnl.Dataset.from_chains(CHAINS, dtype="float64")


def test_chains_are_labelled_by_their_own_integer_and_flagged():
    exact = tnl.winding(CHAINS, "lyapunov")
    assert np.array_equal(DATA.windings, exact.integer)
    assert DATA.classes == (0, 1)
    assert np.array_equal(DATA.labels, DATA.windings)
    assert not DATA.ambiguous.any()
    critical = tnl.Dataset.from_chains(tnl.ssh(8, 1.0, [1.0, 0.5]))
    assert critical.ambiguous.tolist() == [True, False]
    solver = tnl.Dataset.from_chains(CHAINS, gauge="solver", dtype="float64")
    assert np.array_equal(solver.states.u, CHAINS.states().u)
    assert np.allclose(DATA.states.q(), solver.states.q(), rtol=0, atol=1e-12)
    assert not np.array_equal(DATA.states.u, solver.states.u)
    assert tnl.Dataset.from_chains(CHAINS).states.dtype == np.float32
    assert repr(DATA).startswith(
        "Dataset(name=chains, samples=40, cells=8, boundary=open, classes=0, 1, ambiguous="
    )


def test_labels_of_the_caller_stand_and_are_flagged_where_the_chain_says_another():
    labels = DATA.windings.copy()
    labels[:3] += 5
    data = tnl.Dataset.from_chains(CHAINS, labels, classes=(1, 0))
    assert np.array_equal(data.windings, labels)
    assert np.array_equal(data.labels[3:], 1 - labels[3:])
    assert (data.labels[:3] == -1).all()
    assert np.array_equal(data.ambiguous[3:], DATA.ambiguous[3:])
    assert data.ambiguous[:3].all()


def test_a_bare_data_set_has_what_shifts_and_audits_read():
    bare = tnl.Dataset(CHAINS.states(), DATA.labels, (0, 1), DATA.windings, DATA.ambiguous, CHAINS)
    assert len(tnl.shift("rotation", bare)) == 40
    asked = tnl.audit(tnl.rswn(8), bare, interventions=["gauge"], progress=False)
    assert asked["gauge"].estimate().value > 0.9


@pytest.mark.parametrize("name", ["ring", "edge-cell", "edge-removed", "gauge", "disorder-0.3"])
def test_chains_of_ones_own_are_shifted(name):
    shifted = tnl.shift(name, DATA, seed=2)
    assert shifted.info["shifts"] == [{"name": name, "seed": 2}]
    assert np.array_equal(shifted.states.u, tnl.shift(name, DATA, seed=2).states.u)
    exact = tnl.winding(shifted.chains, "lyapunov").integer
    clear = ~shifted.ambiguous
    assert np.array_equal(shifted.windings[clear], exact[clear])
    q = shifted.chains.states().q()
    assert np.allclose(shifted.states.q(), q, rtol=0, atol=1e-9)
    if name == "disorder-0.3":
        added = shifted.chains.hoppings[1] - CHAINS.hoppings[1]
        assert 0.13 < np.abs(added).max() <= 0.15


def test_they_are_trained_on_saved_and_audited(tmp_path):
    net = tnl.rswn(8).trainable("D", channels=2).head(2)
    fitted = tnl.fit(net, DATA, DATA[:20], members=2, epochs=2, progress=False)
    assert np.array_equal(fitted.accuracy(tnl.shift("gauge", DATA)), fitted.accuracy(DATA))
    with DATA.save(tmp_path / "data.h5") as stored:
        assert np.array_equal(stored[:].states.u, DATA.states.u)
        assert stored[:].info == DATA.info
    audits = [
        tnl.audit(fitted, data, interventions=["gauge", "edge-cell"], progress=False)
        for data in (DATA, CHAINS)
    ]
    assert audits[0].classes == audits[1].classes == (0, 1)
    with pytest.raises(ConfigError, match="data of your own: give some as data="):
        tnl.audit(fitted, progress=False)


def test_any_arrays_are_trained_on_by_their_names():
    rng = np.random.default_rng(0)
    psi = rng.standard_normal((30, 2, 5)) + 1j * rng.standard_normal((30, 2, 5))
    net = occupied()
    data = tnl.Dataset.from_arrays({"psi": psi}, net(psi) > 0)
    assert repr(data) == "Dataset(name=arrays, samples=30, classes=0, 1, ambiguous=0)"
    fitted = tnl.fit(
        net.trainable("g", channels=2).head(2), data, members=2, epochs=2, progress=False
    )
    assert fitted.accuracy(data).shape == (2,)
    assert np.array_equal(fitted.predict(data[4:7]), fitted.predict({"psi": psi[4:7]}))


STATES = tnl.Dataset.from_states(DATA.states, DATA.windings)
ARRAYS = tnl.Dataset.from_arrays(DATA.states.arrays, DATA.windings)


def test_states_are_turned_but_not_altered():
    turned = tnl.shift("gauge", STATES)
    assert np.allclose(turned.states.q(), DATA.states.q(), rtol=0, atol=1e-12)
    assert not tnl.shift("no-zero-modes-1", STATES).states.u[:, 0].any()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda: tnl.shift("ring", STATES),
            ConfigError,
            "'ring' cannot.*without chains.*from_chains",
        ),
        (lambda: tnl.shift("disorder-1", STATES), ConfigError, "without chains"),
        (lambda: tnl.shift("gauge", ARRAYS), ConfigError, "'gauge' cannot.*without states"),
        (lambda: tnl.shift("size-2x", DATA), ConfigError, "'size-2x' draws new samples.*recipe"),
        (lambda: tnl.audit(tnl.rswn(8), STATES), ConfigError, "without chains"),
        (lambda: STATES.save("no.h5"), ConfigError, "without chains"),
        (lambda: tnl.Dataset.from_chains(CHAINS.block()), ShapeError, "tnl.chain or tnl.ssh"),
        (lambda: tnl.Dataset.from_chains(CHAINS, [0, 1]), ShapeError, "40 whole numbers"),
        (lambda: tnl.Dataset.from_chains(CHAINS, np.zeros(40)), ShapeError, "float64"),
        (lambda: tnl.Dataset.from_chains(CHAINS, gauge="none"), UnknownNameError, "gauge"),
        (lambda: tnl.Dataset.from_states(CHAINS, [0]), ShapeError, "not a Chains"),
        (lambda: tnl.Dataset.from_arrays({}, [0]), ShapeError, "mapping of names"),
        (
            lambda: tnl.Dataset.from_arrays({"a": np.ones(3), "b": np.ones(4)}, [0] * 3),
            ShapeError,
            "different numbers",
        ),
    ],
)
def test_what_is_lacking_or_wrong_is_named(call, error, match):
    with pytest.raises(error, match=match):
        call()
