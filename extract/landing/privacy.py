"""Pseudonyms for personal data, made on landing.

People, hosts and file paths are replaced by a keyed hash (HMAC-SHA-256), so the same clear text
gives the same pseudonym everywhere and nobody without the key can test a guess. DuckDB has no
HMAC function, and clear text must not reach a file, so this happens before anything is written.

Paths are handled with an allow-list, because a per-user scratch directory need not look like a
home directory: only components that say which model, snapshot, step or run is meant stay readable.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from extract.errors import UsageError

KEY_VARIABLE = "DATADECIDE_PSEUDONYM_KEY"
# Shorter keys can be found by trying all of them.
KEY_MIN_LENGTH = 16
PREFIX = "anon-"
# 48 bits: a collision among ten thousand names has a chance of about 2 in 10 million.
DIGEST_CHARACTERS = 12

# A value below one of these keys is a person or a machine, whatever it looks like.
PERSONAL_KEYS = frozenset({"user", "username", "email", "host", "hostname", "job_user"})
# Run identity and links made of it; these are what the warehouse is keyed on.
IDENTITY_KEYS = frozenset({"run_id", "run_name", "entity", "project", "display_name", "name"})
# The resource counts and times of a Slurm job; its other values name people, groups and machines.
SLURM_READABLE_KEYS = frozenset(
    {
        "array_task_count", "array_task_id", "array_task_max", "array_task_min",
        "array_task_step", "cpus_on_node", "cpus_per_task", "gpus_on_node", "gpus_per_node",
        "job_cpus_per_node", "job_end_time", "job_num_nodes", "job_start_time", "mem_per_node",
        "nnodes", "nprocs", "ntasks", "ntasks_per_node", "tasks_per_node",
    }
)  # fmt: skip

_READABLE_COMPONENT = re.compile(
    r"""(?x)
    (?:models|datasets)--[\w.+-]+                   # a hub cache directory
    | DataDecide-[\w.+-]+ | snapshots | blobs
    | [0-9a-f]{40}                                  # a commit
    | (?:step[_-]?)?\d+(?:-(?:unsharded(?:-hf)?|seed-[\w-]+))? | main   # a checkpoint step
    | (?:eid_\d+-)?(?:seen_|global_)?(?:steps?|checkpoint|ckpt|iter|epoch)[_-]?\d+
    | stage\d+-step\d+(?:-tokens\d+[BTM])?
    | (?:hf_)?(?:checkpoint|ckpt)s? | olmes_evals?  # what holds a checkpoint, or its evaluation
    | (?:\d{6}-\d{6}|\d{4}_\d{2}_\d{2}-\d{2}_\d{2}_\d{2})_[\w.=+-]+     # a run of this project
    | \.{0,2}
    """
)
# How an absolute path begins, one below a home directory, or one that climbs out of its own.
_ROOT = r"(?:/|~[^/\s]*/|(?:\.\.?/)*\.\./|[A-Za-z]:[\\/]|file:/|\\\\[\w.$-]+\\)"
# A text that is a path and nothing else, quoted or assigned perhaps. It may hold spaces, but what
# looks like a further option makes it a command line.
_WHOLE_PATH = re.compile(
    r"(?P<before>(?:--?[\w.-]+=)?(?P<quote>['\"]?))"
    rf"(?P<path>{_ROOT}(?:(?! --?[A-Za-z])[^\n'\"])*)(?P<after>(?P=quote))"
)
_PATH_IN_TEXT = re.compile(
    r"""(?x)
    (?<=')(?:ROOT)[^'\n]*(?=') | (?<=")(?:ROOT)[^"\n]*(?=")     # quoted: up to the other quote
    | (?: (?<![\w./\\~-])(?<!artifact:)
          (?:file:/+|~[\w.-]*/|(?:\.\.?/)*\.\./|/|[A-Za-z]:\\|\\\\(?=[\w.$-]+\\))
        | (?:(?<=^-[A-Za-z])|(?<=\s-[A-Za-z]))/                 # -I/usr/include
      ) [^\s'"`,;|<>()\[\]{}]*
    """.replace("ROOT", _ROOT)
)
# Keys that are paths, and W&B's metrics of a disk: system.disk./data.usageGB.
_PATH_KEY = re.compile(
    rf"(?P<before>(?:system[./])?disk\.|)(?P<path>{_ROOT}.*?)(?P<after>\.usage\w+|\.in|\.out|)"
)
# `recall@0.5` is a metric: a domain ends in letters. Begun in the middle of a word, a long one
# without an @ would be scanned once for each of its letters.
_SSH_REMOTE_OR_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_][\w-]+(?::[^\s'\",;]*)?"
)


_PSEUDONYM = re.compile(rf"{PREFIX}[0-9a-f]{{{DIGEST_CHARACTERS}}}")
# Keys and flags whose value is a path, also a relative one: `scratch/asimov/out` names a person.
# Not a bare `path`: W&B's own references to media files are that.
_NAMES_A_PATH = re.compile(
    r"(?:.*_)?dir|.*_(?:path|file|folder)|root|executable|program|codePath|codePathLocal"
)
# W&B's own references: to a file in an artifact, and to a version of an artifact by its name. They
# say which data and which checkpoint, and no folder of anybody.
_ARTIFACT_REFERENCE = re.compile(r"wandb-(?:client-)?artifact://[^\s'\"]+")
_ARTIFACT_NAME = re.compile(r"(?:[\w.-]+/){0,2}[\w.-]+:(?:v\d+|latest|best)")
# A model or data set of the suite on the hub, which is public.
_HUB_ID = re.compile(r"allenai/[\w.+-]+")
_FLAG = re.compile(r"--?(?P<name>[A-Za-z][\w.-]*)(?P<assignment>=)?(?P<value>.*)", re.DOTALL)
_HOLDS_TEXT = (str, dict, list)
# Of what a scheduler says of an evaluation's job only identifiers, times and numbers stay: its
# other texts name people, groups and machines.
JOB_KEY = "beaker_info"
_READABLE_IN_JOB = re.compile(
    r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-fA-F-]{32,64}|[\dTZ.:+ -]*|true|false", re.I
)
_NAMES_SOMEBODY = re.compile(r"author|user|owner|e-?mail|login|host", re.IGNORECASE)
# Outside of a job the whole key has to say so: `user_prompt` is a text of the benchmark.
_IS_SOMEBODY = re.compile(
    r"(?:.*[_.-])?(?:author|owner|user|e-?mail|login|host)s?(?:_?(?:name|id))?", re.IGNORECASE
)
# Keys of an evaluation with a model or data set: of the hub, or in a folder.
_NAMES_A_MODEL = re.compile(
    r"(?:.*_)?(?:model|tokenizer|checkpoint|ckpt|adapter|peft|path)(?:_(?:name|id|name_or_path))?"
)
# A model or data set of anybody on the hub: an organisation and a name, and nothing that tells of
# folders. `asimov/out` cannot be told from one, unless the name is known.
_ANY_HUB_ID = re.compile(r"(?P<organisation>\w[\w.-]*)/(?P<name>\w[\w.+-]*)")
_STEP_OR_FILE = re.compile(
    r"(?:(?:step|checkpoint|ckpt|epoch|iter)[_-]?)?\d+(?:-\w+)*|"
    r".*\.(?:pyc?|jsonl?|ya?ml|csv|tsv|txt|parquet|sh|gz|zst|pt|bin|safetensors)",
    re.IGNORECASE,
)
# Folders that are called the same everywhere.
FOLDERS = frozenset(
    {
        "cache", "checkpoint", "checkpoints", "ckpt", "ckpts", "data", "datasets", "dumps", "eval",
        "eval_results", "evals", "evaluation", "evaluations", "exp", "experiments", "home", "in",
        "input", "local", "logs", "mnt", "model", "models", "net", "nfs", "olmes", "out", "output",
        "outputs", "posttrain", "project", "projects", "results", "root", "runs", "save", "saved",
        "scratch", "shared", "src", "storage", "tmp", "user", "users", "weka", "work", "workspace",
        "_eval_results",
    }
)  # fmt: skip
# Where a run is to be seen; a server of one's own may stand below a folder.
_ADDRESS = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/wandb)?/(?P<path>[^?#]+)")
_TAG = re.compile(r"(</[\w|:.-]*+(?!/)>?)")
_FLAG_IN_TEXT = re.compile(
    r"(?P<before>(?<!\S)--?(?P<name>[A-Za-z][\w.-]*)(?:=|[ \t]+(?!-))['\"]?)(?P<value>[^\s'\"]+)"
)
_HOME = re.compile(r"/(?:home|Users|users)/([\w.-]+)")
# Accounts that name nobody; as words they are in every chat template.
_NOBODY = frozenset({"user", "users", "root", "admin", "ubuntu", "data", "shared", "public",
                      "allenai", "ai2"})  # fmt: skip


class _Known(NamedTuple):
    """What is known of the run whose record is cleaned."""

    clear: list[str]  # personal values, to be replaced wherever they occur
    identity: set[str]  # texts that stay when they are the whole of a value
    run: set[str]  # its id and name, which also stay in paths


class Pseudonymiser:
    """Replaces personal data in W&B payloads; with ``key=None`` everything stays as it is."""

    def __init__(self, key: str | None) -> None:
        self._key = key.encode() if key is not None else None
        self.hash = lru_cache(maxsize=65536)(self._hash)
        self.name = lru_cache(maxsize=65536)(self._name)

    @classmethod
    def from_environment(cls, *, keep_personal: bool) -> Pseudonymiser:
        """The key comes from the environment; without one nothing may land in clear text."""
        if keep_personal:
            return cls(None)
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if len(key) < KEY_MIN_LENGTH:
            raise UsageError(
                f"{KEY_VARIABLE} is {'not set' if not key else 'too short'}. What lands holds "
                "e-mail addresses, user and host names; they are replaced by a keyed hash on "
                f"landing. Set it to a secret of at least {KEY_MIN_LENGTH} characters and keep it "
                "(the same key gives the same pseudonyms), for example with: "
                f"export {KEY_VARIABLE}=$(openssl rand -hex 32) - or pass --keep-personal to land "
                "the clear text."
            )
        return cls(key)

    @property
    def key_id(self) -> str | None:
        """A fingerprint that tells two keys apart and reveals neither."""
        if self._key is None:
            return None
        return hmac.digest(self._key, b"datadecide pseudonym key", "sha256").hex()[:8]

    def _hash(self, clear: str) -> str:
        assert self._key is not None
        content = clear.encode("utf-8", "surrogatepass")
        return PREFIX + hmac.digest(self._key, content, "sha256").hex()[:DIGEST_CHARACTERS]

    def path(self, path: str, readable: Collection[str] = ()) -> str:
        """A file path with every component hashed that is not on the allow-list."""
        if self._key is None:
            return path
        parts = re.split(r"([/\\])", path)
        return "".join(
            part
            if part in "/\\" or part in ("~", "file:") or re.fullmatch(r"[A-Za-z]:", part)
            or part in readable or _READABLE_COMPONENT.fullmatch(part)
            else self.hash(part)
            for part in parts
        )  # fmt: skip

    def text(
        self, text: str, clear_values: Iterable[str] = (), readable: Collection[str] = ()
    ) -> str:
        """A text with its paths, e-mail addresses and the given clear values replaced."""
        if self._key is None:
            return text
        if "@" in text:
            text = _SSH_REMOTE_OR_EMAIL.sub(lambda found: self.hash(found[0]), text)
        if "/" in text or "\\" in text:
            if whole := _WHOLE_PATH.fullmatch(text):
                text = whole["before"] + self.path(whole["path"], readable) + whole["after"]
            else:
                text = _PATH_IN_TEXT.sub(lambda found: self.path(found[0], readable), text)
        for clear in clear_values:
            if clear in text:
                text = re.sub(
                    rf"(?<![A-Za-z0-9]){re.escape(clear)}(?![A-Za-z0-9])", self.hash(clear), text
                )
        return text

    def remote(self, remote: str) -> str:
        """A git remote: its scheme is all that is neither host nor account nor repository."""
        scheme, separator, rest = remote.rpartition("://")
        return scheme + separator + self.hash(rest) if re.search(r"[/:@\\]", remote) else remote

    def _name(self, key: str) -> str:
        """A key of an object, which may be a path or an address."""
        if ("/" in key or "\\" in key) and (found := _PATH_KEY.fullmatch(key)):
            return found["before"] + self.path(found["path"]) + found["after"]
        return self.text(key) if "@" in key else key

    def run(self, record: dict[str, Any]) -> dict[str, Any]:
        """A run record without personal data. Identity fields of the run itself stay."""
        if self._key is None:
            return record
        identity = {str(record.get(key)) for key in IDENTITY_KEYS} | _own_addresses(record)
        clear = [value for value in _personal_values(record) if value not in identity]
        # Longest first: an e-mail address before the user name that it contains.
        clear = sorted(set(clear), key=len, reverse=True)
        known = _Known(clear, identity, {str(record.get(key)) for key in ("run_id", "run_name")})
        return {
            key: value
            if key in IDENTITY_KEYS and isinstance(value, str)
            else self._walk(value, key, known)
            for key, value in record.items()
        }

    def history_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """A history row whose text values (media paths, mostly) hold no personal data."""
        if self._key is None:
            return row
        run = {str(row.get("run_id"))}
        known = _Known([], run, run)
        return {
            key: value
            if key == "run_id" or not isinstance(value, _HOLDS_TEXT)
            else self._walk(value, key, known)
            for key, value in row.items()
        }

    def evaluation(
        self,
        record: dict[str, Any],
        clear_values: Iterable[str],
        texts: Collection[str] = (),
    ) -> dict[str, Any]:
        """A record of an evaluation without personal data; `cais/mmlu` and `</s>` stay.

        What stands below the keys ``texts`` is the text of a benchmark, and stays as it is.
        """
        if self._key is None:
            return record
        known = _Known(sorted(set(clear_values), key=len, reverse=True), set(), set())

        def clean(value: Any, key: str, in_job: bool, is_somebody: bool) -> Any:
            if isinstance(value, dict):
                return {
                    self.name(name): item
                    if not isinstance(item, _HOLDS_TEXT) or name in texts
                    else clean(
                        item, name, in_job or name == JOB_KEY, is_somebody or names_somebody(name)
                    )
                    for name, item in value.items()
                }
            if isinstance(value, list):
                return [
                    clean(item, flag, in_job, is_somebody or names_somebody(flag))
                    for flag, item in _flagged(value, key)
                ]
            if not isinstance(value, str):
                return value
            if is_somebody or (in_job and not _READABLE_IN_JOB.fullmatch(value)):
                return self.hash(value) if value else value
            return self._evaluation_text(value, key, known)

        return clean(record, "", False, False)

    def _evaluation_text(self, value: str, key: str, known: _Known) -> str:
        if _NAMES_A_PATH.fullmatch(key) or _NAMES_A_MODEL.fullmatch(key):
            may_be_of_hub = _NAMES_A_MODEL.fullmatch(key) is not None
            if may_be_of_hub and is_hub_id(value):
                return self.text(value, known.clear)
            return self._path_value(value, known)

        def flag(found: re.Match[str]) -> str:
            name = found["name"].replace("-", "_")
            if names_somebody(name):
                return found["before"] + self.hash(found["value"])
            return found["before"] + (
                self._evaluation_text(found["value"], name, known)
                if _NAMES_A_PATH.fullmatch(name) or _NAMES_A_MODEL.fullmatch(name)
                else found["value"]
            )

        if "-" in value:
            value = _FLAG_IN_TEXT.sub(flag, value)
        # Every other part is a tag.
        parts = _TAG.split(value)
        parts[::2] = [self.text(part, known.clear) for part in parts[::2]]
        return "".join(parts)

    def folders(self, parts: Sequence[str]) -> list[str]:
        """Folders of a path, without those that may be called after somebody."""
        return [part if part in FOLDERS else self.path(part) for part in parts]

    def place(self, path: Path) -> str:
        """What tells two places apart and tells nobody where they are."""
        return hmac.digest(self._key or b"datadecide", os.fsencode(path), "sha256").hex()

    def _walk(self, value: Any, key: str, known: _Known) -> Any:
        if isinstance(value, str):
            if value in known.identity:
                return value
            if key in PERSONAL_KEYS:
                return self.hash(value)
            if key == "remote":
                return self.remote(value)
            if _NAMES_A_PATH.fullmatch(key):
                return self._path_value(value, known)
            return self.text(value, known.clear, known.run)
        if isinstance(value, dict):
            if key == "slurm":
                return {
                    name: item if name in SLURM_READABLE_KEYS or item is None
                    else self.hash(str(item))
                    for name, item in value.items()
                }  # fmt: skip
            if key in PERSONAL_KEYS:
                return {
                    name: None if item is None else self.hash(str(item))
                    for name, item in value.items()
                }
            return {
                self.name(name): self._walk(item, name, known)
                if isinstance(item, _HOLDS_TEXT)
                else item  # nearly all values of millions of history rows are numbers
                for name, item in value.items()
            }
        if isinstance(value, list):
            return (
                self._arguments(value, known)
                if key == "args"
                else [self._walk(item, key, known) for item in value]
            )
        return value

    def _path_value(self, value: str, known: _Known) -> str:
        """The value of a key that names a path; relative ones are hashed like absolute ones."""
        if _ARTIFACT_REFERENCE.fullmatch(value):
            return value
        clean = self.text(value, known.clear, known.run)
        if _ARTIFACT_NAME.fullmatch(value):
            return clean
        is_relative = re.search(r"[/\\]", value) and not _WHOLE_PATH.fullmatch(value)
        if not is_relative or _HUB_ID.fullmatch(value):
            return clean
        # Names that are known by now have their pseudonyms; every other component gets one.
        pseudonyms = _PSEUDONYM.findall(clean)
        return self.path(clean, {*known.run, *pseudonyms})

    def _arguments(self, tokens: list[Any], known: _Known) -> list[Any]:
        """A command line: what follows a flag is a value of the key that the flag names."""
        clean, key = [], "args"
        for token in tokens:
            flag = _FLAG.fullmatch(token) if isinstance(token, str) else None
            if flag:
                key = flag["name"].replace("-", "_")
            if flag and flag["assignment"] and _NAMES_A_PATH.fullmatch(key):
                value = self._path_value(flag["value"], known)
                clean.append(token[: flag.start("value")] + value)
            else:
                clean.append(self._walk(token, "args" if flag else key, known))
        return clean


def _own_addresses(record: dict[str, Any]) -> set[str]:
    """The run's address at its server: made of what identifies it, and readable for that reason."""
    names = [str(record.get(key)) for key in ("entity", "project", "run_id")]
    own = "/".join([*names[:2], "runs", names[2]])
    holders = [record, record.get("extra")]
    urls = [holder.get("url") for holder in holders if isinstance(holder, dict)]
    found = [_ADDRESS.fullmatch(url) for url in urls if isinstance(url, str)]
    return {one[0] for one in found if one and unquote(one["path"]) == own}


def evaluation_names(
    value: Any, key: str = "", *, in_job: bool = False, is_somebody: bool = False
) -> Iterator[str]:
    """The people and machines that a record of an evaluation names, to be found elsewhere too."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from evaluation_names(
                item, name, in_job=in_job or name == JOB_KEY,
                is_somebody=is_somebody or names_somebody(name),
            )  # fmt: skip
    elif isinstance(value, list):
        for flag, item in _flagged(value, key):
            told = is_somebody or names_somebody(flag)
            yield from evaluation_names(item, flag, in_job=in_job, is_somebody=told)
    elif isinstance(value, str):
        found = home_names(value)
        if is_somebody or (in_job and _NAMES_SOMEBODY.search(key)):
            found += [value, *value.split("@")[:-1]]
        elif "-" in value:
            found += [
                flag["value"]
                for flag in _FLAG_IN_TEXT.finditer(value)
                if names_somebody(flag["name"].replace("-", "_"))
            ]
        yield from (name for name in found if len(name) > 2 and name.lower() not in _NOBODY)


def names_somebody(key: str) -> bool:
    """Whether what stands below a key is a person or a machine."""
    return key in PERSONAL_KEYS or _IS_SOMEBODY.fullmatch(key) is not None


def is_hub_id(text: str) -> bool:
    """Whether a text is a model or data set of the hub, and not a path of folders."""
    found = _ANY_HUB_ID.fullmatch(text)
    return (
        found is not None
        and found["organisation"].lower() not in FOLDERS
        and not _STEP_OR_FILE.fullmatch(found["name"])
    )


def _flagged(tokens: list[Any], key: str) -> Iterator[tuple[str, Any]]:
    """The items of a list with their keys: what follows a flag is the value of that flag."""
    flag = key
    for token in tokens:
        found = _FLAG.fullmatch(token) if isinstance(token, str) else None
        if found:
            yield key, token
            flag = key if found["assignment"] else found["name"].replace("-", "_")
        else:
            yield flag, token
            flag = key


def home_names(path: str) -> list[str]:
    """Whose home directories a path or text goes through."""
    return [name for name in _HOME.findall(path) if len(name) > 2 and name not in _NOBODY]


def _personal_values(record: dict[str, Any]) -> list[str]:
    """The clear names in a record's known places, to be found again anywhere else in it."""
    found: list[str] = []
    for holder in (record, *map(record.get, ("wandb_metadata", "system_attrs", "extra"))):
        if not isinstance(holder, dict):
            continue
        for key in PERSONAL_KEYS:
            value = holder.get(key)
            values = value.values() if isinstance(value, dict) else [value]
            found += [item for item in values if isinstance(item, str)]
        slurm = holder.get("slurm")
        if isinstance(slurm, dict):
            found += [
                slurm[key]
                for key in ("job_user", "job_account", "job_nodelist", "submit_host")
                if isinstance(slurm.get(key), str)
            ]
        for key in ("root", "executable", "program"):
            value = holder.get(key)
            if isinstance(value, str):
                found += re.findall(r"(?:^|/)(?:home|Users)/([^/\s]+)", value)
    # One or two letters would be found inside everything.
    return [value for value in found if len(value) > 2]
