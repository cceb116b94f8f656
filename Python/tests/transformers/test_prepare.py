"""LLaVA-OneVision, Qwen2.5-VL and Qwen3-VL against calls put together by hand."""

from __future__ import annotations

import copy
from typing import Any, Callable

import pytest
import torch
from reference import generated, logits
from tiny import TINY, VIDEO, Tiny
from torch import Tensor

import flashvid
from flashvid.transformers import family_of, prepare

Models = Callable[..., Any]
THREE = ["llava_onevision", "qwen2_5_vl", "qwen3_vl"]
PRESETS = {"llava_onevision": "llava-onevision", "qwen2_5_vl": "qwen2.5-vl", "qwen3_vl": "qwen3-vl"}
TOLERANCE = dict(rtol=0, atol=2e-4)

three = pytest.mark.parametrize("name", THREE)
implementations = pytest.mark.parametrize("implementation", ["sdpa", "eager"])


@torch.no_grad()
def by_hand(model: Any, tiny: Tiny, inputs: dict[str, Tensor], positions_kept: bool = True, shift: int = 0) -> Tensor:
    """Logits of the prompt with its video compressed to a quarter, put together row by row.

    `positions_kept` False numbers the rows without gaps, and `shift` moves the DeepStack rows: both wrong for Qwen-VL.
    """
    base, ids = model.base_model, inputs["input_ids"][0]
    named = {name: inputs[name] for name in ("pixel_values_videos", "video_grid_thw") if name in inputs}
    output = base.get_video_features(**named, return_dict=True)
    video = output.pooler_output[0]
    tokens = video[: tiny.frames * tiny.tokens].view(tiny.frames, tiny.tokens, -1)
    scores = family_of(model).encode(model, inputs, attention=True)[1][0].scores
    kept = flashvid.compress(tokens, scores, retention=0.25, preset=PRESETS[tiny.model_type])

    start = int((ids == VIDEO).nonzero()[0])
    embed = base.get_input_embeddings()
    hidden: list[Tensor] = []
    positions: list[Tensor] = []
    visual: list[bool] = []
    if tiny.mrope:
        grid = {"video_grid_thw": inputs["video_grid_thw"], "mm_token_type_ids": inputs["mm_token_type_ids"]}
        if "second_per_grid_ts" in inputs:
            grid["second_per_grid_ts"] = inputs["second_per_grid_ts"]
        all_positions = base.get_rope_index(ids[None], **grid)[0][:, 0]
    else:
        all_positions = torch.arange(len(ids))[None]
    holes = (ids == VIDEO).nonzero()[:, 0].tolist()
    of_index = {int(index): row for row, index in enumerate(kept.indices)}
    for place, token in enumerate(ids.tolist()):
        if token != VIDEO:
            hidden.append(embed(ids[place]))
        else:
            number = holes.index(place)
            if number >= tiny.frames * tiny.tokens:
                hidden.append(video[number])
            elif number in of_index:
                hidden.append(kept.tokens[of_index[number]])
            else:
                continue
        visual.append(token == VIDEO)
        positions.append(all_positions[:, place])
    assert start in holes
    at = torch.stack(positions, 1)[:, None]
    if not tiny.mrope or not positions_kept:
        at = torch.arange(len(positions)).expand(len(at), 1, -1)
    deep: dict[str, Any] = {}
    if getattr(output, "deepstack_features", None) is not None:
        deep["visual_pos_masks"] = torch.tensor([visual])
        deep["deepstack_visual_embeds"] = [layer[0][kept.indices].roll(shift, 0) for layer in output.deepstack_features]
    states = base.language_model(
        inputs_embeds=torch.stack(hidden)[None], position_ids=at if tiny.mrope else at[0], use_cache=False, **deep)
    result: Tensor = model.lm_head(states.last_hidden_state)
    return result


