"""The network: the face of a graph, from which everything that can be done with it is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tnlearn.errors import ConfigError, check_whole
from tnlearn.networks.builder import build
from tnlearn.networks.evaluate import bind, by_name, checked, evaluate
from tnlearn.networks.export import Exported, contracted, tensor_network, to_tensornetwork
from tnlearn.networks.formula import Scalar
from tnlearn.networks.freeing import set_free
from tnlearn.networks.graph import Graph, Tree
from tnlearn.networks.heads import attach_head
from tnlearn.networks.importing import from_quimb
from tnlearn.networks.init import Init, as_init
from tnlearn.networks.plan import Cost, Plan, cost, find_plan, find_trees
from tnlearn.networks.serial import encode_nodes
from tnlearn.physics.chains import chain
from tnlearn.shown import Shown, some

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tnlearn.networks.compiled import Compiled, NetworkModule

__all__ = ["Network", "example_inputs", "network"]

Recipe = Sequence[Mapping[str, Any]]
# Extended SSH chains, the trial states of every export: offset -> hopping (units of the hopping).
HOPPINGS = {-1: 0.3, 0: 0.7, 1: 1.0, 2: -0.4}
DISORDER = 0.5


class Network(Graph, Shown):
    """A formula or a neural network as an immutable graph of named nodes, and all that it can do.

    Made by `tnl.rswn`, `tnl.baseline` or from a formula; every method that
    changes something returns a new network.

    >>> import tnlearn as tnl
    >>> net = tnl.rswn(20, form="quartic")
    >>> net = net.trainable("D", channels=4, init=tnl.init.normal(0.1)).head(classes=4)
    >>> module = net.module(seed=0)          # a torch.nn.Module: module(u, v) -> (batch, 4)

    Parameters
    ----------
    graph
        The nodes and the output.
    recipe
        The calls that made it, as JSON holds them; by default the nodes themselves.
    factory
        The function of the first call, for a network that can be made at another length.
    formula
        The formula it was made from, with the name and part of its output.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        recipe: Recipe | None = None,
        factory: Callable[..., Network] | None = None,
        formula: tuple[Scalar, str, str] | None = None,
    ) -> None:
        self._nodes, self.output = graph._nodes, graph.output
        self.written, self.memo = graph.written, graph.memo
        if recipe is None:
            nodes = encode_nodes(self._nodes)
            recipe = [{"call": "graph", "output": self.output, "nodes": nodes}]
        self.recipe = tuple(recipe)
        self._factory, self._formula = factory, formula

    @classmethod
    def from_formula(
        cls, formula: Scalar, *, name: str = "W", part: str = "real", **origin: Any
    ) -> Network:
        """The network of a formula; `origin` is the recipe and factory, if a function made it."""
        return cls(build(formula, name, part), formula=(formula, name, part), **origin)

    @classmethod
    def from_quimb(
        cls,
        network: Any,
        *,
        inputs: Mapping[str, str],
        output: Sequence[str] = (),
        trainable: Sequence[str] = (),
        init: Init | str = "exact",
        part: str = "real",
    ) -> Network:
        """A quimb tensor network of any kind as a `Network`: fed, trained, headed, drawn like ours.

        Parameters
        ----------
        network
            A `quimb.tensor.TensorNetwork`, hyperindices included.  A tag that one tensor alone
            holds becomes the name of its node.  Tensors with the same tags are one array, used
            several times; with the tag ``"conj"``, complex-conjugated.
        inputs
            Name of an input -> tag of the tensor whose array is fed in, with the samples as its
            first axis (an index ``"batch"``, if it has one, is that axis).  A tag of several
            tensors stands for one array of them side by side, (samples, tensors, …).
        output
            The outer indices of the result, in order, behind the samples.  All others are summed.
        trainable
            Tags of the tensors that are trained; the others are constants.
        init
            Where these start: ``"exact"`` at the arrays they hold, or as `tnl.init` says.
        part
            ``"real"`` or ``"imag"``: which part of the result the output is.

        Raises
        ------
        UnknownNameError
            For a tag or index that is not there.
        ShapeError
            If an index has two sizes, or stands twice on one tensor.
        ConfigError
            If nothing is fed in, tensors with the same tags differ, or a trained one is complex.

        >>> import quimb.tensor as qtn
        >>> import tnlearn as tnl
        >>> x = qtn.Tensor([1.0, 1.0], inds=["a"], tags=["X"])
        >>> A = qtn.rand_tensor([2, 3], inds=["a", "k"], tags=["A"], seed=0)
        >>> net = tnl.Network.from_quimb(x & A, inputs={"x": "X"}, output=["k"], trainable=["A"])
        """
        chosen = (trainable,) if isinstance(trainable, str) else tuple(trainable)
        open_inds = (output,) if isinstance(output, str) else tuple(output)
        graph, names = from_quimb(
            network, inputs=inputs, output=open_inds, trainable=chosen, part=part
        )
        return cls(graph).trainable(*names, init=init) if names else cls(graph)

    @property
    def cells(self) -> int:
        """Number of unit cells of the chains it takes, as its recipe says or its formula does.

        Raises
        ------
        ConfigError
            If it takes something else than states of chains of unit cells.
        """
        if self._cells is None:
            raise ConfigError("this network has no number of cells: no input has an index 'cell'")
        return self._cells

    @property
    def _cells(self) -> int | None:
        if "cells" in self.recipe[0]:
            return int(self.recipe[0]["cells"])
        named = [dict(zip(x.inds, x.shape, strict=True)) for x in self.inputs.values()]
        return next((sizes["cell"] for sizes in named if "cell" in sizes), None)

    def _facts(self) -> dict[str, str]:
        kinds = [node.kind for node in self._nodes.values()]
        takes = (f"{n} {('batch', *x.shape[1:])}" for n, x in self.inputs.items())
        return {
            "what": self.title,
            "takes": some(takes).replace("'", ""),
            "gives": f"{self.output} {('batch', *self.output_shape[1:])}".replace("'", ""),
            "nodes": some(f"{kind} × {kinds.count(kind)}" for kind in dict.fromkeys(kinds)),
            "parameters": f"{self.parameter_count():,}",
        }

    def _drawing(self) -> str:
        from tnlearn.drawing.show import picture

        return picture(self)

    # ------------------------------------------------------------------ changing it

    def trainable(
        self,
        *names: str,
        structure: str | None = None,
        channels: int | None = None,
        init: Init | str = "exact",
        bond: int | None = None,
    ) -> Network:
        """Set constants free.

        Parameters
        ----------
        names
            The nodes to free, such as ``"D"`` or ``"X", "window"``.
        structure
            ``"dense"``: every entry free (a diagonal operator becomes a full matrix);
            ``"diagonal"``: only the diagonal; ``"lowrank"``: two factors of bond
            dimension `bond`; ``"cells"``: one value a cell, for both sublattices;
            ``"spacings"``: the same as a running sum of spacings; ``"position"``: a function
            of position, the same weights for every length (with `bond`: as factors);
            ``"position-short"``: one that also knows x - y in cells.  Default: each entry.
        channels
            Number of independent copies; the output gets a channel index.
        init
            An initialisation from `tnl.init`; ``"exact"`` reproduces the formula.
        bond
            Bond dimension of ``"lowrank"``; of ``"position"`` if it is to have factors.

        Raises
        ------
        UnknownNameError
            For a node or structure that does not exist.
        ConfigError
            For inputs, computed nodes, complex constants, a structure the node cannot have, or
            channels the network cannot take.
        """
        start, base = as_init(init), self._with_matrices(names, structure)
        channels = None if channels is None else check_whole("channels", channels, 1)
        how: dict[str, Any] = {"structure": structure, "channels": channels, "bond": bond}
        graph = set_free(base, names, init=start, cells=self._cells, **how)
        step = {"call": "trainable", "names": list(names), **how, "init": asdict(start)}
        return base._changed(graph, step)

    def _with_matrices(self, names: Sequence[str], structure: str | None) -> Network:
        """The same network with diagonal operators that are to be dense as full matrices."""
        there = [self._nodes[name] for name in names if name in self._nodes]
        vectors = frozenset(node.name for node in there if len(node.inds) == 1)
        if structure not in ("dense", "lowrank") or not vectors or self._formula is None:
            return self
        if len(self.recipe) > 1 or self.parameters:
            raise ConfigError(
                f"to make {', '.join(sorted(vectors))} full matrices, call "
                "trainable(…, structure='dense') before any other change of the network"
            )
        # A user's own formula is described by its nodes, which are other nodes now.
        recipe = None if self.recipe[0]["call"] == "graph" else self.recipe
        graph = build(*self._formula, dense=vectors)
        return Network(graph, recipe=recipe, factory=self._factory, formula=self._formula)

    def head(
        self,
        classes: int | Sequence[int] = 2,
        hidden: Sequence[int] = (),
        *,
        kind: str = "mlp",
        activation: str = "relu",
        sharpness: float = 10.0,
    ) -> Network:
        """Attach a neural head that turns the output into class logits.

        Parameters
        ----------
        classes
            Number of classes; for the rounding head the windings they stand for.
        hidden
            Widths of hidden layers; none makes the head affine.
        kind
            ``"mlp"`` (affine if there is no hidden layer) or ``"rounding"``: the exact
            rounding of W to the nearest winding c, logits ``sharpness (2 c W - c²)``.
        activation
            ``"relu"``, ``"gelu"`` or ``"tanh"``.
        sharpness
            Scale of the rounding head's logits.

        Raises
        ------
        UnknownNameError
            For an unknown kind or activation.
        ConfigError
            If there is a head already, or the sizes or windings are not possible.
        """
        step: dict[str, Any] = {
            "classes": _whole(classes),
            "hidden": np.atleast_1d(_whole(hidden)).tolist(),
            "kind": kind,
            "activation": activation,
            "sharpness": sharpness,
        }
        return self._changed(attach_head(self, **step), {"call": "head", **step})

    def resize(self, cells: int) -> Network:
        """The same construction for chains of another length.

        Parameters that are functions of position, and heads, keep their shapes,
        so weights trained at one length can be used at another.
        """
        if self._factory is None:
            raise ConfigError(
                "only networks made by tnl.rswn or tnl.baseline can be resized; "
                "build your formula for the other length"
            )
        options = {key: value for key, value in self.recipe[0].items() if key != "call"}
        return self._factory(**options | {"cells": int(cells)}).repeated(self.recipe[1:])

    def repeated(self, steps: Recipe) -> Network:
        """The network after the changes that a recipe tells of: nodes freed, a head attached."""
        network = self
        for step in steps:
            options = {key: value for key, value in step.items() if key != "call"}
            if step["call"] == "trainable":
                options["init"] = Init(**options["init"])
                network = network.trainable(*options.pop("names"), **options)
            elif step["call"] == "head":
                network = network.head(**options)
            else:
                raise ConfigError(f"unknown step {step['call']!r} in the description of a network")
        return network

    def _changed(self, graph: Graph, step: Mapping[str, Any]) -> Network:
        return Network(
            graph, recipe=[*self.recipe, step], factory=self._factory, formula=self._formula
        )

    def describe(self) -> dict[str, Any]:
        """The network as a JSON-able dictionary: how it was made, and its contraction trees."""
        return {"recipe": [dict(step) for step in self.recipe], "trees": dict(self.trees)}

    # ------------------------------------------------------------------ computing it

    @property
    def trees(self) -> Mapping[str, Tree]:
        """The contraction tree of every contraction; searched once, on first use."""
        return find_trees(self)

    def plan(self, *, complex: bool = False, optimize: Any = None) -> Plan:
        """How it is carried out, for real or complex states.

        Parameters
        ----------
        complex
            Whether what is fed in is complex.
        optimize
            An optimiser to search the contraction trees by instead of ours: a name, an object
            or a path, whatever cotengra and quimb take.  Its trees stay: they are what
            `cost`, `module` and `describe` have from then on.

        Raises
        ------
        ConfigError
            If the optimiser gives no path.
        """
        if optimize is not None:
            find_trees(self, optimize)
        return find_plan(self, complex=complex)

    def cost(self, batch: int = 1, *, backward: bool = False) -> Cost:
        """Flops (naive, of the path, with repeated steps shared), peak memory, parameters.

        With `backward` also those of the gradients of all parameters.
        """
        return cost(find_plan(self), batch, backward=backward)

    def __call__(self, *states: Any, seed: int = 0, **named: Any) -> Any:
        """The output for states: numpy in, numpy out; torch in, torch out, differentiable.

        Parameters
        ----------
        states
            States (with arrays u and v), chains, a data set, or a mapping of names to arrays;
            or the arrays themselves, (samples, …), in the order of `inputs`.
        seed
            Trainable nodes stand at their initial values of this seed.
        named
            Arrays by name, ``net(psi=psi)``.

        Raises
        ------
        ShapeError
            If the states are not of the network's length.
        NotFiniteError
            If they hold NaN or infinity.
        UnknownNameError, ConfigError
            For a name that is no input, or if an input is missing.
        """
        return evaluate(self, by_name(self.inputs, states, named), seed=seed)

    def module(
        self, seed: int = 0, *, dtype: str = "float32", complex: bool = False
    ) -> NetworkModule:
        """The compiled torch module: ``module(u, v) -> (batch, classes)``.

        Parameters
        ----------
        seed
            Of the initial values; member `k` of an ensemble of this seed starts alike for k = 0.
        dtype
            ``"float32"`` or ``"float64"``: of the parameters and of the arithmetic.
        complex
            Whether u and v are complex.
        """
        from tnlearn.networks.compiled import NetworkModule  # torch, only where it is needed

        return NetworkModule(self, seed=seed, dtype=dtype, complex=complex)

    def compile(
        self,
        *,
        members: int,
        own_batches: bool = True,
        dtype: str = "float32",
        complex: bool = False,
        fold: bool = True,
        device: str = "cpu",
    ) -> Compiled:
        """An ensemble of `members` copies as one function; see `networks.compiled.Compiled`.

        Made once, on first use.
        """
        from tnlearn.networks.compiled import Compiled  # torch, only where it is needed

        how: dict[str, Any] = {"dtype": dtype, "complex": complex, "fold": fold, "device": device}
        key = f"compiled, members={members}, own_batches={own_batches}, {how}"
        if key not in self.memo:
            self.memo[key] = Compiled(self, members, own_batches=own_batches, **how)
        compiled: Compiled = self.memo[key]
        return compiled

    # ------------------------------------------------------------------ showing it

    def tensor_network(
        self, states: Any = None, *, batch: int = 4, contraction: str | None = None, seed: int = 0
    ) -> Any:
        """One contraction as a plain `quimb.tensor.TensorNetwork` with native hyperindices.

        ``tn.contract(output_inds=…)`` gives what the network computes; tags are node names.

        Parameters
        ----------
        states
            The data: states, chains, a data set or arrays by name, as of a call; a number, or
            `batch`, stands for so many random chains of `seed`.
        contraction
            Name of a contraction node; by default the one that computes the invariant.
        """
        return tensor_network(self, self._data(states, batch, seed), contraction=contraction)

    def to_tensornetwork(
        self, states: Any = None, *, batch: int = 4, contraction: str | None = None, seed: int = 0
    ) -> Exported:
        """The same contraction as nodes of the tensornetwork library, hyperindices as copy tensors.

        ``tensornetwork.contractors.greedy(*net.to_tensornetwork(batch=4))`` contracts it.
        """
        return to_tensornetwork(self, self._data(states, batch, seed), contraction=contraction)

    def contract(
        self,
        states: Any = None,
        *,
        steps: int | None = None,
        batch: int = 4,
        contraction: str | None = None,
        seed: int = 0,
    ) -> Any:
        """The tensor network with the first `steps` of its tree carried out (all by default).

        A quimb network to look at and go on with; data as of `tensor_network`.  What the tree
        does several times is one step.
        """
        return contracted(self, self._data(states, batch, seed), steps, contraction=contraction)

    def _data(self, states: Any, batch: int, seed: int) -> dict[str, Any]:
        """Arrays by name: of states, or of so many example chains."""
        if states is None:
            return example_inputs(self, batch, seed)
        if isinstance(states, (int, np.integer)):
            return example_inputs(self, int(states), seed)
        return checked(self.inputs, by_name(self.inputs, (states,), {}))

    @property
    def title(self) -> str:
        """What the network is, in one line."""
        base = dict(self.recipe[0])
        if base.get("kind") == "symmetric":
            base["kind"] = f"symmetric ({base.get('variant', 'dense')})"
        size = f"{self._cells} cells" if self._cells else ", ".join(self.inputs)
        shown = {
            "rswn": "Winding number, {form} form, {cells} cells, {boundary}",
            "scaling": "Moments of the winding number, {cells} cells",
            "baseline": "Baseline {kind}, {cells} cells",
        }.get(base["call"], f"Network of {self.output}, {size}")
        shown = shown.format(**base)
        if base.get("boundary") == "open":
            shown += f", window {base['window']:g}"
        steps = self.recipe[1:]
        freed = [name for step in steps if step["call"] == "trainable" for name in step["names"]]
        shown += f", {' and '.join(freed)} trainable" if freed else ""
        return shown + (", with a head" if any(step["call"] == "head" for step in steps) else "")

    def draw(self, path: str | Path | None = None, *, ax: Axes | None = None) -> Axes:
        """A picture of the graph; written to `path` (.png, .svg, .pdf) if one is given.

        On the axes `ax`, scaled to fit, or on axes of its own, which a notebook shows.
        """
        from tnlearn.drawing.show import draw  # networkx, only where it is needed

        return draw(self, path, title=self.title, ax=ax)

    def draw_tree(
        self,
        path: str | Path | None = None,
        *,
        contraction: str | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """A picture of a contraction tree, with the cost of each step and what is shared."""
        from tnlearn.drawing.show import draw_tree

        return draw_tree(self, path, contraction=contraction, title=self.title, ax=ax)

    def to_html(self, path: str | Path) -> Path:
        """One self-contained HTML page to explore the graph, its tree and its costs in."""
        from tnlearn.drawing.show import to_html

        return to_html(self, path, title=self.title)


def network(formula: Scalar, *, name: str = "W", part: str = "real") -> Network:
    """The network of a formula: a polynomial of traces becomes named tensors that are contracted.

    Parameters
    ----------
    formula
        Numbers, such as ``f.Tr(…)`` and ``f.local(…)``, their parts, sums, products and powers.
    name
        Of the output.
    part
        ``"real"`` or ``"imag"``: which part of the formula the network gives.

    Raises
    ------
    ConfigError
        If the formula does not close (an operator is no number), nothing is fed in, or two
        operators have one name.
    ShapeError
        If two operators do not fit together.

    >>> import tnlearn as tnl
    >>> from tnlearn import formula as f
    >>> psi = f.occupied("psi", sites=6, count=2)
    >>> left = f.diagonal("left", [1, 1, 1, 0, 0, 0])
    >>> net = tnl.network(f.Tr(left @ psi @ psi.H) ** 2)      # net(psi=array) -> (samples,)
    """
    return Network.from_formula(formula, name=name, part=part)


def _whole(value: Any) -> Any:
    """A whole number, or a list of them."""
    return int(value) if isinstance(value, (int, np.integer)) else [int(n) for n in value]


def example_inputs(
    network: Network, batch: int, seed: int = 0, *, complex: bool = False
) -> dict[str, Any]:
    """States (batch, cells, cells) of random disordered extended SSH chains, by name.

    Hoppings of offset −1 … 2 with disorder 0.5 on each; with `complex` the first
    and the last are imaginary.  The same seed gives the same states.

    Raises
    ------
    ConfigError
        If the batch is no whole number >= 1, or the network takes other inputs.
    """
    batch = check_whole("batch", batch, 1)
    if network.inputs.keys() != {"u", "v"}:
        raise ConfigError(
            "example chains have states u and v, and this network takes "
            f"{', '.join(network.inputs)}: give the arrays, tensor_network({{name: array}})"
        )
    hoppings = {m: t * (1j if complex and m in (-1, 2) else 1.0) for m, t in HOPPINGS.items()}
    disorder = dict.fromkeys(hoppings, DISORDER)
    chains = chain(network.cells, hoppings, disorder=disorder, samples=batch, seed=seed)
    arrays = bind(network.inputs, [chains.states().arrays])
    for name, node in network.inputs.items():
        if node.shape[1:] != arrays[name].shape[1:]:
            raise ConfigError(
                f"input {name!r} takes {node.shape[1]} states of {node.shape[2]} cells; example "
                f"states can be made only where there are as many states as cells"
            )
    return arrays
