"""Where things stand in the landing zone, and what they are called.

Layout (contract.md, section 2)::

    <raw>/wandb/<entity>/<project>/{runs,history,outcomes}/<batch>-<part>.jsonl.zst
    <raw>/huggingface/<dataset>/<revision>/<batch>-<part>-<file name>.parquet
    <raw>/instances/recipe=<tar name>/params=<size>/seed=<number>/step=<n>/<batch>-<part>-….parquet
    <raw>/posttrain/<dump>/<results directory>/{records,files,outcomes}/<batch>-<part>.jsonl.zst
    <raw>/posttrain/<dump>/<results directory>/<batch>-<part>-questions.parquet
    <raw>/_manifests/<source>/<batch>.json     what has landed, one file per batch
    <raw>/_tmp/<batch>/                        a batch that is being written
    <raw>/_downloads/<source>/                 what is to land; it survives a killed extractor
    <raw>/_locks/<source>.lock                 held by the running extractor
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

MANIFESTS = "_manifests"
TEMPORARY = "_tmp"
DOWNLOADS = "_downloads"
LOCKS = "_locks"
UNKNOWN_PROJECT = ("_unknown", "_unknown")
# Between a source, a scope and the rest of a batch's name. No name of a source or a quoted scope
# has it, so that `dolma1.7` is not taken for the beginning of `dolma1.7-no-code`.
SCOPE_MARK = "@"
# File systems allow 255 bytes. Two names that are cut to the same folder are still told apart, by
# the manifests.
FOLDER_CHARACTERS = 200
# DuckDB takes the first two for a pattern in a file's name, the third for a query; the quote would
# end the name in SQL.
UNREADABLE_IN_PATHS = frozenset("[\\?'")


def manifest_path(root: Path, source: str, batch_id: str) -> Path:
    return root / MANIFESTS / source / f"{batch_id}.json"


def temporary_folder(root: Path, batch_id: str) -> Path:
    """Where a batch is until it is committed; while it is there, the batch is unfinished."""
    return root / TEMPORARY / batch_id


def lock_path(root: Path, source: str, scope: str | None) -> Path:
    name = source if scope is None else f"{source}{SCOPE_MARK}{_scope_name(scope)}"
    return root / LOCKS / f"{name}.lock"


def batch_prefix(source: str, scope: str | None) -> str:
    """How the names of all batches of a source, or of one scope of it, and of no other begin."""
    if scope is None:
        return f"{source}-"
    return f"{source}{SCOPE_MARK}{_scope_name(scope)}{SCOPE_MARK}"


def _scope_name(scope: str) -> str:
    return quote(scope, safe="+")  # whatever means something in a pattern is not safe


def project_folders(entity: str | None, project: str | None) -> tuple[str, str]:
    """The two levels below a source."""
    unknown_entity, unknown_project = UNKNOWN_PROJECT
    return (
        _folder(entity) if entity else unknown_entity,
        _folder(project) if project else unknown_project,
    )


def _folder(name: str) -> str:
    """One folder for one name, whatever is in it; the name itself stands in the manifest."""
    quoted = quote(name, safe="", errors="surrogatepass")
    if quoted.strip(".") == "":  # `..` would leave the zone
        quoted = quoted.replace(".", "%2E")
    return quoted[:FOLDER_CHARACTERS]


def file_name(name: str) -> str:
    """The name that a whole file had, for the end of the name that it lands under."""
    return quote(name, safe="")[-FOLDER_CHARACTERS:]
