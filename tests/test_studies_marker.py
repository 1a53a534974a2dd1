"""The study `marker`: its labels, its chains, the closest approach, and a tiny run to the page."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.data.near import near_chains
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.models.scaling import moment_count
from tnlearn.studies.approach import binned, closest, ratio
from tnlearn.studies.marker_data import NEAREST_PHASE, training_sets, tried
from tnlearn.studies.marker_labels import LABELS, Opened, best_option, integers
from tnlearn.studies.marker_numbers import assemble
from tnlearn.studies.marker_training import marker_network
from tnlearn.studies.marker_work import SHIPPED, packed, unpacked
from tnlearn.studies.study import PROFILES, load_study, read_profile
from tnlearn.studies.tasks import read_json

REACH = (0.05, 12.0, 1.2)

TINY = """
study = "marker"
profile = "tiny"
cells = 10
seed = 4
members = 3
chunk = 2
workers = 1
batch_size = 64
batches = "own"
threshold = 0.95
networks = ["scaling"]
sizes = [10, 14]
reach = [0.05, 12.0, 1.2]
levels = [0.9, 0.95]
judged = "mixed"
bootstraps = 20

[training.clean]
near = 300
clean = 20
disordered = 0

[training.mixed]
near = 200
clean = 20
disordered = 30
disorder = [0.5]

[tried.clean]
strength = 0.0
cells = [10, 14]
samples = [200, 200]
choose = 60

[tried.disorder]
strength = 0.5
cells = [10]
samples = [150]
choose = 60

[entries.scaling]
title = "Learned marker"
family = "rswn"
description = "small"
kind = "scaling"
hidden = [12]
epochs = 8
lr = 0.02
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    profile = folder / "tiny.toml"
    profile.write_text(TINY, encoding="utf-8")
    page = tnl.study("marker", profile=profile, out=folder / "out", progress=False)
    return page, read_json(folder / "out" / "results.json"), profile


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize("name", list(LABELS))
def test_every_label_is_right_deep_in_every_phase(name):
    near = near_chains(40, 40, (0.8, 1.0), 5)
    opened = Opened(near.chains)
    option = best_option(name, opened, near.windings, near.distance, 0.95)
    assert np.mean(integers(name, opened, option) == near.windings) > 0.95
    assert not LABELS[name].options or option in LABELS[name].options


def test_labels_of_the_package_are_what_it_gives():
    opened = Opened(near_chains(16, 60, (0.02, 0.8), 6).chains)
    for name, method, boundary in (
        ("rswn", "rswn", "open"),
        ("rswn-ring", "rswn", "periodic"),
        ("log-ring", "log", None),
        ("lyapunov-ring", "lyapunov", None),
        ("twist", "twist", None),
        ("localizer", "localizer", None),
    ):
        known = tnl.winding(opened.chains, method, boundary=boundary, gap=False)
        option = (LABELS[name].options or (0.0,))[0]
        assert np.array_equal(integers(name, opened, option), known.integer), name


def test_the_log_form_of_open_states_is_a_whole_number():
    opened = Opened(near_chains(14, 50, (0.02, 0.8), 7).chains)
    value = LABELS["log-open"].answer(opened, 0.0)
    assert np.allclose(value, np.round(value), atol=1e-8)


def test_zero_modes_are_signed_by_the_end_they_sit_at():
    windings = [-1, 0, 1, 2]
    hoppings = {m: np.array([1.0 if m == w else 0.1 for w in windings]) for m in windings}
    opened = Opened(tnl.chain(20, hoppings))
    assert integers("edges", opened, 1.0).tolist() == windings


def test_a_free_number_is_the_one_that_comes_closest():
    near = near_chains(16, 300, (0.005, 0.8), 8)
    opened = Opened(near.chains)
    chosen = best_option("rswn-best", opened, near.windings, near.distance, 0.9)

    def approach(option):
        right = integers("rswn-best", opened, option) == near.windings
        rng = np.random.default_rng(0)
        return closest(near.distance, right, 0.9, rng=rng, bootstraps=1).value

    assert approach(chosen) == min(map(approach, LABELS["rswn-best"].options))


