"""The plugin for vLLM, against stand-ins for the names that it needs; `scripts/vllm-test` has the real ones."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import vllm_stubs
from torch import Tensor
from vllm_stubs import END, IMAGE, MERGE, START, VIDEO, stubs

import flashvid

GRID = [6, 8, 12]  # frames, rows and columns of patches: 24 tokens a frame
TOKENS = 24
RATE = 0.8


@pytest.fixture(scope="module", autouse=True)
def registry() -> Iterator[vllm_stubs.Registry]:
    with stubs() as registry:
        yield registry


def made(name: str, rate: float | None = RATE, options: Any = None, **visual: Any) -> Any:
    """A model of the plugin's."""
    module = importlib.import_module(f"flashvid.vllm.{name}")
    kind = {"qwen2_5_vl": "FlashVIDQwen2_5_VL", "qwen3_vl": "FlashVIDQwen3_VL"}[name]
    settings = SimpleNamespace(
        rate=rate, options=options, compilation_config=SimpleNamespace(compile_mm_encoder=False),
        parallel_config=SimpleNamespace(world_size=1))
    model = getattr(module, kind)(vllm_config=settings)
    vars(model.visual).update(visual)
    return model


def embeddings(channels: int = 32, seed: int = 0, frames: int = GRID[0]) -> Tensor:
    """A video in which frames resemble their neighbours."""
    random = torch.Generator().manual_seed(seed)
    scene = torch.randn(1, TOKENS, channels, generator=random)
    return (scene + 0.4 * torch.randn(frames, TOKENS, channels, generator=random).cumsum(0)).flatten(0, 1)


def run_tower(model: Any, grids: list[list[int]], seed: int = 1) -> tuple[Tensor, Tensor]:
    """Lets the last block see queries and keys, as vLLM's calls it: [1, patches, heads, width]."""
    patches = sum(frames * rows * columns for frames, rows, columns in grids)
    query, key = torch.randn(2, 1, patches, 2, 16, generator=torch.Generator().manual_seed(seed))
    block = model.visual.blocks[max(getattr(model.visual, "fullatt_block_indexes", [3]))]
    block["attn"]["attn"](query=query, key=key)
    return query, key


def feature(modality: str, offset: int, length: int, grid: list[int], **more: Any) -> Any:
    data = {f"{modality}_grid_thw": SimpleNamespace(data=torch.tensor(grid))}
    data |= {name: SimpleNamespace(data=value) for name, value in more.items()}
    return SimpleNamespace(
        modality=modality, data=data, mm_position=SimpleNamespace(offset=offset, length=length))


# ----------------------------------------------------------------------------------------------------------- the rows


def test_rows_are_the_hosts_count_and_the_engines() -> None:
    model = made("qwen2_5_vl")
    features = embeddings()
    (rows,) = model._rows([features], [GRID])
    count = vllm_stubs.evs_count(TOKENS, GRID[0], RATE)
    expected = flashvid.compress(features.view(6, TOKENS, -1), preset="qwen2.5-vl", rows=count)
    assert len(rows.indices) == count == 28
    assert torch.equal(rows.indices, expected.indices) and torch.equal(rows.values, expected.tokens)
    assert not rows.refused


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_scores_are_those_of_the_last_layer_that_sees_a_frame(name: str) -> None:
    model = made(name)
    other = [2, 4, 4]
    query, key = run_tower(model, [GRID, other])
    scores = model._attention.take([GRID, other])
    at = 0
    for (frames, rows, columns), score in zip([GRID, other], scores):
        for frame in range(frames):
            part = slice(at, at + rows * columns)
            at += rows * columns
            products = torch.einsum("qhe,khe->hqk", query[0, part], key[0, part]) * 0.25
            patches = products.softmax(-1).mean((0, 1))
            tokens = patches.view(-1, MERGE**2).mean(1)
            if name == "qwen2_5_vl":
                order = flashvid.PatchGrid.preset("qwen2.5-vl", rows, columns).reading_order()
                tokens = tokens[torch.from_numpy(order)]
            torch.testing.assert_close(score[frame], tokens)


