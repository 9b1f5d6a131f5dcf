"""Objects in S3: with production settings, the programs store them in a bucket over HTTP."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from devstack.machine.paths import ROOT
from devstack.machine.ports import HOST
from devstack.testing.stack import free_ports
from tests.kit.patience import WAIT_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

Environment = dict[str, str]

MAKE_BUCKET = "default_storage.bucket.create()"
STORE_HEADS = "print(checkpoints.store_if_due(timezone.now()))"
READ_HEADS = "print(*[file.name for file in checkpoints.stored() if file.heads])"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an S3 server."""
    (port,) = free_ports(1)
    server = ThreadedMotoServer(HOST, port, verbose=False)
    server.start()
    yield f"http://{HOST}:{port}"
    server.stop()


@pytest.fixture
def without_bucket(server: str) -> Environment:
    """The settings of an operator, with the name of a bucket that does not exist."""
    return {
        **os.environ,
        "SAFESIGNAL_S3_BUCKET": f"safesignal-{secrets.token_hex(4)}",
        "SAFESIGNAL_S3_ENDPOINT": server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }


@pytest.fixture
def with_bucket(without_bucket: Environment) -> Environment:
    """The same settings, with the bucket created."""
    run_in_shell(MAKE_BUCKET, without_bucket)
    return without_bucket


def manage(*arguments: str, environment: Environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=4 * WAIT_SECONDS,
        check=False,
    )


def run_in_shell(code: str, environment: Environment) -> str:
    """Return what this code prints in a separate process."""
    imports = (
        "from django.core.files.storage import default_storage; from django.utils import timezone; "
        "from apps.common.audit import checkpoints; "
    )
    done = manage("shell", "--no-imports", "-c", imports + code, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def object_storage(environment: Environment) -> dict[str, str]:
    """Return the doctor's finding about object storage."""
    done = manage("doctor", "--json", environment=environment)
    findings: list[dict[str, str]] = [json.loads(line) for line in done.stdout.splitlines()]
    (found,) = (one for one in findings if one["name"] == "object storage")
    return found


def test_audit_heads_are_read_back_from_the_bucket_unchanged(with_bucket: Environment) -> None:
    stored = run_in_shell(STORE_HEADS, with_bucket)
    assert run_in_shell(READ_HEADS, with_bucket) == stored.rpartition("/")[2]


def test_audit_heads_are_due_again_only_after_a_while(with_bucket: Environment) -> None:
    assert run_in_shell(READ_HEADS, with_bucket) == ""
    assert run_in_shell(STORE_HEADS, with_bucket) != "None"
    assert run_in_shell(STORE_HEADS, with_bucket) == "None"


def test_doctor_writes_reads_and_deletes_an_object(with_bucket: Environment) -> None:
    assert object_storage(with_bucket)["state"] == "well"
    assert run_in_shell("print(list(default_storage.bucket.objects.all()))", with_bucket) == "[]"


def test_doctor_names_a_missing_bucket(without_bucket: Environment) -> None:
    found = object_storage(without_bucket)
    assert found["state"] == "unwell"
    assert "NoSuchBucket" in found["detail"]
    assert "SAFESIGNAL_S3_" in found["advice"]
