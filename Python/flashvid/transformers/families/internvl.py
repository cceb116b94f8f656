from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from ... import Error, Status
from .._family import Family, Inputs, Video


class FramesAsImages(Family):
    """A family that knows images only: the frames of a video are images, and the caller says how many belong together."""

    preset = "llava-onevision"
    modality = "image"
    remark = "a video's frames are images: say how many with `frames=`"

    def frames(self, model: PreTrainedModel, output: ModelOutput) -> Tensor:
        """[frames, N, D] the rows of all images."""
        return output.pooler_output  # type: ignore[no-any-return]

    def group(self, model: PreTrainedModel) -> int:
        """Side in patches of a token."""
        raise NotImplementedError

    def videos(
        self, model: PreTrainedModel, inputs: Inputs, output: ModelOutput, scores: list[Tensor] | None
    ) -> list[Video]:
        frames = self.frames(model, output)
        counts = inputs["frames"]
        if sum(counts) != len(frames):
            raise Error(Status.INVALID_ARGUMENT, f"frames names {sum(counts)} images; the prompt has {len(frames)}")
        videos = []
        pooled = [None] * len(counts) if scores is None else list(self.pooled(model, torch.cat(scores)).split(counts))
        for tokens, score in zip(frames.split(counts), pooled):
            videos.append(Video(tokens.flatten(0, 1), tokens, score))
        return videos

    def pooled(self, model: PreTrainedModel, scores: Tensor) -> Tensor:
        """[frames, patches] to [frames, N]: tokens are squares of patches, in reading order."""
        side = int(scores.shape[1] ** 0.5)
        return nn.functional.avg_pool2d(scores.view(len(scores), 1, side, side), self.group(model)).flatten(1)


class InternVL(FramesAsImages):
    name = "InternVL"
    model_types = ("internvl",)
    stacked = True

    def vision_attention(self, base: nn.Module) -> nn.Module:
        layers: Any = base.vision_tower.encoder.layer  # type: ignore[union-attr]
        layer: Any = base.config.vision_feature_layer  # type: ignore[union-attr]
        return layers[layer if layer < 0 else layer - 1].attention

    def skipped_tokens(self, model: PreTrainedModel) -> int:
        return 1 if model.config.vision_feature_select_strategy == "default" else 0

    def group(self, model: PreTrainedModel) -> int:
        return int(round(1 / model.config.downsample_ratio))
