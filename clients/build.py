"""Build the clients from the OpenAPI document: `python -m clients.build FOLDER [python] [typescript]`.

Generated code is not committed: whoever writes an app generates it from the document of the cloud that it talks to.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PROGRAMS: Final = Path(sys.executable).parent
SECONDS: Final = 300


def write_document(path: Path) -> None:
    """The OpenAPI document of this checkout. Needs the environment of `manage.py`."""
    run([sys.executable, "manage.py", "spectacular", "--format", "openapi-json", "--file", str(path)], HERE.parent)


def build_python(document: Path, folder: Path) -> None:
    """A package `safesignal_client`, with an httpx client and a type for everything; no call may be left out."""
    generate = [str(PROGRAMS / "openapi-python-client"), "generate", "--path", str(document)]
    package = folder / "safesignal_client"
    generate += ["--config", str(HERE / "python" / "config.yaml"), "--output-path", str(package)]
    run([*generate, "--meta", "none", "--overwrite", "--fail-on-warning"], folder)
    shutil.copy(HERE / "python" / "smoke.py", folder)


def build_typescript(document: Path, folder: Path) -> None:
    """Types for openapi-fetch, compiled strictly together with the smoke test. Fetches its packages from npm."""
    for file in (HERE / "typescript").iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    run([str(PROGRAMS / "npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    run([str(PROGRAMS / "npx"), "openapi-typescript", str(document), "--output", "safesignal.d.ts"], folder)
    run([str(PROGRAMS / "npx"), "tsc"], folder)


BUILDERS: Final[Mapping[str, Callable[[Path, Path], None]]] = {"python": build_python, "typescript": build_typescript}


def run(command: list[str], folder: Path) -> str:
    """What a program printed. Raises CalledProcessError, after showing what it said."""
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout


def main() -> None:
    """Build what is asked for, each in a folder of its own."""
    parser = argparse.ArgumentParser(prog="python -m clients.build", description=__doc__)
    parser.add_argument("folder", type=Path, help="Where the clients go; made when it is not there.")
    parser.add_argument("clients", nargs="*", choices=[[], *BUILDERS], help="Which; both when left out.")
    parser.add_argument("--document", type=Path, help="An openapi.json; that of this checkout when left out.")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    document = arguments.document.absolute() if arguments.document else folder / "openapi.json"
    if not arguments.document:
        write_document(document)
    for name in arguments.clients or BUILDERS:
        place = folder / name
        place.mkdir(exist_ok=True)
        BUILDERS[name](document, place)
        sys.stdout.write(f"{name}: {place}\n")


if __name__ == "__main__":
    main()
