"""The WSGI application for requests and responses, which `asgi.py` runs in threads."""

import os

from django.core.wsgi import get_wsgi_application

from apps.common.observability import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")
application = get_wsgi_application()
tracing.start("web")
