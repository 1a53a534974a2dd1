"""The study `audit` on a tiny scale: its numbers, its page, going on where it stopped."""

import json
import shutil
import tomllib

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.audits.interventions import INTERVENTIONS
from tnlearn.audits.suite import drawn
from tnlearn.cli import main
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.report.study_audit import page
from tnlearn.studies.audit_numbers import TESTS
from tnlearn.studies.profile import to_toml
from tnlearn.studies.study import load_study, read_profile
from tnlearn.studies.trained import trained, training_config

TINY = """
study = "audit"
profile = "tiny"
cells = 10
seed = 0
members = 3
chunk = 2
workers = 1
batch_size = 32
batches = "own"
threshold = 0.5
networks = ["quartic", "symmetric-dense", "linear"]
samples = 80
disorders = [0.0, 0.5]
lengths = [10, 14]

[data]
name = "extended"
train = 256
validation = 64

[entries.quartic]
epochs = 2

[entries.symmetric-dense]
members = 2
epochs = 6

[entries.linear]
members = 1
epochs = 1
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "audit"
    report = tnl.study("audit", tiny, out, progress=False)
    assert report == out / "report.html"
    return out


def results(out):
    found = json.loads((out / "results.json").read_text())
    for key in ("seconds", "environment", "command"):
        found.pop(key)
    return found


def chosen(found, network, cells=10, disorder=0.0):
    return next(
        row
        for row in found["audits"]
        if (row["network"], row["cells"], row["disorder"]) == (network, cells, disorder)
    )


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_shipped_profiles_hold(name):
    study = load_study("audit")
    profile = read_profile(study, name)
    kinds = [task.kind for task in study.tasks(profile)]
    assert kinds.count("audit-reference") == 3 * len(profile["lengths"])
    if name == "hour":
        for entry in profile["entries"].values():
            assert min(profile["members"], entry.get("members", 32)) >= 32
    assert tomllib.loads(to_toml(profile))["disorders"] == profile["disorders"]


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("lengths = [10, 14]", "lengths = [14]", ConfigError, "own 10 cells"),
        ("samples = 80", 'samples = 80\ninterventions = ["gage"]', UnknownNameError, "'gauge'"),
        ("samples = 80", "", ConfigError, "lacks 'samples'"),
        ('"linear"]', '"lineal"]', UnknownNameError, "'linear'"),
    ],
)
def test_mistakes_in_a_profile(tmp_path, old, new, error, words):
    path = tmp_path / "bad.toml"
    path.write_text(TINY.replace(old, new, 1))
    with pytest.raises(error, match=words):
        tnl.study("audit", path, tmp_path / "out", progress=False)


def test_every_network_and_reference_is_there(finished):
    found = results(finished)
    assert len(found["audits"]) == 2 * (3 + 2 * 3)
    assert chosen(found, "quartic")["members"] == 3
    assert chosen(found, "symmetric-dense", disorder=0.5)["members"] == 2
    for row in found["audits"]:
        assert [one["name"] for one in row["record"]["rows"]] == list(INTERVENTIONS)
        for one in row["record"]["rows"]:
            assert len(one["followed"]) == row["members"]
    assert len(found["interventions"]) == 4 * len(INTERVENTIONS)
    for one in found["interventions"]:
        assert one["made"] == 80 == one["certified"] + sum(one["refused"].values())


def test_what_is_known_of_the_references(finished):
    found = results(finished)
    assert chosen(found, "constant")["score"]["value"] == 0.5
    exact, counter = chosen(found, "exact"), chosen(found, "edge-count")
    assert exact["score"]["value"] > counter["score"]["value"] + 0.1
    assert exact["tests"]["ends"]["right"]["value"] < counter["tests"]["ends"]["right"]["value"]
    longer = chosen(found, "exact", cells=14)
    assert longer["accuracy"]["value"] > 0.5
    rows = {row["name"]: row for row in counter["record"]["rows"]}
    assert rows["ring-shift"]["follows"]["value"] == 0.0
    assert rows["mask-gapped"]["follows"]["value"] == 1.0


def test_the_rows_are_those_of_the_tool(finished):
    """The same members, trained anew, audited by `tnlearn.audit` on the samples of the study."""
    config = results(finished)["config"]
    training = training_config(config, config["data"], "symmetric-dense", 0, 2)
    fitted = trained(training, finished / "trained")
    data = drawn("extended", 10, 80, 0, 0.5)
    alone = tnl.audit(fitted, data, progress=False)
    row = chosen(results(finished), "symmetric-dense", disorder=0.5)
    assert [tuple(r["followed"]) for r in row["record"]["rows"]] == [r.followed for r in alone.rows]
    assert row["score"]["value"] == pytest.approx(alone.score, abs=1e-12)


def test_findings_and_verdicts(finished):
    found = results(finished)
    assert {f["claim"] for f in found["findings"]} == {"proxies", "audit-score"}
    ends = [f for f in found["findings"] if f["name"] == TESTS["ends"][1]]
    titles = ["RSWN quartic", "Dense on q²", "Linear"]
    assert [f["network"] for f in ends][:3] == titles
    row = chosen(found, "symmetric-dense")
    rows = {one["name"]: one for one in row["record"]["rows"]}
    means = np.mean([rows[name]["follows"]["value"] for name in TESTS["ends"][0]])
    value = next(f["value"] for f in ends if f["network"] == titles[1])
    assert value == pytest.approx(1 - means, abs=2e-5)
    for finding in found["findings"]:
        assert finding["low"] is None or finding["low"] <= finding["value"] <= finding["high"]
        assert "10 cells" in finding["condition"]
    proxies, scores = found["verdicts"]
    assert (proxies["claim"], scores["claim"]) == ("proxies", "audit-score")
    counter = chosen(found, "edge-count")
    for test in TESTS:
        border = counter["tests"][test]["right"]["value"] / 2
        for side, names in found["sides"][test].items():
            for name in names:
                row = chosen(found, name)
                ends = row["tests"][test]["right"]
                assert row["accurate"] == (side != "poor")
                if side == "edges":
                    assert ends["low"] > border
                elif side == "invariant":
                    assert ends["high"] < border
                elif side == "undecided":
                    assert ends["low"] is None or ends["low"] <= border <= ends["high"]


def test_the_page_says_what_the_results_say(finished):
    text = (finished / "report.html").read_text()
    found = results(finished)
    for name in ("shares", "scores", "edges", "shares-right", "shares-disorder-0.5"):
        assert (finished / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for one in found["interventions"][: len(INTERVENTIONS)]:
        assert one["title"] in text
        assert f"{one['certified']:,} of {one['made']:,}" in text
    assert f"{chosen(found, 'quartic')['score']['value']:.3f}" in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("data:image/png") == 5


def test_the_page_is_made_from_the_results_alone(finished, tmp_path):
    (tmp_path / "figures").mkdir()
    found = json.loads((finished / "results.json").read_text())
    again = page(found, tmp_path)
    first = (finished / "figures" / "shares.png").read_bytes()
    assert (tmp_path / "figures" / "shares.png").read_bytes() == first
    assert any("trained networks" in sentence for sentence in again.answer)


def test_it_goes_on_where_it_stopped(tiny, finished, tmp_path):
    out = tmp_path / "again"
    (out / "tasks").mkdir(parents=True)
    shutil.copy(finished / "config.toml", out / "config.toml")
    kept = sorted((finished / "tasks").glob("*.json"))[::2]
    for path in kept:
        shutil.copy(path, out / "tasks" / path.name)
    assert main(["study", "audit", "--profile", str(tiny), "--out", str(out)]) == 0
    first, second = results(finished), results(out)
    assert first == second
