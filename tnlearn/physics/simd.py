"""Vectors of numbers in compiled kernels: one number each of 8 or 16 chains, as one value.

Inside a kernel

    x = load(array, at)             # array[at : at + 8]; load16 takes 16
    y = 2.0 * x * x + a / x         # a: a number, or another vector
    store(array, at, y)

A compiler does that by itself for loops over lanes as long as it can prove that no two of
the arrays overlap, which it cannot where several are read and written; here nothing has to
be proved, and what is used again stays in registers.  `load_as` takes 8 real or 8 complex
numbers, as its first argument tells: complex ones are a pair of vectors, of their real and of
their imaginary parts, with the same operations but division.  `size` is the modulus of a
real vector, and |re| + |im| of a complex one; `total` is the sum of a real one.

Made with numba's extension interface (`numba.extending`): types, their layout, operations.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

__all__ = ["LANES", "load", "load16", "load_as", "number_as", "size", "store", "total"]

LANES = 8


class _Lanes(types.Type):  # type: ignore[misc]
    """A vector of `width` float64."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.vector = ir.VectorType(ir.DoubleType(), width)
        super().__init__(name=f"Lanes({width})")


class _Pair(types.Type):  # type: ignore[misc]
    """Real and imaginary parts of 8 complex128."""

    def __init__(self) -> None:
        super().__init__(name="Pair")


class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Lanes) -> None:
        super().__init__(manager, kind, kind.vector)


class _PairModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Pair) -> None:
        super().__init__(manager, kind, [("real", _EIGHT), ("imag", _EIGHT)])


register_model(_Lanes)(_LanesModel)
register_model(_Pair)(_PairModel)
_EIGHT, _SIXTEEN, _PAIR = _Lanes(LANES), _Lanes(2 * LANES), _Pair()


def _place(context: Any, builder: Any, array: Any, value: Any, at: Any, kind: _Lanes) -> Any:
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [at]), kind.vector.as_pointer())


def _loader(kind: _Lanes) -> Any:
    def make(typing: Any, array: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found = builder.load(_place(context, builder, signature.args[0], *args, kind))
            found.align = LANES
            return found

        return kind(array, types.intp), code

    return intrinsic(make)


def _store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1], value)
        builder.store(args[2], place).align = LANES
        return context.get_dummy_value()

    return types.void(array, types.intp, value), code


def _spreader(kind: _Lanes) -> Any:
    def make(typing: Any, number: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            none = ir.Constant(kind.vector, ir.Undefined)
            first = builder.insert_element(none, args[0], ir.Constant(ir.IntType(32), 0))
            mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.width), [0] * kind.width)
            return builder.shuffle_vector(first, none, mask)

        return kind(types.float64), code

    return intrinsic(make)


