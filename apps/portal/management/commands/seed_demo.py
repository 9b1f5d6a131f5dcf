"""`manage.py seed_demo`: create the demo school."""

import sys
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.common.problems import Problem
from apps.portal.demo import DemoRequest, create_demo_school


class Command(BaseCommand):
    """Create the demo school once; refused with production settings."""

    help = (
        'Create the demo school. Reads {"devices":[hardware ids],"gateway":{"public_key":PEM},"rules":[{"key":2,'
        '"pattern":"short","alert_type":"fire","is_silent":false}]} from standard input and prints the result, with '
        "generated passwords, as JSON. For development only."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the request, create the school and print it."""
        if settings.PRODUCTION:
            raise CommandError("A production system refuses demo data.")
        try:
            request = msgspec.json.decode(sys.stdin.buffer.read(), type=DemoRequest)
        except msgspec.DecodeError as error:
            raise CommandError(f"Standard input does not have the format that --help describes: {error}") from None
        try:
            school = create_demo_school(request, now=timezone.now())
        except Problem as problem:
            raise CommandError(problem.detail) from None
        self.stdout.write(msgspec.json.encode(school).decode())
