"""The command `tnlearn phase-diagram`: the disordered SSH chain over (intra, disorder).

Imports nothing heavy until it is called, as the command line it belongs to.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["add"]

PICTURES = (".png", ".svg", ".pdf")
# Disorder of the intracell and of the intercell hopping per unit of W.  Papers use both.
SHARES = {"intra": (1.0, 0.5), "inter": (0.5, 1.0)}
TITLES = {
    "intra": "disorder W on the intracell, W/2 on the intercell hopping",
    "inter": "disorder W/2 on the intracell, W on the intercell hopping",
}


def add(
    commands: Any,
    integer: Callable[[int], Callable[[str], int]],
    choice: Callable[..., Callable[[str], str]],
) -> argparse.ArgumentParser:
    """Add the command; `integer` and `choice` make the argument types of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "phase-diagram",
        help="draw the phase diagram of the disordered SSH chain",
        description="Draw the mean winding number of disordered SSH chains over (intra, disorder) "
        "with the boundary of the infinite chain, E ln|t0| = E ln|t1|, over it: one panel for "
        "disorder W intra and W/2 inter, one for W/2 intra and W inter. The numbers are kept "
        "beside the picture in FILE-intra.npz and FILE-inter.npz: run again with the same "
        "arguments, it goes on where it stopped.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("phase-diagram.png"),
        metavar="FILE",
        help=f"ends in {', '.join(PICTURES)}; default: phase-diagram.png",
    )
    parser.add_argument(
        "--convention",
        type=choice("convention", ("both", *SHARES)),
        default="both",
        metavar="both|intra|inter",
        help="which hopping has the full disorder W, the other has W/2; default: both, two panels",
    )
    parser.add_argument(
        "--size", type=_size, default=(500, 200), metavar="NxK", help="points; default: 500x200"
    )
    for name, low, high in (("intra", 0.0, 2.5), ("disorder", 0.0, 6.0)):
        parser.add_argument(
            f"--{name}",
            type=_number,
            nargs=2,
            default=(low, high),
            metavar=("LOW", "HIGH"),
            help=f"range, in units of the hopping; default: {low:g} {high:g}",
        )
    parser.add_argument("--inter", type=_number, default=1.0, metavar="T", help="default: 1")
    parser.add_argument("--cells", type=integer(1), default=50, metavar="L", help="default: 50")
    parser.add_argument(
        "--samples", type=integer(1), default=25, metavar="N", help="chains a point; default: 25"
    )
    parser.add_argument(
        "--kind",
        default="lyapunov",
        metavar="KIND",
        help="of winding number: lyapunov, rswn, twist, log; default: lyapunov",
    )
    parser.add_argument("--seed", type=integer(0), default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--workers", type=integer(1), default=1, metavar="N", help="processes; default: 1"
    )
    parser.set_defaults(call=_draw)
    return parser


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isdecimal() and int(part) >= 2 for part in parts):
        return int(parts[0]), int(parts[1])
    raise argparse.ArgumentTypeError(
        f"{text!r} is not columns x rows, two whole numbers from 2 on, e.g. 500x200"
    )


def _range(options: argparse.Namespace, name: str, least: float) -> tuple[float, float]:
    from tnlearn.errors import ConfigError

    low, high = getattr(options, name)
    if not least <= low < high:
        bound = "" if math.isinf(least) else f" from {least:g} on"
        raise ConfigError(f"--{name} takes a range LOW < HIGH{bound}, got {low:g} {high:g}")
    return low, high


def _draw(options: argparse.Namespace) -> int:
    """Compute (or take up) the diagrams, draw them, say how they meet the boundary."""
    from tnlearn.errors import FileError, check_choice

    check_choice("kind of picture", options.out.suffix.lower(), PICTURES)
    if not options.out.parent.is_dir():
        raise FileError(f"the folder {options.out.parent} does not exist; create it first")
    intra = _range(options, "intra", -math.inf)
    disorder = _range(options, "disorder", 0.0)

    import numpy as np

    from tnlearn.phase.diagram import phase_diagram
    from tnlearn.phase.picture import draw_phases

    conventions = list(SHARES) if options.convention == "both" else [options.convention]
    diagrams = []
    for name in conventions:
        inside, between = SHARES[name]
        kept = options.out.with_name(f"{options.out.stem}-{name}.npz")
        diagram = phase_diagram(
            {
                "intra": np.linspace(*intra, options.size[0]),
                "W": np.linspace(*disorder, options.size[1]),
            },
            disorder={0: (inside, "W"), 1: (between, "W")},
            fixed={"inter": options.inter},
            cells=options.cells,
            samples=options.samples,
            kind=options.kind,
            seed=options.seed,
            workers=options.workers,
            progress=True,
            checkpoint=kept,
        )
        diagrams.append(diagram)
        right = diagram.majority == diagram.infinite()
        clear = diagram.agreement >= 0.8
        told = f"{right.mean():.2%} of all points"
        if clear.any():
            told += f", {right[clear].mean():.3%} of those where 80 % of the chains agree"
        print(f"{TITLES[name]}:\n  the majority has the sign of the infinite chain on {told}")
    # Hoppings and disorder in words, as the diagrams know them, are the titles.
    draw_phases(diagrams, options.out)
    print(f"The diagram is {options.out.resolve()}")
    return 0
