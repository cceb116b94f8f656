"""FlashVID with the published semantics (spec 8) in vectorised NumPy, float32."""
from __future__ import annotations

import math

import program

SAME = 1 - 1e-6  # a cosine above this counts as 1
ATTENTION_SCALE = 1e6


def load(threads: int):
    import numpy as np

    def unit(x):
        norm = np.sqrt(np.einsum("...d,...d->...", x, x))[..., None]
        return x / np.where(norm > 0, norm, 1)

    def cosines(a, b):
        product = a @ b.swapaxes(-1, -2)
        product[product > SAME] = 1
        return product

    def select(x, u, attention, count, selection):
        """[S, count] ascending, repetitions included."""
        frames, tokens, _ = x.shape
        weight = attention * np.float32(ATTENTION_SCALE)
        if selection == "attentionDiversityEvent":
            weight = weight * (x @ x.mean(axis=(0, 1)))
        distance = (1 - cosines(u, u)) * weight[:, None, :]
        nearest = np.partition(distance, 1, axis=1)[:, 1] if tokens > 1 else distance[:, 0]
        every = np.arange(frames)
        chosen = np.empty((frames, count), int)
        chosen[:, 0] = nearest.argmax(axis=1)
        nearest = distance[every, chosen[:, 0]]
        # Where relevance can be negative the published program may choose a token again.
        candidates = nearest if selection == "attentionDiversityEvent" else nearest.copy()
        for pick in range(1, count):
            if candidates is not nearest:
                candidates[:] = nearest
                np.put_along_axis(candidates, chosen[:, :pick], -1, axis=1)
            best = candidates.argmax(axis=1)
            chosen[:, pick] = best
            np.minimum(nearest, distance[every, best], out=nearest)
        return np.sort(chosen, axis=1)

    def sums(rows, group, groups):
        """[groups, D] sums of rows by group."""
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        out = np.zeros((groups, rows.shape[1]), rows.dtype)
        out[group[order][starts]] = np.add.reduceat(rows[order], starts, axis=0)
        return out

    def trees(x, u, free, total, threshold):
        """Aggregated features, and where tokens were merged."""
        frames, tokens, _ = x.shape
        similarity = np.full((frames, tokens), -1, np.float32)
        parent = np.zeros((frames, tokens), int)
        cosine = cosines(u[1:], u[:-1])
        cosine[~free[1:]] = -1
        np.copyto(cosine, -1, where=~free[:-1, None, :])
        parent[1:] = cosine.argmax(axis=2)
        similarity[1:] = np.take_along_axis(cosine, parent[1:, :, None], axis=2)[..., 0]
        merged = similarity > threshold
        if (~merged).sum() < total * frames:
            k = frames * tokens - total * frames
            soft = -np.partition(-similarity.ravel(), k - 1)[k - 1] if k > 0 else np.inf
            merged = similarity > max(soft, np.float32(-1 + 1e-6))
        features = x.copy()
        for frame in range(frames - 1, 0, -1):
            joining = np.flatnonzero(merged[frame])
            if len(joining) == 0:
                continue
            to = parent[frame, joining]
            touched, children = np.unique(to, return_counts=True)
            features[frame - 1, touched] += sums(features[frame, joining], to, tokens)[touched]
            # A token that goes on is passed on as a sum; what stays is divided by its direct children.
            stays = ~merged[frame - 1, touched]
            features[frame - 1, touched[stays]] /= (1 + children[stays, None]).astype(np.float32)
        return features, merged

    def cluster(x, clusters):
        """Means and centres of density peaks."""
        rows, channels = x.shape
        centred = x - x[0]
        gram = centred @ centred.T
        square = gram.diagonal().copy()
        distance = square[:, None] + square - 2 * gram
        np.maximum(distance, 0, out=distance)
        np.fill_diagonal(distance, 0)
        distance = np.sqrt(distance) / np.float32(math.sqrt(channels))
        k = min(clusters, 7)
        nearest = np.partition(distance, k - 1, axis=1)[:, :k] if k < rows else distance
        density = np.exp(-(nearest ** 2).mean(axis=1))
        order = np.arange(rows)
        denser = (density > density[:, None]) | ((density == density[:, None]) & (order < order[:, None]))
        delta = np.where(denser, distance, distance.max()).min(axis=1)
        centres = np.argsort(-(delta * density), kind="stable")[:clusters]
        labels = distance[:, centres].argmin(axis=1)
        labels[centres] = np.arange(clusters)
        return sums(x, labels, clusters) / np.bincount(labels, minlength=clusters)[:, None].astype(x.dtype), centres

    def compress(x, attention, retention, selection, minimum_segments):
        frames, tokens, _ = x.shape
        selected, contextual = program.budget(tokens, retention)
        if frames > 1:
            means = unit(x.mean(axis=1))
            lengths = program.segment_lengths((means[:-1] * means[1:]).sum(axis=1), 0.9, minimum_segments)
        else:
            lengths = [1]
        parts, places = [], []
        start = 0
        for length in lengths:
            xs, at = x[start:start + length], attention[start:start + length]
            u = unit(xs)
            chosen = select(xs, u, at, selected, selection)
            flat = (np.arange(start, start + length) * tokens)[:, None] + chosen
            parts.append(np.take_along_axis(xs, chosen[..., None], axis=1).reshape(-1, x.shape[2]))
            places.append(flat.ravel())
            if contextual:
                free = np.ones((length, tokens), bool)
                np.put_along_axis(free, chosen, False, axis=1)
                if length > 1:
                    features, merged = trees(xs, u, free, selected + contextual, 0.8)
                    roots = free & ~merged
                else:
                    # A segment of one frame clusters its selected tokens too.
                    features, roots = xs, np.ones((1, tokens), bool)
                counts = roots.sum(axis=1)
                ratio = contextual * length / max(1, counts.sum())
                for frame in range(length):
                    rows = np.flatnonzero(roots[frame])
                    share = len(rows) if ratio >= 1 else math.ceil(len(rows) * ratio)
                    z = features[frame, rows]
                    if 0 < share < len(rows):
                        z, centres = cluster(z, share)
                        rows = rows[centres]
                    parts.append(z)
                    places.append((start + frame) * tokens + rows)
            start += length
        indices = np.concatenate(places)
        order = np.argsort(indices, kind="stable")
        return np.concatenate(parts)[order], indices[order]

    def prepare(array):
        return np.ascontiguousarray(array, np.float32)

    return prepare, compress


if __name__ == "__main__":
    program.main(__doc__, load)
