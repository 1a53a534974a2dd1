"""The command `tnlearn study`: its arguments, and one call of the package."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["NAMES", "add"]

# Spelt out here so that `tnlearn --help` starts without the studies; a test holds them equal.
NAMES = ("trainability", "pruning", "audit", "sizes", "disorder", "samples", "marker")


def add(
    commands: Any,
    integer: Callable[[int], Callable[[str], int]],
    choice: Callable[..., Callable[[str], str]],
) -> argparse.ArgumentParser:
    """Add the command to the parser, and return its own parser."""
    names = (*NAMES, "all")
    parser: argparse.ArgumentParser = commands.add_parser(
        "study",
        help="run one of the experiments and write its report; run again to resume",
        description="Run an experiment and write DIR/report.html, results.json, figures/*.png and "
        "config.toml. Run again with the same arguments, it goes on where it stopped.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "name", type=choice("study", names), metavar="NAME", help=f"one of {', '.join(names)}"
    )
    parser.add_argument(
        "--profile", default="quick", metavar="quick|hour|paper|FILE.toml", help="default: quick"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: study-NAME-PROFILE")
    parser.add_argument("--seed", type=integer(0), metavar="N", help="instead of the profile's")
    parser.add_argument("--members", type=integer(1), metavar="N", help="members per network")
    parser.add_argument("--workers", type=integer(1), metavar="N", help="processes")
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a dask.distributed scheduler that does the work (pip install 'tnlearn[cluster]')",
    )
    parser.add_argument(
        "--part",
        type=_part,
        metavar="I/N",
        help="do only share I of N of the tasks, for job arrays; no report is written",
    )
    parser.set_defaults(call=_study)
    return parser


def _part(text: str) -> tuple[int, int]:
    """``I/N`` with 1 <= I <= N."""
    first, _, second = text.partition("/")
    if first.isdigit() and second.isdigit() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 1/4, 2/4, 3/4 or 4/4")


def _study(options: argparse.Namespace) -> int:
    """Run or resume a study and say where the report is."""
    from tnlearn.studies.study import study

    done = study(
        options.name,
        profile=options.profile,
        out=options.out,
        seed=options.seed,
        members=options.members,
        workers=options.workers,
        scheduler=options.scheduler,
        part=options.part,
    )
    if done is None:
        share, of = options.part
        print(f"Share {share} of {of} is done; without --part the same command writes the report")
    else:
        words = "The reports are in" if options.name == "all" else "The report is"
        print(f"{words} {done.resolve()}")
    return 0
