"""The study `trainability`: its numbers, its verdicts, and a small run from end to end."""

from __future__ import annotations

import copy
import json
import tomllib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.report.statistics import wilson
from tnlearn.studies.members import build_network
from tnlearn.studies.profile import to_toml
from tnlearn.studies.results import Task
from tnlearn.studies.study import read_profile, study
from tnlearn.studies.trainability import STUDY, tasks, work
from tnlearn.studies.trainability_numbers import exponent, radius
from tnlearn.studies.trainability_verdicts import (
    best_rate,
    explained,
    findings_and_verdicts,
    newcombe,
    pooled,
)
from tnlearn.studies.trainability_work import BINS, started

CELLS = 6


@pytest.fixture(scope="module")
def quick():
    folder = resources.files("tnlearn.studies").joinpath("profiles")
    return tomllib.loads(folder.joinpath("trainability-quick.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tiny(quick):
    """The quick profile cut down to what runs in seconds."""
    found = copy.deepcopy(quick)
    found |= {"profile": "tiny", "cells": CELLS, "members": 2, "chunk": 2}
    found["networks"] = ["quartic-single", "sublattice-single", "quartic", "operator-mended"]
    found["networks"] += ["symmetric-dense", "sublattice"]
    found["data"] |= {"train": 128, "validation": 64, "test": 64}
    grid = {"scales": [0.1, 1.0], "rates": [0.01, 0.1], "epochs": 2, "threshold": 0.4}
    found["maps"] = {
        "one": {"title": "one", "networks": ["quartic-single", "sublattice-single"], **grid},
        "four": {"title": "four", "networks": ["quartic", "sublattice", "operator-mended"], **grid},
        "others": {"title": "others", "networks": ["symmetric-dense"], **grid},
    }
    found["verdicts"] |= {
        "exact": ["quartic-single", "sublattice-single"],
        "map": "four",
        "plain": "sublattice",
    }
    found["basin"] |= {"forms": ["quartic", "sublattice"], "noises": [0.0, 1.0], "members": 3}
    found["basin"] |= {"epochs": 2, "threshold": 0.4}
    found["gradient"] |= {"networks": ["quartic-single", "sublattice-single"]}
    found["gradient"] |= {"lengths": [4, 6, 8, 10], "members": 4, "samples": 16}
    found["spectrum"] |= {"networks": ["sublattice-single"], "members": 2, "samples": 64}
    found["spectrum"] |= {"steps": 8}
    found["lines"] |= {"networks": ["sublattice-single"], "members": 2, "samples": 64, "points": 5}
    for entry in found["entries"].values():
        entry["epochs"] = 2
    return found


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainability")
    path = folder / "tiny.toml"
    path.write_text(to_toml(tiny), encoding="utf-8")
    study("trainability", profile=path, out=folder / "out", progress=False)
    return path, folder / "out"


def _results(folder):
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    found.pop("seconds")
    return found


# ---------------------------------------------------------------------- from end to end


def test_a_small_run_says_all_it_should(run, tiny):
    _, out = run
    found = _results(out)
    for name, chosen in tiny["maps"].items():
        for network in chosen["networks"]:
            cells = found["maps"][name]["networks"][network]["cells"]
            assert [(c["scale"], c["rate"]) for c in cells] == [
                (s, r) for s in chosen["scales"] for r in chosen["rates"]
            ]
            assert all(c["members"] == 2 for c in cells)
            assert all(0 <= c["success"] <= 2 for c in cells)
    rows = found["basin"]["forms"]["quartic"]["rows"]
    assert [row["noise"] for row in rows] == [0.0, 1.0]
    assert np.isclose(rows[0]["cosine_before"]["mean"], 1.0)
    assert rows[1]["cosine_before"]["mean"] < 0.95
    assert len(found["gradient"]["quartic-single"]["rows"]) == 4
    places = found["spectrum"]["networks"]["sublattice-single"]["places"]
    assert set(places) == {"start", "learned", "exact"}
    for place in places.values():
        assert np.isclose(sum(place["density"]), 1.0, atol=1e-5)
        assert place["lowest"]["mean"] <= place["highest"]["mean"]
    lines = found["lines"]["sublattice-single"]
    # The same solutions, in normal form and not; states in single precision are unitary to 1e-7.
    ends = [lines["exact"]["loss"][0], lines["exact"]["loss"][-1], lines["learned"]["loss"][0]]
    assert np.isclose(ends[0]["median"], places["exact"]["loss"]["mean"], rtol=1e-5)
    assert np.isclose(ends[1]["median"], ends[2]["median"], rtol=1e-12)
    assert {f["claim"] for f in found["findings"]} == {
        "less-trainable",
        "init-sensitive",
        "operator-mended",
    }
    assert {v["verdict"] for v in found["verdicts"]} <= {"supported", "depends on", "not supported"}
    report = (out / "report.html").read_text(encoding="utf-8")
    for name in ("maps", "consequence", "basin", "gradients", "spectra", "lines"):
        assert (out / "figures" / f"{name}.png").stat().st_size > 5000
    assert report.count("data:image/png") == 6


def test_an_interrupted_run_gives_the_same_results(run):
    path, out = run
    before = _results(out)
    for kind in ("map", "basin", "lines"):
        next(iter(sorted((out / "tasks").glob(f"trainability-{kind}-*.json")))).unlink()
    for trained in (out / "trained").glob("*.npz"):
        trained.unlink()
    study("trainability", profile=path, out=out, progress=False)
    assert _results(out) == before


def test_a_cell_does_not_depend_on_its_chunk(tiny, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(to_toml(tiny), encoding="utf-8")
    profile = read_profile(STUDY, path)
    whole = next(task for task in tasks(profile) if "map one: RSWN sublattice" in task.title)
    found = work(whole, tmp_path / "tasks")["accuracy"]
    halves = []
    for offset in (0, 1):
        config = {**whole.config, "offset": offset, "members": 1}
        halves.append(work(Task(whole.kind, "half", config), tmp_path / "tasks")["accuracy"])
    assert np.array_equal(np.concatenate(halves, axis=1), found)
    # Members of a cell start apart, and so do the cells.
    assert len(np.unique(np.array(found))) > 1


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_shipped_profiles_are_whole(name):
    profile = read_profile(STUDY, name)
    found = tasks(profile)
    assert len({task.key for task in found}) == len(found)
    assert all(task.kind.startswith("trainability") for task in found)
    for network in profile["networks"]:
        net = build_network(profile["entries"][network], 8, 4)
        assert net.parameter_count() > 0
    if name == "hour":
        for chosen in profile["maps"].values():
            # Success rates rest on 100 members.
            assert chosen.get("members", profile["members"]) >= 100
        assert profile["basin"]["members"] >= 100
    if name == "paper":
        assert profile["members"] >= 100


# ---------------------------------------------------------------------- starts


def test_starts_are_scaled_as_the_map_says():
    profile = read_profile(STUDY, "quick")
    entries = profile["entries"]
    plain = started(entries["quartic-single"], 3.0, CELLS, 4).parameters["D"].init
    assert (plain.kind, plain.scale) == ("normal", 3.0)
    mended = started(entries["operator-mended"], 0.5, CELLS, 4).parameters
    assert {
        name: (p.init.kind, p.init.scale) for name, p in mended.items() if "head" not in name
    } == {
        "X.spacings": ("normal", 0.5),
        "window.cells": ("parts", 0.5),
    }
    # The head of a formula starts as ever; all of a baseline is scaled.
    head = started(entries["quartic"], 3.0, CELLS, 4).parameters["head.0.weight"].init
    assert head == build_network(entries["quartic"], CELLS, 4).parameters["head.0.weight"].init
    own = build_network(entries["symmetric-dense"], CELLS, 4).parameters
    for name, parameter in started(entries["symmetric-dense"], 3.0, CELLS, 4).parameters.items():
        assert np.isclose(parameter.init.scale, 3.0 * own[name].init.scale)
    assert entries["operator-mended"]["free"]["X"]["init"]["scale"] == 1.0  # not changed in place


def test_nodes_with_tables_of_their_own_are_checked():
    entry = dict(read_profile(STUDY, "quick")["entries"]["operator-mended"])
    with pytest.raises(ConfigError, match="needs a table"):
        build_network({**entry, "free": {"X": "spacings"}}, CELLS, 4)
    with pytest.raises(UnknownNameError, match=r"key of free\.X"):
        build_network({**entry, "free": {"X": {"struct": "cells"}}}, CELLS, 4)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda p: p["maps"]["one"].update(networks=["mlp"]), UnknownNameError, "maps.one"),
        (lambda p: p["maps"]["one"].update(scales=[0.0]), ConfigError, "positive"),
        (lambda p: p["lines"].update(networks=["quartic"]), ConfigError, "one channel"),
        (lambda p: p["basin"].update(forms=["octic"]), UnknownNameError, "form in"),
        (lambda p: p["verdicts"].update(map="five"), UnknownNameError, "map in"),
        (lambda p: p["verdicts"].update(mended="quartic-single"), UnknownNameError, "mended"),
        (lambda p: p["gradient"].update(networks=["mlp"]), UnknownNameError, "gradient"),
    ],
)
def test_profiles_that_ask_for_what_is_not_there(tiny, tmp_path, change, error, words):
    changed = copy.deepcopy(tiny)
    change(changed)
    path = tmp_path / "changed.toml"
    path.write_text(to_toml(changed), encoding="utf-8")
    profile = read_profile(STUDY, path)
    with pytest.raises(error, match=words):
        tasks(profile)


