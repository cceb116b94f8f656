from __future__ import annotations

from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from .._family import Inputs, Video
from .llava_onevision import LlavaOneVision


class VideoLlava(LlavaOneVision):
    """All of CLIP's tokens go to the language model, [CLS] too, which stays as it is."""

    name = "Video-LLaVA"
    model_types = ("video_llava",)

    def vision_tower(self, base: nn.Module) -> nn.Module:
        tower = base.video_tower
        return getattr(tower, "vision_model", tower)  # type: ignore[return-value]

    def skipped_tokens(self, model: PreTrainedModel) -> int:
        return 0

    def videos(
        self, model: PreTrainedModel, inputs: Inputs, output: ModelOutput, scores: list[Tensor] | None
    ) -> list[Video]:
        videos, frames = inputs["pixel_values_videos"].shape[:2]
        rows = output.pooler_output.unflatten(0, (videos, frames)).flatten(1, 2)
        pooled = self.pooled_scores(model, scores, videos, frames)
        return [Video(each, each.view(frames, -1, each.shape[-1]), score) for each, score in zip(rows, pooled)]

    def pool(self, model: PreTrainedModel, scores: Tensor) -> Tensor:
        return scores
