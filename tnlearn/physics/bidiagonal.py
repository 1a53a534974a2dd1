"""The real-space winding number of nearest-neighbour chains in linear time: the kernels.

h is lower bidiagonal, p_x = |h[x, x]|, r_x = |h[x+1, x]| (a diagonal gauge makes it
real and non-negative and leaves |q_yx| alone), scaled to norm at most 1.  With
Zolotarev's poles q = h Σ_k c_k (hᵀh + s_k)⁻¹, and each resolvent G is
semiseparable: its columns are running products.  Without a single subtraction,

    t_x = s + τ_x,  τ_x = r_x² t_{x+1}/R_{x+1},   R_x = p_x² + t_x       (from the right)
    v_x = s + p_x² v_{x−1}/V_{x−1},               V_x = r_x² + v_x       (from the left)
    G_xx = 1/(v_x + τ_x)
    G_{y,x} = ρ_y G_{y−1,x},  ρ_y = −r_{y−1} p_y/R_y,   q_yx = Σ c e_y G_{y−1,x},  e_y = r_{y−1} t_y/R_y    (y > x)
    G_{y,x} = λ_y G_{y+1,x},  λ_y = −r_y p_{y+1}/V_y,   q_yx = Σ c f_y G_{y,x},    f_y = p_y v_{y−1}/V_{y−1}  (y ≤ x)

A singular value far below all others (an edge pair) is taken out of the poles'
range and put back exactly: (1 − r(σ_0)) u_0(y) v_0(x) has the form of one more
pole with ρ = λ = 1, e = f = u_0, G = v_0.

W = (1/L') Σ_{x in window} Σ_y (y − x) q_yx² is summed outward from each column until
Σ_y q_yx² = 1 is met, or by the recursion of the K x K moments of the products over
pairs of poles, which costs the same whatever the localisation length.
"""  # noqa: E501

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.kernels import LANES, kernel, load, store, strict_kernel, total
from tnlearn.physics.spectrum import LANES as WIDE
from tnlearn.physics.spectrum import low_marks, pole_level, smallest, smallest_singular_value

__all__ = ["BOND_FLOOR", "bidiagonal_room", "bidiagonal_windings", "scale_bonds"]

Array = NDArray[Any]

# Bonds below this share of the norm are raised to it: far below rounding, far above underflow.
BOND_FLOOR = 1e-30
# Outward steps a column and pole that cost as much as the moments: measured.
BUDGET = 2.0
# Poles, a multiple of LANES, for which there is room from the start.
ROOMY = 40


@strict_kernel
def scale_bonds(
    diagonal: Array, other: Array, joined: bool, down: bool,
    p: Array, r: Array, norm: Array, least: Array,
) -> None:  # fmt: skip
    """The moduli p, r of bidiagonal chains, scaled to norm at most 1 and at least BOND_FLOOR.

    diagonal, other (samples, cells): t_0 and t_1, or t_{−1} if not `down`, by the cell of
    their B site; without the latter where not `joined`.  An upper bidiagonal block is mirrored.
    Also filled, (samples,): norm, 1 for a block of zeros, and the least |t_0| / norm.
    """
    samples, cells = diagonal.shape
    for i in range(samples):
        t = diagonal[i]
        # The bonds in the block: of cells 0 … L − 2, or of 1 … L − 1.
        s = other[i, :-1] if down else other[i, 1:]
        top, low, joint = 0.0, np.inf, 0.0
        for x in range(cells):
            here = abs(t[x])
            top = here if here > top else top
            low = here if here < low else low
        if joined:
            for x in range(cells - 1):
                here = abs(s[x])
                joint = here if here > joint else joint
        top += joint
        norm[i] = top if top > 0.0 else 1.0
        # (The reciprocal of a subnormal number is infinite.)
        lift = 1e200 if norm[i] < 1e-200 else 1.0
        scale = 1.0 / (lift * norm[i])
        least[i] = lift * low * scale
        for x in range(cells):
            p[i, x if down else cells - 1 - x] = max(lift * abs(t[x]) * scale, BOND_FLOOR)
        for x in range(cells - 1):
            here = lift * abs(s[x]) * scale if joined else 0.0
            r[i, x if down else cells - 2 - x] = max(here, BOND_FLOOR)


