from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from ... import Error, Status
from ..._configuration import Model
from .._family import Family, Inputs, Video


class LlavaOneVision(Family):
    """SigLIP's 27 x 27 tokens of a frame are pooled to 14 x 14, and so are their scores; one newline ends the video."""

    name = "LLaVA-OneVision"
    model_types = ("llava_onevision",)
    preset: ClassVar[Model] = "llava-onevision"
    stacked = True

    def vision_tower(self, base: nn.Module) -> nn.Module:
        tower: Any = base.vision_tower
        return getattr(tower, "vision_model", tower)

    def vision_attention(self, base: nn.Module) -> nn.Module:
        """Of the layer whose output the model takes."""
        layer = base.config.vision_feature_layer  # type: ignore[union-attr]
        if not isinstance(layer, int):
            raise Error(
                Status.UNSUPPORTED,
                f"{self.name}: the model joins the outputs of the encoder's layers {layer}; attention=False does without "
                "their attention")
        layers: Any = self.vision_tower(base).encoder.layers  # type: ignore[union-attr]
        # The states count the embeddings before the first layer.
        return layers[layer if layer < 0 else layer - 1].self_attn

    def skipped_tokens(self, model: PreTrainedModel) -> int:
        return 1 if model.config.vision_feature_select_strategy == "default" else 0

    def videos(
        self, model: PreTrainedModel, inputs: Inputs, output: ModelOutput, scores: list[Tensor] | None
    ) -> list[Video]:
        rows = [each.flatten(0, -2) for each in output.pooler_output]
        frames = inputs["pixel_values_videos"].shape[1]
        pooled = self.pooled_scores(model, scores, len(rows), frames)
        return [self.video(model, each, frames, score) for each, score in zip(rows, pooled)]

    def video(self, model: PreTrainedModel, rows: Tensor, frames: int, scores: Tensor | None) -> Video:
        last = torch.tensor([len(rows) - 1], device=rows.device)
        return Video(rows, rows[:-1].view(frames, -1, rows.shape[-1]), scores, newlines=last)

    def pooled_scores(
        self, model: PreTrainedModel, scores: list[Tensor] | None, videos: int, frames: int
    ) -> list[Tensor] | list[None]:
        """[F, N] for each video, pooled as the features are."""
        if scores is None:
            return [None] * videos
        pooled = self.pool(model, torch.cat(scores)[..., None])[..., 0]
        return list(pooled.view(videos, frames, -1))

    def pool(self, model: PreTrainedModel, scores: Tensor) -> Tensor:
        """[frames, n, 1] to [frames, N, 1]"""
        return model.base_model.apply_pooling(scores)  # type: ignore[operator, no-any-return]
