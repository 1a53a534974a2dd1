"""The page of the study `trainability`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tnlearn.report.curves import interval, listed
from tnlearn.report.html import figure as shown
from tnlearn.report.html import folded
from tnlearn.report.statistics import wilson
from tnlearn.report.study import Page
from tnlearn.report.study_trainability_figures import (
    basin,
    consequence,
    densities,
    gradients,
    lines,
    maps,
)
from tnlearn.report.style import save

__all__ = ["page"]

Results = Mapping[str, Any]

_CLAIMS = {
    "less-trainable": "Is the network that holds the exact solution less trainable?",
    "init-sensitive": "Does its training depend on the initialisation?",
    "operator-mended": "Can the operator form train as reliably as the quartic form?",
}


def page(results: Results, folder: Path) -> Page:
    """Draw the figures and say what they show."""
    figures = folder / "figures"
    sections = [
        (
            "maps",
            "Success over initialisation scale and learning rate",
            _maps(results, figures),
        ),
        ("consequence", "The operator form, mended", _consequence(results, figures)),
        ("basin", "The basin of the exact solution", _basin(results, figures)),
        ("gradient", "Gradients against length", _gradients(results, figures)),
        ("spectrum", "Curvature", _spectra(results, figures)),
        ("lines", "From the exact solution to the learned ones", _lines(results, figures)),
        ("verdicts", "Verdicts in full", _verdicts(results)),
    ]
    # A number and its sign of per cent stay on one line.
    kept = [(name, head, text.replace(" %", "\u00a0%")) for name, head, text in sections]
    return Page(answer=_answer(results), sections=kept)


def _answer(results: Results) -> list[str]:
    said = [
        f"{_CLAIMS[verdict['claim']]} {str(verdict['verdict']).capitalize()}: "
        # Of what was mended the numbers say more than the condition.
        f"{verdict['because' if verdict['claim'] == 'operator-mended' else 'condition']}."
        for verdict in results["verdicts"]
    ]
    edges = [f"{form} {_radius(found)}" for form, found in results["basin"]["forms"].items()]
    away = [
        f"{form} {interval(*_ends(found['rows'][0]['cosine_after']))}"
        for form, found in results["basin"]["forms"].items()
    ]
    said.append(
        "Started at the exact solution with noise, half of the members still succeed up to a "
        f"noise, over the rms of the node, of: {', '.join(edges)}. The exact solution itself is "
        "not what training settles in: started there without noise, the cosine of the trained "
        f"kernel with the exact one is {', '.join(away)}."
    )
    return said


def _ends(value: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    return value.get("mean", value.get("median")), value["low"], value["high"]


def _radius(found: Mapping[str, Any]) -> str:
    edge, largest = found["radius"], found["rows"][-1]["noise"]
    if edge["value"] is None:
        low = "" if edge["low"] is None else f" (95 %: above {edge['low']:.2g})"
        return f"more than {largest:g}{low}"
    high = f"> {largest:g}" if edge["high"] is None else f"{edge['high']:.2g}"
    return f"{edge['value']:.2g} [{edge['low']:.2g}, {high}]"


# ---------------------------------------------------------------------- sections


def _maps(results: Results, figures: Path) -> str:
    said = "".join(
        f"<li>{escape(found['title'])}: success is a validation accuracy of at least "
        f"{found['threshold']:g} after {found['epochs']} epochs.</li>"
        for found in results["maps"].values()
    )
    return (
        f"<p>Every number is a share of members, each with its own start and data order.</p>"
        f"<ul>{said}</ul>"
        + shown(
            save(maps(results), figures / "maps.png"),
            "Members (%) whose validation accuracy reaches the threshold in the title. The nodes "
            "of a formula start from normal numbers of the given scale (the mended form from what "
            "is told below, times it); the head starts as ever, and a baseline from its own "
            "initial values times it.",
            "Success maps, a panel a network",
        )
        + folded("Every cell, with Wilson's 95 % interval", _cells(results))
    )


def _cells(results: Results) -> str:
    hows = results["config"]["shifts"]
    rows = []
    for found in results["maps"].values():
        for network in found["networks"].values():
            rows.append(
                f'<tr class="family"><th colspan="{5 + len(hows)}">{escape(network["title"])} '
                f"(≥ {found['threshold']:g})</th></tr>"
            )
            for cell in network["cells"]:
                low, high = wilson(cell["success"], cell["members"])
                shifts = "".join(f"<td>{_mean(cell['shifts'][how])}</td>" for how in hows)
                rows.append(
                    f"<tr><th>scale {cell['scale']:g}</th><td>{cell['rate']:g}</td>"
                    f"<td>{cell['success']}/{cell['members']}</td>"
                    f"<td>{100 * low:.0f} to {100 * high:.0f} %</td>"
                    f"<td>{_mean(cell['accuracy'])}</td>{shifts}</tr>"
                )
    head = "".join(
        f"<th>{escape(words)}</th>"
        for words in ("cell", "rate", "success", "95 %", "validation accuracy", *hows)
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _mean(value: Mapping[str, Any]) -> str:
    return interval(*_ends(value), pattern="{:.3f}")


def _consequence(results: Results, figures: Path) -> str:
    verdict = _verdict(results, "operator-mended")
    chosen = results["config"]["verdicts"]
    mended = results["config"]["entries"][chosen["mended"]]
    return (
        f"<p><b>{escape(str(verdict['verdict']).capitalize())}.</b> {escape(verdict['because'])}."
        "</p><p>The operator form holds every position twice, once for each sublattice. Since q "
        "is unitary, the distance between the two moves W of every sample by the same number: a "
        "steep direction in which nothing can be learned. And a position, or the edge of a "
        "window, is a long slope that takes many entries to agree. Mended: "
        f"{escape(str(mended['description']))}.</p>"
        + shown(
            save(consequence(results), figures / "consequence.png"),
            "Share of members that succeed, with Wilson's 95 % interval, at every learning rate "
            "(all scales together) and at every scale (all learning rates together).",
            "Success of the operator form, plain and mended, and of the quartic form",
        )
        + _table(
            [f for f in results["findings"] if f["claim"] == "operator-mended"],
        )
    )


def _verdict(results: Results, claim: str) -> Mapping[str, Any]:
    return next(verdict for verdict in results["verdicts"] if verdict["claim"] == claim)


def _table(findings: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f'<tr><th>{escape(f["name"])}</th><td class="text">{escape(str(f["network"]))}</td>'
        f"<td>{_value(f)}</td><td>{f['members']}</td>"
        f'<td class="text">{escape(f["condition"])}</td></tr>'
        for f in findings
    )
    return (
        '<div class="wide"><table><thead><tr><th>measured</th><th class="text">network</th>'
        '<th>value [95 %]</th><th>members</th><th class="text">condition</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _value(finding: Mapping[str, Any]) -> str:
    if finding["value"] is None:
        return "beyond" + ("" if finding["low"] is None else f", above {finding['low']:.2g}")
    return interval(finding["value"], finding["low"], finding["high"], pattern="{:.3f}")


def _basin(results: Results, figures: Path) -> str:
    found = results["basin"]
    return shown(
        save(basin(results), figures / "basin.png"),
        "One channel, started at the exact solution (the rounding head of least loss) with normal "
        "noise on the nodes of the formula, then trained at the learning rate "
        f"{found['rate']:g}. Left: members that reach {found['threshold']:g}, Wilson's 95 % "
        "interval; the radius is where this falls below 1/2. Middle: accuracy. Right: cosine "
        "between the kernel D(x, y) of the network and the exact one, both less what depends on "
        "x or on y only, which |q|² cannot see. Means over members with 95 % intervals.",
        "Success, accuracy and cosine against the noise on the exact solution",
    ) + _radii(results)


def _radii(results: Results) -> str:
    rows = "".join(
        f"<tr><th>{escape(form)}</th><td>{escape(_radius(found))}</td>"
        f"<td>{_mean(found['rows'][0]['untrained'])}</td>"
        f"<td>{_mean(found['rows'][0]['trained'])}</td>"
        f"<td>{_mean(found['rows'][0]['cosine_after'])}</td></tr>"
        for form, found in results["basin"]["forms"].items()
    )
    return (
        '<div class="wide"><table><thead><tr><th>form</th><th>radius (noise / rms) [95 %]</th>'
        "<th>accuracy of the exact solution</th><th>trained from it</th>"
        f"<th>cosine after</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _gradients(results: Results, figures: Path) -> str:
    laws = [
        f"{network['title']}: {network['variance']['law']}"
        for network in results["gradient"].values()
        if network["variance"]["law"] is not None
    ]
    chosen = results["config"]["gradient"]
    return shown(
        save(gradients(results), figures / "gradients.png"),
        f"Gradient of the loss on {chosen['samples']} chains with respect to the nodes of the "
        f"formula, at {chosen['members']} random starts of scale {chosen['scale']:g}. Left: mean "
        "norm with 95 % interval. Right: variance of a component over the starts, mean over "
        "components. In the legend the power of L (of the mean norm, and of the mean square of a "
        "component) with a 95 % interval from drawing the starts anew.",
        "Norm and variance of the gradient against length",
    ) + (
        "<p>A power of L, or an exponential, whichever leaves less of the logarithm of the mean "
        f"square of a component unexplained: {escape('; '.join(laws))}.</p>"
        if laws
        else ""
    )


def _spectra(results: Results, figures: Path) -> str:
    rows = []
    for network in results["spectrum"]["networks"].values():
        for place, words in (("start", "start"), ("learned", "learned"), ("exact", "exact")):
            found = network["places"].get(place)
            if found is None:
                continue
            cells = [
                f"{found['loss']['mean']:.3f}",
                _sized(found["gradient"]),
                _sized(found["lowest"]),
                _sized(found["highest"]),
                f"{100 * found['flat']['mean']:.0f} %",
                f"{100 * found['negative']['mean']:.0f} %",
                str(found["members"]),
            ]
            rows.append(
                f"<tr><th>{escape(network['title'])}</th><td>{words}</td>"
                + "".join(f"<td>{cell}</td>" for cell in cells)
                + "</tr>"
            )
    head = "".join(
        f"<th>{words}</th>"
        for words in (
            "network",
            "at",
            "loss (nats)",
            "|gradient|",
            "lowest eigenvalue",
            "highest eigenvalue",
            "flat",
            "negative",
            "members",
        )
    )
    return shown(
        save(densities(results), figures / "spectra.png"),
        "Density of the eigenvalues of the Hessian of the training loss (stochastic Lanczos "
        "quadrature, bins of a quarter of a decade on either side of zero; the bin around zero is "
        " |λ| < 10⁻⁶), mean over members, with the number of parameters in the "
        "title. Triangles: mean lowest and highest eigenvalue (ARPACK).",
        "Spectral densities of the Hessian, a panel a network",
    ) + (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div><p>Flat: |λ| below 10⁻⁶ of the largest; negative: below minus that. Of "
        "the quartic form's D, 2L − 2 directions are exactly flat for every loss: functions of x "
        "or of y alone, of mean zero.</p>"
    )


def _sized(value: Mapping[str, Any]) -> str:
    return interval(*_ends(value), pattern="{:.2g}")


def _lines(results: Results, figures: Path) -> str:
    rows = []
    for network in results["lines"].values():
        for kind, words in (("exact", "exact to learned"), ("learned", "learned to learned")):
            if kind not in network:
                continue
            found = network[kind]
            rows.append(
                f"<tr><th>{escape(network['title'])}</th><td>{words}</td>"
                f"<td>{interval(*_ends(found['barrier']), pattern='{:.3f}')}</td>"
                f"<td>{found['over']}/{found['members']}</td>"
                f"<td>{interval(*_ends(found['cosine']))}</td>"
                f"<td>{network['ordered']}/{network['members']}</td></tr>"
            )
    names = listed([network["title"] for network in results["lines"].values()])
    return (
        f"<p>{escape(names)}. Before a line is drawn both ends are brought to the normal form: X, "
        "window, left and right of mean zero and D without what depends on x or y only (the "
        "constant goes into the bias), head of mean zero over the classes, each node with the "
        "norm of the exact one and the sign, or rotation of the bond, nearest to it; the factor "
        "goes into the head. All of this leaves the function as it is.</p>"
        + shown(
            save(lines(results), figures / "lines.png"),
            "Training loss on the straight line, median over members with its 95 % interval.",
            "Loss on straight lines between solutions",
        )
        + '<div class="wide"><table><thead><tr><th>network</th><th>line</th><th>barrier (nats), '
        "median [95 %]</th><th>lines with a barrier</th><th>cosine of the kernels</th>"
        "<th>W learned in the order of the classes</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        "<p>Barrier: the highest loss on the line above that of its higher end.</p>"
    )


def _verdicts(results: Results) -> str:
    parts = []
    for verdict in results["verdicts"]:
        rows = [f for f in results["findings"] if f["claim"] == verdict["claim"]]
        parts.append(
            f"<h3>{escape(_CLAIMS[verdict['claim']])}</h3><p><b>"
            f"{escape(str(verdict['verdict']).capitalize())}.</b> "
            f"{escape(verdict['because'])}.</p>" + folded("Every number of it", _table(rows))
        )
    return "".join(parts)
