from __future__ import annotations

from .._family import Family
from .qwen2_5_vl import Qwen25VL


class Qwen25OmniThinker(Qwen25VL):
    name = "Qwen2.5-Omni, the thinker"
    model_types = ("qwen2_5_omni_thinker",)
    remark = "pass `model.thinker`"


class Qwen3OmniThinker(Family):
    name = "Qwen3-Omni, the thinker"
    model_types = ("qwen3_omni_moe_thinker",)
    remark = "pass `model.thinker`"
