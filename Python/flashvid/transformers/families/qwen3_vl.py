from __future__ import annotations

from .._family import Family


class Qwen3VL(Family):
    """DeepStack: features of three layers of the encoder are added in the decoder's first layers, so they are gathered by
    index too. Timestamps stand between the frames, and stay."""

    name = "Qwen3-VL"
    model_types = ("qwen3_vl",)


class Qwen3VLMoe(Qwen3VL):
    name = "Qwen3-VL-MoE"
    model_types = ("qwen3_vl_moe",)
