from __future__ import annotations

from .._family import Family


class Cosmos3Omni(Family):
    name = "Cosmos3-Omni"
    model_types = ("cosmos3_omni",)
