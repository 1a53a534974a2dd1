"""The command line: functions whose signatures are the arguments, and whose docstrings the help.

A thin face: each command calls one function of the package.  Every deliberate error becomes one
line on stderr and exit status 2.  Everything heavy is imported inside the command that needs it, so
that ``tnlearn --help`` starts without numpy, torch, quimb or matplotlib.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number

from tnlearn import __version__

__all__ = ["main"]

# Disorder of the intracell and of the intercell hopping per unit of W.  Papers use both.
SHARES = {"intra": (1.0, 0.5), "inter": (0.5, 1.0)}
RESUMABLE = ("benchmark", "study", "label", "phase-diagram")

Count = Annotated[int, Parameter(validator=Number(gte=1))]
Seed = Annotated[int, Parameter(validator=Number(gte=0))]
Width = Annotated[int, Parameter(validator=Number(gte=2))]
Share = Annotated[float, Parameter(validator=Number(gt=0, lte=1))]


app = cyclopts.App(
    name="tnlearn",
    help="Topological invariants as trainable tensor networks.",
    version=f"tnlearn {__version__}",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


@dataclass(frozen=True)
class Run:
    """What every run of studies is asked.

    Args:
        profile: quick, hour, paper, or a FILE.toml.
        out: Folder of report.html, results.json, table.csv.gz, figures and config.toml; default:
            study-NAME-PROFILE, of the benchmark benchmark-PROFILE.
        seed: Instead of the profile's.
        members: Members of each network.
        workers: Processes.
    """

    profile: str = "quick"
    out: Path | None = None
    seed: Seed | None = None
    members: Count | None = None
    workers: Count | None = None


Runs = Annotated[Run, Parameter(name="*")]


@app.command
def benchmark(*, run: Runs = Run()) -> None:
    """Train every network, test it on every shift, write a report; run again to resume."""
    from tnlearn.lab.study import study

    folder = run.out or Path(f"benchmark-{Path(run.profile).stem}")
    report = study("comparison", **asdict(run) | {"out": folder, "command": "tnlearn benchmark"})
    print(f"The report is {(report or folder).resolve()}")


def _part(_: Any, tokens: Sequence[Any]) -> tuple[int, int]:
    """``I/N`` with 1 <= I <= N."""
    first, _, second = tokens[0].value.partition("/")
    if first.isdigit() and second.isdigit() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise ValueError(f"{tokens[0].value!r} is not a share such as 1/4, 2/4, 3/4 or 4/4")


@app.command(name="study")
def run_study(
    name: str,
    /,
    *,
    run: Runs = Run(),
    scheduler: str | None = None,
    part: Annotated[tuple[int, int] | None, Parameter(converter=_part, n_tokens=1)] = None,
    status: bool = False,
) -> None:
    """Run one of the experiments and write its report; run again to resume.

    Args:
        name: A study, a group of studies (trainability, pruning, disorder), or all.
        scheduler: Address of a dask.distributed scheduler that does the work.
        part: I/N: do only share I of N of the tasks, for job arrays; no report is written.
        status: Say how many tasks there are and how many are done, and stop.
    """
    from tnlearn.errors import ConfigError
    from tnlearn.lab import study as lab

    if status and part:
        raise ConfigError("--status is of all tasks, not of a share: leave --part out")
    if status:
        rows = lab.status(name, run.profile, run.out, seed=run.seed, members=run.members)
        rows.append(("all", "", sum(row[2] for row in rows), sum(row[3] for row in rows)))
        for study, kind, done, total in rows:
            print(f"{f'{study} {kind}':24} {done:6,} of {total:6,}")
        return
    report = lab.study(name, **asdict(run), scheduler=scheduler, part=part)
    if report is None:
        share, of = part or (1, 1)
        print(f"Share {share} of {of} is done; without --part the same command writes the report")
    else:
        words = "The reports are in" if report.is_dir() else "The report is"
        print(f"{words} {report.resolve()}")


@app.command
def claims(folder: Path, /, *, out: Path = Path("claims.md"), keep: Path | None = None) -> None:
    """Write the page of claims and verdicts from the results of studies.

    Args:
        folder: Where the results are: every results.json of a study below it is read.
        out: The page, as Markdown.
        keep: Also copy numbers, tables and figures there, small enough to be kept, and write the
            page from the copies.
    """
    from tnlearn.report.kept import collect, write_claims

    options = f" --keep {keep}" if keep else ""
    command = f"tnlearn claims {folder}{options} --out {out}"
    if keep is not None:
        collect(folder, keep)
    print(f"The claims are in {write_claims(keep or folder, out, command).resolve()}")


@app.command
def draw(
    model: str,
    /,
    *,
    out: Path,
    cells: Width = 20,
    form: str | None = None,
    boundary: str | None = None,
    window: Share | None = None,
    classes: Width | None = None,
    tree: bool = False,
) -> None:
    """Draw the winding number, or a baseline, as the tensor network it is.

    Args:
        model: rswn, or a baseline: linear, mlp, cnn, resnet, attention, symmetric.
        out: The picture; ends in .html, .svg or .png.
        cells: Unit cells of the chains.
        form: Of rswn: operator (the default), sublattice, quartic, lowrank.
        boundary: Of rswn: open (the default) or periodic.
        window: Of rswn: share of the cells; default 0.5.
        classes: Of a baseline; default 4.
        tree: The contraction tree, not the network.
    """
    from tnlearn.errors import ConfigError, check_choice
    from tnlearn.models.baselines import KINDS, baseline
    from tnlearn.models.rswn import rswn

    suffix = _picture(out, (".html", ".svg", ".png"))
    if tree and suffix == ".html":
        raise ConfigError("a contraction tree is drawn as a figure: give --out a .svg or .png name")
    options = {"form": form, "boundary": boundary, "window": window}
    chosen: dict[str, Any] = {key: x for key, x in options.items() if x is not None}
    if check_choice("model", model, ("rswn", *KINDS)) == "rswn":
        if classes is not None:
            raise ConfigError("--classes is for the baselines; the winding number is one number")
        net = rswn(cells, **{"form": "operator", **chosen})
    elif chosen:
        flags = ", ".join(f"--{key}" for key in chosen)
        raise ConfigError(f"{flags}: only for rswn, not for the baseline {model}")
    else:
        net = baseline(model, cells=cells, classes=classes or 4)
    write = net.to_html if suffix == ".html" else net.draw_tree if tree else net.draw
    write(out)
    print(f"The drawing is {out.resolve()}")


@dataclass(frozen=True)
class Labelling:
    """What goes on to the labelling of a file as it is.

    Args:
        method: rswn, lyapunov, twist, log, localizer or momentum.
        boundary: open or periodic; default: what the file says, else what the corners of each
            matrix say.
        window: Of rswn on an open chain: share of the cells.
        kind: What a matrix is: block, hamiltonian, or auto: told by its name in the file (h, H),
            else by its structure.
        order: Of the orbitals: site (cell after cell), sublattice (all A, then all B), orbital (all
            cells of one orbital after the other); default: the one that makes a chain of it.
        cells: Number of unit cells, where they have several orbitals on a sublattice.
        key: Which array of an .npz or .h5 file.
        tolerance: What counts as rounding, 1e-13 to 0.1, of the elements of a matrix (default:
            1e-8, and 1e-4 in single precision) and of the fast forms of rswn (1e-12).
        threads: That share the samples.
        chunk: Samples at a time; default: about 64 MiB.
        on_error: What to do with a sample that cannot be labelled (not chiral, NaN): stop, or skip:
            it gets a row without a number, and the reason.
    """

    method: str = "rswn"
    boundary: str | None = None
    window: Share = 0.5
    kind: str = "auto"
    order: str | None = None
    cells: Count | None = None
    key: str | None = None
    tolerance: float | None = None
    threads: Count = 1
    chunk: Count | None = None
    on_error: str = "stop"


@app.command
def label(
    file: Path,
    /,
    *,
    out: Path,
    labelling: Annotated[Labelling, Parameter(name="*")] = Labelling(),
    sublattice: str | None = None,
    chiral: Path | None = None,
    positions: Path | None = None,
) -> None:
    """Winding numbers of the Hamiltonians in a file; run again to resume.

    Writes the winding number of every sample, with the integer, the gap, whether it is reliable,
    the method and a bound on the error.

    Args:
        file: Ends in .npy, .npz, .h5, .hdf5 or .mat: Hamiltonians H, blocks h (dense, or sparse as
            scipy saves them), hoppings t0, t1, … or a data set of tnlearn.
        out: The table; ends in .csv or .npz.
        sublattice: Of a Hamiltonian: site (A B A B …), sublattice (A A … B B …), letters such as
            ABBA, or an .npy file of +1 and -1; default: what the file says, else by its structure.
        chiral: An .npy file with the chiral operator of the Hamiltonians.
        positions: An .npy file with where the orbitals are, if not in order along the chain.
    """
    from tnlearn.data.label_file import label_file
    from tnlearn.data.sources import read_array

    from_file = sublattice is not None and sublattice.lower().endswith(".npy")
    done = label_file(
        file,
        out,
        sublattice=read_array(sublattice) if from_file else sublattice,
        chiral=read_array(chiral),
        positions=read_array(positions),
        **asdict(labelling),
    )
    again = f"; {done.resumed} of them were there from before" if done.resumed else ""
    skipped = sum(done.skipped.values())
    print(f"{done.samples - skipped} samples labelled, {done.reliable} reliably{again}")
    if skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in done.skipped.items())
        print(f"{skipped} samples skipped: {reasons}")
    print(f"The table is {done.output.resolve()}")


def _size(_: Any, tokens: Sequence[Any]) -> tuple[int, int]:
    parts = tokens[0].value.lower().split("x")
    if len(parts) == 2 and all(part.isdecimal() and int(part) >= 2 for part in parts):
        return int(parts[0]), int(parts[1])
    raise ValueError(
        f"{tokens[0].value!r} is not columns x rows, two whole numbers from 2 on, e.g. 500x200"
    )


@app.command(name="phase-diagram")
def phase_diagram(
    *,
    out: Path = Path("phase-diagram.png"),
    convention: str = "both",
    size: Annotated[tuple[int, int], Parameter(converter=_size, n_tokens=1)] = (500, 200),
    intra: tuple[float, float] = (0.0, 2.5),
    disorder: tuple[float, float] = (0.0, 6.0),
    inter: float = 1.0,
    cells: Count = 50,
    samples: Count = 25,
    kind: str = "lyapunov",
    seed: Seed = 0,
    workers: Count = 1,
) -> None:
    """Draw the phase diagram of the disordered SSH chain; run again to resume.

    The mean winding number over (intra, disorder), and over it the boundary of the infinite chain,
    E ln|t0| = E ln|t1|. The numbers are kept beside the picture in FILE-intra.npz and
    FILE-inter.npz.

    Args:
        out: The picture; ends in .png, .svg or .pdf.
        convention: Which hopping has the full disorder W (the other has W/2): intra, inter, or
            both, in two panels.
        size: Points, columns x rows.
        intra: Range of the intracell hopping, in units of the hopping.
        disorder: Range of W, in units of the hopping.
        inter: The intercell hopping.
        cells: Unit cells of a chain.
        samples: Chains at each point.
        kind: Of winding number: lyapunov, rswn, twist, log.
        seed: Of the disorder.
        workers: Processes.
    """
    from tnlearn.errors import check_choice

    _picture(out, (".png", ".svg", ".pdf"))
    check_choice("convention", convention, ("both", *SHARES))
    _check_range("--intra", intra, -math.inf)
    _check_range("--disorder", disorder, 0.0)

    import numpy as np

    from tnlearn.phase import diagram
    from tnlearn.phase.picture import draw_phases

    diagrams = []
    for name in SHARES if convention == "both" else [convention]:
        inside, between = SHARES[name]
        phases = diagram.phase_diagram(
            {"intra": np.linspace(*intra, size[0]), "W": np.linspace(*disorder, size[1])},
            disorder={0: (inside, "W"), 1: (between, "W")},
            fixed={"inter": inter},
            cells=cells,
            samples=samples,
            kind=kind,
            seed=seed,
            workers=workers,
            progress=True,
            checkpoint=out.with_name(f"{out.stem}-{name}.npz"),
        )
        diagrams.append(phases)
        right, clear = phases.majority == phases.infinite(), phases.agreement >= 0.8
        share = f"{right.mean():.2%} of all points"
        if clear.any():
            share += f", {right[clear].mean():.3%} of those where 80 % of the chains agree"
        print(f"disorder {inside:g} W on the intracell, {between:g} W on the intercell hopping:")
        print(f"  the majority has the sign of the infinite chain on {share}")
    draw_phases(diagrams, out)
    print(f"The diagram is {out.resolve()}")


def _check_range(name: str, ends: tuple[float, float], least: float) -> None:
    from tnlearn.errors import ConfigError

    low, high = ends
    if not (least <= low < high < math.inf):
        bound = "" if math.isinf(least) else f" from {least:g} on"
        raise ConfigError(f"{name} takes a range LOW < HIGH{bound}, got {low:g} {high:g}")


def _picture(out: Path, kinds: Sequence[str]) -> str:
    """The ending of a picture that can be written."""
    from tnlearn.errors import check_choice
    from tnlearn.files import target_path

    suffix = check_choice("kind of picture", out.suffix.lower(), kinds)
    target_path(out)
    return suffix


@app.command
def about() -> None:
    """Versions, place, threads, BLAS, compiler and accelerator of this installation."""
    from tnlearn.lab.environment import installation

    facts = installation()
    for name, fact in facts.items():
        print(f"{name:<{max(map(len, facts))}}  {fact}")


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
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        return _fail(f"{error} (see 'tnlearn --help')")
    except KeyboardInterrupt:
        again = (
            "; the same command goes on where it stopped" if words and words[0] in RESUMABLE else ""
        )
        print(f"tnlearn: interrupted{again}", file=sys.stderr)
        return 130
    except Exception as error:
        # Only now is the family of errors needed: its module loads numpy.
        from tnlearn.errors import TnlearnError

        if not isinstance(error, TnlearnError | OSError | MemoryError):
            raise
        return _fail(str(error) or "there is not enough memory")
    return 0


def _fail(message: str) -> int:
    print(f"tnlearn: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
