from __future__ import annotations

from torch import nn

from .qwen2_5_vl import Qwen25VL


class HyperClovaXVision2(Qwen25VL):
    name = "HyperCLOVAX-Vision-V2"
    model_types = ("hyperclovax_vision_v2",)

    def vision_tower(self, base: nn.Module) -> nn.Module:
        return base.vision_model  # type: ignore[return-value]
