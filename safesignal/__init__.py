"""The cloud: settings, routes and the entry points of its processes."""

from safesignal.celery import app as celery_app

__all__ = ["celery_app"]
