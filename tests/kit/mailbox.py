"""E-mails and text messages in tests: run queued tasks as the worker does, and read what was sent.

The queue is real; Django's test backend replaces the mail server, which is not part of this project.
"""

import re
from typing import Any

from celery import current_app
from django.conf import settings
from django.core import mail

_SECRET = re.compile(r"/#(\S+)")


def work() -> None:
    """Run all queued tasks, including those that they queue."""
    current_app.loader.import_default_modules()
    with current_app.connection_for_read() as connection, connection.SimpleQueue(_queue()) as queue:
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return
            message.ack()
            args, _, _ = message.payload
            current_app.tasks[message.headers["task"]].apply(args, throw=True)


def emails_to(address: str) -> list[mail.EmailMessage]:
    """E-mails sent to this address in this test so far, oldest first."""
    work()
    outbox: list[Any] = getattr(mail, "outbox", [])
    return [email for email in outbox if email.to == [address]]


def latest_email_to(address: str) -> mail.EmailMessage:
    """The newest e-mail to this address."""
    return emails_to(address)[-1]


def link(address: str, page: str) -> str:
    """The secret in the link to this page, from the newest e-mail."""
    text = str(latest_email_to(address).body)
    assert f"{settings.BASE_URL}/{page}/#" in text
    found = _SECRET.search(text)
    assert found
    return found[1]


class TextMessages:
    """A provider of text messages that keeps what it sends."""

    sent: list[tuple[str, str]] = []

    def send(self, to: str, text: str) -> None:
        self.sent.append((to, text))

    @classmethod
    def code(cls, to: str) -> str:
        """The code of the newest message to this number."""
        text = next(text for number, text in reversed(cls.sent) if number == to)
        found = re.search(r"\b\d{6}\b", text)
        assert found
        return found[0]


def _queue() -> str:
    return str(current_app.conf.task_default_queue)
