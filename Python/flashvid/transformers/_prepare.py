"""From the inputs of `generate` to those with the videos compressed."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Mapping, NamedTuple, Sequence

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput

from .. import Compressed, Configuration, Error, Status, compress
from ._decoder import VisualCache, attach, check, check_layer
from ._family import Family, Video, features
from ._prepared import Prepared
from .families import family_of

#: What the encoder and the positions are made from, and nothing after them.
_SPENT = (
    "pixel_values", "pixel_values_images", "pixel_values_videos", "image_grid_thw", "video_grid_thw", "second_per_grid_ts",
    "video_second_per_grid", "image_sizes", "image_sizes_videos", "batch_num_images", "image_merge_sizes",
    "video_merge_sizes", "video_compression_mask", "pixel_attention_mask", "image_position_ids", "video_position_ids",
    "num_frames_per_video", "frames",
)
_IMAGES = ("pixel_values", "pixel_values_images")
#: Numbers of the prompt's places, [B, L] each.
_PLACES = ("mm_token_type_ids", "token_type_ids", "moe_mm_token_type_ids")


@torch.no_grad()
def prepare(
    model: PreTrainedModel, inputs: Mapping[str, Any], *, retention: float = 0.25, rows: int | Sequence[int] | None = None,
    count_bias: float = 0.0, prune: tuple[int, float] | None = None, frames: int | Sequence[int] | None = None,
    attention: bool = True, threads: int | None = None, **given: Any,
) -> Prepared:
    """Compresses the videos of a prompt: `model.generate(**prepare(model, inputs, retention=0.10))`.

    The model's own encoder encodes the videos, and its last attention says how telling each token is; the compressed rows
    take their places in the prompt, which keep the positions that they had where the model has M-RoPE. The model is not
    changed, but for the hooks of `count_bias` and `prune`, which do nothing to other calls (`detach` removes them), and for
    `rope_deltas`, which every call of `generate` sets.

    A prompt without a video comes back as it is.

    Args:
        model: A video language model of transformers, such as `AutoModelForImageTextToText.from_pretrained` gives. Which
            ones: `flashvid.transformers.table()`.
        inputs: What the model's processor made of text, videos and images, on the model's device. Left as it is.
        retention: Share of the visual tokens to keep, in (0, 1]; see `expansion` of `flashvid.Configuration`.
        rows: Exactly so many rows of each video, or of each its own, whatever the retention; newline embeddings come on top.
        count_bias: Strength in [0, 1] with which a row that stands for n tokens counts as n: strength * log(n) is added to
            the logits of its key in every layer, while the prompt is read and afterwards. An option to measure: a small
            video model without training for it lost by 1 and nothing by 0.5 (spec 12). 0: not at all. It makes attention
            slower: with a mask of numbers, kernels that know the causal mask cannot be used.
        prune: (layer, ratio): before this layer of the language model, only so large a share of the visual tokens stays,
            those which the prompt's last token attends to most; in (0, 1]. The authors: (20, 0.3) of 28 layers, (28, 0.1)
            of 36. For a batch of one.
        frames: For models that take a video's frames as images (the table says which): the images of the prompt are the
            frames of a video, or of several with so many frames each.
        attention: Whether the encoder's attention is used; False: what a token's distance from its frame's mean says
            instead. The scores cost about as much as one attention of the encoder.
        threads: 1 to 64; None: one a core.
        **given: Fields of `flashvid.Configuration`; `preset` is the family's unless given.

    Returns:
        A mapping for `generate`, and for `forward`. With `prune` or `count_bias` it carries the cache.

    Raises:
        Error: `Status.UNSUPPORTED` with the reason (a model, an option for this model), `Status.INVALID_ARGUMENT`,
            `Status.INVALID_SHAPE`; those of `flashvid.compress`.
    """
    family = family_of(model)
    inputs = dict(inputs)
    _refuse(inputs, count_bias, prune)
    _group(family, inputs, frames)
    ids: Tensor = inputs["input_ids"]
    if inputs.get("attention_mask") is None:
        inputs["attention_mask"] = torch.ones_like(ids)
    if inputs.get(_pixels(family)) is None:
        return _untouched(inputs, ids)
    layers = family.text_layers(model)
    if count_bias:
        _admit(model, family, layers, "count_bias", family.bias)
    if prune is not None:
        _admit(model, family, layers, "prune", family.pruning)
        if len(ids) != 1:
            raise Error(Status.UNSUPPORTED, f"prune takes one prompt; the batch has {len(ids)}")
    output, videos = family.encode(model, inputs, attention)
    if prune is not None:
        check_layer(layers, int(prune[0]), stacks=len(getattr(output, "deepstack_features", None) or ()))

    compressed = _compressed(family, videos, rows, threads, given | {"retention": retention})
    shortened = _Shortened.of(family, model, inputs, videos, compressed)
    positions = model._prepare_position_ids_for_generation(ids, dict(inputs))
    prepared = Prepared({name: value for name, value in inputs.items() if name not in _SPENT})
    prepared.update(shortened.places(inputs, positions))
    encoded = {family.modality: shortened.output(family, output)}
    if family.modality != "image" and any(inputs.get(name) is not None for name in _IMAGES):
        # A forward pass refuses pixels beside encoded videos.
        encoded["image"] = features(model.base_model, "image", inputs)
    prepared["mm_encoder_outputs"] = encoded
    prepared.compressed, prepared.source = compressed, shortened.source
    prepared.visual, prepared.counts = shortened.visual, shortened.counts
    _set_rope_deltas(model, inputs, prepared)
    if count_bias or prune is not None:
        attach(model, layers)
        prepared[cache_name(model)] = _cache(model, prepared, count_bias, prune)
    return prepared


def _refuse(inputs: dict[str, Any], count_bias: float, prune: Any) -> None:
    if inputs.get("input_ids") is None:
        raise Error(Status.INVALID_ARGUMENT, "the inputs have no input_ids; embeddings do not say where the video stands")
    for name in ("inputs_embeds", "mm_encoder_outputs", "position_ids", "labels"):
        if inputs.get(name) is not None:
            raise Error(Status.UNSUPPORTED, f"the inputs have {name}; prepare works out everything from the processor's inputs")
    for name in ("cache", "past_key_values"):
        if inputs.get(name) is not None:
            raise Error(Status.UNSUPPORTED, f"the inputs have {name}; a later turn is next_turn's")
    if not 0 <= count_bias <= 1:
        raise Error(Status.INVALID_ARGUMENT, f"count_bias is {count_bias}; expected a strength in [0, 1]")
    if prune is not None and not 0 < prune[1] <= 1:
        raise Error(Status.INVALID_ARGUMENT, f"prune keeps {prune[1]} of the visual tokens; expected a share in (0, 1]")


def _admit(model: PreTrainedModel, family: Family, layers: Any, option: str, reason: str | None) -> None:
    if reason is not None:
        raise Error(Status.UNSUPPORTED, f"{option} with {family.name}: {reason}")
    check(model, layers, option)


def _pixels(family: Family) -> str:
    return "pixel_values" if family.modality == "image" else "pixel_values_videos"


def _group(family: Family, inputs: dict[str, Any], frames: int | Sequence[int] | None) -> None:
    """Notes for a family that takes frames as images which of them belong together."""
    if family.modality == "image":
        if frames is None and inputs.get("pixel_values") is not None:
            raise Error(
                Status.INVALID_ARGUMENT,
                f"{family.name} takes a video's frames as images: say with frames= how many belong to each video")
        inputs["frames"] = [frames] if isinstance(frames, int) else list(frames or ())
    elif frames is not None:
        raise Error(Status.INVALID_ARGUMENT, f"{family.name} knows a video's frames; frames is for models that take images")


def _untouched(inputs: dict[str, Any], ids: Tensor) -> Prepared:
    prepared = Prepared({name: value for name, value in inputs.items() if name != "frames"})
    mask = inputs["attention_mask"].bool()
    prepared.compressed = []
    prepared.source = torch.arange(ids.shape[1], device=ids.device).expand_as(ids).masked_fill(~mask, -1)
    prepared.visual, prepared.counts = torch.zeros_like(mask), mask.long()
    return prepared


def _compressed(
    family: Family, videos: list[Video], rows: int | Sequence[int] | None, threads: int | None, given: dict[str, Any]
) -> list[Compressed[Tensor]]:
    budgets = [rows] * len(videos) if rows is None or isinstance(rows, int) else list(rows)
    if len(budgets) != len(videos):
        raise Error(Status.INVALID_ARGUMENT, f"rows names {len(budgets)} videos; the prompt has {len(videos)}")
    given.setdefault("preset", family.preset)
    compressed = [
        compress(video.tokens, video.scores, threads=threads, rows=budget, **given)
        for video, budget in zip(videos, budgets)
    ]
    counts = [len(each) for each in compressed]
    if family.stacked and len(set(counts)) > 1:
        raise Error(
            Status.UNSUPPORTED, f"{family.name} takes the videos of a batch as one tensor; these have {counts} rows")
    return compressed


class _Shortened(NamedTuple):
    """The prompt that is left.

    Attributes:
        source: [B, L] the position in the original prompt of each place, -1 where there is padding.
        visual: [B, L] whether a row of a video stands there.
        counts: [B, L], or None.
        rows: For each video the rows of the encoder that stay, ascending.
        values: For each video what stands there.
        pad: The id of padding.
    """

    source: Tensor
    visual: Tensor
    counts: Tensor | None
    rows: list[Tensor]
    values: list[Tensor]
    pad: int

    @staticmethod
    def of(
        family: Family, model: PreTrainedModel, inputs: dict[str, Any], videos: list[Video],
        compressed: list[Compressed[Tensor]],
    ) -> _Shortened:
        ids: Tensor = inputs["input_ids"]
        mask = inputs["attention_mask"].bool()
        holes = family.placeholders(model, inputs) & mask
        where = holes.nonzero()
        wanted = sum(len(video.rows) for video in videos)
        if len(where) != wanted:
            raise Error(
                Status.INVALID_SHAPE,
                f"the prompt has {len(where)} placeholders of video tokens; the encoder gave {wanted} rows")
        text = (mask & ~holes).nonzero()
        places, visual, counts = [text], [torch.zeros_like(text[:, 0])], [torch.ones_like(text[:, 0])]
        standing, values = [], []
        for video, result, at in zip(videos, compressed, where.split([len(video.rows) for video in videos])):
            rows = family.kept(video, result.indices)
            fixed = rows[len(result):]
            order = rows.argsort(stable=True)
            standing.append(rows[order])
            values.append(torch.cat([result.tokens, video.rows[fixed]])[order])
            places.append(at[rows])
            visual.append((torch.arange(len(rows), device=ids.device) < len(result)).long())
            of_rows = torch.ones_like(result.indices) if result.counts is None else result.counts
            counts.append(torch.cat([of_rows, torch.ones_like(fixed)]))
        source, numbers = _padded_left(torch.cat(places), torch.stack([torch.cat(visual), torch.cat(counts)]), ids.shape)
        known = all(result.counts is not None for result in compressed)
        pad = model.generation_config.pad_token_id if model.generation_config is not None else None
        return _Shortened(
            source, numbers[0].bool(), numbers[1] if known else None, standing, values, 0 if pad is None else int(pad))

    def places(self, inputs: dict[str, Any], positions: Tensor) -> dict[str, Tensor]:
        """Everything that has a number for each place of the prompt."""
        real = self.source >= 0
        at = self.source.clamp(min=0)
        result = {
            "input_ids": inputs["input_ids"].gather(1, at).masked_fill(~real, self.pad),
            "attention_mask": real.long(),
        }
        for name in _PLACES:
            if inputs.get(name) is not None:
                result[name] = inputs[name].gather(1, at).masked_fill(~real, 0)
        counted = (real.cumsum(1) - 1).clamp(min=0)
        if positions.ndim == 2:
            result["position_ids"] = counted
            return result
        # M-RoPE: rows keep their time, height and width. In front of them, where there are four, stand positions of text, by
        # which the model makes its mask: those of the shortened prompt.
        kept = positions[-3:].gather(2, at.expand(3, -1, -1)).masked_fill(~real, 0)
        result["position_ids"] = kept if len(positions) == 3 else torch.cat([counted[None], kept])
        return result

    def output(self, family: Family, output: ModelOutput) -> ModelOutput:
        """The encoder's output with the rows that are left."""
        shortened = copy.copy(output)
        shortened.pooler_output = family.pooler_output(self.values)
        stacks = getattr(output, "deepstack_features", None)
        if stacks is not None:
            # Gathered, not merged (spec 11).
            shortened.deepstack_features = [[layer[n][rows] for n, rows in enumerate(self.rows)] for layer in stacks]
        return shortened


