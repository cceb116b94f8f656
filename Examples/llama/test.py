#!/usr/bin/env python3
"""Tests the host on models of random weights, from outside: test.py PROGRAMS MODELS FILM FILE_TOOL [VIDEO]

PROGRAMS holds llama-flashvid and host-test, MODELS what `models.py tiny` wrote, FILM what `models.py film` did. VIDEO is
read through ffmpeg, where there is one.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import numpy as np

programs, models, film, tool = (pathlib.Path(argument) for argument in sys.argv[1:5])
video = sys.argv[5] if len(sys.argv) > 5 else None
scratch = pathlib.Path(tempfile.mkdtemp())
failures = 0


def expect(holds, what):
    global failures
    print("ok   " if holds else "FAIL ", what)
    failures += not holds


def command(family, *options, source=film, mmproj=None):
    mmproj = mmproj or f"{family}-mmproj.gguf"
    return [programs / "llama-flashvid", "-m", models / f"{family}.gguf", "--mmproj", models / mmproj, "--video", source,
            "--threads", "1", "-n", "8", *options]


def host(*arguments, **more):
    """What the program printed, as {name: [numbers]}; its answer under "answer text"."""
    result = subprocess.run(command(*arguments, **more), capture_output=True, timeout=120)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.decode())
    # What llama.cpp itself says goes the same way.
    lines = re.findall(r"^([a-z ]*?)  +(\d.*)$", result.stderr.decode(), re.M)
    values = {name: [float(number) for number in re.findall(r"[\d.]+", line)] for name, line in lines}
    values["answer text"] = result.stdout
    values["with attention"] = b"with attention" in result.stderr
    return values


def refused(part, *arguments, **more):
    """One line that says what was wrong, and no crash."""
    result = subprocess.run(command(*arguments, **more), capture_output=True, timeout=120)
    lines = result.stderr.decode().splitlines()
    message = lines[-1] if lines else ""
    expect(result.returncode == 1 and len(lines) == 1 and message.startswith("llama-flashvid: ") and part in message, message)


def safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    types = {"F32": np.float32, "I64": np.int64, "I32": np.int32}
    return {
        name: np.frombuffer(data[8 + length :][slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


presets = {"llava": "llava-onevision", "qwen2vl": "qwen2.5-vl", "qwen2.5vl": "qwen2.5-vl", "qwen3vl": "qwen3-vl"}
for family, preset in presets.items():
    print(f"--- {family}: the core")
    saved, compressed = scratch / f"{family}.safetensors", scratch / f"{family}-out.safetensors"
    arguments = [models / f"{family}.gguf", models / f"{family}-mmproj.gguf", film, saved]
    expect(subprocess.run([programs / "host-test", *arguments], timeout=600).returncode == 0, "host-test")

    print(f"--- {family}: the program")
    # The file tool, given the same embeddings, keeps the same rows.
    subprocess.run([tool, saved, "-o", compressed, "--preset", preset, "--retention", "0.10", "--expansion", "1"],
                   check=True, capture_output=True)
    mine, theirs = safetensors(saved), safetensors(compressed)
    expect(np.array_equal(mine["kept_indices"], theirs["indices"]) and np.array_equal(mine["kept_tokens"], theirs["tokens"]),
           f"the file tool keeps the same {len(theirs['indices'])} rows, bit for bit")

    few, all_rows = host(family), host(family, "--no-flashvid")
    frames, tokens = few["video"][:2]
    rows_in, rows_out = few["rows"][:2]
    expect(frames == (16 if family == "llava" else 8), "Qwen's frames are pairs")
    expect(rows_in == frames * tokens and rows_out == len(theirs["indices"]) == frames * np.ceil(tokens / 10), "a tenth of the rows")
    expect(all_rows["rows"][1] == rows_in and all_rows["kv cells"][0] - few["kv cells"][0] == rows_in - rows_out, "cells fall by the rows")
    expect(few["with attention"] and few["answer"][0] == 8 and all_rows["answer"][0] == 8, "it answers")
    expect(host(family)["answer text"] == few["answer text"], "twice alike")
    plain = host(family, "--attention", "none")
    expect(not plain["with attention"] and plain["rows"][1] == rows_out, "without attention")
    expect(host(family, "--attention", "softmax")["with attention"], "with attention off the softmax")
    expect(host(family, "--retention", "1")["answer text"] == all_rows["answer text"], "retention 1 answers as all rows do")
    text = few["kv cells"][0] - rows_out
    context = int(text + rows_out + 8)
    expect(host(family, "--context", str(context))["kv cells"][0] == text + rows_out, f"a context of {context} cells takes it")
    refused("is too small", family, "--context", str(context), "--no-flashvid")
    refused("is too small", family, "--context", str(context - 1))
    for rows in 1, int(frames) - 1, 37, int(rows_in):
        exact = host(family, "--rows", str(rows))
        expect(exact["rows"][1] == rows and exact["kv cells"][0] == text + rows and exact["answer"][0] == 8, f"exactly {rows} rows")
    refused("FLASHVID_INVALID_CONFIGURATION", family, "--rows", str(int(rows_in) + 1))
    single = sorted(film.iterdir())[0]
    expect(host(family, source=single)["video"][0] == 1, "one frame")

print("--- LLaVA's pooling")
pooled = host("llava", "--pool", "average")
expect(pooled["video"][1] == 9 and pooled["rows"] == [144, 16, 11.1] and pooled["with attention"], "36 tokens become 9")
expect(host("llava", "--pool", "bilinear", "--no-flashvid")["kv cells"][0] == pooled["kv cells"][0] + 128, "pooled without FlashVID")
refused("not to be pooled", "qwen2vl", "--pool", "average")

print("--- what cannot be")
mixed, text, empty = scratch / "mixed", scratch / "text", scratch / "empty"
for folder in mixed, text, empty:
    folder.mkdir()
shutil.copy(single, mixed / "frame-0.ppm")
(mixed / "frame-1.ppm").write_bytes(b"P6 224 168 255\n" + bytes(224 * 168 * 3))
(text / "notes.txt").write_text("nothing to see")
refused("none.gguf", "llava", "-m", "none.gguf")
refused("none-mmproj.gguf", "llava", mmproj="none-mmproj.gguf")
refused("/none", "llava", source="/none")
refused("no frames", "llava", source=empty)
refused("notes.txt", "llava", source=text)
refused("those before it", "qwen3vl", source=mixed)
refused("no vision encoder", "llava", mmproj="blind-mmproj.gguf")
refused("no vision encoder", "llava", mmproj="llava.gguf")
refused("mismatch", "llava", mmproj="narrow-mmproj.gguf")
refused("tiles", "llava", mmproj="tiled-mmproj.gguf")
refused("cannot load the model", "llava", "-m", models / "llava-mmproj.gguf")
refused("FLASHVID_NOT_FINITE", "llava", mmproj="nan-mmproj.gguf")
refused("logits are not finite", "llava", "--no-flashvid", mmproj="nan-mmproj.gguf")
refused("FLASHVID_INVALID_CONFIGURATION", "llava", "--retention", "0")
refused("--retention", "llava", "--retention", "nan")
refused("--retention", "llava", "--retention", "1.5")
refused("there is no", "llava", "--preset", "llava")
refused("no such option", "llava", "--none")
refused("wants a value", "llava", "--rows")

print("--- an interrupt")
running = subprocess.Popen(command("llava", "-n", "200000"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
running.stdout.read(1)
running.send_signal(signal.SIGINT)
_, said = running.communicate(timeout=120)
expect(running.returncode == 130 and said.decode().startswith("llama-flashvid: interrupted"), said.decode().strip())

print("--- a video")
if video and shutil.which("ffmpeg"):
    for family in "llava", "qwen3vl":
        seen = host(family, "--fps", "4", source=video)
        expect(seen["video"][0] > 1 and seen["rows"][1] < seen["rows"][0], f"{family}: {seen['video'][0]:.0f} frames of {video}")
    cut = scratch / "cut.mp4"
    cut.write_bytes(pathlib.Path(video).read_bytes()[:1000])
    refused("cut.mp4", "llava", source=cut)
else:
    print("no ffmpeg here: not tried")

shutil.rmtree(scratch)
print("test: failed" if failures else "test: all passed")
sys.exit(failures != 0)
