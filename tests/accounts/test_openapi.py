"""Authentication in the OpenAPI document."""

from typing import Any

import pytest
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity.serializers import TokenSerializer

pytestmark = pytest.mark.slow


class Locked(APIView):
    """A view with the default authentication."""

    serializer_class = TokenSerializer

    def get(self, request: Request) -> Response:
        raise NotImplementedError


@pytest.fixture(scope="module")
def document() -> Any:
    patterns = [path("api/v1/", include("apps.accounts.urls")), path("api/v1/locked", Locked.as_view())]
    document = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    validate_schema(document)  # type: ignore[no-untyped-call]
    return document


@pytest.mark.parametrize("call", ["login", "refresh", "logout"])
def test_sign_in_operations_require_no_credential(document: Any, call: str) -> None:
    operation = document["paths"][f"/api/v1/auth/{call}"]["post"]
    assert operation.get("security") is None
    assert "application/problem+json" in operation["responses"]["400"]["content"]


def test_authenticated_operation_accepts_token_or_session(document: Any) -> None:
    assert document["paths"]["/api/v1/locked"]["get"]["security"] == [{"accessToken": []}, {"session": []}]
    schemes = document["components"]["securitySchemes"]
    assert schemes["accessToken"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert schemes["session"] == {"type": "apiKey", "in": "cookie", "name": "sessionid"}
