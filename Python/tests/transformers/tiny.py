"""Models of a few thousand random numbers, one for each family, from their configurations: no download.

A `Tiny` makes a model, and prompts of text, videos and images for it, as the model's processor would.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor

import flashvid.transformers

VOCABULARY, IMAGE, VIDEO, START, END = 200, 198, 199, 196, 197
LAYERS = 4
TEXT = dict(
    hidden_size=64, intermediate_size=96, num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
    vocab_size=VOCABULARY, max_position_embeddings=4096, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)
MROPE = dict(rope_type="default", mrope_section=[2, 3, 3], rope_theta=10000.0)
TOKENS = dict(image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=END)


@dataclass
class Visual:
    """A video or an image of a prompt: its placeholders, with what stands between them, and the encoder's inputs."""

    ids: list[int]
    inputs: dict[str, Tensor]
    kinds: list[int] = field(default_factory=list)


Part = Visual | list[int]


class Tiny:
    """A family's. Subclasses say how its videos come."""

    model_type: str
    classes: tuple[str, str]
    #: A video's frames as the encoder sees them, and the tokens of each.
    frames = 8
    tokens = 16
    #: Other rows of a video, and how many of them go when it is compressed.
    newlines = 0
    lost_newlines = 0
    #: Whether the model takes images beside a video.
    images = True
    #: Whether every layer keeps keys, so that a masked token is as good as none.
    attends = True
    #: Whether positions are three numbers.
    mrope = False
    kinds_name = "mm_token_type_ids"

    def config(self) -> dict[str, Any]:
        raise NotImplementedError

    def model(self, **given: Any) -> Any:
        """A model in float32, the same at every call."""
        configuration, model = (self.find(name) for name in self.classes)
        torch.manual_seed(0)
        made = model._from_config(configuration(**self.config()), **given).eval()
        # Weights so large that attention and answers depend on what is read.
        generator = torch.Generator().manual_seed(0)
        for weight in made.parameters():
            if weight.ndim > 1:
                weight.data = torch.randn(weight.shape, generator=generator) * weight.shape[-1] ** -0.5
        return made

    @staticmethod
    def find(name: str) -> Any:
        return getattr(transformers, name)

    @property
    def name(self) -> str:
        return self.model_type

    @property
    def available(self) -> bool:
        return all(hasattr(transformers, name) for name in self.classes)

    # ------------------------------------------------------------------------------------------------------- the prompt

    def video(self, seed: int, frames: int | None = None) -> Visual:
        raise NotImplementedError

    def image(self, seed: int) -> Visual:
        raise NotImplementedError

    def pixels(self, seed: int, *shape: int) -> Tensor:
        """Frames that resemble each other, as a video's do: the first dimension is time."""
        generator = torch.Generator().manual_seed(seed)
        still = torch.randn(shape[1:], generator=generator)
        return still + 0.3 * torch.randn(shape, generator=generator)

    def prompt(self, *parts: Part) -> dict[str, Tensor]:
        """The inputs of one prompt."""
        ids: list[int] = []
        kinds: list[int] = []
        inputs: dict[str, list[Tensor]] = {}
        for part in parts:
            if isinstance(part, list):
                ids += part
                kinds += [0] * len(part)
                continue
            ids += part.ids
            kinds += part.kinds or [{IMAGE: 1, VIDEO: 2}.get(token, 0) for token in part.ids]
            for name, value in part.inputs.items():
                inputs.setdefault(name, []).append(value)
        result = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
        if self.kinds_name:
            result[self.kinds_name] = torch.tensor([kinds])
        return result | {name: torch.cat(values) for name, values in inputs.items()}

    def batch(self, *prompts: dict[str, Tensor]) -> dict[str, Tensor]:
        """Several prompts, padded on the left."""
        width = max(prompt["input_ids"].shape[1] for prompt in prompts)
        result: dict[str, Tensor] = {}
        for name in prompts[0].keys() | {name for prompt in prompts for name in prompt}:
            values = [prompt[name] for prompt in prompts if name in prompt]
            if name in ("input_ids", "attention_mask", self.kinds_name, "moe_mm_token_type_ids"):
                values = [torch.nn.functional.pad(value, (width - value.shape[1], 0)) for value in values]
            result[name] = torch.cat(values)
        return result

    def question(self, seed: int = 0, length: int = 7) -> list[int]:
        return torch.randint(3, 190, (length,), generator=torch.Generator().manual_seed(seed)).tolist()

    def place(self, frame: int, token: int) -> int:
        """The row of a video at which a token stands."""
        return frame * self.tokens + token

    def rows_of(self, indices: Tensor, frames: int) -> Tensor:
        """The rows of a video at which tokens of these indices stand, ascending, and its newlines."""
        return torch.cat([indices, torch.tensor([frames * self.tokens], dtype=torch.long)[: self.newlines]])

    def options(self, *frames: int) -> dict[str, Any]:
        """What `prepare` has to be told of so many videos."""
        return {}

    def inputs(self, seed: int = 1) -> dict[str, Tensor]:
        """A prompt with a video."""
        return self.prompt(self.question(seed, 5), self.video(seed), self.question(seed + 1))


