"""The commands `wandb-files` and `wandb`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from extract import console
from extract.commands import DEFAULT_RAW_DIR, KeepPersonal, RawDir, end, exit_codes
from extract.errors import UsageError
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.wandb import files as exports
from extract.wandb.console import fetch_progress, print_summary


def wandb_files(
    paths: Annotated[list[Path], typer.Argument(help="Export files, or folders of them.")],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    entity: Annotated[
        str | None, typer.Option(help="Entity of records that do not name theirs.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="Project of records that do not name theirs.")
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="ENTITY/PROJECT/ID", help="Run of history that does not name its own."
        ),
    ] = None,
    keep_personal: KeepPersonal = False,
) -> None:
    """Land existing W&B exports and offline runs.

    Recognised by content, as JSON Lines, JSON arrays, CSV or Parquet, plain or compressed (`.gz`,
    `.zst`, `.xz`, `.bz2`):

    * flat run records (config, summary, ... as objects or as JSON text)

    * `{"run": {...}, "exported_at": ...}` snapshots and raw extracts (`raw_run`)

    * history rows: `run.history()` or `run.scan_history()` as they are, one row a line, one array
    a line, or one run a line with its list

    * `*.runhistory.parquet` of W&B's client, and component files of dr_wandb 0.1 and 0.2

    * run directories of W&B (`offline-run-*`, `run-*`, or the folder `wandb` of all) and their
    `.wandb` files; a run that crashed lands up to its end

    History that does not say of which run is that of `--run`, of the run that its file names
    elsewhere, or of the run that its file is named after (`RUN_ID.csv`).

    An input that has landed before is not landed again. Personal data is replaced by a keyed
    hash; set DATADECIDE_PSEUDONYM_KEY first.

    Examples:

        python -m extract wandb-files exports/ft-scaling/

        python -m extract wandb-files history.csv --run ml-moe/ft-scaling/x0abc123

        python -m extract wandb-files runs.jsonl.gz history.jsonl.gz --raw-dir /data/raw

        python -m extract wandb-files wandb/ --entity ml-moe --project ft-scaling
    """
    with exit_codes():
        pseudonymiser = Pseudonymiser.from_environment(keep_personal=keep_personal)
        with console.landing_progress() as report:
            summary = exports.land(
                LandingZone(raw_dir),
                paths,
                pseudonymiser,
                entity=entity,
                project=project,
                run=run,
                report=report,
            )
    for note in summary.notes:
        print(f"note: {note}", file=sys.stderr)
    if untold := summary.refused - len(summary.messages):
        summary.messages.append(f"{untold} more; see staging.stg_wandb__outcomes")
    end(summary)


def wandb(
    projects: Annotated[list[str], typer.Argument(help="ENTITY/PROJECT, one or many.")],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    state: Annotated[
        list[str] | None, typer.Option(help="Only runs in this state (repeatable).")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only runs with one of these tags (repeatable).")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Only runs whose display name matches (RE2).")
    ] = None,
    run_id: Annotated[list[str] | None, typer.Option(help="Only these runs (repeatable).")] = None,
    created_from: Annotated[
        str | None, typer.Option(help="Only runs created then or later (ISO 8601, UTC).")
    ] = None,
    created_before: Annotated[
        str | None, typer.Option(help="Only runs created before (ISO 8601, UTC).")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Look for new runs only among those created then or later, and for "
            "changes only among those that have landed."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only so many runs, oldest first.", min=1)
    ] = None,
    runs_only: Annotated[
        bool, typer.Option("--runs-only", help="No history; a later call fetches it.")
    ] = False,
    history_key: Annotated[
        list[str] | None, typer.Option(help="Only these logged metrics (repeatable).")
    ] = None,
    min_step: Annotated[int | None, typer.Option(help="History from this step on.", min=0)] = None,
    max_step: Annotated[
        int | None, typer.Option(help="History up to, and without, this step.", min=0)
    ] = None,
    metadata: Annotated[
        bool,
        typer.Option(
            "--metadata",
            help="Also wandb-metadata.json (args, git, gpu): one request more for each run.",
        ),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything again, changed or not.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched; land nothing.")
    ] = False,
    accept_deletions: Annotated[
        bool,
        typer.Option("--accept-deletions", help="Believe W&B when most known runs are gone."),
    ] = False,
    workers: Annotated[int, typer.Option(help="Histories read side by side.", min=1, max=32)] = 4,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for one answer of W&B.", min=1)
    ] = 120.0,
    deadline: Annotated[
        float,
        typer.Option(
            help="Seconds without a row after which a run is left for the next call.", min=1
        ),
    ] = 600.0,
    max_failures: Annotated[
        int, typer.Option(help="Stop when so many runs in a row fail.", min=1)
    ] = 20,
    keep_personal: KeepPersonal = False,
) -> None:
    """Land runs and their full history from the W&B API.

    Incremental: fetches new runs, changed runs (whatever their state), and of a history what has
    come since. Runs that W&B does not have any more are marked as deleted; what landed of them
    stays. Killed or refused in the middle, the next call goes on.

    Credentials are those of `wandb login`, or WANDB_API_KEY. The server is WANDB_BASE_URL, else
    the default of the installed client, https://api.forge.coreweave.com. Personal data is
    replaced by a keyed hash; set DATADECIDE_PSEUDONYM_KEY first.

    Examples:

        python -m extract wandb ml-moe/ft-scaling

        python -m extract wandb ml-moe/ft-scaling ml-moe/dpo --metadata --workers 8

        python -m extract wandb ml-moe/ft-scaling --state finished --tag 150M --dry-run
    """
    from extract.wandb import live as wandb_live  # with the wandb client, which is slow to import
    from extract.wandb.client import Client, Selection, exit_soon
    from extract.wandb.plan import Options

    with exit_codes():
        paths = [_project_path(project) for project in projects]
        if runs_only and (history_key or min_step is not None or max_step is not None):
            raise UsageError("--runs-only leaves out the history that the other options select")
        if min_step is not None and max_step is not None and min_step > max_step:
            raise UsageError(f"--min-step {min_step} is above --max-step {max_step}")
        pseudonymiser = Pseudonymiser.from_environment(keep_personal=keep_personal)
        zone = LandingZone(raw_dir)
        options = Options(
            selection=Selection(
                run_ids=tuple(run_id or ()),
                states=tuple(state or ()),
                tags=tuple(tag or ()),
                name=name,
                created_from=created_from and _utc("--created-from", created_from),
                created_before=created_before and _utc("--created-before", created_before),
            ),
            since=since and _utc("--since", since),
            limit=limit,
            runs_only=runs_only,
            history_keys=tuple(sorted(set(history_key or ()))),
            min_step=min_step,
            max_step=max_step,
            metadata=metadata,
            full=full,
            dry_run=dry_run,
            accept_deletions=accept_deletions,
            workers=workers,
            deadline_s=deadline,
            max_failures=max_failures,
        )
        try:
            with zone.scratch() as folder:
                client = Client(
                    folder,
                    timeout_s=timeout,
                    announce=lambda host: print(f"W&B at {host}", file=sys.stderr),
                )
                with fetch_progress() as report:
                    call = wandb_live.Call(zone, client, pseudonymiser, options, report)
                    summary = call.run(paths)
        except BaseException:
            exit_soon(1)
            raise
    for message in summary.messages:
        print(message, file=sys.stderr)
    print_summary(summary)
    print(summary.as_json())
    exit_soon(code := 1 if summary.refused else 0)
    raise typer.Exit(code)


def _project_path(text: str) -> tuple[str, str]:
    entity, _, project = (part.strip() for part in text.strip().partition("/"))
    if not entity or not project or "/" in project:
        raise UsageError(f"{text!r} is not ENTITY/PROJECT, as in ml-moe/ft-scaling")
    return entity, project


def _utc(option: str, text: str) -> str:
    """A time as W&B compares it: ISO 8601 in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is no ISO 8601 time, as in 2025-09-01 or 2025-09-01T12:00:00Z"
        ) from None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
