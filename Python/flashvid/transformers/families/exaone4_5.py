from __future__ import annotations

from .qwen2_5_vl import Qwen25VL


class Exaone45(Qwen25VL):
    name = "EXAONE 4.5"
    model_types = ("exaone4_5",)