# ------------------------------------------------------------------ chains


def test_clean_chains_are_tried_at_the_scaling_variables_asked_for():
    found = tried(24, 400, 0.0, REACH, 3)
    assert (24 * found.distance).min() >= REACH[0]
    assert (24 * found.distance).max() <= REACH[1]
    assert np.array_equal(tnl.winding(found.chains, "momentum", gap=False).integer, found.truth)
    assert set(found.crossing.tolist()) == {1, 2}


def test_the_truth_of_disordered_chains_is_that_of_the_sample_continued():
    found = tried(30, 60, 1.0, REACH, 3)
    assert len(found) < 60
    assert found.distance.min() >= NEAREST_PHASE
    longer = tried(3000, 60, 1.0, REACH, 3)
    assert np.array_equal(longer.truth, found.truth)
    own = tnl.winding(longer.chains, "lyapunov", gap=False).integer
    far = found.distance > 0.1
    assert np.array_equal(own[far], found.truth[far])
    short = tnl.winding(found.chains, "lyapunov", gap=False).integer
    assert np.mean(short == found.truth) < 1.0  # a short sample is not its phase


def test_training_sets_are_of_every_length_and_kind_and_apart_from_what_is_tried():
    recipe = {
        "sizes": [8, 12],
        "reach": list(REACH),
        "near": 16,
        "clean": 8,
        "disordered": 8,
        "disorder": [0.5, 1.0],
    }
    sets = training_sets(recipe, "train", 1)
    kinds = [(d.states.cells, d.info["variant"], d.info["disorder"], len(d)) for d in sets]
    one = [("near", 0.0, 16), ("", 0.0, 8), ("", 0.5, 8), ("", 1.0, 8)]
    assert kinds == [(cells, *rest) for cells in (8, 12) for rest in one]
    held = training_sets(recipe, "validation", 1)
    assert [len(d) for d in held] == [4, 2, 2, 2] * 2
    first = {d.chains.hoppings[0][0, 0] for d in (*sets, *held)}
    assert len(first) == len(sets) + len(held)
    assert tried(8, 1, 0.0, REACH, 1).chains.hoppings[0][0, 0] not in first
    network = marker_network({"kind": "scaling", "hidden": [5]}, 8, sets)
    assert network.output_shape == (None, 4)
    moments = np.concatenate([network.nodes["scale"].array, network.nodes["shift"].array])
    assert moments.shape == (2 * moment_count(),)
    with pytest.raises(UnknownNameError, match="option of scaling"):
        marker_network({"kind": "scaling", "options": {"width": 3}}, 8, sets)


# ------------------------------------------------------------------ closest approach


def curve(x, slope=3.0):
    """Accuracy from a half to one that is 0.95 at x = 1."""
    return 0.5 + 0.5 / (1 + np.exp(-slope * np.log(x) - np.log(9.0)))


def test_the_closest_approach_of_a_known_curve_is_found():
    rng = np.random.default_rng(1)
    inside, values = 0, []
    for _ in range(40):
        x = np.exp(rng.uniform(np.log(0.02), np.log(15), 1000))
        found = closest(x, rng.random(1000) < curve(x), 0.95, rng=rng, bootstraps=60)
        values.append(found.value)
        inside += found.low <= 1.0 <= found.high
        assert found.low <= found.value <= found.high
    assert 0.9 < np.median(values) < 1.12
    assert inside >= 32  # of 40, for intervals of 95 %


def test_always_right_and_never_right_enough():
    rng = np.random.default_rng(2)
    x = np.geomspace(0.01, 10, 300)
    always = closest(x, np.ones(300, dtype=bool), 0.95, rng=rng)
    assert always.value == always.low == always.high == 0.0
    assert always.record()["least"] == pytest.approx(0.01)
    never = closest(x, rng.random(300) < 0.5, 0.95, rng=rng)
    assert np.isinf(never.value)
    assert never.record()["value"] is None
    # Right beyond the last one in fifty only: not believed.
    late = closest(x, x > 9, 0.95, rng=rng)
    assert np.isinf(late.value)


