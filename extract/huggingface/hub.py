"""The Hugging Face hub: which files a dataset has at a commit, and their bytes, one by one.

The only module that talks to huggingface_hub. What is known of it (2.4.0) and shapes the code:

* Below a `local_dir`, a file that is whole and of a full commit costs no request.
* A download that is cut goes on with a Range request. It does not after a reset connection or a
  5xx in place of the body; such a file is asked for again here.
* What a killed process had of a file is neither used again nor removed (huggingface_hub issue
  4196). So a file is what `fetch` goes on from, and the parts are removed here. For tarballs of
  5 GB that is too little: `fetch_in_parts` keeps the part itself, and asks for the rest.
* It compares the size of what it downloads, not the hash. The hash is compared here.
* Its listing of a repository waits for an answer without end, so that request is made here, with
  the client's own functions for retries and pages.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from extract import __version__
from extract.errors import InputError, UsageError
from extract.landing.encoding import file_sha256
from extract.landing.layout import DOWNLOADS

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
# What a hub is given to begin its answer. It answers within a second or two.
REQUEST_TIMEOUT_S = 30
# A file whose body fails is asked for so many times. The client itself asks six times for
# everything else.
ATTEMPTS = 3
RETRY_WAIT_S = 1.0
PART = ".part"
WORTH_ANOTHER_TRY = frozenset({408, 429, 500, 502, 503, 504})
# The file system takes no more of a file: full, over quota, or above the process's own limit.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# Set before the client is imported, which reads them once; what the user has set stays.
_SETTINGS = {
    # Otherwise it lists the user's tools in its requests, and asks the hub once a day for the
    # list of tools that it should look for.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Xet fetches from hosts of its own, which a proxy or firewall often does not know, and keeps
    # no more of a cut download than HTTP does. Plain HTTP is what the tests cover. To have it
    # nevertheless (it uses several connections a file): HF_HUB_DISABLE_XET=0.
    "HF_HUB_DISABLE_XET": "1",
}
_LIBRARY = {"library_name": "datadecide-warehouse", "library_version": __version__}


@dataclass(frozen=True)
class HubFile:
    """One file of a dataset at a commit. Large files have a sha256, small ones may have none."""

    repo_id: str
    revision: str
    path: str
    size: int
    sha256: str | None
    git_sha1: str | None = None

    @property
    def name(self) -> str:
        return f"{self.repo_id}/{self.path}"


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) forbids requests."""
    return bool(_client().constants.is_offline_mode())


def resolve(repo_id: str, revision: str) -> str:
    """The full commit that a branch, tag or short hash means now; a full one costs no request."""
    if COMMIT.fullmatch(revision):
        return revision
    with _problems_named(repo_id, repo_id, revision):
        url = f"{_api(repo_id)}/revision/{quote(revision, safe='')}"
        response = _utils().http_backoff("GET", url, headers=_headers(), timeout=REQUEST_TIMEOUT_S)
        _utils().hf_raise_for_status(response)
        commit = response.json()["sha"]
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise ValueError
        return commit


def list_files(repo_id: str, revision: str) -> Iterator[HubFile]:
    """All files of a dataset at a commit, with the hashes that the hub has of them."""
    with _problems_named(repo_id, repo_id, revision):
        for entry in _utils().paginate(
            f"{_api(repo_id)}/tree/{revision}",
            params={"recursive": True, "expand": False},
            headers=_headers(),
            timeout=REQUEST_TIMEOUT_S,
        ):
            if entry["type"] == "file":
                large = entry.get("lfs") or {}
                yield HubFile(
                    repo_id, revision, entry["path"], large.get("size", entry["size"]),
                    large.get("oid"), None if large else entry["oid"],
                )  # fmt: skip


def bytes_to_fetch(file: HubFile, folder: Path) -> int:
    """How much a download of the file would transfer: nothing where the client has it."""
    with _problems_named(file.name, file.repo_id, file.revision):
        plan = _client().hf_hub_download(**_request(file, folder), dry_run=True)
    if not plan.will_download:
        return 0
    return file.size if plan.file_size is None else int(plan.file_size)


