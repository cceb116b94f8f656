"""Clips in, compressed clips out."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from numpy.typing import NDArray

from ._arguments import thread_count, whole
from ._configuration import Configuration, ConfigurationFields, configured, takes_fields
from ._errors import Error, Status, call, error
from ._handles import Handle, Progress
from ._library import flashvid_clip, flashvid_configuration, flashvid_output, flashvid_statistics
from ._tensors import SCALAR_NAMES, SCALARS, Framework, Operand, framework_of, read, type_name

if TYPE_CHECKING:
    from typing_extensions import Unpack

Array = TypeVar("Array")


class TorchTensor(Protocol):
    """A torch tensor, as a type checker sees it without torch."""

    def data_ptr(self) -> int: ...


Tensor = TypeVar("Tensor", bound=TorchTensor)


class Kind(IntEnum):
    """What a row is."""

    #: A source token as it was.
    SELECTED = 0
    #: A merged row.
    CONTEXTUAL = 1


@dataclass(frozen=True)
class Statistics:
    """Where the time of a call went.

    Attributes:
        seconds: Wall time of the call.
        segmentation_seconds, selection_seconds, trees_seconds, contextual_seconds, refinement_seconds: Time in each
            stage, summed over threads.
        close_calls: Decisions too close for float32 that were settled in double precision.
        threads: Threads used.
    """

    seconds: float
    segmentation_seconds: float
    selection_seconds: float
    trees_seconds: float
    contextual_seconds: float
    refinement_seconds: float
    close_calls: int
    threads: int


@dataclass(frozen=True, repr=False)
class Compressed(Generic[Array]):
    """A compressed clip of F frames of N tokens of D channels: K rows. Arrays of the features' kind and device.

    Attributes:
        tokens: [K, D] the rows, in the features' type unless another was asked for.
        indices: [K] the source token, frame * N + token, whose place each row takes: int64, ascending, and unique but
            with the published semantics. Of a stream's segment, counted from the video's first frame.
        counts: [K] how many source tokens each row stands for, int64. None with the published semantics.
        assignment: [F, N] the row that stands for each source token, int64; -1 where it was dropped, in a budget that
            leaves no merged rows. None with the published semantics. Of a stream's segment, counted from its first row.
        parents: [F, N] the source token, in the frame before, that each merged token joined, int64; -1 for all others.
        kinds: [K] `Kind.SELECTED` or `Kind.CONTEXTUAL`, uint8.
        segment_lengths: Lengths of the clip's segments in frames, int64; they sum to F.
        statistics: Where the time went; of a batch, the sums over its clips.
        first_frame, first_row: The frame and the row with which the result begins: 0, but for the later segments of a
            stream.
    """

    tokens: Array
    indices: Array
    counts: Array | None
    assignment: Array | None
    parents: Array
    kinds: Array
    segment_lengths: Array
    statistics: Statistics
    first_frame: int = 0
    first_row: int = 0

    def __len__(self) -> int:
        return len(self.tokens)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        tokens: Any = self.tokens
        rows, channels = tokens.shape
        segments = len(self.segment_lengths)  # type: ignore[arg-type]
        return f"<Compressed: {rows} rows of {channels} {type_name(tokens.dtype)}, {segments} segments>"


#: Clips whose products are larger take some tenths of a second or more, in which an interrupt matters.
LONG = 1e10


class Clip:
    """A clip of the caller's as the library reads it."""

    def __init__(self, features: Any, attention: Any | None) -> None:
        self.framework: Framework = framework_of(features)
        self.features: Operand = read(features, "features", "frames, tokens, channels")
        self.attention: Operand | None = None
        frames, tokens, channels = self.features.shape
        self.struct = flashvid_clip(
            features=self.features.address,
            frames=frames,
            tokens_per_frame=tokens,
            channels=channels,
            type=self.features.type,
            frame_stride=self.features.strides[0],
            token_stride=self.features.strides[1],
        )
        self.is_long = frames * tokens**2 * channels > LONG
        if attention is None:
            return
        self.attention = read(attention, "attention", "frames, tokens", width=0)
        if self.attention.shape != (frames, tokens):
            raise Error(
                Status.INVALID_SHAPE,
                f"attention has the shape {list(self.attention.shape)}; expected [{frames}, {tokens}], a number "
                "for each of the features' tokens",
            )
        self.struct.attention = self.attention.address
        self.struct.attention_type = self.attention.type
        self.struct.attention_frame_stride, self.struct.attention_token_stride = self.attention.strides


