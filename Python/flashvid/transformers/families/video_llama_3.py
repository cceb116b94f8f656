from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from ... import Error, Status
from .._family import Family, Inputs, Video


class VideoLlama3(Family):
    """Its processor has a compression of its own, which drops tokens that hardly changed since the frame before. What that
    leaves has no frames of one size."""

    name = "VideoLLaMA3"
    model_types = ("video_llama_3",)
    preset = "llava-onevision"
    remark = "load the processor with `use_token_compression=False`, or frames may differ in size"

    def vision_tower(self, base: nn.Module) -> nn.Module:
        return base.vision_model  # type: ignore[return-value]

    def vision_attention(self, base: nn.Module) -> nn.Module:
        layers: Any = self.vision_tower(base).encoder.layers  # type: ignore[union-attr]
        return layers[-1].self_attn

    def patches_per_token(self, model: PreTrainedModel) -> int:
        return 4

    def videos(
        self, model: PreTrainedModel, inputs: Inputs, output: ModelOutput, scores: list[Tensor] | None
    ) -> list[Video]:
        mask = inputs.get("video_compression_mask")
        videos = super().videos(model, inputs, output, scores)
        if mask is None or bool(mask.all()):
            return videos
        sizes = [len(video.rows) for video in videos]
        return [self._thinned(video, each.to(video.rows.device)) for video, each in zip(videos, mask.split(sizes))]

    def _thinned(self, video: Video, mask: Tensor) -> Video:
        frames = mask.view(video.tokens.shape[:2])
        counts = frames.sum(1)
        if bool((counts != counts[0]).any()):
            raise Error(
                Status.UNSUPPORTED,
                f"{self.name}: the processor has dropped tokens, and frames of {int(counts.min())} to {int(counts.max())} "
                "tokens are left; load it with use_token_compression=False")
        rows = video.rows[mask]
        scores = None if video.scores is None else video.scores[frames].view(len(frames), -1)
        return Video(rows, rows.view(len(frames), -1, rows.shape[-1]), scores)
