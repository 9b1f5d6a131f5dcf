"""docker-compose.yml keeps the promises of docs/operations.md. None of these tests needs a container engine."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
PUBLISHED = {"ingress", "mosquitto"}
ONE_SHOT = {"migrate"}
SERVERS = {"gateways", "alarms", "live", "pages"}
CLOUD = {"migrate", *SERVERS, "worker", "beat", "relay"}
ROLES = {
    "migrate": {"owner"},
    **{name: {"app"} for name in SERVERS},
    "worker": {"app", "system"},
    "beat": set(),
    "relay": {"system"},
    "postgres": {"superuser", "owner", "app", "system"},
}
"""The database roles whose passwords a service gets; services not listed get none."""
NETWORKS = {
    "front": {"ingress", "edge"},
    "building": {"mosquitto", "edge"},
    "http": {"ingress", *SERVERS},
    "data": {"postgres", "migrate", *SERVERS, "worker", "relay"},
    "bus": {"valkey", "cache", "rabbitmq", *SERVERS, "worker", "beat", "relay"},
    "objects": {"minio", "pages", "worker"},
    "outside": {"pages", "worker"},
}
OPEN_NETWORKS = {"front", "building", "outside"}
TOKEN_KEYS = "${SAFESIGNAL_SECRETS_DIR}/token_keys:/run/secrets/token_keys:ro"
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY|CREDENTIAL", re.IGNORECASE)
PLACE = re.compile(r"\{secret:([^}]+)\}")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(:?[-?+][^}]*)?\}")
EXACT = re.compile(
    r"postgres:\d+\.\d+-\w+"  # PostgreSQL's own versions have two parts
    r"|[a-z0-9./-]+:(\d+\.\d+\.\d+(-[a-z0-9.]+)?|RELEASE\.[0-9TZ-]+|\$\{SAFESIGNAL_VERSION:-\d+\.\d+\.\d+\})"
)


class Condition(msgspec.Struct, forbid_unknown_fields=True):
    condition: Literal["service_healthy", "service_completed_successfully"]


class Healthcheck(msgspec.Struct, forbid_unknown_fields=True):
    test: list[str]
    interval: str
    timeout: str
    retries: int
    start_period: str = ""


class Mounted(msgspec.Struct, forbid_unknown_fields=True):
    source: str
    target: str


class Build(msgspec.Struct, forbid_unknown_fields=True):
    context: str
    dockerfile: str
    target: str


class Aliases(msgspec.Struct, forbid_unknown_fields=True):
    aliases: list[str]


class Logging(msgspec.Struct, forbid_unknown_fields=True):
    driver: str
    options: dict[str, str]


class Service(msgspec.Struct, forbid_unknown_fields=True):
    """Every key that the file uses, and no other: a misspelt key is refused here, as by Compose."""

    image: str
    user: str
    read_only: bool
    cap_drop: list[str]
    security_opt: list[str]
    networks: list[str] | dict[str, Aliases | None]
    restart: str
    pids_limit: int
    init: bool
    logging: Logging
    build: Build | None = None
    command: list[str] = []
    entrypoint: list[str] = []
    hostname: str = ""
    tmpfs: list[str] = []
    shm_size: str = ""
    stop_grace_period: str = ""
    sysctls: dict[str, int] = {}
    cpu_shares: int = 0
    healthcheck: Healthcheck | None = None
    depends_on: dict[str, Condition] = {}
    environment: dict[str, str] = {}
    secrets: list[str | Mounted] = []
    ports: list[str] = []
    volumes: list[str] = []
    cap_add: list[str] = []
    privileged: bool = False
    network_mode: str = ""
    pid: str = ""

    def secret_names(self) -> set[str]:
        return {secret if isinstance(secret, str) else secret.source for secret in self.secrets}


class Network(msgspec.Struct, forbid_unknown_fields=True):
    internal: bool = False


class Secret(msgspec.Struct, forbid_unknown_fields=True):
    file: str


class Compose(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    services: dict[str, Service]
    networks: dict[str, Network]
    secrets: dict[str, Secret]
    volumes: dict[str, None]


@cache
def compose() -> Compose:
    document = yaml.safe_load(COMPOSE.read_text())
    return msgspec.convert({key: part for key, part in document.items() if not key.startswith("x-")}, Compose)


SERVICES = sorted(compose().services)


@pytest.mark.parametrize("name", SERVICES)
def test_service_has_minimal_privileges(name: str) -> None:
    service = compose().services[name]
    uid, _, gid = service.user.partition(":")
    assert int(uid) > 0 and int(gid) > 0
    assert service.read_only
    assert service.cap_drop == ["ALL"] and not service.cap_add
    assert service.security_opt == ["no-new-privileges:true"]
    assert service.pids_limit > 0
    assert not service.privileged and not service.network_mode and not service.pid
    assert not [volume for volume in service.volumes if "docker.sock" in volume]
    assert all(volume.endswith(":ro") for volume in service.volumes if volume.startswith("."))


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned_to_an_exact_version(name: str) -> None:
    assert EXACT.fullmatch(compose().services[name].image)


@pytest.mark.parametrize("name", SERVICES)
def test_service_has_a_health_check_or_ends(name: str) -> None:
    service = compose().services[name]
    if name in ONE_SHOT:
        assert service.restart == "no" and service.healthcheck is None
    else:
        assert service.restart == "unless-stopped" and service.healthcheck is not None


@pytest.mark.parametrize("name", SERVICES)
def test_service_waits_for_its_dependencies(name: str) -> None:
    for needed, condition in compose().services[name].depends_on.items():
        expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
        assert condition.condition == expected, needed


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_server_starts_in_its_own_role(name: str) -> None:
    """The role sets the threads and the priority of its work."""
    _, _, program, role, *_ = compose().services[name].command
    assert (program, role) == ("safesignal.serve", name)


def test_only_two_ports_are_published_and_only_locally() -> None:
    published = {name: service.ports for name, service in compose().services.items() if service.ports}
    assert set(published) == PUBLISHED
    for ports in published.values():
        for port in ports:
            assert re.match(r"^\$\{[A-Z_]+:-127\.0\.0\.1\}:\$\{[A-Z_]+:-\d+\}:\d+$", port), port


def test_each_network_joins_only_services_that_communicate() -> None:
    joined: dict[str, set[str]] = {network: set() for network in compose().networks}
    for name, service in compose().services.items():
        for network in service.networks:
            joined[network].add(name)
    assert joined == NETWORKS
    assert {name for name, network in compose().networks.items() if not network.internal} == OPEN_NETWORKS


@pytest.mark.parametrize("name", SERVICES)
def test_service_gets_only_its_own_database_role(name: str) -> None:
    found = {
        match[1]
        for secret in compose().services[name].secret_names()
        if (match := re.match(r"^postgres_(\w+)_password$", secret))
    }
    assert found == ROLES.get(name, set())


@pytest.mark.parametrize("name", SERVICES)
def test_compose_file_contains_no_secret(name: str) -> None:
    for variable, value in compose().services[name].environment.items():
        if SECRET_NAME.search(variable):
            assert value.startswith("/run/secrets/") or PLACE.fullmatch(value), variable
        credentials = re.match(r"^\w+(?:\+\w+)?://[^/@:]*:([^@]*)@", value)
        if credentials:
            assert PLACE.fullmatch(credentials[1]), f"{variable} contains a password"


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_mounted_only_where_they_are_used(name: str) -> None:
    service = compose().services[name]
    assert service.secret_names() <= set(compose().secrets)
    text = msgspec.json.encode([service.environment, service.healthcheck]).decode()
    used = {match[1] for match in PLACE.finditer(text)} | set(re.findall(r"/run/secrets/([\w.]+)", text))
    if name in CLOUD | {"edge", "minio"}:
        # Settings name the key files for every process; only processes that sign or verify get them.
        unused = {"token_keys", "config_key.pem"}
        assert used - unused <= service.secret_names() <= used
    else:
        assert used <= service.secret_names() | {"password"}


def test_token_key_folder_is_mounted_where_tokens_are_signed_or_verified() -> None:
    """A folder, so that an added key is found; none of the services can write to it."""
    mounted = {name: service.volumes for name, service in compose().services.items() if TOKEN_KEYS in service.volumes}
    assert set(mounted) == SERVERS


def test_secret_variables_have_no_default() -> None:
    for variable, rule in VARIABLE.findall(COMPOSE.read_text()):
        assert not SECRET_NAME.search(variable.removesuffix("_DIR").replace("SAFESIGNAL_SECRETS", "")), variable
        assert "change" not in rule.lower()
    required = set(re.findall(r"\$\{([A-Z0-9_]+):\?", COMPOSE.read_text()))
    assert required == {
        "SAFESIGNAL_BASE_URL",
        "SAFESIGNAL_HOSTNAME",
        "SAFESIGNAL_EDGE_GATEWAY_ID",
        "SAFESIGNAL_SECRETS_DIR",
    }


@pytest.mark.parametrize("name", sorted(CLOUD))
def test_every_variable_of_a_cloud_service_is_a_known_setting(name: str) -> None:
    settings = (ROOT / "safesignal" / "settings.py").read_text()
    unknown = {variable for variable in compose().services[name].environment if f'"{variable}"' not in settings}
    assert not unknown


def test_every_mounted_file_exists() -> None:
    for service in compose().services.values():
        for volume in service.volumes:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            elif volume == TOKEN_KEYS:
                assert "mkdir token_keys" in (ROOT / "deploy" / "make-secrets.sh").read_text()
            else:
                assert source in compose().volumes


def test_images_use_pinned_bases_and_a_non_root_user() -> None:
    lines = (ROOT / "deploy" / "docker" / "Dockerfile").read_text().splitlines()
    stages: dict[str, str] = {}
    users: dict[str, str] = {}
    current = ""
    for line in lines:
        if match := re.match(r"^FROM (\S+) AS (\w+)$", line):
            current = match[2]
            stages[current] = match[1]
        elif match := re.match(r"^USER (\S+)$", line):
            users[current] = match[1]
        elif match := re.match(r"^COPY (?!--from)(?:--\w+=\S+ )*(.+) \S+$", line):
            assert all((ROOT / source).exists() for source in match[1].split()), line
    assert [base for base in stages.values() if base not in stages and not EXACT.fullmatch(base)] == []
    assert {stage: users.get(stage) for stage in ("cloud", "edge", "minio")} == dict.fromkeys(
        ("cloud", "edge", "minio"), "10001:10001"
    )


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder of secrets created by deploy/make-secrets.sh."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt-get install openssl)")
    folder = tmp_path / "secrets"
    subprocess.run([ROOT / "deploy" / "make-secrets.sh", folder, "school.example.org"], check=True, capture_output=True)
    return folder


def test_make_secrets_creates_every_secret_and_overwrites_none(made: Path) -> None:
    assert {name for name in compose().secrets if not (made / name).stat().st_size} == set()
    assert made.stat().st_mode & 0o777 == 0o700
    assert (made / "authority").stat().st_mode & 0o777 == 0o700
    before = {path.name: path.read_bytes() for path in made.iterdir() if path.is_file()}
    again = subprocess.run(
        [ROOT / "deploy" / "make-secrets.sh", made, "other.example.org"], check=False, capture_output=True
    )
    assert again.returncode != 0 and b"exists already" in again.stderr
    assert before == {path.name: path.read_bytes() for path in made.iterdir() if path.is_file()}
    assert all(entry.file.endswith(f"/{name}") for name, entry in compose().secrets.items())


def test_every_variable_is_set_by_make_secrets_or_has_a_default(made: Path) -> None:
    given = {line.partition("=")[0] for line in (made / "compose.env").read_text().splitlines()}
    text = COMPOSE.read_text()
    without_default = {variable for variable, rule in VARIABLE.findall(text) if not rule.startswith(":-")}
    assert without_default == given


def environment_of(name: str, made: Path) -> dict[str, str]:
    """Return the environment that the process of a service gets, with its secrets in place."""
    given = dict(line.split("=", 1) for line in (made / "compose.env").read_text().splitlines())
    environment = {}
    for variable, value in compose().services[name].environment.items():
        text = VARIABLE.sub(lambda match: given.get(match[1], match[2].removeprefix(":-") if match[2] else ""), value)
        text = PLACE.sub(lambda match: (made / match[1]).read_text().strip(), text)
        environment[variable] = text.replace("/run/secrets", str(made))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CLOUD))
def test_production_settings_accept_the_environment_of_each_service(name: str, made: Path) -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "manage.py", "check", "--deploy", "--tag", "security", "--fail-level", "WARNING"],
        env=environment_of(name, made),
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_gateway_settings_accept_the_environment_of_its_service(made: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "edge_agent", "--check"],
        env=environment_of("edge", made),
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_compose_tools_accept_the_file(made: Path) -> None:
    """The schema of the Compose specification, and Compose itself, if available; the other tests need neither."""
    checker = Path(sys.executable).with_name("check-jsonschema")
    docker = shutil.which("docker")
    if checker.exists():
        subprocess.run([checker, "--builtin-schema", "vendor.compose-spec", COMPOSE], check=True)
    if docker and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0:
        codes = [
            subprocess.run(
                [docker, "compose", "--file", COMPOSE, "--env-file", variables, "config", "--quiet"],
                check=False,
                env={"PATH": os.environ["PATH"], "HOME": str(made)},
            ).returncode
            for variables in (made / "compose.env", "/dev/null")
        ]
        assert codes[0] == 0
        assert codes[1] != 0, "the service starts without its secrets"
