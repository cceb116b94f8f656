"""What is refused, and how."""

from __future__ import annotations

import pickle
from typing import Any

import numpy
import pytest

import flashvid
from flashvid import Error, Status, compress


@pytest.mark.parametrize(
    "fields, status, text",
    [
        ({"retention": 0.0}, Status.INVALID_CONFIGURATION, "retention"),
        ({"retention": 1.5}, Status.INVALID_CONFIGURATION, "retention"),
        ({"retention": float("nan")}, Status.INVALID_CONFIGURATION, "retention"),
        ({"expansion": -1}, Status.INVALID_CONFIGURATION, "expansion"),
        ({"alpha": 1.1}, Status.INVALID_CONFIGURATION, "alpha"),
        ({"minimum_segments": -1}, Status.INVALID_CONFIGURATION, "segments"),
        ({"temporal_threshold": -2}, Status.INVALID_CONFIGURATION, "threshold"),
        ({"refinement_rounds": -1}, Status.INVALID_CONFIGURATION, "rounds"),
        ({"semantics": "published", "carry": True}, Status.INVALID_CONFIGURATION, "published"),
        ({"rows": 0}, Status.INVALID_CONFIGURATION, "rows is 0"),
        ({"rows": 2**64}, Status.SIZE_OVERFLOW, "rows is 18446744073709551616"),
        ({"selection": "best"}, Status.INVALID_ARGUMENT, "expected one of 'attention'"),
        ({"preset": "gpt"}, Status.INVALID_ARGUMENT, "expected one of 'llava-onevision'"),
        ({"threads": 0}, Status.INVALID_ARGUMENT, "0 threads"),
        ({"threads": 65}, Status.INVALID_ARGUMENT, "65"),
        ({"threads": 2**32}, Status.SIZE_OVERFLOW, "threads is 4294967296"),
    ],
    ids=str,
)
def test_configurations(clip: Any, fields: dict[str, Any], status: Status, text: str) -> None:
    with pytest.raises(Error, match=text) as caught:
        compress(*clip(), **fields)
    assert caught.value.status is status and isinstance(caught.value, ValueError)


def test_a_configuration_is_checked_when_it_is_made() -> None:
    with pytest.raises(Error):
        flashvid.Configuration(alpha=7)


def test_arguments_that_there_are_not(clip: Any) -> None:
    with pytest.raises(TypeError, match="no such argument: retain"):
        compress(*clip(), retain=0.1)


@pytest.mark.parametrize(
    "fields", [{"rows": 1.5}, {"rows": "10"}, {"retention": "0.1"}, {"alpha": [1]}, {"threads": 2.0}], ids=str
)
def test_numbers_of_other_kinds(clip: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"{next(iter(fields))} is "):
        compress(*clip(), **fields)


@pytest.mark.parametrize(
    "shape, text",
    [
        ((4, 8), "expected \\[frames, tokens, channels\\]"),
        ((1, 4, 8, 8), "expected"),
        ((), "expected"),
        ((0, 4, 8), "0 frames"),
        ((4, 0, 8), "0 tokens"),
        ((4, 4, 0), "0 channels"),
    ],
    ids=str,
)
def test_shapes_of_features(shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(Error, match=text) as caught:
        compress(numpy.zeros(shape, dtype=numpy.float32))
    assert caught.value.status is Status.INVALID_SHAPE


@pytest.mark.parametrize("shape", [(8, 24), (7, 25), (200,), (8, 25, 1), (25, 8)], ids=str)
def test_shapes_of_attention(clip: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(Error, match="attention has|attention have") as caught:
        compress(clip()[0], numpy.ones(shape, dtype=numpy.float32))
    assert caught.value.status is Status.INVALID_SHAPE


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_numbers_that_are_none(clip: Any, value: float) -> None:
    features, attention = clip()
    features[3, 7, 11] = value
    before = features.copy()
    with pytest.raises(Error, match="frame 3, token 7, channel 11") as caught:
        compress(features, attention)
    assert caught.value.status is Status.NOT_FINITE
    assert before.tobytes() == features.tobytes()
    features, attention = clip()
    attention[2, 5] = value
    with pytest.raises(Error, match="frame 2, token 5") as caught:
        compress(features, attention)
    assert caught.value.status in (Status.NOT_FINITE, Status.NEGATIVE_ATTENTION)


def test_negative_attention(clip: Any) -> None:
    features, attention = clip()
    attention[2, 5] = -1e-3
    with pytest.raises(Error, match="negative at frame 2, token 5") as caught:
        compress(features, attention)
    assert caught.value.status is Status.NEGATIVE_ATTENTION


def test_a_compressor_goes_on_after_an_error(clip: Any) -> None:
    features, attention = clip()
    with flashvid.Compressor() as compressor:
        expected = compressor.compress(features, attention).indices.tolist()
        with pytest.raises(Error):
            compressor.compress(features * numpy.inf, attention)
        assert compressor.compress(features, attention).indices.tolist() == expected


def test_a_clip_that_no_memory_holds() -> None:
    huge = numpy.lib.stride_tricks.as_strided(
        numpy.zeros(1, dtype=numpy.float32), (2**20, 2**20, 2**20), (2**22, 2**12, 4)
    )
    with pytest.raises((Error, MemoryError)):
        compress(huge)


@pytest.mark.parametrize(
    "error",
    [
        Error(5, "a text"),
        flashvid.OutOfMemoryError(15, "no memory"),
        flashvid.StreamError(12, "a frame", 3, []),
        flashvid.BatchError(12, "a clip", []),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel(error: Error) -> None:
    """As they must between processes."""
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error) and str(other) == str(error) and vars(other) == vars(error)


def test_out_of_memory_is_a_memory_error() -> None:
    assert isinstance(flashvid.OutOfMemoryError(15, ""), MemoryError)


def test_batches(clip: Any) -> None:
    clips = [clip(frames, 16, 24, seed=frames) for frames in (3, 5, 8)]
    with flashvid.Compressor(retention=0.5) as compressor:
        alone = [compressor.compress(*each).indices.tolist() for each in clips]
        together = compressor.compress_batch([each[0] for each in clips], [each[1] for each in clips])
        assert [each.indices.tolist() for each in together] == alone
        assert compressor.compress_batch([]) == []
        clips[1][0][2, 3, 4] = numpy.nan
        with pytest.raises(flashvid.BatchError, match="frame 2, token 3") as caught:
            compressor.compress_batch([each[0] for each in clips], [each[1] for each in clips])
        first, second, third = caught.value.results
        assert isinstance(second, Error) and second.status is Status.NOT_FINITE
        assert isinstance(first, flashvid.Compressed) and first.indices.tolist() == alone[0]
        assert isinstance(third, flashvid.Compressed) and third.indices.tolist() == alone[2]
        with pytest.raises(Error, match="2 attentions for 3 clips"):
            compressor.compress_batch([each[0] for each in clips], [None, None])