@three
@implementations
def test_logits_are_those_of_a_call_put_together_by_hand(name: str, implementation: str, model_of: Models) -> None:
    tiny = TINY[name]
    model, inputs = model_of(tiny, attn_implementation=implementation), tiny.inputs()
    ours = logits(model, prepare(model, inputs))
    torch.testing.assert_close(ours, by_hand(model, tiny, inputs), **TOLERANCE)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_wrong_positions_are_seen(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model, inputs = model_of(tiny), tiny.inputs()
    ours = logits(model, prepare(model, inputs))
    assert (ours - by_hand(model, tiny, inputs, positions_kept=False)).abs().max() > 0.1


def test_shifted_deepstack_rows_are_seen(model_of: Models) -> None:
    tiny = TINY["qwen3_vl"]
    model, inputs = model_of(tiny), tiny.inputs()
    ours = logits(model, prepare(model, inputs))
    assert (ours - by_hand(model, tiny, inputs, shift=1)).abs().max() > 0.1


@three
def test_the_first_token_is_that_of_the_prompts_last_place(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    prepared = prepare(model, tiny.inputs())
    answer = generated(model, prepared)
    torch.testing.assert_close(answer.logits[0], logits(model, prepared)[:, -1], **TOLERANCE)


@three
def test_videos_of_different_lengths_in_a_batch(name: str, model_of: Models) -> None:
    """Qwen's videos may differ; LLaVA's processor would not stack them."""
    tiny = TINY[name]
    model = model_of(tiny)
    if name == "llava_onevision":
        pytest.skip("its videos are one tensor")
    prompts = [tiny.inputs(1), tiny.prompt(tiny.question(3, 9), tiny.video(3, frames=4), tiny.question(4, 12))]
    prepared = prepare(model, tiny.batch(*prompts), retention=0.25)
    assert [len(each) for each in prepared.compressed] == [
        flashvid.output_token_count(frames, tiny.tokens, retention=0.25) for frames in (8, 4)]
    both = generated(model, prepared)
    for row, prompt in enumerate(prompts):
        alone = generated(model, prepare(model, prompt, retention=0.25))
        torch.testing.assert_close(torch.stack(both.logits, 1)[row], torch.stack(alone.logits, 1)[0], **TOLERANCE)
    beams = generated(model, prepared, num_beams=2, output_scores=True)
    for row, prompt in enumerate(prompts):
        alone = generated(model, prepare(model, prompt, retention=0.25), num_beams=2, output_scores=True)
        torch.testing.assert_close(beams.sequences_scores[row], alone.sequences_scores[0], **TOLERANCE)


@three
def test_padding_on_the_right_becomes_padding_on_the_left(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model, inputs = model_of(tiny), tiny.inputs()
    padded = {
        key: torch.nn.functional.pad(value, (0, 5)) if value.shape[:2] == inputs["input_ids"].shape else value
        for key, value in inputs.items()
    }
    torch.testing.assert_close(logits(model, prepare(model, padded)), logits(model, prepare(model, inputs)), rtol=0, atol=0)


@three
def test_half_precision(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = copy.deepcopy(model_of(tiny)).to(torch.bfloat16)
    prepared = prepare(model, tiny.inputs(), retention=0.25)
    assert prepared.compressed[0].tokens.dtype == torch.bfloat16
    full = prepare(model, tiny.inputs(), retention=1.0)
    assert torch.equal(generated(model, full).sequences, generated(model, tiny.inputs()).sequences)
    generated(model, prepared)


@three
def test_every_family_has_its_own_preset(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model, inputs = model_of(tiny), tiny.inputs()
    ours = prepare(model, inputs, retention=0.5)
    video = family_of(model).encode(model, inputs, attention=True)[1][0]
    asked = flashvid.compress(video.tokens, video.scores, retention=0.5, preset=PRESETS[name])
    assert torch.equal(ours.compressed[0].indices, asked.indices)
    other = prepare(model, inputs, retention=0.5, preset="qwen3-vl" if "llava" in name else "llava-onevision")
    assert not torch.equal(ours.compressed[0].indices, other.compressed[0].indices)


@three
def test_configuration_fields(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model, inputs = model_of(tiny), tiny.inputs()
    refined = prepare(model, inputs, refined=True)
    assert not torch.equal(refined.compressed[0].indices, prepare(model, inputs).compressed[0].indices)
    by_attention = prepare(model, inputs, alpha=1.0, selection="attention")
    scores = family_of(model).encode(model, inputs, attention=True)[1][0].scores
    assert scores is not None
    rows = len(by_attention.compressed[0]) // tiny.frames
    best = scores.topk(rows).indices.sort().values + torch.arange(tiny.frames)[:, None] * tiny.tokens
    assert torch.equal(by_attention.compressed[0].indices, best.flatten())
    without = prepare(model, inputs, attention=False, alpha=1.0, selection="attention")
    assert not torch.equal(without.compressed[0].indices, best.flatten())


@three
def test_published_semantics(name: str, model_of: Models) -> None:
    """Indices may repeat, then; equal ones stand at one position."""
    tiny = TINY[name]
    model = model_of(tiny)
    prepared = prepare(model, tiny.inputs(), retention=0.25, semantics="published")
    assert prepared.counts is None
    assert int(prepared.visual.sum()) == len(prepared.compressed[0])
    generated(model, prepared)


@three
def test_exact_rows(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    inputs = tiny.prompt(tiny.question(1), tiny.video(1), tiny.question(2), tiny.video(2), tiny.question(3))
    for rows in (37, [37, 37]):
        prepared = prepare(model, inputs, rows=rows)
        assert [len(each) for each in prepared.compressed] == [37, 37]
        dropped = 2 * (tiny.frames * tiny.tokens - 37)
        assert prepared["input_ids"].shape[1] == inputs["input_ids"].shape[1] - dropped
        generated(model, prepared)
    with pytest.raises(flashvid.Error, match="rows names 3 videos; the prompt has 2"):
        prepare(model, inputs, rows=[1, 2, 3])
    if name == "llava_onevision":
        with pytest.raises(flashvid.Error, match=r"as one tensor; these have \[37, 36\] rows"):
            prepare(model, inputs, rows=[37, 36])
    else:
        prepared = prepare(model, inputs, rows=[37, 36])
        assert [len(each) for each in prepared.compressed] == [37, 36]
        generated(model, prepared)


@three
def test_what_is_said_of_the_prompt(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model, inputs = model_of(tiny), tiny.inputs()
    prepared = prepare(model, inputs, retention=0.25)
    ids = inputs["input_ids"][0]
    assert torch.equal(prepared["input_ids"][0], ids[prepared.source[0]])
    assert prepared.input_ids is prepared["input_ids"]
    text = ~prepared.visual
    assert prepared.counts is not None and bool((prepared.counts[text] == 1).all())
    assert torch.equal(prepared.counts[prepared.visual], prepared.compressed[0].counts)
    assert bool((ids[prepared.source[prepared.visual]] == VIDEO).all())
    with pytest.raises(AttributeError):
        prepared.nothing_of_this_name


@three
def test_a_prompt_without_a_video_comes_back(name: str, model_of: Models) -> None:
    tiny = TINY[name]
    model = model_of(tiny)
    text = tiny.prompt(tiny.question(1, 12))
    prepared = prepare(model, text, retention=0.1)
    assert prepared.compressed == [] and not prepared.visual.any()
    assert torch.equal(generated(model, prepared).sequences, generated(model, text).sequences)
    pictured = tiny.prompt(tiny.question(1), tiny.image(2), tiny.question(2))
    prepared = prepare(model, pictured, retention=0.1)
    assert torch.equal(generated(model, prepared).sequences, generated(model, pictured).sequences)


@three
def test_a_plain_second_turn_at_a_retention_of_one(name: str, model_of: Models) -> None:
    """Is that of the untouched model, bit for bit."""
    from flashvid.transformers._prepare import cache_name

    tiny = TINY[name]
    model = model_of(tiny)
    turns = []
    for inputs in tiny.inputs(), prepare(model, tiny.inputs(), retention=1.0):
        answer = generated(model, inputs)
        ids = torch.cat([answer.sequences, torch.tensor([tiny.question(5)])], 1)
        turns.append(generated(model, {
            "input_ids": ids, "attention_mask": torch.ones_like(ids), cache_name(model): answer[cache_name(model)]}))
    assert all(map(torch.equal, turns[0].logits, turns[1].logits))


@three
def test_a_plain_second_turn_of_generate(name: str, model_of: Models) -> None:
    """Without next_turn, and with no other conversation between: from the model's rope_deltas."""
    from flashvid.transformers import next_turn
    from flashvid.transformers._prepare import cache_name

    tiny = TINY[name]
    model, inputs = model_of(tiny), tiny.inputs()
    if name == "qwen2_5_vl":
        # Of a clip that takes more time than space, rope_deltas leave out more positions than generate itself has.
        inputs["second_per_grid_ts"] /= 4
    prepared = prepare(model, inputs, retention=0.25)
    answer = generated(model, prepared)
    question = torch.tensor([tiny.question(5)])
    ours = generated(model, next_turn(model, prepared, answer, question))
    ids = torch.cat([answer.sequences, question], 1)
    plain = generated(model, {
        "input_ids": ids, "attention_mask": torch.ones_like(ids), cache_name(model): answer[cache_name(model)]})
    torch.testing.assert_close(torch.stack(ours.logits), torch.stack(plain.logits), **TOLERANCE)
    if tiny.mrope:
        # And what next_turn is for: another conversation's positions.
        answer = generated(model, prepared)
        generated(model, prepare(model, tiny.inputs(7), retention=1.0))
        generated(model, tiny.prompt(tiny.question(8)))
        corrupted = generated(model, {
            "input_ids": ids, "attention_mask": torch.ones_like(ids), cache_name(model): answer[cache_name(model)]})
        assert (torch.stack(corrupted.logits) - torch.stack(ours.logits)).abs().max() > 0.05
