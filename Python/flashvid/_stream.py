"""Frames in, closed segments out, while the encoder is still at work."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from ._arguments import thread_count, whole
from ._compressor import LONG, Clip, Compressed, CompressingHandle
from ._configuration import Configuration, ConfigurationFields, configured, takes_fields
from ._errors import Error
from ._handles import Progress
from ._tensors import SCALARS, Framework, framework_of, type_name, unreadable

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Stream(CompressingHandle):
    """Compresses a video while its encoder is still at work, in memory that does not grow with its length.

    Frames go in as they come, and each segment comes out as soon as it is closed: by the first frame behind it, by
    `maximum_segment_frames`, or by the end. The segments are those of `compress` for the whole video with
    `complementary_segments=False`; further cuts need the whole clip, so a stream makes none.

    Args:
        tokens_per_frame: N.
        channels: D.
        configuration: What to keep; fields given beside it come before its own. `maximum_segment_frames` must be at
            least
            1: it bounds the memory.
        dtype: Type of the features.
        threads: 1 to 64, the calling one included; None: one a core.
        time_limit, progress: As for `Compressor`, of the handing out of a segment.
        **given: Fields of `Configuration`.

    Raises:
        Error: `Status.INVALID_CONFIGURATION`, `Status.INVALID_SHAPE`, `Status.SIZE_OVERFLOW`,
            `Status.INVALID_ARGUMENT`.

    >>> import numpy
    >>> video = numpy.random.default_rng(0).standard_normal((20, 16, 32), dtype=numpy.float32)
    >>> rows = 0
    >>> with Stream(16, 32, maximum_segment_frames=8, retention=0.5) as stream:
    ...     for frame in video:
    ...         for segment in stream.push(frame):
    ...             rows += len(segment)
    ...     for segment in stream.finish():
    ...         rows += len(segment)
    >>> rows
    200
    """

    _what = "stream"

    @takes_fields
    def __init__(
        self,
        tokens_per_frame: int,
        channels: int,
        configuration: Configuration | None = None,
        *,
        dtype: Any = "float32",
        threads: int | None = None,
        time_limit: float | None = None,
        progress: Progress | None = None,
        **given: Unpack[ConfigurationFields],
    ) -> None:
        self._tokens = whole("tokens_per_frame", tokens_per_frame)
        self._channels = whole("channels", channels)
        self._type = type_name(dtype)
        if self._type not in SCALARS:
            raise unreadable("features", self._type)
        #: Where the frames of the open segment came from, and so where it goes.
        self._framework: Framework = framework_of(None)
        super().__init__(
            "flashvid_stream",
            configured(configuration, given),
            self._tokens,
            self._channels,
            SCALARS[self._type],
            thread_count(threads),
            time_limit=time_limit,
            progress=progress,
        )

    def push(self, frames: Any, attention: Any | None = None) -> list[Compressed[Any]]:
        """Takes frames, and hands out the segments that they close.

        Args:
            frames: [F, N, D], or [N, D] for one frame; copied.
            attention: [F, N], or [N]: with every frame or with none.

        Returns:
            The segments that were closed, in the frames' type, kind and device: mostly none.

        Raises:
            StreamError: What `compress` refuses; `Status.FINISHED` after `finish`. The frames before the one at fault
                were taken: `taken` says how many, `segments` has what they closed. Go on from there.
        """
        if len(getattr(frames, "shape", ())) == 2:
            frames = frames[None]
            attention = None if attention is None else attention[None]
        clip = Clip(frames, attention)
        segments: list[Compressed[Any]] = []
        first, taken = 0, ctypes.c_int64()
        with self._entered():
            self._framework = clip.framework
            try:
                segments.extend(self._closed())
                while first < clip.struct.frames or not clip.struct.frames:
                    try:
                        self._call("push", ctypes.byref(clip.struct), first, ctypes.byref(taken))
                    finally:
                        first += taken.value
                    segments.extend(self._closed())
            except Error as failure:
                raise StreamError(failure.status, str(failure), first, segments) from None
        return segments

    def finish(self) -> list[Compressed[Any]]:
        """Says that no frame follows, and hands out what is left."""
        with self._entered():
            segments = self._closed()
            self._call("finish")
            segments.extend(self._closed())
        return segments

    def reset(self) -> None:
        """Drops what was pushed and begins another video, with the memory that there is."""
        with self._entered():
            self._call("reset")

    def _closed(self) -> list[Compressed[Any]]:
        """The closed segments that wait."""
        segments: list[Compressed[Any]] = []
        frames = ctypes.c_int64()
        while True:
            self._call("segment_frames", ctypes.byref(frames))
            if frames.value == 0:
                return segments
            result = self._result(self._framework, self._type, frames.value, self._tokens, self._channels)
            is_long = frames.value * self._tokens**2 * self._channels > LONG
            self._call("next", ctypes.byref(result.struct), is_long=is_long)
            segments.append(result.compressed(self._statistics()))


class StreamError(Error):
    """A frame that a stream refused.

    Attributes:
        taken: Frames of the call before it, which the stream has taken.
        segments: The segments that they closed.
    """

    def __init__(
        self, status: int, message: str, taken: int = 0, segments: list[Compressed[Any]] | None = None
    ) -> None:
        super().__init__(status, message)
        self.taken = taken
        self.segments = segments or []