@kernel
def _sweeps(
    p: Array, r: Array, shifts: Array, weights: Array, n: int,
    e: Array, rho: Array, f: Array, lam: Array, g: Array,
) -> None:  # fmt: skip
    """Fill e, ρ, f, λ and g = c G_xx, each (cells, poles), for n poles, a multiple of LANES."""
    cells = len(p)
    carry = np.empty(n)
    # From the right; τ waits in g.
    for k in range(n):
        carry[k] = shifts[k]
        g[cells - 1, k] = 0.0
        # Beyond the ends: a window of the whole chain multiplies these by zero.
        e[0, k] = 0.0
        rho[0, k] = 0.0
        lam[cells - 1, k] = 0.0
    for x in range(cells - 1, 0, -1):
        p2, r2, rp, rx = p[x] * p[x], r[x - 1] * r[x - 1], r[x - 1] * p[x], r[x - 1]
        for k in range(0, n, LANES):
            old = load(carry, k)
            w = 1.0 / (p2 + old)
            ratio = old * w
            store(rho[x], k, -rp * w)
            store(e[x], k, rx * ratio)
            tau = r2 * ratio
            store(g[x - 1], k, tau)
            store(carry, k, load(shifts, k) + tau)
    # From the left.
    for k in range(n):
        carry[k] = p[0] * p[0] + shifts[k]
        f[0, k] = p[0]
    for x in range(cells - 1):
        p2, r2, rp, px = p[x + 1] * p[x + 1], r[x] * r[x], r[x] * p[x + 1], p[x + 1]
        for k in range(0, n, LANES):
            old = load(carry, k)
            # One division for 1/(v + τ) and 1/(r² + v): neither is below 1e-124.
            here, there = old + load(g[x], k), r2 + old
            both = 1.0 / (here * there)
            store(g[x], k, load(weights, k) * (there * both))
            w = here * both
            ratio = old * w
            store(lam[x], k, -rp * w)
            store(f[x + 1], k, px * ratio)
            store(carry, k, load(shifts, k) + p2 * ratio)
    for k in range(n):
        g[cells - 1, k] = weights[k] / carry[k]


@kernel
def _outward(
    e: Array, rho: Array, f: Array, lam: Array, g: Array, n: int,
    first: int, kept: int, slack: float, budget: float, result: Array,
) -> bool:  # fmt: skip
    """Column by column until each is normalised to `slack`; False past `budget` steps a column."""
    cells = len(e)
    down = np.empty(n)
    up = np.empty(n)
    whole, steps, worst, missing = 0.0, 0, 0.0, 0.0
    for x in range(first, first + kept):
        q = 0.0
        for k in range(n):
            down[k] = g[x, k]
            up[k] = g[x, k]
            q += f[x, k] * g[x, k]
        mass = q * q
        value = 0.0
        far = max(x, cells - 1 - x)
        reach = far
        for m in range(1, far + 1):
            y, z = x + m, x - m
            a, b = 0.0, 0.0
            if y < cells:
                ey, rhoy = e[y], rho[y]
                acc = load(ey, 0) * load(down, 0)
                store(down, 0, load(down, 0) * load(rhoy, 0))
                for k in range(LANES, n, LANES):
                    old = load(down, k)
                    acc = acc + load(ey, k) * old
                    store(down, k, old * load(rhoy, k))
                a = total(acc)
            if z >= 0:
                fz, lamz = f[z], lam[z]
                new = load(up, 0) * load(lamz, 0)
                store(up, 0, new)
                acc = load(fz, 0) * new
                for k in range(LANES, n, LANES):
                    new = load(up, k) * load(lamz, k)
                    store(up, k, new)
                    acc = acc + load(fz, k) * new
                b = total(acc)
            a *= a
            b *= b
            mass += a + b
            value += m * (a - b)
            if 1.0 - mass < slack:
                reach = m
                break
        whole += value
        steps += reach
        worst = max(worst, abs(1.0 - mass))
        if reach < far:
            missing += slack * far
        # Some columns' grace, then the mean reach decides which sum is cheaper.
        if steps > budget * (x - first + 8):
            return False
    result[0] = whole / kept
    result[1] = worst
    result[2] = missing / kept
    return True


