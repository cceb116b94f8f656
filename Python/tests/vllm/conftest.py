"""Models, engines and what transformers makes of the same requests. vLLM itself is tested in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")

import torch  # noqa: E402
from engine import Job, Result, run  # noqa: E402
from answers import Reference  # noqa: E402
from tiny_models import DERIVED, KINDS, make  # noqa: E402

torch.set_num_threads(1)
ARCHITECTURES = {
    "qwen2_5_vl": "FlashVIDQwen2_5_VL", "qwen3_vl": "FlashVIDQwen3_VL", "qwen3_vl_moe": "FlashVIDQwen3_VL_MoE",
    "qwen3_5": "FlashVIDQwen3_5", "qwen3_5_moe": "FlashVIDQwen3_5_MoE"}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: make(kind, folder / kind) for kind in KINDS + DERIVED}


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def reference(models: dict[str, Path], kind: str) -> Reference:
    return Reference(kind, models[kind])


@pytest.fixture(scope="session")
def start(models: dict[str, Path], kind: str) -> Callable[..., Result]:
    """Runs batches of requests in an engine with compression: start(batches, rate, **options)."""

    def start(
        batches: list[Any], rate: float | None = 0.75, *, bad_calls: tuple[int, ...] = (),
        asked: dict[str, Any] | None = None, **options: Any
    ) -> Result:
        overrides: dict[str, Any] = dict(architectures=[ARCHITECTURES[kind]])
        if asked is not None:
            overrides["flashvid"] = asked
        ours = dict(video_pruning_rate=rate, hf_overrides=overrides)
        return run(Job(str(models[kind]), batches, ours | options, bad_calls))

    return start
