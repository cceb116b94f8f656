"""The prompt that is left when its video is compressed.

Gathering by these lists is NumPy's and torch's: `positions[:, kept.positions]` for M-RoPE, `mask[:, kept.positions]`,
`cache[:, :, places]`, `deepstack[video.indices]`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Literal

import numpy
from numpy.typing import NDArray

from ._arguments import choice, whole
from ._configuration import MODELS, Model
from ._errors import call, call_plain
from ._library import flashvid_kept_prompt, flashvid_prompt
from ._tensors import deliver, framework_of, integers

Newlines = Literal["none", "after-video", "after-frame", "after-grid-row"]
_NEWLINE_NAMES: list[Newlines] = ["none", "after-video", "after-frame", "after-grid-row"]
_NEWLINES: dict[str, int] = {name: number for number, name in enumerate(_NEWLINE_NAMES)}


@dataclass(frozen=True)
class KeptPrompt:
    """The P places of the prompt that is left, int64, of the kind and device of the indices it was made from.

    Attributes:
        positions: [P] the position in the original prompt of each place, ascending.
        rows: [P] the row of the compressed video at each place, or -1 where text stands.
        renumbered: [P] positions without gaps, for hosts with ordinary RoPE.
        visual_places: [K] the places that hold rows, ascending.
    """

    positions: Any
    rows: Any
    renumbered: Any
    visual_places: Any


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt as it would be without compression, and where the tokens of its video stand.

    Args:
        length: Positions of the whole prompt; at most 2^24.
        frames, tokens_per_frame: The video's.
        video_start: Where the video stands in one piece, the position of its first token.
        newlines: Where newline embeddings stand among its tokens: "none" (Qwen), "after-video" (LLaVA-OneVision),
            "after-frame" (LLaVA-Video, as it is compressed), "after-grid-row" (LLaVA-Video, as it is not).
        newline_columns: Tokens of a grid row, with "after-grid-row".
        frame_starts: [F] the position of each frame's first token, where frames stand apart with timestamps between
            (Qwen3-VL). Instead of `video_start`.
        tokens: [length] the ids of the prompt's tokens, to find the video's by `video_token`. Instead of both.
        video_token: The id of a video token, such as Qwen's <|video_pad|>.

    >>> prompt = Prompt(length=20, frames=2, tokens_per_frame=4, video_start=5)
    >>> prompt.keep([1, 6]).positions.tolist()
    [0, 1, 2, 3, 4, 6, 11, 13, 14, 15, 16, 17, 18, 19]
    """

    length: int
    frames: int
    tokens_per_frame: int
    video_start: int = 0
    newlines: Newlines = "none"
    newline_columns: int = 0
    frame_starts: Any | None = None
    tokens: Any | None = None
    video_token: int = 0

    @staticmethod
    def newlines_of(model: Model) -> Newlines:
        """Where a model's newlines stand when it is compressed."""
        struct = flashvid_prompt()
        number = choice("model", model, MODELS)
        call_plain("flashvid_prompt_preset", ctypes.byref(struct), ctypes.sizeof(struct), number)
        return _NEWLINE_NAMES[int(struct.newlines)]

    def _struct(self) -> tuple[flashvid_prompt, list[Any]]:
        """The struct, and what keeps its lists alive."""
        struct = flashvid_prompt(
            length=whole("length", self.length),
            frames=whole("frames", self.frames),
            tokens_per_frame=whole("tokens_per_frame", self.tokens_per_frame),
            video_start=whole("video_start", self.video_start),
            newlines=choice("newlines", self.newlines, _NEWLINES),
            video_token=whole("video_token", self.video_token, bits=32),
            newline_columns=whole("newline_columns", self.newline_columns),
        )
        kept: list[Any] = []
        if self.frame_starts is not None:
            starts = integers(self.frame_starts, "frame_starts", count=self.frames)
            struct.frame_starts = starts.ctypes.data
            kept.append(starts)
        if self.tokens is not None:
            tokens = narrow(integers(self.tokens, "tokens", count=self.length))
            struct.tokens = tokens.ctypes.data
            kept.append(tokens)
        return struct, kept

    def count(self, rows: int) -> int:
        """Places of the prompt that is left with so many rows of the compressed video.

        Raises:
            Error: `Status.INVALID_SHAPE` (the video does not fit in the prompt, or the rows not in the video),
                `Status.OUT_OF_RANGE`, `Status.INVALID_ORDER`.
        """
        struct, _kept = self._struct()
        count = ctypes.c_int64()
        call("flashvid_prompt_count", ctypes.byref(struct), whole("rows", rows), ctypes.byref(count))
        return count.value

    def keep(self, indices: Any, *, first_position: int = 0) -> KeptPrompt:
        """What stays: all text, and for each row the position of its source token. O(length).

        Args:
            indices: [K] those of `Compressed`; equal ones, which the published semantics give, are places of one
                position.
            first_position: Where `renumbered` begins.

        Raises:
            Error: As `count`.
        """
        rows = integers(indices, "indices")
        places = self.count(len(rows))
        struct, _kept = self._struct()
        lists = [numpy.empty(size, dtype=numpy.int64) for size in (places, places, places, len(rows))]
        kept = flashvid_kept_prompt(
            positions=lists[0].ctypes.data,
            rows=lists[1].ctypes.data,
            renumbered=lists[2].ctypes.data,
            visual_places=lists[3].ctypes.data,
            capacity=places,
            first_position=whole("first_position", first_position),
        )
        call("flashvid_prompt_keep", ctypes.byref(struct), rows.ctypes.data, 0, len(rows), ctypes.byref(kept))
        framework = framework_of(indices)
        return KeptPrompt(*(deliver(part, framework) for part in lists))


