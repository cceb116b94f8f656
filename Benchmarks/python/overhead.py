"""What the Python package costs beside the library's own call, and what torch's threads cost it.

    python Benchmarks/python/overhead.py [--shape 32x196x3584] [--calls 41]

A clip is compressed at a retention of 0.10, LLaVA-OneVision's configuration, one thread a core. Measured in turn, in
one loop:

- the C call, with all structs filled in and memory for the result that is there;
- `Compressor.compress` of a NumPy array: arrays are looked at, memory for the result is taken, the result is made;
- the same of a torch tensor, where torch is installed;
- the torch call right after a matrix product of torch's on all cores, whose threads may still spin, and after a pause.

"Around the engine" is the time of a call less the time that the engine measures in it, which other work on the machine
disturbs little; the difference of two calls' times also has what the memory for a new result costs.

And by how much the process' resident memory grows above its level before a call, at its peak, beside the size of the
clip.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy

import flashvid
from flashvid._compressor import Clip

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

parser = argparse.ArgumentParser()
parser.add_argument("--shape", default="32x196x3584")
parser.add_argument("--calls", type=int, default=41)
arguments = parser.parse_args()
frames, tokens, channels = map(int, arguments.shape.split("x"))


def synthetic(dtype: str) -> Any:
    """Scenes of eight frames in which a quarter of the tokens move."""
    random = numpy.random.default_rng(1)
    clip = numpy.empty((frames, tokens, channels), dtype=numpy.float32)
    for first in range(0, frames, 8):
        scene = random.standard_normal((tokens, channels), dtype=numpy.float32)
        for frame in range(first, min(frames, first + 8)):
            moving = random.permutation(tokens)[: tokens // 4]
            scene[moving] = random.standard_normal((len(moving), channels), dtype=numpy.float32)
            clip[frame] = scene + 0.1 * random.standard_normal((tokens, channels), dtype=numpy.float32)
    return clip.astype(dtype)


def c_call(compressor: flashvid.Compressor, features: Any) -> Callable[[], Any]:
    """The C function with everything at hand."""
    clip = Clip(features, None)
    result = compressor._result(clip.framework, str(features.dtype), frames, tokens, channels)
    arguments = (compressor._handle, ctypes.byref(clip.struct), ctypes.byref(result.struct))
    function = flashvid._library.library.flashvid_compressor_compress

    def call() -> None:
        assert function(*arguments) == 0 and clip and result

    return call


def milliseconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def resident(field: str) -> float:
    """Megabytes, of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def growth(call: Callable[[], Any]) -> float:
    """Megabytes above the level before, at the peak."""
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    kept = call()
    del kept
    return resident("VmHWM") - before


class Times:
    """Of the calls of one kind, in milliseconds."""

    def __init__(self, walls: list[float], engine: list[float]) -> None:
        self.median = statistics.median(walls)
        self.least = min(walls)
        #: What a call takes beside the time that the engine measures in it.
        self.around = statistics.median(wall - own for wall, own in zip(walls, engine))


def in_turn(compressor: flashvid.Compressor, calls: dict[str, Callable[[], Any]]) -> dict[str, Times]:
    walls: dict[str, list[float]] = {name: [] for name in calls}
    engine: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(3):
        for call in calls.values():
            call()
    for _ in range(arguments.calls):
        for name, call in calls.items():
            walls[name].append(milliseconds(call))
            engine[name].append(1e3 * compressor._statistics().seconds)
    return {name: Times(walls[name], engine[name]) for name in calls}


def cpu() -> str:
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{names[0]}, {os.cpu_count()} cores"


print(
    f"{cpu()}; Python {platform.python_version()}, NumPy {numpy.__version__}"
    + (f", torch {torch.__version__}, {torch.get_num_threads()} threads" if torch else "")
    + f"; flashvid {flashvid.__version__}, {flashvid._library.path.name}"
)
settings = {name: value for name, value in os.environ.items() if name.startswith(("OPENBLAS_", "OMP_", "GOMP_"))}
print(
    f"{arguments.shape}, retention 0.10, {arguments.calls} calls of each in turn; environment {settings or 'not set'}"
)
print()
print("| type | clip, MB | call | median, ms | least, ms | around the engine, us | memory of a call, MB |")
print("|---|---|---|---|---|---|---|")
for dtype in ("float32", "float16"):
    features = synthetic(dtype)
    with flashvid.Compressor(preset="llava-onevision", retention=0.10) as compressor:
        calls: dict[str, Callable[[], Any]] = {
            "C, into memory that is there": c_call(compressor, features),
            "NumPy": partial(compressor.compress, features),
        }
        if torch:
            tensor = torch.from_numpy(features)
            calls["torch"] = partial(compressor.compress, tensor)
        for name, times in in_turn(compressor, calls).items():
            print(
                f"| {dtype} | {features.nbytes / 2**20:.1f} | {name} | {times.median:.2f} | {times.least:.2f} "
                f"| {1e3 * times.around:.0f} | {growth(calls[name]):.1f} |"
            )

if torch:
    tensor = torch.from_numpy(synthetic("float32"))
    one, other = torch.randn(1024, 1024), torch.randn(1024, 1024)

    def after_a_product() -> float:
        one @ other
        return milliseconds(lambda: compressor.compress(tensor))

    def after_a_pause() -> float:
        time.sleep(0.1)
        return milliseconds(lambda: compressor.compress(tensor))

    with flashvid.Compressor(preset="llava-onevision", retention=0.10) as compressor:
        after, rested = zip(*((after_a_product(), after_a_pause()) for _ in range(arguments.calls)))
    print()
    print(
        f"Right after a product of torch's: median {statistics.median(after):.2f} ms, least {min(after):.2f} ms; after "
        f"a pause of 0.1 s: {statistics.median(rested):.2f} ms, least {min(rested):.2f} ms (torch, float32)"
    )