def test_scores_decide() -> None:
    model = made("qwen3_vl")
    without = model._rows([embeddings()], [GRID])[0].indices
    run_tower(model, [GRID])
    assert not torch.equal(model._rows([embeddings()], [GRID])[0].indices, without)


def test_attention_is_of_the_videos_that_the_encoder_saw_last() -> None:
    model = made("qwen2_5_vl")
    image = [1, 24, 24]  # of as many patches as the video
    run_tower(model, [image])
    model._postprocess_image_embeds_evs([embeddings()], {"image_grid_thw": torch.tensor([image])})
    assert model._attention.take([GRID]) == [None]
    run_tower(model, [[1, 8, 12]])
    assert model._attention.take([GRID]) == [None]
    run_tower(model, [GRID])
    (scores,) = model._attention.take([GRID])
    assert scores is not None
    assert model._attention.take([GRID]) == [None]


@pytest.mark.parametrize("attribute, value", [("tp_size", 2), ("compile", True), ("data_parallel", True)])
def test_attention_that_cannot_be_had(attribute: str, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    from flashvid.vllm import _rows
    from flashvid.vllm._options import Options

    _rows._said.clear()
    model = made("qwen3_vl")
    if attribute == "tp_size":
        model.visual.tp_size = value
    model.use_data_parallel = attribute == "data_parallel"
    settings = SimpleNamespace(compilation_config=SimpleNamespace(compile_mm_encoder=attribute == "compile"))
    why = model._why_no_attention(settings, Options())
    assert why is not None
    attention = _rows.EncoderAttention(vllm_stubs.Tower(False), why)
    with caplog.at_level("WARNING"):
        assert attention.take([GRID]) == [None] and attention.take([GRID]) == [None]
    assert len([line for line in caplog.messages if why in line]) == 1


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_attention_that_nobody_wants(name: str, caplog: pytest.LogCaptureFixture) -> None:
    from flashvid.vllm import _rows

    _rows._said.clear()
    without = made(name)._rows([embeddings()], [GRID])[0].indices
    _rows._said.clear()
    model = made(name, options=dict(attention=False))
    with caplog.at_level("WARNING"):
        for _ in range(2):
            run_tower(model, [GRID])
            assert model._attention._seen is None
            assert torch.equal(model._rows([embeddings()], [GRID])[0].indices, without)
    assert len([line for line in caplog.messages if "as the server asks" in line]) == 1
    run_tower(model := made(name, options=dict(attention=True)), [GRID])
    assert not torch.equal(model._rows([embeddings()], [GRID])[0].indices, without)


@pytest.mark.parametrize("options, problem", [
    ("off", "flashvid is 'off'; expected an object"),
    (dict(attentions=False), "flashvid has no option 'attentions'"),
    (dict(attention="off"), "flashvid.attention is 'off'; expected true or false"),
])
def test_options_that_are_none(options: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        made("qwen3_vl", options=options)


def test_what_is_not_finite_is_refused() -> None:
    model = made("qwen2_5_vl")
    bad = embeddings()
    bad[30, 3] = torch.nan
    rows, good = (model._rows([each], [GRID])[0] for each in (bad, embeddings()))
    assert rows.refused and not good.refused
    assert rows.values.shape == good.values.shape and not rows.values.any()
    query, key = run_tower(model, [GRID])
    query[0, 5, 0, 0] = torch.inf
    model.visual.blocks[2]["attn"]["attn"](query=query, key=key)
    assert model._rows([embeddings()], [GRID])[0].refused


def test_threads_are_where_openmps_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from flashvid.vllm._rows import cores

    own = os.sched_getaffinity(0)
    if len(own) < 2:
        pytest.skip("a single core")
    first = {min(own)}
    with cores() as threads:
        assert threads == len(own)
    monkeypatch.setenv("GOMP_CPU_AFFINITY", " ".join(map(str, own)))
    try:
        os.sched_setaffinity(0, first)
        with cores() as threads:
            assert threads == len(own) and os.sched_getaffinity(0) == own
        assert os.sched_getaffinity(0) == first
        monkeypatch.setenv("GOMP_CPU_AFFINITY", str(min(own)))
        with cores() as threads:
            assert threads == 1 and os.sched_getaffinity(0) == first
    finally:
        os.sched_setaffinity(0, own)


def test_deepstack_rows_are_gathered() -> None:
    model = made("qwen3_vl")
    full = torch.cat([embeddings(), torch.arange(6.0 * TOKENS)[:, None].expand(-1, 8)], 1)
    run_tower(model, [GRID])
    inputs = Input(video_grid_thw=torch.tensor([GRID]), timestamps=[[0.0] * 6])
    (out,) = model._postprocess_video_embeds_evs([full], inputs)
    run_tower(model, [GRID])
    (rows,) = model._rows([full], [GRID], 32)
    video = out[:, 0] != -1
    assert int(video.sum()) == len(rows.indices) == vllm_stubs.vidcom2_count(TOKENS, 6, RATE)
    assert torch.equal(out[video, :32], rows.values)
    assert torch.equal(out[video, 32:40], rows.indices[:, None].expand(-1, 8).float())
    full[0, -1] = torch.nan
    full[:, 32:] = torch.where(full[:, 32:].isnan(), torch.nan, full[:, 32:])
    full[rows.indices[0], -1] = torch.nan
    run_tower(model, [GRID])
    (out,) = model._postprocess_video_embeds_evs([full], inputs)
    assert bool(out.isfinite().all()) and out[0, -1] == 1


class Input(dict[str, Any]):
    """vLLM's inputs are read both ways."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


# ------------------------------------------------------------------------------------------------------ the positions


class Prompt:
    """A prompt of words, a video, an image and another video, as vLLM holds it."""

    def __init__(self, name: str, dtype: torch.dtype = torch.float32) -> None:
        self.model = model = made(name)
        deep = name == "qwen3_vl"
        grids, sizes = [GRID, [1, 4, 4], [4, 8, 12]], dict(timestamps=[[0.0] * 6])
        rows: list[Tensor] = []
        self.indices = []
        for number, grid in enumerate(grids):
            features = embeddings(seed=number, frames=grid[0])[: grid[0] * grid[1] * grid[2] // 4].to(dtype)
            if number == 1:
                inputs = Input(image_grid_thw=torch.tensor([grid]))
                rows += model._postprocess_image_embeds_evs([features], inputs)
                self.indices.append(torch.arange(len(features)))
                continue
            inputs = Input(video_grid_thw=torch.tensor([grid]), timestamps=[[0.0] * grid[0]])
            rows += model._postprocess_video_embeds_evs([features], inputs)
            self.indices.append(model._rows([features], [grid])[0].indices)
        self.rows = rows

        # As the processor writes it, and as it would be without compression.
        self.ids: list[int] = []
        self.full: list[int] = []
        self.features, uncompressed = [], []
        self.kept: list[int] = []
        for number, grid in enumerate(grids):
            modality = "image" if number == 1 else "video"
            words = [20] * (3 - number) + ([] if deep and modality == "video" else [START])
            every = grid[1] * grid[2] // 4
            if deep and modality == "video":
                count = len(self.indices[number])
                short = [9, START, *[VIDEO] * count, END] + [9, START, END] * (grid[0] - 1)
                whole = [9, START, *[VIDEO] * every, END] * grid[0]
            else:
                token = IMAGE if modality == "image" else VIDEO
                short = [token] * len(rows[number])
                whole = [token] * (every * grid[0])
            self.features.append(
                feature(modality, len(self.ids) + len(words), len(short), grid, timestamps=[0.0] * grid[0]))
            uncompressed.append(feature(modality, len(self.full) + len(words), len(whole), grid))
            self.kept += range(len(self.full), len(self.full) + len(words))
            places = [at for at, token in enumerate(whole) if token in (IMAGE, VIDEO)]
            chosen = {places[index] for index in self.indices[number]}
            start = len(self.full) + len(words)
            self.kept += [start + at for at, token in enumerate(whole) if token not in (IMAGE, VIDEO) or at in chosen]
            self.ids += words + short
            self.full += words + whole
        self.kept += range(len(self.full), len(self.full) + 4)
        self.ids += [20] * 4
        self.full += [20] * 4
        all_positions = torch.cat([vllm_positions(model, self.full, uncompressed)], 1)
        self.wanted = all_positions[:, self.kept]

    def part(self, start: int, end: int) -> list[Tensor]:
        """The rows that reach into a part of the prompt."""
        parts = []
        for each, rows in zip(self.features, self.rows):
            offset, length = each.mm_position.offset, each.mm_position.length
            if offset < end and start < offset + length:
                parts.append(rows[max(start - offset, 0): min(end, offset + length) - offset])
        return parts


def vllm_positions(model: Any, ids: list[int], features: list[Any]) -> Tensor:
    """Those of the whole uncompressed prompt, by the stand-in of vLLM's own."""
    if isinstance(model, vllm_stubs.Qwen3):
        return qwen3_positions(model, ids, features)
    positions: Tensor = vllm_stubs.Qwen.get_mrope_input_positions(model, ids, features)[0]
    return positions


def qwen3_positions(model: Any, ids: list[int], features: list[Any]) -> Tensor:
    columns: list[list[int]] = []
    while len(columns) < len(ids):
        start = max((max(column) for column in columns), default=-1) + 1
        at = len(columns)
        if ids[at] not in (IMAGE, VIDEO):
            columns.append([start] * 3)
            continue
        owner = next(each for each in reversed(features) if each.mm_position.offset <= at)
        _, rows, width = owner.data[f"{owner.modality}_grid_thw"].data.tolist()
        columns += [[start, start + y, start + x] for y in range(rows // 2) for x in range(width // 2)]
    return torch.tensor(columns).T


NAMES = pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])


@NAMES
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_positions_read_as_a_whole(name: str, dtype: torch.dtype) -> None:
    prompt = Prompt(name, dtype)
    positions, ahead = prompt.model.get_mrope_input_positions(prompt.ids, prompt.features)
    values, settled, after = prompt.model.recompute_mrope_positions(
        prompt.ids, prompt.part(0, len(prompt.ids)), positions, 0)
    assert torch.equal(settled, prompt.wanted)
    # Text has its positions from the start, and so has the answer.
    text = torch.tensor([token in (9, 20) and not any(
        each.mm_position.offset <= at < each.mm_position.offset + each.mm_position.length for each in prompt.features)
        for at, token in enumerate(prompt.ids)])
    assert torch.equal(positions[:, text], prompt.wanted[:, text])
    assert ahead == after == int(prompt.wanted.max()) + 1 - len(prompt.ids)
    assert [each.shape[1] for each in values] == [32] * 3


@NAMES
def test_positions_read_in_parts_and_behind_prefixes(name: str) -> None:
    prompt = Prompt(name)
    length = len(prompt.ids)
    start, _ = prompt.model.get_mrope_input_positions(prompt.ids, prompt.features)
    for size in (1, 7, 16, 50):
        positions = start.clone()
        for at in range(0, length, size):
            end = min(at + size, length)
            _, positions, _ = prompt.model.recompute_mrope_positions(prompt.ids, prompt.part(at, end), positions, at)
            assert torch.equal(positions[:, at:end], prompt.wanted[:, at:end]), (size, at)
    for cached in range(length):
        _, positions, _ = prompt.model.recompute_mrope_positions(
            torch.tensor(prompt.ids), prompt.part(cached, length), start, cached)
        assert torch.equal(positions[:, cached:], prompt.wanted[:, cached:]), cached


def test_numbers_survive_bfloat16() -> None:
    from flashvid.vllm._positions import attach, settle

    positions = torch.tensor([[0, 257, 16_385, 1_000_001], [0, 1, 127, 128], [3, 129, 255, 256]])
    rows = attach(torch.zeros(4, 8, dtype=torch.bfloat16), positions)
    settled = settle([VIDEO] * 4, [rows], torch.zeros(3, 4, dtype=torch.long), 0, [IMAGE, VIDEO])
    assert torch.equal(settled.positions, positions)


def test_nothing_is_done_where_nothing_is_pruned() -> None:
    model = made("qwen2_5_vl", None)
    assert model._postprocess_image_embeds_evs(("as it was",), {}) == ("as it was",)
    ids = [20, START, *[VIDEO] * 144, END]
    ours, _ = model.get_mrope_input_positions(ids, [feature("video", 2, 144, GRID)])
    assert torch.equal(ours, vllm_stubs.Qwen.get_mrope_input_positions(model, ids, [feature("video", 2, 144, GRID)])[0])


# --------------------------------------------------------------------------------------------------------- the engine


def test_a_refused_video_ends_its_request_alone(registry: vllm_stubs.Registry) -> None:
    from flashvid.vllm import register

    register()
    register()
    model = made("qwen2_5_vl")
    bad = embeddings()
    bad[0, 0] = torch.nan
    inputs = Input(video_grid_thw=torch.tensor([GRID]))
    (rows,) = model._postprocess_video_embeds_evs([bad], inputs)
    prompt = [20, START, *[VIDEO] * len(rows), END]
    positions, _ = model.get_mrope_input_positions(prompt, [feature("video", 2, len(rows), GRID)])

    runner = vllm_stubs.CPURunner(model)
    runner.load_model()
    assert runner.is_multimodal_pruning_enabled
    runner.input_batch.req_ids = ["words", "bad", "good"]
    model.recompute_mrope_positions(prompt, [rows], positions, 0)
    (refused,) = model.refusals
    assert refused
    runner.refusing = [False, refused, False]
    assert runner._gather_mm_embeddings() == "gathered"
    scheduler = vllm_stubs.Scheduler()
    scheduler.requests = {"bad": 0, "good": 0, "words": 0}
    assert scheduler.update_from_output(None, runner.sample_tokens()) == {"bad"}
    assert scheduler.evicted == {1, 2, 5}
    # And only once.
    runner.refusing = [False] * 3
    runner._gather_mm_embeddings()
    scheduler.encoder_cache_mismatch_reqs.clear()
    assert scheduler.update_from_output(None, runner.sample_tokens()) == set()


def test_the_second_runner_tells_too(registry: vllm_stubs.Registry) -> None:
    from flashvid.vllm import register

    register()
    pruner = vllm_stubs.Pruner(made("qwen2_5_vl"))
    runner = vllm_stubs.SecondRunner(pruner)
    names = ["later", "words", "good", "bad"]
    batch = SimpleNamespace(
        req_ids=names, num_computed_prefill_tokens_np=torch.tensor([9, 0, 0, 3]),
        num_scheduled_tokens=torch.tensor([1, 9, 9, 9]))
    pruner.refusing = [False, True]  # of those whose videos are in the step
    assert pruner.recompute([], batch, None) == "recomputed"
    scheduler = vllm_stubs.Scheduler()
    scheduler.requests = dict.fromkeys(names)
    assert scheduler.update_from_output(None, runner.sample_tokens().model_runner_output) == {"bad"}
    scheduler.encoder_cache_mismatch_reqs.clear()
    assert scheduler.update_from_output(None, runner.sample_tokens().model_runner_output) == set()


def test_registers_the_models(registry: vllm_stubs.Registry) -> None:
    from flashvid.vllm import ARCHITECTURES, register

    register()
    assert registry.models == ARCHITECTURES
    assert registry.settings["FlashVIDQwen3_5"] == "settings"
    assert registry.settings["FlashVIDQwen3_5_MoE"] == "settings of MoE"
    for name, place in ARCHITECTURES.items():
        module, kind = place.split(":")
        assert getattr(importlib.import_module(module), kind).__name__ == name


@pytest.mark.parametrize("version", ["0.31.2", "0.33.0rc1", "1.0.0", "dev"])
def test_another_version_is_refused_in_a_sentence(version: str) -> None:
    with stubs(version) as registry:
        from flashvid.vllm import register

        register()  # disturbs nobody
        assert list(registry.models) == [
            "FlashVIDQwen2_5_VL", "FlashVIDQwen3_VL", "FlashVIDQwen3_VL_MoE", "FlashVIDQwen3_5", "FlashVIDQwen3_5_MoE"]
        for place in registry.models.values():
            with pytest.raises(RuntimeError, match=f"made for vLLM 0.32 and this is {version}"):
                importlib.import_module(place.split(":")[0])
