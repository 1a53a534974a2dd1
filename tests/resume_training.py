"""A training run to be killed: `python resume_training.py FOLDER MEMBERS`."""

from __future__ import annotations

import sys
from typing import Any

from fakes_training import FakeNetwork, toy

import tnlearn as tnl

SETTINGS: dict[str, Any] = {
    "epochs": 12,
    "patience": 9,
    "lr": 0.02,
    "progress": False,
    "checkpoint_every": 0.0,
}


def run(folder: str | None, members: int) -> Any:
    return tnl.fit(
        FakeNetwork(),
        toy(200),
        toy(50, seed=2),
        members=members,
        checkpoint=folder,
        **SETTINGS,
    )


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