# ---------------------------------------------------------------------- the numbers


def test_difference_of_two_rates_as_published():
    """Newcombe (1998), table II, method 10."""
    for first, second, low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ):
        value, below, above = newcombe(first, second)
        assert np.isclose(value, first[0] / first[1] - second[0] / second[1])
        assert np.isclose([below, above], [low, high], atol=5e-5).all()


def test_radius_is_where_half_of_the_members_fail():
    flags = [np.arange(100) < k for k in (100, 90, 10, 0)]
    found = radius([0.0, 0.1, 1.0, 10.0], flags)
    # From .9 at 0.1 to .1 at 1: half way in the logarithm.
    assert np.isclose(found["value"], 10**-0.5)
    assert 0.25 < found["low"] < found["value"] < found["high"] < 0.42
    assert radius([0.0, 1.0], [np.zeros(9, bool), np.zeros(9, bool)])["value"] == 0.0
    beyond = radius([0.0, 1.0], [np.ones(9, bool), np.ones(9, bool)])
    assert beyond == {"value": None, "low": None, "high": None}
    # All of eight succeed, then none: the step is not certain to lie there.
    step = radius([0.0, 1.0, 10.0], [np.arange(8) < k for k in (8, 8, 0)])
    assert step["low"] < step["value"] - 0.05 < step["value"] + 0.05 < step["high"]
    assert np.isclose(radius([0.0, 1.0], [np.ones(9, bool), np.zeros(9, bool)])["value"], 0.5)


