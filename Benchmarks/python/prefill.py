"""What compression saves in transformers, at the dimensions of LLaVA-OneVision 0.5B with random weights.

    python Benchmarks/python/prefill.py [--runs 3] [--layers 24] [--frames 32] [--write NAME]

The language model has the real one's dimensions: 24 layers of 896 channels, feed-forward 4864, 14 heads and 2 of the keys.
The vision encoder is a small one that gives as many tokens (27 x 27 a frame, pooled to 196), and its time is in no figure,
since it is the same in all of them. Every configuration runs once a round, in turn; figures are medians.

- rows: places of the video in the prompt; "a layer": what a layer sees of them on average;
- compression: the engine's own time, and its share of the prefill without compression;
- prefill: one forward pass over the prompt, its cache made;
- first token: compression, and `generate` up to the first token;
- cache: keys and values of the prompt.

--write NAME puts the figures into Benchmarks/results/NAME/prefill.txt and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

# An environment may preset a kernel; this measures what is chosen without.
for variable in [name for name in os.environ if name.startswith("OPENBLAS_")]:
    del os.environ[variable]

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration  # noqa: E402

import flashvid  # noqa: E402
import flashvid.transformers  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--layers", type=int, default=24)
parser.add_argument("--frames", type=int, default=32)
parser.add_argument("--write", metavar="NAME")
options = parser.parse_args()
PRUNED = {"prune": (options.layers * 20 // 24, 0.3)}

torch.manual_seed(0)
text = dict(
    model_type="qwen2", vocab_size=151_936, hidden_size=896, intermediate_size=4864, num_hidden_layers=options.layers,
    num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=32_768, tie_word_embeddings=True,
    bos_token_id=151_643, eos_token_id=151_645, pad_token_id=151_643)
vision = dict(
    model_type="siglip_vision_model", hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    image_size=216, patch_size=8, vision_use_head=False)
config = LlavaOnevisionConfig(
    text_config=text, vision_config=vision, image_token_id=151_646, video_token_id=151_647, vision_feature_layer=-1,
    tie_word_embeddings=True)
model: Any = LlavaOnevisionForConditionalGeneration._from_config(config).eval()


def prompt(frames: int) -> dict[str, torch.Tensor]:
    """A few words, a video whose frames resemble one another and that changes scene now and then, a few words more."""
    words = torch.randint(3, 150_000, (32,))
    video = torch.full((frames * 196 + 1,), config.video_token_id)
    ids = torch.cat([words[:14], video, words[14:]])[None]
    scenes = torch.randn(1, (frames + 6) // 7, 3, 216, 216).repeat_interleave(7, 1)[:, :frames]
    pixels = scenes + 0.3 * torch.randn(1, frames, 3, 216, 216)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values_videos": pixels}


SHORT, LONG = options.frames, 10 * options.frames
CONFIGURATIONS: list[tuple[int, float, dict[str, Any]]] = [
    (SHORT, 1.0, {}),
    (SHORT, 0.25, {}),
    (SHORT, 0.25, PRUNED),
    (SHORT, 0.10, {}),
    (SHORT, 0.10, PRUNED),
    (LONG, 0.10, PRUNED),
]
inputs = {frames: prompt(frames) for frames in (SHORT, LONG)}


def measure(frames: int, retention: float, given: dict[str, Any]) -> dict[str, float]:
    made = flashvid.transformers.prepare(model, inputs[frames], retention=retention, **given)
    compression = made.compressed[0].statistics.seconds
    rows = len(made.compressed[0])
    start = time.perf_counter()
    with torch.no_grad():
        read = model(**made, use_cache=True, logits_to_keep=1)
    prefill = time.perf_counter() - start
    layers = read.past_key_values.layers
    cache = sum(part.nbytes for layer in layers for part in (layer.keys, layer.values))
    seen = sum(layer.keys.shape[-2] for layer in layers) / len(layers) - (made["input_ids"].shape[1] - rows)
    del read
    start = time.perf_counter()
    model.generate(**made, max_new_tokens=1, do_sample=False)
    first = time.perf_counter() - start
    return dict(
        rows=rows, rows_a_layer=seen, compression=compression, prefill=prefill, first=compression + first, cache=cache)


runs: list[list[dict[str, float]]] = [[] for _ in CONFIGURATIONS]
measure(SHORT, 0.10, {})
load = os.getloadavg()[0]
for _ in range(options.runs):
    for found, configuration in zip(runs, CONFIGURATIONS):
        found.append(measure(*configuration))

results = []
for (frames, retention, given), found in zip(CONFIGURATIONS, runs):
    row: dict[str, Any] = dict(frames=frames, retention=retention, pruned="prune" in given)
    for name in found[0]:
        values = [each[name] for each in found]
        row[name] = statistics.median(values)
        row[f"{name}_range"] = [min(values), max(values)]
    results.append(row)
whole = results[0]

cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), platform.machine())
lines = [
    f"$ python Benchmarks/python/prefill.py --runs {options.runs}",
    f"{cpu}, {os.cpu_count()} cores, load {load:.1f} at the start; torch {torch.__version__}, {torch.get_num_threads()} "
    f"threads; transformers {transformers.__version__}; flashvid {flashvid.__version__}",
    f"LLaVA-OneVision 0.5B's language model, {options.layers} layers, float32, random weights; medians of {options.runs}",
    "",
    "frames  retention  pruned   rows  a layer  compression ms  of prefill   prefill s  times  first token s  times  cache MB",
]
for row in results:
    lines.append(
        f"{row['frames']:6}  {row['retention']:9.2f}  {'yes' if row['pruned'] else 'no':>6}  {row['rows']:5.0f}"
        f"  {row['rows_a_layer']:7.0f}  {1e3 * row['compression']:14.1f}  {row['compression'] / whole['prefill']:9.3%}"
        f"  {row['prefill']:10.2f}  {whole['prefill'] / row['prefill']:5.1f}  {row['first']:13.2f}"
        f"  {whole['first'] / row['first']:5.1f}  {row['cache'] / 1e6:8.1f}")
print("\n".join(lines))
if options.write:
    folder = Path(__file__).resolve().parent.parent / "results" / options.write
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prefill.txt").write_text("\n".join(lines) + "\n")
    (folder / "prefill.json").write_text(json.dumps(dict(machine=lines[1], rows=results), indent=1) + "\n")
