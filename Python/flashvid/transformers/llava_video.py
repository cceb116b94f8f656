"""LLaVA-Video, which transformers has no class for: LLaVA-OneVision's encoder, projector and language model, with frames
pooled by average and newlines within the video.

The classes hold what its configuration says (SigLIP, 27 x 27 tokens a frame pooled to 13 x 13, Qwen2), with the weights' names
of LLaVA-OneVision in transformers, whose conversion script reads the original repository's checkpoints.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionModel,
)
from transformers.utils.generic import ModelOutput


class LlavaVideoConfig(LlavaOnevisionConfig):  # type: ignore[misc]
    """LLaVA-OneVision's, and where newline embeddings stand.

    Args:
        newline: "frame": one behind each frame's rows; "row": one behind each row of a frame's grid; "video": one at the end.
    """

    model_type = "llava_video"

    newline: str = "frame"


class LlavaVideoModel(LlavaOnevisionModel):  # type: ignore[misc]
    """The base model. A frame of N = S x S tokens takes N + 1 places of the prompt, or with "row" S x (S + 1)."""

    config_class = LlavaVideoConfig

    def apply_pooling(self, image_features: Tensor) -> Tensor:
        """[frames, G * G, D] to [frames, S * S, D] with S = G // 2: the mean of 2 x 2, an odd last row and column dropped."""
        frames, tokens, channels = image_features.shape
        side = int(tokens**0.5)
        grid = image_features.transpose(1, 2).reshape(frames, channels, side, side)
        return nn.functional.avg_pool2d(grid, 2).flatten(2).transpose(1, 2)

    def get_video_features(
        self, pixel_values_videos: Tensor, vision_feature_layer: Any = None, vision_feature_select_strategy: Any = None,
        **kwargs: Any,
    ) -> ModelOutput:
        kwargs["return_dict"] = True
        output = super().get_video_features(
            pixel_values_videos, vision_feature_layer=vision_feature_layer,
            vision_feature_select_strategy=vision_feature_select_strategy, **kwargs)
        if self.config.newline == "video":
            return output
        videos, frames = pixel_values_videos.shape[:2]
        rows = output.pooler_output[:, :-1].unflatten(1, (frames, -1))
        if self.config.newline == "row":
            rows = rows.unflatten(2, (int(rows.shape[2] ** 0.5), -1))
        newlines = self.image_newline.to(rows).expand(*rows.shape[:-2], 1, -1)
        output.pooler_output = torch.cat([rows, newlines], -2).flatten(1, -2)
        return output


class LlavaVideoForConditionalGeneration(LlavaOnevisionForConditionalGeneration):  # type: ignore[misc]
    """LLaVA-Video, for `generate`: `AutoModelForImageTextToText` knows it once this module is imported."""

    config_class = LlavaVideoConfig

    def __init__(self, config: LlavaVideoConfig) -> None:
        super(LlavaOnevisionForConditionalGeneration, self).__init__(config)
        if config.newline not in ("frame", "row", "video"):
            raise ValueError(f"newline is {config.newline!r}; expected \"frame\", \"row\" or \"video\"")
        self.model = LlavaVideoModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()


AutoConfig.register(LlavaVideoConfig.model_type, LlavaVideoConfig, exist_ok=True)
AutoModelForImageTextToText.register(LlavaVideoConfig, LlavaVideoForConditionalGeneration, exist_ok=True)
