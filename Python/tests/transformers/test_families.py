"""Every family: what holds for each model that is said to work."""

from __future__ import annotations

from typing import Any, Callable

import pytest
import torch
from reference import continued, generated, logits, masked
from tiny import Tiny
from torch import Tensor

import flashvid
from flashvid.transformers import Prepared, family_of, next_turn, prepare

Models = Callable[..., Any]
#: Of logits of magnitude 1 to 10, by another order of sums.
TOLERANCE = dict(rtol=0, atol=2e-4)


def plainly(model: Any, inputs: dict[str, Tensor]) -> Any:
    """What the model generates by itself, or a skip where this version of transformers cannot."""
    try:
        return generated(model, inputs)
    except ValueError as error:
        pytest.skip(f"transformers cannot generate from the processor's inputs: {error}")


def standing(tiny: Tiny, prepared: Prepared) -> list[Tensor]:
    """Which rows of each video stay, counted over all videos."""
    rows, start = [], 0
    for compressed in prepared.compressed:
        frames, tokens = compressed.assignment.shape
        rows.append(start + tiny.rows_of(compressed.indices, frames))
        start += frames * tokens + tiny.newlines
    return rows


def test_a_retention_of_one_changes_nothing(tiny: Tiny, model_of: Models) -> None:
    model, inputs = model_of(tiny), tiny.inputs()
    before = {name: value.clone() for name, value in inputs.items()}
    prepared = prepare(model, inputs, retention=1.0, **tiny.options())
    untouched = plainly(model, inputs)
    ours = generated(model, prepared)
    assert torch.equal(ours.sequences, untouched.sequences)
    for mine, theirs in zip(ours.logits, untouched.logits, strict=True):
        assert torch.equal(mine, theirs)
    assert all(torch.equal(inputs[name], value) for name, value in before.items())


def test_the_answer_depends_on_the_video(tiny: Tiny, model_of: Models) -> None:
    """Or the tests here would show little."""
    model = model_of(tiny)
    one, other = (
        logits(model, prepare(model, tiny.inputs() | {
            name: value for name, value in tiny.inputs(seed).items() if "pixel_values" in name}, retention=0.1, **tiny.options()))
        for seed in (1, 2))
    assert (one[:, -1] - other[:, -1]).abs().max() > 0.05


def test_the_prompt_is_as_long_as_planned(tiny: Tiny, model_of: Models) -> None:
    model, inputs = model_of(tiny), tiny.inputs()
    tokens = tiny.frames * tiny.tokens
    for retention in (0.1, 0.25, 0.5):
        prepared = prepare(model, inputs, retention=retention, **tiny.options())
        rows = flashvid.output_token_count(tiny.frames, tiny.tokens, retention=retention)
        assert prepared["input_ids"].shape[1] == inputs["input_ids"].shape[1] - tokens - tiny.lost_newlines + rows
        assert int(prepared.visual.sum()) == rows == len(prepared.compressed[0])
        assert rows < tokens
        for name in ("attention_mask", "position_ids"):
            assert prepared[name].shape[-1] == prepared["input_ids"].shape[1]
        stood_for = int((prepared.compressed[0].assignment >= 0).sum())
        assert int(prepared.counts.sum()) == prepared.counts.shape[1] - rows + stood_for
    assert stood_for == tokens


def test_dropped_tokens_are_as_good_as_masked(tiny: Tiny, model_of: Models) -> None:
    if not tiny.attends:
        pytest.skip("a recurrent layer takes notice of masked tokens")
    model, inputs = model_of(tiny), tiny.inputs()
    full = prepare(model, inputs, retention=1.0, **tiny.options())
    short = prepare(model, inputs, retention=0.25, temporal_threshold=0.5, alpha=0.5, **tiny.options())
    assert (short.compressed[0].counts > 1).any(), "nothing was merged"
    expected = masked(model, full, short, standing(tiny, short), tiny.mrope)
    torch.testing.assert_close(logits(model, short), expected, **TOLERANCE)


