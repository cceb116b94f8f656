from __future__ import annotations

from .._family import Family


class Qwen2VL(Family):
    name = "Qwen2-VL"
    model_types = ("qwen2_vl",)
    preset = "qwen2.5-vl"
