"""The demo school, from standard input to standard output."""

import sys
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.common.problems import Problem
from apps.portal.demo import DemoRequest, create_demo_school


class Command(BaseCommand):
    """Makes the demo school once; a production profile refuses it."""

    help = (
        'Make the demo school. Reads {"devices":[hardware ids],"gateway":{"public_key":PEM},"rules":[{"key":2,'
        '"pattern":"short","alert_type":"fire","is_silent":false}]} from standard input and prints what was made, with '
        "generated passwords, as JSON. For development only."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        if settings.PRODUCTION:
            raise CommandError("A production system takes no demo data.")
        try:
            request = msgspec.json.decode(sys.stdin.buffer.read(), type=DemoRequest)
        except msgspec.DecodeError as error:
            raise CommandError(f"Standard input is not what --help asks for: {error}") from None
        try:
            school = create_demo_school(request, now=timezone.now())
        except Problem as problem:
            raise CommandError(problem.detail) from None
        self.stdout.write(msgspec.json.encode(school).decode())
