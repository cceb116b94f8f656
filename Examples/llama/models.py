#!/usr/bin/env python3
"""Writes models of random weights and a film for them, so that the host can be tried without a download.

    models.py tiny FOLDER     a language model and a vision encoder of each family, below a megabyte each; encoders that
                              the host has to refuse
    models.py real FOLDER     LLaVA-OneVision 0.5B's dimensions: Qwen2 0.5B and SigLIP so400m, 1.8 GB in float16; SigLIP
                              base, 196 tokens a frame without pooling; a language model of one layer
    models.py film FOLDER [--frames 16] [--width 168] [--height 140]

The weights mean nothing, so the answers mean nothing: what is right about these models is their shape.
"""
import argparse
import pathlib
from dataclasses import dataclass, replace

import gguf
import numpy as np

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
CHATML = "<|im_start|>"  # by which llama.cpp, which does not read Jinja, knows it


class Writer:
    """A GGUF file of random tensors: matrices in float16, vectors in float32."""

    def __init__(self, path, architecture, seed):
        self.path = path
        self.file = gguf.GGUFWriter(path, architecture)
        self.random = np.random.default_rng(seed)

    def matrix(self, name, *shape, scale=None, dtype=np.float16):
        """[out, in], or an image kernel [out, 3, height, width]; by default a product keeps its input's size."""
        scale = scale or 1 / np.sqrt(np.prod(shape[1:]))
        values = np.empty(shape, dtype)
        for row in range(0, shape[0], 4096):  # so that no float32 copy of a large one is made
            part = values[row : row + 4096]
            part[:] = self.random.standard_normal(part.shape, np.float32) * np.float32(scale)
        self.file.add_tensor(name, values)

    def vector(self, name, size, around=0.0):
        self.file.add_tensor(name, (around + 0.1 * self.random.standard_normal(size)).astype(np.float32))

    def linear(self, name, out, into):
        self.matrix(f"{name}.weight", out, into)
        self.vector(f"{name}.bias", out)

    def norm(self, name, width):
        self.vector(f"{name}.weight", width, around=1.0)
        self.vector(f"{name}.bias", width)

    def close(self):
        self.file.write_header_to_file()
        self.file.write_kv_data_to_file()
        self.file.write_tensors_to_file()
        self.file.close()


@dataclass
class Language:
    """A Qwen decoder. `sections` are M-RoPE's, `deepstack` the vision layers whose rows go into the first layers."""

    architecture: str = "qwen2"
    layers: int = 2
    width: int = 64
    feed_forward: int = 128
    heads: int = 4
    key_heads: int = 2
    vocabulary: int = 0
    context: int = 32768
    sections: tuple = ()
    deepstack: int = 0
    chat: bool = False

    def write(self, path, seed=1):
        out = Writer(path, self.architecture, seed)
        file, head = out.file, self.width // self.heads
        file.add_context_length(self.context)
        file.add_block_count(self.layers)
        file.add_embedding_length(self.width)
        file.add_feed_forward_length(self.feed_forward)
        file.add_head_count(self.heads)
        file.add_head_count_kv(self.key_heads)
        file.add_layer_norm_rms_eps(1e-6)
        file.add_rope_freq_base(1e6)
        if self.sections:
            file.add_rope_dimension_sections(self.sections)
        if self.deepstack:
            file.add_num_deepstack_layers(self.deepstack)
        size = self.write_vocabulary(file)

        out.matrix("token_embd.weight", size, self.width, scale=0.1)
        out.vector("output_norm.weight", self.width, around=1.0)
        for layer in range(self.layers):
            block = f"blk.{layer}"
            out.vector(f"{block}.attn_norm.weight", self.width, around=1.0)
            out.vector(f"{block}.ffn_norm.weight", self.width, around=1.0)
            for name, rows in ("q", self.width), ("k", self.key_heads * head), ("v", self.key_heads * head):
                out.matrix(f"{block}.attn_{name}.weight", rows, self.width)
                if self.architecture == "qwen3vl":
                    if name != "v":
                        out.vector(f"{block}.attn_{name}_norm.weight", head, around=1.0)
                else:
                    out.vector(f"{block}.attn_{name}.bias", rows)
            out.matrix(f"{block}.attn_output.weight", self.width, self.width)
            out.matrix(f"{block}.ffn_gate.weight", self.feed_forward, self.width)
            out.matrix(f"{block}.ffn_up.weight", self.feed_forward, self.width)
            out.matrix(f"{block}.ffn_down.weight", self.width, self.feed_forward)
        out.close()

    def write_vocabulary(self, file):
        """A token a byte, as GPT-2 writes bytes, one merge, since there must be one, and the special ones."""
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = iter(range(256, 512))
        tokens = [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)] + ["th"]
        types = [gguf.TokenType.NORMAL] * len(tokens)
        first = len(tokens)
        tokens += SPECIALS
        types += [gguf.TokenType.CONTROL] * len(SPECIALS)
        while len(tokens) < self.vocabulary:
            tokens.append(f"<|unused_{len(tokens)}|>")
            types.append(gguf.TokenType.UNUSED)
        file.add_tokenizer_model("gpt2")
        file.add_tokenizer_pre("qwen2")
        file.add_token_list(tokens)
        file.add_token_types(types)
        file.add_token_merges(["t h"])
        file.add_eos_token_id(first + SPECIALS.index("<|im_end|>"))
        file.add_pad_token_id(first)
        file.add_add_bos_token(False)
        if self.chat:
            file.add_chat_template(CHATML)
        return len(tokens)


