"""What transformers makes of a request, with `flashvid.transformers`.

For Qwen2.5-VL transformers 5 lets text go on behind a video at its grid's width, or height; vLLM, and transformers 4, behind
its largest position. These are the same where a video is short. `Reference(…, own=False)` has vLLM's in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from requests_of import Clip, Encoded, Request
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import VideoMetadata
from vllm.multimodal.video_prune import evs, vidcom2

from flashvid.transformers import prepare


@dataclass
class Expected:
    """Attributes:
        tokens: The answer's tokens.
        positions: [3, L] of prompt and answer.
        indices: For each video the tokens that are left.
        values: For each video what stands in their places.
        scores: What each token scores as the answer's first.
    """

    tokens: list[int]
    positions: Tensor
    indices: list[Tensor]
    values: list[Tensor]
    scores: Tensor


def text_behind_the_largest(
    input_ids: Tensor, *, mm_token_type_ids: Tensor, image_grid_thw: Tensor | None = None,
    video_grid_thw: Tensor | None = None, second_per_grid_ts: Tensor | None = None, **_: Any,
) -> tuple[Tensor, Tensor]:
    """Qwen2.5-VL's positions [3, 1, L] of one prompt, and by how much they run ahead; two positions a second."""
    columns: list[tuple[int, int, int]] = []
    images = iter([] if image_grid_thw is None else image_grid_thw.tolist())
    seconds = [1.0] * len(video_grid_thw if video_grid_thw is not None else []) if second_per_grid_ts is None else (
        second_per_grid_ts.tolist())
    videos = iter(zip([] if video_grid_thw is None else video_grid_thw.tolist(), seconds))
    kinds = mm_token_type_ids[0].tolist()
    while len(columns) < len(kinds):
        start = max((max(column) for column in columns), default=-1) + 1
        kind = kinds[len(columns)]
        if kind == 0:
            columns.append((start, start, start))
            continue
        (frames, rows, width), interval = (next(images), 0.0) if kind == 1 else next(videos)
        for t in range(frames):
            for y in range(rows // 2):
                for x in range(width // 2):
                    columns.append((start + int(t * 2 * interval), start + y, start + x))
    positions = torch.tensor(columns).T[:, None]
    return positions, positions.max()[None, None] + 1 - len(kinds)


class Reference:
    def __init__(self, kind: str, folder: Path, own: bool = False) -> None:
        self.kind = kind
        self.model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        if kind == "qwen2_5_vl" and not own:
            self.model.model.get_rope_index = text_behind_the_largest
        self.processor: Any = AutoProcessor.from_pretrained(folder)

    def rows(self, grid: list[int], rate: float, method: str) -> int:
        frames, rows, columns = grid
        count = (vidcom2 if method == "vidcom2" else evs).compute_retained_tokens_count
        return int(count(rows * columns // 4, frames, rate))

    def inputs(self, request: Request) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if request.clips:
            given |= dict(
                videos=[clip.pixels() for clip in request.clips],
                video_metadata=[VideoMetadata(**clip.metadata()) for clip in request.clips], do_sample_frames=False)
        if request.pictures:
            given["images"] = [picture.pixels() for picture in request.pictures]
        return dict(self.processor(text=[request.text], return_tensors="pt", **given))

    @torch.no_grad()
    def encoded(self, clip: Clip) -> Encoded:
        """A video as the encoder gives it, with values of further layers behind each token's."""
        inputs = self.inputs(Request((clip,)))
        output = self.model.model.get_video_features(inputs["pixel_values_videos"], inputs["video_grid_thw"])
        layers = [output.pooler_output, *(getattr(output, "deepstack_features", None) or ())]
        values = torch.cat([torch.cat(list(layer)) for layer in layers], 1)
        grid = inputs["video_grid_thw"][0].tolist()
        seconds = [(2 * at + 0.5) / clip.fps for at in range(grid[0])]
        return Encoded(values, grid, None if self.kind == "qwen2_5_vl" else seconds)

    def positions(self, inputs: dict[str, Any]) -> Tensor:
        """[3, L] those of a prompt without compression."""
        positions = self.model._prepare_position_ids_for_generation(inputs["input_ids"], dict(inputs))
        return positions[-3:, 0] if positions.ndim == 3 else positions[:1].expand(3, -1)

    def gathered(self, request: Request, indices: list[Tensor]) -> Tensor:
        """[3, L] the positions of what is left of a prompt when of each video only these tokens are."""
        inputs = self.inputs(request)
        video = (inputs["input_ids"][0] == self.model.config.video_token_id).nonzero()[:, 0]
        keep = torch.ones_like(inputs["input_ids"][0], dtype=torch.bool)
        keep[video] = False
        sizes = [frames * rows * columns // 4 for frames, rows, columns in inputs["video_grid_thw"].tolist()]
        for places, chosen in zip(video.split(sizes), indices):
            keep[places[chosen]] = True
        return self.positions(inputs)[:, keep]

    @torch.no_grad()
    def expect(self, request: Request, rate: float = 0.75, method: str = "evs", **options: Any) -> Expected:
        inputs = self.inputs(request)
        grids = inputs["video_grid_thw"].tolist() if request.clips else []
        prepared: Any = inputs
        if grids and rate:
            rows = [self.rows(grid, rate, method) for grid in grids]
            prepared = prepare(self.model, inputs, rows=rows, **options)
        made = self.model.generate(
            **prepared, max_new_tokens=request.tokens, do_sample=False, eos_token_id=None, output_scores=True,
            return_dict_in_generate=True)
        answer = made.sequences[0, prepared["input_ids"].shape[1]:].tolist()
        if "position_ids" in prepared:
            positions = prepared["position_ids"][-3:, 0]
        else:
            positions = self.positions(inputs)
        after = positions.max() + 1 + torch.arange(request.tokens - 1)
        compressed = getattr(prepared, "compressed", [])
        return Expected(
            answer, torch.cat([positions, after.expand(3, -1)], 1), [each.indices for each in compressed],
            [each.tokens for each in compressed], made.scores[0][0])
