"""vLLM's second runner needs Triton, and so a GPU: what the plugin does in it is tested piece by piece, with vLLM's pieces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn
from vllm.multimodal.inputs import PlaceholderRange
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.worker.gpu.model_runner import GPUModelRunner
from vllm.v1.worker.gpu.model_states.mm_pruning import MultiModalPruner

from flashvid.vllm import register
from flashvid.vllm._positions import attach, settle

VIDEO = 7


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[bool] = []

    def recompute_mrope_positions(
        self, input_ids: Any, multimodal_embeddings: Any, mrope_positions: Any, num_computed_tokens: int
    ) -> Any:
        settled = settle(input_ids, multimodal_embeddings, mrope_positions, num_computed_tokens, [VIDEO])
        self.refusals.append(settled.refused)
        return settled.values, settled.positions, settled.ahead


class Positions:
    """The runner's, of each request."""

    def __init__(self, count: int) -> None:
        self.of = [torch.zeros(3, 8, dtype=torch.int32) for _ in range(count)]

    def read_prefill_positions(self, request: int, length: int) -> Tensor:
        return self.of[request][:, :length]

    def update_prefill_positions(self, request: int, positions: Tensor, delta: int) -> None:
        self.of[request] = positions.int()


def test_positions_and_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    # Three requests of eight tokens: a video in the places 2 to 5, a refused one, and words.
    features = [SimpleNamespace(mm_position=PlaceholderRange(offset=2, length=4))]
    names = ["good", "words", "bad"]
    rope = Positions(3)
    cache = SimpleNamespace(mm_features={"good": features, "words": [], "bad": features})
    pruner = MultiModalPruner(Model(), rope, cache, 16)  # type: ignore[arg-type]
    positions = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1], [2, 0, 1, 0]])
    rows = [attach(torch.ones(4, 16), positions), attach(torch.zeros(4, 16), positions, refused=True)]
    batch = SimpleNamespace(
        req_ids=names, idx_mapping_np=numpy.arange(3), prefill_len_np=numpy.full(3, 8),
        num_computed_prefill_tokens_np=numpy.zeros(3, dtype=int), num_scheduled_tokens=numpy.full(3, 8))
    ids = torch.full((3, 8), 1)
    ids[::2, 2:6] = VIDEO
    states = SimpleNamespace(all_token_ids=SimpleNamespace(gpu=ids))
    cleaned = pruner.recompute(rows, batch, states)  # type: ignore[arg-type]
    assert [list(each.shape) for each in cleaned] == [[4, 16]] * 2
    assert torch.equal(rope.of[0][:, 2:6], positions.int() + 1)
    assert [list(each.shape) for each in pruner.strip(rows)] == [[4, 16]] * 2

    runner: Any = GPUModelRunner.__new__(GPUModelRunner)
    runner.model_state = SimpleNamespace(mm_pruner=pruner)
    own = GPUModelRunner.sample_tokens.flashvid_refused  # type: ignore[attr-defined]
    output = ModelRunnerOutput(req_ids=names, req_id_to_index={name: at for at, name in enumerate(names)})
    closure = dict(zip(GPUModelRunner.sample_tokens.__code__.co_freevars, GPUModelRunner.sample_tokens.__closure__ or ()))
    assert closure["own"].cell_contents is own
    monkeypatch.setattr(closure["own"], "cell_contents", lambda self, grammar: output)
    assert GPUModelRunner.sample_tokens(runner, None) is output
    assert output.flashvid_refused == {"bad"}  # type: ignore[attr-defined]
