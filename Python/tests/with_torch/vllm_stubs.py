"""The few names of vLLM's that the plugin needs, as small as they can be, where vLLM itself cannot be installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

START, END, IMAGE, VIDEO = 1, 2, 3, 4
MERGE = 2


class Attention(nn.Module):
    scale = 0.25

    def forward(self, *, query: Tensor, key: Tensor) -> Tensor:
        return query


class Tower(nn.Module):
    """Vision encoders' names: only the last block is ever called."""

    spatial_merge_size = MERGE
    patch_size = 14

    def __init__(self, windows: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.ModuleDict({"attn": nn.ModuleDict({"attn": Attention()})}) for _ in range(4)])
        self.tp_size = 1
        if windows:
            self.window_size, self.fullatt_block_indexes = 112, [1, 2]


class Qwen(nn.Module):
    """What both have: a tower, a configuration, and positions of an uncompressed prompt."""

    windows: bool

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__()
        self.is_multimodal_pruning_enabled = bool(vllm_config.rate)
        self.video_pruning_rate = vllm_config.rate
        self.use_data_parallel = False
        self.visual = Tower(self.windows)
        self.config = SimpleNamespace(
            image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END,
            flashvid=vllm_config.options)
        self.multimodal_config = SimpleNamespace(video_pruning_method="vidcom2")

    def grids(self, ids: list[int], feature: Any) -> list[tuple[int, tuple[int, int, int]]]:
        """Where grids begin, and their sizes in tokens."""
        grid = next(feature.data[name].data for name in ("image_grid_thw", "video_grid_thw") if name in feature.data)
        frames, rows, columns = grid.tolist()
        return [(feature.mm_position.offset, (frames, rows // MERGE, columns // MERGE))]

    def get_mrope_input_positions(self, input_tokens: list[int], mm_features: list[Any]) -> tuple[Tensor, int]:
        columns: list[list[int]] = []
        grids = dict(grid for feature in mm_features for grid in self.grids(input_tokens, feature))
        while len(columns) < len(input_tokens):
            start = max((max(column) for column in columns), default=-1) + 1
            if len(columns) in grids:
                frames, rows, width = grids[len(columns)]
                places = torch.cartesian_prod(torch.arange(frames), torch.arange(rows), torch.arange(width)) + start
                columns += places.tolist()
            else:
                columns.append([start] * 3)
        positions = torch.tensor(columns).T
        return positions, int(positions.max()) + 1 - len(input_tokens)


class Qwen25(Qwen):
    windows = True


class Qwen3(Qwen):
    windows = False
    visual_dim = 32
    _tokenizer = None

    def grids(self, ids: list[int], feature: Any) -> list[tuple[int, tuple[int, int, int]]]:
        ((offset, (frames, rows, columns)),) = super().grids(ids, feature)
        if feature.modality == "image":
            return [(offset, (frames, rows, columns))]
        starts = [at for at, token in enumerate(ids) if token == VIDEO and (at == 0 or ids[at - 1] != VIDEO)]
        return [(start, (1, rows, columns)) for start in starts]

    def _create_final_video_embeddings(
        self, *, video_embeddings: Tensor, num_tokens_per_frame: list[int], **_: Any
    ) -> Tensor:
        parts = []
        for rows in video_embeddings.split(num_tokens_per_frame):
            text = video_embeddings.new_full((3, video_embeddings.shape[1]), -1)
            parts += [text[:2], rows, text[2:]]
        return torch.cat(parts)


class Qwen3Processor:
    @staticmethod
    def get_video_repl(*, tokens_per_frame: list[int], **_: Any) -> Any:
        """A timestamp of one token, and markers."""
        full: list[int] = []
        for tokens in tokens_per_frame:
            full += [9, START, *[VIDEO] * tokens, END]
        return SimpleNamespace(full=full)


class Registry:
    """Of models, of what they need, and of processors."""

    def __init__(self) -> None:
        self.models: dict[str, Any] = {}
        self.settings = {"Qwen3_5ForConditionalGeneration": "settings", "Qwen3_5MoeForConditionalGeneration": "settings of MoE"}

    def register_model(self, name: str, place: Any) -> None:
        self.models[name] = place

    def register_processor(self, *_: Any, **__: Any) -> Any:
        return lambda kind: kind


class Runner:
    def __init__(self, model: Any) -> None:
        self.model = model
        self.is_multimodal_pruning_enabled = False
        self.input_batch = SimpleNamespace(req_ids=[])
        self.requests: dict[str, Any] = {}
        self.refusing: list[bool] = []

    def get_model(self) -> Any:
        return self.model

    def _gather_mm_embeddings(self, *_: Any) -> str:
        self.model.refusals.extend(self.refusing)
        return "gathered"

    def sample_tokens(self, *_: Any) -> Any:
        return SimpleNamespace(tokens=[1])


class CPURunner(Runner):
    def load_model(self) -> None:
        pass


class Pruner:
    """Of the second runner."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.refusing: list[bool] = []

    def _num_window_embeds(self, name: str, start: int, end: int) -> int:
        return int(name != "words" and start < 5 < end)

    def recompute(self, *_: Any) -> str:
        self.model.refusals.extend(self.refusing)
        return "recomputed"


class SecondRunner:
    def __init__(self, pruner: Pruner) -> None:
        self.model_state = SimpleNamespace(mm_pruner=pruner)

    def sample_tokens(self, *_: Any) -> Any:
        return SimpleNamespace(model_runner_output=SimpleNamespace(tokens=[1]))


class Scheduler:
    def __init__(self) -> None:
        self.encoder_cache_mismatch_reqs: set[str] = set()
        self.requests: dict[str, Any] = {}
        self.evicted: set[int] = set()
        self.kv_cache_manager = SimpleNamespace(
            get_block_ids=lambda name: ([1, 2], [5]), evict_blocks=lambda blocks: self.evicted.update(blocks))

    def update_from_output(self, scheduled: Any, output: Any) -> set[str]:
        return set(self.encoder_cache_mismatch_reqs)


def evs_count(tokens: int, frames: int, q: float) -> int:
    return max(tokens, int(tokens * frames * (1 - q)))


def vidcom2_count(tokens: int, frames: int, q: float) -> int:
    return max(frames, int(tokens * frames * (1 - q)))


@contextmanager
def stubs(version: str = "0.32.0") -> Iterator[Registry]:
    """As long as this lasts `import vllm` finds them, and the plugin is imported anew."""
    registry = Registry()
    models = "vllm.model_executor.models"
    held: dict[str, dict[str, Any]] = {
        "vllm": dict(__version__=version, ModelRegistry=registry),
        "vllm.model_executor": {},
        models: {},
        f"{models}.qwen2_5_vl": dict(
            Qwen2_5_VLForConditionalGeneration=Qwen25, Qwen2_5_VLDummyInputsBuilder=object,
            Qwen2_5_VLMultiModalProcessor=object, Qwen2_5_VLProcessingInfo=object),
        f"{models}.qwen3_vl": dict(
            Qwen3VLForConditionalGeneration=Qwen3, Qwen3VLDummyInputsBuilder=object,
            Qwen3VLMultiModalProcessor=Qwen3Processor, Qwen3VLProcessingInfo=object),
        f"{models}.qwen3_vl_moe": dict(Qwen3VLMoeForConditionalGeneration=Qwen3, Qwen3VLMoeProcessingInfo=object),
        f"{models}.qwen3_5": dict(
            Qwen3_5ForConditionalGeneration=Qwen3, Qwen3_5ProcessingInfo=object, Qwen3_5MoeForConditionalGeneration=Qwen3,
            Qwen3_5MoeProcessingInfo=object),
        f"{models}.config": dict(MODELS_CONFIG_MAP=registry.settings),
        "vllm.multimodal": dict(MULTIMODAL_REGISTRY=registry),
        "vllm.multimodal.video_prune": {},
        "vllm.multimodal.video_prune.evs": dict(compute_retained_tokens_count=evs_count),
        "vllm.multimodal.video_prune.vidcom2": dict(compute_retained_tokens_count=vidcom2_count),
        "vllm.platforms": dict(current_platform=SimpleNamespace(is_cpu=lambda: True)),
        "vllm.v1": {}, "vllm.v1.core": {}, "vllm.v1.core.sched": {}, "vllm.v1.worker": {},
        "vllm.v1.core.sched.scheduler": dict(Scheduler=Scheduler),
        "vllm.v1.worker.gpu_model_runner": dict(GPUModelRunner=Runner),
        "vllm.v1.worker.gpu": {},
        "vllm.v1.worker.gpu.model_runner": dict(GPUModelRunner=SecondRunner),
        "vllm.v1.worker.gpu.model_states": {},
        "vllm.v1.worker.gpu.model_states.mm_pruning": dict(MultiModalPruner=Pruner),
        "vllm.v1.worker.cpu_model_runner": dict(CPUModelRunner=CPURunner),
    }
    known = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "vllm"}
    plugin = [name for name in sys.modules if name.startswith("flashvid.vllm")]
    for name in [*known, *plugin]:
        del sys.modules[name]
    for name, values in held.items():
        module = ModuleType(name)
        vars(module).update(values)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    try:
        yield registry
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "vllm" or name.startswith("flashvid.vllm")]:
            del sys.modules[name]
        sys.modules.update(known)