@dataclass
class Vision:
    """A vision encoder with its projector into a language model `target` wide."""

    projector: str = "mlp"
    layers: int = 3
    width: int = 64
    feed_forward: int = 128
    heads: int = 4
    image: int = 84
    patch: int = 14
    target: int = 64
    deepstack: tuple = ()
    window_pattern: int = 0
    broken: str = ""

    def write(self, path, seed=2):
        out = Writer(path, "clip", seed)
        file, width = out.file, self.width
        qwen = self.projector != "mlp"
        file.add_clip_has_vision_encoder(self.broken != "blind")
        file.add_clip_projector_type(self.projector)
        file.add_vision_embedding_length(width)
        file.add_vision_feed_forward_length(self.feed_forward)
        file.add_vision_block_count(self.layers)
        file.add_vision_head_count(self.heads)
        file.add_vision_projection_dim(self.target)
        file.add_vision_attention_layernorm_eps(1e-6)
        file.add_vision_image_size(self.image)
        file.add_vision_patch_size(self.patch)
        file.add_vision_image_mean([0.5] * 3)
        file.add_vision_image_std([0.5] * 3)
        file.add_vision_use_gelu(True)
        if self.broken == "tiled":
            file.add_array("clip.vision.image_grid_pinpoints", [self.image, 2 * self.image, 2 * self.image, self.image])
        if self.window_pattern:
            file.add_vision_n_wa_pattern(self.window_pattern)

        side = self.image // self.patch
        out.matrix("v.patch_embd.weight", width, 3, self.patch, self.patch)
        if qwen:
            out.matrix("v.patch_embd.weight.1", width, 3, self.patch, self.patch)
        if self.projector in ("mlp", "qwen3vl_merger"):
            out.vector("v.patch_embd.bias", width)
            out.matrix("v.position_embd.weight", side * side, width, scale=0.1, dtype=np.float32)
            out.norm("v.post_ln", width)
        else:
            out.vector("v.post_ln.weight", width, around=1.0)
            if self.projector == "qwen2vl_merger":
                out.vector("v.post_ln.bias", width)
        # LLaVA takes the features before the last layer, and files leave that out. Qwen takes the last.
        for layer in range(self.layers):
            block = f"v.blk.{layer}"
            if self.projector == "qwen2.5vl_merger":
                out.vector(f"{block}.ln1.weight", width, around=1.0)
                out.vector(f"{block}.ln2.weight", width, around=1.0)
                out.linear(f"{block}.ffn_gate", self.feed_forward, width)
            else:
                out.norm(f"{block}.ln1", width)
                out.norm(f"{block}.ln2", width)
            if self.projector == "qwen3vl_merger":
                out.linear(f"{block}.attn_qkv", 3 * width, width)
            else:
                for name in "qkv":
                    out.linear(f"{block}.attn_{name}", width, width)
            out.linear(f"{block}.attn_out", width, width)
            out.linear(f"{block}.ffn_up", self.feed_forward, width)
            out.linear(f"{block}.ffn_down", width, self.feed_forward)
        merged = 4 * width if qwen else width
        for layer in self.deepstack:
            block = f"v.deepstack.{layer}"
            out.norm(f"{block}.norm", merged)
            out.linear(f"{block}.fc1", merged, merged)
            out.linear(f"{block}.fc2", self.target, merged)
        if self.deepstack:
            file.add_vision_is_deepstack_layers([layer in self.deepstack for layer in range(self.layers)])
        out.linear("mm.0", merged if qwen else self.target, merged)
        out.matrix("mm.2.weight", self.target, merged if qwen else self.target)
        bias = 0.1 * out.random.standard_normal(self.target)
        if self.broken == "nan":
            bias[self.target // 2] = np.nan
        file.add_tensor("mm.2.bias", bias.astype(np.float32))
        out.close()


FAMILIES = {
    "llava": (Language(chat=True), Vision()),
    "qwen2vl": (Language("qwen2vl", sections=(2, 3, 3, 0)), Vision("qwen2vl_merger")),
    "qwen2.5vl": (Language("qwen2vl", sections=(2, 3, 3, 0)), Vision("qwen2.5vl_merger", layers=4, window_pattern=2)),
    "qwen3vl": (
        Language("qwen3vl", layers=3, sections=(3, 3, 2, 0), deepstack=2),
        Vision("qwen3vl_merger", patch=16, image=96, deepstack=(0, 1)),
    ),
}


def tiny(folder):
    for name, (language, vision) in FAMILIES.items():
        language.write(folder / f"{name}.gguf")
        vision.write(folder / f"{name}-mmproj.gguf")
    llava = FAMILIES["llava"][1]
    for broken in "nan", "blind", "tiled":
        replace(llava, broken=broken).write(folder / f"{broken}-mmproj.gguf")
    replace(llava, target=32).write(folder / "narrow-mmproj.gguf")


def real(folder):
    Language(layers=24, width=896, feed_forward=4864, heads=14, key_heads=2, vocabulary=151936, chat=True).write(
        folder / "qwen2-0.5b.gguf"
    )
    Language(layers=1, width=896, heads=14).write(folder / "one-layer.gguf")
    # 27 layers in the file: 26 are computed, as in LLaVA-OneVision.
    so400m = Vision(layers=27, width=1152, feed_forward=4304, heads=16, image=384, target=896)
    so400m.write(folder / "siglip-so400m-mmproj.gguf")
    base = Vision(layers=12, width=768, feed_forward=3072, heads=12, image=224, patch=16, target=896)
    base.write(folder / "siglip-base-mmproj.gguf")


def film(folder, frames, width, height):
    """Scenes of seven frames: a camera pans over a field of waves and a disc crosses it, with a little noise."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[0:height, 0:width] / max(width, height)
    for frame in range(frames):
        scene, time = divmod(frame, 7)
        waves = np.random.default_rng(scene).uniform(-12, 12, (3, 6, 3))
        across = columns + 0.02 * time
        picture = np.stack(
            [sum(np.sin(a * rows * 4 + b * across * 4 + c) for a, b, c in channel) for channel in waves], axis=-1
        )
        disc = (columns - 0.1 * time - 0.1) ** 2 + (rows - 0.4) ** 2 < 0.02
        picture[disc] = (4, -4, scene % 3)
        picture += 0.05 * random.standard_normal(picture.shape)
        pixels = np.clip(128 + 28 * picture, 0, 255).astype(np.uint8)
        with open(folder / f"frame-{frame:04}.ppm", "wb") as file:
            file.write(b"P6 %d %d 255\n" % (width, height) + pixels.tobytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["tiny", "real", "film"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--width", type=int, default=168)
    parser.add_argument("--height", type=int, default=140)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.what == "film":
        film(options.folder, options.frames, options.width, options.height)
    else:
        {"tiny": tiny, "real": real}[options.what](options.folder)


main()