def _padded_left(places: Tensor, numbers: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """[B, L] positions, and [n, B, L] numbers, of places (row, position) in any order; -1 and 0 where there is padding."""
    batch, width = shape
    order = (places[:, 0] * width + places[:, 1]).argsort(stable=True)
    places, numbers = places[order], numbers[:, order]
    lengths = places[:, 0].bincount(minlength=batch)
    longest = int(lengths.max())
    starts = lengths.cumsum(0) - lengths
    column = torch.arange(len(places), device=places.device) - starts[places[:, 0]] + (longest - lengths)[places[:, 0]]
    source = places.new_full((batch, longest), -1)
    source[places[:, 0], column] = places[:, 1]
    spread = numbers.new_zeros((len(numbers), batch, longest))
    spread[:, places[:, 0], column] = numbers
    return source, spread


def _set_rope_deltas(model: PreTrainedModel, inputs: dict[str, Any], prepared: Prepared) -> None:
    """What a plain next turn of `generate` adds to the places of new text: as before, and the places that are gone."""
    gone = inputs["attention_mask"].sum(1) - prepared["attention_mask"].sum(1)
    for owner in {id(each): each for each in (model, model.base_model)}.values():
        if getattr(owner, "rope_deltas", None) is not None:
            owner.rope_deltas = owner.rope_deltas + gone[:, None]


def _cache(model: PreTrainedModel, prepared: Prepared, count_bias: float, prune: tuple[int, float] | None) -> VisualCache:
    bias = None
    if count_bias:
        if prepared.counts is None:
            raise Error(Status.UNSUPPORTED, "count_bias: the published semantics give no counts")
        bias = count_bias * prepared.counts.clamp(min=1).float().log()
    layer, ratio = (None, 1.0) if prune is None else (int(prune[0]), float(prune[1]))
    visual = prepared.visual[0].nonzero()[:, 0]
    return VisualCache(model.config, prepared.visual.shape[1], visual, layer, ratio, bias)


def cache_name(model: PreTrainedModel) -> str:
    """What this version of transformers calls the cache: `past_key_values`, and `cache` from 5.24 on."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


# ------------------------------------------------------------------------------------------------------------ later turns


@torch.no_grad()
def next_turn(
    model: PreTrainedModel, inputs: Prepared, output: ModelOutput, input_ids: Tensor, attention_mask: Tensor | None = None
) -> Prepared:
    """Goes on with a conversation: `model.generate(**next_turn(model, inputs, output, question))`.

    Everything read and answered so far stays in the cache; only the last token of the answer and the new ones are read.
    Positions are written out, so any number of conversations may take turns on one model: left to itself `generate` takes
    them from `rope_deltas` of the model, which are those of whichever conversation began last.

    Args:
        model: The model.
        inputs: What the turn before was generated from: `prepare`'s, or this function's.
        output: What `generate` gave with `return_dict_in_generate=True`. Not of a beam search, whose cache is not that of
            the sequence it returns.
        input_ids: [B, n] the tokens of the new turn, without those before: text only.
        attention_mask: [B, n] 0 where they are padding; None: nowhere.

    Returns:
        A mapping for `generate`; `input_ids` in it are those of the whole conversation. The output's cache stays as it is.

    Raises:
        Error: `Status.INVALID_ARGUMENT` (no cache, no sequences), `Status.INVALID_SHAPE`, `Status.UNSUPPORTED` (beams, a new
            image or video).
    """
    name = cache_name(model)
    cache, sequences = output.get(name), output.get("sequences")
    if cache is None or sequences is None:
        raise Error(
            Status.INVALID_ARGUMENT, "the output has no cache; generate with return_dict_in_generate=True, and not without a cache")
    batch, length = inputs["input_ids"].shape
    copies, rest = divmod(len(sequences), batch)
    answered = sequences.shape[1] - length
    if rest or answered < 1 or not torch.equal(sequences[:, :length], inputs["input_ids"].repeat_interleave(copies, 0)):
        raise Error(Status.INVALID_ARGUMENT, "the output's sequences do not begin with these inputs")
    held = next(len(layer.keys) for layer in cache.layers if getattr(layer, "keys", None) is not None)
    if held != len(sequences):
        raise Error(
            Status.UNSUPPORTED,
            f"the cache holds {held} sequences and the output {len(sequences)}: after a beam search begin anew with prepare")
    if input_ids.ndim != 2 or len(input_ids) != len(sequences):
        raise Error(
            Status.INVALID_SHAPE, f"input_ids have the shape {list(input_ids.shape)}; expected [{len(sequences)}, tokens]")
    for modality in ("image", "video"):
        token = getattr(model.config, f"{modality}_token_id", None)
        if token is not None and bool((input_ids == token).any()):
            raise Error(Status.UNSUPPORTED, f"a later turn takes text; these tokens hold a new {modality}")

    ids = torch.cat([sequences, input_ids.to(sequences)], 1)
    new = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    mask = torch.cat([
        inputs["attention_mask"].repeat_interleave(copies, 0), _answer_mask(model, sequences[:, length:]).to(new), new], 1)
    positions = inputs["position_ids"].repeat_interleave(copies, -2)
    later = mask[:, length:].cumsum(1)
    turn = Prepared({
        "input_ids": ids, "attention_mask": mask, name: cache,
        "position_ids": torch.cat([positions, positions[..., -1:] + later], -1),
    })
    turn.compressed = inputs.compressed
    width = ids.shape[1] - length
    pad = torch.nn.functional.pad
    turn.source = pad(inputs.source.repeat_interleave(copies, 0), (0, width), value=-1)
    turn.visual = pad(inputs.visual.repeat_interleave(copies, 0), (0, width), value=False)
    if inputs.counts is None:
        turn.counts = None
    else:
        turn.counts = torch.cat([inputs.counts.repeat_interleave(copies, 0), mask[:, length:]], 1)
    return turn


def _answer_mask(model: PreTrainedModel, answers: Tensor) -> Tensor:
    """[B, n] 1 up to the end of each answer, and 0 for the padding behind those that ended before the others."""
    settings = model.generation_config
    ends = settings.eos_token_id
    mask = torch.ones_like(answers)
    if settings.pad_token_id is not None:
        trailing = (answers == settings.pad_token_id).flip(1).cumprod(1).flip(1)
        mask = 1 - trailing
    if ends is not None:
        ended = torch.isin(answers, torch.as_tensor(ends, device=answers.device)).long().cumsum(1)
        after_end = torch.nn.functional.pad(ended, (1, -1)) > 0
        mask = torch.where(ended.any(1, keepdim=True), ~after_end, mask.bool()).long()
    return mask
