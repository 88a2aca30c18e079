"""Which warehouse is meant where nobody says: what has landed decides."""

from __future__ import annotations

from extract.landing.zone import LandingZone
from extract.warehouse import ROOT, Warehouse, demo, real


def real_zone() -> LandingZone:
    return LandingZone(ROOT / real().raw)


def current() -> Warehouse:
    """The real warehouse where rows have landed, else the demo."""
    return real() if real_zone().has_rows() else demo()
