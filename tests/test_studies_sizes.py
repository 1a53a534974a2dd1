"""The study `sizes` on a tiny scale: its tasks, its numbers, its verdicts, its page."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.report.estimate import estimate
from tnlearn.report.old_claims import VERDICTS, claims_page, read_results
from tnlearn.report.statistics import wilson
from tnlearn.studies.members import build_network, part_seed
from tnlearn.studies.sizes_numbers import assemble
from tnlearn.studies.sizes_work import trained_at
from tnlearn.studies.study import PROFILES, load_study, read_profile, study
from tnlearn.studies.tasks import Task

TINY = """
study = "sizes"
profile = "tiny"
cells = 8
seed = 0
members = 3
chunk = 2
workers = 1
batch_size = 16
batches = "own"
threshold = 0.9
networks = ["position", "low", "quartic", "cnn"]

[goal]
chains = "clean"
accuracy = 0.6
lengths = [10, 16]

[training.two]
title = "8 and 10 cells"
data = "extended"
lengths = [8, 10]
train = 40
validation = 12

[training.one]
title = "10 cells only"
data = "extended"
lengths = [10]
train = 80
validation = 24

[chains.clean]
title = "clean chains"
data = "extended"
lengths = [8, 10, 16]
samples = [40, 30, 20]
trainings = ["two", "one"]

[chains.bands]
title = "four bands, known windings"
data = "multiband"
windings = [-1, 0, 1, 2]
lengths = [6, 8]
samples = [30, 20]
trainings = ["two"]

[learned]
networks = ["position", "low"]
training = "two"
lengths = [8, 12]

[fixed]
networks = ["quartic", "cnn"]
lengths = [8, 12]

[entries.position]
epochs = 2
lr = 0.03

