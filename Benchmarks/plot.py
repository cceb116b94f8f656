"""Time against retention, frames and tokens a frame, on one thread and two, each line over its GEMM floor.

Reads retention.json, frames.json and tokens.json, as Benchmarks/run leaves them, and writes plot.svg beside them.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

COLOURS = ["#1f5fa8", "#c8501e", "#3f7f3f", "#7a4fa0"]


def grouped(rows: list[dict], key) -> dict:
    groups: dict = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def draw(axes, rows: list[dict], x, colours: dict) -> None:
    """The engine's median with its spread, and the floor of the same run, dashed."""
    for threads, line in sorted(grouped(rows, lambda row: row["threads"]).items()):
        line.sort(key=x)
        at = [x(row) for row in line]
        colour = colours[threads]
        median = [row["median_ms"] for row in line]
        spread = [[row["median_ms"] - row["min_ms"] for row in line], [row["max_ms"] - row["median_ms"] for row in line]]
        axes.errorbar(at, median, yerr=spread, color=colour, marker="o", markersize=4, capsize=2, linewidth=1.6,
                      elinewidth=0.8)
        axes.plot(at, [row["gemm_floor_ms"] for row in line], color=colour, linestyle="--", linewidth=1.1)


def guide(axes, rows: list[dict], x, power: int, label: str) -> None:
    """A thin line of a power law through the last point of the fastest line, to compare slopes with."""
    fastest = max({row["threads"] for row in rows})
    line = sorted((row for row in rows if row["threads"] == fastest), key=x)
    last = line[-1]
    at = [x(row) for row in line]
    axes.plot(at, [last["median_ms"] * (value / x(last)) ** power for value in at], color="#888888", linewidth=0.8,
              linestyle=":", label=label)
    axes.legend(loc="lower right", frameon=False, fontsize=8)


def logarithmic(axes, values) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted(values))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    results = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("retention", "frames", "tokens")}
    machine = results["retention"]["machine"]
    threads = sorted({row["threads"] for result in results.values() for row in result["rows"]})
    colours = dict(zip(threads, COLOURS))

    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "flashvid", "axes.grid": True, "grid.color": "#e4e4e4",
                         "axes.spines.top": False, "axes.spines.right": False})
    shapes = grouped(results["retention"]["rows"], lambda row: tuple(row["shape"]))
    figure, panels = plt.subplots(2, 2, figsize=(10.5, 8))
    panels = panels.ravel()

    for axes, (shape, rows) in zip(panels, list(shapes.items())[:2]):
        draw(axes, rows, lambda row: 100 * row["retention"], colours)
        name = rows[0]["preset"]
        axes.set_title(f"Time against retention: {name}, {shape[0]} x {shape[1]} x {shape[2]}", fontsize=9.5)
        axes.set_xlabel("retention (% of the tokens)")
        axes.set_ylabel("time (ms)")
        axes.set_xticks(sorted({100 * row["retention"] for row in rows}))
        axes.set_ylim(bottom=0)

    rows = results["frames"]["rows"]
    shape, retention = rows[0]["shape"], rows[0]["retention"]
    draw(panels[2], rows, lambda row: row["shape"][0], colours)
    logarithmic(panels[2], {row["shape"][0] for row in rows})
    guide(panels[2], rows, lambda row: row["shape"][0], 1, "slope of time ∝ frames")
    panels[2].set_title(f"Time against frames: F x {shape[1]} x {shape[2]}, retention {retention:.2f}", fontsize=9.5)
    panels[2].set_xlabel("frames")
    panels[2].set_ylabel("time (ms)")

    rows = results["tokens"]["rows"]
    shape, retention = rows[0]["shape"], rows[0]["retention"]
    draw(panels[3], rows, lambda row: row["shape"][1], colours)
    logarithmic(panels[3], {row["shape"][1] for row in rows})
    guide(panels[3], rows, lambda row: row["shape"][1], 2, "slope of time ∝ (tokens a frame)²")
    panels[3].set_title(f"Time against tokens a frame: {shape[0]} x N x {shape[2]}, retention {retention:.2f}",
                        fontsize=9.5)
    panels[3].set_xlabel("tokens a frame")
    panels[3].set_ylabel("time (ms)")

    handles = [Line2D([], [], color=colours[count], marker="o", markersize=4,
                      label=f"FlashVID, {count} thread" + ("s" if count > 1 else "")) for count in threads]
    handles.append(Line2D([], [], color="#444444", linestyle="--", linewidth=1.1,
                          label="GEMM floor of the same run (its line's colour)"))
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.945), ncol=len(handles), frameon=False)
    environment = machine["openblas_environment"]
    settings = ", ".join(f"{key}={value}" for key, value in sorted(environment.items())) or "OPENBLAS_* unset"
    figure.suptitle(f"FlashVID on {machine['cpu']}, {machine['cores']} cores: {machine['blas']} {machine['blas_version']}, "
                    f"{machine['blas_core']} kernels, {settings}", fontsize=11.5, y=0.985)
    figure.text(0.5, 0.008, f"medians; bars from the fastest run to the slowest; float32; commit {machine['commit']}, "
                f"Swift {machine['swift']}", ha="center", fontsize=8, color="#666666")
    figure.tight_layout(rect=(0, 0.02, 1, 0.925), h_pad=2.2, w_pad=2)
    figure.savefig(folder / "plot.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
