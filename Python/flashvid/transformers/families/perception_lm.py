from __future__ import annotations

from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from .._family import Family, Inputs, Video


class PerceptionLM(Family):
    """Its encoder is timm's, whose attention cannot be observed, and has no `get_video_features`: videos go through the
    images' function."""

    name = "PerceptionLM"
    model_types = ("perception_lm",)
    preset = "llava-onevision"
    stacked = True
    unobserved = "its encoder is timm's"

    def encode_features(self, model: PreTrainedModel, inputs: Inputs) -> ModelOutput:
        return model.base_model.get_image_features(  # type: ignore[operator, no-any-return]
            pixel_values=inputs["pixel_values_videos"], return_dict=True)

    def videos(
        self, model: PreTrainedModel, inputs: Inputs, output: ModelOutput, scores: list[Tensor] | None
    ) -> list[Video]:
        videos, frames = inputs["pixel_values_videos"].shape[:2]
        return [
            Video(each.flatten(0, 1), each) for each in output.pooler_output.unflatten(0, (videos, frames))
        ]
