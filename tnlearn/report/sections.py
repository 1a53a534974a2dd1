"""The sections of a report: each takes the results and the drawn figures, and gives HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from tnlearn.report import tables
from tnlearn.report.html import Section, figure, folded, switch
from tnlearn.report.reading import Results
from tnlearn.report.statistics import summary

__all__ = ["every_section", "opening"]

Figures = Mapping[str, Path]

_FAMILIES = "Blue: RSWN networks; orange: symmetric networks; green: generic networks."
_INTERVAL = "95 % interval of Student's t over members"


def opening(results: Results, figures: Figures) -> str:
    """The overview of the main data set, right below the answer, and the others folded."""
    parts: list[str] = []
    for data in results.ordered_data():
        path = figures.get(f"overview-{data}")
        if path is None:
            continue
        name = escape(results.data_title(data))
        caption = (
            f"Accuracy on the {name} chains, clean and under the disorder named. {_FAMILIES} "
            f"Dots: members; bar: mean and {_INTERVAL}. Dashed: the exact RSWN, untrained and "
            "rounded. Dotted: guessing."
        )
        html = figure(path, caption, f"Accuracy of every network, clean and disordered, {data}")
        parts.append(
            html if not parts else folded(f"The same for {results.data_title(data)}", html)
        )
    return "".join(parts)


def every_section(results: Results, figures: Figures, out: Path) -> list[Section]:
    """The sections that have something to show, in reading order."""
    sections = [
        ("comparison", "Networks × shifts", _comparison(results)),
        ("disorder", "Accuracy against disorder", _disorder(results, figures)),
        ("learning", "Learning curves", _learning(results, figures)),
        ("weights", "What was learned", _weights(results, figures)),
        ("pruning", "Accuracy against kept rank", _pruning(results, figures)),
        ("trainability", "Trainability", _trainability(results, figures)),
        ("graphs", "Contraction graphs and costs", _graphs(results, out)),
        ("calibration", "Calibration and success", _calibration(results, figures)),
        ("made", "How each number was made", _made(results)),
    ]
    return [section for section in sections if section[2]]


def _named(results: Results, data: str) -> str:
    facts = results.datasets[data].facts
    classes = ", ".join(str(value).replace("-", "−") for value in facts.get("classes") or [])
    cells = f", {facts['cells']} cells" if facts.get("cells") else ""
    return f"{escape(results.data_title(data))}{cells}" + (
        f", windings {classes}" if classes else ""
    )


def _comparison(results: Results) -> str:
    parts = []
    for data in results.ordered_data():
        if not results.runs(data):
            continue
        every = tables.comparison(results, data)
        has_clear = any(run.facts.get("accuracy_clear") for run in results.runs(data))
        if has_clear:
            every = switch(f"table-{data}", every, tables.comparison(results, data, clear=True))
        parts.append(f"<h3>{_named(results, data)}</h3>{every}")
    if not parts:
        return ""
    return (
        f"<p>Accuracy in per cent: mean over members ± half of the {_INTERVAL}; below it the "
        "worst and the best member. Bold: the best "
        "mean of a column. Shaded: the best, and every network whose difference from it has a 95 % "
        "interval (Welch) that includes 0.</p>" + "".join(parts)
    )


def _disorder(results: Results, figures: Figures) -> str:
    return "".join(
        figure(
            figures[f"disorder-{data}"],
            f"{_named(results, data)}. Mean accuracy over members and {_INTERVAL}, against the "
            "strength of the chiral disorder of the test chains; training was "
            f"{escape(results.datasets[data].training)}. The exact RSWN and the level of guessing "
            "are the same in every panel.",
            f"Accuracy against disorder, {data}",
        )
        for data in results.ordered_data()
        if f"disorder-{data}" in figures
    )


def _learning(results: Results, figures: Figures) -> str:
    shown: list[str] = []
    hidden: list[str] = []
    for data in results.ordered_data():
        for kind, words in [("accuracy", "Validation accuracy"), ("loss", "Training loss")]:
            path = figures.get(f"learning-{kind}-{data}")
            if path is None:
                continue
            html = figure(
                path,
                f"{words} of every member ({_named(results, data)}); black: the mean over the "
                f"members still training. {_FAMILIES}",
                f"{words} against epochs, {data}",
            )
            if not shown:
                shown.append(html)
            else:
                hidden.append(folded(f"{words}, {results.data_title(data)}", html))
    return "".join(shown + hidden)


def _weights(results: Results, figures: Figures) -> str:
    part: Mapping[str, Any] = results.raw.get("learned") or {}
    html = ""
    if "learned-d" in figures:
        name = results.title(str(part.get("network")))
        html += figure(
            figures["learned-d"],
            f"The D of {escape(name)}, member {part.get('member', 0)}, trained on "
            f"{escape(results.data_title(str(part.get('data'))))}, beside the exact one, "
            "D<sub>xy</sub> = (x − y) · window(y) / L′. Every matrix is divided by the root of its "
            "mean square (rms), since the layers behind it may take any factor; all share one "
            "colour scale. Overlap: the cosine of the angle to the exact D; 1 is the same shape.",
            "Learned and exact D",
        )
    if "singular-values" in figures:
        html += figure(
            figures["singular-values"],
            "Singular values of the same matrices. The exact D is the sum of two products, so that "
            "it has two.",
            "Singular values of the learned and the exact D",
        )
    return html


def _pruning(results: Results, figures: Figures) -> str:
    if "pruning" not in figures:
        return ""
    return figure(
        figures["pruning"],
        "Accuracy on clean test chains when only the largest singular values of a weight are kept "
        f"after training. Thin: members; thick, with its band: mean and {_INTERVAL}. Dashed: the "
        "smallest rank whose mean is within one point of the whole weight's. Dotted: guessing.",
        "Accuracy against kept rank",
    )


def _trainability(results: Results, figures: Figures) -> str:
    if "trainability" not in figures:
        return ""
    return figure(
        figures["trainability"],
        "Left: share of the members that reach the threshold against the scale of the "
        "initialisation, with Wilson's 95 % interval. Right: all members and their mean; dotted: "
        "the threshold. Networks are set a little apart along the axis. Whether the accuracy "
        "depends on the scale is decided by the rank test of Kruskal and Wallis (p &lt; 0.05), "
        "with diverged members ranked last.",
        "Success rate and accuracy against the initialisation scale",
    )


def _graphs(results: Results, out: Path) -> str:
    graphs: Mapping[str, Mapping[str, Any]] = results.raw.get("graphs") or {}
    drawn = [
        figure(
            out / str(graph.get("figure") or f"figures/graph-{name}.png"),
            f"<b>{escape(str(graph.get('title') or name))}</b>: {tables.costs(graph)}.",
            f"Contraction graph of {name}",
        )
        for name, graph in graphs.items()
    ]
    if not drawn:
        return ""
    return (
        f"<p>Flops {_batch(graphs)}: naive, contracting everything in one sum; path, along the "
        "optimised path; shared, along the path with common subexpressions computed once.</p>"
        f'<div class="graphs">{"".join(drawn)}</div>'
    )


def _batch(costed: Mapping[str, Mapping[str, Any]]) -> str:
    """For what the flops were counted, as far as the results say it."""
    sizes = sorted({about["batch"] for about in costed.values() if about.get("batch")})
    words = " or ".join(f"{size:,}" for size in sizes)
    return f"for a batch of {words} samples" if sizes else "of one evaluation"


def _calibration(results: Results, figures: Figures) -> str:
    parts: list[str] = []
    for data in results.ordered_data():
        path = figures.get(f"calibration-{data}")
        if path is None:
            continue
        thresholds = sorted({s[2] for run in results.runs(data) if (s := run.success())})
        words = ", ".join(f"{100 * value:g} %" for value in thresholds)
        html = figure(
            path,
            f"{_named(results, data)}. Left: expected calibration error on clean test chains "
            f"(dots: members; bar: mean and {_INTERVAL}). Middle: share of the members whose "
            f"validation accuracy reaches {words or 'the threshold'}, with Wilson's 95 % interval. "
            f"Right: the epochs that the successful members took. {_FAMILIES}",
            f"Calibration, success rate and epochs to success, {data}",
        )
        parts.append(html if not parts else folded(results.data_title(data), html))
    return "".join(parts)


def _made(results: Results) -> str:
    raw = results.raw
    parts = []
    if raw.get("command"):
        seconds = f" It took {raw['seconds']:.0f} seconds." if raw.get("seconds") else ""
        parts.append(
            f"<p>The whole report was made by this command.{seconds} Every number is in "
            "<code>results.json</code> beside this file, the configuration in "
            f"<code>config.toml</code>.</p><pre>{escape(str(raw['command']))}</pre>"
        )
    parts.append(
        "<p>An accuracy is the share of a test set for which a member's largest output is the "
        "chain's own integer invariant. A sample is ambiguous if the invariants disagree or the "
        "winding number is far from an integer; it is counted in all tables but the second version "
        f"of the first. {escape(_members(results))}</p>"
    )
    for data in results.ordered_data():
        facts = results.datasets[data].facts
        sizes = ", ".join(
            f"{facts[key]:,} {words}"
            for key, words in [
                ("train", "for training"),
                ("validation", "for validation"),
                ("test", "in each test set"),
            ]
            if facts.get(key) is not None
        )
        if results.datasets[data].shifts or sizes:
            parts.append(f"<h3>Test sets: {_named(results, data)}</h3>")
            parts.append(f"<p>Chains: {sizes}.</p>" if sizes else "")
            parts.append(tables.definitions(results.datasets[data]))
        if results.runs(data):
            parts.append(f"<h3>Networks on {escape(results.data_title(data))}</h3>")
            parts.append(tables.networks(results, data))
            parts.append(
                f'<p class="notes">Flops and largest intermediate (peak) '
                f"{_batch(results.networks)}; seconds of training all members.</p>"
            )
    for key, title in [("environment", "Environment"), ("config", "Whole configuration")]:
        if raw.get(key):
            parts.append(folded(title, tables.settings(raw[key])))
    return "".join(parts)


def _members(results: Results) -> str:
    """What was done with members that have no value, if there are any."""
    lost = sum(
        summary(run.accuracy("clean")).missing
        for data in results.datasets
        for run in results.runs(data)
    )
    if not lost:
        return "No member diverged."
    who = "1 member" if lost == 1 else f"{lost} members"
    return (
        f"{who} diverged: left out of means, marked where it happened, and counted as a failure "
        "in every success rate."
    )