def test_members_count_together():
    rng = np.random.default_rng(3)
    x = np.exp(rng.uniform(np.log(0.02), np.log(15), 800))
    rows = rng.random((20, 800)) < curve(x)
    one, all_of = (closest(x, r, 0.95, rng=rng, bootstraps=80) for r in (rows[0], rows))
    assert all_of.high - all_of.low < one.high - one.low
    assert all_of.value == pytest.approx(1.0, abs=0.15)


def test_the_ratio_of_two_answers_on_the_same_chains():
    rng = np.random.default_rng(4)
    x = np.exp(rng.uniform(np.log(0.02), np.log(15), 1500))
    near, far = rng.random(1500) < curve(3 * x), rng.random(1500) < curve(x)
    found = ratio(x, far, near, 0.95, rng=rng)
    assert found.low < 3 < found.high
    assert found.verdict == "ahead"
    back = ratio(x, near, far, 0.95, rng=rng)
    assert back.verdict == "behind"
    assert back.value == pytest.approx(1 / found.value)
    assert ratio(x, far, far, 0.95, rng=rng).value == 1.0
    right, wrong = np.ones(1500, dtype=bool), np.zeros(1500, dtype=bool)
    assert ratio(x, wrong, right, 0.95, rng=rng).record()["value"] is None
    assert ratio(x, wrong, wrong, 0.95, rng=rng).value == 1.0
    assert ratio(x, right, wrong, 0.95, rng=rng).verdict == "behind"


def test_bins_hold_every_sample_once():
    x = np.geomspace(0.1, 1.0, 50, endpoint=False)
    bins = binned(x, x > 0.5, np.geomspace(0.1, 1.0, 6))
    assert sum(one.samples for one in bins) == 50
    assert bins[0].right == 0.0
    assert bins[-1].right == 1.0
    assert all(one.low <= one.centre < one.high for one in bins)


def test_bits_are_packed_and_unpacked():
    bits = np.random.default_rng(0).random(77) < 0.5
    assert np.array_equal(unpacked(packed(bits), 77), bits)


# ------------------------------------------------------------------ the study


def test_a_tiny_run_says_who_is_closest(run):
    _, results, _ = run
    answers = {"scaling:clean", "scaling:mixed", SHIPPED, *LABELS}
    assert set(results["answers"]) == answers
    assert results["judged"] == "scaling:mixed"
    assert results["answers"]["scaling:mixed"]["members"] == 3
    places = {(row["condition"], row["cells"]) for row in results["closest"]}
    assert places == {("clean", 10), ("clean", 14), ("disorder-0.5", 10)}
    main = {
        (row["condition"], row["cells"], row["answer"]): row
        for row in results["closest"]
        if row["level"] == 0.9 and row["crossing"] == 0
    }
    assert len(main) == 3 * len(answers)
    for cells in (10, 14):
        # Told the hoppings of a clean chain, it repeats the truth.
        assert main["clean", cells, "lyapunov"]["value"] == 0.0
        shipped, rswn = (main["clean", cells, name] for name in (SHIPPED, "rswn"))
        assert rswn["value"] is None or shipped["value"] < rswn["value"]
    assert {row["crossing"] for row in results["closest"]} == {0, 1, 2}


def test_what_is_said_of_a_label_is_what_it_answers(run):
    _, results, _ = run
    found = tried(14, 200, 0.0, REACH, 4)
    right = integers("rswn-ring", Opened(found.chains)) == found.truth
    told = next(
        row
        for row in results["curves"]
        if (row["condition"], row["cells"], row["answer"]) == ("clean", 14, "rswn-ring")
    )
    assert told["right"] == pytest.approx(right.mean())
    assert sum(told["samples"]) == 200
    marked = tnl.marker("extended")(found.chains)
    trusted = next(
        row for row in results["reliable"] if (row["condition"], row["cells"]) == ("clean", 14)
    )
    assert trusted["right"] == pytest.approx((marked.integer == found.truth).mean())
    assert trusted["reliable"] == pytest.approx(marked.reliable.mean())