def row_type(clip: Clip, dtype: Any | None) -> str:
    """The name of the rows' type: the one asked for, or the features'."""
    return SCALAR_NAMES[clip.features.type] if dtype is None else scalar_name(type_name(dtype))


def scalar_name(name: str) -> str:
    if name not in SCALARS:
        raise TypeError(f"dtype is {name}; expected float32, float16 or bfloat16")
    return name


class Result:
    """Memory for a compressed clip, and what it becomes once it is written."""

    def __init__(
        self, framework: Framework, type: str, capacity: int, frames: int, tokens: int, channels: int, published: bool
    ) -> None:
        self.framework = framework
        empty = framework.empty
        self.tokens = empty((capacity, channels), type)
        self.indices = empty((capacity,), "int64")
        self.counts = None if published else empty((capacity,), "int64")
        self.assignment = None if published else empty((frames, tokens), "int64")
        self.parents = empty((frames, tokens), "int64")
        self.kinds = empty((capacity,), "uint8")
        self.segment_lengths = empty((frames,), "int64")

        def address(array: Any) -> int | None:
            return None if array is None else framework.address(array)

        self.struct = flashvid_output(
            tokens=address(self.tokens),
            token_type=SCALARS[type],
            row_capacity=capacity,
            indices=address(self.indices),
            counts=address(self.counts),
            assignment=address(self.assignment),
            parents=address(self.parents),
            kinds=address(self.kinds),
            segment_lengths=address(self.segment_lengths),
        )

    def compressed(self, statistics: Statistics) -> Compressed[Any]:
        rows, segments = self.struct.row_count, self.struct.segment_count
        deliver = self.framework.deliver

        def part(array: Any, count: int) -> Any:
            return deliver(array if len(array) == count else array[:count])

        return Compressed(
            tokens=part(self.tokens, rows),
            indices=part(self.indices, rows),
            counts=None if self.counts is None else part(self.counts, rows),
            assignment=None if self.assignment is None else deliver(self.assignment),
            parents=deliver(self.parents),
            kinds=part(self.kinds, rows),
            segment_lengths=part(self.segment_lengths, segments),
            statistics=statistics,
            first_frame=self.struct.first_frame,
            first_row=self.struct.first_row,
        )


class CompressingHandle(Handle):
    """What compressor and stream have in common: a configuration, and results."""

    def __init__(self, prefix: str, configuration: Configuration, *arguments: Any, **running: Any) -> None:
        #: What to keep.
        self.configuration = configuration
        self._settings = configuration._struct()
        super().__init__(prefix, ctypes.byref(self._settings), *arguments, **running)

    def _statistics(self) -> Statistics:
        struct = flashvid_statistics()
        self._call("statistics", ctypes.byref(struct))
        return Statistics(**{field.name: getattr(struct, field.name) for field in fields(Statistics)})

    def _result(self, framework: Framework, type: str, frames: int, tokens: int, channels: int) -> Result:
        capacity = row_count(self._settings, frames, tokens)
        published = self.configuration.semantics == "published"
        return Result(framework, type, capacity, frames, tokens, channels, published)


