"""Qwen2.5-VL in vLLM, with its videos compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from vllm.model_executor.models.qwen2_5_vl import (
    Qwen2_5_VLDummyInputsBuilder,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLMultiModalProcessor,
    Qwen2_5_VLProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.video_prune.evs import compute_retained_tokens_count

from ._model import CompressedVideos
from ._positions import attach


@MULTIMODAL_REGISTRY.register_processor(
    Qwen2_5_VLMultiModalProcessor, info=Qwen2_5_VLProcessingInfo, dummy_inputs=Qwen2_5_VLDummyInputsBuilder
)
class FlashVIDQwen2_5_VL(CompressedVideos, Qwen2_5_VLForConditionalGeneration):  # noqa: N801: vLLM's way to name them
    """The rows of a video stand together, behind a marker of its beginning."""

    preset = "qwen2.5-vl"

    def _row_count(self, tokens: int, frames: int) -> int:
        return int(compute_retained_tokens_count(tokens, frames, self.video_pruning_rate))

    def _video_positions(self, grid: Tensor, seconds: Tensor | None) -> Tensor:
        tokens = int(grid.prod()) // self.visual.spatial_merge_size**2
        sizes = {"video_grid_thw": grid} | ({} if seconds is None else {"second_per_grid_ts": seconds})
        return self._unpruned("video", sizes, [0] * tokens)

    def _item_positions(self, feature: Any) -> Tensor:
        seconds = feature.data.get("second_per_grid_ts")
        return self._video_positions(feature.data["video_grid_thw"].data, seconds.data if seconds else None)

    def _postprocess_video_embeds_evs(self, video_embeds_split: Sequence[Tensor], video_input: Any) -> tuple[Tensor, ...]:
        grids = video_input["video_grid_thw"]
        seconds = video_input.get("second_per_grid_ts")
        made = self._rows(video_embeds_split, grids.tolist())
        return tuple(
            attach(rows.values, self._video_positions(grid, second)[:, rows.indices.cpu()], refused=rows.refused)
            for rows, grid, second in zip(made, grids, [None] * len(grids) if seconds is None else torch.as_tensor(seconds)))
