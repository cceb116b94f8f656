"""What should come out, worked out another way."""

from __future__ import annotations

from typing import Any

import torch
from tiny import VOCABULARY
from torch import Tensor

from flashvid.transformers import Prepared


@torch.no_grad()
def logits(model: Any, inputs: Any, **given: Any) -> Tensor:
    """[B, L, vocabulary] of a forward pass without a cache."""
    result: Tensor = model(**inputs, use_cache=False, **given).logits
    return result


def generated(model: Any, inputs: Any, **given: Any) -> Any:
    """Four tokens of text, with their logits."""
    settings: dict[str, Any] = dict(
        max_new_tokens=4, do_sample=False, output_logits=True, return_dict_in_generate=True, eos_token_id=None,
        suppress_tokens=list(range(190, VOCABULARY)))
    return model.generate(**inputs, **settings | given)


def continued(prepared: Prepared, sequences: Tensor) -> dict[str, Any]:
    """Arguments of one forward pass over a whole sequence that was generated from these inputs."""
    copies = len(sequences) // len(prepared["input_ids"])
    added = sequences.shape[1] - prepared["input_ids"].shape[1]
    positions = prepared["position_ids"].repeat_interleave(copies, -2)
    mask = prepared["attention_mask"].repeat_interleave(copies, 0)
    result = dict(
        input_ids=sequences,
        attention_mask=torch.nn.functional.pad(mask, (0, added), value=1),
        position_ids=torch.cat([positions, positions[..., -1:] + torch.arange(1, added + 1)], -1))
    for name in ("mm_token_type_ids", "moe_mm_token_type_ids"):
        if name in prepared:
            result[name] = torch.nn.functional.pad(prepared[name].repeat_interleave(copies, 0), (0, added))
    encoded = prepared["mm_encoder_outputs"]
    for output in encoded.values():
        output.pooler_output = repeated(output.pooler_output, copies)
        if getattr(output, "deepstack_features", None) is not None:
            output.deepstack_features = [repeated(layer, copies) for layer in output.deepstack_features]
    return result | {"mm_encoder_outputs": encoded}


def repeated(rows: Any, copies: int) -> Any:
    """Rows of prompts of one video each, for copies of each."""
    if isinstance(rows, Tensor):
        return rows.repeat_interleave(copies, 0)
    return [each for each in rows for _ in range(copies)]


@torch.no_grad()
def masked(model: Any, full: Prepared, short: Prepared, rows: list[Tensor], mrope: bool) -> Tensor:
    """The logits of a shortened prompt by way of the full one: merged rows in their places, dropped tokens masked.

    `full` is the prompt at a retention of 1. `rows` says for each video which of its rows stay.
    """
    kept = torch.zeros_like(full["attention_mask"])
    for line, source in zip(kept, short.source):
        line[source[source >= 0]] = 1
    counted = (kept.cumsum(1) - 1).clamp(min=0)
    positions = full["position_ids"]
    # Where a model has M-RoPE, rows keep their positions; elsewhere positions have no gaps.
    positions = torch.cat([counted[None], positions[1:]]) if mrope else counted
    encoded = full["mm_encoder_outputs"]
    modality = "video" if "video" in encoded else "image"
    shortened = short["mm_encoder_outputs"][modality].pooler_output
    old = encoded[modality].pooler_output
    changed = []
    flat = old.flatten(0, -2) if isinstance(old, Tensor) else torch.cat(list(old))
    new = shortened.flatten(0, -2) if isinstance(shortened, Tensor) else torch.cat(list(shortened))
    flat = flat.clone()
    flat[torch.cat(rows)] = new
    if isinstance(old, Tensor):
        encoded[modality].pooler_output = flat.view(old.shape)
    else:
        encoded[modality].pooler_output = list(flat.split([len(each) for each in old]))
    inputs = dict(full) | dict(attention_mask=kept, position_ids=positions, mm_encoder_outputs=encoded)
    whole = logits(model, inputs)
    result = whole.new_zeros(*short["input_ids"].shape, whole.shape[-1])
    for line, source, from_line in zip(result, short.source, whole):
        line[source >= 0] = from_line[source[source >= 0]]
    return result