class Compressor(CompressingHandle):
    """Compresses clips, one after the other, with threads and a workspace of its own.

    The workspace grows with the largest clip seen. Use it as a context manager, or leave it to the garbage collector.
    The result is the same, bit for bit, on any number of threads.

    Args:
        configuration: What to keep; fields given beside it come before its own.
        threads: 1 to 64, the calling one included; None: one a core.
        time_limit: Seconds that a call may take, at least 0; a longer one ends at its next frame with
            `Status.CANCELLED`. None or 0: as long as it takes.
        progress: Is told how far a call is, a share of the work that rises from 0 to 1, a few times a frame, on one of
            Python's threads. What it raises ends the call, which then raises it.
        **given: Fields of `Configuration`.

    Raises:
        Error: `Status.INVALID_CONFIGURATION` (a field out of its range), `Status.INVALID_ARGUMENT` (threads).

    >>> import numpy
    >>> features = numpy.random.default_rng(0).standard_normal((8, 64, 96), dtype=numpy.float32)
    >>> with Compressor(preset="llava-onevision", retention=0.10) as compressor:
    ...     video = compressor.compress(features)
    >>> video.tokens.shape, video.indices[:3].tolist() == sorted(video.indices[:3].tolist())
    ((64, 96), True)
    """

    _what = "compressor"

    @takes_fields
    def __init__(
        self,
        configuration: Configuration | None = None,
        *,
        threads: int | None = None,
        time_limit: float | None = None,
        progress: Progress | None = None,
        **given: Unpack[ConfigurationFields],
    ) -> None:
        super().__init__(
            "flashvid_compressor",
            configured(configuration, given),
            thread_count(threads),
            time_limit=time_limit,
            progress=progress,
        )

    @overload
    def compress(
        self, features: Tensor, attention: Any | None = None, *, dtype: Any | None = None
    ) -> Compressed[Tensor]: ...

    @overload
    def compress(
        self, features: Any, attention: Any | None = None, *, dtype: Any | None = None
    ) -> Compressed[NDArray[Any]]: ...

    def compress(self, features: Any, attention: Any | None = None, *, dtype: Any | None = None) -> Compressed[Any]:
        """Compresses a clip. O(F * N^2 * D) time, in matrix products; the features are not copied.

        Args:
            features: [F, N, D] finite numbers, float32, float16 or bfloat16.
            attention: [F, N] what each token receives in its frame (`attention_scores`), finite and not negative; any
                of the three types. None: 1 less the cosine with the frame's mean token stands in.
            dtype: Type of the rows; None: the features'.

        Raises:
            Error: `Status.INVALID_SHAPE`, `Status.NOT_FINITE`, `Status.NEGATIVE_ATTENTION`, `Status.NOT_REPRESENTABLE`
                (a number of the result would be infinite in its type), `Status.SIZE_OVERFLOW`, `Status.OUT_OF_MEMORY`,
                `Status.FORKED`.
            TypeError: Arrays of other types.
        """
        clip = Clip(features, attention)
        frames, tokens, channels = clip.features.shape
        result = self._result(clip.framework, row_type(clip, dtype), frames, tokens, channels)
        with self._entered():
            self._call("compress", ctypes.byref(clip.struct), ctypes.byref(result.struct), is_long=clip.is_long)
            statistics = self._statistics()
        return result.compressed(statistics)

    def workspace_bytes(self, frames: int, tokens_per_frame: int, channels: int, dtype: Any = "float32") -> int:
        """Bytes of workspace that a clip of these sizes takes at the most, which the compressor then keeps.

        Raises:
            Error: `Status.INVALID_SHAPE`, `Status.SIZE_OVERFLOW`.
        """
        sizes = (
            whole("frames", frames),
            whole("tokens_per_frame", tokens_per_frame),
            whole("channels", channels),
            SCALARS[scalar_name(type_name(dtype))],
        )
        bytes = ctypes.c_int64()
        with self._entered():
            call("flashvid_compressor_workspace_bytes", self._handle, *sizes, ctypes.byref(bytes))
        return bytes.value

    def compress_batch(
        self, features: Sequence[Any], attention: Sequence[Any | None] | None = None, *, dtype: Any | None = None
    ) -> list[Compressed[Any]]:
        """Compresses several clips, which may differ in all but the configuration.

        Where there are as many clips as threads, each thread works on clips of its own, else all threads on one after
        the other; the results are the same.

        Args:
            features: Clips as in `compress`.
            attention: One for each clip, or None; None: none has any.
            dtype: As in `compress`.

        Raises:
            BatchError: The first clip that was refused; `results` has the others.
        """
        given = [None] * len(features) if attention is None else list(attention)
        if len(given) != len(features):
            raise Error(Status.INVALID_SHAPE, f"{len(given)} attentions for {len(features)} clips")
        count = len(features)
        clips = [Clip(*each) for each in zip(features, given)]
        results = [self._result(clip.framework, row_type(clip, dtype), *clip.features.shape) for clip in clips]
        clip_list = (ctypes.POINTER(flashvid_clip) * count)(*(ctypes.pointer(clip.struct) for clip in clips))
        output_list = (ctypes.POINTER(flashvid_output) * count)(*(ctypes.pointer(result.struct) for result in results))
        statuses = (ctypes.c_int32 * count)()
        failure: Error | None = None
        with self._entered():
            try:
                self._call("compress_batch", clip_list, output_list, count, statuses, is_long=True)
            except Error as refused:
                failure = refused
            statistics = self._statistics()
        outcomes = [
            error(status, "") if status else result.compressed(statistics) for status, result in zip(statuses, results)
        ]
        if failure is not None:
            raise BatchError(failure.status, str(failure), outcomes)
        return [outcome for outcome in outcomes if isinstance(outcome, Compressed)]


