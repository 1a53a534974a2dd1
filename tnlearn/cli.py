"""The command line: `tnlearn benchmark`, `study`, `draw`, `label`, `phase-diagram`, `about`.

A thin face: it reads the arguments, calls one function of the package, and
turns every deliberate error into one line on stderr and exit status 2.
Everything heavy is imported inside the command that needs it, so that
`tnlearn --help` starts without numpy, torch, quimb or matplotlib.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tnlearn import __version__

if TYPE_CHECKING:
    from tnlearn.models.network import Network

__all__ = ["main"]

BASELINES = ("linear", "mlp", "cnn", "resnet", "attention", "symmetric")
FORMS = ("operator", "sublattice", "quartic", "lowrank")
PICTURES = (".html", ".svg", ".png")
PACKAGES = (
    *("numpy", "scipy", "numba", "networkx", "matplotlib", "autoray", "cotengra", "quimb"),
    *("tensornetwork", "torch", "h5py"),
)
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors of the package, hence one line each."""

    def error(self, message: str) -> NoReturn:
        from tnlearn.errors import ConfigError

        raise ConfigError(f"{message} (see '{self.prog} --help')")


def _choice(what: str, options: Sequence[str]) -> Callable[[str], str]:
    """An argument type that accepts one of `options` and else names the nearest right one."""

    def parse(text: str) -> str:
        from tnlearn.errors import UnknownNameError, check_choice

        try:
            return check_choice(what, text, options)
        except UnknownNameError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _integer(least: int) -> Callable[[str], int]:
    """An argument type for whole numbers from `least` on."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return value

    return parse


def _window(text: str) -> float:
    """The share of the cells inside the bulk window, in (0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1")
    return value


def _benchmark(options: argparse.Namespace) -> int:
    """Run or resume the comparison and say where the report is."""
    from tnlearn.studies import benchmark

    out = options.out
    if out is None:
        out = Path(f"benchmark-{Path(options.profile).stem}")
    report = benchmark.run(
        profile=options.profile,
        out=out,
        seed=options.seed,
        members=options.members,
        workers=options.workers,
    )
    print(f"The report is {report.resolve()}")
    return 0


def _draw(options: argparse.Namespace) -> int:
    """Draw one network to a file."""
    from tnlearn.errors import ConfigError, FileError, check_choice

    suffix = check_choice("kind of picture", options.out.suffix.lower(), PICTURES)
    if not options.out.parent.is_dir():
        raise FileError(f"the folder {options.out.parent} does not exist; create it first")
    if options.tree and suffix == ".html":
        raise ConfigError("a contraction tree is drawn as a figure: give --out a .svg or .png name")
    net = _network(options)
    if suffix == ".html":
        net.to_html(options.out)
    elif options.tree:
        net.draw_tree(options.out)
    else:
        net.draw(options.out)
    print(f"The drawing is {options.out.resolve()}")
    return 0


def _network(options: argparse.Namespace) -> Network:
    """The network that the options of `draw` describe."""
    from tnlearn.errors import ConfigError

    for_rswn = {"--form": options.form, "--boundary": options.boundary, "--window": options.window}
    if options.model == "rswn":
        from tnlearn.models.rswn import rswn

        if options.classes is not None:
            raise ConfigError("--classes is for the baselines; the winding number is one number")
        return rswn(
            options.cells,
            form=options.form or "operator",
            boundary=options.boundary or "open",
            window=0.5 if options.window is None else options.window,
        )
    given = [flag for flag, value in for_rswn.items() if value is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)}: only for rswn, not for the baseline {options.model}"
        )
    from tnlearn.models.baselines import baseline

    return baseline(options.model, cells=options.cells, classes=options.classes or 4)


def _about(options: argparse.Namespace) -> int:
    """Print what this installation is made of."""
    facts = _facts()
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {fact}")
    return 0


