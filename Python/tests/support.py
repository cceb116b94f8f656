"""Where things are, and when results are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flashvid

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests" / "Fixtures"


def same(one: flashvid.Compressed[Any], other: flashvid.Compressed[Any]) -> bool:
    """Whether two results are the same, bit for bit."""

    def bits(array: Any) -> bytes:
        if array is None:
            return b""
        if hasattr(array, "data_ptr"):
            import torch

            array = array.contiguous().view(torch.uint8).numpy()
        return array.tobytes()

    names = ("tokens", "indices", "counts", "assignment", "parents", "kinds", "segment_lengths")
    return all(bits(getattr(one, name)) == bits(getattr(other, name)) for name in names)
