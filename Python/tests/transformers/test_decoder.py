"""The count bias, and pruning inside the language model, against a loop over the layers by hand."""

from __future__ import annotations

import copy
import io
import math
import threading
from typing import Any, Callable

import pytest
import torch
from by_hand import logits_by_hand
from reference import generated, logits
from tiny import TINY, Tiny
from torch import Tensor, nn

import flashvid
from flashvid.transformers import VisualCache, attach, detach, family_of, next_turn, prepare
from flashvid.transformers._prepare import cache_name

Models = Callable[..., Any]
THREE = ["llava_onevision", "qwen2_5_vl", "qwen3_vl"]
TOLERANCE = dict(rtol=0, atol=3e-5)
OPTIONS: list[dict[str, Any]] = [
    dict(prune=(2, 0.3)), dict(prune=(3, 0.1)), dict(count_bias=1.0), dict(count_bias=0.5, prune=(2, 0.3))]
#: Trees and clusters, so that counts differ.
MERGING: dict[str, Any] = dict(retention=0.25, alpha=0.5, temporal_threshold=0.5, minimum_segments=1)

three = pytest.mark.parametrize("name", THREE)
implementations = pytest.mark.parametrize("implementation", ["sdpa", "eager"])
options = pytest.mark.parametrize("given", OPTIONS, ids=str)


def of_hand(model_of: Models, tiny: Tiny, prepared: Any, sequences: Tensor, given: dict[str, Any]) -> Tensor:
    """[n, vocabulary] by hand, of the places from the prompt's last one on."""
    model = model_of(tiny, attn_implementation="eager")
    result, places = logits_by_hand(model, prepared, sequences, given.get("prune"), given.get("count_bias", 0.0))
    return result[0, places >= prepared["input_ids"].shape[1] - 1][:-1]


@three
@implementations
@options
def test_answers_are_those_of_a_loop_by_hand(
    name: str, implementation: str, given: dict[str, Any], model_of: Models
) -> None:
    tiny = TINY[name]
    model = model_of(tiny, attn_implementation=implementation)
    prepared = prepare(model, tiny.inputs(), **MERGING, **given)
    answer = generated(model, prepared)
    assert answer.sequences.shape[1] == prepared["input_ids"].shape[1] + 4
    expected = of_hand(model_of, tiny, prepared, answer.sequences, given)
    torch.testing.assert_close(torch.cat(answer.logits), expected, **TOLERANCE)
    # And they are others than without.
    plain, _ = logits_by_hand(model_of(tiny, attn_implementation="eager"), prepared, answer.sequences)
    assert (plain[0, -5:-1] - expected).abs().max() > 0.05
    # The mapping can be used again.
    assert torch.equal(generated(model, prepared).sequences, answer.sequences)