def _facts() -> dict[str, str]:
    """What this installation is made of: versions, place, threads, BLAS, compiler, accelerator."""
    import os
    import platform
    import shutil
    from importlib.metadata import PackageNotFoundError, version

    import numpy as np
    import torch

    facts = {
        "tnlearn": f"{__version__}, in {Path(__file__).resolve().parent}",
        "python": f"{platform.python_version()}, {sys.executable}",
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts["system"] = f"{platform.system()} {platform.machine()}, {usable} usable cores"
    facts["threads"] = f"torch would use {torch.get_num_threads()}" + "".join(
        f", {name}={os.environ[name]}" for name in THREAD_SETTINGS if name in os.environ
    )
    mkl = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    facts["BLAS"] = (
        f"numpy: {blas.get('name', 'unknown')} {blas.get('version', '')}; "
        f"torch: {'MKL' if mkl else 'OpenBLAS or another'}"
    )
    compilers = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    found = next((path for name in compilers if name and (path := shutil.which(name))), None)
    facts["compiler"] = found or "none found: everything works, without compiled steps"
    facts["accelerator"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return facts


def _parser() -> tuple[_Parser, dict[str, argparse.ArgumentParser]]:
    """The parser, and the parsers of the commands by name."""
    parser = _Parser(
        prog="tnlearn",
        description="Topological invariants as trainable tensor networks.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tnlearn {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    bench = commands.add_parser(
        "benchmark",
        help="train every network of a profile and write a report; run again to resume",
        description="Train every network of a profile, test it on every shift and write "
        "DIR/report.html, results.json, figures/*.png and config.toml. Run again with the same "
        "arguments, it goes on where it stopped.",
        allow_abbrev=False,
    )
    bench.add_argument(
        "--profile", default="quick", metavar="quick|paper|FILE.toml", help="default: quick"
    )
    bench.add_argument("--out", type=Path, metavar="DIR", help="default: benchmark-PROFILE")
    bench.add_argument("--seed", type=_integer(0), metavar="N", help="instead of the profile's")
    bench.add_argument("--members", type=_integer(1), metavar="N", help="members per network")
    bench.add_argument("--workers", type=_integer(1), metavar="N", help="processes")
    bench.set_defaults(call=_benchmark)

    models = ("rswn", *BASELINES)
    draw = commands.add_parser(
        "draw",
        help="draw a network",
        description="Draw the winding number or a baseline as the tensor network it is.",
        allow_abbrev=False,
    )
    draw.add_argument(
        "model", type=_choice("model", models), metavar="MODEL", help=f"one of {', '.join(models)}"
    )
    draw.add_argument("--cells", type=_integer(2), default=20, metavar="L", help="default: 20")
    draw.add_argument(
        "--form",
        type=_choice("form", FORMS),
        metavar="FORM",
        help=f"of rswn: {', '.join(FORMS)}; default: operator",
    )
    draw.add_argument(
        "--boundary",
        type=_choice("boundary", ("open", "periodic")),
        metavar="BOUNDARY",
        help="of rswn: open (the default) or periodic",
    )
    draw.add_argument(
        "--window", type=_window, metavar="F", help="of rswn: share of the cells; default: 0.5"
    )
    draw.add_argument("--classes", type=_integer(2), metavar="N", help="of a baseline; default: 4")
    draw.add_argument("--tree", action="store_true", help="the contraction tree, not the network")
    draw.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=f"ends in {', '.join(PICTURES)}"
    )
    draw.set_defaults(call=_draw)

    from tnlearn import cli_label, cli_phase, cli_study

    label = cli_label.add(commands, _integer, _choice, _window)
    phase = cli_phase.add(commands, _integer, _choice)
    study = cli_study.add(commands, _integer, _choice)
    claims = cli_study.add_claims(commands)

    about = commands.add_parser(
        "about", help="versions, threads, BLAS, compiler", allow_abbrev=False
    )
    about.set_defaults(call=_about)
    named = {"benchmark": bench, "study": study, "claims": claims, "draw": draw, "label": label}
    return parser, {**named, "phase-diagram": phase, "about": about}


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments; a misspelt command or option is answered with the nearest right one."""
    from difflib import get_close_matches

    parser, commands = _parser()
    # argparse lists what is known but does not say what was meant, so the two kinds of name
    # that it checks by itself are checked here: the command and the options.
    first = next((word for word in argv if not word.startswith("-")), None)
    if first is not None and first not in commands:
        from tnlearn.errors import check_choice

        check_choice("command", first, commands)
    options, extra = parser.parse_known_args(argv)
    if extra:
        known = re.findall(r"--[a-z-]+", commands[options.command].format_usage())
        close = get_close_matches(extra[0], known, n=1, cutoff=0.5)
        hint = f": did you mean {close[0]}?" if close else ""
        commands[options.command].error(f"unknown argument {extra[0]!r}{hint}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done; 2: an error, explained in one line on stderr; 130: interrupted by the user.

    Parameters
    ----------
    argv
        The arguments after the program's name; those of the process if None.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        options = _parse(words)
        return int(options.call(options))
    except SystemExit as stop:  # --help and --version
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        resumable = words[:1] in (["benchmark"], ["study"], ["label"], ["phase-diagram"])
        again = "; the same command goes on where it stopped" if resumable else ""
        print(f"tnlearn: interrupted{again}", file=sys.stderr)
        return 130
    except Exception as error:
        # Only now is the family of errors needed: its module loads numpy.
        from tnlearn.errors import TnlearnError

        if not isinstance(error, TnlearnError | OSError):
            raise
        message = " ".join(str(error).split())
        print(f"tnlearn: {message}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
