"""How the OpenAPI document names the two ways to prove who is calling, and shows the body of a DELETE."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """An access token, or the portal's session cookie."""

    target_class = "apps.accounts.identity.authentication.PrincipalAuthentication"
    name = ["accessToken", "session"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[str]]]:
        """Either of the two, not both."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, object]]:
        """One definition for each name."""
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
        ]


class ShowsBodyOfDelete(AutoSchema):
    """RFC 9110, 9.3.5, lets a DELETE have a body where both sides agree on it, as here; drf-spectacular shows none."""

    def _get_request_body(self, direction: str = "request") -> Any:
        method, self.method = self.method, "POST"
        try:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = method


View = TypeVar("View", bound=Callable[..., object])


def shown_by(schema: type[AutoSchema]) -> Callable[[View], View]:
    """Let another schema class than the default show a method; below `extend_schema`."""

    def mark(view: View) -> View:
        view.kwargs = {"schema": schema}  # type: ignore[attr-defined]
        return view

    return mark
