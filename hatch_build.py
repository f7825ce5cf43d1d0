"""What a wheel holds beside what git knows: the npm packages of the offline page. An editable install takes none."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from vendor import FOLDER, ROOT, is_vendored, vendor


class VendorHook(BuildHookInterface):
    """Vendors before a wheel or an sdist is built, unless it was done already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the build; an editable install serves the page without them, which says how to make them."""
        if version == "editable":
            return
        if not is_vendored():
            vendor()
        build_data["artifacts"].append(f"/{FOLDER.relative_to(ROOT).as_posix()}/**")
