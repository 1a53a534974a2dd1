"""Values, gradients, curvature and lines of a loss; spectra; the normal form of a solution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

import tnlearn as tnl
from tnlearn.analysis.landscape import Curvature, Objective, barrier, line, scaled
from tnlearn.analysis.normal_form import (
    NODES,
    calibrated,
    centred,
    cosine,
    kernel,
    normal_form,
    one_channel,
)
from tnlearn.analysis.spectra import extremes, lanczos, spectral_density
from tnlearn.errors import ConfigError, ShapeError

CELLS = 6
CLASSES = (-1, 0, 1, 2)
FORMS = list(NODES)


class _Chains:
    """A data set with states in double precision, as the identities here need it."""

    def __init__(self, samples: int, seed: int) -> None:
        data = tnl.dataset("extended", cells=CELLS, samples=samples, seed=seed)
        self.states = data.chains.states()
        self.labels, self.classes, self.info = data.labels, data.classes, data.info


@pytest.fixture(scope="module")
def data():
    return _Chains(60, 1)


@pytest.fixture(scope="module")
def objectives(data):
    """For every form with one channel: its objective at random starts, five points at once."""
    return {
        form: Objective(
            one_channel(CELLS, form, CLASSES, init=tnl.init.normal(1.0)), data, members=5
        )
        for form in FORMS
    }


@pytest.fixture(scope="module")
def small(data):
    """A quartic network with two hidden units and four parameters a class: one point at a time."""
    net = tnl.rswn(CELLS).trainable("D", channels=2, init=tnl.init.normal(1.0))
    return Objective(net.head(classes=4, hidden=(3,), activation="tanh"), data)


@pytest.fixture(scope="module")
def point(small):
    return small.initial(4, [2])[0]


@pytest.fixture(scope="module")
def dense(small, point):
    return Curvature(small, point).dense()


# ---------------------------------------------------------------------- the objective


def test_loss_and_accuracy_are_those_of_the_network(small, data, point):
    logits = tnl.Network.__call__(small.net, data.states, seed=4)
    module = small.net.module(seed=4, dtype="float64")
    values = small.unpack(small.initial(4, [0]))
    for name, value in module.state_dict().items():
        assert np.array_equal(value.numpy(), values[name][0])
    loss = np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(logits)), data.labels])
    losses, right = small(small.initial(4, [0]))
    assert np.isclose(losses[0], loss, rtol=0, atol=1e-12)
    assert right[0] == np.mean(logits.argmax(axis=1) == data.labels)


def test_points_do_not_depend_on_how_many_are_evaluated_at_once(objectives, data):
    single = Objective(one_channel(CELLS, "sublattice", CLASSES, init=tnl.init.normal(1.0)), data)
    points = single.initial(0, range(7))
    assert np.array_equal(points, objectives["sublattice"].initial(0, range(7)))
    for one, several in zip(single(points), objectives["sublattice"](points), strict=True):
        assert np.allclose(one, several, rtol=0, atol=1e-12)
    slopes = single.gradients(points), objectives["sublattice"].gradients(points)
    assert np.allclose(*slopes, rtol=0, atol=1e-12)


def test_derivatives_against_differences(small, point, dense):
    curvature = Curvature(small, point)
    shifts = 1e-6 * np.eye(small.size)
    losses = small(point + shifts)[0] - small(point - shifts)[0]
    assert np.allclose(curvature.gradient, losses / 2e-6, rtol=0, atol=1e-8)
    assert np.linalg.norm(curvature.gradient) > 1e-2
    assert np.allclose(curvature.gradient, small.gradients(point[None])[0], atol=1e-12)
    shifts = 1e-5 * np.eye(small.size)
    slopes = small.gradients(point + shifts) - small.gradients(point - shifts)
    assert np.allclose(dense, slopes / 2e-5, rtol=0, atol=1e-7)
    vector = np.random.default_rng(0).standard_normal(small.size)
    assert np.allclose(curvature(vector), dense @ vector, rtol=0, atol=1e-10)


def test_pack_is_the_inverse_of_unpack(small, point):
    assert np.array_equal(small.pack(small.unpack(point[None]))[0], point)


def test_what_makes_no_sense_is_refused(objectives, small, point):
    values, stray = small.unpack(point[None]), _Chains(8, 2)
    stray.labels = np.where(np.arange(8) == 3, -1, stray.labels)
    with pytest.raises(ShapeError, match="'D' must have the shape"):
        small.pack({**values, "D": values["D"][:, 0]})
    with pytest.raises(ShapeError, match="missing"):
        small.pack({name: x for name, x in values.items() if name != "D"})
    with pytest.raises(ShapeError, match="no class"):
        Objective(one_channel(CELLS, "quartic", CLASSES), stray)
    with pytest.raises(ConfigError, match="positive"):
        scaled(small.net, 0.0)
    with pytest.raises(ConfigError, match="members=1"):
        Curvature(objectives["quartic"], np.zeros(objectives["quartic"].size))
    with pytest.raises(ConfigError, match="at least 1"):
        spectral_density(lambda v: v, 3, probes=0, steps=2, rng=np.random.default_rng(0))


def test_scaled_starts_are_scaled_and_exact_ones_stay(data):
    net = tnl.baseline("symmetric", cells=CELLS, classes=4, hidden=(5,))
    plain, larger = (Objective(n, data) for n in (net, scaled(net, 3.0)))
    assert np.allclose(larger.initial(0, [1]), 3.0 * plain.initial(0, [1]), rtol=1e-6)
    image = tnl.baseline("cnn", cells=CELLS, classes=4, features=(2, 2))
    before, after = (n(data.states, seed=3) for n in (image, scaled(image, 1.5)))
    # Three layers without bias at the start: relu is linear in a positive factor.
    assert np.allclose(after, 1.5**3 * before, rtol=1e-5)
    exact = tnl.rswn(CELLS).trainable("D")
    assert np.array_equal(scaled(exact, 7.0)(data.states), exact(data.states))


# ---------------------------------------------------------------------- curvature and spectra


def test_ends_of_the_spectrum_against_the_dense_hessian(small, point, dense):
    true = np.linalg.eigvalsh(dense)
    assert true[0] < -1e-3  # both ends say something
    assert true[-1] > 1e-2
    low, high = extremes(Curvature(small, point), small.size, 3, rng=np.random.default_rng(0))
    assert np.allclose(low, true[:3], rtol=0, atol=1e-6 * true[-1])
    assert np.allclose(high, true[-3:], rtol=0, atol=1e-6 * true[-1])


def test_ends_of_a_spectrum_with_zero_modes():
    """Half of the eigenvalues are 0 and none is below: the low end is found all the same."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((40, 80))
    matrix = rows.T @ rows
    low, high = extremes(lambda v: matrix @ v, 80, 2, rng=rng)
    true = np.linalg.eigvalsh(matrix)
    assert abs(low[0]) < 1e-6 * true[-1]
    assert np.allclose(high, true[-2:], rtol=1e-6)
    with pytest.raises(ConfigError, match="between 1 and 79"):
        extremes(lambda v: matrix @ v, 80, 80, rng=rng)


