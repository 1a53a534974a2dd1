"""The three sentences follow the numbers: other numbers, another verdict."""

import numpy as np
import pytest
from report_results import full

from tnlearn.report.reading import Results
from tnlearn.report.text import answer


def made(change=None):
    raw = full(epochs=3)
    if change:
        change(raw)
    sentences = answer(Results(raw))
    assert len(sentences) == 3
    assert all(sentence.endswith(".") for sentence in sentences)
    assert all("nan" not in sentence.lower() for sentence in sentences)
    return [sentence.replace("\u00a0", " ") for sentence in sentences]


def run(raw, network, data="extended"):
    return next(r for r in raw["runs"] if (r["network"], r["data"]) == (network, data))


def test_the_best_networks_and_the_exact_one_are_named_with_their_numbers():
    raw = full(epochs=3)
    first = answer(Results(raw))[0].replace("\u00a0", " ")
    clean = 100 * np.mean(run(raw, "quartic")["accuracy"]["clean"])
    assert f"RSWN quartic, reaches {clean:.1f} %" in first
    assert "20 cells, 4,000 clean training chains" in first
    assert "rounded RSWN reaches 66.0 % clean" in first
    assert "best symmetric network" in first
    assert "best generic network" in first


def test_another_winner_is_named():
    def better(raw):
        run(raw, "lowrank")["accuracy"]["clean"] = [0.995] * 7 + [0.994]
        run(raw, "lowrank")["accuracy"]["disorder-0.5"] = [0.99] * 8

    first = made(better)[0]
    assert "RSWN low rank, reaches 99.5 %" in first
    assert "quartic" not in first


def test_two_networks_may_be_the_best():
    def split(raw):
        run(raw, "position")["accuracy"]["disorder-0.5"] = [0.99, 0.98] * 4

    first = made(split)[0]
    assert "RSWN quartic, reaches" in first
    assert "the best at disorder 0.5 is “RSWN quartic, D of position” with 98.5 %" in first


def test_ahead_level_and_behind_are_told_apart():
    def arrange(raw):
        raw["runs"] = [r for r in raw["runs"] if r["network"] in ("quartic", "cnn")]
        quartic, cnn = (run(raw, name)["accuracy"] for name in ("quartic", "cnn"))
        quartic["disorder-0.5"], cnn["disorder-0.5"] = [0.90, 0.91] * 4, [0.50, 0.51, 0.52]
        quartic["disorder-1"], cnn["disorder-1"] = [0.80, 0.84] * 4, [0.80, 0.82, 0.84]
        quartic["disorder-2"], cnn["disorder-2"] = [0.30, 0.31] * 4, [0.60, 0.61, 0.62]
        quartic["disorder-3"], cnn["disorder-3"] = [0.30, 0.31] * 4, [0.70]

    second = made(arrange)[1]
    assert "ahead of CNN at 0.5 (+39.5 points)" in second
    assert "not distinguishable from CNN at 1 (+0.0 points)" in second
    assert "behind CNN at 2 (−30.5 points)" in second
    assert "−39.5 points from CNN at 3 (too few members for an interval)" in second


def test_a_strength_without_a_value_is_said():
    def lose(raw):
        run(raw, "quartic")["accuracy"]["disorder-1"] = [None] * 8

    assert "(it has none at 1)" in made(lose)[1]


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ([[0.97, 0.96, 0.98, 0.97], [0.40, 0.42, 0.41, 0.40]], "depends on the scale"),
        ([[0.97, 0.96, 0.98, 0.97], [0.96, 0.97, 0.98, 0.97]], "shows no dependence beyond"),
        ([[0.970, 0.971, 0.972, 0.973], [0.974, 0.975, 0.976, 0.977]], "by less than a point, on"),
        ([[0.9], [0.1]], "too few members"),
        ([[0.97, 0.96, 0.98, 0.97], [None, None, None, None]], "depends on the scale"),
    ],
)
def test_the_dependence_on_the_scale_is_measured(accuracies, verdict):
    def scales(raw):
        raw["trainability"] = [
            {
                "data": "extended",
                "network": "quartic",
                "scales": [0.1, 1.0],
                "accuracy": accuracies,
                "threshold": 0.9,
            }
        ]

    third = made(scales)[2]
    assert verdict in third
    # A scale at which every member diverged has no mean, and the sentence says so.
    assert ("no finite accuracy at scale 1" in third) == (accuracies[1][0] is None)


def test_networks_that_depend_on_the_scale_are_told_from_those_that_do_not():
    def scales(raw):
        falls = [[0.97, 0.96, 0.98, 0.95], [0.40, 0.42, 0.41, 0.43]]
        stays = [[0.97, 0.96, 0.98, 0.95], [0.96, 0.97, 0.95, 0.98]]
        common = {"data": "extended", "scales": [0.1, 1.0], "threshold": 0.9}
        rows = [("quartic", stays), ("operator", falls), ("lowrank", falls), ("cnn", falls)]
        raw["trainability"] = [common | {"network": n, "accuracy": a} for n, a in rows]

    third = made(scales)[2]
    assert "of RSWN quartic shows no dependence beyond" in third
    assert "that of RSWN operator and RSWN low rank depends on the scale" in third
    # The numbers are those of the widest; a baseline is not what the sentence is about.
    assert "most for RSWN operator: 96.5 % at scale 0.1, 4 of 4 members" in third
    assert "CNN" not in third


def test_forms_that_agree_are_not_said_to_differ():
    def equal(raw):
        rng = np.random.default_rng(0)
        for entry in raw["runs"]:
            entry["accuracy"]["clean"] = list(rng.permutation([0.95, 0.96, 0.97, 0.98]))

    assert "no dependence beyond the spread between members on the form" in made(equal)[2]


def test_without_any_run():
    first, second, third = made(lambda raw: raw.update(runs=[]))
    assert "No network was trained" in first
    assert "nothing to compare" in second
    assert "initialisations" in third


def test_without_rswn_networks_or_scales():
    def generic(raw):
        raw["runs"] = [r for r in raw["runs"] if r["network"] == "cnn"]
        raw["trainability"] = []

    first, second, third = made(generic)
    assert "no RSWN network was trained" in first
    assert "no RSWN network to follow" in second
    assert third == "No scale of initialisation was varied in this run."
