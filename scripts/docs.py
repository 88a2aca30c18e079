"""`make docs`: the dbt docs site of the current warehouse, as one file that needs no server."""

from __future__ import annotations

import subprocess
import sys

from extract.landing.current import current
from extract.warehouse import ROOT


def main() -> int:
    target = current()
    if not (ROOT / target.database).exists():
        built = subprocess.run(
            [sys.executable, ROOT / "scripts" / "build.py"], cwd=ROOT, check=False
        )
        if built.returncode:
            return built.returncode
    code = target.run_dbt("--quiet", "docs", "generate", "--static")
    if not code:
        print(f"Open {ROOT / 'target' / 'static_index.html'} in a browser.")
    return code


if __name__ == "__main__":
    sys.exit(main())
