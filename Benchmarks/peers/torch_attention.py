"""Attention that tokens receive (spec 10.1) in PyTorch, float32, on the CPU: softmax(Q Kᵀ · scale) over the keys, as the mean
over queries and heads: head by head as one writes it down (plain), the same in memory that is used again (reused), or with
the heads of a frame at once (all-heads), which holds [H, N, N]."""
from __future__ import annotations

import argparse
import math
import os
import sys

import program

TOLERANCE = 1e-6  # of the largest score


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", nargs="?", help="safetensors file with queries and keys [F, H, N, E]")
    parser.add_argument("--check", action="store_true", help="compare with the fixture of the encoder, and end")
    parser.add_argument("--variant", choices=["plain", "reused", "all-heads"], default="plain")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if not options.check and not options.clip:
        parser.error("name a file, or --check")
    program.set_threads(options.threads)
    return options


def load(threads: int):
    import numpy as np
    import torch

    torch.set_num_threads(threads)

    def prepare(array):
        return torch.from_numpy(np.array(array, np.float32))

    @torch.inference_mode()
    def plain(queries, keys):
        frames, heads, tokens, width = queries.shape
        scale = 1 / math.sqrt(width)
        scores = torch.zeros(frames, tokens)
        for frame in range(frames):
            for head in range(heads):
                weights = torch.softmax(queries[frame, head] @ keys[frame, head].T * scale, dim=1)
                scores[frame] += weights.mean(dim=0)
        return scores / heads

    @torch.inference_mode()
    def reused(queries, keys):
        frames, heads, tokens, width = queries.shape
        # The scale on the smaller factor.
        logits = torch.empty(tokens, tokens)
        weights = torch.empty(tokens, tokens)
        scores = torch.zeros(frames, tokens)
        for frame in range(frames):
            for head in range(heads):
                torch.mm(queries[frame, head] * (1 / math.sqrt(width)), keys[frame, head].T, out=logits)
                torch.softmax(logits, dim=1, out=weights)
                scores[frame] += weights.mean(dim=0)
        return scores / heads

    @torch.inference_mode()
    def all_heads(queries, keys):
        frames, heads, tokens, width = queries.shape
        logits = torch.empty(heads, tokens, tokens)
        weights = torch.empty(heads, tokens, tokens)
        scores = torch.empty(frames, tokens)
        for frame in range(frames):
            torch.bmm(queries[frame] * (1 / math.sqrt(width)), keys[frame].transpose(1, 2), out=logits)
            torch.softmax(logits, dim=2, out=weights)
            scores[frame] = weights.mean(dim=(0, 1))
        return scores

    return prepare, {"plain": plain, "reused": reused, "all-heads": all_heads}


def check(prepare, variants) -> bool:
    """Queries and keys of a real encoder's block, and the attention that follows from them in float64."""
    arrays, _ = program.read(program.FIXTURES / "encoder" / "attention.safetensors")
    queries, keys, expected = prepare(arrays["query"]), prepare(arrays["key"]), arrays["attention"]
    good = True
    for name, score in variants.items():
        difference = float(abs(score(queries, keys).numpy() - expected).max() / expected.max())
        good &= difference <= TOLERANCE
        print(f"{name}: within {difference:.1e} of the largest score" + ("" if difference <= TOLERANCE else ", TOO FAR"))
    return good


def main() -> None:
    options = arguments()
    prepare, variants = load(options.threads)
    if options.check:
        sys.exit(0 if check(prepare, variants) else 1)
    arrays, _ = program.read(options.clip)
    queries, keys = prepare(arrays["queries"]), prepare(arrays["keys"])
    program.take_turns(lambda: variants[options.variant](queries, keys).numel())


if __name__ == "__main__":
    main()
