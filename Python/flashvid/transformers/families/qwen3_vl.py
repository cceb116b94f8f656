from __future__ import annotations

from .._family import Family


class Qwen3VL(Family):
    """DeepStack: features of three layers of the encoder are added in the decoder's first layers. Timestamps stand between
    the frames."""

    name = "Qwen3-VL"
    model_types = ("qwen3_vl",)
