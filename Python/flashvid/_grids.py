"""Tokens out of an encoder's output: LLaVA's poolings, Qwen's patches and windows."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy
from numpy.typing import NDArray

from ._arguments import choice, thread_count, whole
from ._compressor import Clip, row_type
from ._configuration import MODELS, Model
from ._errors import Error, Status, call, call_plain
from ._library import flashvid_patch_grid
from ._tensors import SCALARS, deliver, floats, framework_of, integers, read

Pooling = Literal["bilinear", "average", "max"]
_POOLINGS = {"bilinear": 0, "average": 1, "max": 2}


class Pooled(NamedTuple):
    """A pooled clip: features [F, T, D], and attention [F, T] in float32, or None."""

    features: Any
    attention: Any | None


def pooled_tokens(tokens_per_frame: int, pooling: Pooling = "bilinear") -> int:
    """Tokens of a pooled frame.

    Raises:
        Error: `Status.INVALID_SHAPE` (no square, or nothing is left).

    >>> pooled_tokens(729), pooled_tokens(729, "average")
    (196, 169)
    """
    count = ctypes.c_int64()
    number = choice("pooling", pooling, _POOLINGS)
    call("flashvid_pooled_tokens", number, whole("tokens_per_frame", tokens_per_frame), ctypes.byref(count))
    return count.value


def pool(
    features: Any,
    attention: Any | None = None,
    *,
    pooling: Pooling = "bilinear",
    dtype: Any | None = None,
    threads: int | None = None,
) -> Pooled:
    """Pools a clip as LLaVA does, features and attention alike: stride 2, over each frame's square grid of tokens.

    O(F * N * D).

    Args:
        features: [F, N, D] finite numbers, float32, float16 or bfloat16; N is a square.
        attention: [F, N], likewise, or None.
        pooling: "bilinear": half-pixel centres, no antialiasing, an odd side rounds up (LLaVA-OneVision, 27 becomes
            14); "average": the mean of 2 x 2, an odd last row and column are dropped (LLaVA-Video, 27 becomes 13);
            "max": the largest of 2 x 2, likewise.
        dtype: Type of the pooled features; None: the features'.
        threads: 1 to 64; None: one a core.

    Returns:
        `Pooled`, of the features' kind and device.

    Raises:
        Error: `Status.INVALID_SHAPE` (no square), `Status.NOT_FINITE`, `Status.NOT_REPRESENTABLE`.
    """
    clip = Clip(features, attention)
    frames, tokens, channels = clip.features.shape
    number = choice("pooling", pooling, _POOLINGS)
    room = pooled_tokens(tokens, pooling)
    framework, type = clip.framework, row_type(clip, dtype)
    pooled = framework.empty((frames, room, channels), type)
    scores = None if attention is None else framework.empty((frames, room), "float32")
    call(
        "flashvid_pool_typed",
        ctypes.byref(clip.struct),
        number,
        framework.address(pooled),
        SCALARS[type],
        None if scores is None else framework.address(scores),
        SCALARS["float32"],
        frames * room,
        thread_count(threads),
    )
    return Pooled(framework.deliver(pooled), None if scores is None else framework.deliver(scores))


@dataclass(frozen=True)
class PatchGrid:
    """A frame of patches as Qwen's vision encoders see it.

    The patches of a token stand together; Qwen2.5-VL moreover keeps the tokens of a window together: windows from left
    to right and from top to bottom, tokens in them likewise, and windows of the last column and row as small as the
    grid leaves them.

    Args:
        rows, columns: Height and width in patches, multiples of `merge_size`; at most 2^24 patches.
        merge_size: Patches a side of a token.
        window_pixels: Side of a window; 0: none.
        patch_pixels: Side of a patch.

    >>> PatchGrid.preset("qwen2.5-vl", 8, 12).reading_order().shape
    (24,)
    """

    rows: int
    columns: int
    merge_size: int = 2
    window_pixels: int = 0
    patch_pixels: int = 14

    @classmethod
    def preset(cls, model: Model, rows: int, columns: int) -> PatchGrid:
        """A model's: "qwen2.5-vl" has windows of 112 pixels, patches of 14; "qwen3-vl" no windows, patches of 16."""
        struct = flashvid_patch_grid()
        number = choice("model", model, MODELS)
        call_plain(
            "flashvid_patch_grid_preset",
            ctypes.byref(struct),
            ctypes.sizeof(struct),
            number,
            whole("rows", rows),
            whole("columns", columns),
        )
        return cls(**{name: getattr(struct, name) for name, *_ in struct._fields_[1:]})

    def _struct(self) -> flashvid_patch_grid:
        return flashvid_patch_grid(**{name: whole(name, value) for name, value in vars(self).items()})

    @property
    def tokens(self) -> int:
        """Tokens of a frame."""
        return self.rows * self.columns // max(1, self.merge_size**2)

    def _order(self, name: str) -> NDArray[numpy.int64]:
        # Of more tokens the library has its word before it writes.
        order = numpy.empty(min(max(0, self.tokens), 2**24), dtype=numpy.int64)
        count = ctypes.c_int64()
        call(
            f"flashvid_patch_grid_{name}",
            ctypes.byref(self._struct()),
            order.ctypes.data,
            0,
            len(order),
            ctypes.byref(count),
        )
        return order[: count.value]

    def reading_order(self) -> NDArray[numpy.int64]:
        """[tokens] the place in the encoder's order of each token in reading order: `features[:, order]` restores it.

        Raises:
            Error: `Status.INVALID_SHAPE` (sides that are no multiples), `Status.SIZE_OVERFLOW`.
        """
        return self._order("reading_order")

    def encoder_order(self) -> NDArray[numpy.int64]:
        """[tokens] the inverse: the token, in reading order, at each place of the encoder's order."""
        return self._order("encoder_order")

    def attention(self, attention: Any) -> Any:
        """Attention of tokens in reading order, each the mean of its patches'.

        Args:
            attention: [F, rows * columns] finite numbers in the encoder's order.

        Returns:
            [F, tokens] in float32, of the attention's kind and device.

        Raises:
            Error: `Status.INVALID_SHAPE`, `Status.NOT_FINITE`.
        """
        given = read(attention, "attention", "frames, patches", compact=True)
        frames, patches = given.shape
        if patches != self.rows * self.columns:
            raise Error(
                Status.INVALID_SHAPE, f"attention has {patches} patches a frame; expected {self.rows * self.columns}"
            )
        scores = numpy.empty((frames, self.tokens), dtype=numpy.float32)
        call(
            "flashvid_patch_grid_attention",
            ctypes.byref(self._struct()),
            given.address,
            given.type,
            frames,
            floats(scores),
            scores.size,
        )
        return deliver(scores, framework_of(attention))


def group_attention(attention: Any, group: int, order: Any | None = None) -> Any:
    """The mean of every `group` neighbours, for an encoder with an order of its own.

    Args:
        attention: [F, patches] finite numbers; `group` divides the patches.
        group: Patches of a token, 4 for Qwen.
        order: The group at each place: [patches / group] for every frame alike, or that times F over the whole clip,
            naming everything once; None: as they come.

    Returns:
        [F, patches / group] in float32, of the attention's kind and device.

    Raises:
        Error: `Status.INVALID_SHAPE`, `Status.OUT_OF_RANGE`, `Status.INVALID_ORDER`, `Status.NOT_FINITE`.
    """
    given = read(attention, "attention", "frames, patches", compact=True)
    frames, patches = given.shape
    places = None if order is None else integers(order, "order")
    scores = numpy.empty((frames, patches // max(1, group)), dtype=numpy.float32)
    call(
        "flashvid_group_attention",
        given.address,
        given.type,
        frames,
        patches,
        whole("group", group),
        None if places is None else places.ctypes.data,
        0,
        0 if places is None else len(places),
        floats(scores),
        scores.size,
    )
    return deliver(scores, framework_of(attention))
