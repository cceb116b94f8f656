from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from .internvl import FramesAsImages


class SmolVLM(FramesAsImages):
    """Timestamps stand between the frames, and stay."""

    name = "SmolVLM"
    model_types = ("smolvlm",)
    stacked = True

    def vision_attention(self, base: nn.Module) -> nn.Module:
        layers: Any = base.vision_model.encoder.layers  # type: ignore[union-attr]
        return layers[-1].self_attn

    def group(self, model: PreTrainedModel) -> int:
        return int(model.config.scale_factor)

    def frames(self, model: PreTrainedModel, output: ModelOutput) -> Tensor:
        vision = model.config.vision_config
        tokens = (vision.image_size // vision.patch_size // self.group(model)) ** 2
        rows = torch.cat(list(output.pooler_output))
        return rows.view(-1, tokens, rows.shape[-1])

    def text_layers(self, model: PreTrainedModel) -> nn.ModuleList:
        return model.base_model.text_model.layers  # type: ignore[union-attr, return-value]
