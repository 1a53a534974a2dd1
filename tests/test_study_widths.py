"""The study `widths`: one setting changed at a time, and the rival of the same batch size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tiny import tiny

from tnlearn.studies.widths import STUDY, settings


def test_a_network_is_compared_at_its_batch_size(tmp_path: Path) -> None:
    profile = tiny("widths", tmp_path)
    rows = [tuple(row.values()) for row in settings(profile)]
    assert rows == [(32, 2, 4), (16, 2, 4), (32, 1, 4), (32, 2, 0)]
    tasks = STUDY.tasks(profile)
    assert len(tasks) == 4 + 2
    networks = [task.config["network"] for task in tasks if task.labels["network"] == "quartic"]
    assert [(n["channels"], n["hidden"]) for n in networks] == [
        (2, [4]),
        (2, [4]),
        (1, [4]),
        (2, []),
    ]
    # The rival fails at the one batch size, and nobody at the other.
    rows = [
        {**task.labels, "rate": rate, "accuracy": float(name != "linear" or batch == 32)}
        for task in tasks
        for name, batch in [(task.labels["network"], task.labels["batch"])]
        for rate in profile.rates
        for _ in range(50)
    ]
    verdict = STUDY.decide(pd.DataFrame(rows), profile)["less-trainable"]
    gaps = {(row["batch"], row["value"]) for row in verdict.rows.to_dict("records")}
    assert gaps == {(32, 0.0), (16, 1.0)}
    assert verdict.word == "not supported"
