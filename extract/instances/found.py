"""Which archives of a recipe there are in the folders of ``--source``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from extract.instances.streams import TARBALL


def find_archives(
    folders: Sequence[Path], tar_names: Sequence[str], raw_dir: Path
) -> dict[str, list[Path]]:
    """The tarballs of recipes below the folders, and unpacked trees of them."""
    by_name = {name.lower(): name for name in tar_names}
    # By what they really are: folders may be named twice, or one below the other.
    tarballs: dict[str, dict[str, Path]] = {name: {} for name in tar_names}
    trees: dict[str, dict[str, Path]] = {name: {} for name in tar_names}

    def look(path: Path, is_folder: bool) -> bool:
        name = path.name.lower()
        if is_folder and name in by_name and any(path.glob("[!.]*/[Ss][Ee][Ee][Dd]-*")):
            trees[by_name[name]].setdefault(os.path.realpath(path), path)
            return True
        if not is_folder and name.endswith(TARBALL) and name[: -len(TARBALL)] in by_name:
            tarballs[by_name[name[: -len(TARBALL)]]].setdefault(os.path.realpath(path), path)
        return False

    for folder in folders:
        # The name of `.` is not in its path.
        top = folder.resolve() if folder.is_dir() else folder
        if look(top, top.is_dir()):
            continue
        for above, below, files in os.walk(top):
            below[:] = [
                name for name in sorted(below)
                if not name.startswith(".") and Path(above, name).resolve() != raw_dir
                and not look(Path(above, name), True)
            ]  # fmt: skip
            for name in sorted(files):
                look(Path(above, name), False)
    return {name: [*tarballs[name].values(), *trees[name].values()] for name in tar_names}