class BatchError(Error):
    """A clip of a batch that was refused.

    Attributes:
        results: For each clip what came of it: `Compressed`, or an `Error` with the clip's status.
    """

    def __init__(self, status: int, message: str, results: list[Compressed[Any] | Error] | None = None) -> None:
        super().__init__(status, message)
        self.results = results or []


@overload
def compress(
    features: Tensor,
    attention: Any | None = None,
    *,
    dtype: Any | None = None,
    threads: int | None = None,
    **given: Unpack[ConfigurationFields],
) -> Compressed[Tensor]: ...


@overload
def compress(
    features: Any,
    attention: Any | None = None,
    *,
    dtype: Any | None = None,
    threads: int | None = None,
    **given: Unpack[ConfigurationFields],
) -> Compressed[NDArray[Any]]: ...


@takes_fields
def compress(
    features: Any,
    attention: Any | None = None,
    *,
    dtype: Any | None = None,
    threads: int | None = None,
    **given: Unpack[ConfigurationFields],
) -> Compressed[Any]:
    """Compresses one clip; for several, `Compressor` keeps threads and memory.

    Arguments as for `Compressor` and `Compressor.compress`.
    """
    with Compressor(threads=threads, **given) as compressor:
        return compressor.compress(features, attention, dtype=dtype)


@takes_fields
def output_token_count(
    frames: int, tokens_per_frame: int, configuration: Configuration | None = None, **given: Unpack[ConfigurationFields]
) -> int:
    """Rows that a clip of these sizes becomes, before any feature exists.

    F * min(N, ceil(N * retention * expansion)), or `rows`, exactly; with the published semantics the most that it may
    be.

    Raises:
        Error: `Status.INVALID_CONFIGURATION`, `Status.INVALID_SHAPE`, `Status.SIZE_OVERFLOW`.

    >>> output_token_count(32, 196, retention=0.10)
    800
    """
    settings = configured(configuration, given)._struct()
    return row_count(settings, whole("frames", frames), whole("tokens_per_frame", tokens_per_frame))


def row_count(settings: flashvid_configuration, frames: int, tokens: int) -> int:
    count = ctypes.c_int64()
    call("flashvid_output_token_count", ctypes.byref(settings), frames, tokens, ctypes.byref(count))
    return count.value