@kernel
def _step(
    m0: Array, m1: Array, e: Array, rho: Array, g: Array, n: int, up: bool
) -> tuple[float, float]:  # fmt: skip
    """One cell of the moments: its Σ_x |y − x| q_yx² and Σ_x q_yx², e, ρ, g being rows (poles,).

    Downward the cell is weighed and then its own column g added, upward the reverse.  The
    moments are symmetric: of two blocks of LANES x LANES only one is kept.
    """
    moment = share = 0.0 * load(e, 0)
    for k in range(n):
        rk, gk, ek = rho[k], g[k], e[k]
        row0, row1 = m0[k], m1[k]
        for l in range(k // LANES * LANES, n, LANES):
            weight = (ek if l <= k else 2.0 * ek) * load(e, l)
            factor = rk * load(rho, l)
            old, new = load(row0, l), load(row1, l)
            if up:
                old = factor * old
                new = factor * new + old
                old = old + gk * load(g, l)
                moment = moment + weight * new
                share = share + weight * old
            else:
                moment = moment + weight * new
                share = share + weight * old
                pair = gk * load(g, l)
                new = factor * (new + old) + pair
                old = factor * old + pair
            store(row0, l, old)
            store(row1, l, new)
    return total(moment), total(share)


@kernel
def _moments(
    e: Array, rho: Array, f: Array, lam: Array, g: Array, n: int,
    first: int, kept: int, slack: float, result: Array,
) -> None:  # fmt: skip
    """The same sum by the recursion of Σ_x (y − x)^j G_yx G_yx over pairs of poles, j = 0, 1."""
    cells = len(e)
    last = first + kept
    below0 = np.zeros((n, n))
    below1 = np.zeros((n, n))
    above0 = np.zeros((n, n))
    above1 = np.zeros((n, n))
    none = np.zeros(n)
    total, mass = 0.0, 0.0
    for y in range(first, last):
        moment, share = _step(below0, below1, e[y], rho[y], g[y], n, False)
        total += moment
        mass += share
    for y in range(last - 1, first - 1, -1):
        moment, share = _step(above0, above1, f[y], lam[y], g[y], n, True)
        total -= moment
        mass += share
    # Outside the window on both sides, until all columns are normalised: amplitudes
    # may grow again far away (a zero mode bound to two walls), so nothing less will do.
    down, up = last, first - 1
    while mass < kept * (1.0 - slack) and (down < cells or up >= 0):
        if down < cells:
            moment, share = _step(below0, below1, e[down], rho[down], none, n, False)
            total += moment
            mass += share
            down += 1
        if up >= 0:
            moment, share = _step(above0, above1, f[up], lam[up], none, n, True)
            total -= moment
            mass += share
            up -= 1
    result[0] = total / kept
    result[1] = abs(1.0 - mass / kept)
    result[2] = slack * cells if down < cells or up >= 0 else 0.0


def bidiagonal_room(cells: int, shifts: Array) -> Array:
    """Where `bidiagonal_windings` writes the factors of one chain.

    numpy lets the system give large arrays huge pages, numba does not: of a chain of 10^6 cells
    most of the time would be spent on a quarter of a million small ones.  It is enough for nearly
    all chains; the kernel makes more where one asks for more poles than that.
    """
    room = np.empty(5 * cells * min(shifts.shape[1] + LANES, ROOMY) + LANES)
    return room[-room.ctypes.data % 64 // 8 :]  # rows begin where cache lines do


@kernel
def bidiagonal_windings(
    p: Array, r: Array, first: int, kept: int,
    levels: Array, counts: Array, shifts: Array, weights: Array, errors: Array,
    value: Array, gap: Array, bound: Array, low: Array, room: Array,
) -> None:  # fmt: skip
    """Winding numbers of a batch.

    p (samples, cells) and r (samples, cells − 1): moduli of the bonds, at least
    BOND_FLOOR, norms at most 1.  levels: descending cut-offs, each with counts[j]
    poles shifts[j], weights[j] (padded) and their error.  Out, each (samples,):
    value, gap, bound (of the error, rounding left out), low (cut-off needed, or
    minus that where it is below the last level and the value means nothing).
    room: for numbers in between, as `bidiagonal_room` says.
    """
    samples, cells = p.shape
    marks, deeper = low_marks()
    below = np.empty(32)
    # (One very long chain must not fill the memory with lanes that are not used.)
    lanes = min(WIDE, samples)
    p2 = np.empty((cells, lanes))
    r2 = np.empty((cells, lanes))
    lowest = np.empty(lanes)
    u = np.empty(cells)
    v = np.empty(cells)
    result = np.empty(3)
    s = np.empty(shifts.shape[1] + LANES)
    c = np.empty(len(s))
    for i in range(samples):
        lane = i % lanes
        if lane == 0:
            for k in range(lanes):
                j = min(i + k, samples - 1)
                for x in range(cells):
                    p2[x, k] = p[j, x] * p[j, x]
                    r2[x, k] = r[j, x] * r[j, x] if x < cells - 1 else 0.0
            smallest(p2, r2, lowest)
        sigma, cut, deflate = smallest_singular_value(
            p[i], r[i], np.sqrt(lowest[lane]), marks, deeper, below, u, v
        )
        gap[i] = sigma
        low[i] = cut
        level = pole_level(levels, cut)
        if levels[level] > cut:
            low[i] = -cut
            value[i] = np.nan
            bound[i] = np.inf
            continue
        poles = counts[level]
        n = poles + 1 if deflate else poles
        n = (n + LANES - 1) // LANES * LANES
        if 5 * cells * n > len(room):
            room = np.empty(5 * cells * n)
        five = room[: 5 * cells * n].reshape((5, cells, n))
        e, rho, f, lam, g = five[0], five[1], five[2], five[3], five[4]
        answer = 0.0
        # What was left out comes first, then shifts from small to large.
        ahead = 1 if deflate else 0
        for k in range(n):
            there = 0 <= k - ahead < poles
            s[k] = shifts[level, k - ahead] if there else 1.0
            c[k] = weights[level, k - ahead] if there else 0.0
            answer += c[k] * sigma / (sigma * sigma + s[k])
        _sweeps(p[i], r[i], s, c, n, e, rho, f, lam, g)
        if deflate:
            for x in range(cells):
                e[x, 0] = u[x]
                f[x, 0] = u[x]
                rho[x, 0] = 1.0
                lam[x, 0] = 1.0
                g[x, 0] = (1.0 - answer) * v[x]
        slack = 4.0 * errors[level] + 2e-14
        if not _outward(e, rho, f, lam, g, n, first, kept, slack, BUDGET * n, result):
            _moments(e, rho, f, lam, g, n, first, kept, slack, result)
        value[i] = result[0]
        bound[i] = 2.0 * cells * errors[level] + result[2]
        if result[1] > 100.0 * slack:
            bound[i] += cells * result[1]
