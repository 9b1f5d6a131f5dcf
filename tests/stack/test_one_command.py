"""`./dev` from a user's point of view."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.errors import Refusal
from devstack.machine.account import myself
from devstack.machine.paths import STATE_VERSION, Needed, check_room, layout, prepare, run_folder
from devstack.stack import processes
from devstack.testing.stack import Stack, not_started
from tests.kit.patience import Promise, until

pytestmark = pytest.mark.stack

ALL = list(processes.NAMES)
Figure = Callable[[str, object], None]


def environment_of(pid: int | None) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_every_process_runs_separately(stack: Stack) -> None:
    processes_by_name = stack.status()
    assert list(processes_by_name) == ALL
    assert {one.state for one in processes_by_name.values()} == {"running"}
    pids = {one.pid for one in processes_by_name.values()}
    assert len(pids) == len(ALL)
    assert processes_by_name["web"].url == stack.demo.base_url


def test_press_reaches_screen_within_a_second(stack: Stack, record_property: Figure) -> None:
    promise = Promise(1.0)
    [first, second] = stack.press("--count", "2")
    for one in (first, second):
        assert one.alert_id is not None
        assert one.alert_id.startswith(f"{one.device}:")
        assert one.stored_ms is not None
        assert one.committed_ms is not None
        assert one.shown_ms is not None
        assert max(one.stored_ms, one.shown_ms) < 1000 * promise.seconds
        assert one.committed_ms <= one.shown_ms  # the confirmation to the button and the cloud's event are concurrent
    assert first.device != second.device
    record_property("figure", f"a press: stored {second.stored_ms} ms, on a screen {second.shown_ms} ms after it")


def test_second_press_joins_open_alert(stack: Stack) -> None:
    device = stack.demo.devices[0]
    first, again = stack.press("--device", device, "--count", "2", "--type", "medical")
    assert (again.alert_id, again.seq) == (first.alert_id, first.seq + 1)
    assert again.shown_ms is not None


@pytest.mark.parametrize("kind", [("fire",), ("lockdown", "--silent"), ("test",)])
def test_type_and_silence_select_key(stack: Stack, kind: tuple[str, ...]) -> None:
    output = stack.dev("press", "--type", *kind).stdout
    assert f"  {kind[0]}{' SILENT' if '--silent' in kind else ''} " in output.splitlines()[0] + " "


def test_drill_applies_to_one_press(stack: Stack) -> None:
    device = stack.demo.devices[1]
    assert "medical DRILL" in stack.dev("press", "--drill", "--type", "medical", "--device", device).stdout
    assert "DRILL" not in stack.dev("press", "--type", "fire", "--device", device).stdout


def test_table_shows_every_hop(stack: Stack) -> None:
    output = stack.dev("press", "--type", "assist").stdout
    for hop in ("pressed", "arrived at the gateway", "confirmed to the button", "committed in the cloud", "screen"):
        assert hop in output
    assert " - " not in output


def test_unknown_type_or_button_is_reported_in_one_line(stack: Stack) -> None:
    for arguments in (("--type", "picnic"), ("--device", "ss-nobody00")):
        done = stack.dev("press", *arguments, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_demo_file_is_complete_and_private(stack: Stack) -> None:
    school = stack.demo
    assert set(school.users) == {"admin", "manager", "operator", "viewer", "super_admin"}
    assert len(school.devices) == 1000
    assert Path(school.mqtt.ca).is_file()
    assert stat.S_IMODE((stack.home / "demo.json").stat().st_mode) == 0o600


def test_state_is_unreadable_for_other_users(stack: Stack) -> None:
    open_to_others = [
        str(path) for path in (stack.home, *stack.home.rglob("*")) if stat.S_IMODE(path.lstat().st_mode) & 0o077
        and not path.is_symlink() and not path.is_socket()
    ]  # fmt: skip
    assert open_to_others == []


def test_processes_listen_on_loopback_only(stack: Stack) -> None:
    ours = {inode for pid in pids_of(stack) for inode in sockets_of(pid)}
    listening = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()]
    addresses = {row[1].split(":")[0] for row in listening if row[3] == "0A" and row[9] in ours}
    assert addresses == {"0100007F"}


def pids_of(stack: Stack) -> list[int]:
    """Return all processes of this SafeSignal, including children."""
    server_url = environment_of(stack.status()["web"].pid)["SUPERVISOR_SERVER_URL"]
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"SUPERVISOR_SERVER_URL={server_url}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                pids.append(int(entry.name))
        except OSError:
            continue
    return pids


def sockets_of(pid: int) -> list[str]:
    inodes = []
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.append(target[8:-1])
    return inodes


def test_each_process_gets_only_required_settings(stack: Stack) -> None:
    processes_by_name = stack.status()
    cloud = environment_of(processes_by_name["web"].pid)
    assert "DATABASE_URL" in cloud
    assert not {"DATABASE_SYSTEM_URL", "DATABASE_OWNER_URL"} & set(cloud)
    assert "DATABASE_OWNER_URL" not in environment_of(processes_by_name["relay"].pid)
    for name in ("edge", "button", "broker", "postgres", "valkey"):
        assert not [
            key for key in environment_of(processes_by_name[name].pid) if key.startswith(("DATABASE_", "VALKEY_"))
        ]


def test_postgresql_and_valkey_do_not_run_as_root(stack: Stack) -> None:
    for name in ("postgres", "valkey"):
        assert Path(f"/proc/{stack.status()[name].pid}").stat().st_uid != 0


def test_process_list_contains_no_secret(stack: Stack) -> None:
    secrets = set((stack.home / "keys" / "credentials.json").read_text().split('"')[3::4])
    assert len(secrets) == 6
    for pid in pids_of(stack):
        line = Path(f"/proc/{pid}/cmdline").read_text()
        assert not [secret for secret in secrets if secret in line]


def test_manage_has_the_environment_set(stack: Stack) -> None:
    done = stack.dev("manage", "shell", "-c", "from django.conf import settings; print(settings.BASE_URL)")
    assert stack.demo.base_url in done.stdout


def test_logs_shows_one_process(stack: Stack) -> None:
    assert "Listening on" in stack.dev("logs", "broker").stdout
    unknown = stack.dev("logs", "nobody", check=False)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)


def test_second_up_is_refused(stack: Stack) -> None:
    done = stack.dev("up", "--detach", check=False)
    assert done.returncode == 1
    assert "running already" in done.stderr


@pytest.mark.parametrize("name", ALL)
def test_killed_process_is_restarted(stack: Stack, name: str, record_property: Figure) -> None:
    """PostgreSQL within 30 s, others within 5 s; afterwards the chain works as before."""
    before = stack.status()[name]
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    began, promise = time.monotonic(), Promise(30.0 if name == "postgres" else 5.0)
    while (now := stack.status()[name]).state != "running" or now.pid in (None, before.pid):
        assert promise.was_kept(), now
    record_property("figure", f"kill -9: {name} was back after {time.monotonic() - began:.1f} s")
    until(stack.ready)
    [one] = stack.press("--type", "test")
    assert one.stored_ms is not None
    assert one.shown_ms is not None


def test_state_survives_down_and_up(stack: Stack, record_property: Figure) -> None:
    before = stack.demo
    stack.press()
    stack.dev("down")
    assert {one.state for one in stack.status().values()} == {"stopped"}
    assert pids_left(stack) == []
    began = time.monotonic()
    stack.dev("up", "--detach")
    record_property("figure", f"the second start took {time.monotonic() - began:.1f} s")
    assert stack.demo == before
    [one] = stack.press()
    assert one.shown_ms is not None


def pids_left(stack: Stack) -> list[int]:
    home = str(stack.home).encode()
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if home in (entry / "cmdline").read_bytes():
                pids.append(int(entry.name))
        except OSError:
            continue
    return pids


def test_up_succeeds_after_killed_process_manager(stack: Stack) -> None:
    """Its children survive it; the next start ends them first."""
    manager = int((stack.home / "processes" / "supervisord.pid").read_text())
    os.kill(manager, signal.SIGKILL)
    stack.dev("up", "--detach")
    [one] = stack.press()
    assert one.shown_ms is not None


def test_occupied_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = str(occupied.getsockname()[1])
        stack = not_started(tmp_path / "home", SAFESIGNAL_HTTP_PORT=port)
        done = stack.dev("up", "--detach", check=False)
    stack.dev("reset", "--yes")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Port {port} for web is in use on 127.0.0.1: stop the other program, or set SAFESIGNAL_HTTP_PORT to another."
    ]


def test_state_of_other_version_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("99\n")
    done = not_started(tmp_path).dev("up", "--detach", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"state 99, this one has {STATE_VERSION}" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


def test_foreign_folder_is_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    stack = not_started(tmp_path)
    for command in (("up", "--detach"), ("reset", "--yes")):
        done = stack.dev(*command, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_full_disk_is_reported_before_writing(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="The disk is full"):
        check_room(tmp_path, needed=1 << 60)


def test_database_of_deleted_state_folder_is_kept_but_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout is deleted and cloned again at the same path, while the engines' folder is elsewhere."""
    monkeypatch.setenv("SAFESIGNAL_HOME", str(tmp_path / "var"))
    place = replace(
        layout(),
        engines=myself(),
        engine_home=tmp_path / "elsewhere" / "engines",
        root_only=Needed("this checkout", tmp_path),
    )
    prepare(place)
    (place.engine_home / "record").write_text("precious")
    prepare(place)
    assert (place.engine_home / "record").exists(), "an ordinary second start"
    shutil.rmtree(place.home)
    prepare(place)
    assert not (place.engine_home / "record").exists()
    assert (tmp_path / "elsewhere" / "engines.1" / "record").read_text() == "precious"