def test_lanczos_run_to_the_end_is_the_matrix():
    rng = np.random.default_rng(2)
    true = np.sort(rng.standard_normal(12))
    basis = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    matrix = basis @ np.diag(true) @ basis.T
    diagonal, beside = lanczos(lambda v: matrix @ v, rng.standard_normal(12), 50)
    tridiagonal = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    assert np.allclose(np.linalg.eigvalsh(tridiagonal), true, atol=1e-10)
    # A vector within an invariant subspace of three dimensions exhausts it in three steps.
    diagonal, beside = lanczos(lambda v: matrix @ v, basis[:, :3].sum(axis=1), 50)
    assert (len(diagonal), len(beside)) == (3, 2)


def test_density_has_the_moments_and_shares_of_the_dense_hessian(dense):
    true = np.linalg.eigvalsh(dense)
    probes = 200
    size = len(dense)
    density = spectral_density(
        lambda v: dense @ v, size, probes=probes, steps=size, rng=np.random.default_rng(3)
    )
    assert np.isclose(density.weights.sum(), 1.0)

    def error(matrix):
        """Five standard deviations of the mean of v^T M v / P over probes of signs."""
        beside = matrix - np.diag(np.diagonal(matrix))
        return 5 * np.sqrt(2 * (beside**2).sum() / probes) / size

    assert abs(density.weights @ density.values - true.mean()) < error(dense)
    assert abs(density.weights @ density.values**2 - (true**2).mean()) < error(dense @ dense)
    # A share is the trace of a projector; its probes scatter in the same way.
    vectors = np.linalg.eigh(dense)[1]
    for low, high in ((-np.inf, -1e-4), (0.01, np.inf)):
        chosen = (true >= low) & (true <= high)
        projector = vectors[:, chosen] @ vectors[:, chosen].T
        assert 0 < chosen.mean() < 1
        assert abs(density.share(low, high) - chosen.mean()) < error(projector)