def fetch(files: Iterable[HubFile], folder: Path) -> Iterator[tuple[HubFile, Path | InputError]]:
    """Each file with where it is now, below ``folder``, or with why it is not.

    The folder is of one dataset at one commit, and survives the process: what is whole in it is
    not fetched again. Nobody else may write to it meanwhile.
    """
    # Left by a killed process; the client would never use or remove it.
    for part in folder.glob(".cache/huggingface/download/**/*.incomplete"):
        part.unlink()
    for file in files:
        try:
            with _problems_named(file.name, file.repo_id, file.revision):
                path = Path(_download(file, folder))
            _verify(file, path)
        except InputError as problem:
            yield file, problem
        else:
            yield file, path


def bytes_missing(file: HubFile, folder: Path) -> int:
    """How much ``fetch_in_parts`` would transfer."""
    path, part = _places(file, folder)
    if path.exists():
        return 0
    return file.size - min(_size(part), file.size)


def fetch_in_parts(file: HubFile, folder: Path) -> Path:
    """One large file, from where an earlier call has come to; where it is below ``folder`` then.

    Raises ``InputError``; what has arrived stays for the next call. Nobody else may write to the
    folder meanwhile.
    """
    path, part = _places(file, folder)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with _problems_named(file.name, file.repo_id, file.revision):
            _append_missing(file, part)
        _verify(file, part)
        part.rename(path)
    return path


def _places(file: HubFile, folder: Path) -> tuple[Path, Path]:
    """Where a file is when it is whole and verified, and until then."""
    return folder / file.path.rpartition("/")[2], folder / f"{file.sha256}{PART}"


def _append_missing(file: HubFile, part: Path) -> None:
    client = _client()
    url = client.hf_hub_url(
        file.repo_id, file.path, repo_type="dataset", revision=file.revision
    )  # fmt: skip
    if _size(part) > file.size:
        part.unlink()
    attempt = 0
    while True:
        had = _size(part)
        try:
            with open(part, "ab") as stream:
                client.file_download.http_get(
                    url, stream, resume_size=had, headers=_headers(), expected_size=file.size,
                    tqdm_class=_bar_of(file),
                )  # fmt: skip
            return
        except (OSError, _utils().httpx.TransportError) as problem:
            attempt = 1 if _size(part) > had else attempt + 1
            if attempt == ATTEMPTS or not _is_worth_another_try(problem):
                raise
        time.sleep(RETRY_WAIT_S * attempt)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def forget(folder: Path) -> None:
    """Remove a download folder, and the folders above it that are empty then."""
    shutil.rmtree(folder, ignore_errors=True)
    for above in folder.parents:
        try:
            above.rmdir()
        except OSError:
            return
        if above.name == DOWNLOADS:
            return


def cached_snapshot(repo_id: str, revision: str) -> Path | None:
    """What the client's own cache has of a dataset, without a request; None if it has nothing."""
    client = _client()
    try:
        return Path(
            client.snapshot_download(
                repo_id, repo_type="dataset", revision=revision, allow_patterns="*.parquet",
                local_files_only=True,
            )
        )  # fmt: skip
    except client.errors.LocalEntryNotFoundError:
        return None


def origin_of(path: Path) -> HubFile | None:
    """What the client has noted of a file on disk: in its cache, or beside a `local_dir`."""
    size = path.stat().st_size
    # <cache>/datasets--<owner>--<name>/snapshots/<commit>/<path> -> blobs/<sha256>
    for folder in path.parents:
        owner, _, name = folder.parent.parent.name.removeprefix("datasets--").partition("--")
        if COMMIT.fullmatch(folder.name) and folder.parent.name == "snapshots" and name:
            blob = path.resolve().name
            relative = path.relative_to(folder).as_posix()
            sha256 = blob if SHA256.fullmatch(blob) else None
            return HubFile(f"{owner}/{name}", folder.name, relative, size, sha256)
    # <folder>/.cache/huggingface/download/<path>.metadata: commit, hash, time
    for folder in path.parents:
        relative = path.relative_to(folder).as_posix()
        note = folder / ".cache/huggingface/download" / f"{relative}.metadata"
        if note.is_file():
            commit, sha256, *_ = [*note.read_text(encoding="utf-8").splitlines(), "", ""]
            if COMMIT.fullmatch(commit) and SHA256.fullmatch(sha256):
                return HubFile("", commit, relative, size, sha256)
    return None


