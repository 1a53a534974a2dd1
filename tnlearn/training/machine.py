"""Whole training steps of one member in one compiled loop: a tape, the loss, and Adam.

A member is trained by itself, so its arithmetic cannot depend on how many others there are.  Rows
of the features are multiplied where they lie, two at a time forward and four at a time backward;
everything else of the tape runs over the batch.  Torch does the same steps where no tape can be
written (`tnlearn.training.ensemble`), equal to rounding.
"""

from __future__ import annotations

import math
from typing import Any

from tnlearn.networks.tape import ACTIVATIONS, LAYER, LOOPS, MADD, MEET
from tnlearn.physics.kernels import kernel

__all__ = ["LOSSES", "adam", "run"]

LOSSES = {"cross-entropy": 0, "mse": 1, "huber": 2}
_SIZES = 6
_STRIDES = _SIZES + LOOPS
_RELU, _TANH = ACTIVATIONS["relu"], ACTIVATIONS["tanh"]


@kernel
def _madd(out: Any, a: Any, b: Any, step: Any, o: int, p: int, q: int, scale: Any) -> None:
    """``out += scale * a * b``, where o, p, q say which of out, a, b of the step play the roles."""
    ro, ra, rb = _STRIDES + o * LOOPS, _STRIDES + p * LOOPS, _STRIDES + q * LOOPS
    if step[ra + 4] < step[rb + 4]:
        a, b, ra, rb, p, q = b, a, rb, ra, q, p
    n, so, sa, sb = step[_STRIDES - 1], step[ro + 4], step[ra + 4], step[rb + 4]
    for i in range(step[_SIZES]):
        for j in range(step[_SIZES + 1]):
            for k in range(step[_SIZES + 2]):
                x = step[1 + o] + i * step[ro] + j * step[ro + 1] + k * step[ro + 2]
                y = step[1 + p] + i * step[ra] + j * step[ra + 1] + k * step[ra + 2]
                z = step[1 + q] + i * step[rb] + j * step[rb + 1] + k * step[rb + 2]
                for _ in range(step[_SIZES + 3]):
                    to, of, by = out[x:], a[y:], b[z:]
                    factor = scale * by[0]
                    # Where strides are 0 or 1 the compiler makes vectors of a line.
                    if so == 0 and sa == 1 and sb == 1:
                        total = scale - scale
                        for m in range(n):
                            total += of[m] * by[m]
                        to[0] += scale * total
                    elif so == 0 and sa == 1 and sb == 0:
                        total = scale - scale
                        for m in range(n):
                            total += of[m]
                        to[0] += factor * total
                    elif so == 1 and sa == 1 and sb == 0:
                        for m in range(n):
                            to[m] += factor * of[m]
                    elif so == 1 and sa == 1 and sb == 1:
                        for m in range(n):
                            to[m] += scale * of[m] * by[m]
                    elif so == 1 and sa == 0 and sb == 0:
                        for m in range(n):
                            to[m] += factor * of[0]
                    else:
                        for m in range(n):
                            to[m * so] += scale * of[m * sa] * by[m * sb]
                    x += step[ro + 3]
                    y += step[ra + 3]
                    z += step[rb + 3]


@kernel
def _layer(
    out: Any, x: Any, w: Any, sj: int, si: int, channels: int, numbers: int, batch: int
) -> None:
    """``out[j, b] += sum_i w[j, i] x[i, b]``, four lines at a time."""
    none = out.dtype.type(0)
    for j in range(channels):
        line = out[j * batch : (j + 1) * batch]
        for i in range(0, numbers, 4):
            k, l, m = min(i + 1, numbers - 1), min(i + 2, numbers - 1), min(i + 3, numbers - 1)
            at = w[j * sj :]
            w0 = at[i * si]
            w1 = at[k * si] if k > i else none
            w2 = at[l * si] if l > k else none
            w3 = at[m * si] if m > l else none
            x0, x1, x2, x3 = x[i * batch :], x[k * batch :], x[l * batch :], x[m * batch :]
            for b in range(batch):
                line[b] += w0 * x0[b] + w1 * x1[b] + w2 * x2[b] + w3 * x3[b]


