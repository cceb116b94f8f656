"""What fits in a context, and what reading it costs."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ._arguments import choice, real, whole
from ._configuration import MODELS, Configuration, ConfigurationFields, Model, configured, takes_fields
from ._errors import call, call_plain
from ._library import flashvid_context_budget, flashvid_host_model, flashvid_plan_row

if TYPE_CHECKING:
    from typing_extensions import Unpack


def plan_expansion(layers: int, pruning_layer: int, kept_ratio: float, average: float = 1.0) -> float:
    """The expansion with which a language model's layers see `average` of what the retention names.

    average * layers / (pruning_layer + (layers - pruning_layer) * kept_ratio).

    Args:
        layers: Decoder layers, at least 1.
        pruning_layer: From this layer on, `kept_ratio` of the visual tokens stay; 0 to `layers`.
        kept_ratio: In [0, 1].
        average: Above 0.

    Raises:
        Error: `Status.INVALID_SHAPE` (layers), `Status.OUT_OF_RANGE` (pruning_layer), `Status.INVALID_CONFIGURATION`,
            `Status.IMPOSSIBLE` (no finite expansion).

    >>> round(plan_expansion(28, 20, 0.3), 12)
    1.25
    """
    return _number("flashvid_plan_expansion", layers, pruning_layer, kept_ratio, ("average", average))


def plan_average(layers: int, pruning_layer: int, kept_ratio: float, expansion: float) -> float:
    """The inverse of `plan_expansion`: what the layers see on average, of what the retention names.

    Raises:
        Error: As `plan_expansion`.
    """
    return _number("flashvid_plan_average", layers, pruning_layer, kept_ratio, ("expansion", expansion))


def _number(function: str, layers: int, pruning_layer: int, kept_ratio: float, last: tuple[str, float]) -> float:
    number = ctypes.c_double()
    call(
        function,
        whole("layers", layers),
        whole("pruning_layer", pruning_layer),
        real("kept_ratio", kept_ratio),
        real(*last),
        ctypes.byref(number),
    )
    return number.value


@dataclass(frozen=True, kw_only=True)
class Context:
    """Room for a video in a language model's context.

    Args:
        positions: Positions that the prompt may take.
        tokens_per_frame: Tokens of a frame before compression.
        overhead_per_frame: Positions that each frame takes beside its tokens: a newline, a timestamp.
        other_positions: Positions that are not the video's.
    """

    positions: int
    tokens_per_frame: int
    overhead_per_frame: int = 0
    other_positions: int = 0

    def _struct(self) -> flashvid_context_budget:
        return flashvid_context_budget(**{name: whole(name, value) for name, value in vars(self).items()})

    @takes_fields
    def frames(self, configuration: Configuration | None = None, **given: Unpack[ConfigurationFields]) -> int:
        """Frames that fit when they are compressed.

        Raises:
            Error: `Status.IMPOSSIBLE` where not one fits, or any number does; `Status.INVALID_CONFIGURATION`,
                `Status.INVALID_SHAPE`, `Status.OUT_OF_RANGE`, `Status.SIZE_OVERFLOW`.

        >>> Context(positions=32768, tokens_per_frame=196, other_positions=100).frames(retention=0.10)
        1306
        """
        return self._frames(ctypes.byref(configured(configuration, given)._struct()))

    def uncompressed_frames(self) -> int:
        """Frames that fit when they are not."""
        return self._frames(None)

    def _frames(self, configuration: Any) -> int:
        frames = ctypes.c_int64()
        call("flashvid_plan_frames", ctypes.byref(self._struct()), configuration, ctypes.byref(frames))
        return frames.value

    @takes_fields
    def retention(
        self, frames: int, configuration: Configuration | None = None, **given: Unpack[ConfigurationFields]
    ) -> float:
        """The largest retention with which so many frames fit; the configuration's own and its rows are not used.

        Raises:
            Error: As `frames`; `Status.IMPOSSIBLE` where they do not fit with a token each.
        """
        ratio = ctypes.c_double()
        struct = configured(configuration, given)._struct()
        call(
            "flashvid_plan_retention",
            ctypes.byref(self._struct()),
            ctypes.byref(struct),
            whole("frames", frames),
            ctypes.byref(ratio),
        )
        return ratio.value


@dataclass(frozen=True)
class VideoPlan:
    """A video in a budget.

    Attributes:
        tokens_per_frame, visual_tokens: Tokens of a frame, and of the video, that enter the language model.
        average_visual_tokens: Tokens of the video that a layer sees on average.
        prompt_length: Positions of the prompt.
        prefill_work: Floating-point operations of reading it.
        work_share: Their share of those without compression and pruning.
        frames_in_context: Frames that fit in the context.
        frames_at_same_work: Frames whose prompt takes no more work than that of the model's frames without compression.
    """

    tokens_per_frame: int
    visual_tokens: int
    average_visual_tokens: float
    prompt_length: int
    prefill_work: float
    work_share: float
    frames_in_context: int
    frames_at_same_work: int


@dataclass(frozen=True, kw_only=True)
class HostModel:
    """A video language model as a host runs it.

    Args:
        model: Whose configuration it takes.
        layers, width, feed_forward_width, heads, key_value_heads, head_width, context_length: The language model, each
            at least 1.
        pruning_layer, kept_ratio: Pruning inside it: from this layer on, this share of the visual tokens stays; in (0,
            1].
        frames, tokens_per_frame: Its usual video (Qwen: pairs of frames).
        overhead_per_frame, overhead_per_video: Positions beside the tokens, for each frame and for the video.
    """

    model: Model
    layers: int
    width: int
    feed_forward_width: int
    heads: int
    key_value_heads: int
    head_width: int
    context_length: int
    pruning_layer: int
    kept_ratio: float
    frames: int
    tokens_per_frame: int
    overhead_per_frame: int = 0
    overhead_per_video: int = 0

    @classmethod
    def preset(cls, model: Model) -> HostModel:
        """LLaVA-OneVision 7B, LLaVA-Video 7B, Qwen2.5-VL 7B or Qwen3-VL 8B."""
        struct = flashvid_host_model()
        number = choice("model", model, MODELS)
        call_plain("flashvid_host_model_preset", ctypes.byref(struct), ctypes.sizeof(struct), number)
        return cls(model=model, **{field.name: getattr(struct, field.name) for field in fields(cls)[1:]})

    def _struct(self) -> flashvid_host_model:
        values = {
            name: real(name, value) if name == "kept_ratio" else whole(name, value)
            for name, value in vars(self).items()
            if name != "model"
        }
        return flashvid_host_model(model=choice("model", self.model, MODELS), **values)

    def prefill_work(self, visual_tokens: int, text_tokens: int) -> float:
        """Floating-point operations of reading a prompt, a multiplication and an addition being two.

        Projections, causal attention and the feed-forward network of every layer, with the pruning.

        Raises:
            Error: `Status.INVALID_SHAPE`, `Status.OUT_OF_RANGE`, `Status.INVALID_CONFIGURATION`.
        """
        work = ctypes.c_double()
        call(
            "flashvid_plan_prefill",
            ctypes.byref(self._struct()),
            whole("visual_tokens", visual_tokens),
            whole("text_tokens", text_tokens),
            ctypes.byref(work),
        )
        return work.value

    def plan(self, retention: float | None, text_tokens: int = 0) -> VideoPlan:
        """The model's video at a retention: the authors' configuration, and the expansion that its pruning pays back.

        Args:
            retention: In (0, 1]; None: without compression and pruning.
            text_tokens: Positions that are not the video's.

        Raises:
            Error: As `prefill_work`; `Status.IMPOSSIBLE` where not a frame fits in the context.

        >>> HostModel.preset("llava-onevision").plan(0.10).visual_tokens
        800
        """
        struct = flashvid_plan_row()
        call(
            "flashvid_plan_video",
            ctypes.byref(self._struct()),
            0.0 if retention is None else _share(retention),
            whole("text_tokens", text_tokens),
            ctypes.byref(struct),
        )
        return VideoPlan(**{field.name: getattr(struct, field.name) for field in fields(VideoPlan)})

    def break_even(
        self, retention: float, seconds_per_frame: float, work_per_second: float, text_tokens: int = 0
    ) -> int:
        """The number of frames from which on compressing takes less time than it saves the language model.

        Args:
            retention: In (0, 1].
            seconds_per_frame: Of compressing.
            work_per_second: Floating-point operations a second that the language model runs at.
            text_tokens: Positions that are not the video's.

        Raises:
            Error: As `plan`; `Status.IMPOSSIBLE` where no video of a million frames pays.
        """
        frames = ctypes.c_int64()
        call(
            "flashvid_plan_break_even",
            ctypes.byref(self._struct()),
            real("retention", retention),
            real("seconds_per_frame", seconds_per_frame),
            real("work_per_second", work_per_second),
            whole("text_tokens", text_tokens),
            ctypes.byref(frames),
        )
        return frames.value


def _share(retention: float) -> float:
    ratio = real("retention", retention)
    # 0 is the library's word for no compression.
    return ratio if ratio != 0 else float("nan")
