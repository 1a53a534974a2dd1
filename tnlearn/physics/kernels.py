"""How kernels are compiled, and vectors in them: one number each of eight chains, as one value.

Kernels let go of the interpreter lock and are kept on disk where a folder can be written.
Inside a kernel

    x = load(array, at)             # array[at : at + 8]
    y = 2.0 * x * x + size(a / x)   # a: a number, or another vector
    store(array, at, y)

A compiler does that by itself for loops over lanes as long as it can prove that no two of
the arrays overlap, which it cannot where several are read and written; here nothing has to
be proved, and what is used again stays in registers.  `size` is the modulus of each number,
`total` their sum.

Made with numba's extension interface (`numba.extending`): a type, its layout, operations.
"""

from __future__ import annotations

import contextlib
import hashlib
import operator
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.extending import intrinsic, models, overload, register_model

__all__ = ["LANES", "kernel", "load", "size", "store", "strict_kernel", "total"]

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered (so that they vectorise) and divisions be done by reciprocals;
# NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


def kernel(function: Function) -> Function:
    """`numba.njit` in which sums may be reordered, so that they vectorise."""
    return _compiled(function, _FAST)


def strict_kernel(function: Function) -> Function:
    """The same with sums and divisions as written (a product may enter a sum unrounded)."""
    return _compiled(function, {"contract"})


def _compiled(function: Function, fast: set[str]) -> Function:
    compiled: Any = numba.njit(nogil=True, fastmath=fast, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):  # no folder for it can be written
        compiled._cache = _Cache(function)
    return cast(Function, compiled)


class _Cache(FunctionCache):  # type: ignore[misc]
    """Compiled kernels on disk, each with its checksum: what is not as written is made anew."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        name, stamp = self._impl.filename_base, self._impl.locator.get_source_stamp()
        self._cache_file = _CacheFile(self._cache_path, f"{name}-checked", stamp)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The kernel that is kept for a signature; None if there is none, or a damaged one."""
        try:
            return super().load_overload(signature, context)
        except Exception as error:  # what is thrown at a damaged file is not to be foreseen
            self._tell(error)
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, kernel: Any) -> None:
        """Keep a kernel where that is possible."""
        try:
            super().save_overload(signature, kernel)
        except Exception as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """One line, once in a process."""
        if not _told:
            why = " ".join(str(error).split()) or type(error).__name__
            line = f"tnlearn: kernels kept in {self.cache_path} cannot be used ({why[:200]})"
            print(f"{line}; they are compiled again", file=sys.stderr)
        _told.append(True)


class _CacheFile(IndexDataCacheFile):  # type: ignore[misc]
    """An index and its kernels; nothing in them is unpickled before its checksum is right."""

    def _save_index(self, kernels: Any) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, kernels))

    def _save_data(self, name: str, kernel: Any) -> None:
        self._write(self._data_path(name), kernel)

    def _load_index(self) -> Any:
        try:
            version, stamp, kernels = self._load_data(self._index_name)
        except FileNotFoundError:
            return {}
        return kernels if (version, stamp) == (self._version, self._source_stamp) else {}

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            raise ValueError(f"the checksum of {name} does not hold")
        return pickle.loads(content[32:])

    def _write(self, path: str, item: Any) -> None:
        content = self._dump(item)
        with self._open_for_write(path) as stream:
            stream.write(hashlib.sha256(content).digest() + content)


_told: list[bool] = []


LANES = 8
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


class _Lanes(types.Type):  # type: ignore[misc]
    """A vector of LANES float64."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Lanes) -> None:
        super().__init__(manager, kind, _VECTOR)


register_model(_Lanes)(_LanesModel)
_EIGHT = _Lanes()


def _place(context: Any, builder: Any, array: Any, value: Any, at: Any) -> Any:
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())


def _load(typing: Any, array: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = builder.load(_place(context, builder, signature.args[0], *args))
        vector.align = 8
        return vector

    return _EIGHT(array, types.intp), code


def _store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], place).align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, _EIGHT), code


def _size(typing: Any, a: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        name = f"llvm.fabs.v{LANES}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return _EIGHT(a), code


def _total(typing: Any, a: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), _VECTOR])
        name = f"llvm.vector.reduce.fadd.v{LANES}f64"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        none = ir.Constant(ir.DoubleType(), -0.0)
        # In pairs, and not one after the other.
        return builder.call(function, [none, *args], fastmath=("reassoc",))

    return types.float64(a), code


def _spreading(typing: Any, number: Any) -> Any:
    """The same number in all places."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        none = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(none, args[0], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(first, none, mask)

    return _EIGHT(types.float64), code


load, store, size, total = intrinsic(_load), intrinsic(_store), intrinsic(_size), intrinsic(_total)
_spread = intrinsic(_spreading)


def _lower(function: Callable[..., Any], chosen: Callable[..., Any]) -> None:
    """Let kernels call `function` as the implementation that is chosen by the types."""
    # numba wants the parameters of both alike, and lambdas have no annotations.
    chosen.__annotations__.clear()
    overload(function)(chosen)


def _binary(operation: Callable[..., Any], name: str) -> None:
    """Let an operator act on two vectors, or on a vector and a number."""

    def make(typing: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return _EIGHT(a, b), code

    act = intrinsic(make)

    def chosen(a: Any, b: Any) -> Any:
        if isinstance(a, _Lanes) and isinstance(b, _Lanes):
            return lambda a, b: act(a, b)
        if isinstance(a, _Lanes) and isinstance(b, types.Float):
            return lambda a, b: act(a, _spread(b))
        if isinstance(b, _Lanes) and isinstance(a, types.Float):
            return lambda a, b: act(_spread(a), b)
        return None

    _lower(operation, chosen)


_lower(operator.neg, lambda a: (lambda a: 0.0 - a) if isinstance(a, _Lanes) else None)
_binary(operator.add, "fadd")
_binary(operator.sub, "fsub")
_binary(operator.mul, "fmul")
_binary(operator.truediv, "fdiv")
