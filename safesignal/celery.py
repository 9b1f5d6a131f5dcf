"""Celery: tasks are hints and a fast path; what is due stands in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")
app = Celery("safesignal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
