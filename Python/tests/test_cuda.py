"""A CUDA tensor's way into the host's memory and its answer's way back, without a GPU.

The stub stands in for torch: its CUDA tensors have no memory that the host could read, and it writes down what is done.
What it cannot show is that a driver does what it is asked to.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy
import pytest

import flashvid

log: list[str] = []


class Device:
    def __init__(self, type: str, index: int = 0) -> None:
        self.type, self.index = type, index

    def __str__(self) -> str:
        return self.type if self.type == "cpu" else f"{self.type}:{self.index}"


class Tensor:
    """As much of torch.Tensor as is used."""

    layout = "strided"

    def __init__(self, array: Any, device: Device, pinned: bool = False, arrived: bool = True) -> None:
        self.array, self.device, self.pinned, self.arrived = array, device, pinned, arrived

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def dtype(self) -> str:
        return f"torch.{self.array.dtype.name}"

    def stride(self) -> tuple[int, ...]:
        return tuple(stride // self.array.itemsize for stride in self.array.strides)

    def detach(self) -> Tensor:
        return self

    def resolve_neg(self) -> Tensor:
        return self

    def data_ptr(self) -> int:
        assert self.device.type == "cpu", "the host cannot read this memory"
        assert self.arrived, "the copy is still under way"
        return int(self.array.ctypes.data)

    def copy_(self, other: Tensor, non_blocking: bool = False) -> None:
        assert self.pinned and non_blocking
        log.append(f"{other.device} to pinned memory")
        self.array[...] = other.array
        self.arrived = False
        fetched.append(self)

    def to(self, device: Device, non_blocking: bool = False) -> Tensor:
        assert self.pinned and non_blocking
        log.append(f"pinned memory to {device}")
        return Tensor(self.array.copy(), device)

    def __getitem__(self, item: Any) -> Tensor:
        return Tensor(self.array[item], self.device, self.pinned)

    def __len__(self) -> int:
        return len(self.array)


fetched: list[Tensor] = []


class Stream:
    def synchronize(self) -> None:
        log.append("synchronized")
        for tensor in fetched:
            tensor.arrived = True
        fetched.clear()


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    def empty(shape: Any, dtype: Any, pin_memory: bool = False) -> Tensor:
        return Tensor(numpy.empty(shape, dtype=str(dtype).removeprefix("torch.")), Device("cpu"), pin_memory)

    stub = types.ModuleType("torch")
    types_of = {name: f"torch.{name}" for name in ("float32", "float16", "int64", "uint8")}
    for name, value in {"Tensor": Tensor, "strided": "strided", "empty": empty, **types_of}.items():
        setattr(stub, name, value)
    stub.cuda = types.SimpleNamespace(current_stream=lambda device: Stream())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", stub)
    log.clear()
    return stub


def test_a_cuda_tensor_is_fetched_and_its_answer_goes_back(torch: Any, clip: Any) -> None:
    features, attention = clip(dtype="float16")
    device = Device("cuda", 1)
    result = flashvid.compress(Tensor(features, device), Tensor(attention, device))
    there = ["cuda:1 to pinned memory", "synchronized"] * 2
    assert log == there + ["pinned memory to cuda:1"] * 7
    expected = flashvid.compress(features, attention)
    for name in ("tokens", "indices", "counts", "assignment", "parents", "kinds", "segment_lengths"):
        delivered = getattr(result, name)
        assert delivered.device is device
        assert (delivered.array == getattr(expected, name)).all()
    assert len(result) == len(expected)


def test_attention_may_be_elsewhere(torch: Any, clip: Any) -> None:
    features, attention = clip()
    expected = flashvid.compress(features, attention)
    on_host = flashvid.compress(Tensor(features, Device("cuda")), attention)
    assert (on_host.tokens.array == expected.tokens).all()
    on_device = flashvid.compress(features, Tensor(attention, Device("cuda")))
    assert (on_device.tokens == expected.tokens).all()


def test_a_stream_of_cuda_tensors(torch: Any, clip: Any) -> None:
    features, _ = clip(frames=6)
    fields: Any = {"maximum_segment_frames": 2, "complementary_segments": False}
    with flashvid.Stream(25, 48, **fields) as stream:
        segments = stream.push(Tensor(features, Device("cuda"))) + stream.finish()
    whole = flashvid.compress(features, **fields)
    assert all(segment.tokens.device.type == "cuda" for segment in segments)
    assert (numpy.concatenate([segment.tokens.array for segment in segments]) == whole.tokens).all()


def test_a_tensor_without_values(torch: Any, clip: Any) -> None:
    with pytest.raises(TypeError, match="meta device"):
        flashvid.compress(Tensor(clip()[0], Device("meta")))