@pytest.mark.parametrize(("power", "law"), [(-1.5, "power"), (0.5, "power")])
def test_exponent_of_a_power(power, law):
    rng = np.random.default_rng(0)
    lengths = [10, 20, 40, 80]
    values = [length**power * rng.gamma(20.0, 1 / 20.0, 400) for length in lengths]
    found = exponent(lengths, values)
    assert found["low"] < power < found["high"]
    assert found["high"] - found["low"] < 0.1
    assert found["law"] == law


def test_an_exponential_is_told_from_a_power():
    rng = np.random.default_rng(1)
    lengths = [10, 20, 40, 80]
    values = [np.exp(-0.1 * length) * rng.gamma(20.0, 1 / 20.0, 400) for length in lengths]
    found = exponent(lengths, values)
    assert found["law"] == "exponential"
    assert np.isclose(found["decay"], -0.1, atol=0.005)
    assert exponent([10], values[:1])["value"] is None


def _cells(table, members=20):
    """Cells of a map with these success rates, {scale: {rate: share}}."""
    return [
        {
            "scale": scale,
            "rate": rate,
            "members": members,
            **dict.fromkeys(("success", "common", "own"), round(share * members)),
            "accuracy": {"mean": share},
            "shifts": {},
        }
        for scale, row in table.items()
        for rate, share in row.items()
    ]


def test_pooled_and_best_rate():
    cells = _cells({0.1: {0.01: 0.5, 0.1: 1.0}, 1.0: {0.01: 0.9, 0.1: 0.6}})
    assert pooled(cells) == (60, 80)
    assert pooled(cells, rate=0.1) == (32, 40)
    assert pooled(cells, scale=1.0) == (30, 40)
    assert best_rate(cells) == 0.1


