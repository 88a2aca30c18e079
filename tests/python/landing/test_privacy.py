"""Personal data: replaced on landing, everywhere, and nothing else is touched.

All people, hosts and paths here are invented. What must stay readable is listed as carefully as
what must not: a pseudonym in the place of a checkpoint or a run id would break the marts.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from extract.landing.privacy import KEY_VARIABLE, PREFIX, Pseudonymiser, evaluation_names
from extract.landing.zone import LandingZone
from tests.python.testing import (
    KEY,
    RUN_ID,
    a_row,
    a_run,
    cli,
    everything_written,
    files_of,
    land,
    landed,
    leaves,
    summary_of,
    write_jsonl,
)

SHA = "431ab0a5d5f72760b44040f58223d3f90b04d80f"
PSEUDONYM = re.compile(r"anon-[0-9a-f]{12}")


def words(text: str) -> set[str]:
    """What is left to read when the pseudonyms are taken out."""
    return set(re.findall(r"[A-Za-z]{2,}", PSEUDONYM.sub(" ", text)))


# -- pseudonyms -----------------------------------------------------------------------------------


def test_the_same_clear_text_has_the_same_pseudonym_under_the_same_key() -> None:
    one, two, other = Pseudonymiser(KEY), Pseudonymiser(KEY), Pseudonymiser(KEY + "!")
    assert PSEUDONYM.fullmatch(one.hash("alice"))
    assert one.hash("alice") == two.hash("alice")
    assert one.hash("alice") != one.hash("bob")
    assert one.hash("alice") != other.hash("alice")
    assert one.key_id == two.key_id != other.key_id


def test_the_key_id_tells_nothing_about_the_key(pseudonymiser: Pseudonymiser) -> None:
    key_id = pseudonymiser.key_id or ""
    assert re.fullmatch(r"[0-9a-f]{8}", key_id)
    assert KEY not in key_id


def test_a_person_has_one_pseudonym_in_every_place(pseudonymiser: Pseudonymiser) -> None:
    run = pseudonymiser.run(
        a_run(
            user={"username": "alice"},
            wandb_metadata={"username": "alice", "root": "/home/alice/x"},
            notes="asked alice",
        )
    )
    name = pseudonymiser.hash("alice")
    assert run["user"] == {"username": name}
    assert run["wandb_metadata"]["username"] == name
    assert run["wandb_metadata"]["root"].split("/")[2] == name
    assert run["notes"] == f"asked {name}"


# -- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/home/alice/project/run.py",
        "/Users/alice",
        "/root/",
        "/cluster/scratch/alice/.cache/thing",  # per-user, and nothing in it says so
        "/data01/alice",
        "/alice",
        "//server/alice",
        "/home/alice smith/my project",
        "/home/älice/x",
        "C:\\Users\\alice\\project\\run.py",
        "C:/Users/alice/project",
        "d:\\alice",
        "\\\\server\\share\\alice",
        "~/secret/alice",
        "~alice/secret",
        "../../home/alice/x",
        "./../alice/secret",
        "file:///home/alice/x",
        "file:/home/alice/x",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["{}", "--output_dir={}", "a {} b", "'{}'", '("{}")', "x={},y", "PATH={}:{}", "a\n{}\nb",
     "@{}", "2>{}", "<{}>", "[{}]", "see: {}.", "path:{}", "-I{}"],
)  # fmt: skip
def test_no_component_of_a_path_stays(pseudonymiser: Pseudonymiser, path: str, text: str) -> None:
    if " " in path and text not in ("{}", "--output_dir={}", "'{}'", '("{}")'):
        return  # in running text nobody can tell where a path with spaces ends
    if not path.startswith("/") and text == "-I{}":
        return  # glued to a letter it is no path of these kinds
    clean = pseudonymiser.text(text.format(path, path))
    allowed = words(text) | words("C d file")
    assert words(clean) <= allowed, clean
    assert "lice" not in clean


@pytest.mark.parametrize(
    "component",
    [
        "models--allenai--DataDecide-dolma1_7-530M",
        "datasets--allenai--tulu-3-sft-mixture",
        "DataDecide-dolma1_7-4M",
        "snapshots",
        SHA,
        "step1250",
        "step_1250",
        "step-1250",
        "1250",
        "step1250-unsharded-hf",
        "step69369-seed-default",
        "main",
        RUN_ID,
        "2025_08_21-08_24_43_test_finetune_DD-dolma1_7-4M_main_1Mtx1_--learning_rate=5e-07",
        "250912-172812_match_150M_c4_finetune",
    ],
)
def test_components_that_say_which_model_is_meant_stay(
    pseudonymiser: Pseudonymiser, component: str
) -> None:
    for path in (f"/home/alice/{component}", f"/home/alice/{component}/x", f"C:\\u\\{component}"):
        clean = pseudonymiser.text(path)
        assert component in re.split(r"[/\\]", clean)
        assert "alice" not in clean
    for text in ("load /home/alice/{} and more", "--model=/home/alice/{} --seed=8"):
        clean = pseudonymiser.text(text.format(component))
        assert PSEUDONYM.sub("*", clean) == text.format(component).replace("/home/alice", "/*/*")


@pytest.mark.parametrize(
    "component", ["DataDecide", "models", "model", "alice-step1", SHA[:-1], SHA.upper(), "x" + SHA]
)
def test_components_that_only_look_like_it_do_not(
    pseudonymiser: Pseudonymiser, component: str
) -> None:
    assert component not in pseudonymiser.text(f"/x/{component}/y")


def test_the_run_id_itself_stays_in_a_path_whatever_it_looks_like(
    pseudonymiser: Pseudonymiser,
) -> None:
    """An id that W&B has made matches no pattern of this project."""
    run = pseudonymiser.run(a_run("k3x9ab1z", config={"output_dir": "/scratch/alice/k3x9ab1z/out"}))
    hashed = [pseudonymiser.hash(part) for part in ("scratch", "alice", "out")]
    assert run["config"]["output_dir"] == "/{}/{}/k3x9ab1z/{}".format(*hashed)


@pytest.mark.parametrize(
    "text",
    [
        "", "/", ".", "..", "finetune", "allenai/tulu-3-sft-mixture", "output/sft_8b", "50/50",
        "and/or", "a / b", "1e-5", "oe_eval_metrics/arc_easy", "core_9mcqa:rc::olmes:full",
        "pass@1", "recall@0.5", "mAP@0.50", "@property", "./train.py", "y~x",
        "<|endoftext|>", "-1", "~0.5", "ratio ~ 3", "~3 GB", "10:30",
        "C: drive", "DD-dolma1_7-4M", "lr=5e-06", "open_instruct/finetune.py", "2025_08_21*",
        "cpu=5", "Linux-4.18.0-513.18.1.el8_9.x86_64-x86_64-with-glibc2.28", "1/2, 3/4",
        "lora_A.weight -> lora_B.weight", "\\n", "\\alpha", "line\nline", RUN_ID,
    ],
)  # fmt: skip
def test_text_without_personal_data_is_unchanged(pseudonymiser: Pseudonymiser, text: str) -> None:
    assert pseudonymiser.text(text) == text
    assert pseudonymiser.run(a_run(notes=text)) == a_run(notes=text)


# -- e-mails, remotes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    ["alice@example.com", "alice.smith+x@mail.uni-ulm.de", "ALICE@EXAMPLE.ORG", "älice@exämple.de"],
)
@pytest.mark.parametrize("text", ["{}", "mail {} now", "<{}>", "a,{};b", "to:{}.", "x={}"])
def test_email_addresses_are_replaced_anywhere(
    pseudonymiser: Pseudonymiser, email: str, text: str
) -> None:
    clean = pseudonymiser.text(text.format(email))
    assert "@" not in clean and "lice" not in clean.lower()
    assert PSEUDONYM.search(clean)


@pytest.mark.parametrize(
    "remote",
    [
        "https://example.com/alice/secret.git",
        "https://alice:token@example.com/alice/secret.git",
        "https://example.com:8443/alice/secret",
        "git@example.com:alice/secret.git",
        "git@gitserver:alice/secret.git",  # an alias of ~/.ssh/config has no dot
        "gitserver:alice/secret.git",
        "alice@gitserver:secret.git",
        "ssh://git@example.com/alice/secret.git",
        "/home/alice/secret",
        "../alice/secret",
    ],
)
def test_git_remotes(pseudonymiser: Pseudonymiser, remote: str) -> None:
    run = pseudonymiser.run(a_run(wandb_metadata={"git": {"remote": remote, "commit": SHA}}))
    git = run["wandb_metadata"]["git"]
    assert git["commit"] == SHA
    assert words(git["remote"]) <= {"https", "ssh"}
    again = pseudonymiser.run(a_run(wandb_metadata={"git": {"remote": remote}}))
    assert again["wandb_metadata"]["git"]["remote"] == git["remote"]


def test_a_url_in_text_names_no_one(pseudonymiser: Pseudonymiser) -> None:
    text = "see https://git.example.com/alice/secret and git@example.com:alice/secret.git"
    clean = pseudonymiser.text(text)
    assert words(clean) == {"see", "https", "and"}


def test_long_text_takes_time_in_proportion(pseudonymiser: Pseudonymiser) -> None:
    """The e-mail pattern began anew at each letter of a word: a blob of 1 MB took hours."""
    blob = "a" * 1_000_000
    started = time.monotonic()
    clean = pseudonymiser.text(f"{blob} alice@example.com /home/{blob} ~{blob} {'@a' * 100_000}")
    assert time.monotonic() - started < 5
    assert "alice" not in clean


# -- records --------------------------------------------------------------------------------------

SLURM = {
    "job_user": "alice", "job_account": "smithlab", "job_nodelist": "gpu-node-[1-2]",
    "submit_host": "login-7", "cluster_name": "bigcluster", "job_id": "28550237",
    "conf": "/var/spool/slurm.conf", "job_gpus": "3,4", "cpus_on_node": "10", "nnodes": "1",
    "job_start_time": "1756306380", "mem_per_node": "122880", "array_task_id": "0",
    "topology_addr": "switch-core.switch-1.gpu-node-1", "job_uid": "1000", "nothing": None,
}  # fmt: skip


def personal_run() -> dict[str, Any]:
    return a_run(
        user={"id": "VXNlcjox", "name": "Alice Smith", "username": "alice", "admin": None},
        config={
            "learning_rate": 5e-06,
            "output_dir": f"/scratch/alice/{RUN_ID}",
            "/scratch/alice/data": 3,
            "nested": [{"dir": "~/x", "n": 1}, ["alice", 2, None, True]],
            "jobs": "ran on gpu-node-17, then login-7.example.org",
        },
        wandb_metadata={
            "args": ["--seed", "8", "--output_dir=/scratch/alice/out", "--owner", "alice"],
            "email": "alice@example.com",
            "username": "alice",
            "host": "gpu-node-17",
            "program": "/home/alice/train.py",
            "disk": {"/": {"total": 1}, "/scratch/alice": {"total": 2}, "D:\\alice": {"total": 3}},
            "git": {"remote": "git@example.com:alice/x.git", "commit": SHA},
            "slurm": SLURM,
            "gpu_count": 2,
        },
        system_metrics={
            "system.cpu": 1.5,
            "system.disk./.usageGB": 8.1,
            "system.disk./scratch/alice.usageGB": 9.1,
        },
        system_attrs={
            "user": {"username": "alice"},
            "historyKeys": {"keys": {"system/disk./scratch/alice.usagePercent": {"n": 1}}},
        },
        notes="alice (alice@example.com) on gpu-node-17; see alice_notes",
        extra={"username": "alice", "host": "gpu-node-17"},
    )


def test_nothing_personal_of_a_record_stays(pseudonymiser: Pseudonymiser) -> None:
    clean = json.dumps(pseudonymiser.run(personal_run()))
    for clear in ("alice", "Alice", "Smith", "smithlab", "gpu-node", "login-7", "bigcluster",
                  "28550237", "switch", "slurm.conf", "scratch", "VXNlcjox", "@"):  # fmt: skip
        assert clear not in clean.replace('"slurm":', ""), clear


def test_numbers_and_keys_of_a_record_stay(pseudonymiser: Pseudonymiser) -> None:
    clean = pseudonymiser.run(personal_run())
    assert clean["config"]["learning_rate"] == 5e-06
    assert clean["config"]["nested"][1][1:] == [2, None, True]
    assert clean["wandb_metadata"]["args"][:3:2] == ["--seed", clean["wandb_metadata"]["args"][2]]
    assert clean["wandb_metadata"]["args"][1] == "8"
    assert clean["wandb_metadata"]["gpu_count"] == 2
    assert clean["wandb_metadata"]["disk"]["/"] == {"total": 1}
    assert sorted(disk["total"] for disk in clean["wandb_metadata"]["disk"].values()) == [1, 2, 3]
    assert clean["system_metrics"]["system.disk./.usageGB"] == 8.1
    assert sorted(clean["system_metrics"].values()) == [1.5, 8.1, 9.1]
    slurm = clean["wandb_metadata"]["slurm"]
    assert slurm.keys() == SLURM.keys()
    for key in ("cpus_on_node", "nnodes", "job_start_time", "mem_per_node", "array_task_id",
                "nothing"):  # fmt: skip
        assert slurm[key] == SLURM[key]
    assert list(dict(leaves(clean)).values()).count(None) == 3
    assert set(clean["user"]) == {"id", "name", "username", "admin"}


def test_the_identity_of_a_run_stays_even_if_it_is_somebodys_name(
    pseudonymiser: Pseudonymiser,
) -> None:
    """A personal account is an entity; the warehouse is keyed on it."""
    run = a_run("alice-1", entity="alice", project="alice", display_name="alice@home.example.com",
                user={"username": "alice"}, system_attrs={"displayName": "alice@home.example.com"},
                config={"run_name": "alice-1"}, tags=["alice"])  # fmt: skip
    assert pseudonymiser.run(run) == run | {"user": {"username": pseudonymiser.hash("alice")}}


def test_a_personal_entity_does_not_open_the_paths_of_that_person(
    pseudonymiser: Pseudonymiser,
) -> None:
    run = pseudonymiser.run(a_run(entity="alice", project="home", config={"dir": "/home/alice/x"}))
    assert run["config"]["dir"] == pseudonymiser.path("/home/alice/x")
    assert words(run["config"]["dir"]) == set()


@pytest.mark.parametrize("key", ["user", "username", "email", "host", "hostname", "job_user"])
def test_what_stands_below_a_personal_key_is_replaced_wherever_the_key_is(
    pseudonymiser: Pseudonymiser, key: str
) -> None:
    run = pseudonymiser.run(a_run(config={"deep": [{key: "someone", "n": 1}], key: ["a", "b"]}))
    assert run["config"] == {
        "deep": [{key: pseudonymiser.hash("someone"), "n": 1}],
        key: [pseudonymiser.hash("a"), pseudonymiser.hash("b")],
    }


def test_short_names_are_not_searched_for_in_other_text(pseudonymiser: Pseudonymiser) -> None:
    """A user `al` would be found inside of everything."""
    run = pseudonymiser.run(a_run(user={"username": "al"}, tags=["al-dolma", "al"]))
    assert run["user"]["username"].startswith(PREFIX)
    assert run["tags"] == ["al-dolma", "al"]


def test_names_are_replaced_as_words_only(pseudonymiser: Pseudonymiser) -> None:
    run = pseudonymiser.run(a_run(user="mark", tags=["benchmark", "marks", "mark", "by_mark_2"]))
    name = pseudonymiser.hash("mark")
    assert run["tags"] == ["benchmark", "marks", name, f"by_{name}_2"]


def test_a_name_inside_another_name_does_not_break_it(pseudonymiser: Pseudonymiser) -> None:
    run = pseudonymiser.run(a_run(user={"username": "alice", "name": "alice smith"},
                                  notes="alice smith, alice"))  # fmt: skip
    hashed = [pseudonymiser.hash(name) for name in ("alice smith", "alice")]
    assert run["notes"] == ", ".join(hashed)


def test_history_rows(pseudonymiser: Pseudonymiser) -> None:
    row = a_row(
        1,
        metrics={
            "train_loss": 0.5,
            "note": "NaN",
            "list": [1, "x"],
            "image": {"_type": "image-file", "path": "media/images/x.png"},
        },
    )
    assert pseudonymiser.history_row(row) == row
    row["metrics"]["dir"] = {"/home/alice": "/home/alice", "by": "alice@example.com"}
    clean = pseudonymiser.history_row(row)
    assert "alice" not in json.dumps(clean)
    assert clean["run_id"] == RUN_ID


def test_relative_paths_of_path_keys_and_flags(pseudonymiser: Pseudonymiser) -> None:
    """`scratch/<user>/out` names a person as well as /scratch/<user>/out does."""
    run = {
        "run_id": RUN_ID,
        "config": {
            "output_dir": "scratch/alice/out",
            "model_name_or_path": "users/alice/models--allenai--DataDecide-c4-4M",
            "tokenizer_name_or_path": "allenai/gpt-neox-olmo-dolma-v1_5",
        },
        "wandb_metadata": {
            "program": "users/alice/train.py",
            "codePath": "alice/train.py",
            "args": ["--output_dir", "scratch/alice/out", "--cache-dir=alice/c", "--seed", "8",
                     "--dataset_mixer_list", "allenai/tulu-3-sft-mixture", "1.0"],
        },
    }  # fmt: skip
    clean = pseudonymiser.run(run)
    assert "alice" not in json.dumps(clean)
    assert clean["config"]["model_name_or_path"].endswith("/models--allenai--DataDecide-c4-4M")
    assert clean["config"]["tokenizer_name_or_path"] == "allenai/gpt-neox-olmo-dolma-v1_5"
    assert clean["wandb_metadata"]["args"][0] == "--output_dir"
    assert clean["wandb_metadata"]["args"][3:] == [
        "--seed", "8", "--dataset_mixer_list", "allenai/tulu-3-sft-mixture", "1.0",
    ]  # fmt: skip


def test_a_known_name_in_a_relative_path_hides_none_of_the_others(
    pseudonymiser: Pseudonymiser,
) -> None:
    """Where one component was replaced as a known user or address, the rest was taken for done."""
    run = {
        "run_id": RUN_ID,
        "config": {"output_dir": "scratch/alice/bobs-project", "data_dir": "bob/a@example.org/x"},
        "wandb_metadata": {"username": "alice", "args": ["--output_dir", "alice/bob/out"]},
    }
    clean = json.dumps(pseudonymiser.run(run))
    assert not re.search("alice|bob|scratch|example", clean)
    # The known name keeps the pseudonym that it has everywhere else.
    assert clean.count(pseudonymiser.hash("alice")) == 3


@pytest.mark.parametrize(
    "record",
    [
        {"compute_config": {"output_dir": "scratch/asimov/out"}},
        {"compute_config": {"output_dir": "asimov/out"}},
        {"model_config": {"model": "checkpoints/asimov/step1"}},
        {"model_config": {"model": "checkpoints/asimov"}},
        {"model_config": {"model": "asimov/step_500"}},
        {"model_config": {"model": "asimov/config.json"}},
        {"model_config": {"model": "asimov/a/b"}},
        {"model_config": {"model_name_or_path": "./asimov/x"}},
        {"cmd": "python -u run.py --user=asimov --limit 5"},
        {"cmd": "run --owner asimov"},
        {"cmd": "run --output-dir asimov/out --limit 5"},
        {"args": ["--user", "asimov", "--user=asimov"]},
        {"author": "asimov"},
        {"task_config": {"owner": {"name": "asimov"}, "judge_user": ["asimov"]}},
        {"beaker_info": {"author": {"name": "asimov"}}, "notes": "ask asimov"},
        {"cmd": "run --user asimov", "notes": "ask asimov"},
        {"template": "see </home/asimov/x> or </weka/asimov/x>"},
    ],
)
def test_nobody_is_named_in_an_evaluation(
    pseudonymiser: Pseudonymiser, record: dict[str, Any]
) -> None:
    clean = pseudonymiser.evaluation(record, evaluation_names(record))
    assert "asimov" not in json.dumps(clean)


@pytest.mark.parametrize(
    "record",
    [
        {"model_config": {"model": "allenai/OLMo-2-1124-7B-SFT", "revision": "step_500"}},
        {"model_config": {"model": "meta-llama/Llama-3.1-8B", "model_path": None}},
        {"model_config": {"model": "gpt2", "tokenizer": "EleutherAI/gpt-neox-20b"}},
        {"task_config": {"dataset_path": "cais/mmlu", "dataset_name": "all"}},
        {"task_config": {"generation_kwargs": {"stop_sequences": ["</s>", "</", "</think>\n"]}}},
        {"task_config": {"context_kwargs": {"user_prompt": "Yes/no/maybe?", "role": "user"}}},
        {"owner": None, "metrics": {"pass@1": 0.5, "hosts": 3}},
        {"cmd": "olmes --model allenai/OLMo-2-1124-7B --task a:b::c --limit 10 -u x"},
    ],
)
def test_what_is_nobodys_stays_in_an_evaluation(
    pseudonymiser: Pseudonymiser, record: dict[str, Any]
) -> None:
    assert pseudonymiser.evaluation(record, evaluation_names(record)) == record


def test_the_text_of_a_benchmark_stays_as_it_is(pseudonymiser: Pseudonymiser) -> None:
    text = "ask asimov@example.org, or look into /home/asimov/x"
    record = {"model_output": [{"continuation": text, "note": text}]}
    clean = pseudonymiser.evaluation(record, ["asimov"], {"continuation"})
    (output,) = clean["model_output"]
    assert output["continuation"] == text and "asimov" not in output["note"]


def test_with_keep_personal_nothing_changes() -> None:
    keeper = Pseudonymiser(None)
    assert keeper.key_id is None
    assert keeper.run(personal_run()) == personal_run()
    assert keeper.text("/home/alice") == keeper.path("/home/alice") == "/home/alice"
    row = a_row(1, metrics={"dir": "/home/alice"})
    assert keeper.history_row(row) == row


def test_the_input_is_left_alone(pseudonymiser: Pseudonymiser) -> None:
    run = personal_run()
    pseudonymiser.run(run)
    assert run == personal_run()


# -- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", "   ", "short", "fifteen letters"])
def test_without_a_proper_key_nothing_lands(
    zone: LandingZone, tmp_path: Path, key: str | None
) -> None:
    export = write_jsonl(tmp_path / "runs.jsonl", [personal_run()])
    result = cli("wandb-files", export, "--raw-dir", zone.root, key=key)
    assert result.returncode == 2
    assert result.stdout == ""
    for help_ in (KEY_VARIABLE, "openssl rand", "--keep-personal", "at least 16"):
        assert help_ in result.stderr
    assert ("too short" in result.stderr) == bool((key or "").strip())
    assert not zone.root.exists()


def test_keep_personal_lands_clear_text_and_needs_no_key(zone: LandingZone, tmp_path: Path) -> None:
    export = write_jsonl(tmp_path / "runs.jsonl", [personal_run()])
    result = cli("wandb-files", export, "--keep-personal", "--raw-dir", zone.root, key=None)
    assert result.returncode == 0
    assert landed(zone, "runs")[0]["wandb_metadata"] == personal_run()["wandb_metadata"]


def test_another_key_on_an_existing_zone_is_wrong_usage(zone: LandingZone, tmp_path: Path) -> None:
    export = write_jsonl(tmp_path / "runs.jsonl", [personal_run()])
    assert cli("wandb-files", export, "--raw-dir", zone.root).returncode == 0
    before = files_of(zone)
    other = write_jsonl(tmp_path / "other.jsonl", [a_run("other")])
    result = cli("wandb-files", other, "--raw-dir", zone.root, key="another key, long enough")
    assert result.returncode == 2
    assert "another pseudonym key" in result.stderr
    assert files_of(zone) == before
    assert summary_of(cli("wandb-files", other, "--raw-dir", zone.root))["runs"] == 1


def test_a_file_landed_in_clear_text_is_not_taken_for_landed_under_a_key(
    zone: LandingZone, tmp_path: Path
) -> None:
    """Otherwise a call without --keep-personal ends in success and the clear text stays."""
    export = write_jsonl(tmp_path / "runs.jsonl", [personal_run()])
    land(zone, export, key=None)
    result = cli("wandb-files", export, "--raw-dir", zone.root)
    assert result.returncode == 2
    assert "--keep-personal" in result.stderr


def test_what_is_refused_is_recorded_without_personal_data(
    zone: LandingZone, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "alice"
    folder.mkdir(parents=True)
    export = write_jsonl(folder / "export.jsonl", [
        {"/home/alice/x": 1, "alice@example.com": 2}, '{"path": "/home/alice/x',
        a_run("x", config='{"dir": /home/alice}'),
    ])  # fmt: skip
    lines = export.read_text(encoding="utf-8").splitlines()
    among_others = write_jsonl(folder / "mixed.jsonl", [a_run("good"), *lines])
    land(zone, export, among_others, folder / "absent.jsonl", folder / "absent" / "folder")
    text = everything_written(zone)
    # A file as a whole, three lines of one that has others, the run in it, and two paths.
    assert len(landed(zone, "outcomes")) == 7
    assert "alice" not in text
    assert str(tmp_path) not in text


# -- real records ---------------------------------------------------------------------------------

# Values below these keys say who, where or on which machine.
NAMES = {"email", "username", "user", "host", "remote", "job_user", "job_account", "job_nodelist",
         "nodelist", "submit_host"}  # fmt: skip
READABLE = re.compile(
    r"(models|datasets)--.*|DataDecide-.*|snapshots|[0-9a-f]{40}|main|"
    r"(\d{6}-\d{6}|\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d)_.*"
)
TOKENS = re.compile(r"[/\s'\",;:=()\[\]]+")


def exports_of(shared_data: Path) -> list[Path]:
    """Without the table of names beside them, which is no export and is refused."""
    return [shared_data / "wandb" / name for name in ("runs.jsonl", "history.jsonl")]


def texts(record: Any) -> list[tuple[tuple[Any, ...], str]]:
    return [(path, value) for path, value in leaves(record) if isinstance(value, str)]


def names_of(record: Any) -> set[str]:
    """People, machines and addresses of a record, found without the code under test."""
    named = {value for path, value in texts(record) if NAMES & {*map(str, path)}}
    mailed = {found for _, value in texts(record)
              for found in re.findall(r"[\w.+-]+@[\w-]+\.[\w.]+", value)}  # fmt: skip
    return named | mailed


def components_of(record: Any) -> set[str]:
    """Components of absolute paths and texts of Slurm, except what is meant to stay."""
    paths = [part for _, value in texts(record)
             for part in re.findall(r"(?:^|(?<=[\s='\"]))/[^\s'\",]+", value)]  # fmt: skip
    slurm = {value for path, value in texts(record) if "slurm" in path}
    # The script's name, which `codePath` tells relative to the public repository.
    public = {part for path, value in texts(record) if path[-1] in ("codePath", "codePathLocal")
              for part in value.split("/")}  # fmt: skip
    return {
        part
        for part in {*"/".join(paths).split("/"), *slurm, *".".join(slurm).split(".")} - public
        if len(part) > 3 and re.search("[a-zA-Z]", part) and not READABLE.fullmatch(part)
    }


def test_no_clear_value_of_the_real_records_is_in_any_landed_file(
    zone: LandingZone, shared_data: Path
) -> None:
    sources = [
        json.loads(line)
        for name in ("runs.jsonl", "history.jsonl")
        for line in (shared_data / "wandb" / name).read_text(encoding="utf-8").splitlines()
    ]
    names = set().union(*map(names_of, sources))
    components = set().union(*map(components_of, sources))
    assert {"person@example.com", "researcher", "node-001", "group-1", "node-007"} <= names
    assert {"cluster", "scratch", "gitfiles", "open-instruct-fts", "gpu-a40"} <= components

    result = cli("wandb-files", *exports_of(shared_data), "--raw-dir", zone.root)

    assert result.returncode == 0
    written = everything_written(zone)
    assert {name for name in names if name in written} == set()
    assert "@example.com" not in written
    records = [
        *landed(zone, "runs"),
        *landed(zone, "history"),
        *landed(zone, "outcomes"),
        *(json.loads(json.dumps(vars(m), default=vars)) for m in zone.manifests()),
    ]
    tokens = {token for record in records for _, value in texts(record)
              for token in TOKENS.split(value)}  # fmt: skip
    assert components & tokens == set()


def test_the_real_records_lose_nothing_but_clear_text(zone: LandingZone, shared_data: Path) -> None:
    """Every number, flag, null and key is as exported; texts change only where they must."""
    land(zone, *exports_of(shared_data))
    after = {run["run_id"]: run for run in landed(zone, "runs")}
    changed: set[str] = set()
    for line in (shared_data / "wandb" / "runs.jsonl").read_text(encoding="utf-8").splitlines():
        before = json.loads(line)
        run = after[before["run_id"]]
        for repeated in ("config", "rawconfig", "summaryMetrics", "systemMetrics", "metadata"):
            before["system_attrs"].pop(repeated, None)
        for added in ("line", "exported_at", "content_sha256"):
            del run[added]
        old, new = dict(leaves(before)), dict(leaves(run))
        assert old.keys() == new.keys()
        for path, value in old.items():
            if not isinstance(value, str):
                assert repr(new[path]) == repr(value), path
            elif new[path] != value:
                changed.add(".".join(map(str, path[:2])))
    assert changed <= {
        "config.dataset_local_cache_dir", "config.dataset_mix_dir", "config.model_name_or_path",
        "config.output_dir",
        "config.tokenizer", "config.tokenizer_name_or_path", "system_attrs.user",
        *(f"wandb_metadata.{key}" for key in ("args", "codePath", "codePathLocal", "email",
                                              "executable", "git", "host", "program", "root",
                                              "slurm", "username")),
    }  # fmt: skip


def test_the_real_checkpoints_stay_readable(zone: LandingZone, shared_data: Path) -> None:
    land(zone, *exports_of(shared_data))
    paths = {run["run_id"]: run["config"]["model_name_or_path"] for run in landed(zone, "runs")}
    assert paths[RUN_ID].endswith(f"/models--allenai--DataDecide-dolma1_7-530M/snapshots/{SHA}")
    assert all("researcher" not in path for path in paths.values())


@pytest.mark.parametrize(
    "folder",
    ["step1000", "step_1000", "checkpoint-500", "eid_0-seen_steps_1000", "global_step12",
     "stage1-step1000-tokens5B", "hf_checkpoint", "olmes_eval"],
)  # fmt: skip
def test_folders_of_checkpoints_stay_readable(folder: str) -> None:
    """They say which step was evaluated; a name beside the step is still one."""
    pseudonymiser = Pseudonymiser("a key for tests, long enough")
    assert pseudonymiser.path(f"/scratch/jdoe/{folder}").endswith(f"/{folder}")
    assert pseudonymiser.folders(["jdoe", folder])[1] == folder
    for personal in (f"jdoe-{folder}", f"{folder}-jdoe"):
        assert personal not in pseudonymiser.path(f"/scratch/{personal}/x")


@pytest.mark.parametrize(
    "address",
    [
        "https://wandb.ai/ml-moe/ft-scaling/runs/a%3Db",
        "https://api.forge.coreweave.com/wandb/ml-moe/ft-scaling/runs/a=b",
        "http://localhost:8080/ml-moe/ft-scaling/runs/a=b",
    ],
)
def test_the_address_of_a_run_stays_readable(pseudonymiser: Pseudonymiser, address: str) -> None:
    """It says no more than its entity, project and id; any other address may name somebody."""
    run = {"entity": "ml-moe", "project": "ft-scaling", "run_id": "a=b"}
    assert pseudonymiser.run(run | {"extra": {"url": address}})["extra"]["url"] == address
    assert pseudonymiser.run(run | {"url": address})["url"] == address
    for other in (address + "/files/asimov", address.replace("ml-moe", "asimov"), address + "?a=b"):
        clean = pseudonymiser.run(run | {"extra": {"url": other}})["extra"]["url"]
        assert "anon-" in clean and "asimov" not in clean
