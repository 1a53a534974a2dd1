"""Interventions, their certificates and the score, on classifiers whose failures are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.audits.alterations import cap
from tnlearn.audits.audit import put
from tnlearn.audits.certify import certificate, certified
from tnlearn.audits.classifiers import adapted
from tnlearn.audits.interventions import INTERVENTIONS, Intervention, find
from tnlearn.audits.proxies import edge_count
from tnlearn.audits.suite import drawn, suite
from tnlearn.errors import ConfigError, FileError, ShapeError, UnknownNameError
from tnlearn.physics.geometry import displacement, window_cells
from tnlearn.physics.states import States
from tnlearn.report.statistics import summary, wilson

FAMILY = {name: one.family for name, one in INTERVENTIONS.items()}


def formula(states):
    """W = (1/L') Σ_{y in window} Σ_x (x − y) |q_xy|², not rounded."""
    kept = window_cells(states.cells)
    weights = displacement(states.cells) * kept / kept.sum()
    return np.einsum("sxy,xy->s", np.abs(states.q()) ** 2, weights)


def oracle(data):
    return tnl.winding(data.chains, "lyapunov", gap=False).integer


@pytest.fixture(scope="module", params=["extended", "complex", "ssh"])
def questions(request):
    return suite(drawn(request.param, 14, 120, 3))


@pytest.fixture(scope="module")
def long_chains():
    return suite(drawn("extended", 90, 60, 5))


# ------------------------------------------------------------------ certificates


def test_every_certified_pair_stands_up_to_another_invariant(questions):
    """The flux-threaded determinant is computed in another way, and sees the same ring."""
    asked = 0
    for pairs in questions.pairs:
        assert len(pairs) + sum(pairs.refused.values()) == pairs.made == len(questions.data)
        if not len(pairs):
            assert (questions.data.info["name"], pairs.intervention.name) == ("ssh", "exchange")
            continue
        first = tnl.winding(pairs.before.chains, "twist", gap=False)
        second = tnl.winding(pairs.after.chains, "twist", gap=False)
        assert first.reliable.all()
        assert second.reliable.all()
        assert np.array_equal(first.integer, pairs.before.windings)
        assert np.array_equal(second.integer, pairs.after.windings)
        same = first.integer == second.integer
        family = pairs.intervention.family
        assert not same.any() if family == "changing" else same.all()
        classes = np.asarray(questions.classes)
        assert np.array_equal(classes[pairs.after.labels], pairs.after.windings)
        asked += len(pairs)
    assert asked > 600


def test_states_belong_to_the_altered_chains(questions):
    """h = Σ E u v†, in the precision of the states, wherever they are given whole."""
    for pairs in questions.pairs:
        if pairs.intervention.name.startswith(("no-zero", "rotation", "mask")) or not len(pairs):
            continue
        seen = pairs.after.states
        built = np.einsum("snx,sn,sny->sxy", seen.u, seen.energies, seen.v.conj())
        h = pairs.after.chains.block()
        assert np.abs(built - h).max() < 1e-5 * np.abs(h).max()


def test_pairs_are_of_the_same_sample(questions):
    for pairs in questions.pairs:
        own = questions.data[pairs.index]
        known = questions.known.windings[pairs.index]
        assert np.array_equal(pairs.before.windings, known)
        assert np.array_equal(pairs.before.chains.hoppings[0], own.chains.hoppings[0])
        assert pairs.own == ("ring-" not in pairs.intervention.name)


def made(questions, name):
    return find(name).make(questions.data, 7)


def test_weak_ends_multiply_the_determinant_by_a_number(questions):
    before, after = made(questions, "weak-ends")
    for flux in (0.3, 2.0):
        rings = [d.chains.with_boundary("periodic", flux).block() for d in (before, after)]
        first, second = (np.linalg.det(ring) for ring in rings)
        assert np.allclose(second, 1e-4 * first, rtol=1e-8, atol=1e-16)
    lowest = [d.states.energies[:, :2].sum() for d in (before, after)]
    assert lowest[1] < 0.4 * lowest[0]


def test_exchange_keeps_every_density_and_turns_the_winding(questions):
    before, after = made(questions, "exchange")
    assert np.array_equal(after.chains.block(), before.chains.block().conj().swapaxes(1, 2))
    density = [np.abs(d.states.u) ** 2 + np.abs(d.states.v) ** 2 for d in (before, after)]
    assert np.array_equal(*density)
    assert np.array_equal(before.states.energies, after.states.energies)
    assert np.array_equal(oracle(after), -oracle(before))


def test_a_ring_shift_keeps_every_density_but_for_its_place(questions):
    before, after = made(questions, "ring-shift")
    change = oracle(after) - oracle(before)
    assert set(change.tolist()) == {-1, 1}
    assert np.array_equal(before.states.v, after.states.v)
    assert np.array_equal(before.states.energies, after.states.energies)
    for k in (0, 5, 11):
        assert np.array_equal(after.states.u[k], np.roll(before.states.u[k], change[k], axis=1))
        rolled = np.roll(before.chains.block()[k], change[k], axis=0)
        assert np.array_equal(after.chains.block()[k], rolled)


@pytest.mark.parametrize("name", ["bulk-replaced", "ends-replaced", "bulk-replaced-2"])
def test_replaced_bonds_are_those_of_a_neighbour_and_all_others_stay(questions, name):
    before, after = made(questions, name)
    depth = 2 if name.endswith("2") else cap(14)
    assert cap(14) == 3
    y = np.arange(14)
    ends = (y < depth) | (y >= 14 - depth)
    donors = np.full((len(before), len(before)), True)
    for m, t in before.chains.hoppings.items():
        touches = ends[y] | ends[(y + m) % 14]
        kept = touches if name.startswith("bulk") else ~touches
        assert np.array_equal(after.chains.hoppings[m][:, kept], t[:, kept])
        new = after.chains.hoppings[m][:, ~kept]
        donors &= (new[:, None] == t[None, :, ~kept]).all(axis=2)
    assert donors.any(axis=1).all()
    chosen = donors.argmax(axis=1)
    distance = np.abs(questions.known.windings[chosen] - questions.known.windings)
    assert (distance == 1).all()
    assert questions.known.clear[chosen].all()


def test_what_is_blanked(questions):
    seen = {n: made(questions, n)[1].states for n in ("mask-ends", "mask-bulk", "mask-gapped")}
    u = questions.data.states.u
    assert np.array_equal(seen["mask-ends"].u + seen["mask-bulk"].u, u)
    assert not seen["mask-ends"].u[:, :, :4].any()
    assert not seen["mask-ends"].u[:, :, -4:].any()
    assert seen["mask-ends"].u[:, :, 4:-4].any()
    assert np.array_equal(seen["mask-gapped"].v[:, :2], questions.data.states.v[:, :2])
    assert not seen["mask-gapped"].v[:, 2:].any()


def lying(name, change, **rest):
    return Intervention(name, name, "preserving", "", "", change, **rest)


def test_claims_that_do_not_hold_are_refused():
    data = drawn("extended", 12, 80, 1)
    known = certificate(data)

    def tripled(data, seed):
        """t_2 ten times larger: the winding becomes 2 wherever it was not."""
        hoppings = {**data.chains.hoppings, 2: 10 * data.chains.hoppings[2]}
        chains = replace(data.chains, hoppings=hoppings)
        return data, replace(data, chains=chains, states=chains.states().astype("float32"))

    pairs = certified(data, lying("tripled", tripled), data.classes)
    moved = known.clear & (oracle(tripled(data, 0)[1]) != known.windings)
    assert pairs.refused["winding moved"] == moved.sum() > 30
    assert (pairs.after.windings == pairs.before.windings).all()

    def other_q(data, seed):
        seen = data.states
        return data, replace(data, states=States(-seen.u, seen.v, seen.energies))

    pairs = certified(data, lying("other-q", other_q, keeps_q=True), data.classes)
    assert len(pairs) == 0
    assert pairs.refused["q changed"] == known.clear.sum()
    with pytest.raises(ShapeError, match="two data sets of 80 samples"):
        certified(data, lying("short", lambda d, seed: (d, d[:5])), data.classes)


def test_pairs_of_windings_that_no_answer_can_name_are_refused():
    data = drawn("extended", 12, 80, 1)
    pairs = certified(data, find("gauge"), (0, 1))
    assert set(pairs.before.windings.tolist()) == {0, 1}
    assert pairs.refused["no class before"] > 20
    turned = certified(data, find("exchange"), (-1, 0, 1, 2))
    assert turned.refused["no class after"] > 10
    assert set(turned.after.windings.tolist()) == {-1, 1}


# ------------------------------------------------------------------ the score


@pytest.mark.parametrize("name", ["extended", "complex"])
def test_what_is_given_the_chain_scores_one(name):
    found = tnl.audit(oracle, drawn(name, 14, 80, 2), inputs="dataset", progress=False)
    assert found.score == 1.0
    assert found.estimate(right=True).value == 1.0
    for row in found.rows:
        assert row.followed == row.right_before == row.right_after == (row.certified,)


@pytest.mark.parametrize("winding", [-1, 0, 1, 2])
def test_one_answer_to_all_scores_a_half(winding):
    data = drawn("extended", 14, 80, 2)
    found = tnl.audit(lambda s: np.full(len(s), float(winding)), data, progress=False)
    assert found.score == 0.5
    assert found.estimate(right=True).value == 0.5
    assert found.estimate(family="preserving").value == 1.0
    assert found.estimate(family="changing").value == 0.0


def test_the_formula_on_long_clean_chains_scores_near_one(long_chains):
    found = put(adapted(formula, long_chains.data), long_chains)
    assert found.score > 0.95
    assert found.estimate(right=True).value > 0.98
    assert found["edge-removed"].followed[0] > 0.95 * found["edge-removed"].certified
    assert found["gauge"].followed == found["rotation"].followed == (found["gauge"].certified,)


def test_the_network_of_the_formula_gives_the_row_of_the_formula():
    data = drawn("extended", 12, 60, 4)
    chosen = ["edge-cell", "edge-removed", "ring", "bulk-replaced", "exchange"]
    net = tnl.audit(tnl.rswn(12), data, interventions=chosen, progress=False)
    plain = tnl.audit(formula, data, interventions=chosen, progress=False)
    assert [r.followed for r in net.rows] == [r.followed for r in plain.rows]
    assert net["edge-removed"].followed != (None,)


def test_an_edge_counter_fails_where_edges_mislead(long_chains):
    """It is right on nearly all long clean chains, and follows the edges all the same."""
    found = put(adapted(edge_count, long_chains.data), long_chains)
    gauge = found["gauge"]
    assert gauge.right_before[0] > 0.9 * gauge.certified
    assert found.score < 0.6
    # Without ends it counts none: stays only where it counted none before.
    none = edge_count(long_chains.data.states)[long_chains.known.clear] == 0
    for name in ("ring", "no-zero-modes-2", "mask-ends"):
        assert abs(found[name].followed[0] - none.sum()) <= 2
    assert found["ring-shift"].followed == found["ring-replaced"].followed == (0,)
    assert found["ends-replaced"].shares()[0] < 0.5
    assert found["bulk-replaced"].shares()[0] < 0.5
    # It looks at nothing but the ends and the lowest states, and not at the signs.
    for name in ("mask-bulk", "mask-gapped", "gauge"):
        assert found[name].shares() == [1.0]
    for row in found.rows:
        follows = row.family != "changing"
        kept = row.edge_count_kept * row.certified
        assert not follows or round(kept) == row.followed[0]


def test_what_the_score_is():
    rng = np.random.default_rng(0)
    data = drawn("extended", 10, 100, 6)
    found = tnl.audit(lambda s: rng.choice([-1.0, 0.0, 1.0, 2.0], len(s)), data, progress=False)
    by_family = {
        family: [r for r in found.rows if r.family == family and r.scored]
        for family in ("preserving", "changing")
    }
    assert len(by_family["preserving"]) == 9
    assert len(by_family["changing"]) == 4
    means = [np.mean([r.followed[0] / r.certified for r in rows]) for rows in by_family.values()]
    assert found.score == pytest.approx(np.mean(means), abs=1e-12)
    ends = [
        np.mean([wilson(r.followed[0], r.certified) for r in rows], axis=0)
        for rows in by_family.values()
    ]
    assert found.interval == pytest.approx(tuple(np.mean(ends, axis=0)), abs=1e-12)
    assert found.score < 0.35
    right = found["ring"]
    assert right.shares(right=True) == [right.followed_right[0] / right.right_before[0]]


def test_without_pairs_of_both_kinds_there_is_no_score():
    data = drawn("ssh", 10, 40, 0)
    found = tnl.audit(formula, data, interventions=["gauge", "exchange"], progress=False)
    assert found["exchange"].certified == 0
    assert found["exchange"].reason == "no pair was certified"
    assert np.isnan(found.score)
    assert found.record()["score"]["value"] is None
    assert "–" in str(found)


# ------------------------------------------------------------------ the result


@pytest.fixture(scope="module")
def several():
    data = drawn("extended", 12, 80, 8)
    near = [lambda s, k=k: formula(s) + 0.1 * k for k in range(3)]
    return data, near, tnl.audit(near, data, title="three", progress=False)


def test_members_of_an_ensemble_are_judged_one_by_one(several):
    data, near, found = several
    assert found.members == 3
    alone = [tnl.audit(one, data, progress=False) for one in near]
    for row in found.rows:
        assert row.followed == tuple(a[row.name].followed[0] for a in alone)
        expected = summary([k / row.certified for k in row.followed])
        assert row.estimate().value == pytest.approx(expected.mean, abs=1e-12)
        assert row.estimate().low == pytest.approx(expected.low, abs=1e-12)
    assert found.scores == pytest.approx([a.score for a in alone], abs=1e-12)
    whole = summary(found.scores)
    assert (found.score, *found.interval) == pytest.approx(
        (whole.mean, whole.low, whole.high), abs=1e-12
    )
    joined = tnl.Audit.joined([replace(a, title="three") for a in alone])
    assert joined.record() == found.record()
    other = tnl.audit(near[0], data, seed=1, progress=False)
    with pytest.raises(ConfigError, match="same certified pairs"):
        tnl.Audit.joined([alone[0], other])


def test_what_is_saved_is_read_back(several, tmp_path):
    _, _, found = several
    path = tmp_path / "audit.json"
    found.save(path)
    again = tnl.Audit.load(path)
    assert again.record() == found.record()
    assert str(again) == str(found)
    assert json.loads(path.read_text()) == json.loads(found.to_json())
    with pytest.raises(FileError, match="cannot read"):
        tnl.Audit.load(tmp_path / "missing.json")
    for text in ("{", "[]", '{"format": "other"}', '{"format": "tnlearn-audit/1"}'):
        path.write_text(text)
        with pytest.raises(FileError):
            tnl.Audit.load(path)
    broken = found.record()
    del broken["rows"][0]["made"]
    path.write_text(json.dumps(broken))
    with pytest.raises(FileError, match="made"):
        tnl.Audit.load(path)


def test_it_shows_itself(several, tmp_path):
    _, _, found = several
    text = str(found)
    assert all(len(line) <= 100 for line in text.splitlines())
    for row in found.rows:
        assert row.title in text
        assert row.title in found._repr_html_()
    assert f"{found.score:.3f}" in text
    assert repr(found).startswith("Audit(three: score")
    made = found.draw(tmp_path / "audit.png")
    assert (tmp_path / "audit.png").read_bytes().startswith(b"\x89PNG")
    labels = [tick.get_text() for ax in made.axes for tick in ax.get_yticklabels()]
    assert len(labels) == len(found.rows)
    with pytest.raises(UnknownNameError, match="picture"):
        found.draw(tmp_path / "audit.gif")
    with pytest.raises(FileError, match="cannot write"):
        found.draw(tmp_path / "none" / "audit.png")
    with pytest.raises(KeyError):
        found["no such row"]


def test_the_same_seed_gives_the_same_audit():
    first = tnl.audit(formula, cells=10, samples=50, seed=4, progress=False)
    again = tnl.audit(formula, cells=10, samples=50, seed=4, progress=False)
    other = tnl.audit(formula, cells=10, samples=50, seed=5, progress=False)
    assert first.record() == again.record()
    assert first.record()["rows"] != other.record()["rows"]
    assert first.settings["data_seed"] not in range(1000)


def test_the_bar_goes_to_stderr_and_can_be_switched_off(capsys):
    tnl.audit(formula, cells=8, samples=30, interventions="gauge", progress=False)
    assert capsys.readouterr() == ("", "")
    tnl.audit(formula, cells=8, samples=30, interventions="gauge")
    out, err = capsys.readouterr()
    assert out == ""
    assert "2/2" in err


# ------------------------------------------------------------------ edge states counted


def test_edge_states_are_counted_with_their_sublattice():
    for offset, winding in ((1, 1), (2, 2), (-1, -1), (0, 0)):
        chains = tnl.chain(40, {-1: 0.11, 0: 0.13, 1: 0.12, 2: 0.1} | {offset: 1.0})
        assert edge_count(chains.states()).tolist() == [winding]
    with pytest.raises(ConfigError, match="depth=0"):
        edge_count(chains.states(), depth=0)
    with pytest.raises(ConfigError, match="lowest=41"):
        edge_count(chains.states(), lowest=41)
