"""The request/response side of the cloud, as a WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

from apps.common.observability import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")
django_application = get_wsgi_application()
tracing.start("web")

from safesignal.timely import TimelyBodies  # noqa: E402 - needs the settings that were just loaded

application = TimelyBodies(django_application)