@kernel
def _layer_weight(
    g: Any, x: Any, w: Any, sj: int, si: int, channels: int, numbers: int, batch: int
) -> None:
    """``w[j, i] += sum_b g[j, b] x[i, b]``, four lines at a time."""
    for j in range(channels):
        line = g[j * batch : (j + 1) * batch]
        at = w[j * sj :]
        for i in range(0, numbers, 4):
            k, l, m = min(i + 1, numbers - 1), min(i + 2, numbers - 1), min(i + 3, numbers - 1)
            x0, x1, x2, x3 = x[i * batch :], x[k * batch :], x[l * batch :], x[m * batch :]
            s0 = s1 = s2 = s3 = g.dtype.type(0)
            for b in range(batch):
                s0 += line[b] * x0[b]
                s1 += line[b] * x1[b]
                s2 += line[b] * x2[b]
                s3 += line[b] * x3[b]
            at[i * si] += s0
            if k > i:
                at[k * si] += s1
            if l > k:
                at[l * si] += s2
            if m > l:
                at[m * si] += s3


@kernel
def _meet(out: Any, w: Any, rows: Any, index: Any, at: int, channels: int, numbers: int) -> None:
    """``out[c, b] = sum_f w[c, f] rows[index[b], f]``, four rows and two channels at a time.

    At the ends a row or a channel is done again, with the same result.
    """
    batch = len(index)
    for b in range(0, batch, 4):
        i, j, k = min(b + 1, batch - 1), min(b + 2, batch - 1), min(b + 3, batch - 1)
        r0, r1 = rows[index[b], at:], rows[index[i], at:]
        r2, r3 = rows[index[j], at:], rows[index[k], at:]
        for c in range(0, channels, 2):
            d = min(c + 1, channels - 1)
            v, u = w[c * numbers : (c + 1) * numbers], w[d * numbers : (d + 1) * numbers]
            s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = out.dtype.type(0)
            for f in range(numbers):
                s0 += v[f] * r0[f]
                s1 += v[f] * r1[f]
                s2 += v[f] * r2[f]
                s3 += v[f] * r3[f]
                t0 += u[f] * r0[f]
                t1 += u[f] * r1[f]
                t2 += u[f] * r2[f]
                t3 += u[f] * r3[f]
            line = out[c * batch :]
            line[b], line[i], line[j], line[k] = s0, s1, s2, s3
            line = out[d * batch :]
            if d > c:
                line[b], line[i], line[j], line[k] = t0, t1, t2, t3


@kernel
def _meet_weight(
    g: Any, w: Any, rows: Any, index: Any, at: int, channels: int, numbers: int
) -> None:
    """``w[c, f] += sum_b g[c, b] rows[index[b], f]``, four rows at a time."""
    batch = len(index)
    none = g.dtype.type(0)
    for b in range(0, batch, 4):
        i, j, k = min(b + 1, batch - 1), min(b + 2, batch - 1), min(b + 3, batch - 1)
        r0, r1 = rows[index[b], at:], rows[index[i], at:]
        r2, r3 = rows[index[j], at:], rows[index[k], at:]
        for c in range(channels):
            line = g[c * batch :]
            a0 = line[b]
            a1 = line[i] if i > b else none
            a2 = line[j] if j > i else none
            a3 = line[k] if k > j else none
            v = w[c * numbers : (c + 1) * numbers]
            for f in range(numbers):
                v[f] += a0 * r0[f] + a1 * r1[f] + a2 * r2[f] + a3 * r3[f]


@kernel
def _activate(kind: int, x: Any, y: Any, gx: Any, gy: Any, back: bool) -> None:
    """``y = relu(x)``, tanh or gelu; or what ``gy`` hands back to ``gx``."""
    none, one, half = x.dtype.type(0), x.dtype.type(1), x.dtype.type(0.5)
    root, bell = x.dtype.type(math.sqrt(0.5)), x.dtype.type(1 / math.sqrt(2 * math.pi))
    for i in range(len(x)):
        if kind == _RELU:
            if back:
                gx[i] += gy[i] if x[i] > none else none
            else:
                y[i] = none if x[i] < none else x[i]  # NaN stays
        elif kind == _TANH:
            if back:
                gx[i] += gy[i] * (one - y[i] * y[i])
            else:
                y[i] = math.tanh(x[i])
        else:
            share = half * (one + math.erf(x[i] * root))
            if back:
                gx[i] += gy[i] * (share + x[i] * bell * math.exp(-half * x[i] * x[i]))
            else:
                y[i] = x[i] * share


