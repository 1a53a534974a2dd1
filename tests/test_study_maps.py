"""The study `maps`: starts, cells, the rules of its claims, and the findings that were kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import compare, golden, profile_of
from tiny import tiny

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.profile import as_record, read_profile
from tnlearn.models.catalogue import build_network
from tnlearn.report.stats import main_effects
from tnlearn.studies import maps
from tnlearn.studies.maps import MAP, STUDY, TUNED, Maps, started, tuned

CELLS = 6
FLAGS = {"success": "success", "common": "common", "near": "own"}  # and as they were kept


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """A table with the successes and mean accuracies of every cell that were kept."""
    rows = [
        {"map": name, "network": network, "scale": cell["scale"], "rate": cell["rate"]}
        | {flag: k < cell[key] for flag, key in FLAGS.items()}
        | {"accuracy": cell["accuracy"]["mean"]}
        | {how: _spread(summary, k) for how, summary in cell["shifts"].items()}
        for name, chosen in old["maps"].items()
        for network, of_network in chosen["networks"].items()
        for cell in of_network["cells"]
        for k in range(cell["members"])
    ]
    return pd.DataFrame(rows)


def _spread(summary: dict[str, float], k: int) -> float:
    """One of as many values of the mean and the interval of Student's t that were kept."""
    from scipy.stats import t

    n = summary["members"]
    arm = (summary["high"] - summary["low"]) / 2
    deviation = arm * np.sqrt(n) / t.ppf(0.975, n - 1) * np.sqrt((n - 1) / n)
    return float(summary["mean"] + deviation * (-1) ** k)


def labelled(old: dict[str, Any]) -> dict[str, Any]:
    """The findings that were kept, with the labels of the new ones read from their words."""
    keys = {entry["title"]: name for name, entry in old["config"]["entries"].items()}
    findings = []
    for finding in old["findings"]:
        name = finding["name"]
        place = TUNED if "best" in name.split(", ")[-1] else MAP
        measure = name.removeprefix("members that ").rpartition(", ")[0]
        if name.startswith("success at the best scale"):
            measure = "best less worst scale"
        elif name.startswith("share of the variance"):
            measure = f"variance explained by {'scale' if 'scale' in name else 'rate'}"
        elif name.startswith("members that succeed"):
            measure = "success"
        elif name.startswith("test accuracy"):
            measure, place = name, TUNED
        elif name.startswith("success less"):
            measure = "success less that of the rival"
        key = keys.get(finding["network"])
        findings.append({**finding, "key": key, "measure": measure, "where": place})
    return {**old, "findings": findings}


def test_findings_and_verdicts_are_those_that_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of the members of a cell only counts were kept, so the flags come with the table.
    monkeypatch.setattr(maps, "successes", lambda table, profile: table)
    old = labelled(golden("trainability"))
    config = {key: old["config"][key] for key in Maps.__struct_fields__ if key in old["config"]}
    for chosen in config["maps"].values():
        chosen.pop("title")
    profile = profile_of(STUDY, {"config": config})
    verdicts = STUDY.decide(table_of(old), profile)
    assert compare(verdicts, old, {"less-trainable": ["network", "measure", "where"]}) == 32
    assert compare(verdicts, old, {"init-sensitive": ["network", "measure"]}) == 21
    assert compare(verdicts, old, {"operator-mended": ["network", "measure", "where"]}) == 13
    assert verdicts["less-trainable"].counts == {
        "reach 0.9": (10, 12),
        "come within 2 points of the network's own best member": (11, 12),
    }


# ---------------------------------------------------------------------- starts and cells


def test_starts_are_scaled_as_the_map_says() -> None:
    entries = {k: as_record(e) for k, e in read_profile(Maps, "maps", "quick").entries.items()}
    larger = started(entries["quartic-single"], 3.0, CELLS, 4).parameters["D"].init
    assert (larger.kind, larger.scale) == ("normal", 3.0)
    mended = started(entries["operator-mended"], 0.5, CELLS, 4).parameters
    inits = {name: (p.init.kind, p.init.scale) for name, p in mended.items() if "head" not in name}
    assert inits == {"X.spacings": ("normal", 0.5), "window.cells": ("parts", 0.5)}
    # The head of a formula starts as ever; all of a baseline is scaled.
    head = started(entries["quartic"], 3.0, CELLS, 4).parameters["head.0.weight"].init
    assert head == build_network(entries["quartic"], CELLS, 4).parameters["head.0.weight"].init
    plain = build_network(entries["symmetric-dense"], CELLS, 4).parameters
    for name, parameter in started(entries["symmetric-dense"], 3.0, CELLS, 4).parameters.items():
        assert np.isclose(parameter.init.scale, 3.0 * plain[name].init.scale)
    assert entries["operator-mended"]["free"]["X"]["init"]["scale"] == 1.0  # not changed in place


def test_a_cell_does_not_depend_on_its_chunk(tmp_path: Path) -> None:
    profile = tiny("maps", tmp_path)
    whole = next(t for t in STUDY.tasks(profile) if t.labels["network"] == "quartic-single")
    halves = [
        STUDY.run(
            replace(whole, config={**whole.config, "offset": k, "members": 1}), profile, tmp_path
        )
        for k in (0, 1)
    ]
    together = STUDY.run(whole, profile, tmp_path)
    pd.testing.assert_frame_equal(pd.concat(halves, ignore_index=True), together)
    assert together["accuracy"].nunique() > 1  # members and rates start apart


