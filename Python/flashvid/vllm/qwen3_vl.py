"""Qwen3-VL in vLLM, with its videos compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from vllm.model_executor.models.qwen3_vl import (
    Qwen3VLDummyInputsBuilder,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMultiModalProcessor,
    Qwen3VLProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.video_prune import evs, vidcom2

from ._model import CompressedVideos
from ._positions import attach


class Compressed(CompressedVideos):
    """Timestamps and markers stand between a video's frames, and are rows of its own. DeepStack: values of further layers
    stand behind each row's; they are those of the row's source token."""

    preset = "qwen3-vl"

    def _row_count(self, tokens: int, frames: int) -> int:
        # Not by the model's own attribute: Qwen3.5's does not set it.
        method = vidcom2 if self.multimodal_config.video_pruning_method == "vidcom2" else evs
        return int(method.compute_retained_tokens_count(tokens, frames, self.video_pruning_rate))

    def _video_tokens(self, grid: Tensor, timestamps: Sequence[float]) -> list[int]:
        """The tokens of a video without compression."""
        frames, rows, columns = grid.tolist()
        return list(Qwen3VLMultiModalProcessor.get_video_repl(
            tokens_per_frame=[rows * columns // self.visual.spatial_merge_size**2] * frames, timestamps=timestamps,
            tokenizer=self._tokenizer, vision_start_token_id=self.config.vision_start_token_id,
            vision_end_token_id=self.config.vision_end_token_id, video_token_id=self.config.video_token_id,
        ).full)

    def _item_positions(self, feature: Any) -> Tensor:
        grid = feature.data["video_grid_thw"].data
        return self._unpruned(
            "video", {"video_grid_thw": grid}, self._video_tokens(grid, feature.data["timestamps"].data))

    def _get_expanded_positions(self, device: Any, seq_len: int, **_: Any) -> Tensor:
        # vLLM would append its own.
        return torch.empty(seq_len, 0, device=device, dtype=torch.long)

    def _postprocess_video_embeds_evs(self, video_embeds_split: Sequence[Tensor], video_input: Any) -> tuple[Tensor, ...]:
        grids = video_input["video_grid_thw"]
        made = self._rows(video_embeds_split, grids.tolist(), self.visual_dim)
        result = []
        for each, rows, grid, timestamps in zip(video_embeds_split, made, grids, video_input.timestamps):
            frames = int(grid[0])
            deepstack = each[rows.indices, self.visual_dim:]
            is_finite = bool(deepstack.isfinite().all())
            values = torch.cat([rows.values, deepstack if is_finite else torch.zeros_like(deepstack)], 1)
            indices = rows.indices.cpu()
            with_text = self._create_final_video_embeddings(
                video_embeddings=values,
                num_tokens_per_frame=torch.bincount(indices // (len(each) // frames), minlength=frames).tolist(),
                timestamps=timestamps, video_grid_thw=grid.tolist(), retention_mask=None)
            ids = self._video_tokens(grid, timestamps)
            tokens = torch.tensor(ids)
            keep = tokens != self.config.video_token_id
            keep[(~keep).nonzero()[indices, 0]] = True
            positions = self._unpruned("video", {"video_grid_thw": grid}, ids)[:, keep]
            # vLLM sizes a prompt as if all rows were the first frame's, behind its timestamp and its marker.
            lead = int((tokens == self.config.video_token_id).nonzero()[0])
            result.append(attach(with_text, positions, lead, rows.refused or not is_finite))
        return tuple(result)


@MULTIMODAL_REGISTRY.register_processor(
    Qwen3VLMultiModalProcessor, info=Qwen3VLProcessingInfo, dummy_inputs=Qwen3VLDummyInputsBuilder
)
class FlashVIDQwen3_VL(Compressed, Qwen3VLForConditionalGeneration):  # noqa: N801: vLLM's way to name them
    pass
