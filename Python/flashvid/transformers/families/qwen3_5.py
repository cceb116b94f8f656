from __future__ import annotations

from .._family import Family

_HYBRID = "only some of its layers keep keys, the others a state"


class Qwen35(Family):
    name = "Qwen3.5"
    model_types = ("qwen3_5",)
    bias = pruning = _HYBRID


class Qwen35Moe(Qwen35):
    name = "Qwen3.5-MoE"
    model_types = ("qwen3_5_moe",)
