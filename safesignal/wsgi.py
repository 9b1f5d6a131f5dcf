"""The request/response side of the cloud, as a WSGI application: `asgi.py` runs it in threads."""

import os

from django.core.wsgi import get_wsgi_application

from apps.common.observability import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")
application = get_wsgi_application()
tracing.start("web")
