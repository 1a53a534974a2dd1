"""The command `tnlearn label`: the winding numbers of a file of chains.

Imports nothing heavy until it is called, as the command line it belongs to.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["add"]

KINDS = ("auto", "block", "hamiltonian")
BOUNDARIES = ("open", "periodic")
ON_ERROR = ("stop", "skip")


def add(
    commands: Any,
    integer: Callable[[int], Callable[[str], int]],
    choice: Callable[..., Callable[[str], str]],
    window: Callable[[str], float],
) -> argparse.ArgumentParser:
    """Add the command; the functions make the argument types of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "label",
        help="winding numbers of the Hamiltonians in a file",
        description="Write the winding number of every sample in INPUT to OUTPUT, with the "
        "integer, the gap, whether it is reliable, the method and a bound on the error. INPUT is "
        ".npy, .npz or .h5: Hamiltonians H, blocks h (dense, or sparse as scipy saves them), "
        "hoppings t0, t1, … or a data set of tnlearn; one or many, of any size, for it is read a "
        "stretch at a time. Interrupted or killed, the same command goes on where it stopped.",
        allow_abbrev=False,
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="ends in .npy, .npz, .h5, .hdf5")
    # The methods are checked where they are known: their module loads numpy.
    parser.add_argument("--method", default="rswn", metavar="METHOD", help="default: rswn")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUTPUT", help="ends in .csv or .npz"
    )
    parser.add_argument(
        "--boundary",
        type=choice("boundary", BOUNDARIES),
        metavar="BOUNDARY",
        help="open or periodic; default: what the file says, else open",
    )
    parser.add_argument(
        "--window",
        type=window,
        default=0.5,
        metavar="F",
        help="of rswn on an open chain: share of the cells; default: 0.5",
    )
    parser.add_argument(
        "--kind",
        type=choice("kind", KINDS),
        default="auto",
        metavar="KIND",
        help="what a matrix is: block, hamiltonian, or auto (the default): told by its name in "
        "the file (h, H), else a Hermitian one is a Hamiltonian",
    )
    parser.add_argument("--key", metavar="NAME", help="which array of an .npz or .h5 file")
    parser.add_argument(
        "--sublattice",
        metavar="ORDER",
        help="of a Hamiltonian: site (A B A B …), sublattice (A A … B B …), letters such as "
        "ABBA, or an .npy file of +1 and -1; default: what the file says, else found",
    )
    parser.add_argument(
        "--chiral", type=Path, metavar="FILE.npy", help="chiral operator of the Hamiltonians"
    )
    parser.add_argument(
        "--positions",
        type=Path,
        metavar="FILE.npy",
        help="where the orbitals are, if not in order along the chain",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="E",
        help="error that the fast forms of rswn may make, 1e-13 to 0.1; default: 1e-12",
    )
    parser.add_argument(
        "--threads", type=integer(1), default=1, metavar="N", help="share the samples; default: 1"
    )
    parser.add_argument(
        "--chunk", type=integer(1), metavar="N", help="samples at a time; default: about 64 MiB"
    )
    parser.add_argument(
        "--on-error",
        type=choice("on-error", ON_ERROR),
        default="stop",
        metavar="WHAT",
        help="what to do with a sample that cannot be labelled (not chiral, NaN): stop, the "
        "default, or skip: it gets a row without a number, and the reason",
    )
    parser.set_defaults(call=_label)
    return parser


def _label(options: argparse.Namespace) -> int:
    """Label the file and say how it went."""
    from tnlearn.data.label_file import label_file

    sublattice = options.sublattice
    if sublattice is not None and sublattice.lower().endswith(".npy"):
        sublattice = _array(Path(sublattice))
    done = label_file(
        options.input,
        options.out,
        options.method,
        boundary=options.boundary,
        window=options.window,
        kind=options.kind,
        key=options.key,
        sublattice=sublattice,
        chiral=None if options.chiral is None else _array(options.chiral),
        positions=None if options.positions is None else _array(options.positions),
        tolerance=options.tolerance,
        threads=options.threads,
        chunk=options.chunk,
        on_error=options.on_error,
    )
    again = f"; {done.resumed} of them were there from before" if done.resumed else ""
    skipped = sum(done.skipped.values())
    print(f"{done.samples - skipped} samples labelled, {done.reliable} reliably{again}")
    if skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in done.skipped.items())
        print(f"{skipped} samples skipped: {reasons}")
    print(f"The table is {done.output.resolve()}")
    return 0


def _array(path: Path) -> Any:
    """A small array from an .npy file."""
    import numpy as np

    from tnlearn.errors import FileError

    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"cannot read {path} as an .npy file: {error}") from error
    if not isinstance(found, np.ndarray):
        raise FileError(f"{path} holds several arrays; an .npy file of one is expected")
    return found
