from __future__ import annotations

from torch import nn

from .._family import Family


class Ernie45VL(Family):
    """The encoder makes two frames one."""

    name = "ERNIE-4.5-VL"
    model_types = ("ernie4_5_vl_moe",)
    merged_frames = 2

    def vision_tower(self, base: nn.Module) -> nn.Module:
        return base.vision_tower  # type: ignore[return-value]
