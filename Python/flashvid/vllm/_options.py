"""What a server can ask of FlashVID beside the rate: `--hf-overrides '{"flashvid": {…}, …}'`. Nothing of vLLM's."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

#: The entry of the model's configuration.
ENTRY = "flashvid"


@dataclass(frozen=True)
class Options:
    """Attributes:
        attention: Whether the encoder's attention has a say in which tokens stay; without, features alone decide, and the
            time that the attention takes is saved.
    """

    attention: bool = True

    @classmethod
    def of(cls, config: Any) -> Options:
        """Those that a model's configuration names.

        Raises:
            ValueError: Another name, or another kind of value.
        """
        asked = getattr(config, ENTRY, None)
        if asked is None:
            return cls()
        known = [field.name for field in fields(cls)]
        if not isinstance(asked, dict):
            raise ValueError(f"{ENTRY} is {asked!r}; expected an object with any of {known}")
        for name, value in asked.items():
            if name not in known:
                raise ValueError(f"{ENTRY} has no option {name!r}; expected any of {known}")
            if not isinstance(value, bool):
                raise ValueError(f"{ENTRY}.{name} is {value!r}; expected true or false")
        return cls(**asked)
