"""What a type checker sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

RIGHT = """
from typing import Any
import numpy, flashvid
from numpy.typing import NDArray
from typing_extensions import assert_type

features = numpy.zeros((4, 16, 8), dtype=numpy.float32)
assert_type(flashvid.compress(features), flashvid.Compressed[NDArray[Any]])
assert_type(flashvid.compress(features).tokens, NDArray[Any])
assert_type(flashvid.compress(features).assignment, NDArray[Any] | None)
assert_type(flashvid.output_token_count(4, 16, retention=0.1), int)
with flashvid.Compressor(preset="qwen2.5-vl", rows=20, minimum_segments="auto", threads=2) as compressor:
    assert_type(compressor, flashvid.Compressor)
    assert_type(compressor.compress(features).statistics.seconds, float)

class Tensor:
    def data_ptr(self) -> int: ...  # type: ignore[empty-body]

assert_type(flashvid.compress(Tensor()), flashvid.Compressed[Tensor])
assert_type(flashvid.prune(features[0, 0], 0.5), Any)
"""

WRONG = {
    "flashvid.compress(numpy.zeros(1), retain=0.1)": "Unexpected keyword argument",
    'flashvid.compress(numpy.zeros(1), retention="a tenth")': "No overload variant",
    'flashvid.Compressor(preset="gpt")': "incompatible type",
    "flashvid.Stream()": "Missing positional arguments",
    "flashvid.compress(numpy.zeros(1)).rows": "has no attribute",
}


def checked(program: str, folder: Path) -> str:
    path = folder / "program.py"
    path.write_text(program)
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), str(path)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    return ended.stdout


def test_what_is_right(tmp_path: Path) -> None:
    assert "Success" in checked(RIGHT, tmp_path)


def test_what_is_wrong(tmp_path: Path) -> None:
    found = checked("import numpy, flashvid\n" + "\n".join(WRONG), tmp_path).splitlines()
    for number, text in enumerate(WRONG.values(), start=2):
        assert any(f":{number}: error" in line and text in line for line in found), (number, text, found)