@pytest.mark.parametrize(
    ("path", "value", "error", "words"),
    [
        (("maps", "one", "networks"), ["mlp"], UnknownNameError, "maps.one"),
        (("maps", "one", "scales"), [0.0], ConfigError, "float` > 0"),
        (("verdicts", "map"), "five", UnknownNameError, "map in"),
        (("verdicts", "mended"), "quartic-single", UnknownNameError, "mended"),
        (("verdicts", "others"), ["mlp"], UnknownNameError, "others"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, path: tuple[str, ...], value: Any, error: type[Exception], words: str
) -> None:
    record = as_record(tiny("maps", tmp_path))
    changed = record[path[0]]
    inner = changed
    for key in path[1:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(error, match=words):
        tiny("maps", tmp_path, **{path[0]: changed})


def test_shipped_profiles_rest_on_enough_members() -> None:
    for name in ("hour", "paper"):
        profile = read_profile(Maps, "maps", name)
        assert all((chosen.members or profile.members) >= 32 for chosen in profile.maps.values())
        assert profile.members >= 100
    baselines = Path(__file__).parents[1] / "docs" / "baselines" / "profile.toml"
    read = read_profile(Maps, "maps", baselines)
    assert read.maps["generic"].networks == ["cnn", "attention"]
    assert STUDY.tasks(read)


# ---------------------------------------------------------------------- rules


def cells(network: str, shares: dict[float, dict[float, float]], members: int = 20) -> Any:
    """Members of which these shares succeed, {scale: {rate: share}}."""
    return pd.DataFrame(
        {"map": "four", "network": network, "scale": scale, "rate": rate}
        | dict.fromkeys(FLAGS, k < round(share * members))
        | {"accuracy": share, "disorder-0.5": share}
        for scale, row in shares.items()
        for rate, share in row.items()
        for k in range(members)
    )


def test_the_best_rate_is_that_of_most_successes() -> None:
    table = cells("a", {0.1: {0.01: 0.5, 0.1: 1.0}, 1.0: {0.01: 0.9, 0.1: 0.6}})
    assert set(tuned(table, "success")["rate"]) == {0.1}
    assert tuned(table, "success")["success"].sum() == 32
    tied = cells("a", {0.1: {0.01: 0.5, 0.1: 0.5}})
    tied.loc[tied["rate"] == 0.01, "accuracy"] += 0.1
    assert set(tuned(tied, "success")["rate"]) == {0.01}


def test_what_explains_success() -> None:
    trials = np.full((2, 2), 20)
    rows, columns = main_effects(np.array([[0, 20], [0, 20]]), trials)
    assert np.isclose([rows["value"], columns["value"]], [0.0, 1.0]).all()
    both = main_effects(np.array([[0, 10], [10, 20]]), trials)
    for share in both:
        assert np.isclose(share["value"], 0.5)
        assert share["low"] < 0.5 < share["high"]
    alike = {"value": 0.0, "low": 0.0, "high": 0.0, "members": 80}
    assert main_effects(trials, trials) == (alike, alike)


LOW, HIGH, SHARP = {0.01: 0.1, 0.1: 0.3}, {0.01: 0.6, 0.1: 1.0}, {0.01: 0.1, 0.1: 1.0}


@pytest.mark.parametrize(
    ("plain", "mended", "reference", "other", "members", "less", "level"),
    [
        (LOW, HIGH, HIGH, HIGH, 200, "depends on", "supported"),
        (LOW, SHARP, HIGH, HIGH, 200, "depends on", "depends on"),  # as good at its best rate only
        (LOW, LOW, HIGH, HIGH, 200, "depends on", "not supported"),
        (LOW, LOW, LOW, HIGH, 200, "supported", None),
        (HIGH, HIGH, HIGH, LOW, 200, "not supported", None),
        (LOW, HIGH, HIGH, HIGH, 10, None, "not supported"),  # the same rates from few members
    ],
)
def test_verdicts_follow_the_intervals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plain: dict[float, float],
    mended: dict[float, float],
    reference: dict[float, float],
    other: dict[float, float],
    members: int,
    less: str | None,
    level: str | None,
) -> None:
    monkeypatch.setattr(maps, "successes", lambda table, profile: table)
    profile = tiny("maps", tmp_path)
    profile.verdicts.exact = ["sublattice", "quartic"]
    shares = dict(
        zip(("sublattice", "operator-mended", "quartic"), (plain, mended, reference), strict=True)
    )
    table = pd.concat(
        cells(name, dict.fromkeys((0.1, 1.0), row), members)
        for name, row in {**shares, "symmetric-dense": other}.items()
    )
    verdicts = STUDY.decide(table, profile)
    assert less in (None, verdicts["less-trainable"].word)
    assert level in (None, verdicts["operator-mended"].word)
    assert verdicts["init-sensitive"].word == "not supported"
    # A map of one scale says nothing of scales.
    one = STUDY.decide(table[table["scale"] == 1.0], profile)
    assert not one["init-sensitive"].word
    assert one["init-sensitive"].rows.empty


def test_the_operator_form_by_spacings_trains_where_the_plain_one_does_not() -> None:
    """Eight members each, the same data, rate and epochs, the same start scale."""
    data = tnl.dataset("extended", cells=12, samples=1000, seed=0)
    held = tnl.dataset("extended", cells=12, samples=500, seed=1)
    entries = read_profile(Maps, "maps", "quick").entries
    # With one X a cell the operator form is the sublattice form, number for number.
    cheaper = {**as_record(entries["operator-mended"]), "options": {"form": "sublattice"}}
    plain, mended = (
        tnl.fit(
            started(entry, 1.0, 12, 4),
            data,
            held,
            members=8,
            epochs=12,
            lr=0.1,
            seed=0,
            progress=False,
        ).history["validation_accuracy"][:, -1]
        for entry in (as_record(entries["operator"]), cheaper)
    )
    assert np.median(mended) > np.max(plain)
    assert np.median(mended) > 0.93
