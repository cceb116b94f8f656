"""Arrays of the caller's as the library reads them, and arrays for what it writes.

Read without a copy: float32, float16 and bfloat16 in the host's memory, if the last dimension is contiguous and rows do
not lie in one another; strides are passed on. Anything else with these types is copied once (another byte order, a
transposed, reversed or broadcast last dimension, a misaligned buffer). Other types are refused, never converted: what
is lost by rounding is the caller's to decide.

Whatever NumPy takes for an array is NumPy's (`__array_interface__`, the buffer protocol), and so is what speaks DLPack
in the host's memory; torch tensors are torch's. Torch is never imported here: who has a tensor has imported it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy
from numpy.typing import NDArray

from ._errors import Error, Status

#: flashvid_scalar by name.
SCALARS = {"float32": 0, "float16": 1, "bfloat16": 2}
SCALAR_NAMES = list(SCALARS)

_LARGEST_STRIDE = 2**31 - 1
# The address of what has no elements: never read, and not NULL, so that the engine says which dimension is empty.
_nothing = (ctypes.c_int64 * 1)()


class Operand(NamedTuple):
    """Memory that is read. It is valid while `owner` lives."""

    address: int
    #: flashvid_scalar.
    type: int
    shape: tuple[int, ...]
    #: In elements.
    strides: tuple[int, ...]
    owner: Any


class Framework(Protocol):
    """Where an array comes from, and where the answer goes back to."""

    def read(self, array: Any, name: str, dimensions: str, width: int) -> Operand:
        """The array's memory; the last `width` of its dimensions are to lie side by side."""
        ...

    def empty(self, shape: Sequence[int], type: str) -> Any:
        """Host memory for the library to write to."""
        ...

    def address(self, array: Any) -> int: ...

    def deliver(self, array: Any) -> Any:
        """What `empty` gave, or a part of it, to where the caller's arrays are."""
        ...


# --------------------------------------------------------------------------------------------------------- NumPy