# ---------------------------------------------------------------------- lines


def test_a_line_has_the_losses_of_its_points(small, point):
    other = small.initial(4, [5])[0]
    at, loss, right = line(small, point[None], other[None], 5)
    assert np.allclose(at, [0, 0.25, 0.5, 0.75, 1])
    losses, accuracies = small(np.array([(1 - t) * point + t * other for t in at]))
    assert np.allclose(loss[0], losses, atol=1e-12)
    assert np.array_equal(right[0], accuracies)
    # The barrier is the height above the higher end.
    assert np.allclose(barrier(np.array([[1.0, 3.0, 2.0], [1.0, 0.5, 0.2]])), [1.0, 0.0])


# ---------------------------------------------------------------------- one-channel networks


@pytest.mark.parametrize("form", FORMS)
def test_kernel_gives_the_network_its_w(objectives, data, form):
    """W = Σ D_xy |q_xy|² for random nodes, against the network's own output."""
    points = objectives[form].initial(0, [0])
    values = objectives[form].unpack(points)
    net = tnl.rswn(CELLS, form=form).trainable(*NODES[form], init=tnl.init.normal(1.0))
    q = np.einsum("snx,sny->sxy", data.states.u, data.states.v)
    w = np.einsum("xy,sxy->s", kernel(form, values)[0], q**2)
    assert np.allclose(net(data.states, seed=0), w, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_the_exact_start_rounds_w_and_noise_is_relative_to_the_node(data, form):
    w = np.asarray(tnl.rswn(CELLS)(data.states))
    start = {"sharpness": calibrated(w, data.labels, CLASSES)}
    objective = Objective(one_channel(CELLS, form, CLASSES, **start), data)
    first, second = objective.initial(0, [0, 1])
    assert np.array_equal(first, second)
    loss, right = objective(first[None])
    nearest = np.array(CLASSES)[np.abs(w[:, None] - np.array(CLASSES)).argmin(axis=1)]
    assert np.isclose(right[0], np.mean(nearest == np.array(CLASSES)[data.labels]))
    # The least loss among all sharpnesses: worse on both sides.
    exact = objective.unpack(first[None])
    for factor in (0.9, 1.1):
        head = {name: factor * exact[name] for name in ("head.weight", "head.bias")}
        assert objective(objective.pack({**exact, **head}))[0][0] > loss[0]
    noisy = Objective(one_channel(CELLS, form, CLASSES, noise=0.5, **start), data)
    values = noisy.unpack(noisy.initial(0, range(200)))
    for name in NODES[form]:
        rms = np.sqrt(np.mean(exact[name] ** 2))
        spread = np.sqrt(np.mean((values[name] - exact[name]) ** 2))
        assert np.isclose(spread / rms, 0.5, rtol=0.05), name
    assert np.array_equal(values["head.weight"][7], exact["head.weight"][0])


def _planted(form, values, rng):
    """The same functions elsewhere in parameter space: every symmetry there is, at random."""
    moved = {name: x.copy() for name, x in values.items()}
    members = len(moved["head.weight"])

    def numbers(*shape):
        return rng.standard_normal((members, *shape))

    factor = np.exp(numbers(1)) * rng.choice([-1.0, 1.0], (members, 1))
    before = kernel(form, moved)
    if form == "quartic":
        moved["D"] = moved["D"] * factor[:, :, None] + numbers(CELLS, 1) + numbers(1, CELLS)
    elif form == "lowrank":
        mix = numbers(2, 2) + 3 * np.eye(2)
        moved["left"] = moved["left"] @ mix * factor[:, :, None]
        moved["right"] = moved["right"] @ np.linalg.inv(mix).swapaxes(1, 2)
    else:
        other = np.exp(numbers(1))
        moved["X"] = moved["X"] * other + numbers(1)
        moved["window"] = moved["window"] * factor / other + numbers(1)
        if form == "operator":
            moved["X"][:, CELLS:] += numbers(CELLS)  # the second sublattice is a bias
            moved["window"][:, :CELLS] = numbers(CELLS)  # and this half is not used at all
    # What this added to W of every sample, q² being doubly stochastic.
    added = (kernel(form, moved) - before * factor[:, :, None]).sum(axis=(1, 2)) / CELLS
    weight, bias = moved["head.weight"] / factor, moved["head.bias"]
    moved["head.bias"] = bias - weight * added[:, None] + numbers(1)
    moved["head.weight"] = weight
    return moved


@pytest.mark.parametrize("form", FORMS)
def test_normal_form_keeps_the_function_and_forgets_the_rest(objectives, form):
    objective = objectives[form]
    rng = np.random.default_rng(6)
    exact = one_channel(CELLS, form, CLASSES, sharpness=1.3)
    goal = {name: np.asarray(node.exact)[None] for name, node in exact.parameters.items()}
    reference = normal_form(form, goal)
    values = objective.unpack(
        objective.initial(0, range(5)) + 0.3 * rng.standard_normal((5, objective.size))
    )
    twins = _planted(form, values, rng)
    loss, _ = objective(objective.pack(values))
    assert np.allclose(objective(objective.pack(twins))[0], loss, atol=1e-9)
    plain = normal_form(form, values, reference)
    assert np.allclose(objective(objective.pack(plain))[0], loss, atol=1e-9)
    other = normal_form(form, twins, reference)
    again = normal_form(form, plain, reference)
    for name, x in plain.items():
        assert np.allclose(other[name], x, atol=1e-8), name
        assert np.allclose(again[name], x, atol=1e-8), name
    assert not np.allclose(twins["head.weight"], plain["head.weight"], atol=0.1)
    # What a straight line is drawn between has the norm of the reference.
    for name in NODES[form] if form != "lowrank" else ():
        norms = np.linalg.norm(plain[name].reshape(5, -1), axis=1)
        assert np.allclose(norms, np.linalg.norm(reference[name]))


def test_cosine_sees_only_what_q2_can_see():
    rng = np.random.default_rng(7)
    matrix = rng.standard_normal((3, CELLS, CELLS))
    other = 2.0 * matrix + rng.standard_normal((3, CELLS, 1)) + rng.standard_normal((3, 1, CELLS))
    assert np.allclose(cosine(matrix, other), 1.0)
    assert np.allclose(cosine(matrix, -other), -1.0)
    assert np.allclose(cosine(matrix, np.zeros_like(matrix)), 0.0)
    assert np.allclose(centred(matrix).sum(axis=1), 0.0)


def test_quartic_has_two_l_minus_two_flat_directions(data):
    """Functions of x or of y alone, of mean 0, change no loss: an exact count for the Hessian."""
    objective = Objective(one_channel(CELLS, "quartic", CLASSES, init=tnl.init.normal(1.0)), data)
    hessian = Curvature(objective, objective.initial(0, [0])[0]).dense()
    steps = np.eye(CELLS)[:-1] - np.eye(CELLS)[1:]
    of_x = np.repeat(steps[:, :, None], CELLS, axis=2)
    kernels = np.concatenate([of_x, of_x.swapaxes(1, 2)])
    none = np.zeros((len(kernels), 4))
    flat = objective.pack({"D": kernels, "head.weight": none, "head.bias": none})
    assert np.linalg.matrix_rank(flat) == 2 * CELLS - 2
    assert np.abs(hessian @ flat.T).max() < 1e-9 * np.abs(hessian).max()
