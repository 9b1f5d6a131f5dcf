"""Celery tasks of accounts: messages to people. Those that the mail server did not accept are retried."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from apps.accounts.identity import proofs
from apps.accounts.identity.sign_in import passwords
from apps.accounts.mail import messages
from apps.accounts.people import invitations

sending = shared_task(autoretry_for=(OSError,), retry_backoff=5, retry_backoff_max=600, max_retries=12)
"""Options of a task that retries for somewhat more than an hour, at growing intervals with jitter."""


@sending
def send_invitation(organization: str, invitation: str) -> None:
    """Send an invitation's link."""
    invitations.deliver(organization_id=UUID(organization), invitation_id=UUID(invitation), now=timezone.now())


@sending
def send_proof(proof: str) -> None:
    """Send a link or a code."""
    proofs.deliver(proof_id=UUID(proof), now=timezone.now())


@sending
def tell_email_changed(old_address: str) -> None:
    """Notify the old address."""
    messages.send(messages.email_changed(to=old_address))


@sending
def tell_password_changed(address: str) -> None:
    """Notify the owner of an account that the password has changed."""
    messages.send(messages.password_changed(to=address))


@sending
def start_password_reset(email: str) -> None:
    """Send a link to the owner of an account, if there is one with this address."""
    passwords.start_reset(email=email, now=timezone.now())


@sending
def tell_second_factor_changed(address: str) -> None:
    """Notify the owner of an account that a second factor has changed."""
    messages.send(messages.second_factor_changed(to=address))


@sending
def register_openly(slug: str, email: str) -> None:
    """Invite the requester, if the organization is open to registration."""
    invitations.register_openly(slug=slug, email=email, now=timezone.now())
