"""Feature files, as a worker does them, and the file tool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import flashvid
from flashvid.files import REPORT, FileCompressor, compress_file, compress_partition, feature_files, is_done
from support import FIXTURES

TOOL = shutil.which("flashvid-compress", path=str(Path(sys.executable).parent))


@pytest.fixture
def folder(tmp_path: Path, clip: Any) -> Path:
    source = tmp_path / "features"
    source.mkdir()
    for number, dtype in enumerate(["float32", "float16", ml_dtypes.bfloat16]):
        features, attention = clip(frames=4 + number, dtype=dtype, seed=number)
        tensors = {"features": features} | ({"attention": attention} if number else {})
        save_file(tensors, source / f"{number}.safetensors")
    return source


OPTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"retention": 0.1, "preset": "qwen2.5-vl"}, ["--retention", "0.1", "--preset", "qwen2.5-vl"]),
    ({"refined": True}, ["--refined"]),
    ({"semantics": "published", "retention": 0.3}, ["--published", "--retention", "0.3"]),
    ({"rows": 31}, ["--rows", "31"]),
    (
        {"aggregation": "max", "segmentation": False, "alpha": 0.3, "maximum_segment_frames": 3},
        ["--aggregation", "max", "--no-segmentation", "--alpha", "0.3", "--max-segment-frames", "3"],
    ),
]


@pytest.mark.parametrize("fields, arguments", OPTIONS, ids=str)
@pytest.mark.parametrize("command", [[TOOL], [sys.executable, "-m", "flashvid"]], ids=["script", "module"])
def test_files_are_the_tools(
    folder: Path, tmp_path: Path, fields: Any, arguments: list[str], command: list[str]
) -> None:
    for path in feature_files(folder):
        theirs = tmp_path / "theirs.safetensors"
        subprocess.run([*command, path, "-o", theirs, *arguments], check=True, capture_output=True)
        with flashvid.Compressor(**fields) as compressor:
            compress_file(path, tmp_path / "ours.safetensors", compressor)
        ours, right = load_file(tmp_path / "ours.safetensors"), load_file(theirs)
        assert ours.keys() == right.keys()
        for name in ours:
            assert ours[name].dtype == right[name].dtype and ours[name].shape == right[name].shape
            assert ours[name].tobytes() == right[name].tobytes(), name
        with safe_open(tmp_path / "ours.safetensors", "numpy") as one, safe_open(theirs, "numpy") as other:
            assert json.loads(one.metadata()["configuration"]) == json.loads(other.metadata()["configuration"])


def test_the_tools_exit_code_and_text(tmp_path: Path) -> None:
    for command in ([TOOL], [sys.executable, "-m", "flashvid"]):
        version = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True)
        assert version.stdout.strip() == flashvid.__version__
        missing = subprocess.run([*command, "no.safetensors", "-o", tmp_path / "x"], capture_output=True, text=True)
        assert missing.returncode == 2 and "no.safetensors" in missing.stderr


def test_a_worker(folder: Path, tmp_path: Path) -> None:
    paths = [str(path) for path in feature_files(folder)]
    worker = FileCompressor(tmp_path / "rows", retention=0.3, threads=1)
    told = worker({"path": numpy.array(paths)})
    assert told.keys() == REPORT.keys()
    assert told["done"].all() and not any(told["error"])
    assert told["frames"].tolist() == [4, 5, 6] and told["tokens"].tolist() == [100, 125, 150]
    assert told["rows"].tolist() == [flashvid.output_token_count(frames, 25, retention=0.3) for frames in (4, 5, 6)]
    assert told["bytes"].tolist() == [os.path.getsize(path) for path in paths]
    assert sorted(os.listdir(tmp_path / "rows")) == ["0.safetensors", "1.safetensors", "2.safetensors"]
    again = worker({"path": numpy.array(paths)})
    assert not again["done"].any() and not any(again["error"])
    other = FileCompressor(tmp_path / "rows", retention=0.2, threads=1)
    assert other({"path": numpy.array(paths)})["done"].all()
    os.utime(paths[1], (2e9, 2e9))
    assert other({"path": numpy.array(paths)})["done"].tolist() == [False, True, False]
    assert FileCompressor(tmp_path / "rows", retention=0.2, overwrite=True)({"path": numpy.array(paths)})["done"].all()


def test_files_that_are_none(folder: Path, tmp_path: Path) -> None:
    good, cut, empty, strange = (str(folder / f"{name}.safetensors") for name in ("0", "cut", "empty", "strange"))
    Path(cut).write_bytes(Path(good).read_bytes()[:-10])
    Path(empty).write_bytes(b"")
    save_file({"other": numpy.zeros(3, dtype=numpy.float32)}, strange)
    told = FileCompressor(tmp_path / "rows")({"path": numpy.array([cut, empty, strange, "/no/such/file", good])})
    assert told["done"].tolist() == [False, False, False, False, True]
    assert all(told["error"][:4]) and not told["error"][4]
    assert "features" in told["error"][2]
    assert os.listdir(tmp_path / "rows") == ["0.safetensors"]


def test_a_result_that_was_cut_is_done_again(folder: Path, tmp_path: Path) -> None:
    path = str(folder / "0.safetensors")
    worker = FileCompressor(tmp_path, threads=1)
    worker.compress(path)
    target = tmp_path / "0.safetensors"
    whole = target.read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    os.utime(target, (2e9, 2e9))
    assert not is_done(path, target, worker.compressor.configuration)
    assert worker.compress(path)["done"] and target.read_bytes() == whole


def test_a_disk_that_is_full(folder: Path, tmp_path: Path) -> None:
    told = FileCompressor(tmp_path / "rows").compress(str(folder / "0.safetensors"))
    assert told["done"]
    worker = FileCompressor(tmp_path / "rows", overwrite=True)
    shutil.rmtree(tmp_path / "rows")
    told = worker.compress(str(folder / "0.safetensors"))
    assert not told["done"] and told["error"]


def test_a_partition_without_spark(folder: Path, tmp_path: Path) -> None:
    class Frame(dict):  # type: ignore[type-arg]
        """As much of a pandas frame as is used."""

        def __init__(self, rows: Any) -> None:
            super().__init__(
                rows if isinstance(rows, dict) else {name: [row[name] for row in rows] for name in rows[0]}
            )

    paths = [str(path) for path in feature_files(folder)]
    function = compress_partition(tmp_path / "rows", retention=0.3, threads=1)
    told = list(function(iter([Frame({"path": paths[:2]}), Frame({"path": paths[2:]})])))
    assert [each["path"] for each in told] == [[path] for path in paths]
    assert all(each["done"] == [True] for each in told)


def test_a_real_clip(tmp_path: Path) -> None:
    with flashvid.Compressor(retention=0.1) as compressor:
        video = compress_file(FIXTURES / "clips" / "bikes.safetensors", tmp_path / "x.safetensors", compressor)
    assert len(video) == 800 and video.statistics.seconds > 0
