"""The page of the study `pruning`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.report.curves import interval, listed, per_cent
from tnlearn.report.html import figure as shown
from tnlearn.report.html import folded
from tnlearn.report.statistics import summary
from tnlearn.report.study import Page
from tnlearn.report.study_pruning_figures import cut, edges, masks, ranks
from tnlearn.report.study_pruning_pictures import profiles, singular_values, vectors
from tnlearn.report.style import save

__all__ = ["page"]

_FAMILIES = {
    "nearest": "pairs of states nearest zero energy",
    "farthest": "pairs of states farthest from it",
    "outer": "outer cells",
    "inner": "inner cells",
}


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the figures and say what they show."""
    figures = folder / "figures"
    config = results["config"]
    clean = config["shifts"][0]
    retrain = config["retrain"]
    sections = [
        (
            "ranks",
            "Accuracy against the rank of every weight",
            shown(
                save(ranks(results), figures / "ranks.png"),
                f"Accuracy on {clean} test chains when one weight keeps only its largest singular "
                "values (of every channel, for D), mean over members with 95 % interval. Dashed, "
                "hollow: as it was cut. Solid: after "
                f"{retrain['epochs']} more epochs with that rank kept exactly. The grey line is "
                f"one point below the whole network.{_left_out(results)}",
                "Accuracy against rank, a panel a network",
            )
            + folded("Smallest rank of every weight", _table(results)),
        ),
        (
            "together",
            "All weights at once",
            shown(
                save(cut(results), figures / "together.png"),
                "Every weight keeps the same share of its norm² (of "
                f"{listed([f'{share:g}' for share in config['shares']])}), biases are kept. "
                "Dashed, hollow: as it was cut. Solid: trained on. Black: the complex networks; "
                "large: whole. A weight of rank r counts r (rows + columns) numbers, at most "
                "all its entries.",
                "Accuracy against the numbers kept",
            ),
        ),
        (
            "input",
            "The smallest input",
            shown(
                save(masks(results), figures / "input.png"),
                "What is left out is set to zero in u and v. Dashed, hollow: networks trained on "
                "the whole input. Solid: networks trained from the start on the masked input. "
                "The lines are one point below the whole input.",
                "Accuracy against the states and cells kept",
            )
            + _inputs(results),
        ),
        (
            "edges",
            "Where the weights sit",
            shown(
                save(edges(results), figures / "edges.png"),
                "Share of the norm² of a weight on the outer cells "
                f"({100 * config['edge']:g} % of the chain at each end; both cells for D and q²) "
                "over the share that equal entries would have, with 95 % interval over members: "
                "the leading singular vector, the same after training on at rank 1, the whole "
                "weight.",
                "Edge share of the weights",
            )
            + shown(
                save(profiles(results), figures / "profiles.png"),
                "Share of the norm² in each cell, mean over members with 95 % interval: of the "
                "leading singular vector and of the whole weight. Dotted: equal entries. A weight "
                "behind a stride has one entry for several cells.",
                "Norm of the weights along the chain",
            ),
        ),
        (
            "vectors",
            "Leading singular vectors",
            shown(
                save(vectors(results), figures / "vectors.png"),
                "The three leading singular vectors of the first weight that has a place in the "
                "chain, of the member with the best validation accuracy, with the share of the "
                "norm² each carries. x are cells of sublattice A, y of B; states ascend in "
                "energy. Colours: blue negative, red positive, each scaled to its own largest "
                "entry.",
                "Leading singular vectors in the coordinates of the chain",
            )
            + shown(
                save(singular_values(results), figures / "singular-values.png"),
                "Singular values of every weight over the largest, mean over members and channels.",
                "Singular values of every weight",
            ),
        ),
    ]
    return Page(answer=_answer(results), sections=sections)


def _left_out(results: Mapping[str, Any]) -> str:
    """How many members of which networks learned nothing, and are left out of the whole page."""
    some = [
        f"{network['learned']} of {network['members']} of {escape(_title(results, name))}"
        for name, network in results["networks"].items()
        if network["learned"] < network["members"]
    ]
    if not some:
        return ""
    return (
        f" Members that did not learn at all are left out of this page; there are left: "
        f"{listed(some)}."
    )