def disk_full(name: str, why: str) -> InputError:
    """The refusal of a file that does not fit."""
    return InputError(
        "disk_full",
        f"{name}: does not fit on the disk of the landing zone ({why}): make room, or choose "
        "another --raw-dir, and call again; the files that had arrived are kept",
    )


def is_disk_full(problem: OSError) -> bool:
    return problem.errno in _FULL


def _request(file: HubFile, folder: Path) -> dict[str, Any]:
    return {
        "repo_id": file.repo_id, "filename": file.path, "repo_type": "dataset",
        "revision": file.revision, "local_dir": folder, **_LIBRARY,
    }  # fmt: skip


def _download(file: HubFile, folder: Path) -> str:
    bar = _bar_of(file)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return str(_client().hf_hub_download(**_request(file, folder), tqdm_class=bar))
        except (OSError, _utils().httpx.TransportError) as problem:
            if attempt == ATTEMPTS or not _is_worth_another_try(problem):
                raise
        time.sleep(RETRY_WAIT_S * attempt)
    raise AssertionError("unreachable")


def _bar_of(file: HubFile) -> type:
    """The client's progress bar, shown on terminals only, with the name of the file.

    It would show the end of the address that the bytes come from, which is a signature.
    """

    class Bar(_utils().tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **(options | {"desc": file.path}))

    return Bar


def _is_worth_another_try(problem: Exception) -> bool:
    """Whether the body of a file failed in a way that passes."""
    errors = _client().errors
    if isinstance(problem, errors.LocalEntryNotFoundError):
        return False  # the client has asked for the file's metadata six times
    if isinstance(problem, errors.HfHubHTTPError):
        return problem.response.status_code in WORTH_ANOTHER_TRY
    return isinstance(problem, _utils().httpx.TransportError) or _is_wrong_size(problem)


def _is_wrong_size(problem: Exception) -> bool:
    return type(problem) is OSError and "Consistency check failed" in str(problem)


def _verify(file: HubFile, path: Path) -> None:
    """Refuse, and remove, a download that is not what the hub has listed."""
    if file.sha256:
        is_right = file_sha256(path) == file.sha256
    else:  # small enough to be kept in git itself, so for the memory too
        content = path.read_bytes()
        git_sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        is_right = git_sha1 == file.git_sha1
    if not is_right:
        path.unlink()
        raise checksum_mismatch(file.name, f"the hub's at {file.revision[:8]}")


def checksum_mismatch(name: str, expected: str) -> InputError:
    return InputError(
        "checksum_mismatch",
        f"{name}: has another checksum than {expected}: it was damaged or changed on its way; "
        "fetch it, or call, again",
    )


@contextmanager
def _problems_named(name: str, repo_id: str, revision: str) -> Iterator[None]:
    """Turn what the client raises into a refusal that says what to do.

    Nothing of the client's own text is passed on: it may hold signed addresses, and the token
    where that is no valid header.
    """
    httpx = _utils().httpx
    try:
        yield
    except InputError:
        raise
    except (OSError, httpx.HTTPError, httpx.InvalidURL, RuntimeError) as problem:
        raise _refusal(problem, name, repo_id, revision) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(
            "hub_unreachable", f"{name}: {_host()} does not answer as a hub does; check HF_ENDPOINT"
        ) from None


