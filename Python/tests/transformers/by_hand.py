"""A language model run layer by layer, with tokens taken out by hand."""

from __future__ import annotations

import math
from typing import Any

import torch
from reference import continued
from torch import Tensor

from flashvid.transformers import Prepared


@torch.no_grad()
def logits_by_hand(
    model: Any, prepared: Prepared, sequences: Tensor, prune: tuple[int, float] | None = None, strength: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Logits of every place of the whole sequence that is left at the end, and which places those are.

    The model has to be one with eager attention, whose layers give their weights. No cache: all places are worked out at
    once, each seeing those before it.
    """
    # What reaches the first layer: after the video's rows took their places, and with the positions that it has.
    given: dict[str, Any] = {}
    text = model.base_model.language_model

    class Arrived(Exception):
        pass

    def arrive(module: Any, arguments: Any, named: dict[str, Any]) -> None:
        given.update(named)
        if arguments:
            given["hidden_states"] = arguments[0]
        raise Arrived

    def enter(module: Any, arguments: Any, named: dict[str, Any]) -> None:
        given["deep"] = named.get("deepstack_visual_embeds")
        given["seen"] = named.get("visual_pos_masks")

    handles = [
        text.layers[0].register_forward_pre_hook(arrive, with_kwargs=True, prepend=True),
        text.register_forward_pre_hook(enter, with_kwargs=True)]
    try:
        model(**continued(prepared, sequences), use_cache=False)
    except Arrived:
        pass
    finally:
        for handle in handles:
            handle.remove()
    hidden = given["hidden_states"]
    tables = given["position_embeddings"]

    others = {"moe_mm_token_type_ids": given["moe_mm_token_type_ids"]} if "moe_mm_token_type_ids" in given else {}
    length = prepared["input_ids"].shape[1]
    total = sequences.shape[1]
    visual = prepared.visual[0].nonzero()[:, 0]
    places = torch.arange(total)
    bias = torch.zeros(total)
    if strength:
        bias[:length] = strength * prepared.counts[0].float().log()
    kept_weights: list[Tensor] = []

    def keep(module: Any, arguments: Any, output: Any) -> None:
        kept_weights.append(output[1])

    for number, layer in enumerate(text.layers):
        if prune is not None and number == prune[0]:
            received = kept_weights[-1][0, :, length - 1, :].mean(0)[visual]
            best = received.topk(math.ceil(len(visual) * prune[1])).indices
            gone = torch.ones(total, dtype=torch.bool)
            gone[visual] = False
            gone[visual[best]] = True
            places = gone.nonzero()[:, 0]
            hidden = hidden[:, places]
            tables = tuple(table[..., places, :] for table in tables)
            others = {name: numbers[:, places] for name, numbers in others.items()}
        sees = places[:, None] >= places[None]
        mask = torch.where(sees, bias[places][None], torch.finfo(torch.float32).min)[None, None]
        handle = layer.self_attn.register_forward_hook(keep)
        output = layer(hidden, attention_mask=mask, position_embeddings=tables, position_ids=None, **others)
        handle.remove()
        hidden = output[0] if isinstance(output, tuple) else output
        if given["deep"] is not None and number < len(given["deep"]):
            hidden = text._deepstack_process(hidden, given["seen"], given["deep"][number])
    return model.lm_head(text.norm(hidden)), places
