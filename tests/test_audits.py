"""Interventions, their certificates and the score, on classifiers whose failures are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tnlearn as tnl
from tnlearn.audits.audit import Audit
from tnlearn.audits.certify import Suite, certificate, certified, sample_set, suite
from tnlearn.audits.classifiers import adapted, edge_count
from tnlearn.audits.interventions import Intervention, end_cells, find
from tnlearn.audits.table import COUNTS, ask
from tnlearn.errors import ConfigError, FileError, ShapeError, UnknownNameError
from tnlearn.physics.blocks import displacement, window_cells
from tnlearn.physics.states import States
from tnlearn.report import stats


def formula(states: States) -> Any:
    """W = (1/L') Σ_{y in window} Σ_x (x − y) |q_xy|², not rounded."""
    kept = window_cells(states.cells)
    weights = displacement(states.cells) * kept / kept.sum()
    return np.einsum("sxy,xy->s", np.abs(states.q()) ** 2, weights)


def oracle(data: Any) -> Any:
    return tnl.winding(data.chains, "lyapunov", gap=False).integer


def asked(classifier: Any, data: Any = None, **options: Any) -> Audit:
    return tnl.audit(classifier, data, progress=False, **options)


def of_suite(classifier: Any, questions: Suite) -> Audit:
    who = adapted(classifier, questions.data)
    return Audit(who.title, who.classes, ask(who, questions), questions.settings())


@pytest.fixture(scope="module", params=["extended", "complex", "ssh"])
def questions(request: Any) -> Suite:
    return suite(sample_set(request.param, 14, 100, 3))


@pytest.fixture(scope="module")
def long_chains() -> Suite:
    return suite(sample_set("extended", 90, 50, 5))


# ------------------------------------------------------------------ certificates


def test_every_certified_pair_stands_up_to_another_invariant(questions: Suite) -> None:
    """The flux-threaded determinant is computed in another way, and sees the same ring."""
    count = 0
    for pairs in questions.pairs:
        assert len(pairs) + sum(pairs.refused.values()) == pairs.altered == len(questions.data)
        if not len(pairs):
            assert (questions.data.info["name"], pairs.intervention.name) == ("ssh", "exchange")
            continue
        first, second = (
            tnl.winding(data.chains, "twist", gap=False) for data in (pairs.before, pairs.after)
        )
        assert first.reliable.all()
        assert second.reliable.all()
        assert np.array_equal(first.integer, pairs.before.windings)
        assert np.array_equal(second.integer, pairs.after.windings)
        same = first.integer == second.integer
        assert not same.any() if pairs.intervention.family == "changing" else same.all()
        classes = np.asarray(questions.classes)
        assert np.array_equal(classes[pairs.after.labels], pairs.after.windings)
        count += len(pairs)
    assert count > 500


def test_pairs_are_of_the_same_sample_and_states_of_the_altered_chain(questions: Suite) -> None:
    """h = Σ E u v†, in the precision of the states, wherever they are given whole."""
    for pairs in questions.pairs:
        name, origin = pairs.intervention.name, questions.data[pairs.index]
        assert np.array_equal(pairs.before.windings, origin.windings)
        assert np.array_equal(pairs.before.chains.hoppings[0], origin.chains.hoppings[0])
        assert pairs.from_data == ("ring-" not in name)
        if name.startswith(("no-zero", "rotation", "mask")) or not len(pairs):
            continue
        seen = pairs.after.states
        built = np.einsum("snx,sn,sny->sxy", seen.u, seen.energies, seen.v.conj())
        h = pairs.after.chains.block()
        assert np.abs(built - h).max() < 1e-5 * np.abs(h).max()


def altered(questions: Suite, name: str) -> tuple[Any, Any]:
    return find(name).make(questions.data, 7)


def test_weak_ends_multiply_the_determinant_by_a_number(questions: Suite) -> None:
    before, after = altered(questions, "weak-ends")
    for flux in (0.3, 2.0):
        rings = [d.chains.with_boundary("periodic", flux).block() for d in (before, after)]
        first, second = (np.linalg.det(ring) for ring in rings)
        assert np.allclose(second, 1e-4 * first, rtol=1e-8, atol=1e-16)
    lowest = [d.states.energies[:, :2].sum() for d in (before, after)]
    assert lowest[1] < 0.4 * lowest[0]


def test_exchange_keeps_every_density_and_turns_the_winding(questions: Suite) -> None:
    before, after = altered(questions, "exchange")
    assert np.array_equal(after.chains.block(), before.chains.block().conj().swapaxes(1, 2))
    density = [np.abs(d.states.u) ** 2 + np.abs(d.states.v) ** 2 for d in (before, after)]
    assert np.array_equal(*density)
    assert np.array_equal(before.states.energies, after.states.energies)
    assert np.array_equal(oracle(after), -oracle(before))


def test_a_ring_shift_keeps_every_density_but_for_its_place(questions: Suite) -> None:
    before, after = altered(questions, "ring-shift")
    change = oracle(after) - oracle(before)
    assert set(change.tolist()) == {-1, 1}
    assert np.array_equal(before.states.v, after.states.v)
    assert np.array_equal(before.states.energies, after.states.energies)
    for k in (0, 5, 11):
        assert np.array_equal(after.states.u[k], np.roll(before.states.u[k], change[k], axis=1))
        rolled = np.roll(before.chains.block()[k], change[k], axis=0)
        assert np.array_equal(after.chains.block()[k], rolled)


@pytest.mark.parametrize("name", ["bulk-replaced", "ends-replaced", "bulk-replaced-2"])
def test_replaced_bonds_are_those_of_a_neighbour_and_all_others_stay(
    questions: Suite, name: str
) -> None:
    before, after = altered(questions, name)
    depth = 2 if name.endswith("2") else end_cells(14)
    assert end_cells(14) == 3
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
    windings = questions.data.windings
    assert (np.abs(windings[chosen] - windings) == 1).all()
    assert not questions.data.ambiguous[chosen].any()


def test_what_is_blanked(questions: Suite) -> None:
    names = ("mask-ends", "mask-bulk", "mask-gapped")
    ends, bulk, gapped = (altered(questions, name)[1].states for name in names)
    states = questions.data.states
    assert np.array_equal(ends.u + bulk.u, states.u)
    assert not ends.u[:, :, :4].any()
    assert not ends.u[:, :, -4:].any()
    assert ends.u[:, :, 4:-4].any()
    assert np.array_equal(gapped.v[:, :2], states.v[:, :2])
    assert not gapped.v[:, 2:].any()


def lying(name: str, change: Any, **claims: Any) -> Intervention:
    return Intervention(name, name, "preserving", "", "", change, **claims)


def test_claims_that_do_not_hold_are_refused() -> None:
    data = certificate(sample_set("extended", 12, 80, 1))
    clear = ~data.ambiguous

    def tripled(data: Any, seed: int) -> Any:
        """t_2 ten times larger: the winding becomes 2 wherever it was not."""
        hoppings = {**data.chains.hoppings, 2: 10 * data.chains.hoppings[2]}
        chains = replace(data.chains, hoppings=hoppings)
        return data, replace(data, chains=chains, states=chains.states().astype("float32"))

    pairs = certified(data, lying("tripled", tripled), data.classes)
    moved = clear & (oracle(tripled(data, 0)[1]) != data.windings)
    assert pairs.refused["winding moved"] == moved.sum() > 30
    assert (pairs.after.windings == pairs.before.windings).all()

    def other_q(data: Any, seed: int) -> Any:
        seen = data.states
        return data, replace(data, states=States(-seen.u, seen.v, seen.energies))

    pairs = certified(data, lying("other-q", other_q, keeps_q=True), data.classes)
    assert len(pairs) == 0
    assert pairs.refused["q changed"] == clear.sum()
    with pytest.raises(ShapeError, match="two data sets of 80 samples"):
        certified(data, lying("short", lambda d, seed: (d, d[:5])), data.classes)

    # So are pairs of windings that no answer can name.
    pairs = certified(data, find("gauge"), (0, 1))
    assert set(pairs.before.windings.tolist()) == {0, 1}
    assert pairs.refused["no class before"] > 20
    turned = certified(data, find("exchange"), (-1, 0, 1, 2))
    assert turned.refused["no class after"] > 10
    assert set(turned.after.windings.tolist()) == {-1, 1}


# ------------------------------------------------------------------ the score


@pytest.mark.parametrize("name", ["extended", "complex"])
def test_who_sees_the_chain_scores_one_and_one_answer_a_half(name: str) -> None:
    data = sample_set(name, 14, 60, 2)
    audit = asked(oracle, data, inputs="dataset")
    assert audit.score == audit.estimate(right=True).value == 1.0
    for row in audit.rows:
        assert row.followed == row.right_before == row.right_after == (row.certified,)
    for winding in data.classes[:2]:
        audit = asked(lambda s, w=winding: np.full(len(s), float(w)), data)
        assert audit.score == audit.estimate(right=True).value == 0.5
        assert audit.estimate(family="preserving").value == 1.0
        assert audit.estimate(family="changing").value == 0.0


def test_the_formula_on_long_clean_chains_scores_near_one(long_chains: Suite) -> None:
    audit = of_suite(formula, long_chains)
    assert audit.score > 0.95
    assert audit.estimate(right=True).value > 0.98
    assert audit["edge-removed"].estimate().value > 0.95
    assert audit["gauge"].followed == audit["rotation"].followed == (audit["gauge"].certified,)


def test_the_network_of_the_formula_gives_the_rows_of_the_formula() -> None:
    data = sample_set("extended", 12, 60, 4)
    chosen = ["edge-cell", "edge-removed", "ring", "bulk-replaced", "exchange"]
    net, plain = (asked(c, data, interventions=chosen) for c in (tnl.rswn(12), formula))
    assert net.table[COUNTS].equals(plain.table[COUNTS])
    assert net.table["followed"].notna().all()


def test_an_edge_counter_fails_where_edges_mislead(long_chains: Suite) -> None:
    """It is right on nearly all long clean chains, and follows the edges all the same."""
    audit = of_suite(edge_count, long_chains)
    assert audit["gauge"].accuracy("before").value > 0.9
    assert audit.score < 0.6
    # Without ends it counts none: stays only where it counted none before.
    none = edge_count(long_chains.data.states)[~long_chains.data.ambiguous] == 0
    for name in ("ring", "no-zero-modes-2", "mask-ends"):
        assert abs(audit[name].followed[0] - none.sum()) <= 2
    assert audit["ring-shift"].followed == audit["ring-replaced"].followed == (0,)
    assert audit["ends-replaced"].estimate().value < 0.5
    assert audit["bulk-replaced"].estimate().value < 0.5
    # It looks at nothing but the ends and the lowest states, and not at the signs.
    for name in ("mask-bulk", "mask-gapped", "gauge"):
        assert audit[name].estimate().value == 1
    for row in audit.rows:
        kept = round(row.edge_count_kept * row.certified)
        assert row.family == "changing" or kept == row.followed[0]


def test_what_the_score_is() -> None:
    rng = np.random.default_rng(0)
    data = sample_set("extended", 10, 100, 6)
    audit = asked(lambda s: rng.choice([-1.0, 0.0, 1.0, 2.0], len(s)), data)
    table = audit.table[audit.table["scored"] & (audit.table["family"] != "ablation")]
    assert table["family"].value_counts().to_dict() == {"preserving": 9, "changing": 4}
    pairs = [stats.share(int(k), int(n)) for k, n in table[["followed", "certified"]].to_numpy()]
    wilson = pd.DataFrame(pairs, index=table.index)
    means = wilson.groupby(table["family"])[["value", "low", "high"]].mean().mean()
    assert (audit.score, *audit.interval) == pytest.approx(tuple(means), abs=1e-12)
    assert audit.score < 0.35
    row = audit["ring"]
    assert row.estimate(right=True).value == row.followed_right[0] / row.right_before[0]


def test_without_pairs_of_both_kinds_there_is_no_score() -> None:
    data = sample_set("ssh", 10, 40, 0)
    audit = asked(formula, data, interventions=["gauge", "exchange"])
    assert audit["exchange"].certified == 0
    assert audit["exchange"].reason == "no pair was certified"
    assert np.isnan([audit.score, *audit.interval, *audit.scores]).all()
    assert "–" in str(audit)


# ------------------------------------------------------------------ the result


@pytest.fixture(scope="module")
def several() -> tuple[Any, list[Any], Audit]:
    data = sample_set("extended", 12, 80, 8)
    near = [lambda s, k=k: formula(s) + 0.1 * k for k in range(3)]
    return data, near, asked(near, data, title="three")


def test_members_of_an_ensemble_are_judged_one_by_one(several: Any) -> None:
    data, near, audit = several
    alone = [asked(one, data) for one in near]
    for member, one in enumerate(alone):
        rows = audit.table[audit.table["member"] == member].reset_index(drop=True)
        assert rows.drop(columns="member").equals(one.table.drop(columns="member"))
    row = audit["ring"]
    expected = stats.mean([k / row.certified for k in row.followed])
    assert row.estimate()._asdict() == pytest.approx(expected, abs=1e-12)
    assert audit.members == 3
    assert audit.scores == pytest.approx([a.score for a in alone], abs=1e-12)
    assert audit.estimate()._asdict() == pytest.approx(stats.mean(audit.scores), abs=1e-12)


def test_what_is_saved_is_read_back(several: Any, tmp_path: Path) -> None:
    audit, path = several[2], tmp_path / "audit.json"
    audit.save(path)
    again = tnl.Audit.load(path)
    pd.testing.assert_frame_equal(again.table, audit.table)
    assert (str(again), again.settings) == (str(audit), audit.settings)
    assert (again.title, again.classes) == (audit.title, audit.classes)
    record = json.loads(path.read_text())
    del record["interventions"]["altered"]
    broken = ("{", "[]", '{"format": "other"}', '{"format": "tnlearn-audit/2"}')
    for text in (*broken, json.dumps(record), "[" * 100_000):
        path.write_text(text)
        with pytest.raises(FileError, match=r"audit\.json"):
            tnl.Audit.load(path)
    with pytest.raises(FileError, match="cannot read"):
        tnl.Audit.load(tmp_path / "missing.json")


def test_it_shows_itself(several: Any, tmp_path: Path) -> None:
    audit = several[2]
    text, page = str(audit), audit._repr_html_()
    assert "data:image/png" in page
    assert all(len(line) <= 100 for line in text.splitlines())
    assert all(row.title in text for row in audit.rows)
    assert f"{audit.score:.3f}" in text
    assert repr(audit).startswith(f"Audit(three: score {audit.score:.3f} [")
    ax = audit.draw(tmp_path / "audit.png")
    assert (tmp_path / "audit.png").read_bytes().startswith(b"\x89PNG")
    assert len(ax.get_yticklabels()) == len(audit.rows)
    for name, error in (("audit.gif", UnknownNameError), ("none/audit.png", FileError)):
        with pytest.raises(error, match=r"picture|cannot write"):
            audit.draw(tmp_path / name)
    for missing in (lambda: audit["no such row"], lambda: audit["ring"].nothing):
        with pytest.raises((KeyError, AttributeError)):
            missing()


def test_the_same_seed_gives_the_same_audit() -> None:
    first, again, other = (asked(formula, cells=10, samples=50, seed=seed) for seed in (4, 4, 5))
    assert first.table.equals(again.table)
    assert not first.table.equals(other.table)
    assert first.settings["data_seed"] not in range(1000)


def test_the_bar_goes_to_stderr_and_can_be_switched_off(capsys: Any) -> None:
    for progress, text in ((False, ""), (True, "2/2")):
        tnl.audit(formula, cells=8, samples=30, interventions="gauge", progress=progress)
        out, err = capsys.readouterr()
        assert out == ""
        assert text in err
        assert bool(text) == bool(err)


def test_edge_states_are_counted_with_their_sublattice() -> None:
    for offset, winding in ((1, 1), (2, 2), (-1, -1), (0, 0)):
        chains = tnl.chain(40, {-1: 0.11, 0: 0.13, 1: 0.12, 2: 0.1} | {offset: 1.0})
        assert edge_count(chains.states()).tolist() == [winding]
    with pytest.raises(ConfigError, match="depth=0"):
        edge_count(chains.states(), depth=0)
    with pytest.raises(ConfigError, match="lowest=41"):
        edge_count(chains.states(), lowest=41)
