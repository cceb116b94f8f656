"""FlashVID with the published semantics (spec 8) in vectorised PyTorch, float32, on the CPU."""
from __future__ import annotations

import math

import program

SAME = 1 - 1e-6  # a cosine above this counts as 1
ATTENTION_SCALE = 1e6


def load(threads: int):
    import torch
    import torch.nn.functional as functional

    torch.set_num_threads(threads)

    def cosines(a, b):
        product = a @ b.transpose(-1, -2)
        return torch.where(product > SAME, 1.0, product)

    def select(x, u, attention, count, selection):
        """[S, count] ascending, repetitions included."""
        frames, tokens, _ = x.shape
        weight = attention * ATTENTION_SCALE
        if selection == "attentionDiversityEvent":
            weight = weight * (x @ x.mean(dim=(0, 1)))
        distance = (1 - cosines(u, u)) * weight[:, None, :]
        nearest = distance.topk(2, dim=1, largest=False).values[:, 1] if tokens > 1 else distance[:, 0]
        every = torch.arange(frames)
        chosen = torch.empty(frames, count, dtype=torch.long)
        chosen[:, 0] = nearest.argmax(dim=1)
        nearest = distance[every, chosen[:, 0]]
        for pick in range(1, count):
            candidates = nearest
            # Where relevance can be negative the published program may choose a token again.
            if selection != "attentionDiversityEvent":
                candidates = nearest.scatter(1, chosen[:, :pick], -1.0)
            best = candidates.argmax(dim=1)
            chosen[:, pick] = best
            nearest = torch.minimum(nearest, distance[every, best])
        return chosen.sort(dim=1).values

    def trees(x, u, free, total, threshold):
        """Aggregated features, and where tokens were merged."""
        frames, tokens, _ = x.shape
        cosine = cosines(u[1:], u[:-1])
        cosine.masked_fill_(~free[1:, :, None], -1).masked_fill_(~free[:-1, None, :], -1)
        best, parent = cosine.max(dim=2)
        similarity = torch.cat([best.new_full((1, tokens), -1), best])
        merged = similarity > threshold
        if int((~merged).sum()) < total * frames:
            k = frames * tokens - total * frames
            soft = float(similarity.flatten().topk(k).values[-1]) if k > 0 else math.inf
            merged = similarity > max(soft, -1 + 1e-6)
        features = x.clone()
        for frame in range(frames - 1, 0, -1):
            joining = merged[frame].nonzero()[:, 0]
            to = parent[frame - 1, joining]
            features[frame - 1].index_add_(0, to, features[frame, joining])
            # A token that goes on is passed on as a sum; what stays is divided by its direct children.
            children = torch.bincount(to, minlength=tokens)
            stays = (~merged[frame - 1] & (children > 0)).nonzero()[:, 0]
            features[frame - 1, stays] /= (1 + children[stays, None]).to(x.dtype)
        return features, merged

    def cluster(x, clusters):
        """Means and centres of density peaks."""
        rows, channels = x.shape
        centred = x - x[0]
        distance = torch.cdist(centred, centred) / math.sqrt(channels)
        distance.fill_diagonal_(0)
        nearest = distance.topk(min(clusters, 7), dim=1, largest=False).values
        density = torch.exp(-nearest.square().mean(dim=1))
        order = torch.arange(rows)
        denser = (density > density[:, None]) | ((density == density[:, None]) & (order < order[:, None]))
        delta = torch.where(denser, distance, distance.max()).min(dim=1).values
        centres = torch.argsort(delta * density, descending=True, stable=True)[:clusters]
        labels = distance[:, centres].argmin(dim=1)
        labels[centres] = torch.arange(clusters)
        sums = x.new_zeros(clusters, channels).index_add_(0, labels, x)
        return sums / torch.bincount(labels, minlength=clusters)[:, None].to(x.dtype), centres

    @torch.inference_mode()
    def compress(x, attention, retention, selection, minimum_segments):
        frames, tokens, channels = x.shape
        selected, contextual = program.budget(tokens, retention)
        if frames > 1:
            means = functional.normalize(x.mean(dim=1), dim=-1)
            similarity = (means[:-1] * means[1:]).sum(dim=1).numpy()
            lengths = program.segment_lengths(similarity, 0.9, minimum_segments).tolist()
        else:
            lengths = [1]
        parts, places = [], []
        start = 0
        for length in lengths:
            xs, at = x[start:start + length], attention[start:start + length]
            u = functional.normalize(xs, dim=-1)
            chosen = select(xs, u, at, selected, selection)
            flat = (torch.arange(start, start + length) * tokens)[:, None] + chosen
            parts.append(x.reshape(-1, channels)[flat.flatten()])
            places.append(flat.flatten())
            if contextual:
                free = torch.ones(length, tokens, dtype=torch.bool).scatter_(1, chosen, False)
                if length > 1:
                    features, merged = trees(xs, u, free, selected + contextual, 0.8)
                    roots = free & ~merged
                else:
                    # A segment of one frame clusters its selected tokens too.
                    features, roots = xs, torch.ones(1, tokens, dtype=torch.bool)
                ratio = contextual * length / max(1, int(roots.sum()))
                for frame in range(length):
                    rows = roots[frame].nonzero()[:, 0]
                    share = len(rows) if ratio >= 1 else math.ceil(len(rows) * ratio)
                    z = features[frame, rows]
                    if 0 < share < len(rows):
                        z, centres = cluster(z, share)
                        rows = rows[centres]
                    parts.append(z)
                    places.append((start + frame) * tokens + rows)
            start += length
        indices = torch.cat(places)
        order = torch.argsort(indices, stable=True)
        return torch.cat(parts)[order], indices[order].numpy()

    def prepare(array):
        import numpy as np

        return torch.from_numpy(np.array(array, np.float32))

    return prepare, compress


if __name__ == "__main__":
    program.main(__doc__, load)
