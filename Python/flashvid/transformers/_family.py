"""What differs from family to family: how a video is encoded, and where its tokens stand in the prompt."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar, Mapping

import torch
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from .. import Error, Scorer, Status
from .._configuration import Model
from ._attention import observed

Inputs = Mapping[str, Any]


@dataclass
class Video:
    """One video of the prompt, as the language model would read it without compression: R rows, one a placeholder.

    Attributes:
        rows: [R, D] the encoder's rows in the order of their placeholders.
        tokens: [F, N, D] those of them that are compressed; the others, newlines, stay as they are.
        scores: [F, N] the attention that each receives, or None.
        places: [F * N] which of the rows the tokens are, ascending; None: the first.
        newlines: Which of the rows are newlines that stay.
    """

    rows: Tensor
    tokens: Tensor
    scores: Tensor | None = None
    places: Tensor | None = None
    newlines: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))

    def standing(self, indices: Tensor) -> Tensor:
        """[K] the rows at which the tokens of these indices stand."""
        return indices if self.places is None else self.places.to(indices.device)[indices]


class Family:
    """How the models of a family take a video. The defaults are those of Qwen-VL and its many descendants.

    A family is a file in `families` with a subclass of this; what it overrides is what is special about it.

    Attributes:
        name: As people call it.
        model_types: `config.model_type` of its models.
        preset: The configuration that fits it best (spec 11): that of the model whose encoder is most like its own.
        modality: Under which of "video" and "image" the model takes a video's frames.
        stacked: Whether the model takes the videos of a batch as one tensor, so that all must have as many rows.
        merged_frames: Frames of the grid that the encoder makes one.
        unobserved: None, or why the encoder's attention cannot be used; the stand-in is, then.
        beams: None, or why beams do not work with a video in transformers itself.
        bias: None, or why the count bias does not work.
        pruning: None, or why pruning inside the language model does not work.
        remark: What a user has to know, for the table.
        since: The first version of transformers that has it, where that is newer than the oldest supported one.
    """

    name: ClassVar[str]
    model_types: ClassVar[tuple[str, ...]]
    preset: ClassVar[Model] = "qwen3-vl"
    modality: ClassVar[str] = "video"
    stacked: ClassVar[bool] = False
    merged_frames: ClassVar[int] = 1
    unobserved: ClassVar[str | None] = None
    beams: ClassVar[str | None] = None
    bias: ClassVar[str | None] = None
    pruning: ClassVar[str | None] = None
    remark: ClassVar[str] = ""
    since: ClassVar[str] = ""

    # ------------------------------------------------------------------------------------------ the vision encoder

    def encode(self, model: PreTrainedModel, inputs: Inputs, attention: bool) -> tuple[ModelOutput, list[Video]]:
        """Encodes the videos as `generate` would, and observes the last attention meanwhile."""
        if not attention or self.unobserved is not None:
            output = self.encode_features(model, inputs)
            return output, self.videos(model, inputs, output, None)
        scores: list[Tensor] = []
        skip = self.skipped_tokens(model)
        with Scorer() as scorer:
            def score(queries: Tensor, keys: Tensor, scale: float) -> None:
                if keys.shape[1] != queries.shape[1]:
                    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[1], 1)
                scores.append(scorer.attention_scores(queries, keys, scale=scale, skip=skip))

            with observed(self.vision_attention(model.base_model), score):
                output = self.encode_features(model, inputs)
        return output, self.videos(model, inputs, output, scores)

    def encode_features(self, model: PreTrainedModel, inputs: Inputs) -> ModelOutput:
        return features(model.base_model, self.modality, inputs)

    def vision_tower(self, base: nn.Module) -> nn.Module:
        return base.visual  # type: ignore[return-value]

    def vision_attention(self, base: nn.Module) -> nn.Module:
        """The last attention of the vision encoder in which a frame sees itself as a whole."""
        return self.vision_tower(base).blocks[-1].attn  # type: ignore[union-attr, index, return-value]

    def skipped_tokens(self, model: PreTrainedModel) -> int:
        """Tokens at a frame's start that are none of the video's: [CLS] and registers."""
        return 0

    def videos(
        self, model: PreTrainedModel, inputs: Inputs, output: ModelOutput, scores: list[Tensor] | None
    ) -> list[Video]:
        """The videos in the order of the prompt. `scores` are those of each call of the observed attention."""
        grids = self.grids(inputs).tolist()
        rows = list(output.pooler_output)
        at = self.token_scores(model, inputs, scores, grids)
        videos = []
        for each, (frames, *_), score in zip(rows, grids, at):
            frames = frames // self.merged_frames
            tokens = each.view(frames, -1, each.shape[-1])
            videos.append(Video(each, tokens, score))
        return videos

    def grids(self, inputs: Inputs) -> Tensor:
        """[videos, 3] frames, rows and columns of the grid of patches."""
        return required(inputs, f"{self.modality}_grid_thw")

    def token_scores(
        self, model: PreTrainedModel, inputs: Inputs, scores: list[Tensor] | None, grids: list[list[int]]
    ) -> list[Tensor | None]:
        """[F, N] for each video, from one call a frame with the scores of its patches."""
        if scores is None:
            return [None] * len(grids)
        frames = [frame for score in scores for frame in score]
        expected = sum(grid[0] for grid in grids)
        if len(frames) != expected:
            raise Error(
                Status.UNSUPPORTED,
                f"{self.name}: the encoder's last attention was computed over {len(frames)} pieces; expected {expected}, "
                "one a frame. attention=False does without it")
        group = self.patches_per_token(model)
        tokens = torch.cat(frames).view(-1, group).mean(-1)
        order = self.reading_order(model, inputs)
        if order is not None:
            tokens = tokens[order]
        sizes = [frames * rows * columns // group for frames, rows, columns in grids]
        return [
            each.view(grid[0] // self.merged_frames, self.merged_frames, -1).mean(1)
            for each, grid in zip(tokens.split(sizes), grids)
        ]

    def patches_per_token(self, model: PreTrainedModel) -> int:
        return int(self.vision_tower(model.base_model).spatial_merge_size) ** 2  # type: ignore[arg-type, call-overload]

    def reading_order(self, model: PreTrainedModel, inputs: Inputs) -> Tensor | None:
        """The place in the encoder's order of each token in reading order, over all videos; None where they agree."""
        return None

    # --------------------------------------------------------------------------------------------------- the prompt

    def placeholders(self, model: PreTrainedModel, inputs: Inputs) -> Tensor:
        """[B, L] where the prompt has a placeholder for a row of a video."""
        ids: Tensor = inputs["input_ids"]
        return ids == getattr(model.config, f"{self.modality}_token_id")

    def kept(self, video: Video, indices: Tensor) -> Tensor:
        """[K'] the rows of the video, ascending, that stand in the compressed prompt: its tokens' and newlines."""
        return torch.cat([video.standing(indices), video.newlines.to(indices.device)])

    def pooler_output(self, rows: list[Tensor]) -> Any:
        """The rows of all videos as the model's `forward` takes them."""
        return torch.stack(rows) if self.stacked else tuple(rows)

    def text_layers(self, model: PreTrainedModel) -> nn.ModuleList:
        """The decoder's layers."""
        base: Any = model.base_model
        text = getattr(base, "language_model", None) or base.model
        return text.layers  # type: ignore[no-any-return]


def features(base: nn.Module, modality: str, inputs: Inputs) -> ModelOutput:
    """What `generate` would get from the model's encoder."""
    encoder = getattr(base, f"get_{modality}_features")
    named = inspect.signature(encoder).parameters
    return encoder(**{name: inputs[name] for name in named if inputs.get(name) is not None}, return_dict=True)


def required(inputs: Inputs, name: str) -> Tensor:
    value: Tensor | None = inputs.get(name)
    if value is None:
        raise Error(Status.INVALID_ARGUMENT, f"the inputs have no {name}; the model's processor gives it beside the video")
    return value
