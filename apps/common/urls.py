"""Health, for process managers and load balancers."""

from django.urls import path

from apps.common.operations import health

urlpatterns = [path("live", health.live), path("ready", health.ready)]
