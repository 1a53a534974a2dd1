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

__all__ = [
    "LANES",
    "conjugate",
    "load",
    "load16",
    "load16_as",
    "load_as",
    "number_as",
    "real_part",
    "size",
    "spread16_as",
    "spread_as",
    "store",
    "total",
]

LANES = 8


class _Lanes(types.Type):  # type: ignore[misc]
    """A vector of `width` float64."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.vector = ir.VectorType(ir.DoubleType(), width)
        super().__init__(name=f"Lanes({width})")


class _Pair(types.Type):  # type: ignore[misc]
    """Real and imaginary parts of complex128."""

    def __init__(self, part: _Lanes) -> None:
        self.part = part
        super().__init__(name=f"Pair({part.width})")


class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Lanes) -> None:
        super().__init__(manager, kind, kind.vector)


class _PairModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Pair) -> None:
        super().__init__(manager, kind, [("real", kind.part), ("imag", kind.part)])


register_model(_Lanes)(_LanesModel)
register_model(_Pair)(_PairModel)
_EIGHT, _SIXTEEN = _Lanes(LANES), _Lanes(2 * LANES)
_PAIRS = {part: _Pair(part) for part in (_EIGHT, _SIXTEEN)}


def _place(context: Any, builder: Any, array: Any, value: Any, at: Any, kind: _Lanes) -> Any:
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [at]), kind.vector.as_pointer())


def _loader(kind: _Lanes) -> Any:
    def make(typing: Any, array: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _place(context, builder, signature.args[0], args[0], args[1], kind)
            found = builder.load(place)
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
        found = cgutils.create_struct_proxy(signature.return_type)(context, builder)
        found.real, found.imag = args
        return found._getvalue()

    return _PAIRS[real](real, real), code


def _part(name: str) -> Any:
    def make(typing: Any, pair: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(cgutils.create_struct_proxy(pair)(context, builder, args[0]), name)

        return pair.part(pair), code

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
_size_of, _sum_of = intrinsic(_modulus), intrinsic(_sum)


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
    """Let an operator act on two vectors, a vector and a number, two pairs, a pair and a vector."""

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
        if isinstance(a, _Pair) and b == a.part and name == "fmul":
            return lambda a, b: _pair_of(_real(a) * b, _imag(a) * b)
        if isinstance(b, _Pair) and isinstance(a, types.Float) and name == "fmul":
            return lambda a, b: _pair_of(a * _real(b), a * _imag(b))
        if isinstance(b, _Pair) and a == b.part and name == "fmul":
            return lambda a, b: _pair_of(a * _real(b), a * _imag(b))
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


def spread_as(like: Any, number: Any) -> Any:
    """The same number in all 8 places, as one of the kind of the array `like`."""
    raise NotImplementedError("for kernels only")


def load16_as(like: Any, array: Any, at: Any) -> Any:
    """As `load_as`, 16 numbers."""
    raise NotImplementedError("for kernels only")


def spread16_as(like: Any, number: Any) -> Any:
    """As `spread_as`, in 16 places."""
    raise NotImplementedError("for kernels only")


def conjugate(a: Any) -> Any:
    """The complex conjugates; a itself if real."""
    raise NotImplementedError("for kernels only")


def real_part(a: Any) -> Any:
    """The real parts, as a real vector."""
    raise NotImplementedError("for kernels only")


def total(a: Any) -> Any:
    """The sum of the numbers."""
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


def _load16_as(like: Any, array: Any, at: Any) -> Any:
    if isinstance(like.dtype, types.Complex):
        return lambda like, array, at: _pair_of(load16(array, at), load16(array, at + 16))
    return lambda like, array, at: load16(array, at)


def _number_as(like: Any, array: Any, at: Any) -> Any:
    if isinstance(like.dtype, types.Complex):
        return lambda like, array, at: complex(array[at], array[at + LANES])
    return lambda like, array, at: array[at]


def _stored(array: Any, at: Any, value: Any) -> Any:
    if isinstance(value, _Lanes):
        return lambda array, at, value: _store_one(array, at, value)

    if not isinstance(value, _Pair):
        return None
    width = value.part.width

    def both(array, at, value):  # type: ignore[no-untyped-def]
        _store_one(array, at, _real(value))
        _store_one(array, at + width, _imag(value))

    return both


def _spreading(kind: _Lanes) -> Callable[..., Any]:
    spread = _spread[kind]

    def chosen(like: Any, number: Any) -> Any:
        if isinstance(like.dtype, types.Complex):
            return lambda like, number: _pair_of(spread(number.real), spread(number.imag))
        return lambda like, number: spread(number)

    return chosen


def _conjugate(a: Any) -> Any:
    if isinstance(a, _Pair):
        return lambda a: _pair_of(_real(a), -_imag(a))
    return (lambda a: a) if isinstance(a, _Lanes) else None


def _real_part(a: Any) -> Any:
    if isinstance(a, _Pair):
        return lambda a: _real(a)
    return (lambda a: a) if isinstance(a, _Lanes) else None


def _total(a: Any) -> Any:
    if isinstance(a, _Pair):
        return lambda a: complex(_sum_of(_real(a)), _sum_of(_imag(a)))
    return (lambda a: _sum_of(a)) if isinstance(a, _Lanes) else None


for _function, _chosen in (
    (size, _size),
    (load_as, _load_as),
    (number_as, _number_as),
    (load16_as, _load16_as),
    (spread_as, _spreading(_EIGHT)),
    (spread16_as, _spreading(_SIXTEEN)),
    (store, _stored),
    (conjugate, _conjugate),
    (real_part, _real_part),
    (total, _total),
):
    _lower(_function, _chosen)
