from __future__ import annotations

from .._family import Family


class CohereCompass(Family):
    name = "Cohere-Compass"
    model_types = ("cohere_compass",)