def _answer(results: Mapping[str, Any]) -> list[str]:
    said = [f"{_title(results, name)}: {text}." for name, text in _ranks_in_words(results).items()]
    words = "Smallest rank of the first weight that keeps the accuracy within one point"
    first = [f"{words}. " + " ".join(said)] if said else []
    verdicts = [
        f"{_CLAIMS[verdict['claim']]}: {verdict['verdict']} ({verdict['condition']})."
        for verdict in results["verdicts"]
    ]
    rows = [row for row in results["masked"] if row["smallest"] is not None]
    inputs = [
        f"{row['smallest']} {_FAMILIES[row['how']]} ({_title(results, row['network'])})"
        for row in rows
    ]
    middle = (
        [
            f"Of {results['config']['cells']} cells and as many pairs of states, trained anew, "
            f"these inputs alone keep the accuracy within one point: {listed(inputs)}."
        ]
        if inputs
        else []
    )
    return [*first, *middle, *verdicts]


_CLAIMS = {
    "pruning-edges": "That pruning leaves a compact set of edge-state features",
    "shallow-equals-complex": "That pruned shallow networks match complex ones",
}


def _title(results: Mapping[str, Any], name: str) -> str:
    return str(results["config"]["entries"][name]["title"])


def _ranks_in_words(results: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, network in results["networks"].items():
        first = network["weights"][0]
        again = {w["name"]: w for w in network.get("retrained", {}).get("weights", [])}
        text = f"{first['smallest']['mean']} of {min(first['rows'], first['columns'])} as cut"
        if first["name"] in again:
            rank = again[first["name"]]["smallest"]["mean"]
            text += f", {rank} trained on" if rank is not None else ""
        found[name] = f"{first['name']} {text}"
    return found


def _table(results: Mapping[str, Any]) -> str:
    rows = []
    for name, network in results["networks"].items():
        again = {w["name"]: w for w in network.get("retrained", {}).get("weights", [])}
        for number, weight in enumerate(network["weights"]):
            edge = weight.get("edge", {}).get("cells")
            cells = [
                escape(_title(results, name)) if number == 0 else "",
                f"{escape(weight['name'])}",
                f"{weight['copies']} × " * (weight["copies"] > 1)
                + f"{weight['rows']} × {weight['columns']}",
                _rank(weight["smallest"]),
                _rank(again[weight["name"]]["smallest"]) if weight["name"] in again else "",
                _edge(edge, 0) if edge else "",
                _edge(edge, -1) if edge else "",
            ]
            rows.append(
                f"<tr><th>{cells[0]}</th>" + "".join(f"<td>{c}</td>" for c in cells[1:]) + "</tr>"
            )
    head = "".join(
        f"<th>{escape(word)}</th>"
        for word in (
            "network",
            "weight",
            "matrices",
            "smallest rank, as cut",
            "smallest rank, trained on",
            "edge share over equal entries, leading vector",
            "the same, whole weight",
        )
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        '</table></div><p class="notes">Smallest rank from which on the mean accuracy is within '
        "one point of the whole (trained on as long); below it mean and 95 % interval of the "
        "same for each member.</p>"
    )


def _rank(smallest: Mapping[str, Any]) -> str:
    each = summary(smallest["members"], share=False)
    text = str(smallest["mean"]) if smallest["mean"] is not None else "more"
    small = interval(each.mean, each.low, each.high, "{:.1f}") if each.count else ""
    return f"{text}<small>{small}</small>"


def _edge(edge: Mapping[str, Any], place: int) -> str:
    found = summary(np.array(edge["share"], dtype=float)[:, place] / edge["uniform"], share=False)
    return interval(found.mean, found.low, found.high)


def _inputs(results: Mapping[str, Any]) -> str:
    clean = results["config"]["shifts"][0]
    rows = []
    for row in results["masked"]:
        whole = summary(results["networks"][row["network"]]["accuracy"][clean])
        if row["smallest"] is None:
            smallest, words = "more than tried", ""
        else:
            place = row["kept"].index(row["smallest"])
            smallest = str(row["smallest"])
            words = per_cent(summary(row["accuracy"][place]))
        rows.append(
            f"<tr><th>{escape(_title(results, row['network']))}</th>"
            f'<td class="text">{escape(_FAMILIES[row["how"]])}</td><td>{smallest}</td>'
            f"<td>{words}</td><td>{per_cent(whole)}</td></tr>"
        )
    return (
        "<h3>Smallest input within one point</h3>"
        '<div class="wide"><table><thead><tr><th>network</th><th class="text">what is kept</th>'
        "<th>smallest number</th><th>accuracy with it</th><th>whole input</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