# --------------------------------------------------------------------------------------------------- grids of patches


class Grid(Tiny):
    """Qwen-VL and its descendants: one line of patches, and a grid [frames, rows, columns] for each video."""

    mrope = True
    grid = (8, 8, 8)
    patch = 4
    merge = 2
    temporal = 2
    #: Whether a timestamp and marks stand around each frame.
    timestamps = False
    extra: dict[str, Any] = {}

    @property
    def patch_numbers(self) -> int:
        return 3 * self.temporal * self.patch**2

    def vision(self) -> dict[str, Any]:
        return dict(
            depth=3, hidden_size=32, intermediate_size=48, num_heads=4, out_hidden_size=64, patch_size=self.patch,
            spatial_merge_size=self.merge, temporal_patch_size=self.temporal)

    def text(self) -> dict[str, Any]:
        return TEXT | dict(rope_parameters=MROPE)

    def config(self) -> dict[str, Any]:
        return dict(vision_config=self.vision(), text_config=self.text()) | TOKENS | self.extra

    def patches(self, seed: int, grid: tuple[int, int, int]) -> Tensor:
        frames, rows, columns = grid
        return self.pixels(seed, frames, rows * columns, self.patch_numbers).flatten(0, 1)

    def placeholders(self, token: int, grid: tuple[int, int, int]) -> list[int]:
        frames, rows, columns = grid
        tokens = [token] * (rows * columns // self.merge**2)
        if not self.timestamps:
            return [START, *tokens * frames, END]
        return [id for frame in range(frames) for id in (30 + frame, START, *tokens, END)]

    def video(self, seed: int, frames: int | None = None) -> Visual:
        grid = (frames or self.grid[0], *self.grid[1:])
        inputs = {"pixel_values_videos": self.patches(seed, grid), "video_grid_thw": torch.tensor([grid])}
        return Visual(self.placeholders(VIDEO, grid), inputs | self.video_extras(seed, grid))

    def video_extras(self, seed: int, grid: tuple[int, int, int]) -> dict[str, Tensor]:
        return {}

    def image(self, seed: int) -> Visual:
        grid = (1, 4, 6)
        tokens = [IMAGE] * (4 * 6 // self.merge**2)
        inputs = {"pixel_values": self.patches(seed, grid), "image_grid_thw": torch.tensor([grid])}
        return Visual([START, *tokens, END], inputs)


class Qwen2VL(Grid):
    model_type = "qwen2_vl"
    classes = ("Qwen2VLConfig", "Qwen2VLForConditionalGeneration")

    def vision(self) -> dict[str, Any]:
        return dict(
            depth=3, embed_dim=32, hidden_size=64, mlp_ratio=2, num_heads=4, patch_size=4, spatial_merge_size=2,
            temporal_patch_size=2)


class Qwen25VL(Grid):
    """Two by three windows a frame, the last ones smaller, so that their order is none of a transposition."""

    model_type = "qwen2_5_vl"
    classes = ("Qwen2_5_VLConfig", "Qwen2_5_VLForConditionalGeneration")
    grid = (8, 6, 10)
    tokens = 15

    def vision(self) -> dict[str, Any]:
        return super().vision() | dict(window_size=16, fullatt_block_indexes=[1, 2], tokens_per_second=2)

    def video_extras(self, seed: int, grid: tuple[int, int, int]) -> dict[str, Tensor]:
        return {"second_per_grid_ts": torch.tensor([1.0])}


class Qwen3VL(Grid):
    model_type = "qwen3_vl"
    classes = ("Qwen3VLConfig", "Qwen3VLForConditionalGeneration")
    timestamps = True

    def vision(self) -> dict[str, Any]:
        return super().vision() | dict(deepstack_visual_indexes=[0, 1], num_position_embeddings=64)

    def text(self) -> dict[str, Any]:
        return super().text() | dict(head_dim=16)


class Qwen3VLMoe(Qwen3VL):
    model_type = "qwen3_vl_moe"
    classes = ("Qwen3VLMoeConfig", "Qwen3VLMoeForConditionalGeneration")

    def text(self) -> dict[str, Any]:
        return super().text() | dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)


class Qwen35(Grid):
    attends = False
    model_type = "qwen3_5"
    classes = ("Qwen3_5Config", "Qwen3_5ForConditionalGeneration")
    timestamps = True

    def vision(self) -> dict[str, Any]:
        return super().vision() | dict(num_position_embeddings=64)

    def text(self) -> dict[str, Any]:
        rope = MROPE | dict(partial_rotary_factor=0.5, mrope_section=[1, 1, 2])
        return TEXT | dict(
            head_dim=16, rope_parameters=rope, linear_key_head_dim=8, linear_value_head_dim=8, linear_num_key_heads=2,
            linear_num_value_heads=4, layer_types=["linear_attention", "full_attention"] * (LAYERS // 2))


class Qwen35Moe(Qwen35):
    model_type = "qwen3_5_moe"
    classes = ("Qwen3_5MoeConfig", "Qwen3_5MoeForConditionalGeneration")

    def text(self) -> dict[str, Any]:
        return super().text() | dict(
            num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=32)


class Qwen25Omni(Qwen25VL):
    model_type = "qwen2_5_omni_thinker"
    classes = ("Qwen2_5OmniThinkerConfig", "Qwen2_5OmniThinkerForConditionalGeneration")
    kinds_name = ""

    def config(self) -> dict[str, Any]:
        audio = dict(
            num_mel_bins=8, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16, d_model=16, output_dim=64,
            n_window=4)
        vision = self.vision()
        vision.pop("tokens_per_second")
        return dict(
            vision_config=vision, text_config=self.text(), audio_config=audio, image_token_index=IMAGE,
            video_token_index=VIDEO, vision_start_token_id=START, vision_end_token_id=END, audio_token_index=195,
            audio_start_token_id=193, audio_end_token_id=194)

    def video_extras(self, seed: int, grid: tuple[int, int, int]) -> dict[str, Tensor]:
        return {"video_second_per_grid": torch.tensor([1.0])}


class Qwen3Omni(Qwen3VLMoe):
    model_type = "qwen3_omni_moe_thinker"
    classes = ("Qwen3OmniMoeThinkerConfig", "Qwen3OmniMoeThinkerForConditionalGeneration")
    timestamps = False
    kinds_name = ""

    def config(self) -> dict[str, Any]:
        audio = dict(
            num_mel_bins=8, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16, d_model=16, output_dim=64,
            n_window=4, downsample_hidden_size=8)
        return dict(vision_config=self.vision(), text_config=self.text(), audio_config=audio) | TOKENS | dict(
            audio_token_id=195, audio_start_token_id=193)

    def video_extras(self, seed: int, grid: tuple[int, int, int]) -> dict[str, Tensor]:
        return {"video_second_per_grid": torch.tensor([1.0])}


class Cosmos3Omni(Qwen3VL):
    model_type = "cosmos3_omni"
    classes = ("Cosmos3OmniConfig", "Cosmos3OmniForConditionalGeneration")

    def config(self) -> dict[str, Any]:
        made = super().config()
        return made | dict(
            vision_config=made["vision_config"] | dict(model_type="qwen3_vl_vision"),
            text_config=made["text_config"] | dict(model_type="qwen3_vl_text"))


class CohereCompass(Qwen3VL):
    model_type = "cohere_compass"
    classes = ("CohereCompassConfig", "CohereCompassForConditionalGeneration")

    def text(self) -> dict[str, Any]:
        return super().text() | dict(rope_parameters={"full_attention": MROPE}, layer_types=["full_attention"] * LAYERS)


class VideoLlama3(Grid):
    """Its processor drops tokens that have hardly changed since the frame before: here the last ones of each frame."""

    model_type = "video_llama_3"
    classes = ("VideoLlama3Config", "VideoLlama3ForConditionalGeneration")
    mrope = False
    kinds_name = ""

    def vision(self) -> dict[str, Any]:
        return dict(
            model_type="video_llama_3_vision", hidden_size=32, intermediate_size=48, num_hidden_layers=3,
            num_attention_heads=4, patch_size=4)

    temporal = 1

    def text(self) -> dict[str, Any]:
        return TEXT | dict(model_type="qwen2")

    def video_extras(self, seed: int, grid: tuple[int, int, int]) -> dict[str, Tensor]:
        tokens = grid[0] * grid[1] * grid[2] // 4
        return {
            "video_merge_sizes": torch.tensor([2]),
            "video_compression_mask": torch.ones(tokens, dtype=torch.bool)}

    def image(self, seed: int) -> Visual:
        visual = super().image(seed)
        visual.inputs["image_merge_sizes"] = torch.tensor([2])
        return visual


class Glm4v(Grid):
    """Its video has the image's placeholders, and tokens of its own in front and behind."""

    model_type = "glm4v"
    classes = ("Glm4vConfig", "Glm4vForConditionalGeneration")
    timestamps = True

    def vision(self) -> dict[str, Any]:
        return super().vision() | dict(image_size=32)

    def config(self) -> dict[str, Any]:
        return dict(vision_config=self.vision(), text_config=self.text()) | dict(
            image_token_id=IMAGE, video_token_id=VIDEO, image_start_token_id=START, image_end_token_id=END,
            video_start_token_id=194, video_end_token_id=195)

    images = False

    def video(self, seed: int, frames: int | None = None) -> Visual:
        visual = super().video(seed, frames)
        kinds = [2 if token == VIDEO else 0 for token in visual.ids]
        ids = [IMAGE if token == VIDEO else token for token in visual.ids]
        return Visual([194, *ids, 195], visual.inputs, [0, *kinds, 0])


class Glm4vMoe(Glm4v):
    model_type = "glm4v_moe"
    classes = ("Glm4vMoeConfig", "Glm4vMoeForConditionalGeneration")

    def text(self) -> dict[str, Any]:
        return super().text() | dict(
            head_dim=16, n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, n_group=1, topk_group=1,
            rope_parameters=MROPE | dict(mrope_section=[1, 1, 2], partial_rotary_factor=0.5))


class Glm46V(Glm4v):
    model_type = "glm46v"
    classes = ("Glm46VConfig", "Glm46VForConditionalGeneration")

    def text(self) -> dict[str, Any]:
        return super().text() | dict(rope_parameters=MROPE | dict(partial_rotary_factor=1.0))

    def config(self) -> dict[str, Any]:
        made = super().config()
        return made | dict(
            vision_config=made["vision_config"] | dict(model_type="glm4v_vision"),
            text_config=made["text_config"] | dict(model_type="glm4v_text"))


class Exaone45(Qwen25VL):
    model_type = "exaone4_5"
    classes = ("Exaone4_5_Config", "Exaone4_5_ForConditionalGeneration")
    mrope = False
    kinds_name = ""

    def vision(self) -> dict[str, Any]:
        vision = super().vision() | dict(num_key_value_heads=2)
        vision.pop("tokens_per_second")
        return vision

    def text(self) -> dict[str, Any]:
        return TEXT | dict(model_type="exaone4", layer_types=["full_attention"] * LAYERS, sliding_window=None)

    def video_extras(self, seed: int, grid: tuple[int, int, int]) -> dict[str, Tensor]:
        return {}


class HyperClovaXVision2(Exaone45):
    model_type = "hyperclovax_vision_v2"
    classes = ("HyperCLOVAXVisionV2Config", "HyperCLOVAXVisionV2ForConditionalGeneration")

    def vision(self) -> dict[str, Any]:
        vision = super().vision() | dict(model_type="qwen2_5_vl_vision")
        vision.pop("num_key_value_heads")
        return vision

    def text(self) -> dict[str, Any]:
        return TEXT | dict(model_type="hyperclovax")


class Ernie45VL(Grid):
    """Two frames become one."""

    model_type = "ernie4_5_vl_moe"
    classes = ("Ernie4_5_VLMoeConfig", "Ernie4_5_VLMoeForConditionalGeneration")
    grid = (16, 8, 8)
    temporal = 1

    def vision(self) -> dict[str, Any]:
        return dict(
            depth=3, hidden_size=32, intermediate_size=48, num_heads=4, patch_size=4, spatial_merge_size=2,
            temporal_merge_size=2)

    def text(self) -> dict[str, Any]:
        return super().text() | dict(
            moe_intermediate_size=[32, 32], moe_num_experts=4, moe_k=2, moe_num_shared_experts=1,
            rope_parameters=MROPE | dict(mrope_section=[3, 3, 2]))

    def config(self) -> dict[str, Any]:
        return dict(vision_config=self.vision(), text_config=self.text()) | dict(
            image_token_id=IMAGE, video_token_id=VIDEO, image_start_token_id=START, image_end_token_id=END,
            video_start_token_id=194, video_end_token_id=195)

    def video(self, seed: int, frames: int | None = None) -> Visual:
        visual = super().video(seed, None if frames is None else 2 * frames)
        tokens = visual.ids.count(VIDEO) // 2
        return Visual([194, *[VIDEO] * tokens, 195], visual.inputs)

    def prompt(self, *parts: Part) -> dict[str, Tensor]:
        inputs = super().prompt(*parts)
        return inputs | {"moe_mm_token_type_ids": (inputs["mm_token_type_ids"] > 0).long()}


class Gemma4(Tiny):
    """Frames of 8 x 8 patches, two by two pooled."""

    model_type = "gemma4"
    classes = ("Gemma4Config", "Gemma4ForConditionalGeneration")

    def config(self) -> dict[str, Any]:
        vision = dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
            head_dim=8, patch_size=4, pooling_kernel_size=2, position_embedding_size=64)
        text = TEXT | dict(
            head_dim=16, global_head_dim=16, sliding_window=1000, layer_types=["sliding_attention", "full_attention"] * 2,
            hidden_size_per_layer_input=8, vocab_size_per_layer_input=VOCABULARY)
        return dict(
            vision_config=vision, text_config=text, image_token_id=IMAGE, video_token_id=VIDEO, audio_token_id=195,
            audio_config=None, boi_token_id=START, eoi_token_id=END)

    def frames_of(self, seed: int, frames: int) -> tuple[Tensor, Tensor]:
        places = torch.cartesian_prod(torch.arange(8), torch.arange(8)).flip(1)
        return self.pixels(seed, frames, 64, 48), places.expand(frames, -1, -1)

    def video(self, seed: int, frames: int | None = None) -> Visual:
        frames = frames or self.frames
        pixels, places = self.frames_of(seed, frames)
        ids = [id for frame in range(frames) for id in (30 + frame, START, *[VIDEO] * self.tokens, END)]
        if "num_frames_per_video" not in inspect.signature(self.find("Gemma4Model").get_video_features).parameters:
            return Visual(ids, {"pixel_values_videos": pixels[None], "video_position_ids": places[None]})
        return Visual(ids, {
            "pixel_values_videos": pixels, "video_position_ids": places, "num_frames_per_video": torch.tensor([frames])})

    def image(self, seed: int) -> Visual:
        pixels, places = self.frames_of(seed, 1)
        return Visual([START, *[IMAGE] * self.tokens, END], {"pixel_values": pixels, "image_position_ids": places})


# --------------------------------------------------------------------------------------------------- square frames


class LlavaOneVision(Tiny):
    """7 x 7 patches a frame, pooled to 4 x 4."""

    model_type = "llava_onevision"
    classes = ("LlavaOnevisionConfig", "LlavaOnevisionForConditionalGeneration")
    newlines = 1
    kinds_name = ""

    def vision(self) -> dict[str, Any]:
        return dict(
            model_type="siglip_vision_model", hidden_size=32, intermediate_size=48, num_hidden_layers=3,
            num_attention_heads=4, image_size=56, patch_size=8, vision_use_head=False)

    def config(self) -> dict[str, Any]:
        return dict(
            vision_config=self.vision(), text_config=TEXT | dict(model_type="qwen2"), image_token_id=IMAGE,
            video_token_id=VIDEO, vision_feature_layer=-1, vision_feature_select_strategy="full",
            image_grid_pinpoints=[[56, 56]])

    def video(self, seed: int, frames: int | None = None) -> Visual:
        frames = frames or self.frames
        return Visual(
            [VIDEO] * (frames * self.tokens + self.newlines),
            {"pixel_values_videos": self.pixels(seed, frames, 3, 56, 56)[None]})

    def image(self, seed: int) -> Visual:
        pixels = self.pixels(seed, 1, 3, 56, 56)[None]
        sizes = {"image_sizes": torch.tensor([[56, 56]]), "batch_num_images": torch.tensor([2])}
        return Visual([IMAGE] * 50, {"pixel_values": pixels, **sizes})


class LlavaVideo(LlavaOneVision):
    """9 x 9 patches a frame, pooled to 4 x 4; a newline a frame, or a row, or one."""

    model_type = "llava_video"
    classes = ("LlavaVideoConfig", "LlavaVideoForConditionalGeneration")

    def __init__(self, newline: str = "frame") -> None:
        self.newline = newline
        self.newlines = {"frame": self.frames, "row": 4 * self.frames, "video": 1}[newline]
        self.lost_newlines = 3 * self.frames if newline == "row" else 0

    @property
    def name(self) -> str:
        return f"{self.model_type}-{self.newline}"

    @staticmethod
    def find(name: str) -> Any:
        return getattr(flashvid.transformers, name, None) or getattr(transformers, name)

    @property
    def available(self) -> bool:
        return True

    def vision(self) -> dict[str, Any]:
        return super().vision() | dict(image_size=72)

    def config(self) -> dict[str, Any]:
        return super().config() | dict(newline=self.newline)

    def place(self, frame: int, token: int) -> int:
        width = {"frame": self.tokens + 1, "row": self.tokens + 4, "video": self.tokens}[self.newline]
        return frame * width + token + (token // 4 if self.newline == "row" else 0)

    def rows_of(self, indices: Tensor, frames: int) -> Tensor:
        newlines = {"frame": "after-frame", "row": "after-grid-row", "video": "after-video"}[self.newline]
        rows, frame = [], 0
        for row in flashvid.video_rows(indices, frames, self.tokens, newlines).tolist():
            if row < 0:  # a newline
                last = frames - 1 if self.newline == "video" else frame
                rows.append(self.place(last, self.tokens - 1) + 1)
                frame += 1
            else:
                rows.append(self.place(*divmod(int(indices[row]), self.tokens)))
        return torch.tensor(rows)

    def video(self, seed: int, frames: int | None = None) -> Visual:
        frames = frames or self.frames
        newlines = {"frame": frames, "row": 4 * frames, "video": 1}[self.newline]
        return Visual(
            [VIDEO] * (frames * self.tokens + newlines),
            {"pixel_values_videos": self.pixels(seed, frames, 3, 72, 72)[None]})

    def image(self, seed: int) -> Visual:
        pixels = self.pixels(seed, 1, 3, 72, 72)[None]
        sizes = {"image_sizes": torch.tensor([[72, 72]]), "batch_num_images": torch.tensor([2])}
        return Visual([IMAGE] * 82, {"pixel_values": pixels, **sizes})


class LlavaNextVideo(LlavaOneVision):
    """8 x 8 patches and [CLS], pooled to 4 x 4."""

    model_type = "llava_next_video"
    classes = ("LlavaNextVideoConfig", "LlavaNextVideoForConditionalGeneration")
    newlines = 0
    side = 64

    def vision(self) -> dict[str, Any]:
        return dict(
            model_type="clip_vision_model", hidden_size=32, intermediate_size=48, num_hidden_layers=3,
            num_attention_heads=4, image_size=self.side, patch_size=8, projection_dim=16)

    def config(self) -> dict[str, Any]:
        return dict(
            vision_config=self.vision(), text_config=TEXT | dict(model_type="llama"), image_token_index=IMAGE,
            video_token_index=VIDEO, vision_feature_layer=-2, vision_feature_select_strategy="default",
            image_grid_pinpoints=[[64, 64]])

    def video(self, seed: int, frames: int | None = None) -> Visual:
        frames = frames or self.frames
        pixels = self.pixels(seed, frames, 3, self.side, self.side)[None]
        return Visual([VIDEO] * (frames * self.tokens), {"pixel_values_videos": pixels})

    def image(self, seed: int) -> Visual:
        pixels = self.pixels(seed, 2, 3, 64, 64)[None]
        return Visual([IMAGE] * 136, {"pixel_values": pixels, "image_sizes": torch.tensor([[64, 64]])})


class VideoLlava(LlavaNextVideo):
    """3 x 3 patches and [CLS]: ten tokens a frame."""

    model_type = "video_llava"
    classes = ("VideoLlavaConfig", "VideoLlavaForConditionalGeneration")
    tokens = 10
    side = 24

    def config(self) -> dict[str, Any]:
        return {name: value for name, value in super().config().items() if name != "image_grid_pinpoints"}

    def image(self, seed: int) -> Visual:
        known = inspect.signature(self.find("VideoLlavaModel").get_image_features).parameters
        name = "pixel_values" if "pixel_values" in known else "pixel_values_images"
        return Visual([IMAGE] * 9, {name: self.pixels(seed, 1, 3, 24, 24)})


class PerceptionLM(LlavaOneVision):
    """The real one's encoder is timm's; this has CLIP's in its place, which the family does not look at."""

    model_type = "perception_lm"
    classes = ("PerceptionLMConfig", "PerceptionLMForConditionalGeneration")
    newlines = 0

    def config(self) -> dict[str, Any]:
        vision = self.find("CLIPVisionConfig")(
            hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=64, patch_size=8,
            projection_dim=16, model_args={"embed_dim": 32})
        return dict(
            vision_config=vision, text_config=TEXT | dict(model_type="llama"), image_token_id=IMAGE, video_token_id=VIDEO,
            vision_use_cls_token=True, projector_pooling_ratio=2)

    def video(self, seed: int, frames: int | None = None) -> Visual:
        frames = frames or self.frames
        return Visual(
            [VIDEO] * (frames * self.tokens), {"pixel_values_videos": self.pixels(seed, frames, 3, 64, 64)[None]})

    def image(self, seed: int) -> Visual:
        return Visual([IMAGE] * 16, {"pixel_values": self.pixels(seed, 1, 3, 64, 64)[None]})


# ------------------------------------------------------------------------------------------------- frames as images


class InternVL(Tiny):
    """8 x 8 patches and [CLS], two by two a token."""

    model_type = "internvl"
    classes = ("InternVLConfig", "InternVLForConditionalGeneration")
    images = False
    kinds_name = ""

    def config(self) -> dict[str, Any]:
        vision = dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=(32, 32),
            patch_size=(4, 4))
        return dict(vision_config=vision, text_config=TEXT | dict(model_type="qwen2"), image_token_id=IMAGE)

    def options(self, *frames: int) -> dict[str, Any]:
        return {"frames": list(frames) or [self.frames]}

    def video(self, seed: int, frames: int | None = None) -> Visual:
        frames = frames or self.frames
        ids = [id for frame in range(frames) for id in (30 + frame, START, *[IMAGE] * self.tokens, END)]
        return Visual(ids, {"pixel_values": self.pixels(seed, frames, 3, 32, 32)})


class SmolVLM(InternVL):
    model_type = "smolvlm"
    classes = ("SmolVLMConfig", "SmolVLMForConditionalGeneration")

    def config(self) -> dict[str, Any]:
        vision = dict(
            hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=32, patch_size=4)
        return dict(
            vision_config=vision, text_config=TEXT | dict(model_type="llama"), image_token_id=IMAGE, scale_factor=2,
            pad_token_id=0)

    def video(self, seed: int, frames: int | None = None) -> Visual:
        visual = super().video(seed, frames)
        pixels = visual.inputs["pixel_values"][None]
        mask = torch.ones(*pixels.shape[:2], 32, 32, dtype=torch.bool)
        return Visual(visual.ids, {"pixel_values": pixels, "pixel_attention_mask": mask})


_ALL: list[Tiny] = [
    LlavaOneVision(), Qwen2VL(), Qwen25VL(), Qwen3VL(), Qwen3VLMoe(), Qwen35(), Qwen35Moe(), Qwen25Omni(), Qwen3Omni(),
    Cosmos3Omni(), CohereCompass(), VideoLlama3(), Glm4v(), Glm4vMoe(), Glm46V(), Exaone45(), HyperClovaXVision2(),
    Ernie45VL(), Gemma4(), LlavaNextVideo(), VideoLlava(), PerceptionLM(), InternVL(), SmolVLM(), LlavaVideo("frame"),
    LlavaVideo("row"), LlavaVideo("video"),
]
TINY = {tiny.name: tiny for tiny in _ALL}
