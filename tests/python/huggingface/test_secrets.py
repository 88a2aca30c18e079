"""`pretrain`: tokens and passwords are sent, and kept nowhere."""

from __future__ import annotations

import json

import pytest

from extract.landing.zone import LandingZone
from tests.python.huggingface.double import SIGNATURE, HubDouble, Repo
from tests.python.huggingface.testing import (
    BUSY,
    PPL,
    TOKEN,
    command,
    pretrain,
)
from tests.python.testing import landed


def written(zone: LandingZone) -> bytes:
    """Everything below the parent of the zone: landed files, downloads, the client's folders."""
    return (
        b"\n".join(
            str(path).encode() + (path.read_bytes() if path.is_file() else b"")
            for path in zone.root.parent.rglob("*")
        )
        + json.dumps([landed(zone, "outcomes"), [str(m) for m in zone.manifests()]]).encode()
    )


@pytest.mark.parametrize("outcome", ["lands", "is refused", "fails"])
def test_the_token_is_sent_and_kept_nowhere(
    hub: HubDouble, zone: LandingZone, ppl_repo: Repo, outcome: str
) -> None:
    ppl_repo.private = True
    if outcome == "is refused":
        hub.tokens = frozenset()  # and the hub repeats the token in its answer
    if outcome == "fails":
        hub.fail("/tree/", status=429, headers=BUSY)
        hub.fail("cdn GET", cut=10)
        hub.fail("cdn GET", status=403, times=None)
    answer = command(hub, zone, HF_TOKEN=TOKEN, HF_HUB_VERBOSITY="debug", HF_DEBUG="1")
    assert answer.code == (0 if outcome == "lands" else 1)
    assert hub.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    secret = TOKEN.encode()
    assert secret not in answer.err.encode() and secret not in answer.out.encode()
    assert secret not in written(zone)
    # The address of a large file is as good as its content, for an hour.
    assert SIGNATURE not in answer.err
    assert SIGNATURE.encode() not in written(zone)


@pytest.mark.parametrize("token", [f"{TOKEN}\x01", f"{TOKEN}ü", f"{TOKEN} x"])
def test_a_token_that_is_no_header_is_not_repeated(
    hub: HubDouble, zone: LandingZone, token: str
) -> None:
    """The HTTP client's own message is `Illegal header value b'Bearer hf_...'`."""
    answer = pretrain(hub, zone, HF_TOKEN=token)
    assert (answer.code, answer.out) == (2, "")
    assert "HF_TOKEN" in answer.err
    assert TOKEN not in answer.err
    assert hub.requests == []


def test_the_password_of_an_endpoint_is_not_repeated(hub: HubDouble, zone: LandingZone) -> None:
    endpoint = hub.url.replace("//", "//someone:s3cret@")
    hub.fail("/tree/", status=500, headers=BUSY)
    hub.repos.pop(PPL.repo_id)
    answer = pretrain(endpoint, zone, "--dataset", "ppl-results")
    assert answer.code == 1
    assert "s3cret" not in answer.err
    assert b"s3cret" not in written(zone)
