"""The pages that links in e-mails open: by keyboard alone, at the width of a phone, in a real browser."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from apps.accounts.identity import users
from apps.accounts.models import Role, User
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from tests.kit.school import School, SchoolFactory
from tests.kit.server import Server, running_server
from tests.matrix.own_things import email_secret, invitation_secret, reset_secret

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"
T = TypeVar("T")


def run_in_thread(make: Callable[[], T]) -> T:
    """Run in a separate thread, because Django does not access a database beside Playwright's event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


@pytest.fixture(scope="module")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def school(server: Server) -> School:
    return run_in_thread(SchoolFactory.create)


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    """A page as wide as a phone that fails the test on any script or policy error."""
    context = browser.new_context(base_url=server.url, viewport={"width": 360, "height": 740})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    yield page
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert not errors
    assert width <= 360, "the page is wider than the phone"


def type_and_send(page: Page, *texts: str) -> None:
    """Fill the fields by keyboard alone, then press Enter."""
    page.locator("form:visible input:visible").first.focus()
    for number, text in enumerate(texts):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")


def can_sign_in(server: Server, email: str, password: str) -> bool:
    answer = httpx.post(f"{server.url}/api/v1/auth/login", json={"email": email, "password": password})
    return answer.status_code == httpx.codes.OK


def test_new_user_can_accept_an_invitation(phone: Page, school: School, server: Server) -> None:
    secret = run_in_thread(lambda: invitation_secret(school))
    phone.goto(f"/join/#{secret}")
    expect(phone.get_by_label("First name")).to_be_visible()
    assert secret not in phone.url, "the secret is still in the address bar"
    type_and_send(phone, "Nora", "New", "password1234")
    expect(phone.get_by_role("alert")).to_contain_text("too common")
    expect(phone.get_by_label("Password, 12 characters or more")).to_be_focused()
    phone.get_by_label("Password, 12 characters or more").fill(PASSWORD)
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("status")).to_have_text("You have joined.")
    phone.reload()
    expect(phone.locator("main")).to_contain_text("not complete")


def test_user_with_an_account_can_accept_an_invitation(phone: Page, school: School) -> None:
    email = f"{secrets.token_hex(6)}@school.example"

    def invited() -> str:
        from django.utils import timezone

        from apps.accounts.models import Invitation
        from apps.accounts.people import invitations
        from apps.accounts.people.memberships import RoleAt

        with tenant_scope([school.organization]):
            users.create_user(actor=SYSTEM, email=email, password=PASSWORD, first_name="Olga", last_name="Old")
            invitation = invitations.invite(
                actor=SYSTEM,
                organization_id=school.organization,
                email=email,
                held=RoleAt(Role.OPERATOR),
                now=timezone.now(),
            )
            return invitations.new_link_secret(Invitation.objects.get(id=invitation.id))

    phone.goto(f"/join/#{run_in_thread(invited)}")
    type_and_send(phone, "Olga", "Old", PASSWORD)
    expect(phone.locator("main")).to_contain_text("There is an account with your e-mail address.")
    phone.get_by_role("link", name="Sign in").click()
    phone.get_by_label("E-mail address").fill(email)
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_role("button", name="Sign in").click()
    expect(phone.locator("main")).to_contain_text("You are signed in as Olga Old.")
    phone.get_by_role("button", name="Join with this account").press("Enter")
    expect(phone.get_by_role("status")).to_have_text("You have joined.")


def test_forgotten_password_can_be_reset(phone: Page, school: School, server: Server) -> None:
    secret = run_in_thread(lambda: reset_secret(school))
    email = run_in_thread(lambda: User.objects.filter(proof__isnull=False).order_by("-proof__created_at")[0].email)
    phone.goto(f"/reset-password/#{secret}")
    type_and_send(phone, "another horse for the staple")
    expect(phone.get_by_role("status")).to_have_text("Your new password is set.")
    assert can_sign_in(server, email, "another horse for the staple")
    phone.goto(f"/reset-password/#{secret}")
    type_and_send(phone, "yet another horse for it")
    expect(phone.get_by_role("alert")).to_contain_text("ask for a new one")


def test_email_is_confirmed_by_the_button_and_not_by_opening_the_link(
    phone: Page, school: School, server: Server
) -> None:
    secret = run_in_thread(lambda: email_secret(school))
    phone.goto(f"/confirm-email/#{secret}")
    button = phone.get_by_role("button", name="This address is mine")
    expect(button).to_be_visible()
    assert run_in_thread(lambda: User.objects.filter(proof__value__isnull=False, email_verified=True).count()) == 0
    button.press("Enter")
    expect(phone.get_by_role("status")).to_contain_text("Your address is confirmed.")


def test_password_reset_can_be_requested_from_the_sign_in_page(phone: Page) -> None:
    phone.goto("/login/")
    phone.get_by_role("link", name="Forgotten your password?").click()
    type_and_send(phone, "nobody@school.example")
    expect(phone.get_by_role("status")).to_contain_text("If there is an account with nobody@school.example")


def test_substitute_page_displays_the_code_for_the_app(phone: Page) -> None:
    phone.goto("/day/#7K3M-9QXT-B2WD")
    expect(phone.locator("main")).to_contain_text("7K3M-9QXT-B2WD")
