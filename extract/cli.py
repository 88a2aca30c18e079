"""The command line: `python -m extract COMMAND`, also installed as `datadecide`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from extract import console
from extract import status as status_module
from extract.errors import ExtractError, UsageError
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.summary import CallSummary
from extract.wandb import files as wandb_files_module

DEFAULT_RAW_DIR = Path("data/raw")
DEMO_RAW_DIR = Path("data/demo/raw")
# The pretraining results are about 0.7 GB; more is another revision, or a mistake.
MAX_GB = 2.0

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local values would print secrets
    rich_markup_mode="markdown",
    help="Land raw data for the warehouse. `dbt build` turns what has landed into marts.",
)

RawDir = Annotated[
    Path,
    typer.Option(
        "--raw-dir",
        envvar="DATADECIDE_RAW_DIR",
        help="The landing zone.",
        show_default=str(DEFAULT_RAW_DIR),
    ),
]


KeepPersonal = Annotated[
    bool, typer.Option("--keep-personal", help="Land personal data in clear text.")
]


@contextmanager
def exit_codes() -> Iterator[None]:
    """Errors of ours become one line on stderr: 2 for wrong usage, 1 for anything else."""
    try:
        yield
    except ExtractError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
    except OSError as error:
        print(
            f"error: {error}. Nothing is half landed; mend the cause and call again.",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None


def _end(summary: CallSummary) -> None:
    """Tell what was refused, then what landed."""
    for message in summary.messages:
        print(f"refused: {message}", file=sys.stderr)
    print(summary.as_json())
    if summary.refused:
        raise typer.Exit(1)


@app.command(name="wandb-files")
def wandb_files(
    paths: Annotated[list[Path], typer.Argument(help="Export files, or folders of them.")],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    entity: Annotated[
        str | None, typer.Option(help="Entity of records that do not name theirs.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="Project of records that do not name theirs.")
    ] = None,
    keep_personal: KeepPersonal = False,
) -> None:
    """Land existing W&B exports and offline runs.

    Recognised by content; of the first three one JSON document a line, plain, `.gz` or `.zst`:

    * flat run records (config, summary, ... as objects or as JSON text)

    * `{"run": {...}, "exported_at": ...}` snapshots and raw extracts (`raw_run`)

    * history rows, one a line, one array a line, or one run a line with its list

    * Parquet component files of dr_wandb 0.1 and 0.2

    * run directories of W&B (`offline-run-*`, `run-*`, or the folder `wandb` of all) and their
    `.wandb` files; a run that crashed lands up to its end

    An input that has landed before is not landed again. Personal data is replaced by a keyed
    hash; set DATADECIDE_PSEUDONYM_KEY first.

    Examples:

        python -m extract wandb-files exports/ft-scaling/

        python -m extract wandb-files runs.jsonl.gz history.jsonl.gz --raw-dir /data/raw

        python -m extract wandb-files wandb/ --entity ml-moe --project ft-scaling
    """
    with exit_codes():
        pseudonymiser = Pseudonymiser.from_environment(keep_personal=keep_personal)
        with console.landing_progress() as report:
            summary = wandb_files_module.land(
                LandingZone(raw_dir),
                paths,
                pseudonymiser,
                entity=entity,
                project=project,
                report=report,
            )
    if untold := summary.refused - len(summary.messages):
        summary.messages.append(f"{untold} more; see staging.stg_wandb__outcomes")
    _end(summary)


@app.command()
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
                with console.fetch_progress() as report:
                    call = wandb_live.Call(zone, client, pseudonymiser, options, report)
                    summary = call.run(paths)
        except BaseException:
            exit_soon(1)
            raise
    for message in summary.messages:
        print(message, file=sys.stderr)
    console.print_summary(summary)
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


@app.command()
def pretrain(
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            help="Land files from this folder instead of the hub (repeatable).", metavar="DIR"
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Only ppl-results or eval-results (repeatable).", metavar="NAME"),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Only train, macro_avg or scaling_law_fit (repeatable).", metavar="NAME"),
    ] = None,
    revision: Annotated[
        list[str] | None,
        typer.Option(
            help="Another commit, branch or tag than the pinned commits (repeatable).",
            metavar="[DATASET=]REVISION",
        ),
    ] = None,
    max_gb: Annotated[
        float, typer.Option("--max-gb", help="Refuse to download more than this.", min=0)
    ] = MAX_GB,
) -> None:
    """Land the published pretraining results from the Hugging Face hub, about 0.7 GB.

    Perplexities (allenai/DataDecide-ppl-results) and downstream evaluations
    (allenai/DataDecide-eval-results), each at a pinned commit. What has landed is not asked for
    again. Honours HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and the other variables of the hub's
    client, which uses plain HTTP here unless HF_HUB_DISABLE_XET=0.

    With `--source`, files on disk in any layout are recognised by their columns.

    Examples:

        python -m extract pretrain

        python -m extract pretrain --split train --split macro_avg

        python -m extract pretrain --revision eval-results=main --max-gb 5

        python -m extract pretrain --source ~/downloads/datadecide
    """
    from extract.huggingface import pretrain as pretrain_module  # DuckDB, and soon the hub's client

    with exit_codes():
        request = pretrain_module.Request.of(dataset or (), split or (), revision or ())
        zone = LandingZone(raw_dir)
        if source:
            summary = pretrain_module.land_source(zone, source, request)
        else:
            summary = pretrain_module.land(
                zone, request, max_gb=max_gb, tell=lambda text: print(text, file=sys.stderr)
            )
    _end(summary)


@app.command()
def instances(
    recipes: Annotated[
        list[str],
        typer.Argument(
            help="Data recipes, by tar name (c4) or name (C4); or `all` of the 25.",
            metavar="RECIPE...",
        ),
    ],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            help="Land tarballs or unpacked trees from this folder instead of the hub "
            "(repeatable).",
            metavar="DIR",
        ),
    ] = None,
    params: Annotated[
        list[str] | None, typer.Option(help="Only models of this size, as 150M (repeatable).")
    ] = None,
    seed: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this seed: 2 (default), 14, 15, 4 or 5, or its label (repeatable)."
        ),
    ] = None,
    step: Annotated[
        list[int] | None, typer.Option(help="Only this checkpoint (repeatable).", min=0)
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task, or `mmlu` for its 57 subjects (repeatable)."),
    ] = None,
    keep_tarballs: Annotated[
        bool, typer.Option("--keep-tarballs", help="Keep downloads once they have landed.")
    ] = False,
) -> None:
    """Land question-level results (allenai/DataDecide-eval-instances), converted to Parquet.

    A recipe is a tarball of 4.4 to 5.3 GB with about 540 checkpoints of 66 tasks. It is read once
    from front to back, each checkpoint converted as a whole (to about 2 MB) and landed on its
    own: a call that was killed goes on with the next one. Beside the tarball, which goes when it
    has landed, that needs room for three unpacked checkpoints, 0.2 GB. Recipes may be landed at
    once by several calls, also on several machines.

    A checkpoint that is damaged or not whole is refused with its reason; the others land.

    With `--source`, tarballs (`c4.tar.gz`) and trees (`c4/150M/seed-2/step-1250.tar.gz`, or the
    folder `step-1250`) are found wherever below the folder they are.

    Examples:

        python -m extract instances c4

        python -m extract instances "Dolma1.7 (no code)" dclm-baseline --params 150M --seed 2

        python -m extract instances all --source ~/downloads/eval-instances --task mmlu
    """
    from extract.instances import pipeline as instances_module  # DuckDB, and soon the hub's client

    with exit_codes():
        if source and keep_tarballs:
            raise UsageError(
                "--keep-tarballs is about downloads, and --source downloads nothing; leave one out"
            )
        request = instances_module.Request.of(
            recipes, params or (), seed or (), step or (), task or ()
        )
        zone = LandingZone(raw_dir)
        with console.landing_progress() as report:
            if source:
                summary = instances_module.land_source(zone, source, request, report=report)
            else:
                summary = instances_module.land(
                    zone, request, keep_tarballs=keep_tarballs, report=report,
                    tell=lambda text: print(text, file=sys.stderr),
                )  # fmt: skip
    _end(summary)


@app.command()
def posttrain(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders with results somewhere below.", metavar="DIR...")
    ],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    keep_personal: KeepPersonal = False,
) -> None:
    """Land OLMES results of trained models: metrics-all.jsonl and the files of each task.

    A folder with `metrics-all.jsonl`, `*-metrics.json` or `*-predictions.jsonl` is one results
    directory, and lands as a whole. One that has landed is not landed again, unless its results
    have changed since, as when a judge has rewritten metrics. Equal predictions land once,
    wherever they are found. Links to folders are followed.

    Personal data is replaced by a keyed hash; set DATADECIDE_PSEUDONYM_KEY first. The text of
    benchmarks and of models in predictions is left as it is.

    Examples:

        python -m extract posttrain 2025-06-01_posttrain

        python -m extract posttrain ~/dumps/2025-03-02_posttrain ~/dumps/2025-06-01_posttrain
    """
    from extract.posttrain import pipeline as posttrain_module  # DuckDB

    with exit_codes():
        pseudonymiser = Pseudonymiser.from_environment(keep_personal=keep_personal)
        with console.landing_progress() as report:
            summary = posttrain_module.land(
                LandingZone(raw_dir), folders, pseudonymiser, report=report
            )
    for message in summary.messages:
        print(f"refused: {message}", file=sys.stderr)
    if untold := summary.refused - len(summary.messages):
        print(f"refused: {untold} more; see staging.stg_posttrain__outcomes", file=sys.stderr)
    print(summary.as_json())
    if summary.refused:
        raise typer.Exit(1)


@app.command()
def demo(
    raw_dir: Annotated[
        Path,
        typer.Option("--raw-dir", help="The demo's own zone; demo and real data never mix."),
    ] = DEMO_RAW_DIR,
    runs: Annotated[int, typer.Option(help="How many runs to simulate.", min=1)] = 320,
    evals_every: Annotated[
        int,
        typer.Option(
            help="Simulate evaluations of every so many checkpoints; perplexities are of all.",
            min=1,
        ),
    ] = 12,
) -> None:
    """Land small simulated sources in the public formats: no network, no account.

    Example:

        python -m extract demo
    """
    from extract.simulator import (
        demo as demo_module,  # the simulator is not needed by other commands
    )

    with exit_codes():
        zone = LandingZone(raw_dir)
        print(json.dumps(demo_module.land(zone, n_runs=runs, evals_every=evals_every)))


@app.command()
def status(raw_dir: RawDir = DEFAULT_RAW_DIR) -> None:
    """Show what has landed: source, batches, files, rows, bytes, newest, errors.

    Example:

        python -m extract status
    """
    with exit_codes():
        zone = LandingZone(raw_dir)
        summary = status_module.summarise(zone)
        status_module.print_table(zone, summary, sys.stderr)
        record = {"command": "status", "raw_dir": os.fspath(raw_dir), "sources": summary}
        print(json.dumps(record | {"to_land_again": wandb_files_module.to_land_again(zone)}))
