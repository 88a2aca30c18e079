"""A Hugging Face hub double: real HTTP servers on loopback for the unpatched huggingface_hub 2.4.

It answers what the client asks of a dataset: info, tree, paths-info, refs, and HEAD, GET and Range
of files. Large files are, as on the real hub, answered with a redirect to a second server (another
origin, signed addresses), to which no token may be sent, and offered by Xet as well, whose servers
are not here: a client that takes the offer fails.

    with HubDouble() as hub:
        sha = hub.repo("allenai/some-data").commit({"data/train.parquet": b"..."})
        hub.fail(r"cdn GET", status=503, times=1)
        ...  # a client with HF_ENDPOINT=hub.url, imported after it was set
        hub.requests
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# In the addresses of large files; whoever has it may read the file for a while.
SIGNATURE = "Signature=not-for-logs"


@dataclass(frozen=True)
class Blob:
    """A file's content. ``served`` is what a download really gives, if something else.

    The hub keeps small files in git itself, unless .gitattributes names them, as it does *.parquet.
    """

    content: bytes
    lfs: bool = True
    served: bytes | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def git_sha1(self) -> str:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
        pointer += f"size {len(self.content)}\n"
        stored = pointer.encode() if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()

    @property
    def xet_hash(self) -> str:
        return hashlib.sha256(b"xet" + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_sha1


@dataclass
class Repo:
    """A dataset: commits, branches, and who may read it."""

    repo_id: str
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(
        self,
        files: Mapping[str, bytes | Blob],
        *,
        sha: str | None = None,
        branch: str = "main",
    ) -> str:
        """Make this the content of the branch; the full commit hash."""
        blobs = {
            path: content if isinstance(content, Blob) else Blob(content)
            for path, content in files.items()
        }
        text = f"{self.repo_id} {len(self.commits)} {sorted(blobs)}"
        sha = sha or hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = blobs
        self.branches[branch] = sha
        return sha

    def sha_of(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Request:
    """One request as it came, and the status that it was answered with."""

    host: str  # hub | cdn
    method: str
    path: str  # with the query
    headers: dict[str, str]
    status: int = 0

    def __str__(self) -> str:
        return f"{self.host} {self.method} {self.path}"


@dataclass
class Fault:
    """What happens, so many times, to requests that match: `hub GET /api/...`, `cdn GET /...`."""

    match: str
    times: int | None = 1  # None: always
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0  # seconds before the answer
    cut: int | None = None  # bytes of the body, then the connection is closed
    reset: int | None = None  # bytes of the body, then the connection is reset
    stall: tuple[int, float] | None = None  # bytes of the body, then nothing for so many seconds


class HubDouble:
    """The servers; a context manager."""

    def __init__(
        self,
        *,
        redirects: bool = True,
        xet: bool = True,
        tokens: frozenset[str] = frozenset(),
    ) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.redirects = redirects
        self.xet = xet
        self.tokens = tokens  # those that are valid
        self.chunk_delay = 0.0  # seconds before each piece of a body, to be killed in between
        self._lock = threading.Lock()
        self._servers = {name: _Server(name, self) for name in ("hub", "cdn")}

    def __enter__(self) -> HubDouble:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return self._url("hub")

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._servers[name].server_port}"

    def repo(self, repo_id: str) -> Repo:
        return self.repos.setdefault(repo_id, Repo(repo_id))

    def fail(self, match: str, **what: Any) -> Fault:
        fault = Fault(match, **what)
        self.faults.append(fault)
        return fault

    def asked(self, match: str) -> list[Request]:
        return [request for request in self.requests if re.search(match, str(request))]

    def record(self, request: Request) -> Fault | None:
        """Note a request; the fault that it meets."""
        with self._lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.times != 0 and re.search(fault.match, str(request)):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def blob(self, sha256: str) -> Blob | None:
        for repo in self.repos.values():
            for files in repo.commits.values():
                for blob in files.values():
                    if blob.lfs and blob.sha256 == sha256:
                        return blob
        return None

    def location(self, blob: Blob) -> str:
        return f"{self._url('cdn')}/repos/{blob.sha256}?{SIGNATURE}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str, double: HubDouble) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.double = double

    def handle_error(self, *_: Any) -> None:
        """Clients that are killed close their connections; nobody needs to read of it."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def _answer(self) -> None:
        double = self.server.double
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_record = Request(self.server.name, self.command, self.path, headers)
        self.fault = double.record(self.request_record) or Fault("", times=0)
        time.sleep(self.fault.delay)
        if self.fault.status is not None:
            self._send(self.fault.status, self.fault.body, self.fault.headers)
            return
        split = urlsplit(self.path)
        path = unquote(split.path)
        if self.server.name == "cdn":
            blob = double.blob(path.rpartition("/")[2])
            if blob is None or SIGNATURE not in split.query:
                self._error(403, "")
            else:
                self._send_content(blob.content if blob.served is None else blob.served, {})
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/([^/]+)(/.*)?)?", path):
            # Not of the unquoted path: a branch may hold a slash.
            revision = unquote((split.path.split("/") + [""] * 7)[6])
            self._api(found[1], found[2] or "revision", revision, split.query)
        elif found := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3])
        else:
            self._error(404, "")

    # -- routes ------------------------------------------------------------------------------------

    def _readable(self, repo_id: str) -> Repo | None:
        """The repository, if it may be read; otherwise the request is answered."""
        authorisation = self.headers.get("Authorization")
        is_known = (authorisation or "").removeprefix("Bearer ") in self.server.double.tokens
        repo = self.server.double.repos.get(repo_id)
        if authorisation and not is_known:
            # The real hub does not repeat the token; a proxy in between may.
            message = "Invalid credentials in Authorization header"
            self._error(401, "", {"X-Error-Message": message}, f"{message}: {authorisation}")
            return None
        if repo is None or (repo.private and not is_known):
            # Who is not logged in is not told which of the two it is.
            self._error(404 if is_known else 401, "RepoNotFound")
            return None
        return repo

    def _api(self, repo_id: str, what: str, revision: str, query: str) -> None:
        repo = self._readable(repo_id)
        if repo is None:
            return
        if what == "xet-read-token":
            access = {
                "X-Xet-Cas-Url": self.server.double.url,
                "X-Xet-Access-Token": "not-for-logs",
                "X-Xet-Token-Expiration": str(int(time.time()) + 3600),
            }
            self._send(200, b"{}", access)
            return
        if what == "refs":
            branches = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha}
                for name, sha in repo.branches.items()
            ]
            self._send_json({"branches": branches, "converts": [], "tags": []})
            return
        sha = repo.sha_of(revision or "main")
        if sha is None:
            self._error(404, "RevisionNotFound")
            return
        files = repo.commits[sha]
        if what == "tree":
            self._send_json([_entry(path, blob) for path, blob in sorted(files.items())])
        elif what == "paths-info":
            try:
                paths = json.loads(self.body)["paths"]
            except ValueError:
                paths = parse_qs(self.body.decode())["paths"]
            self._send_json([_entry(path, files[path]) for path in paths if path in files])
        elif what == "revision":
            siblings: list[dict[str, Any]] = [{"rfilename": path} for path in sorted(files)]
            self._send_json(
                {
                    "_id": "0" * 24, "id": repo_id, "sha": sha, "private": repo.private,
                    "gated": "auto" if repo.gated else False, "downloads": 0, "likes": 0,
                    "tags": [], "siblings": siblings, "lastModified": "2025-04-15T00:00:00.000Z",
                }
            )  # fmt: skip
        else:
            self._error(404, "")

    def _resolve(self, repo_id: str, revision: str, path: str) -> None:
        repo = self._readable(repo_id)
        if repo is None:
            return
        if repo.gated:
            self._error(403, "GatedRepo")
            return
        sha = repo.sha_of(revision)
        blob = repo.commits[sha].get(path) if sha else None
        if sha is None or blob is None:
            self._error(404, "EntryNotFound" if sha else "RevisionNotFound")
            return
        headers = {"X-Repo-Commit": sha, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
        if blob.lfs and self.server.double.redirects:
            headers |= {
                "X-Linked-Etag": f'"{blob.etag}"',
                "X-Linked-Size": str(len(blob.content)),
                "Location": self.server.double.location(blob),
            }
            if self.server.double.xet:
                token = f"{self.server.double.url}/api/datasets/{repo_id}/xet-read-token/{sha}"
                headers |= {"X-Xet-Hash": blob.xet_hash, "Link": f'<{token}>; rel="xet-auth"'}
            self._send(302, b"", headers)
        else:
            self._send_content(blob.content if blob.served is None else blob.served, headers)

    # -- answers -----------------------------------------------------------------------------------

    def _error(
        self, status: int, code: str, headers: Mapping[str, str] | None = None, text: str = ""
    ) -> None:
        body = json.dumps({"error": text or f"error {status}"}).encode()
        self._send(status, body, {"X-Error-Code": code} | dict(headers or {}))

    def _send_json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send_content(self, content: bytes, headers: Mapping[str, str]) -> None:
        status, headers = 200, dict(headers)
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(found[1]), int(found[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            status, content = 206, content[start : end + 1]
        self._send(status, content, headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.request_record.status = status
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        fault = self.fault
        if fault.stall:
            self.wfile.write(body[: fault.stall[0]])
            self.wfile.flush()
            time.sleep(fault.stall[1])
            body = body[fault.stall[0] :]
        stop = fault.cut if fault.cut is not None else fault.reset
        for piece in _pieces(body[:stop]):
            time.sleep(self.server.double.chunk_delay)
            self.wfile.write(piece)
        if stop is not None:
            self.close_connection = True
        if fault.reset is not None:
            # What has been sent must have arrived: a reset discards what is on its way. Closed
            # by the server itself the connection would end in order.
            time.sleep(0.05)
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())


def _pieces(body: bytes, count: int = 4) -> list[bytes]:
    size = max(1, -(-len(body) // count))
    return [body[start : start + size] for start in range(0, len(body), size)]


def _entry(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "file", "oid": blob.git_sha1, "size": len(blob.content), "path": path,
    }  # fmt: skip
    if blob.lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
        entry["xetHash"] = blob.xet_hash
    return entry
