"""The study `comparison`: a tiny run of its own parts."""

from __future__ import annotations

from tiny import RUNS, table, tiny

from tnlearn.report.table import where
from tnlearn.studies.comparison import STUDY, best_rate


def test_a_rate_that_is_searched_for_is_the_best_on_validation_chains() -> None:
    rows, profile = where(table("comparison"), network="quartic"), tiny("comparison")
    task = next(t for t in STUDY.tasks(profile) if t.labels.get("network") == "quartic")
    assert task.config["lr"] is None
    rate = best_rate(task, profile, RUNS / "comparison" / "trained")
    assert rate in profile.search.rates
    assert set(rows["kind"]) == {"test", "curve", "rank", "node", "scale"}
    assert set(rows["lr"].dropna()) == {rate}
    ranks = where(rows, kind="rank").groupby("rank")["accuracy"].mean()
    assert len(ranks) == 9
    clean = where(rows, kind="test", shift="clean")["accuracy"].mean()
    assert abs(ranks[8] - clean) < 1e-12


def test_a_network_that_knows_its_length_has_no_value_at_another() -> None:
    longer = where(table("comparison"), network="cnn", shift="size-2x")
    assert longer["accuracy"].isna().all()
    assert len(longer) == 2


def test_the_formula_is_put_to_every_shift() -> None:
    rows = where(table("comparison"), kind="formula")
    assert len(rows) == 3 * 3
    assert rows["accuracy"].between(0.5, 1.0).all()