def test_the_verdict_follows_from_the_comparisons(run):
    _, results, _ = run
    (verdict,) = results["verdicts"]
    rows = results["comparisons"]
    assert {row["label"] for row in rows} == set(LABELS) - {"twist"}
    said = {row["verdict"] for row in rows}
    expected = "not supported" if "ahead" not in said else "depends on"
    assert verdict["verdict"] == (expected if said != {"ahead"} else "supported")
    mine = [r for r in rows if (r["sees"], r["condition"]) == ("states", "clean")]
    behind = {row["cells"] for row in mine if row["verdict"] != "ahead"}
    assert (
        f"ahead of every label that sees the states only: {2 - len(behind)} of 2 lengths (clean)"
        in verdict["condition"]
    )
    for finding in results["findings"]:
        assert finding["claim"] == "marker"
        assert (
            finding["low"] is None
            or finding["value"] is None
            or (finding["low"] <= finding["value"] + 1e-12)
        )
    best = {(row["condition"], row["cells"], row["sees"]): row["label"] for row in results["best"]}
    assert len(best) == 3 * 3
    assert all(LABELS[label].sees == sees for (_, _, sees), label in best.items())


def test_the_page_shows_it(run):
    page, results, _ = run
    text = page.read_text(encoding="utf-8")
    assert "Which label of a short open chain" in text
    for name in ("approach", "collapse", "disorder"):
        figure = page.parent / "figures" / f"marker-{name}.png"
        assert figure.read_bytes().startswith(b"\x89PNG")
    assert text.count("data:image/png;base64") == 3
    for about in results["answers"].values():
        assert about["title"].split(",")[0] in text
    assert "nan" not in text.split("data:image/png")[0]


def test_running_again_changes_nothing_and_missing_parts_are_done_again(run, tmp_path):
    page, results, profile = run
    kept = json.dumps({k: v for k, v in results.items() if k not in ("seconds", "command")})
    tasks = sorted((page.parent / "tasks").glob("marker-*.json"))
    assert len(tasks) == 3 + 2 * 2
    next(path for path in tasks if path.name.startswith("marker-train")).unlink()
    tasks[0].unlink()
    tnl.study("marker", profile=profile, out=page.parent, progress=False)
    again = read_json(page.parent / "results.json")
    assert json.dumps({k: v for k, v in again.items() if k not in ("seconds", "command")}) == kept


def test_shipped_profiles_are_complete_and_large_enough():
    chosen = load_study("marker")
    for name in PROFILES:
        profile = read_profile(chosen, name)
        made = chosen.tasks(profile)
        assert all(task.kind.startswith("marker-") for task in made)
        assert max(profile["sizes"]) <= 48
        lengths = profile["tried"]["clean"]["cells"]
        assert (min(lengths), max(lengths) >= 100) == (12, True)
        if name != "quick":
            assert profile["members"] >= 32


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("reach = [0.05, 12.0, 1.2]", "reach = [0.05, 12.0]", "reach is"),
        ("levels = [0.9, 0.95]", "levels = [90]", "between 0 and 1"),
        ("samples = [150]", "samples = [150, 20]", r"tried\.disorder"),
    ],
)
def test_profiles_with_mistakes_are_refused(tmp_path, old, new, words):
    path = tmp_path / "wrong.toml"
    path.write_text(TINY.replace(old, new), encoding="utf-8")
    chosen = load_study("marker")
    with pytest.raises(ConfigError, match=words):
        chosen.tasks(read_profile(chosen, path))


def test_the_training_that_is_judged_must_be_there(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(TINY.replace('judged = "mixed"', 'judged = "none"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="judged"):
        assemble(read_profile(load_study("marker"), path), [])
