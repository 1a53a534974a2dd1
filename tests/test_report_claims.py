"""Claims decided by a table, their findings, and the four generic figures."""

import numpy as np
import pandas as pd
import pytest

from tnlearn.look import COLOURS, png
from tnlearn.report.claims import Claim, above, at_least, below, claim, titled
from tnlearn.report.figures import dots, heat, image, lines, network_styles
from tnlearn.report.page import _aligned, interval, wide

NAN = float("nan")


MARGIN = above(lambda p: p)


def claim_of(rows, holds=MARGIN, **more):
    findings = pd.DataFrame(rows, columns=["network", "size", "value", "low", "high", "members"])
    return Claim("k", "It holds.", "us", lambda t, p: findings, holds, **more)


ROWS = [("a", 500, 0.8, 0.7, 0.9, 8), ("b", 500, 0.4, 0.3, 0.5, 8), ("c", 4000, 0.6, NAN, NAN, 1)]


@pytest.mark.parametrize(
    ("rows", "margin", "word"),
    [
        (ROWS, 0.6, "depends on"),
        (ROWS, 0.2, "supported"),
        (ROWS, 0.95, "not supported"),
        (ROWS[2:], 0.5, ""),
        ([], 0.5, ""),
    ],
)
def test_a_verdict_is_that_of_the_findings_that_decide(rows, margin, word):
    verdict = claim_of(rows).decide(pd.DataFrame(), margin)
    assert verdict.word == word
    assert list(verdict.records({})) == [] if not rows else True


def test_rules():
    rows = pd.DataFrame({"low": [0.5, 0.6, NAN], "high": [0.7, 0.8, NAN]})
    decided = [rule(lambda p: p)(rows, 0.5).tolist() for rule in (above, at_least)]
    assert decided == [[False, True, pd.NA], [True, True, pd.NA]]
    assert below(lambda p: p)(rows, 0.75).tolist() == [True, False, pd.NA]


def test_records_say_of_what():
    verdict = claim_of(ROWS, by="size", unit="points").decide(pd.DataFrame(), 0.6)
    assert verdict.counts == {"500": (1, 2)}
    assert verdict.record({})["holds"] == "500: 1 of 2"
    first, _, last = verdict.records({"a": "Alpha"}, "ssh")
    assert (first["network"], first["data"], first["condition"]) == (
        "Alpha",
        "ssh",
        "training chains: 500",
    )
    assert (first["value"], first["holds"], first["unit"]) == (0.8, True, "points")
    assert (last["low"], last["holds"], last["condition"]) == (None, None, "training chains: 4,000")


def test_a_claim_is_a_function_whose_docstring_states_it():
    @claim("us", above(0.6), by="network")
    def is_right(table, profile):
        """Networks are right.

        Accuracy of a
        network.

        On clean chains.
        """
        return table

    @is_right.picture
    def with_interval(rows, profile):
        """All of them."""
        return len(rows)

    words = is_right.key, is_right.words, is_right.measured, is_right.condition
    assert words == ("is-right", "Networks are right.", "Accuracy of a network", "On clean chains.")
    table = pd.DataFrame(ROWS, columns=["network", "size", "value", "low", "high", "members"])
    for rows, drawn in ((table, 3), (table[:0], None)):
        verdict = is_right.decide(rows, None)
        assert with_interval.drawn(table, None, {"is-right": verdict}) == drawn
    assert (with_interval.name, with_interval.caption) == ("with-interval", "All of them.")


def test_a_value_is_read_by_its_title():
    titles = {"a": "Alpha", "chains.a": "chains of a"}
    read = [titled(titles, *of) for of in (("chains", "a"), ("network", "a"), ("size", 4000))]
    assert read == ["chains of a", "Alpha", "4,000"]
    assert [titled({}, "size", none) for none in (None, NAN, pd.NA, "")] == [""] * 4


def test_findings_as_they_are_read():
    verdict = claim_of(ROWS[:2]).decide(pd.DataFrame(), 0.6)
    table = wide(verdict, {"a": "Alpha"}, "size")
    assert table.columns.tolist() == ["network", "500"]
    assert table.values.tolist() == [
        ["Alpha", "0.800 [0.700, 0.900] ✓"],
        ["b", "0.400 [0.300, 0.500] ✗"],
    ]
    descending = claim_of(ROWS[::-1]).decide(table, 0.6)
    assert list(wide(descending, {}, "size")) == ["network", "500", "4,000"]
    cells = {
        "n": ["8", "≤ 0.02"],
        "of": ["8 and 10 cells", ""],
        "value": ["−0.5 [−1, ∞] ✓", "100 %"],
    }
    assert _aligned(pd.DataFrame(cells)) == ["", "text", ""]
    assert interval({"value": 1.5e-15, "low": None, "high": None}) == "1.5e−15"


FOUND = pd.DataFrame(
    [
        {"x": x, "line": name, "panel": panel, "value": 0.5, "low": 0.4, "high": NAN}
        for x in (1.0, 10.0)
        for name in ("a", "b")
        for panel in ("p", "q", "r", "s")
    ]
)


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (lambda: lines(FOUND, "x", "line", log="xy", error=True, marks={"goal": 0.1}), 1),
        (lambda: lines(FOUND, "x", "line", column="panel", across=3), 4),
        (lambda: lines(FOUND, "x", "line", "panel", "line"), 8),
        (lambda: heat(FOUND[FOUND["line"] == "a"].assign(y=1), "x", "y", "panel"), 4),
        (lambda: dots(FOUND[FOUND["x"] == 1.0], "line", "panel", marks={"m": 0.5}), 4),
        (lambda: image({"one": np.eye(3), "two": -np.eye(2)}, unit="rms", across=2), 2),
    ],
)
def test_figures(draw, panels):
    figure = draw()
    shown = [ax for ax in figure.axes if ax.get_visible() and ax.get_label() != "<colorbar>"]
    assert len(shown) == panels
    again = draw()
    for one in (figure, again):
        one.set_dpi(40)
    picture = png(figure)
    assert picture.startswith(b"\x89PNG")
    assert picture == png(again)


def test_a_matrix_is_drawn_as_it_is_written():
    figure = image({"one": np.arange(6).reshape(2, 3)})
    assert figure.axes[0].yaxis_inverted()  # row 0 on top


def test_families_keep_their_hue():
    class Entry:
        def __init__(self, family):
            self.family = family

    styles = network_styles({"a": Entry("rswn"), "b": Entry("generic"), "c": Entry("rswn")})
    assert styles["a"]["color"] == COLOURS[0]
    assert styles["c"]["color"] != styles["a"]["color"]
    assert styles["a"]["marker"] != styles["c"]["marker"]
