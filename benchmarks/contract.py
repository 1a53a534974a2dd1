"""Forward and backward of the quartic winding number: tnlearn against hand-written torch,
a cotengra expression, and quimb's `TensorNetwork.contract` at each step.

    python benchmarks/contract.py [--rounds N]

One thread, float32, medians of interleaved rounds in one run.  The ratios are
what counts: `ours/hand` (goal: at most 1.1) and `cotengra/ours` (goal: at
least 3 from 50 cells on).  GFLOP/s are those of the one contraction that
cannot be avoided, 2 B L³, beside the peak of a matrix product on this machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cotengra
import quimb.tensor as qtn
import torch

import tnlearn as tnl

SIZES = [(20, 64), (20, 1024), (50, 256), (100, 256), (200, 64)]
INDS = (("b", "n", "x"), ("b", "n", "y"), ("b", "m", "x"), ("b", "m", "y"), ("x", "y"))


def gemm_peak() -> float:
    """GFLOP/s of a 1024 x 1024 float32 matrix product, the best of several."""
    a = torch.randn(1024, 1024)
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * 1024**3 / (time.perf_counter() - start) / 1e9)
    return best


def candidates(cells: int, batch: int) -> dict[str, Callable[[], torch.Tensor]]:
    """Functions that do one forward and backward pass and return the output."""
    torch.manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(2 * batch, cells, cells))
    u, v = q[:batch].contiguous(), q[batch:].contiguous()
    net = tnl.rswn(cells, form="quartic").trainable("D")
    module = net.module()
    D = module.D.detach().clone().requires_grad_()
    sizes = {"b": batch, "n": cells, "m": cells, "x": cells, "y": cells}
    expression = cotengra.array_contract_expression(INDS, ("b",), size_dict=sizes, optimize="auto")

    def hand() -> torch.Tensor:
        q = torch.bmm(u.mT, v)
        out = (q * q).flatten(1) @ D.flatten()
        out.sum().backward()
        return out

    def ours() -> torch.Tensor:
        out = module(u, v)
        out.sum().backward()
        return out

    def through_cotengra() -> torch.Tensor:
        out = expression(u, v, u, v, D)
        out.sum().backward()
        return out

    def through_quimb() -> torch.Tensor:
        arrays = (u, v, u, v, D)
        tensors = [qtn.Tensor(a, inds) for a, inds in zip(arrays, INDS, strict=True)]
        out = qtn.TensorNetwork(tensors).contract(output_inds=("b",), optimize="auto").data
        out.sum().backward()
        return out

    return {
        "hand": hand,
        "ours": ours,
        "cotengra": through_cotengra,
        "quimb": through_quimb,
    }


def medians(
    functions: dict[str, Callable[[], torch.Tensor]], rounds: int
) -> dict[str, tuple[float, float]]:
    """Median seconds of each function, and the median of its ratio to the hand-written one."""
    for function in functions.values():
        for _ in range(3):
            function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    start = time.perf_counter()
    for number in range(rounds):
        # In turn, so that a slow moment of the machine hits all of them alike; in
        # rotating order, so that none always runs after the same other one.
        names = list(functions)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            begin = time.perf_counter()
            functions[name]()
            times[name].append(time.perf_counter() - begin)
        if number >= 10 and time.perf_counter() - start > 60:
            break
    return {
        name: (
            statistics.median(values),
            statistics.median(a / b for a, b in zip(values, times["hand"], strict=True)),
        )
        for name, values in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    peak = gemm_peak()
    print(f"one thread, float32, medians of {rounds} rounds; GEMM peak {peak:.0f} GFLOP/s")
    print(
        f"{'cells':>5} {'batch':>5} | {'hand':>9} {'ours':>9} {'cotengra':>9} {'quimb':>9} ms | "
        f"{'ours/hand':>9} {'cotengra/ours':>13} {'quimb/ours':>10} | GFLOP/s (of peak)"
    )
    for cells, batch in SIZES:
        functions = candidates(cells, batch)
        reference = functions["hand"]().detach()
        for name, function in functions.items():
            error = (function().detach() - reference).abs().max().item()
            assert error < 1e-3, f"{name} differs from the hand-written result by {error}"
        # Two results timed alone first: a slow neighbour would spoil the cache of a fast one.
        pair = medians({k: functions[k] for k in ("hand", "ours")}, rounds)
        slow = medians(functions, max(12, rounds // 8))
        hand, ours = pair["hand"][0], pair["ours"][0]
        rate = 2 * batch * cells**3 / ours / 1e9
        print(
            f"{cells:5d} {batch:5d} | {hand * 1e3:9.3f} {ours * 1e3:9.3f} "
            f"{slow['cotengra'][0] * 1e3:9.3f} {slow['quimb'][0] * 1e3:9.3f}    | "
            f"{pair['ours'][1]:9.2f} {slow['cotengra'][0] / slow['ours'][0]:13.2f} "
            f"{slow['quimb'][0] / slow['ours'][0]:10.2f} | "
            f"{rate:6.1f} ({rate / peak:.0%})"
        )


if __name__ == "__main__":
    main()