[entries.low]
title = "Low rank"
family = "rswn"
description = "two factors"
kind = "rswn"
options = { form = "quartic" }
free = { nodes = ["D"] }
structure = "position"
bond = 2
channels = 2
epochs = 2
lr = 0.03
"""


def profile_in(folder: Path, text: str = TINY) -> Path:
    path = folder / "profile.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sizes")
    study("sizes", profile_in(folder), folder / "out", progress=False)
    return folder / "out"


@pytest.fixture(scope="module")
def results(finished: Path) -> Any:
    return json.loads((finished / "results.json").read_text())


def tiny(tmp_path: Path, text: str = TINY) -> Any:
    chosen = load_study("sizes")
    return chosen, read_profile(chosen, profile_in(tmp_path, text))


# ------------------------------------------------------------------ numbers


def test_an_estimate_carries_members_and_chains() -> None:
    same = estimate([0.9] * 5, 100)
    assert same["value"] == pytest.approx(0.9)
    low, high = wilson(90, 100)
    assert (same["low"], same["high"]) == pytest.approx((low, high))
    spread = estimate([0.8, 0.9, 1.0], 10**9)
    alone = estimate([0.8, 0.9, 1.0], 50)
    assert alone["low"] < spread["low"] < 0.9 < spread["high"] <= alone["high"]
    assert estimate([None, None], 10)["value"] is None
    assert estimate([1.0, None], 200)["members"] == 1


def test_coverage_of_an_estimate() -> None:
    """Members and chains at random: how often the interval holds the mean over both."""
    rng, inside, rounds = np.random.default_rng(0), 0, 400
    for _ in range(rounds):
        skill = rng.normal(0.0, 0.02, 12)
        ease = rng.random(150)  # a chain is right for a member if it is easy enough
        shares = (ease[None, :] < 0.9 + skill[:, None]).mean(axis=1)
        found = estimate(shares.tolist(), 150)
        inside += found["low"] <= 0.9 <= found["high"]
    assert inside / rounds > 0.92


# ------------------------------------------------------------------ tasks


def test_tasks_train_chunks_and_test_each_set_of_chains_once(tmp_path: Path) -> None:
    chosen, profile = tiny(tmp_path)
    made = chosen.tasks(profile)
    kinds = [task.kind for task in made]
    assert kinds.count("sizes-train") == 2 * 2 * 2  # networks, trainings, chunks
    assert kinds.count("sizes-test") == 3 + 2
    assert kinds.count("sizes-learned") == 2
    assert len({task.key for task in made}) == len(made)
    trained = {json.dumps(t.config["chunk"]) for t in made if t.kind == "sizes-train"}
    asked = {
        json.dumps(chunk)
        for t in made
        if t.kind == "sizes-test"
        for networks in t.config["members"].values()
        for chunks in networks.values()
        for chunk in chunks
    }
    assert asked == trained


WRONG: list[tuple[str, str, type[Exception], str]] = [
    ('data = "multiband"', 'data = "multibands"', UnknownNameError, "did you mean 'multiband'"),
    ("samples = [30, 20]", "samples = [30]", ConfigError, "2 lengths but 1"),
    ("lengths = [8, 10, 16]", "lengths = [8, 16, 10]", ConfigError, "ascending"),
    ('trainings = ["two"]', 'trainings = ["tow"]', UnknownNameError, "did you mean 'two'"),
    ("lengths = [10, 16]", "lengths = [10, 17]", ConfigError, r"\[goal\]"),
    ('networks = ["quartic", "cnn"]', 'networks = ["quartic", "cnm"]', UnknownNameError, "cnn"),
    ('networks = ["position", "low"]\n', 'networks = ["D"]\n', UnknownNameError, "position"),
]


@pytest.mark.parametrize(("old", "new", "kind", "message"), WRONG)
def test_a_wrong_profile_is_refused(
    old: str, new: str, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    assert old in TINY
    chosen, profile = tiny(tmp_path, TINY.replace(old, new))
    with pytest.raises(kind, match=message):
        chosen.tasks(profile)


@pytest.mark.parametrize("name", PROFILES)
def test_shipped_profiles_are_complete(name: str) -> None:
    chosen = load_study("sizes")
    profile = read_profile(chosen, name)
    assert len({task.key for task in chosen.tasks(profile)}) > 20
    assert profile["goal"]["accuracy"] == 0.95
    assert profile["goal"]["lengths"] == [16, 400]
    trained = [
        n
        for training in profile["chains"]["extended"]["trainings"]
        for n in profile["training"][training]["lengths"]
    ]
    assert max(trained) <= 32
    if name != "quick":
        assert profile["members"] >= 32


# ------------------------------------------------------------------ a whole run


def test_accuracies_are_those_of_the_members(results: Any, finished: Path, tmp_path: Path) -> None:
    chosen, profile = tiny(tmp_path)
    task = next(
        t for t in chosen.tasks(profile) if t.kind == "sizes-test" and t.config["cells"] == 16
    )
    data = tnl.dataset("extended", cells=16, samples=20, seed=part_seed(0, "test"))
    for training, networks in task.config["members"].items():
        for network, chunks in networks.items():
            told = results["tests"]["clean"]["accuracy"][training][network][2]
            own = [
                trained_at(chunk, finished / "trained").resize(16).accuracy(data)
                for chunk in chunks
            ]
            assert np.array_equal(told, np.concatenate(own))
            assert len(told) == 3
    formula = np.mean(tnl.winding(data.chains).integer == data.windings)
    assert results["tests"]["clean"]["formula"]["open"][2] == formula


def test_trained_members_are_those_of_fit(finished: Path, tmp_path: Path) -> None:
    chosen, profile = tiny(tmp_path)
    task = next(t for t in chosen.tasks(profile) if t.kind == "sizes-train")
    chunk = task.config["chunk"]
    again = trained_at(chunk, tmp_path / "other")
    kept = trained_at(chunk, finished / "trained")
    assert np.array_equal(again.parameters["D.weights"], kept.parameters["D.weights"])
    parts = again.config["data"]["parts"]
    assert [part["info"]["cells"] for part in parts] == [8, 10]
    damaged = next((tmp_path / "other").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:200])
    mended = trained_at(chunk, tmp_path / "other")
    assert np.array_equal(mended.parameters["D.weights"], kept.parameters["D.weights"])


def test_only_known_windings_are_asked_for(results: Any) -> None:
    data = tnl.dataset("multiband", cells=8, samples=20, seed=part_seed(0, "test"))
    assert results["tests"]["bands"]["samples"][1] == int((data.windings != -2).sum()) == 16


def test_what_is_drawn_is_what_was_learned(results: Any, finished: Path, tmp_path: Path) -> None:
    chosen, profile = tiny(tmp_path)
    for task in chosen.tasks(profile):
        if task.kind != "sizes-learned":
            continue
        fitted = trained_at(task.config["chunk"], finished / "trained")
        found = results["learned"][task.config["network"]]
        for length in (8, 12):
            images = np.array(found["D"][str(length)])
            data = tnl.dataset("extended", cells=length, samples=6, dtype="float64")
            q2 = data.states.q() ** 2
            # W of each channel, from the drawn D and from the network below its head
            drawn = np.einsum("cxy,sxy->sc", images[1:], q2)
            net = build_network(task.config["chunk"]["network"], length, 4)
            member = {name: x[found["member"]] for name, x in fitted.parameters.items()}
            own = _channels(net, member, q2)
            ratio = (drawn / own).mean(axis=0)
            assert np.allclose(drawn, own * ratio, atol=2e-3 * length)
            exact = tnl.rswn(length)(data.states)
            told = np.einsum("xy,sxy->s", images[0], q2)
            assert np.allclose(told / told[0], exact / exact[0], atol=0.02)


def _channels(net: Any, member: Any, q2: Any) -> Any:
    if "D.weights" in member:
        D = np.einsum("ck,kxy->cxy", member["D.weights"], net.nodes["D.basis"].array)
    else:
        D = np.einsum(
            "cbk,cbl,kxy,ly->cxy",
            member["D.left"],
            member["D.right"],
            net.nodes["D.left.basis"].array,
            net.nodes["D.right.basis"].array,
        )
    return np.einsum("cxy,sxy->sc", D, q2)


def test_networks_that_know_their_length_are_named(results: Any) -> None:
    fixed = results["fixed"]
    assert [name for name, about in fixed.items() if about["any_length"]] == ["position", "low"]
    assert (
        fixed["quartic"]["because"]
        == "D has the shape [4, 8, 8] for 8 cells and [4, 12, 12] for 12"
    )


def test_a_second_run_gives_the_same_results(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "out")
    (tmp_path / "out" / "results.json").unlink()
    for path in list((tmp_path / "out" / "tasks").glob("sizes-t*"))[::2]:
        path.unlink()
    study("sizes", profile_in(tmp_path), tmp_path / "out", progress=False)
    one, other = (
        json.loads((folder / "results.json").read_text()) for folder in (finished, tmp_path / "out")
    )
    for found in (one, other):
        found.pop("seconds")
        found.pop("command")
    assert one == other


def test_findings_and_verdicts(results: Any, finished: Path) -> None:
    lowest = [f for f in results["findings"] if f["name"].endswith("ends lowest")]
    assert len(lowest) == 4
    for finding in lowest:
        test = results["tests"]["clean"]
        rows = test["accuracy"][finding["training"]][finding["key"]]
        ends = [estimate(rows[i], test["samples"][i])["low"] for i in (1, 2)]
        assert finding["low"] == min(ends)
        assert finding["cells"] == (10, 16)[int(np.argmin(ends))]
    nodes = [f for f in results["findings"] if f["claim"] == "position-nodes"]
    assert {(f["key"], f["cells"]) for f in nodes} == {
        (name, n) for name in ("position", "low") for n in (8, 10, 16)
    }
    assert {f["training"] for f in nodes} == {"two"}
    assert [v["claim"] for v in results["verdicts"]] == ["sizes", "position-nodes"]
    assert all(v["verdict"] in VERDICTS for v in results["verdicts"])
    text = claims_page(read_results(finished), "out")
    assert "It generalises over sizes." in text
    report = (finished / "report.html").read_text()
    assert "Networks that know their length" in report
    assert "was not made" not in report


@pytest.mark.parametrize(
    ("shares", "verdicts"),
    [
        ({"two": 1.0, "one": 1.0}, ["depends on", "supported"]),
        ({"two": 1.0, "one": 0.3}, ["depends on", "supported"]),
        ({"two": 0.3, "one": 1.0}, ["depends on", "not supported"]),
        ({"two": 0.3, "one": 0.3}, ["not supported", "not supported"]),
    ],
)
def test_verdicts_follow_the_numbers(
    shares: dict[str, float], verdicts: list[str], finished: Path, tmp_path: Path
) -> None:
    chosen, profile = tiny(tmp_path)
    done: list[tuple[Task, Any]] = []
    for task in chosen.tasks(profile):
        result = json.loads((finished / "tasks" / f"{task.key}.json").read_text())
        result = copy.deepcopy(result.get("result", result))
        if task.kind == "sizes-test":
            for training, networks in result["accuracy"].items():
                for network in networks:
                    networks[network] = [shares[training]] * 3
        done.append((task, result))
    found = assemble(profile, done)
    assert [v["verdict"] for v in found["verdicts"]] == verdicts
    profile["fixed"]["networks"] = []
    for task, result in done:
        if task.kind == "sizes-fixed":
            for name in ("quartic", "cnn"):
                result.pop(name)
    clean = assemble(profile, done)["verdicts"][0]["verdict"]
    assert clean == ("supported" if min(shares.values()) == 1.0 else verdicts[0])