def test_what_explains_success():
    by_rate = explained(_cells({s: {0.01: 0.0, 0.1: 1.0} for s in (0.1, 1.0, 10.0)}))
    assert np.isclose(by_rate["rate"]["value"], 1.0)
    assert np.isclose(by_rate["scale"]["value"], 0.0)
    both = explained(_cells({0.1: {0.01: 0.0, 0.1: 0.5}, 1.0: {0.01: 0.5, 0.1: 1.0}}))
    assert np.isclose(both["rate"]["value"], 0.5)
    assert both["rate"]["low"] < 0.5 < both["rate"]["high"]
    alike = explained(_cells({0.1: {0.01: 1.0, 0.1: 1.0}, 1.0: {0.01: 1.0, 0.1: 1.0}}))
    assert alike["rate"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def _judged(plain, mended, reference, other, members=200, scales=(0.1, 1.0)):
    """Verdicts of a study whose maps have these success rates, {rate: share} at every scale."""
    rates = {"plain": plain, "mended": mended, "reference": reference, "other": other}

    def network(name):
        table = dict.fromkeys(scales, rates[name])
        return {"title": name, "cells": _cells(table, members), "scales_differ": [1.0, 1.0]}

    grid = {"scales": [*scales], "rates": [0.01, 0.1], "threshold": 0.9, "epochs": 1}
    numbers = {
        "maps": {"one": {**grid, "networks": {name: network(name) for name in rates}}},
        "basin": {"forms": {}},
    }
    profile = {
        "threshold": 0.9,
        "shifts": [],
        "data": {"name": "extended"},
        "entries": {name: {"title": name} for name in rates},
        "verdicts": {
            "exact": ["plain", "reference"],
            "others": ["other"],
            "map": "one",
            "plain": "plain",
            "mended": "mended",
            "reference": "reference",
            "margin": 0.05,
            "own": 0.02,
        },
    }
    found = findings_and_verdicts(profile, numbers)
    return {v["claim"]: v for v in found["verdicts"]}, found["findings"]


def test_a_map_of_one_scale_says_nothing_of_scales():
    share = {0.01: 0.1, 0.1: 0.9}
    several, findings = _judged(share, share, share, share)
    assert "init-sensitive" in several
    assert any("scale" in f["name"] for f in findings if f["claim"] == "init-sensitive")
    one, findings = _judged(share, share, share, share, scales=(1.0,))
    assert set(several) - set(one) == {"init-sensitive"}
    assert not [f for f in findings if f["claim"] == "init-sensitive"]


def test_the_profile_of_the_baselines_is_one():
    file = Path(__file__).parents[1] / "docs" / "baselines" / "profile.toml"
    read = read_profile(STUDY, file)
    assert read["maps"]["generic"]["networks"] == ["cnn", "attention"]
    assert tasks(read)


def test_verdicts_follow_the_intervals():
    low, high = {0.01: 0.1, 0.1: 0.3}, {0.01: 0.6, 0.1: 1.0}
    verdicts, findings = _judged(plain=low, mended=high, reference=high, other=high)
    assert verdicts["operator-mended"]["verdict"] == "supported"
    # One of the two forms is behind the other network, and one is not.
    assert verdicts["less-trainable"]["verdict"] == "depends on"
    assert "0.9, 1 of 2 over the whole map and 1 of 2" in verdicts["less-trainable"]["condition"]
    share = next(f for f in findings if f["network"] == "plain" and "best" not in f["name"])
    assert (share["value"], share["members"]) == (0.2, 800)
    assert np.isclose([share["low"], share["high"]], wilson(160, 800)).all()
    tuned = {0.01: 0.1, 0.1: 1.0}  # as good at its best rate only
    verdicts, _ = _judged(plain=low, mended=tuned, reference=high, other=high)
    assert verdicts["operator-mended"]["verdict"] == "depends on"
    verdicts, _ = _judged(plain=low, mended=low, reference=high, other=high)
    assert verdicts["operator-mended"]["verdict"] == "not supported"
    verdicts, _ = _judged(plain=low, mended=low, reference=low, other=high)
    assert verdicts["less-trainable"]["verdict"] == "supported"
    verdicts, _ = _judged(plain=high, mended=high, reference=high, other=low)
    assert verdicts["less-trainable"]["verdict"] == "not supported"
    # The same rates from few members decide nothing.
    verdicts, _ = _judged(plain=low, mended=high, reference=high, other=high, members=10)
    assert verdicts["operator-mended"]["verdict"] == "not supported"


def test_bins_of_the_density_are_symmetric_and_hold_zero():
    assert np.allclose(BINS, -BINS[::-1])
    assert np.searchsorted(BINS, 0.0) == len(BINS) // 2


# ---------------------------------------------------------------------- the consequence itself


def test_the_mended_operator_form_trains_where_the_plain_one_does_not():
    """Eight members each, the same data, rate and epochs, the same start scale."""
    data = tnl.dataset("extended", cells=12, samples=1000, seed=0)
    held = tnl.dataset("extended", cells=12, samples=500, seed=1)
    formula = tnl.rswn(12, form="sublattice")  # with one X a cell the operator form is this one
    plain = tnl.rswn(12, form="operator").trainable(
        "X", "window", channels=4, init=tnl.init.normal(1.0)
    )
    mended = formula.trainable(
        "X", structure="spacings", channels=4, init=tnl.init.normal(1.0)
    ).trainable("window", structure="cells", channels=4, init=tnl.init.parts())
    accuracy = [
        tnl.fit(
            net.head(classes=4, hidden=(16,)),
            data,
            held,
            members=8,
            epochs=12,
            lr=0.1,
            seed=0,
            progress=False,
        ).history["validation_accuracy"][:, -1]
        for net in (plain, mended)
    ]
    assert np.median(accuracy[1]) > np.max(accuracy[0])
    assert np.median(accuracy[1]) > 0.93
