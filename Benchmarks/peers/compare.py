"""Times flashvid-bench and the peer programs on one generated clip, or with --attention on generated queries and keys, one
pass each in turn.

Every program loads its input once and then waits for its turns, so that nothing but a pass is timed and only one of them
works at a time. OPENBLAS_* variables are taken out of their environment but for the number of threads, which all share.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PRESETS = {  # selection and minimum of segments
    "llava-onevision": ("attentionDiversityEvent", 8),
    "llava-video": ("attentionDiversityEvent", 8),
    "qwen2.5-vl": ("attentionDiversity", 4),
    "qwen3-vl": ("attentionDiversity", 4),
}

CLIP = "{clip}"  # in a command, the file that is written for this run


class Program:
    """A program that makes one pass for every line it is sent."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]):
        self.name = name
        self.times: list[float] = []
        self.cpu_times: list[float] = []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
        self.rows = int(self.answer().removeprefix("ready "))

    def answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare: {self.name} ended with code {self.process.wait()}")
        return line.strip()

    def cpu_time(self) -> float | None:
        """CPU seconds so far, of all threads."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def turn(self, counts: bool) -> None:
        before = self.cpu_time()
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds = float(self.answer())
        after = self.cpu_time()
        if counts:
            self.times.append(seconds)
            if before is not None and after is not None:
                self.cpu_times.append(after - before)

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def summary(self) -> dict:
        return {"rows": self.rows, "median_ms": 1e3 * statistics.median(self.times), "min_ms": 1e3 * min(self.times),
                "max_ms": 1e3 * max(self.times),
                # The system counts in hundredths of a second: a mean over the turns says more than one of them.
                "mean_cpu_ms": 1e3 * statistics.mean(self.cpu_times) if self.cpu_times else None}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out, and do not install it (3 GB to download)")
    parser.add_argument("--attention", metavar="FxHxNxE",
                        help="attention scores of queries and keys: frames, heads, tokens, numbers a head")
    parser.add_argument("--preset", choices=PRESETS, help="(default: llava-onevision)")
    parser.add_argument("--shape", help="FxNxD instead of the preset's")
    parser.add_argument("--retention", help="(default: 0.10)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--pause", type=float, default=0.3,
                        help="seconds between turns, in which the other programs' threads stop spinning")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: expected at least 1")
    if options.attention:
        for name in ("preset", "shape", "retention", "no_torch"):
            if getattr(options, name):
                parser.error(f"--{name.replace('_', '-')} excludes --attention")
    options.preset = options.preset or "llava-onevision"
    options.retention = options.retention or "0.10"
    return options


def compression(options: argparse.Namespace, bench: str) -> tuple[list[str], dict[str, list[str]]]:
    """What writes the clip, and the programs; CLIP stands for the file."""
    selection, segments = PRESETS[options.preset]
    source = ["--preset", options.preset] + (["--shape", options.shape] if options.shape else [])
    settings = ["--retention", options.retention, "--threads", str(options.threads)]
    engine = [bench, "--input", CLIP, "--preset", options.preset, *settings, "--step"]
    peer = [CLIP, "--selection", selection, "--minimum-segments", str(segments), *settings]
    programs = {
        "FlashVID": engine,
        "FlashVID, published": [*engine, "--published"],
        "NumPy": [sys.executable, str(HERE / "numpy_peer.py"), *peer],
    }
    if not options.no_torch:
        programs["PyTorch"] = [sys.executable, str(HERE / "torch_peer.py"), *peer]
    return [bench, *source], programs


def attention(options: argparse.Namespace, bench: str) -> tuple[list[str], dict[str, list[str]]]:
    """The same for queries and keys."""
    source = [bench, "--attention", options.attention]
    threads = ["--threads", str(options.threads)]
    peer = [sys.executable, str(HERE / "torch_attention.py"), CLIP, *threads]
    return source, {
        "FlashVID": [*source, "--input", CLIP, *threads, "--step"],
        "PyTorch": [*peer, "--variant", "plain"],
        "PyTorch, reused": [*peer, "--variant", "reused"],
        "PyTorch, all heads": [*peer, "--variant", "all-heads"],
    }


def main() -> None:
    options = arguments()
    bench = os.environ["FLASHVID_BENCH"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    source, commands = (attention if options.attention else compression)(options, bench)
    with tempfile.TemporaryDirectory() as folder:
        clip = str(Path(folder) / "clip.safetensors")
        subprocess.run([*source, "--seed", options.seed, "--write", clip], env=environment, check=True)
        programs = [Program(name, [clip if word == CLIP else word for word in command], environment)
                    for name, command in commands.items()]
        load = os.getloadavg()[0]
        for turn in range(-1, options.runs):  # the first one warms up
            for program in programs:
                time.sleep(options.pause)
                program.turn(counts=turn >= 0)
        for program in programs:
            program.end()

    libraries = ["torch"] if options.attention else ["numpy"] + ([] if options.no_torch else ["torch"])
    versions = {name: __import__(name).__version__ for name in libraries}
    base = statistics.median(programs[0].times)
    if options.attention:
        settings = {"attention": options.attention}
        subject = f"attention of {options.attention}, float32"
    else:
        settings = {"preset": options.preset, "shape": options.shape, "retention": float(options.retention)}
        shape = options.shape or "the preset's shape"
        subject = f"{options.preset}, {shape}, float32, retention {options.retention}"
    print(f"{subject}, {options.threads} threads, {options.runs} turns; "
          + ", ".join(f"{name} {version}" for name, version in versions.items()))
    busy = load > 0.5 * (os.cpu_count() or 1)
    if busy:
        print(f"WARNING: the load was {load:.1f} before the first turn. Threads that wait for each other suffer most from other "
              "work on the machine, so that the ratios below are not those of a quiet one.")
    print(f"{'':20}{'scores' if options.attention else 'rows':>8}{'median ms':>12}{'min..max':>18}{'CPU ms':>10}{'ratio':>8}")
    for program in programs:
        figures = program.summary()
        spread = f"{figures['min_ms']:.1f}..{figures['max_ms']:.1f}"
        cpu = "?" if figures["mean_cpu_ms"] is None else f"{figures['mean_cpu_ms']:.0f}"
        ratio = statistics.median(program.times) / base
        print(f"{program.name:20}{program.rows:8}{figures['median_ms']:12.1f}{spread:>18}{cpu:>10}{ratio:8.2f}")
    if options.json:
        Path(options.json).write_text(json.dumps({
            **settings, "threads": options.threads, "runs": options.runs, "seed": int(options.seed), "load": load,
            "versions": versions, "python": platform.python_version(),
            "programs": {program.name: program.summary() for program in programs},
        }, indent=2) + "\n")


if __name__ == "__main__":
    main()
