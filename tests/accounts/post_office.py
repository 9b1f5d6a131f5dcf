"""What people are sent: the queue is worked off as the worker does it, and the letters are read.

The queue is the real one; Django's test backend stands in for the mail server, which is outside our walls.
"""

import re
from typing import Any

from celery import current_app
from django.conf import settings
from django.core import mail

_SECRET = re.compile(r"/#(\S+)")


def work() -> None:
    """Carry out what is queued, and what that queues in turn."""
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


def letters(address: str) -> list[mail.EmailMessage]:
    """What this address was sent so far in this test, oldest first."""
    work()
    outbox: list[Any] = getattr(mail, "outbox", [])
    return [letter for letter in outbox if letter.to == [address]]


def letter(address: str) -> mail.EmailMessage:
    """The newest one."""
    return letters(address)[-1]


def link(address: str, page: str) -> str:
    """The secret in the newest letter's link to this page."""
    text = str(letter(address).body)
    assert f"{settings.BASE_URL}/{page}/#" in text
    found = _SECRET.search(text)
    assert found
    return found[1]


class TextMessages:
    """A provider of text messages as somebody may plug it in."""

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
