"""Requests: prompts of words, videos and images, the same for vLLM and for transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from PIL import Image
from tiny_models import IMAGE, VIDEO
from torch import Tensor


@dataclass(frozen=True)
class Clip:
    """Frames of random blocks that drift, with another scene in the second half."""

    seed: int
    frames: int = 8
    height: int = 112
    width: int = 168
    fps: float = 2.0

    def pixels(self) -> NDArray[numpy.uint8]:
        random = numpy.random.default_rng(self.seed)
        scene = random.integers(0, 255, (self.height, self.width, 3))
        video = numpy.stack([numpy.roll(scene, 4 * frame, 1) for frame in range(self.frames)])
        video[self.frames // 2:] = video[self.frames // 2:, ::-1]
        return numpy.clip(video + random.integers(-20, 20, video.shape), 0, 255).astype(numpy.uint8)

    def metadata(self) -> dict[str, Any]:
        return dict(
            fps=self.fps, total_num_frames=self.frames, frames_indices=list(range(self.frames)),
            duration=self.frames / self.fps, video_backend="opencv")


@dataclass(frozen=True)
class Picture:
    seed: int
    height: int = 112
    width: int = 112

    def pixels(self) -> Image.Image:
        return Image.fromarray(Clip(self.seed, 1, self.height, self.width).pixels()[0])


@dataclass(frozen=True, eq=False)
class Encoded:
    """A video that the client has encoded: the encoder's output, its grid, and its frames' times where a model wants them."""

    values: Tensor
    grid: list[int]
    seconds: list[float] | None = None


Part = str | Clip | Picture | Encoded


@dataclass(frozen=True)
class Request:
    parts: tuple[Part, ...]
    tokens: int = 12

    @property
    def clips(self) -> list[Clip]:
        return [part for part in self.parts if isinstance(part, Clip)]

    @property
    def pictures(self) -> list[Picture]:
        return [part for part in self.parts if isinstance(part, Picture)]

    @property
    def text(self) -> str:
        marks = {Clip: VIDEO, Picture: IMAGE, Encoded: VIDEO}
        middle = "".join(part if isinstance(part, str) else marks[type(part)] for part in self.parts)
        return f"<|im_start|>user\n{middle}<|im_end|>\n<|im_start|>assistant\n"

    def for_vllm(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if self.clips:
            data["video"] = [(clip.pixels(), clip.metadata() | dict(do_sample_frames=False)) for clip in self.clips]
        encoded = [part for part in self.parts if isinstance(part, Encoded)]
        if encoded:
            data["video"] = dict(
                video_embeds=torch.cat([each.values for each in encoded]),
                video_grid_thw=torch.tensor([each.grid for each in encoded]))
            if encoded[0].seconds is not None:
                data["video"]["timestamps"] = [each.seconds for each in encoded]
        if self.pictures:
            data["image"] = [picture.pixels() for picture in self.pictures]
        return dict(prompt=self.text, multi_modal_data=data)


def ask(*parts: Part, tokens: int = 12) -> Request:
    return Request(parts, tokens)
