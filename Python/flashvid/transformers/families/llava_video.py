from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from ..._configuration import Model
from .._family import Video
from .llava_onevision import LlavaOneVision


class LlavaVideo(LlavaOneVision):
    """A newline behind each frame stays. Newlines behind each row of a grid stay where the whole video does; in a shortened
    one, rows of the grid are no more, and each frame keeps its last."""

    name = "LLaVA-Video"
    model_types = ("llava_video",)
    preset: ClassVar[Model] = "llava-video"
    remark = "a class of this package: `flashvid.transformers.llava_video`"

    def video(self, model: PreTrainedModel, rows: Tensor, frames: int, scores: Tensor | None) -> Video:
        newline = model.config.newline
        if newline == "video":
            return super().video(model, rows, frames, scores)
        places = torch.arange(len(rows), device=rows.device).view(frames, -1)
        if newline == "row":
            side = int(places.shape[1] ** 0.5)  # of side * (side + 1)
            places = places.view(frames, side, side + 1)
        tokens = places[..., :-1].reshape(frames, -1)
        return Video(rows, rows[tokens], scores, tokens.flatten(), places[..., -1].flatten())

    def kept(self, video: Video, indices: Tensor) -> Tensor:
        frames, tokens = video.tokens.shape[:2]
        newlines = video.newlines.to(indices.device)
        if len(indices) < frames * tokens:
            newlines = newlines.view(frames, -1)[:, -1] if len(newlines) >= frames else newlines
        return torch.cat([video.standing(indices), newlines])
