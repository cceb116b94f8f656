"""Streams against whole videos."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import flashvid
from flashvid import Error, Status

FIELDS: dict[str, Any] = {"maximum_segment_frames": 5, "retention": 0.4, "segment_threshold": 0.8}


def joined(segments: list[Any], name: str) -> Any:
    return numpy.concatenate([getattr(segment, name) for segment in segments])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("step", [1, 3, 40])
def test_a_stream_is_the_whole_video(clip: Any, dtype: str, step: int) -> None:
    video, attention = clip(frames=40, tokens=16, channels=32, dtype=dtype)
    whole = flashvid.compress(video, attention, **FIELDS, complementary_segments=False)
    segments = []
    with flashvid.Stream(16, 32, dtype=dtype, **FIELDS) as stream:
        for first in range(0, 40, step):
            segments += stream.push(video[first : first + step], attention[first : first + step])
        segments += stream.finish()
    assert [len(each.parents) for each in segments] == whole.segment_lengths.tolist()
    assert [each.first_frame for each in segments] == [0, *numpy.cumsum(whole.segment_lengths)[:-1]]
    for name in ("tokens", "indices", "counts", "kinds", "parents"):
        assert (joined(segments, name) == getattr(whole, name)).all()
    rows = 0
    for segment in segments:
        assert segment.first_row == rows
        part = whole.assignment[segment.first_frame : segment.first_frame + len(segment.parents)]
        assert (numpy.where(part < 0, -1, part - rows) == segment.assignment).all()
        rows += len(segment)


def test_single_frames_and_another_video(clip: Any) -> None:
    video, attention = clip(frames=12, tokens=16, channels=32)
    with flashvid.Stream(16, 32, **FIELDS) as stream:
        stream.push(video[:7])
        stream.reset()
        one = [segment for frame, scores in zip(video, attention) for segment in stream.push(frame, scores)]
        one += stream.finish()
        stream.reset()
        other = stream.push(video, attention) + stream.finish()
    assert (joined(one, "tokens") == joined(other, "tokens")).all()


def test_what_a_stream_refuses(clip: Any) -> None:
    video, _ = clip(frames=12, tokens=16, channels=32)
    with pytest.raises(Error, match="segment") as caught:
        flashvid.Stream(16, 32, retention=0.5)
    assert caught.value.status is Status.INVALID_CONFIGURATION
    with pytest.raises(TypeError, match="float64"):
        flashvid.Stream(16, 32, dtype="float64", **FIELDS)
    with flashvid.Stream(16, 32, **FIELDS) as stream:
        for wrong in (video[:, :9], video[:, :, :31], video.astype("float16")):
            with pytest.raises(Error) as caught:
                stream.push(wrong)
            assert caught.value.status is Status.INVALID_SHAPE
        stream.finish()
        with pytest.raises(Error) as caught:
            stream.push(video)
        assert caught.value.status is Status.FINISHED


def test_going_on_after_a_frame_at_fault(clip: Any) -> None:
    video, attention = clip(frames=24, tokens=16, channels=32)
    with flashvid.Stream(16, 32, **FIELDS) as stream:
        expected = stream.push(video, attention) + stream.finish()
        stream.reset()
        broken = video.copy()
        broken[17, 3, 4] = numpy.nan
        with pytest.raises(flashvid.StreamError, match="frame 17, token 3, channel 4") as caught:
            stream.push(broken, attention)
        assert caught.value.status is Status.NOT_FINITE and caught.value.taken == 17
        segments = caught.value.segments + stream.push(video[17:], attention[17:]) + stream.finish()
    assert (joined(segments, "tokens") == joined(expected, "tokens")).all()
