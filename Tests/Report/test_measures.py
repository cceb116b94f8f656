"""What `flashvid-compress --evaluate` says, against NumPy in float64, from the definitions in FlashVIDReport.docc."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import CLIPS, TOOL
from safetensors.numpy import load_file

RETENTIONS = [0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50]
# Rows within this share of the longest one's squared length of the span of the others add nothing to it.
SPAN = 1e-10


def run(*arguments: str | Path) -> dict:
    done = subprocess.run([TOOL, *arguments, "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def coverage(features: np.ndarray, segments: list[int], rows: np.ndarray, frames: np.ndarray) -> float:
    best, start = [], 0
    for length in segments:
        kept = unit(rows[(frames >= start) & (frames < start + length)])
        tokens = unit(features[start : start + length].reshape(-1, features.shape[-1]))
        best.append((tokens @ kept.T).max(1) if len(kept) else np.zeros(len(tokens)))
        start += length
    return float(np.concatenate(best).mean())


def span(rows: np.ndarray) -> np.ndarray:
    """An orthonormal basis of what the rows span, by Gram and Schmidt's method; the tool has a Cholesky factor."""
    limit = SPAN * (rows**2).sum(1).max()
    if len(rows) <= rows.shape[1]:
        basis, factor = np.linalg.qr(rows.T)
        if (np.diag(factor) ** 2).min() > limit:
            return basis.T
    # With pivots: always the row that is farthest from the span so far.
    rest, found = rows.copy(), []
    while len(found) < rows.shape[1]:
        lengths = (rest**2).sum(1)
        farthest = int(lengths.argmax())
        if lengths[farthest] <= limit:
            break
        direction = rest[farthest] / np.sqrt(lengths[farthest])
        if found:
            # Once more, since what is left is small beside what was taken away.
            before = np.array(found)
            direction = direction - before.T @ (before @ direction)
            direction /= np.linalg.norm(direction)
        found.append(direction)
        rest -= np.outer(rest @ direction, direction)
    return np.array(found)


def energy(features: np.ndarray, rows: np.ndarray, frames: np.ndarray) -> float:
    mean = features.reshape(-1, features.shape[-1]).mean(0)
    shares = []
    for frame, tokens in enumerate(features - mean):
        kept = rows[np.abs(frames - frame) <= 1] - mean
        shares.append(((tokens @ span(kept).T) ** 2).sum() / (tokens**2).sum())
    return float(np.mean(shares))


def sampled(places: list[np.ndarray], features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate([features[frame][chosen] for frame, chosen in enumerate(places)])
    return rows, np.repeat(np.arange(len(places)), [len(chosen) for chosen in places])


def uniform(count: int, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frames, tokens, _ = features.shape
    places = []
    for frame in range(frames):
        share = (frame + 1) * count // frames - frame * count // frames
        places.append(((2 * np.arange(share) + 1) * tokens) // (2 * share) if share else np.arange(0))
    return sampled(places, features)


def by_attention(count: int, features: np.ndarray, attention: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frames = len(features)
    order = np.argsort(-attention.astype(np.float64), axis=1, kind="stable")
    shares = [(frame + 1) * count // frames - frame * count // frames for frame in range(frames)]
    return sampled([order[frame][:share] for frame, share in enumerate(shares)], features)


def effective_rank(features: np.ndarray) -> float:
    tokens = features.reshape(-1, features.shape[-1])
    strengths = np.linalg.svd(tokens - tokens.mean(0), compute_uv=False) ** 2
    shares = strengths / strengths.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def merged(features: np.ndarray, segments: list[int], threshold: float) -> list[tuple[int, float]]:
    starts = set(np.cumsum([0, *segments]).tolist())
    anywhere, same = [], []
    for frame in range(1, len(features)):
        if frame in starts:
            continue
        cosines = unit(features[frame]) @ unit(features[frame - 1]).T
        anywhere.append(cosines.max(1))
        same.append(np.diag(cosines))
    found = [np.concatenate(values) for values in (anywhere, same)]
    return [(int((values > threshold).sum()), float(values[values > threshold].mean())) for values in found]


@pytest.mark.parametrize("configuration", [["--preset", "llava-onevision"], ["--refined"]], ids=["default", "refined"])
@pytest.mark.parametrize("name", ["bikes", "bunny"])
def test_measures(name: str, configuration: list[str], tmp_path: Path) -> None:
    clip = CLIPS / f"{name}.safetensors"
    tensors = load_file(clip)
    features, attention = tensors["features"].astype(np.float64), tensors["attention"]
    told = run(clip, "--evaluate", "--retention", "0.10", *configuration)
    found = told["evaluation"]
    assert [point["retention"] for point in found["points"]] == RETENTIONS

    segments = told["segment_lengths"]
    for point in found["points"]:
        output = tmp_path / f"{point['retention']}.safetensors"
        run(clip, "-o", output, "--retention", str(point["retention"]), "--dtype", "f32", *configuration)
        kept = load_file(output)
        count = len(kept["indices"])
        assert point["rows"] == count
        ways = {
            "kept": (kept["tokens"].astype(np.float64), kept["indices"] // features.shape[1]),
            "uniform": uniform(count, features),
            "attention": by_attention(count, features, attention),
        }
        for way, (rows, frames) in ways.items():
            assert len(rows) == count
            place = f"{way} at {point['retention']}"
            # The tool's cosines are float32's; and what lies at the edge of a span may be in it here and not there.
            assert point["coverage"][way] == pytest.approx(coverage(features, segments, rows, frames), abs=1e-6), place
            assert point["energy"][way] == pytest.approx(energy(features, rows, frames), abs=1e-6), place

    assert found["effective_rank"] == pytest.approx(effective_rank(features), rel=1e-9)
    for key, (tokens, similarity) in zip(
        ["merged_anywhere", "merged_at_same_place"], merged(features, segments, 0.8), strict=True
    ):
        # A cosine within float32's rounding of the threshold may count or not.
        assert abs(found[key]["tokens"] - tokens) <= 1
        assert found[key]["similarity"] == pytest.approx(similarity, abs=1e-4)
