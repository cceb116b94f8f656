"""Draws prefill.svg from the prefill.json beside it: python Benchmarks/python/plot_prefill.py Benchmarks/results/NAME"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

folder = Path(sys.argv[1])
rows = json.loads((folder / "prefill.json").read_text())["rows"]
matplotlib.rcParams |= {"svg.hashsalt": "prefill", "font.family": "sans-serif", "font.size": 9}
names = [
    "all tokens" if row["retention"] == 1 and not row["pruned"] else f"{row['retention']:.2f}"
    + (", pruned at layer 20" if row["pruned"] else "") for row in rows]
names = [f"{row['frames']} frames, {name}" for row, name in zip(rows, names)]
figure, both = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True, facecolor="white")
for axes, key, scale, title, unit in (
    (both[0], "prefill", 1, "Prefill, s", "{:.1f}"), (both[1], "cache", 1e-6, "Keys and values, MB", "{:.0f}")):
    values = [row[key] * scale for row in rows]
    colours = ["#888888" if row["retention"] == 1 else "#1f5fa8" if row["frames"] == rows[0]["frames"] else "#c8501e"
               for row in rows]
    axes.barh(names, values, color=colours, height=0.7)
    for place, value in enumerate(values):
        axes.text(value + 0.01 * max(values), place, unit.format(value), va="center")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlim(0, 1.12 * max(values))
    axes.spines[["top", "right"]].set_visible(False)
both[0].invert_yaxis()
figure.tight_layout()
figure.savefig(folder / "prefill.svg", metadata={"Date": None})
