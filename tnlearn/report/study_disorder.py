"""The page of the study `disorder`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.report.curves import interval, listed, per_cent
from tnlearn.report.html import figure as shown
from tnlearn.report.html import folded, switch
from tnlearn.report.statistics import summary
from tnlearn.report.study import Page
from tnlearn.report.study_disorder_figures import against, knowledge, maps, regret
from tnlearn.report.style import save

__all__ = ["page"]


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the figures and say what they show."""
    figures = folder / "figures"
    how = results["config"]["correlation"]
    sections = [
        (
            "accuracy",
            "Trained at one strength, tested at every strength",
            shown(
                save(against(results), figures / "accuracy.png"),
                "Accuracy on all test chains against the strength of the disorder they have, mean "
                "over members with 95 % interval, for each strength trained at; every training "
                "set has the same number of chains. Black, dashed: the untrained formula on the "
                "open chain, rounded. Dotted: guessing.",
                "Accuracy against disorder, a panel a network, a line a training",
            )
            + folded(
                "Every training and every test",
                switch("matrix", _matrix(results, "accuracy"), _matrix(results, "accuracy_clear")),
            ),
        ),
        (
            "regret",
            "Regret of training clean",
            shown(
                save(regret(results), figures / "regret.png"),
                "Accuracy of the network trained on the mixture less that of the one trained "
                "clean, in points, with Welch's 95 % interval. Members that did not learn at all "
                "(validation accuracy less than half way from guessing to the best member) are "
                "left out of both. The dashed line is the goal, one point.",
                "Regret by network and strength",
            )
            + _regrets(results),
        ),
        (
            "correlation",
            "Where the correlation with the label goes",
            shown(
                save(maps(results), figures / "maps.png"),
                "Share of the variance of an amplitude that the label explains (Kelley's ε²). "
                "|u_n(x)|² and |v_n(y)|²: states ascend in energy; |q_xy|²: x on sublattice A, y "
                f"on B. {how['samples']:,} chains at each strength.",
                "Maps of the correlation ratio",
            )
            + shown(
                save(knowledge(results), figures / "regions.png"),
                "The same, averaged over regions: nearest zero are the "
                f"{how['edge_states']} pairs of lowest |E|, outer cells "
                f"{100 * how['edge']:g} % of the chain at each end. 95 % intervals by "
                "resampling the chains.",
                "Correlation ratio of regions against disorder",
            )
            + _patterns(results),
        ),
        ("chains", "The chains", _chains(results)),
    ]
    return Page(answer=_answer(results), sections=sections)


def _answer(results: Mapping[str, Any]) -> list[str]:
    said = []
    strengths = [w for w in results["test_at"] if w > 0]
    for strength in strengths:
        rows = [r for r in results["regrets"] if r["strength"] == strength]
        rows.sort(key=lambda r: r["value"])
        ends = " to ".join(
            f"{interval(r['value'], r['low'], r['high'], '{:.1f}')} ({r['network']})"
            for r in (rows[0], rows[-1])
        )
        met = [r["network"] for r in rows if r["high"] is not None and r["high"] <= 1.0]
        goal = listed(met) if met else "no network"
        said.append(
            f"At disorder {strength:g} the regret of training clean reaches, in points, from "
            f"{ends}; at most one point, beyond doubt: {goal}."
        )
    for verdict in results["verdicts"]:
        said.append(
            f"That disorder erodes what rests on correlation: {verdict['verdict']} "
            f"({verdict['condition']})."
        )
    return said


def _at(at: float | list[float]) -> str:
    return "the mixture" if isinstance(at, list) else "clean" if at == 0 else f"disorder {at:g}"


def _matrix(results: Mapping[str, Any], key: str) -> str:
    tests = results["test_at"]
    head = "".join(f"<th>{_at(w)}</th>" for w in tests)
    rows = []
    for name, trainings in results["networks"].items():
        title = escape(str(results["config"]["entries"][name]["title"]))
        members = len(trainings[0]["accuracy"])
        words = f"{title}, {members} members"
        rows.append(f'<tr class="family"><th colspan="{len(tests) + 1}">{words}</th></tr>')
        columns = [np.array(t[key], dtype=float).T for t in trainings]
        best = [max(summary(c[k]).mean for c in columns) for k in range(len(tests))]
        for training, column in zip(trainings, columns, strict=True):
            cells = []
            for k in range(len(tests)):
                found = summary(column[k])
                level = found.mean == best[k]
                cells.append(f"<td{' class=best' if level else ''}><b>{per_cent(found)}</b></td>")
            rows.append(f"<tr><th>trained: {_at(training['at'])}</th>{''.join(cells)}</tr>")
    return (
        f'<div class="wide"><table><thead><tr><th>tested at</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _regrets(results: Mapping[str, Any]) -> str:
    strengths = results["test_at"]
    names = list(dict.fromkeys(r["network"] for r in results["regrets"]))
    rows = []
    for name in names:
        mine = {r["strength"]: r for r in results["regrets"] if r["network"] == name}
        cells = "".join(
            f"<td>{interval(r['value'], r['low'], r['high'], '{:+.1f}')}"
            f"<small>{r['clear']:+.1f} unambiguous</small></td>"
            for r in (mine[w] for w in strengths)
        ).replace("<small>-", "<small>−")
        rows.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    head = "".join(f"<th>{_at(w)}</th>" for w in strengths)
    return (
        f'<div class="wide"><table><thead><tr><th>regret, points</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _patterns(results: Mapping[str, Any]) -> str:
    rows = results["correlation"]
    head = "".join(f"<th>{_at(row['strength'])}</th>" for row in rows)
    body = "".join(
        f"<tr><th>{title}</th>"
        + "".join(f"<td>{row[kind]['pattern']:.3f}</td>" for row in rows)
        + "</tr>"
        for kind, title in (("u2", "|u|²"), ("v2", "|v|²"), ("q2", "|q|²"))
    )
    return (
        "<h3>Does the pattern stay?</h3><p>Cosine between the class means of the amplitudes at a "
        "strength and those of the clean chains: 1 where disorder only weakens the pattern.</p>"
        f'<div class="wide"><table><thead><tr><th>amplitude</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _chains(results: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{_at(row['strength'])}</th><td>{row['samples']:,}</td>"
        f"<td>{100 * row['ambiguous'] / row['samples']:.1f} %</td>"
        + "".join(
            f"<td>{100 * row[b]['all'] / row['samples']:.1f} %</td>"
            f"<td>{100 * row[b]['clear'] / max(1, row['samples'] - row['ambiguous']):.1f} %</td>"
            for b in ("open", "ring")
        )
        + "</tr>"
        for row in results["exact"]
    )
    head = "".join(
        f"<th>{word}</th>"
        for word in (
            "disorder",
            "chains",
            "ambiguous",
            "rounded RSWN, open",
            "the same, unambiguous",
            "rounded RSWN, ring",
            "the same, unambiguous",
        )
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        '</div><p class="notes">Ambiguous: kinds of winding number of the ring disagree, or its '
        "RSWN is more than 0.3 from an integer.</p>"
    )
