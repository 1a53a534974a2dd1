"""A small real study for processes that are killed: `python scale_study.py OUT --workers 2 …`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, TnlearnError
from tnlearn.studies.tasks import Task, run_tasks

TASKS = 6


def tasks() -> list[Task]:
    """Chunks of an ensemble that is trained on the SSH chain of 8 cells."""
    return [
        Task("scale", f"members {2 * k} and {2 * k + 1}", {"offset": 2 * k, "epochs": 6})
        for k in range(TASKS)
    ]


def train(task: Task, folder: Path) -> dict[str, Any]:
    """Train two members, with a checkpoint after every epoch; say how they fared."""
    import tnlearn as tnl

    begin = time.perf_counter()
    note(folder, task)
    net = tnl.rswn(8, form="quartic").trainable("D", init=tnl.init.normal(0.1)).head(classes=2)
    data = [tnl.dataset("ssh", cells=8, samples=80, seed=seed) for seed in range(3)]
    fitted = tnl.fit(
        net,
        data[0],
        data[1],
        members=2,
        member_offset=task.config["offset"],
        epochs=task.config["epochs"],
        lr=0.01,
        batch_size=16,
        seed=5,
        checkpoint=folder.parent / "checkpoints" / task.key,
        checkpoint_every=0.0,
        progress=False,
    )
    hold(folder, task)
    return {
        "accuracy": fitted.accuracy(data[2]),
        "loss": fitted.history["loss"],
        "logits": fitted.predict(data[2])[:, :3],
        "seconds": time.perf_counter() - begin,
    }


def note(folder: Path, task: Task) -> None:
    """Write down that a task was begun, and by whom."""
    with (folder.parent / "begun").open("a") as stream:
        stream.write(f"{os.getpid()} {task.config['offset']}\n")


def hold(folder: Path, task: Task) -> None:
    """Stay in the middle of a task while there is a file that says so."""
    while (folder.parent / f"hold-{task.config['offset']}").exists():
        time.sleep(0.02)


def fall(task: Task, folder: Path) -> dict[str, Any]:
    """Do what the configuration says: fail, die, wait, or give a number."""
    note(folder, task)
    hold(folder, task)
    what = task.config.get("what")
    if what == "fail":
        raise ConfigError("this one cannot be done")
    if what == "bug":
        raise KeyError("a mistake in the code")
    if what == "memory":
        raise MemoryError("no room for 8 GiB")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "die once":
        mark = folder.parent / f"died-{task.config['offset']}"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return {"twice": 2 * task.config["offset"]}


def main() -> None:
    """Run the study; an error takes one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scheduler")
    parser.add_argument("--part", type=int, nargs=2)
    parser.add_argument("--what", nargs="*", help="instead of training: what tasks 0, 1, … do")
    given = parser.parse_args()
    if given.what is None:
        chosen, work = tasks(), train
    else:
        chosen = [
            Task("fall", f"task {k}", {"offset": k, "what": what})
            for k, what in enumerate(given.what)
        ]
        work = fall
    try:
        found = run_tasks(
            chosen,
            given.out / "tasks",
            work,
            workers=given.workers,
            scheduler=given.scheduler,
            part=given.part,
            progress=False,
        )
    except TnlearnError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(found))


if __name__ == "__main__":
    # As in a terminal, also where the tests run in the background, whose children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
