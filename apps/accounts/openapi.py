"""OpenAPI extensions: the two authentication schemes, and request bodies of DELETE."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """An access token, or the portal's session cookie."""

    target_class = "apps.accounts.identity.principals.authentication.PrincipalAuthentication"
    name = ["accessToken", "session"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[str]]]:
        """Require either scheme, not both."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, object]]:
        """Return one definition for each name."""
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME},
        ]


class DeleteBodySchema(AutoSchema):
    """Documents the body of a DELETE, which RFC 9110, 9.3.5, allows by agreement; drf-spectacular leaves it out."""

    def _get_request_body(self, direction: str = "request") -> Any:
        method, self.method = self.method, "POST"
        try:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = method


View = TypeVar("View", bound=Callable[..., object])


def documented_by(schema: type[AutoSchema]) -> Callable[[View], View]:
    """Set the schema class that documents a method; place it below `extend_schema`."""

    def mark(view: View) -> View:
        view.kwargs = {"schema": schema}  # type: ignore[attr-defined]
        return view

    return mark
