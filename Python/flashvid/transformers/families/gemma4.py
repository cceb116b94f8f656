from __future__ import annotations

from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from .._family import Family, Inputs, Video, required

_SLIDING = "most of its layers see a window of the last tokens only"


class Gemma4(Family):
    """Frames are pooled by the positions of their patches, so the attention of patches says little of tokens."""

    name = "Gemma 4"
    model_types = ("gemma4",)
    preset = "llava-onevision"
    bias = pruning = _SLIDING
    unobserved = "patches are pooled by their positions"

    def videos(
        self, model: PreTrainedModel, inputs: Inputs, output: ModelOutput, scores: list[Tensor] | None
    ) -> list[Video]:
        # Older versions take all videos as one tensor.
        pixels = inputs["pixel_values_videos"]
        frames = [pixels.shape[1]] * len(pixels) if pixels.ndim == 4 else required(inputs, "num_frames_per_video").tolist()
        return [
            Video(rows, rows.view(count, -1, rows.shape[-1])) for rows, count in zip(output.pooler_output, frames)
        ]
