from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel

from .._family import Video
from .llava_onevision import LlavaOneVision


class LlavaNextVideo(LlavaOneVision):
    """CLIP's patches pooled by two, without a newline. Where the pooling is a convolution, scores are averaged."""

    name = "LLaVA-NeXT-Video"
    model_types = ("llava_next_video",)

    def video(self, model: PreTrainedModel, rows: Tensor, frames: int, scores: Tensor | None) -> Video:
        return Video(rows, rows.view(frames, -1, rows.shape[-1]), scores)

    def pool(self, model: PreTrainedModel, scores: Tensor) -> Tensor:
        side = int(scores.shape[1] ** 0.5)
        stride = model.config.spatial_pool_stride
        pooling: Any = nn.functional.max_pool2d if model.config.spatial_pool_mode == "max" else nn.functional.avg_pool2d
        return torch.as_tensor(pooling(scores.view(len(scores), 1, side, side), stride)).flatten(1)[..., None]
