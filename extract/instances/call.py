"""One call of `instances`: recipe after recipe, from the Hugging Face hub or from files on disk.

Each recipe has its own lock, batches and downloads: two calls with two recipes, also on two
machines that share the zone, have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from extract.errors import InputError
from extract.huggingface import hub
from extract.huggingface.hub import HubFile
from extract.instances.found import find_archives
from extract.instances.landed import SOURCE
from extract.instances.recipe import REPO_ID, REVISION, Recipe, Summary
from extract.instances.request import Request
from extract.landing.zone import LandingZone


def land(
    zone: LandingZone,
    request: Request,
    *,
    keep_tarballs: bool = False,
    tell: Callable[[str], None] = lambda _message: None,
    report: Callable[[str, int], None] = lambda _name, _questions: None,
) -> Summary:
    """Land recipes from the hub; ``tell`` is told what is about to be downloaded."""
    return _Call(zone, request, report).from_hub(keep_tarballs, tell)


def land_source(
    zone: LandingZone,
    folders: Sequence[Path],
    request: Request,
    *,
    report: Callable[[str, int], None] = lambda _name, _questions: None,
) -> Summary:
    """Land recipes from files on disk, wherever below the folders they are."""
    return _Call(zone, request, report).from_disk(folders)


class _Call:
    """One call of the command."""

    def __init__(
        self, zone: LandingZone, request: Request, report: Callable[[str, int], None]
    ) -> None:
        self._zone = zone
        self._request = request
        self._report = report
        self._summary = Summary()

    def from_hub(self, keep_tarballs: bool, tell: Callable[[str], None]) -> Summary:
        listing: dict[str, HubFile] | InputError | None = None
        for tar_name in self._request.recipes:
            with self._zone.locked(SOURCE, tar_name):
                recipe = Recipe(self._zone, self._request, tar_name, self._summary, self._report)
                if recipe.is_finished():
                    recipe.tidy(keep_tarballs or recipe.is_kept)
                    continue
                if listing is None:
                    listing = _listing()
                if isinstance(listing, InputError):
                    recipe.refuse_archive(REPO_ID, listing)
                    continue
                recipe.land_hub(listing, keep_tarballs, tell)
        return self._summary

    def from_disk(self, folders: Sequence[Path]) -> Summary:
        found = find_archives(folders, self._request.recipes, self._zone.root.resolve())
        for tar_name in self._request.recipes:
            with self._zone.locked(SOURCE, tar_name):
                recipe = Recipe(self._zone, self._request, tar_name, self._summary, self._report)
                recipe.land_disk(found[tar_name])
        return self._summary


def _listing() -> dict[str, HubFile] | InputError:
    """The files of the pinned commit, by their path in lower case."""
    try:
        return {file.path.lower(): file for file in hub.list_files(REPO_ID, REVISION)}
    except InputError as problem:
        return problem