def test_greedy_and_beams_are_those_of_a_pass_over_the_whole(tiny: Tiny, model_of: Models) -> None:
    model = model_of(tiny)
    prepared = prepare(model, tiny.inputs(), retention=0.25, **tiny.options())
    greedy = generated(model, prepared)
    whole = logits(model, continued(prepared, greedy.sequences))
    at = prepared["input_ids"].shape[1] - 1
    torch.testing.assert_close(torch.stack(greedy.logits, 1), whole[:, at:-1], **TOLERANCE)

    if family_of(model).beams is None:
        beams = generated(model, prepared, num_beams=3, num_return_sequences=2, output_scores=True)
        whole = logits(model, continued(prepared, beams.sequences))[:, at:-1].log_softmax(-1)
        chosen = whole.gather(2, beams.sequences[:, at + 1 :, None])[..., 0].mean(1)
        torch.testing.assert_close(beams.sequences_scores, chosen, **TOLERANCE)
        torch.manual_seed(0)
        sampled = generated(model, prepared, do_sample=True, num_return_sequences=3)
        whole = logits(model, continued(prepared, sampled.sequences))
        torch.testing.assert_close(torch.stack(sampled.logits, 1), whole[:, at:-1], **TOLERANCE)

    again = generated(model, prepared)
    assert torch.equal(again.sequences, greedy.sequences)
    assert all(map(torch.equal, again.logits, greedy.logits))


def test_a_second_and_a_third_turn(tiny: Tiny, model_of: Models) -> None:
    model = model_of(tiny)
    prepared = turn = prepare(model, tiny.inputs(), retention=0.25, **tiny.options())
    for seed in (5, 6):
        answer = generated(model, turn)
        # Another conversation begins meanwhile.
        generated(model, prepare(model, tiny.inputs(7), retention=0.1, **tiny.options()))
        turn = next_turn(model, turn, answer, torch.tensor([tiny.question(seed)]))
        again = generated(model, turn)
        assert torch.equal(again.sequences, generated(model, turn).sequences), "the turn's cache was written to"
    whole = logits(model, continued(prepared, again.sequences))
    torch.testing.assert_close(torch.stack(again.logits, 1), whole[:, turn["input_ids"].shape[1] - 1 : -1], **TOLERANCE)


def test_two_videos_in_a_padded_batch(tiny: Tiny, model_of: Models) -> None:
    model = model_of(tiny)
    prompts = [tiny.inputs(1), tiny.prompt(tiny.question(3, 9), tiny.video(3), tiny.question(4, 12))]
    single = [generated(model, prepare(model, prompt, retention=0.25, **tiny.options())) for prompt in prompts]
    prepared = prepare(model, tiny.batch(*prompts), retention=0.25, **tiny.options(tiny.frames, tiny.frames))
    both = generated(model, prepared)
    assert (prepared.source[0] < 0).any() and not (prepared.source[1] < 0).any()
    for row, alone in enumerate(single):
        torch.testing.assert_close(
            torch.stack(both.logits, 1)[row], torch.stack(alone.logits, 1)[0], **TOLERANCE)
    if family_of(model).beams is None:
        beams = generated(model, prepared, num_beams=2, output_scores=True)
        for row, prompt in enumerate(prompts):
            alone = prepare(model, prompt, retention=0.25, **tiny.options())
            best = generated(model, alone, num_beams=2, output_scores=True)
            torch.testing.assert_close(beams.sequences_scores[row], best.sequences_scores[0], **TOLERANCE)


def test_two_videos_in_one_prompt(tiny: Tiny, model_of: Models) -> None:
    model = model_of(tiny)
    inputs = tiny.prompt(tiny.question(1), tiny.video(1), tiny.question(2), tiny.video(2), tiny.question(3))
    prepared = prepare(model, inputs, retention=0.25, **tiny.options(tiny.frames, tiny.frames))
    full = prepare(model, inputs, retention=1.0, **tiny.options(tiny.frames, tiny.frames))
    assert torch.equal(generated(model, full).sequences, plainly(model, inputs).sequences)
    assert len(prepared.compressed) == 2
    if tiny.attends:
        expected = masked(model, full, prepared, standing(tiny, prepared), tiny.mrope)
        torch.testing.assert_close(logits(model, prepared), expected, **TOLERANCE)


def test_an_image_beside_a_video(tiny: Tiny, model_of: Models) -> None:
    if not tiny.images:
        pytest.skip("the model takes no images beside a video")
    model = model_of(tiny)
    inputs = tiny.prompt(tiny.question(1), tiny.image(2), tiny.question(2), tiny.video(3), tiny.question(3))
    full = prepare(model, inputs, retention=1.0)
    untouched = plainly(model, inputs)
    ours = generated(model, full)
    assert all(map(torch.equal, ours.logits, untouched.logits))
    short = prepare(model, inputs, retention=0.25)
    if tiny.attends:
        expected = masked(model, full, short, standing(tiny, short), tiny.mrope)
        torch.testing.assert_close(logits(model, short), expected, **TOLERANCE)
    generated(model, short, num_beams=2)
