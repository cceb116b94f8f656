"""Families that do not work, and why."""

#: By `config.model_type`.
REFUSED: dict[str, str] = {}
