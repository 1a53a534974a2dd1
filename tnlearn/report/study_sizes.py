"""The page of the study `sizes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tnlearn.report.curves import listed
from tnlearn.report.estimate import estimate
from tnlearn.report.html import figure as shown
from tnlearn.report.html import folded, switch
from tnlearn.report.statistics import summary
from tnlearn.report.study import Page
from tnlearn.report.study_sizes_figures import accuracy, learned, others, profiles
from tnlearn.report.style import save

__all__ = ["page"]

Results = Mapping[str, Any]

_QUESTION = {
    "sizes": "Do these networks generalise over sizes?",
    "position-nodes": "Do functions of position serve chains of every length?",
}


def page(results: Results, folder: Path) -> Page:
    """Draw the figures and say what they show."""
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    return Page(
        answer=_answer(results),
        sections=[
            ("length", "Accuracy against length", _length(results, figures)),
            ("elsewhere", "Other chains", _elsewhere(results, figures)),
            ("learned", "What was learned", _learned(results, figures)),
            ("functions", "Why these functions", _functions(results)),
            ("fixed", "Networks that know their length", _fixed(results)),
            ("verdicts", "Verdicts in full", _verdicts(results)),
        ],
    )


def _estimates(test: Mapping[str, Any]) -> dict[str, Any]:
    return {
        training: {
            network: [
                estimate(values, chains)
                for values, chains in zip(rows, test["samples"], strict=True)
            ]
            for network, rows in networks.items()
        }
        for training, networks in test["accuracy"].items()
    }


def _title(results: Results, network: str) -> str:
    return str(results["config"]["entries"][network]["title"])


def _answer(results: Results) -> list[str]:
    said = [
        f"{_QUESTION[verdict['claim']]} {str(verdict['verdict']).capitalize()}: "
        f"{verdict['condition']}."
        for verdict in results["verdicts"]
    ]
    goal = results["config"]["goal"]
    test = results["tests"][goal["chains"]]
    lowest = [
        f for f in results["findings"] if f["claim"] == "sizes" and f["chains"] == goal["chains"]
    ]
    best = max((f for f in lowest if f["value"] is not None), key=lambda f: f["low"], default=None)
    if best is not None:
        said.append(
            f"{best['network']}, {best['condition']}: over these lengths its interval ends lowest "
            f"at {best['cells']} cells, {_interval(best)}. The formula with the half window, "
            f"rounded, is right on {100 * test['formula']['open'][0]:.1f} % of the chains of "
            f"{test['lengths'][0]} cells and on {100 * test['formula']['open'][-1]:.1f} % of those "
            f"of {test['lengths'][-1]}."
        )
    return [*said, *_transfers(results)]


def _transfers(results: Results) -> list[str]:
    """A sentence for each other kind of chains: the best network at its longest length."""
    config, said = results["config"], []
    for name, test in results["tests"].items():
        here = [f for f in results["findings"] if f["chains"] == name and f["value"] is not None]
        last = [f for f in here if f["cells"] == test["lengths"][-1]]
        if name == config["goal"]["chains"] or not last:
            continue
        best = max(last, key=lambda f: f["value"])
        first = next(
            f
            for f in here
            if f["cells"] == test["lengths"][0]
            and (f["key"], f["training"]) == (best["key"], best["training"])
        )
        said.append(
            f"On {config['chains'][name]['title']}, {best['network']}, {best['condition']}, has "
            f"{_interval(first)} at {first['cells']} cells and {_interval(best)} at "
            f"{best['cells']}; the formula rounded {100 * test['formula']['open'][0]:.1f} % and "
            f"{100 * test['formula']['open'][-1]:.1f} %."
        )
    return said


def _interval(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "none"
    return f"{100 * found['value']:.1f} % [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _length(results: Results, figures: Path) -> str:
    goal = results["config"]["goal"]
    test = results["tests"][goal["chains"]]
    path = save(accuracy(results, _estimates(test)), figures / "accuracy.png")
    members = max(
        len(values)
        for networks in test["accuracy"].values()
        for rows in networks.values()
        for values in rows
    )
    caption = (
        f"Accuracy on {escape(results['config']['chains'][goal['chains']]['title'])} against their "
        f"length; below, enlarged. Mean of {members} members with 95 % intervals, which add what "
        "members differ by and what the number of test chains leaves open. Grey band: lengths "
        f"trained at. Dashed black line: {goal['accuracy']:g}. All trainings have equally "
        "many chains in all."
    )
    words = (
        "Curves of accuracy against the number of cells, a column for each way of training; the "
        "formula rounded is in grey."
    )
    chains = ", ".join(
        f"{s:,} at {n}" for n, s in zip(test["lengths"], test["samples"], strict=True)
    )
    tables = switch(
        "sizes", _table(results, goal["chains"], False), _table(results, goal["chains"], True)
    )
    return (
        shown(path, caption, words)
        + tables
        + f'<p class="notes">Test chains: {chains}. Ambiguous chains, on which kinds of winding '
        "number disagree, are kept and count as their integer says unless left out by the button."
        "</p>"
    )


def _table(results: Results, chains: str, clear: bool) -> str:
    test = results["tests"][chains]
    counts = test["clear"] if clear else test["samples"]
    accuracies = test["accuracy_clear" if clear else "accuracy"]
    head = "".join(
        f"<th>{n}<small>n = {s:,}</small></th>"
        for n, s in zip(test["lengths"], counts, strict=True)
    )
    body = []
    for training, networks in accuracies.items():
        title = escape(f"trained at {results['config']['training'][training]['title']}")
        body.append(
            f'<tr class="family"><th colspan="{len(test["lengths"]) + 1}">{title}</th></tr>'
        )
        for network, rows in networks.items():
            cells = "".join(
                f"<td>{_cell(values, n)}</td>" for values, n in zip(rows, counts, strict=True)
            )
            body.append(f"<tr><th>{escape(_title(results, network))}</th>{cells}</tr>")
    if not clear:
        span = len(test["lengths"]) + 1
        body.append(f'<tr class="family"><th colspan="{span}">Without training</th></tr>')
        for boundary, name in (("open", "formula, rounded"), ("periodic", "the same, on the ring")):
            cells = "".join(f"<td>{100 * x:.1f}</td>" for x in test["formula"][boundary])
            body.append(f"<tr><th>{name}</th>{cells}</tr>")
    return (
        f'<div class="wide"><table><thead><tr><th>accuracy (%) at cells</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(values: Sequence[float | None] | None, chains: int) -> str:
    found = estimate(values or [], chains)
    if found["value"] is None:
        return "none"
    low, high = 100 * found["low"], 100 * found["high"]
    worst = 100 * summary(values).worst
    return (
        f"<b>{100 * found['value']:.1f}</b><small>{low:.1f} – {high:.1f}<br>"
        f"worst {worst:.1f}</small>"
    )


def _elsewhere(results: Results, figures: Path) -> str:
    goal = results["config"]["goal"]["chains"]
    kinds = [name for name in results["tests"] if name != goal]
    if not kinds:
        return ""
    estimates = {name: _estimates(results["tests"][name]) for name in kinds}
    path = save(others(results, estimates), figures / "others.png")
    caption = (
        "The same networks on other chains. Chains with several orbitals are put to a network as "
        "chains of as many cells as they have pairs of orbitals; the functions of position, "
        "being functions of x/L and y/L, stay what they are."
    )
    parts = [shown(path, caption, "Accuracy against the number of cells, a panel for each kind.")]
    for name in kinds:
        title = str(results["config"]["chains"][name]["title"])
        parts.append(folded(title, _table(results, name, False)))
    return "".join(parts)


def _learned(results: Results, figures: Path) -> str:
    parts = []
    for network, found in results["learned"].items():
        title = escape(_title(results, network))
        lengths = listed([str(n) for n in found["lengths"]])
        image = save(learned(found), figures / f"learned-{network}.png")
        parts.append(
            shown(
                image,
                f"{title}: D of the member with the best validation accuracy, with the same "
                f"weights at {lengths} cells, in relative coordinates. The exact D is x − y in the "
                "half window.",
                "Images of D at several lengths, the same picture at each.",
            )
        )
        lines = save(profiles(found), figures / f"profiles-{network}.png")
        parts.append(
            shown(
                lines,
                f"{title}: the same D as curves. Above: across the diagonal, in the middle of the "
                "chain; its slope at 0 weighs the winding of the bulk. Below: the column of the "
                "first cell; its far end is the corner that only states of the two ends reach.",
                "Curves of D at several lengths.",
            )
        )
    return "".join(parts)


def _functions(results: Results) -> str:
    return (
        "<p>A node D(x, y) turns a sample into Σ D(x, y) |q<sub>xy</sub>|². Far from the ends "
        "|q<sub>xy</sub>|² depends on x − y only, and its columns sum to 1: the sum is L times an "
        "average. It has a limit for long chains only if D vanishes on the diagonal linearly in "
        "(x − y)/L, or is a function of x − y over L. The states of the two ends reach the "
        "corners |x − y| ≈ L with a weight that does not depend on L, within a localisation "
        "length; a function without slope there is at its limit already on short chains. "
        "Standing waves cos(πn(x + ½)/L) have no slope at the ends, and sin(π(x − y)/2L) is linear "
        "on the diagonal and flat in the corners: <code>structure='position'</code> is made of "
        "these. <code>'position-short'</code> is a control: it adds averages along the chain of "
        "functions of x − y in cells. The ends of a chain add a part to such an average that "
        "fades as 1/L. It tells the classes apart on short chains and is not there on long ones, "
        "so that what is learned with it need not hold beyond the lengths trained at.</p>"
    )


def _fixed(results: Results) -> str:
    rows = "".join(
        f"<tr><th>{escape(_title(results, name))}</th><td>{about['parameters']:,}</td>"
        f"<td>{'yes' if about['any_length'] else 'no'}</td><td>{escape(about['because'])}</td></tr>"
        for name, about in results["fixed"].items()
    )
    return (
        "<p>A network can be put to chains of another length if no parameter depends on it. Of "
        "the others there is no accuracy at another length: it is not applicable.</p>"
        '<div class="wide"><table><thead><tr><th>network</th><th>parameters</th>'
        "<th>applicable at any length</th><th>because</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _verdicts(results: Results) -> str:
    return "".join(
        f"<p><b>{escape(str(verdict['verdict']).capitalize())}</b>: "
        f"{escape(_QUESTION[verdict['claim']])} {escape(str(verdict['because']))}. "
        f"<i>{escape(str(verdict['condition']))}.</i></p>"
        for verdict in results["verdicts"]
    )