def test_socket_folder_is_valid_for_postgresql() -> None:
    """A comma separates hosts for PostgreSQL's clients, and a socket's path is limited in length."""
    home = Path("/srv/var")
    assert run_folder(home, "d1", myself(), at_home=True) == home / "run"
    for unfit in ("a school, safe", "a" * 90):
        assert not run_folder(home / unfit, "d1", myself(), at_home=True).is_relative_to(home)


def test_reset_asks_for_confirmation(tmp_path: Path) -> None:
    (tmp_path / "version").write_text(f"{STATE_VERSION}\n")
    stack = not_started(tmp_path)
    asked = subprocess.run(
        stack.command("reset"), env=stack.environment, input="n\n", capture_output=True, text=True, check=False
    )
    assert asked.returncode == 1
    assert tmp_path.exists()
    stack.dev("reset", "--yes")
    assert not tmp_path.exists()


def test_ctrl_c_stops_everything_cleanly(tmp_path: Path) -> None:
    stack = not_started(tmp_path / "home")
    try:
        with subprocess.Popen(stack.command("up"), env=stack.environment, stderr=subprocess.PIPE, text=True) as up:
            assert up.stderr is not None
            for line in up.stderr:
                if "Ctrl-C" in line:
                    break
            assert {one.state for one in stack.status().values()} == {"running"}
            up.send_signal(signal.SIGINT)
            up.stderr.read()
            assert up.wait(60) == 0
        assert {one.state for one in stack.status().values()} == {"stopped"}
        assert "database system is shut down" in (stack.home / "logs" / "postgres.log").read_text()
    finally:
        stack.dev("reset", "--yes", check=False)
