"""How Chromium is found and started: offline, without a sandbox (CI runs as root), with its own profile."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.kit.patience import WAIT_SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=document-user-activation-required",
]


def find() -> str | None:
    """Return the path of a Chromium: `CHROMIUM`, on PATH, or the one that Playwright installed."""
    named = os.environ.get("CHROMIUM")
    if named and Path(named).is_file():
        return named
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return str(own) if own.is_file() else None


@contextmanager
def started() -> Iterator[Browser]:
    """Start Chromium. If there is none, skip the test, which in CI is a failure."""
    path = find()
    if path is None:
        cannot_run("No Chromium: install the package `chromium`, or run `playwright install chromium`.")
    expect.set_options(timeout=WAIT_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def cannot_run(reason: str) -> None:
    """Report why a test cannot run."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason)
    pytest.skip(reason)
