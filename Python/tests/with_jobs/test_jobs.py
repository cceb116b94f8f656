"""The Ray and Spark jobs on two local workers, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import psutil
import pytest
from safetensors.numpy import load_file, save_file

import flashvid
from support import ROOT

FILES, FRAMES, TOKENS, CHANNELS = 24, 24, 196, 1024


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of 19 MB that take a worker some tenths of a second each."""
    folder = tmp_path_factory.mktemp("features")
    for number in range(FILES):
        random = numpy.random.default_rng(number)
        base = random.standard_normal((TOKENS, CHANNELS), dtype=numpy.float32)
        noise = random.standard_normal((FRAMES, TOKENS, CHANNELS), dtype=numpy.float32)
        save_file({"features": base + 0.5 * noise}, folder / f"{number:02}.safetensors")
    return folder


def is_ray_worker(process: psutil.Process) -> bool:
    return "FileCompressor" in "".join(process.cmdline())


def is_spark_worker(process: psutil.Process) -> bool:
    """A child of the daemon that forks them."""
    daemon = process.parent()
    return daemon is not None and all("pyspark.daemon" in "".join(each.cmdline()) for each in (process, daemon))


JOBS: dict[str, tuple[list[str], Callable[[psutil.Process], bool]]] = {
    "ray": (["ray_job.py", "--workers", "2"], is_ray_worker),
    "spark": (["spark_job.py", "--partitions", "12"], is_spark_worker),
}


def kill_in_the_middle(job: subprocess.Popen[str], rows: Path, is_worker: Any, killed: list[tuple[int, int]]) -> None:
    """Kills two workers, one after the other, each while it computes."""

    def is_busy(process: psutil.Process) -> bool:
        try:
            return is_worker(process) and process.cpu_percent(interval=0.05) > 20
        except psutil.Error:  # It is gone.
            return False

    for after in (FILES // 4, FILES // 2):
        while job.poll() is None:
            there = len(list(rows.glob("*.safetensors"))) if rows.is_dir() else 0
            if there >= after:
                break
            time.sleep(0.005)
        while job.poll() is None:
            busy = next(filter(is_busy, psutil.Process(job.pid).children(recursive=True)), None)
            if busy is not None:
                killed.append((busy.pid, len(list(rows.glob("*.safetensors")))))
                os.kill(busy.pid, signal.SIGKILL)
                break


@pytest.mark.parametrize("name", JOBS)
def test_a_worker_dies(name: str, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows"
    (script, *options), is_worker = JOBS[name]
    command = [
        sys.executable,
        str(ROOT / "Examples" / script),
        str(features),
        str(rows),
        "--retention",
        "0.2",
        *options,
    ]
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "RAY_DISABLE_IMPORT_WARNING": "1"}
    log = tmp_path / "log"
    killed: list[tuple[int, int]] = []
    with log.open("w") as errors:
        job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        killer = threading.Thread(target=kill_in_the_middle, args=(job, rows, is_worker, killed))
        killer.start()
        output, _ = job.communicate(timeout=500)
        killer.join()
    assert job.returncode == 0, log.read_text()[-5000:]
    told = [line for line in output.splitlines() if "files done" in line or "frames/s" in line]
    with capsys.disabled():
        print(f"\n{name}, workers killed after {[done for _, done in killed]} of {FILES} files:", *told, sep="\n  ")
    # They died in the middle, and not one of the files is missing, cut or wrong.
    assert len(killed) == 2 and all(done < FILES for _, done in killed)
    assert "0 failed" in output and "frames/s" in output
    assert sorted(path.name for path in rows.glob("*.safetensors")) == [
        f"{number:02}.safetensors" for number in range(FILES)
    ]
    for number in range(FILES):
        written = load_file(rows / f"{number:02}.safetensors")
        expected = flashvid.compress(load_file(features / f"{number:02}.safetensors")["features"], retention=0.2)
        assert written["tokens"].tobytes() == expected.tokens.tobytes()
        assert written["indices"].tolist() == expected.indices.tolist()

    # Once more: all is there.
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)
    assert ended.returncode == 0 and f"0 files done, {FILES} there before, 0 failed" in ended.stdout
