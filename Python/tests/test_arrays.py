"""Arrays in, arrays out: types, layouts, copies."""

from __future__ import annotations

import tracemalloc
from typing import Any

import ml_dtypes
import numpy
import pytest

import flashvid
from flashvid import Status, compress
from flashvid._tensors import read
from support import same


@pytest.mark.parametrize("dtype", ["float32", "float16", ml_dtypes.bfloat16], ids=["float32", "float16", "bfloat16"])
def test_types(clip: Any, dtype: Any) -> None:
    features, attention = clip(dtype=dtype)
    result = compress(features, attention.astype(dtype))
    assert result.tokens.dtype == features.dtype
    wide = compress(features.astype("float32"), attention.astype(dtype).astype("float32"))
    assert result.indices.tolist() == wide.indices.tolist()
    assert (result.tokens == wide.tokens.astype(dtype)).all()


def test_shapes_and_types_of_a_result(clip: Any) -> None:
    features, attention = clip(frames=9, tokens=16, channels=32)
    result = compress(features, attention, retention=0.3)
    rows = flashvid.output_token_count(9, 16, retention=0.3)
    assert len(result) == rows
    shapes = {name: getattr(result, name).shape for name in ("tokens", "indices", "counts", "kinds")}
    assert shapes == {"tokens": (rows, 32), "indices": (rows,), "counts": (rows,), "kinds": (rows,)}
    assert result.assignment is not None and result.counts is not None
    assert result.assignment.shape == result.parents.shape == (9, 16)
    assert {each.dtype.name for each in (result.indices, result.counts, result.assignment, result.parents)} == {"int64"}
    assert result.kinds.dtype == numpy.uint8 and set(result.kinds.tolist()) <= {kind.value for kind in flashvid.Kind}
    assert result.segment_lengths.sum() == 9
    assert result.counts.sum() == (result.assignment >= 0).sum()
    # A selected row is its source token; a count is how often a row is assigned.
    selected = result.kinds == flashvid.Kind.SELECTED
    assert (result.tokens[selected] == features.reshape(-1, 32)[result.indices[selected]]).all()
    assert numpy.bincount(result.assignment.ravel(), minlength=rows).tolist() == result.counts.tolist()


def test_another_type_of_rows(clip: Any) -> None:
    features, attention = clip()
    for dtype in ("float16", numpy.float16, numpy.dtype("float16")):
        assert compress(features, attention, dtype=dtype).tokens.dtype == numpy.float16
    assert compress(features, attention, dtype="bfloat16").tokens.dtype == ml_dtypes.bfloat16
    with pytest.raises(flashvid.Error) as caught:
        compress(features * 1e6, attention, dtype="float16")
    assert caught.value.status is Status.NOT_REPRESENTABLE
    with pytest.raises(TypeError, match="float64"):
        compress(features, attention, dtype="float64")


