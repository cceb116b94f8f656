"""Where the tests find the tool and the clips."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "Tests" / "Fixtures" / "clips"
TOOL = Path(os.environ.get("FLASHVID_COMPRESS", ROOT / ".build" / "release" / "flashvid-compress"))
