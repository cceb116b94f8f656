"""Which families work, as a table for people."""

from __future__ import annotations

from ._family import Family
from .families import REFUSED, families


def table() -> str:
    """Markdown: the families that work, and below those that do not, and why."""
    lines = [
        "| model | `model_type` | scores from | count bias | pruning | what to know |",
        "|---|---|---|---|---|---|",
    ]
    shown: dict[type[Family], Family] = {type(family): family for family in families().values()}
    for family in sorted(shown.values(), key=lambda family: family.name.lower()):
        remarks = [family.remark]
        if family.beams:
            remarks.append(f"no beams with a video: {family.beams}")
        cells = [
            family.name,
            ", ".join(f"`{name}`" for name in family.model_types),
            "its attention" if family.unobserved is None else f"the stand-in: {family.unobserved}",
            "yes" if family.bias is None else f"no: {family.bias}",
            "yes" if family.pruning is None else f"no: {family.pruning}",
            "; ".join(filter(None, remarks)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| `model_type` | why not |", "|---|---|"]
    lines += [f"| `{model_type}` | {reason} |" for model_type, reason in REFUSED.items()]
    return "\n".join(lines) + "\n"