#: Arrays of the same numbers, and whether they are read where they lie.
LAYOUTS: dict[str, tuple[Any, bool]] = {
    "compact": (lambda x: x, True),
    "read-only": (lambda x: (x.setflags(write=False), x)[1], True),
    "every other frame": (lambda x: numpy.repeat(x, 2, axis=0)[::2], True),
    "every other token": (lambda x: numpy.repeat(x, 2, axis=1)[:, ::2], True),
    "channels of a wider array": (lambda x: numpy.concatenate([x, x], axis=2)[:, :, : x.shape[2]], True),
    "frames and tokens swapped": (lambda x: numpy.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1), True),
    "behind a [CLS] token": (lambda x: numpy.concatenate([x[:, :1], x], axis=1)[:, 1:], True),
    "Fortran order": (numpy.asfortranarray, False),
    "every other channel": (lambda x: numpy.repeat(x, 2, axis=2)[:, :, ::2], False),
    "frames backwards": (lambda x: numpy.ascontiguousarray(x[::-1])[::-1], False),
    "big-endian": (lambda x: x.astype(x.dtype.newbyteorder(">")), False),
    "misaligned": (
        lambda x: numpy.frombuffer(b"1" + x.tobytes(), dtype="u1")[1:].view(x.dtype).reshape(x.shape),
        False,
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_layouts(clip: Any, layout: str, dtype: str) -> None:
    features, attention = clip(dtype=dtype)
    expected = compress(features, attention)
    arrange, in_place = LAYOUTS[layout]
    arranged = arrange(features.copy())
    assert same(compress(arranged, attention), expected)
    operand = read(arranged, "features", "frames, tokens, channels")
    assert (operand.address == arranged.ctypes.data) is in_place


@pytest.mark.parametrize("frames, tokens, channels", [(1, 25, 8), (8, 1, 8), (8, 25, 1), (1, 1, 1)])
def test_dimensions_of_one_may_have_any_stride(clip: Any, frames: int, tokens: int, channels: int) -> None:
    features, attention = clip(frames, tokens, channels)
    strange = numpy.lib.stride_tricks.as_strided(
        features, features.shape, tuple(-12 if n == 1 else s for n, s in zip(features.shape, features.strides))
    )
    assert same(compress(strange, attention, retention=1.0), compress(features, attention, retention=1.0))


@pytest.mark.parametrize(
    "arrange",
    [
        numpy.asfortranarray,
        lambda a: numpy.repeat(a, 2, axis=1)[:, ::2],
        lambda a: numpy.ascontiguousarray(a[:, ::-1])[:, ::-1],
    ],
    ids=["Fortran order", "every other", "backwards"],
)
def test_attention_layouts(clip: Any, arrange: Any) -> None:
    features, attention = clip()
    assert same(compress(features, arrange(attention)), compress(features, attention))


def test_broadcast_attention(clip: Any) -> None:
    features, attention = clip()
    broadcast = numpy.broadcast_to(attention[0], attention.shape)
    assert broadcast.strides[0] == 0
    assert same(compress(features, broadcast), compress(features, broadcast.copy()))


@pytest.mark.parametrize("dtype", ["float64", "int8", "uint16", "int16", "bool", "complex64", "object"])
def test_other_types_are_refused(clip: Any, dtype: str) -> None:
    features, attention = clip()
    with pytest.raises(TypeError, match=f"features are {dtype}; expected float32"):
        compress(features.astype(dtype), attention)
    with pytest.raises(TypeError, match=f"attention are {dtype}; expected float32"):
        compress(features, attention.astype(dtype))


def test_bfloat16_is_not_guessed(clip: Any) -> None:
    features, _ = clip(dtype=ml_dtypes.bfloat16)
    with pytest.raises(TypeError, match="bfloat16 has a type of its own"):
        compress(features.view("uint16"))


def test_lists_are_float64(clip: Any) -> None:
    with pytest.raises(TypeError, match="features are float64"):
        compress([[[1.0, 2.0]]])


class Lender:
    """An array of another library's."""

    def __init__(self, array: Any, how: str) -> None:
        self.array = array
        if how == "interface":
            self.__array_interface__ = array.__array_interface__
        if how == "dlpack":
            self.__class__ = DLPackLender


class DLPackLender(Lender):
    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("how", ["interface", "dlpack"])
def test_arrays_of_other_libraries(clip: Any, how: str) -> None:
    features, attention = clip()
    lender = Lender(features, how)
    result = compress(lender, attention, dtype="float32")
    assert same(result, compress(features, attention)) and type(result.tokens) is numpy.ndarray
    assert read(lender, "features", "frames, tokens, channels").address == features.ctypes.data


def test_a_buffer(clip: Any) -> None:
    features, attention = clip()
    assert same(compress(memoryview(features), attention, dtype="float32"), compress(features, attention))


def test_memory_of_another_device(clip: Any) -> None:
    class Elsewhere:
        def __dlpack__(self, **_: Any) -> Any:
            raise BufferError("the data is on a CUDA device")

        def __dlpack_device__(self) -> Any:
            return (2, 0)

    with pytest.raises(TypeError, match="bring them into the host's memory"):
        compress(Elsewhere())


def test_features_are_neither_copied_nor_changed() -> None:
    frames, tokens, channels = 16, 196, 1024
    features = numpy.random.default_rng(0).standard_normal((frames, tokens, channels), dtype=numpy.float32)
    before = features.copy()
    with flashvid.Compressor(retention=0.1) as compressor:
        compressor.compress(features)
        tracemalloc.start()
        result = compressor.compress(features)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    written = sum(
        getattr(result, name).nbytes for name in ("tokens", "indices", "counts", "assignment", "parents", "kinds")
    )
    # NumPy reports its memory to tracemalloc: the results and some small objects, and nothing of the features' 12.8 MB.
    assert written <= peak < written + 50_000 < features.nbytes / 4
    assert (features == before).all()


def test_a_copy_would_be_seen() -> None:
    features = numpy.asfortranarray(numpy.random.default_rng(0).standard_normal((4, 49, 256), dtype=numpy.float32))
    tracemalloc.start()
    compress(features, retention=0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak > features.nbytes


def test_results_are_the_callers(clip: Any) -> None:
    features, attention = clip()
    with flashvid.Compressor() as compressor:
        first = compressor.compress(features, attention)
        kept = first.tokens.copy()
        first.tokens.setflags(write=True)
        compressor.compress(features[::-1].copy(), attention)
    assert (first.tokens == kept).all()


def test_numbers_of_numpys(clip: Any) -> None:
    features, attention = clip()
    given = compress(
        features,
        attention,
        retention=numpy.float32(0.5),
        minimum_segments=numpy.int64(2),
        carry=numpy.bool_(True),
        threads=numpy.int32(1),
    )
    assert same(given, compress(features, attention, retention=0.5, minimum_segments=2, carry=True))