def _pair(typing: Any, real: Any, imag: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = cgutils.create_struct_proxy(_PAIR)(context, builder)
        found.real, found.imag = args
        return found._getvalue()

    return _PAIR(_EIGHT, _EIGHT), code


def _part(name: str) -> Any:
    def make(typing: Any, pair: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(cgutils.create_struct_proxy(_PAIR)(context, builder, args[0]), name)

        return _EIGHT(_PAIR), code

    return intrinsic(make)


def _modulus(typing: Any, a: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(a.vector, [a.vector])
        name = f"llvm.fabs.v{a.width}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return a(a), code


def _sum(typing: Any, a: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), a.vector])
        name = f"llvm.vector.reduce.fadd.v{a.width}f64"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        none = ir.Constant(ir.DoubleType(), -0.0)
        # In pairs, and not one after the other.
        return builder.call(function, [none, *args], fastmath=("reassoc",))

    return types.float64(a), code


load, load16, _store_one = _loader(_EIGHT), _loader(_SIXTEEN), intrinsic(_store)
_spread = {_EIGHT: _spreader(_EIGHT), _SIXTEEN: _spreader(_SIXTEEN)}
_pair_of, _real, _imag = intrinsic(_pair), _part("real"), _part("imag")
_size_of, total = intrinsic(_modulus), intrinsic(_sum)


def _lower(function: Callable[..., Any], chosen: Callable[..., Any]) -> None:
    """Let kernels call `function` as the implementation that is chosen by the types."""
    # numba wants the parameters of both alike, and lambdas have no annotations.
    chosen.__annotations__.clear()
    overload(function)(chosen)


def _negative(a: Any) -> Any:
    if isinstance(a, _Lanes):
        return lambda a: 0.0 - a
    return (lambda a: _pair_of(-_real(a), -_imag(a))) if isinstance(a, _Pair) else None


_lower(operator.neg, _negative)


def _on_pairs() -> dict[str, Callable[..., Any]]:
    return {
        "fadd": lambda a, b: _pair_of(_real(a) + _real(b), _imag(a) + _imag(b)),
        "fsub": lambda a, b: _pair_of(_real(a) - _real(b), _imag(a) - _imag(b)),
        "fmul": lambda a, b: _pair_of(
            _real(a) * _real(b) - _imag(a) * _imag(b), _real(a) * _imag(b) + _imag(a) * _real(b)
        ),
    }


def _binary(operation: Callable[..., Any], name: str) -> None:
    """Let an operator act on two vectors, on one and a number, or on two pairs."""

    def make(typing: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return a(a, b), code

    act = intrinsic(make)

    def chosen(a: Any, b: Any) -> Any:
        if isinstance(a, _Lanes) and a == b:
            return lambda a, b: act(a, b)
        if isinstance(a, _Lanes) and isinstance(b, types.Float):
            spread = _spread[a]
            return lambda a, b: act(a, spread(b))
        if isinstance(b, _Lanes) and isinstance(a, types.Float):
            spread = _spread[b]
            return lambda a, b: act(spread(a), b)
        if isinstance(a, _Pair) and a == b:
            return _on_pairs().get(name)
        return None

    _lower(operation, chosen)


for _operation, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _binary(_operation, _name)


def size(a: Any) -> Any:
    """|a| of each number of a real vector; |re| + |im|, at least that, of a complex one."""
    raise NotImplementedError("for kernels only")


def load_as(like: Any, array: Any, at: Any) -> Any:
    """8 numbers of the kind of the array `like`: array[at : at + 8], the imaginary ones after."""
    raise NotImplementedError("for kernels only")


def number_as(like: Any, array: Any, at: Any) -> Any:
    """One of the numbers that `load_as` takes: array[at], and i array[at + 8] if complex."""
    raise NotImplementedError("for kernels only")


def store(array: Any, at: Any, value: Any) -> Any:
    """array[at : at + n] = value; the imaginary parts of a pair after its real ones."""
    raise NotImplementedError("for kernels only")


def _size(a: Any) -> Any:
    if isinstance(a, _Lanes):
        return lambda a: _size_of(a)
    return (lambda a: _size_of(_real(a)) + _size_of(_imag(a))) if isinstance(a, _Pair) else None


def _load_as(like: Any, array: Any, at: Any) -> Any:
    if isinstance(like.dtype, types.Complex):
        return lambda like, array, at: _pair_of(load(array, at), load(array, at + LANES))
    return lambda like, array, at: load(array, at)


def _number_as(like: Any, array: Any, at: Any) -> Any:
    if isinstance(like.dtype, types.Complex):
        return lambda like, array, at: complex(array[at], array[at + LANES])
    return lambda like, array, at: array[at]


def _stored(array: Any, at: Any, value: Any) -> Any:
    if isinstance(value, _Lanes):
        return lambda array, at, value: _store_one(array, at, value)

    def both(array, at, value):  # type: ignore[no-untyped-def]
        _store_one(array, at, _real(value))
        _store_one(array, at + LANES, _imag(value))

    return both if isinstance(value, _Pair) else None


_lower(size, _size)
_lower(number_as, _number_as)
_lower(store, _stored)
_lower(load_as, _load_as)