@kernel
def _loss(of: int, z: Any, g: Any, classes: int, targets: Any, index: Any) -> float:
    """The mean loss of outputs z (classes, batch); its gradient goes into g."""
    batch = len(index)
    one, total, share = z.dtype.type(1), 0.0, z.dtype.type(1.0 / batch)
    for b in range(batch):
        if of == 0:
            truth = int(targets[index[b]]) * batch
            top = z[b]
            for c in range(1, classes):
                top = max(top, z[c * batch + b])
            whole = z.dtype.type(0)
            for c in range(classes):
                grown = math.exp(z[c * batch + b] - top)
                g[c * batch + b] = grown
                whole += grown
            total += math.log(whole) - (z[truth + b] - top)
            for c in range(classes):
                g[c * batch + b] *= share / whole
            g[truth + b] -= share
        else:
            error = z[b] - targets[index[b]]
            if of == 1:
                total += error * error
                g[b] = share * (error + error)
            elif abs(error) <= one:
                total += 0.5 * error * error
                g[b] = share * error
            else:
                total += abs(error) - 0.5
                g[b] = share if error > 0 else -share
    return total / batch


@kernel
def adam(
    p: Any, g: Any, mean: Any, square: Any, betas: Any, eps: Any, keep: Any, rate: Any, root: Any
) -> None:
    """One update of parameters in one pass; `keep`, `rate`, `root` of `optimiser.rates`.

    `g` may hold more numbers than there are parameters.
    """
    one, first, second = p.dtype.type(1), betas[0], betas[1]
    for i in range(len(p)):
        m = first * mean[i] + (one - first) * g[i]
        s = second * square[i] + (one - second) * g[i] * g[i]
        mean[i] = m
        square[i] = s
        p[i] = keep * p[i] - rate * m / (root * math.sqrt(s) + eps)


@kernel
def run(
    steps: Any,
    scales: Any,
    parameters: int,
    fixed: int,
    out: int,
    classes: int,
    of: int,
    x: Any,
    g: Any,
    rows: Any,
    targets: Any,
    order: Any,
    mean: Any,
    square: Any,
    settings: Any,
    rates: Any,
    losses: Any,
    norms: Any,
) -> int:
    """Train for the steps of `order` (steps, batch); how many were done.

    Fewer than all means that loss or gradient of the next one is not finite; parameters and
    moments are then those after the last good one.

    Parameters
    ----------
    steps, scales, parameters, fixed, out, classes
        Of the tape.
    of
        The loss, a number of `LOSSES`.
    x, g
        The workspace of the member, and one for gradients.
    rows, targets
        Features of all samples (samples, numbers), and their classes or values (samples,).
    settings
        Decay rates of the moments, eps, and the largest norm of a gradient (0: any).
    rates
        A row a step: keep, rate and root of `adam`.
    losses, norms
        What is seen at each step, (steps,).
    """
    batch = order.shape[1]
    for t in range(len(order)):
        index = order[t]
        x[fixed:] = 0
        g[:] = 0
        loss = 0.0
        # There and back in one loop: so each kernel is compiled into one place.
        for m in range(2 * len(steps)):
            back = m >= len(steps)
            if m == len(steps):
                loss = _loss(of, x[out:], g[out:], classes, targets, index)
            n = 2 * len(steps) - 1 - m if back else m
            kind, o, u, v = steps[n, 0], steps[n, 1], steps[n, 2], steps[n, 3]
            c, k, sj, si = steps[n, 6], steps[n, 7], steps[n, 8], steps[n, 9]
            if kind == MADD:
                y, p = (g, 1) if back else (x, 0)
                for role in range(2):
                    if steps[n, 4 + role] if back else role == 0:
                        q = 0 if back else 1
                        _madd(y, y, x, steps[n], p + role, q, 2 - role, scales[n])
            elif kind == MEET:
                if back:
                    _meet_weight(g[o:], g[u:], rows, index, v, c, k)
                else:
                    _meet(x[o:], x[u:], rows, index, v, c, k)
            elif kind == LAYER:
                if back and steps[n, 4]:
                    _layer_weight(g[o:], x[v:], g[u:], sj, si, c, k, batch)
                y = g if back else x
                if back:
                    o, v, sj, si, c, k = v, o, si, sj, k, c
                if steps[n, 5] or not back:
                    _layer(y[o:], y[v:], x[u:], sj, si, c, k, batch)
            else:
                _activate(kind, x[u : u + c], x[o:], g[u:], g[o:], back)
        whole = x.dtype.type(0)
        for i in range(parameters):
            whole += g[i] * g[i]
        norm = math.sqrt(whole)
        losses[t], norms[t] = loss, norm
        if not abs(loss + norm) < math.inf:  # isfinite is x - x, which may be taken for zero here
            return t
        if 0 < settings[3] < norm:
            shrink = settings[3] / (norm + x.dtype.type(1e-6))
            for i in range(parameters):
                g[i] *= shrink
        adam(
            x[:parameters],
            g,
            mean,
            square,
            settings[:2],
            settings[2],
            rates[t, 0],
            rates[t, 1],
            rates[t, 2],
        )
    return len(order)
