"""The commands `tnlearn study` and `tnlearn claims`: arguments, and one call of the package."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["NAMES", "add", "add_claims"]

# Spelt out here so that `tnlearn --help` starts without the studies; a test holds them equal.
NAMES = (*("exact", "trainability", "pruning", "audit", "sizes", "disorder", "samples", "marker"),)


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
        help="of a dask.distributed scheduler that does the work (pip install distributed)",
    )
    part_or_status = parser.add_mutually_exclusive_group()
    part_or_status.add_argument(
        "--part",
        type=_part,
        metavar="I/N",
        help="do only share I of N of the tasks, for job arrays; no report is written",
    )
    part_or_status.add_argument(
        "--status",
        action="store_true",
        help="say how many tasks there are and how many are done, and stop",
    )
    parser.set_defaults(call=_study)
    return parser


def add_claims(commands: Any) -> argparse.ArgumentParser:
    """Add the command `claims` to the parser, and return its own parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "claims",
        help="write the page of claims and verdicts from the results of studies",
        description="Read every results.json of a study below DIR and write the claims made of "
        "these networks beside the numbers measured, with a verdict, as Markdown.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the results are")
    parser.add_argument(
        "--out", type=Path, default=Path("claims.md"), metavar="FILE", help="default: claims.md"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="KEPT",
        help="also copy the numbers and figures of every study there, small enough to be kept, "
        "and write the page from the copies",
    )
    parser.set_defaults(call=_claims)
    return parser


def _claims(options: argparse.Namespace) -> int:
    """Write the page of claims and say where it is."""
    from tnlearn.report.old_claims import write_claims

    folder = options.folder
    if options.keep is not None:
        from tnlearn.report.collect import collect

        collect(folder, options.keep)
        folder = options.keep
    print(f"The claims are in {write_claims(folder, options.out).resolve()}")
    return 0


def _part(text: str) -> tuple[int, int]:
    """``I/N`` with 1 <= I <= N."""
    first, _, second = text.partition("/")
    if first.isdigit() and second.isdigit() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 1/4, 2/4, 3/4 or 4/4")


def _status(options: argparse.Namespace) -> int:
    """Print a line for each kind of task, and one for all."""
    from tnlearn.studies.status import status

    rows = status(
        options.name, options.profile, options.out, seed=options.seed, members=options.members
    )
    tasks, done = sum(row.tasks for row in rows), sum(row.done for row in rows)
    width = max(len(row.kind) for row in rows)
    print(f"{'task':{width}}  {'done':>6}  {'of':>6}")
    for row in rows:
        print(f"{row.kind:{width}}  {row.done:6,}  {row.tasks:6,}")
    print(f"{'all':{width}}  {done:6,}  {tasks:6,}")
    return 0


def _study(options: argparse.Namespace) -> int:
    """Run or resume a study and say where the report is, or how far it is."""
    if options.status:
        return _status(options)
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
