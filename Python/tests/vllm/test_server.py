"""The HTTP server lives on when a video is refused."""

from __future__ import annotations

import json
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from conftest import ARCHITECTURES
from requests_of import Clip
from safetensors.torch import load_file, save_file
from server import question, server, video_url


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def post(port: int, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_refused_videos_over_http(models: dict[str, Path], kind: str, tmp_path: Path) -> None:
    """An encoder that gives no finite number, as half precision that overflows: videos are refused, text is answered."""
    broken = shutil.copytree(models[kind], tmp_path / kind)
    weights = load_file(broken / "model.safetensors")
    name = next(name for name in weights if ".merger." in name and name.endswith("weight") and "deepstack" not in name)
    weights[name][:] = float("inf")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    port = free_port()
    arguments = [
        "--video-pruning-rate", "0.75", "--hf-overrides", json.dumps(dict(architectures=[ARCHITECTURES[kind]]))]
    with server(broken, arguments, port) as (_, log):
        status, told = post(port, question(video=None))
        assert status == 200 and told["usage"]["completion_tokens"] == 16
        for seed in (0, 0, 1):
            status, told = post(port, question(video=video_url(Clip(seed))))
            assert status == 500, told
        status, told = post(port, question(video=None, text="and still there?"))
        assert status == 200 and told["usage"]["completion_tokens"] == 16
        log.seek(0)
        assert b"FlashVID refuses a video: features are not finite at frame 0, token 0, channel 0" in log.read()


def test_answers_over_http(models: dict[str, Path], kind: str) -> None:
    """One of the models without the encoder's attention, as its server asks."""
    port = free_port()
    overrides: dict[str, Any] = dict(architectures=[ARCHITECTURES[kind]])
    if kind == "qwen3_vl":
        overrides["flashvid"] = dict(attention=False)
    arguments = ["--video-pruning-rate", "0.75", "--hf-overrides", json.dumps(overrides)]
    with server(models[kind], arguments, port) as (_, log):
        first = post(port, question(video=video_url(Clip(0))))
        again = post(port, question(video=video_url(Clip(0))))
        assert first[0] == again[0] == 200
        assert first[1]["choices"][0]["message"] == again[1]["choices"][0]["message"]
        # A request cannot change the server's rate.
        asked = post(port, question(video=video_url(Clip(0)), mm_processor_kwargs=dict(video_pruning_rate=0.1)))
        assert asked[0] == 400 or asked[1]["usage"]["prompt_tokens"] == first[1]["usage"]["prompt_tokens"]
        log.seek(0)
        assert log.read().count(b"without the encoder's attention (as the server asks)") == (kind == "qwen3_vl")