def _refusal(problem: Exception, name: str, repo_id: str, revision: str) -> InputError:
    errors = _client().errors
    if isinstance(problem, errors.LocalEntryNotFoundError) and problem.__cause__ is not None:
        problem = problem.__cause__  # type: ignore[assignment]
    page = f"{_endpoint()}/datasets/{repo_id}"
    status = problem.response.status_code if isinstance(problem, errors.HfHubHTTPError) else None
    answer = "" if status is None else f" (HTTP {status})"
    other = "; or land files that you have with --source DIR"
    if isinstance(problem, errors.OfflineModeIsEnabled):
        return InputError(
            "offline",
            f"{name}: has not landed, and HF_HUB_OFFLINE forbids requests: unset it{other}",
        )
    if isinstance(problem, errors.GatedRepoError):
        return InputError(
            "source_unavailable",
            f"{name}: source unavailable, it is gated{answer}: accept its terms at {page}, and "
            f"set HF_TOKEN to a token of that account{other}",
        )
    if isinstance(problem, errors.RevisionNotFoundError):
        return InputError(
            "no_such_revision",
            f"{name}: has no revision {revision}{answer}: choose one of {page}/commits/main, or "
            "leave --revision out",
        )
    if isinstance(problem, errors.EntryNotFoundError) and status is not None:
        return InputError(
            "no_such_file",
            f"{name}: is not there at {revision[:8]}{answer}, although it is listed: call again, "
            "or with another --revision",
        )
    if isinstance(problem, errors.RepositoryNotFoundError) or status in (401, 403, 404):
        return InputError(
            "source_unavailable",
            f"{name}: source unavailable{answer}: no such dataset at {_host()}, or a private "
            "one: check HF_ENDPOINT, and set HF_TOKEN to a valid token of an account that may "
            f"read {page}{other}",
        )
    if status is not None:
        return InputError(
            "hub_unreachable",
            f"{name}: {_host()} answers HTTP {status}, also when asked again: call again later",
        )
    if _is_wrong_size(problem):
        return InputError(
            "incomplete_download",
            f"{name}: arrived with another size than the hub says, {ATTEMPTS} times: call again",
        )
    if isinstance(problem, OSError) and not isinstance(problem, ConnectionError | TimeoutError):
        if is_disk_full(problem):
            return disk_full(name, problem.strerror)
        if problem.errno is not None:
            raise problem
    if isinstance(problem, RuntimeError):
        return InputError(
            "hub_unreachable",
            f"{name}: the Xet storage of {_host()} does not answer: leave HF_HUB_DISABLE_XET unset "
            "to have the file over plain HTTP, and call again",
        )
    return InputError(
        "hub_unreachable",
        f"{name}: {_host()} cannot be reached ({type(problem).__name__}): check the network, "
        f"HF_ENDPOINT and the proxy, and call again{other}",
    )


@cache
def _client() -> Any:
    """The client, imported when first needed: it takes longer than all of the other commands."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import huggingface_hub
    import huggingface_hub.constants
    import huggingface_hub.errors
    import huggingface_hub.file_download
    import huggingface_hub.utils.logging  # makes the handler

    for handler in logging.getLogger("huggingface_hub").handlers:
        handler.setFormatter(_Formatter())
    return huggingface_hub


def _utils() -> Any:
    return _client().utils


class _Formatter(logging.Formatter):
    """The client's warnings without secrets: signatures and passwords in addresses, the token."""

    def format(self, record: logging.LogRecord) -> str:
        text = re.sub(r"(https?://[^\s?]+)\?[^\s]*", r"\1", super().format(record))
        text = re.sub(r"(https?://)[^\s/@]+@", r"\1", text)
        token = _utils().get_token()
        return text.replace(token, "***") if token else text


def _headers() -> dict[str, str]:
    token = _utils().get_token()
    if token and not re.fullmatch(r"[!-~]+", token):
        raise UsageError(
            "the token of the Hugging Face hub (HF_TOKEN, or the file that `hf auth login` wrote) "
            "holds characters that no token has; copy it again"
        )
    return dict(_utils().build_hf_headers(**_LIBRARY))


def _endpoint() -> str:
    """The address of the hub without a password that it may hold."""
    return re.sub(r"//[^/@]*@", "//", _client().constants.ENDPOINT)


def _host() -> str:
    return urlsplit(_endpoint()).netloc or _endpoint()


def _api(repo_id: str) -> str:
    return f"{_client().constants.ENDPOINT}/api/datasets/{repo_id}"
