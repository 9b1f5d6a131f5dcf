"""A person's own sign-ins: list them and end them."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity import selectors
from apps.accounts.identity.documents import SessionDocument, session_document
from apps.accounts.identity.sign_in import services as sign_in
from apps.common.http.api import principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.tenancy.api.organizations import refusals

TAGS: Final = ["me"]
REFUSED: Final = refusals(_401="`not_authenticated`, `bad_token`", _403="`forbidden`: only people sign in.")


class SessionsView(APIView):
    """GET /api/v1/me/sessions."""

    @extend_schema(
        operation_id="listSessions",
        summary="List where you are signed in",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(SessionDocument), **REFUSED, **refusals(_400="`invalid`, `bad_cursor`")},
    )
    def get(self, request: Request) -> Response:
        """Return one page of browsers and apps, newest first. A school's sign-in lists only that school's sign-ins."""
        principal = principal_of(request)
        page = selectors.sign_ins_page(principal=principal, query=page_query(request), now=timezone.now())
        documents = [session_document(one, current=principal.sign_in) for one in page.items]
        return page_response(request, page, [msgspec.to_builtins(document) for document in documents])


class SessionView(APIView):
    """DELETE /api/v1/me/sessions/{id}."""

    @extend_schema(
        operation_id="endSession",
        summary="Sign out one device",
        tags=TAGS,
        responses={204: None, **REFUSED, **refusals(_404="`not_found`: not yours, or ended already.")},
    )
    def delete(self, request: Request, session_id: UUID) -> Response:
        """End the sign-in. Its tokens and session stop working, and its live connections close within a second."""
        sign_in.end(principal=principal_of(request), sign_in=session_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class LogoutAllView(APIView):
    """POST /api/v1/auth/logout-all."""

    @extend_schema(
        operation_id="logoutEverywhere",
        summary="Sign out everywhere",
        tags=["auth"],
        request=None,
        responses={204: None, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        """End every sign-in of the caller, including this one. A school's sign-in ends only that school's sign-ins."""
        sign_in.end_all(principal=principal_of(request), now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)
