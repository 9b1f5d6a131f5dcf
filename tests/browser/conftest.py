"""A browser and a page for every test of this folder."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from devstack.testing.stack import Stack, running_stack
from tests.browser import chromium, gallery


@pytest.fixture(scope="package")
def browser(database: None) -> Iterator[Browser]:
    """Closes with this folder: Playwright keeps an event loop running, and no other test could run one beside it.

    Depends on `database`, whose migrations cannot run beside an event loop.
    """
    with chromium.started() as browser:
        yield browser


@pytest.fixture(scope="session")
def gallery_server() -> Iterator[gallery.Gallery]:
    with gallery.opened() as opened:
        yield opened


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system, from simulated buttons to the web server."""
    with running_stack(tmp_path_factory.mktemp("browser") / "home") as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page at desktop size that fails the test on any script error."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, timezone_id=gallery.ZONE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors
