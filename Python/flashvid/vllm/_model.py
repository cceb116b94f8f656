"""What vLLM's models of Qwen's get in front of them: compressed videos, and positions that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from .. import Error
from .._configuration import Model
from ._options import Options
from ._positions import Item, attach, lay_out, settle
from ._rows import EncoderAttention, Rows, compressed, cores, refused

if TYPE_CHECKING:
    Base = Any
else:
    Base = object


class CompressedVideos(Base):
    """Stands before vLLM's class among a model's base classes, and does nothing where the server prunes nothing.

    vLLM prunes videos in two hooks, between the encoder and the cache of its outputs; it then asks the model for positions.
    These are overridden, and nothing else.
    """

    preset: ClassVar[Model]

    # vLLM looks for these names.
    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        #: For each prompt that the engine asked about since it last looked, whether a video of it was refused.
        self.refusals: list[bool] = []
        self._ranks = int(vllm_config.parallel_config.world_size)
        options = Options.of(self.config)
        if self.is_multimodal_pruning_enabled and hasattr(self.visual, "blocks"):
            self._attention = EncoderAttention(self.visual, self._why_no_attention(vllm_config, options))

    def _why_no_attention(self, vllm_config: Any, options: Options) -> str | None:
        if not options.attention:
            return "as the server asks"
        if getattr(self.visual, "tp_size", 1) > 1:
            return "each rank has some of its heads only"
        if self.use_data_parallel:
            return "each rank encodes some of the videos only"
        if vllm_config.compilation_config.compile_mm_encoder:
            return "the encoder is compiled"
        return None

    # ------------------------------------------------------------------------------------------------------- the rows

    def _rows(self, embeddings: Sequence[Tensor], grids: list[list[int]], width: int | None = None) -> list[Rows]:
        """The rows of some videos, from what the encoder gave; the engine looks at the first `width` channels."""
        with cores(self._ranks) as threads:
            return self._rows_with(threads, embeddings, grids, width)

    def _rows_with(
        self, threads: int, embeddings: Sequence[Tensor], grids: list[list[int]], width: int | None
    ) -> list[Rows]:
        failure: Error | None = None
        scores: list[Tensor | None] = [None] * len(grids)
        try:
            scores = self._attention.take(grids, threads)
        except Error as error:
            failure = error
        made = []
        for each, (frames, *_), score in zip(embeddings, grids, scores):
            features = each[:, :width].unflatten(0, (frames, -1))
            count = self._row_count(features.shape[1], frames)
            if failure is None:
                made.append(compressed(features, score, count, self.preset, threads))
            else:
                made.append(refused(features, count, failure))
        return made

    def _row_count(self, tokens: int, frames: int) -> int:
        """vLLM's own number, by which it has sized the prompt."""
        raise NotImplementedError

    def _postprocess_image_embeds_evs(self, image_embeds_split: Sequence[Tensor], image_input: Any) -> Any:
        if not self.is_multimodal_pruning_enabled:
            return image_embeds_split
        self._attention.forget()
        return tuple(
            attach(each, self._unpruned("image", {"image_grid_thw": grid}, [0] * len(each)))
            for each, grid in zip(image_embeds_split, image_input["image_grid_thw"]))

    # -------------------------------------------------------------------------------------------------- the positions

    def _unpruned(self, modality: str, sizes: Mapping[str, Tensor], ids: Sequence[int]) -> Tensor:
        """[3, L] the positions that vLLM gives an item of the prompt by itself, all of it: the numbers of its tokens."""
        data = {name: SimpleNamespace(data=size.cpu()) for name, size in sizes.items()}
        item = SimpleNamespace(modality=modality, data=data, mm_position=SimpleNamespace(offset=0, length=len(ids)))
        positions: Tensor = super().get_mrope_input_positions(list(ids), [item])[0]
        return positions

    def _item_positions(self, feature: Any) -> Tensor:
        """[3, L] those of an item of a request."""
        raise NotImplementedError

    def _image_positions(self, feature: Any) -> Tensor:
        grid = feature.data["image_grid_thw"].data
        tokens = int(grid.prod()) // self.visual.spatial_merge_size**2
        return self._unpruned("image", {"image_grid_thw": grid}, [0] * tokens)

    def get_mrope_input_positions(self, input_tokens: list[int], mm_features: list[Any]) -> tuple[Tensor, int]:
        if not self.is_multimodal_pruning_enabled:
            result: tuple[Tensor, int] = super().get_mrope_input_positions(input_tokens, mm_features)
            return result
        items = []
        for feature in mm_features:
            positions = self._image_positions(feature) if feature.modality == "image" else self._item_positions(feature)
            items.append(Item(feature.mm_position.offset, feature.mm_position.length, int(positions.max())))
        return lay_out(len(input_tokens), items)

    def recompute_mrope_positions(
        self, input_ids: Any, multimodal_embeddings: Sequence[Tensor], mrope_positions: Tensor, num_computed_tokens: int
    ) -> tuple[Sequence[Tensor], Tensor, int]:
        placeholders = [self.config.image_token_id, self.config.video_token_id]
        settled = settle(input_ids, multimodal_embeddings, mrope_positions, num_computed_tokens, placeholders)
        self.refusals.append(settled.refused)
        return settled.values, settled.positions, settled.ahead
