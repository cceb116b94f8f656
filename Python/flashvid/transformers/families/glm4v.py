from __future__ import annotations

from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from .._family import Family, Inputs, required


class Glm4v(Family):
    """A video's placeholders are the image token, and only the token types tell them apart."""

    name = "GLM-4.1V"
    model_types = ("glm4v",)
    beams = "transformers looks for a video token that the prompt does not have"

    def placeholders(self, model: PreTrainedModel, inputs: Inputs) -> Tensor:
        ids: Tensor = inputs["input_ids"]
        return (ids == model.config.image_token_id) & (required(inputs, "mm_token_type_ids") == 2)


class Glm4vMoe(Glm4v):
    name = "GLM-4.5V"
    model_types = ("glm4v_moe",)


class Glm46V(Glm4v):
    name = "GLM-4.6V"
    model_types = ("glm46v",)
