from __future__ import annotations

from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.vision_utils import get_vision_window_index

from .._family import Family, Inputs


class Qwen25VL(Family):
    """Most layers of the encoder look into windows only, and tokens of a window stand together in it."""

    name = "Qwen2.5-VL"
    model_types = ("qwen2_5_vl",)
    preset = "qwen2.5-vl"

    def vision_attention(self, base: nn.Module) -> nn.Module:
        tower = self.vision_tower(base)
        return tower.blocks[max(tower.fullatt_block_indexes)].attn  # type: ignore[arg-type, index, union-attr, return-value]

    def reading_order(self, model: PreTrainedModel, inputs: Inputs) -> Tensor:
        tower = self.vision_tower(model.base_model)
        index, _ = get_vision_window_index(
            self.grids(inputs), spatial_merge_size=tower.spatial_merge_size, window_size=tower.window_size,
            patch_size=tower.patch_size)
        return index.argsort()
