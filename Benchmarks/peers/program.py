"""What the peers share: reading a clip, checking indices against the fixtures, and taking turns."""
from __future__ import annotations

import argparse
import json
import math
import os
import struct
import sys
import time
from collections import Counter
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures"
# In float32 a close call may go the other way. A defect in one rule of the method costs more than this on some run.
AGREEMENT = 0.995
TOLERANCE = 1e-3


def arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("clip", nargs="?", help="safetensors file with features and attention")
    parser.add_argument("--check", action="store_true", help="compare with the fixtures of the real clips, and end")
    parser.add_argument("--selection", default="attentionDiversityEvent",
                        choices=["attentionDiversity", "attentionDiversityEvent"])
    parser.add_argument("--minimum-segments", type=int, default=8)
    parser.add_argument("--retention", type=float, default=0.10)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if not options.check and not options.clip:
        parser.error("name a clip, or --check")
    set_threads(options.threads)
    return options


def set_threads(threads: int) -> None:
    """Before the libraries are loaded, which read them once."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def read(path) -> tuple[dict, dict]:
    """A safetensors file: float32 or integer arrays by name, and the metadata."""
    import numpy as np

    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    types = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U16": "<u2", "BF16": "<u2"}
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            array = (array.astype("<u4") << 16).view("<f4")
        elif entry["dtype"] == "F16":
            array = array.astype("<f4")
        arrays[name] = array
    return arrays, header.get("__metadata__", {})


def budget(tokens: int, retention: float, expansion: float = 1.25, alpha: float = 0.7) -> tuple[int, int]:
    """Tokens a frame: selected, contextual."""
    total = min(tokens, math.ceil(tokens * retention * expansion))
    selected = math.ceil(total * alpha)
    return selected, total - selected


def segment_lengths(similarity, threshold: float, minimum: int):
    """Lengths of the segments, from the cosines of neighbouring frames' means (a NumPy array)."""
    import numpy as np

    cuts = np.flatnonzero(similarity < threshold)
    missing = minimum - (len(cuts) + 1)
    if missing > 0:
        rest = np.flatnonzero(similarity >= threshold)
        cuts = np.sort(np.concatenate([cuts, rest[np.argsort(similarity[rest], kind="stable")][:missing]]))
    return np.diff(np.concatenate([[-1], cuts, [len(similarity)]])).astype(int)


def main(description: str, load) -> None:
    """`load(threads)` returns (prepare, compress): prepare turns NumPy arrays into the library's own, and compress maps
    (features, attention, retention, selection, minimum_segments) to (tokens, indices as a NumPy array)."""
    options = arguments(description)
    prepare, compress = load(options.threads)
    if options.check:
        sys.exit(0 if check(prepare, compress) else 1)
    arrays, _ = read(options.clip)
    clip = prepare(arrays["features"]), prepare(arrays["attention"])
    settings = options.retention, options.selection, options.minimum_segments
    take_turns(lambda: len(compress(*clip, *settings)[1]))


def take_turns(make_pass) -> None:
    """One pass for every line on standard input, as `flashvid-bench --step` does it; a pass returns its number of rows."""
    print("ready", make_pass(), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        make_pass()
        print(time.perf_counter() - start, flush=True)


def check(prepare, compress) -> bool:
    """The published runs of the real clips, as the definition computes them in float64."""
    import numpy as np

    good = True
    for name in ("bikes", "bunny"):
        clip, _ = read(FIXTURES / "clips" / f"{name}.safetensors")
        expected, metadata = read(FIXTURES / "real" / f"{name}.safetensors")
        features, attention = prepare(clip["features"]), prepare(clip["attention"])
        for run in sorted(key.removeprefix("indices-") for key in expected if key.startswith("indices-published-")):
            configuration = json.loads(metadata[run])
            tokens, indices = compress(features, attention, configuration["retention_ratio"], configuration["selection"],
                                  configuration["minimum_segments"])
            wanted = Counter(expected["indices-" + run].tolist())
            found = Counter(indices.tolist())
            share = (wanted & found).total() / max(wanted.total(), found.total())
            verdict = "" if share >= AGREEMENT else ", TOO FEW"
            rows = expected.get("tokens-" + run)
            if rows is not None and indices.tolist() == expected["indices-" + run].tolist():
                difference = float(abs(np.asarray(tokens) - rows).max())
                verdict += f", tokens within {difference:.1e}" + ("" if difference <= TOLERANCE else ", TOO FAR")
            good &= "TOO" not in verdict
            print(f"{name} {run}: {share:.4f} of {wanted.total()} indices{verdict}")
    return good