def narrow(ids: NDArray[numpy.int64]) -> NDArray[numpy.int32]:
    """Token ids as the library reads them; those that it cannot hold are no video token's and become another's."""
    limits = numpy.iinfo(numpy.int32)
    outside = (ids < limits.min) | (ids > limits.max)
    return numpy.where(outside, limits.min, ids).astype(numpy.int32)


def prune_prompt(rows: Any, kept: Any) -> Any:
    """The places that stay after pruning inside the language model: gather positions, hidden states and caches by them.

    Args:
        rows: [P] those of `KeptPrompt`; gather them too, and they serve to prune again.
        kept: The visual tokens that stay, as `prune` gives them.

    Returns:
        The places, ascending, int64, of the rows' kind and device.

    Raises:
        Error: `Status.INVALID_SHAPE` (more kept than there are), `Status.OUT_OF_RANGE`, `Status.INVALID_ORDER`.
    """
    given, staying = integers(rows, "rows"), integers(kept, "kept")
    places = numpy.empty(len(given), dtype=numpy.int64)
    count = ctypes.c_int64()
    call(
        "flashvid_prompt_prune",
        given.ctypes.data,
        len(given),
        staying.ctypes.data,
        len(staying),
        0,
        places.ctypes.data,
        len(places),
        ctypes.byref(count),
    )
    return deliver(places[: count.value].copy(), framework_of(rows))


def video_rows(indices: Any, frames: int, tokens_per_frame: int, newlines: Newlines) -> Any:
    """What stands in place of LLaVA's one video token: the numbers of the rows in order, -1 for a newline embedding.

    A newline by frame stands also behind a frame without rows, and newlines by grid row become newlines by frame.

    Args:
        indices: [K] those of `Compressed`.
        frames, tokens_per_frame: The video's.
        newlines: As in `Prompt`.

    Raises:
        Error: `Status.INVALID_SHAPE`, `Status.OUT_OF_RANGE`, `Status.INVALID_ORDER`.

    >>> video_rows([1, 2, 6], 2, 4, "after-frame").tolist()
    [0, 1, -1, 2, -1]
    """
    given = integers(indices, "indices")
    count = ctypes.c_int64()
    rows = numpy.empty(len(given) + max(1, whole("frames", frames)), dtype=numpy.int64)
    call(
        "flashvid_video_rows",
        given.ctypes.data,
        0,
        len(given),
        frames,
        whole("tokens_per_frame", tokens_per_frame),
        choice("newlines", newlines, _NEWLINES),
        rows.ctypes.data,
        len(rows),
        ctypes.byref(count),
    )
    return deliver(rows[: count.value].copy(), framework_of(indices))