class NumPy:
    """NumPy's arrays, and what it takes for one."""

    def read(self, array: Any, name: str, dimensions: str, width: int) -> Operand:
        found = as_numpy(array, name)
        check_dimensions(found.shape, name, dimensions)
        scalar = SCALARS.get(found.dtype.name)
        if scalar is None:
            raise unreadable(name, found.dtype.name)
        size = found.dtype.itemsize
        whole = all(stride % size == 0 for stride in found.strides)
        strides = tuple(stride // size for stride in found.strides)
        if not (whole and found.flags.aligned and found.dtype.isnative and is_readable(found.shape, strides, width)):
            found = numpy.array(found, dtype=found.dtype.newbyteorder("="), order="C")
            strides = tuple(stride // size for stride in found.strides)
        return operand(found.ctypes.data, scalar, found.shape, strides, width, found)

    def empty(self, shape: Sequence[int], type: str) -> NDArray[Any]:
        return numpy.empty(tuple(shape), dtype=numpy_type(type))

    def address(self, array: NDArray[Any]) -> int:
        return array.ctypes.data

    def deliver(self, array: NDArray[Any]) -> NDArray[Any]:
        return array


def numpy_type(name: str) -> Any:
    """NumPy's type of that name; its bfloat16 is that of ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes

        return numpy.dtype(ml_dtypes.bfloat16)
    return numpy.dtype(name)


def as_numpy(array: Any, name: str) -> NDArray[Any]:
    """An array of NumPy's on the same memory."""
    if isinstance(array, numpy.ndarray):
        return array
    if hasattr(array, "__dlpack__") and not hasattr(array, "__array_interface__") and not hasattr(array, "__array__"):
        try:
            return numpy.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError) as error:
            raise TypeError(f"{name} cannot be read: {error}; bring them into the host's memory first") from error
    return numpy.asarray(array)


# --------------------------------------------------------------------------------------------------------- torch


class Torch:
    """Tensors of torch's on one device.

    The engine works in the host's memory: a CUDA tensor is fetched through pinned memory, and the answer goes back to
    its device from pinned memory. Tensors of other devices are fetched and brought back as torch does it.
    """

    def __init__(self, torch: Any, device: Any) -> None:
        self.torch = torch
        self.device = device

    def read(self, array: Any, name: str, dimensions: str, width: int) -> Operand:
        tensor = self.fetch(array, name)
        check_dimensions(tuple(tensor.shape), name, dimensions)
        type = type_name(tensor.dtype)
        scalar = SCALARS.get(type)
        if scalar is None:
            raise unreadable(name, type)
        if not is_readable(tuple(tensor.shape), tensor.stride(), width):
            tensor = tensor.contiguous()
        return operand(tensor.data_ptr(), scalar, tuple(tensor.shape), tensor.stride(), width, tensor)

    def fetch(self, array: Any, name: str) -> Any:
        """The tensor, out of autograd's sight, in the host's memory."""
        torch = self.torch
        if not isinstance(array, torch.Tensor):
            return torch.from_numpy(as_numpy(array, name))
        if array.layout != torch.strided:
            raise TypeError(f"{name} have the layout {array.layout}; expected torch.strided")
        tensor = array.detach()
        if tensor.device.type == "cpu":
            return tensor.resolve_neg()
        if tensor.device.type == "meta":
            raise TypeError(f"{name} are on torch's meta device and have no values")
        if tensor.device.type != "cuda":
            return tensor.cpu()
        host = torch.empty(tuple(tensor.shape), dtype=tensor.dtype, pin_memory=True)
        host.copy_(tensor, non_blocking=True)
        torch.cuda.current_stream(tensor.device).synchronize()
        return host

    def empty(self, shape: Sequence[int], type: str) -> Any:
        return self.torch.empty(tuple(shape), dtype=getattr(self.torch, type), pin_memory=self.device.type == "cuda")

    def address(self, array: Any) -> int:
        return int(array.data_ptr())

    def deliver(self, array: Any) -> Any:
        # From pinned memory the copy may be under way when this returns: what the caller does on his stream
        # waits for it.
        return array.to(self.device, non_blocking=True) if self.device.type != "cpu" else array


# -------------------------------------------------------------------------------------------------------- Common

_numpy = NumPy()


def framework_of(array: Any) -> Framework:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return Torch(torch, array.device)
    return _numpy


def type_name(type: Any) -> str:
    """The name of a type of NumPy's or torch's, or the name itself."""
    text = str(type)
    if text.startswith("torch."):
        return text.removeprefix("torch.")
    return text if text in SCALARS else str(numpy.dtype(type).name)


def read(array: Any, name: str, dimensions: str, width: int = 1, compact: bool = False) -> Operand:
    """A tensor that the library is to read.

    `dimensions` says what they are, for the error: "frames, tokens, channels". The last `width` of them (0 or 1) are to
    lie side by side, or with `compact` all.
    """
    return framework_of(array).read(array, name, dimensions, dimensions.count(",") + 1 if compact else width)


def integers(array: Any, name: str, count: int | None = None) -> NDArray[numpy.int64]:
    """A list of integers, `count` of them: any integer type, any framework, a list of Python's."""
    framework = framework_of(array)
    if isinstance(framework, Torch):
        array = framework.fetch(array, name).numpy()
    found = as_numpy(array, name)
    check_dimensions(found.shape, name, "count")
    if found.size and found.dtype.kind not in "iu":
        raise TypeError(f"{name} are {found.dtype.name}; expected integers")
    if count is not None and len(found) != count:
        raise Error(Status.INVALID_SHAPE, f"{len(found)} {name}; expected {count}")
    return numpy.ascontiguousarray(found, dtype=numpy.int64)


def deliver(array: NDArray[Any], framework: Framework) -> Any:
    """A small result of NumPy's to the caller's framework and device."""
    if isinstance(framework, Torch):
        return framework.torch.from_numpy(array).to(framework.device)
    return array


def floats(array: NDArray[numpy.float32]) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def check_dimensions(shape: tuple[int, ...], name: str, dimensions: str) -> None:
    expected = dimensions.count(",") + 1
    if len(shape) != expected:
        raise Error(Status.INVALID_SHAPE, f"{name} have the shape {list(shape)}; expected [{dimensions}]")


def unreadable(name: str, type: str) -> TypeError:
    hint = "convert them first, to float32 for example"
    if type in ("uint16", "int16"):
        hint = "bfloat16 has a type of its own, that of torch or of ml_dtypes"
    return TypeError(f"{name} are {type}; expected float32, float16 or bfloat16: {hint}")


def is_readable(shape: Sequence[int], strides: Sequence[int], width: int) -> bool:
    """Whether the library reads this layout: rows side by side, and none within another."""
    inner = len(shape) - width
    row = 1
    for size, stride in zip(reversed(shape[inner:]), reversed(strides[inner:])):
        if size > 1 and stride != row:
            return False
        row *= size
    return all(size <= 1 or row <= stride <= _LARGEST_STRIDE for size, stride in zip(shape[:inner], strides[:inner]))


def operand(address: int, type: int, shape: tuple[int, ...], strides: Sequence[int], width: int, owner: Any) -> Operand:
    if 0 in shape:
        address = ctypes.addressof(_nothing)
    # 0 is the compact layout: of a dimension of one the stride is not looked at, and may be anything.
    passed = tuple(0 if size <= 1 else stride for size, stride in zip(shape, strides))
    return Operand(address, type, shape, passed, owner)