@three
@options
def test_beams_and_samples(name: str, given: dict[str, Any], model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    prepared = prepare(model, tiny.inputs(), **MERGING, **given)
    beams = generated(model, prepared, num_beams=3, num_return_sequences=2, output_scores=True)
    at = prepared["input_ids"].shape[1]
    for sequence, score in zip(beams.sequences, beams.sequences_scores):
        expected = of_hand(model_of, tiny, prepared, sequence[None], given).log_softmax(-1)
        torch.testing.assert_close(score, expected.gather(1, sequence[at:, None]).mean(), **TOLERANCE)
    torch.manual_seed(0)
    samples = generated(model, prepared, do_sample=True, num_return_sequences=2)
    for row, sequence in enumerate(samples.sequences):
        expected = of_hand(model_of, tiny, prepared, sequence[None], given)
        torch.testing.assert_close(torch.stack(samples.logits, 1)[row], expected, **TOLERANCE)


@three
@options
def test_later_turns(name: str, given: dict[str, Any], model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    prepared = turn = prepare(model, tiny.inputs(), **MERGING, **given)
    for seed in (5, 6):
        answer = generated(model, turn)
        generated(model, prepare(model, tiny.inputs(7), **MERGING, prune=(1 if name == "llava_onevision" else 2, 0.5)))
        turn = next_turn(model, turn, answer, torch.tensor([tiny.question(seed)]))
        again = generated(model, turn)
        assert torch.equal(again.sequences, generated(model, turn).sequences)
    expected = of_hand(model_of, tiny, prepared, again.sequences, given)
    torch.testing.assert_close(torch.cat(again.logits), expected[-4:], **TOLERANCE)


@three
def test_pruning_shortens_the_cache(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    prepared = prepare(model, tiny.inputs(), retention=0.25, prune=(2, 0.3))
    answer = generated(model, prepared)
    rows = len(prepared.compressed[0])
    length = prepared["input_ids"].shape[1]
    held = [len(layer.keys[0, 0]) for layer in answer[cache_name(model)].layers]
    pruned = length - rows + flashvid.pruned_count(rows, 0.3)
    assert held == [length + 3, length + 3, pruned + 3, pruned + 3]


@three
def test_a_share_of_one_prunes_nothing(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    plain = generated(model, prepare(model, tiny.inputs(), retention=0.25))
    ours = generated(model, prepare(model, tiny.inputs(), retention=0.25, prune=(2, 1.0)))
    torch.testing.assert_close(torch.cat(ours.logits), torch.cat(plain.logits), **TOLERANCE)


@three
@implementations
def test_the_bias_in_a_padded_batch(name: str, implementation: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny, attn_implementation=implementation)
    prompts = [tiny.inputs(1), tiny.prompt(tiny.question(3, 9), tiny.video(3), tiny.question(4, 12))]
    both = prepare(model, tiny.batch(*prompts), **MERGING, count_bias=1.0)
    for settings in (dict(), dict(num_beams=2, output_scores=True)):
        answers = generated(model, both, **settings)
        for row, prompt in enumerate(prompts):
            alone = generated(model, prepare(model, prompt, **MERGING, count_bias=1.0), **settings)
            if settings:
                torch.testing.assert_close(answers.sequences_scores[row], alone.sequences_scores[0], **TOLERANCE)
            else:
                torch.testing.assert_close(
                    torch.stack(answers.logits, 1)[row], torch.cat(alone.logits), **TOLERANCE)


def test_the_bias_is_off_by_default(model_of: Models) -> None:
    tiny = TINY["qwen2_5_vl"]
    model = model_of(tiny)
    prepared = prepare(model, tiny.inputs(), **MERGING)
    assert cache_name(model) not in prepared
    off = prepare(model, tiny.inputs(), **MERGING, count_bias=0.0)
    assert torch.equal(logits(model, prepared), logits(model, off))


# ------------------------------------------------------------------------------------------------ counts, and copies


def language_model(layers: int) -> Any:
    """A model of text alone."""
    from tiny import TEXT
    from transformers import Qwen2Config, Qwen2ForCausalLM

    model = Qwen2ForCausalLM._from_config(Qwen2Config(**TEXT | dict(num_hidden_layers=layers))).eval()
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        if weight.ndim > 1:
            weight.data = torch.randn(weight.shape, generator=generator) * weight.shape[-1] ** -0.5
    return model


@torch.no_grad()
def copies(layers: int, together: bool, strength: float) -> float:
    """The greatest difference of the last logits: a row five times at one position, and once with a count of five.

    `together`: whether the copies see each other, or each only those before it.
    """
    model, place, times, length = language_model(layers), 6, 5, 16
    states = torch.randn(1, length, 64, generator=torch.Generator().manual_seed(2))
    source = torch.tensor([*range(place), *[place] * times, *range(place + 1, length)])
    sees = torch.ones(len(source), len(source), dtype=torch.bool).tril()
    if together:
        sees |= source[:, None] == source[None]
    repeated = model(
        inputs_embeds=states[:, source], position_ids=source[None], attention_mask=sees[None, None], use_cache=False)
    bias = torch.zeros(1, length)
    bias[0, place] = strength * math.log(times)
    attach(model, model.model.layers)
    cache = VisualCache(model.config, length, torch.tensor([place]), bias=bias)
    once = model(inputs_embeds=states, **{cache_name(model): cache}, use_cache=True)
    return float((repeated.logits[0, -1] - once.logits[0, -1]).abs().max())


def test_a_row_with_a_count_is_as_many_rows_that_see_each_other() -> None:
    assert copies(4, together=True, strength=1.0) < 3e-5
    assert copies(4, together=True, strength=0.5) > 0.05
    assert copies(4, together=True, strength=0.0) > 0.1


def test_copies_that_see_only_those_before_them_are_something_else() -> None:
    """In one layer there is no difference; in four there is one, and without the bias a larger one."""
    assert copies(1, together=False, strength=1.0) < 3e-5
    biased, plain = copies(4, together=False, strength=1.0), copies(4, together=False, strength=0.0)
    assert 1e-3 < biased < plain


# ----------------------------------------------------------------------------------------------- hooks, and other calls


@three
def test_other_calls_are_what_they_were(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = copy.deepcopy(model_of(tiny))
    detach(model)
    before = generated(model, tiny.inputs())
    generated(model, prepare(model, tiny.inputs(), **MERGING, count_bias=1.0, prune=(2, 0.3)))
    after = generated(model, tiny.inputs())
    assert all(map(torch.equal, before.logits, after.logits))
    attention = family_of(model).text_layers(model)[1].self_attn
    assert "_config_beneath_observer" not in attention.__dict__
    detach(model)
    hooks = [hook for module in model.modules() for table in (module._forward_pre_hooks, module._forward_hooks)
             for hook in table.values()]
    assert not any(type(hook).__module__.startswith("flashvid") for hook in hooks)


def test_a_model_with_hooks_can_be_copied_and_saved(model_of: Models) -> None:
    tiny = TINY["qwen3_vl"]
    model = copy.deepcopy(model_of(tiny))
    prepared = prepare(model, tiny.inputs(), **MERGING, prune=(2, 0.3))
    expected = generated(model, prepared).sequences
    twin = copy.deepcopy(model)
    assert torch.equal(generated(twin, prepared).sequences, expected)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(generated(loaded, prepared).sequences, expected)


@three
def test_threads_prune_at_once(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    prompts = [prepare(model, tiny.inputs(seed), **MERGING, prune=(2, 0.1 * seed)) for seed in (1, 2, 3)]
    alone = [generated(model, prompt).sequences for prompt in prompts]
    found: list[Any] = [None] * len(prompts)

    def work(number: int) -> None:
        for _ in range(5):
            found[number] = generated(model, prompts[number]).sequences

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(map(torch.equal, found, alone))


def test_a_failing_layer_leaves_no_observer(model_of: Models) -> None:
    tiny = TINY["qwen2_5_vl"]
    model = copy.deepcopy(model_of(tiny))
    prepared = prepare(model, tiny.inputs(), **MERGING, prune=(2, 0.3))
    layer = family_of(model).text_layers(model)[1]

    def fail(*arguments: Any) -> None:
        raise KeyboardInterrupt

    handle = layer.mlp.register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        generated(model, prepared)
    handle.remove()
    assert "_config_beneath_observer" not in layer.self_attn.__dict__
    generated(model, prepared)


# ------------------------------------------------------------------------------------------------------------- refusals


def refused(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(flashvid.Error, match=match):
        call()


def test_what_pruning_cannot_do_is_refused(model_of: Models) -> None:
    tiny = TINY["qwen3_vl"]
    model, inputs = model_of(tiny), tiny.inputs()
    both = tiny.batch(inputs, tiny.inputs(2))
    refused(lambda: prepare(model, both, prune=(2, 0.3)), "prune takes one prompt; the batch has 2")
    refused(lambda: prepare(model, inputs, prune=(1, 0.3)), r"expected 2 to 3; the first 2 layers add visual features")
    refused(lambda: prepare(model, inputs, prune=(4, 0.3)), "expected 2 to 3")
    refused(lambda: prepare(model, inputs, prune=(2, 0.0)), r"expected a share in \(0, 1\]")
    llava = TINY["llava_onevision"]
    refused(lambda: prepare(model_of(llava), llava.inputs(), prune=(0, 0.3)), "before layer 0: expected 1 to 3")

    prepared = prepare(model, inputs, prune=(2, 0.3))
    refused(lambda: generated(model, prepared, use_cache=False), "use_cache=False")
    refused(lambda: model(**prepared, use_cache=False), "use_cache=False")
    refused(lambda: generated(model, prepared, prefill_chunk_size=16), "no chunked prefill")
    refused(lambda: generated(model, prepared, prompt_lookup_num_tokens=2), "assisted decoding|no chunked prefill")


def test_assisted_decoding_is_refused_where_it_would_crop(model_of: Models) -> None:
    tiny = TINY["qwen3_vl"]
    model = model_of(tiny)
    answer = generated(model, prepare(model, tiny.inputs(), prune=(2, 0.3)))
    refused(lambda: answer[cache_name(model)].crop(-1), "assisted decoding crops")


def test_what_the_bias_cannot_do_is_refused(model_of: Models) -> None:
    tiny = TINY["qwen2_5_vl"]
    model, inputs = model_of(tiny), tiny.inputs()
    for strength in (-0.1, 1.1, math.nan):
        refused(lambda: prepare(model, inputs, count_bias=strength), r"expected a strength in \[0, 1\]")
    refused(lambda: prepare(model, inputs, count_bias=1.0, semantics="published"), "gives? no counts")
    prepared = prepare(model, inputs, count_bias=1.0)
    refused(lambda: model(**prepared, use_cache=False), "use_cache=False")


@pytest.mark.parametrize("implementation", ["flash_attention_2", "flex_attention"])
@pytest.mark.parametrize("option", [dict(count_bias=1.0), dict(prune=(2, 0.3))], ids=str)
def test_kernels_without_a_mask_are_refused(implementation: str, option: dict[str, Any], model_of: Models) -> None:
    tiny = TINY["qwen2_5_vl"]
    model = copy.deepcopy(model_of(tiny))
    model.config.get_text_config()._attn_implementation_internal = implementation
    refused(lambda: prepare(model, tiny.inputs(), **option), f"not with {implementation}")


@pytest.mark.parametrize("option", [dict(count_bias=1.0), dict(prune=(2, 0.3))], ids=str)
@pytest.mark.parametrize("name", ["qwen3_5", "qwen3_5_moe", "gemma4"])
def test_hybrid_and_sliding_layers_are_refused(name: str, option: dict[str, Any], model_of: Models) -> None:
    tiny = TINY[name]
    refused(lambda: prepare(model_of(tiny), tiny.inputs(), **option), "only some of its layers|window of the last tokens")


def test_a_window_in_the_configuration_is_refused(model_of: Models) -> None:
    """A family that works, with a configuration in which it does not."""
    tiny = TINY["qwen2_5_vl"]
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = tiny.config()["text_config"] | dict(use_sliding_window=True, sliding_window=8, max_window_layers=2)
    model = Qwen2_5_VLForConditionalGeneration._from_config(Qwen2_5_VLConfig(**tiny.config() | dict(text_config=text)))
    refused(lambda: prepare(model, tiny.inputs(), count_bias=1.0), "only where every layer keeps all keys")
    refused(lambda: prepare(model, tiny.inputs(), prune=(2, 0.3)), "DynamicSlidingWindowLayer")


@pytest.mark.parametrize("option", [dict(count_bias=1.0), dict(prune=(2, 0.3))], ids=str)
def test_every_family_takes_the_options_or_says_why_not(tiny: Tiny, option: dict[str, Any], model_of: Models) -> None:
    model = model_of(tiny)
    family = family_of(model)
    reason = family.bias if "count_bias" in option else family.pruning
    given = MERGING | option | tiny.options()
    if reason is not None:
        refused(lambda: prepare(model, tiny.inputs(), **given), reason)
        return
    prepared = prepare(model, tiny.inputs(), **given)
    answer = generated(model, prepared)
    plain = prepare(model, tiny.inputs(), **MERGING, **tiny.options())
    assert not torch.equal(answer.logits[0], generated(model, plain).logits[0])
    if hasattr(model.base_model, "language_model"):
        expected = of_hand(model_of, tiny, prepared, answer.sequences, option)
        torch.testing.assert_close(torch.cat(answer.logits), expected, **TOLERANCE)
    assert isinstance(family.text_layers(model), nn.ModuleList)
