"""What the tests share. They run against the package that is installed, and read the project's fixtures."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import flashvid
from flashvid import _library
from support import FIXTURES

# Folders whose tests need what is not everywhere. `scripts/python-test --all` installs all of it but vLLM, which
# `scripts/vllm-test` does.
NEEDS = {
    "with_torch": ["torch"],
    "transformers": ["torch", "transformers"],
    "with_jobs": ["ray", "pyspark", "pandas"],
    "vllm": ["torch", "transformers", "vllm"],
}


def is_installed(module: str) -> bool:
    found = importlib.util.find_spec(module)
    # A folder of that name is none.
    return found is not None and found.origin is not None


collect_ignore = [folder for folder, modules in NEEDS.items() if not all(map(is_installed, modules))]


def pytest_report_header() -> list[str]:
    left_out = f"left out: {', '.join(collect_ignore)}" if collect_ignore else "nothing is left out"
    return [f"flashvid {flashvid.__version__}: {Path(flashvid.__file__).parent}, {_library.path}", left_out]


@pytest.fixture
def clip() -> Callable[..., tuple[Any, Any]]:
    """Makes clips of random numbers, with attention: clip(frames, tokens, channels, dtype)."""

    def make(frames: int = 8, tokens: int = 25, channels: int = 48, dtype: Any = "float32", seed: int = 0) -> Any:
        random = numpy.random.default_rng(seed)
        # Frames resemble their neighbours, so that there are segments, trees and clusters.
        base = random.standard_normal((tokens, channels))
        drift = numpy.cumsum(0.3 * random.standard_normal((frames, tokens, channels)), axis=0)
        features = (base + drift).astype(dtype)
        return features, random.random((frames, tokens), dtype=numpy.float32)

    return make


@pytest.fixture
def bikes() -> dict[str, numpy.ndarray[Any, Any]]:
    from safetensors.numpy import load_file

    return load_file(FIXTURES / "clips" / "bikes.safetensors")
