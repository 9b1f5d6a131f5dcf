"""/api/v1/organizations/{id}/day-accounts, and signing in with a day account."""

from http import HTTPStatus
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity.api.auth import OpenView
from apps.accounts.identity.api.responses import TOO_MANY
from apps.accounts.identity.documents import TokenPairDocument
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Role
from apps.accounts.people import day_accounts, selectors
from apps.accounts.people.api.people import TAGS, document_of
from apps.accounts.people.documents import DayAccountDocument, PersonDocument, person_document
from apps.accounts.people.serializers import DayAccountBodySerializer, DayCodeSerializer, held
from apps.common.http.api import principal_of
from apps.common.http.callers.addresses import address_of
from apps.common.http.callers.user_agents import device_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.http.serializers import valid
from apps.common.http.writes.etags import IF_MATCH, if_match_of
from apps.tenancy.api.organizations import LISTED, WRITE, refusals


class DayAccountsView(APIView):
    """Day accounts of an organization."""

    @extend_schema(
        operation_id="listDayAccounts",
        summary="List day accounts",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(PersonDocument), **LISTED},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return one page, by name, of the day accounts that have not expired."""
        page = selectors.people_page(
            principal=principal_of(request),
            organization_id=organization_id,
            day_accounts=True,
            query=page_query(request),
            now=timezone.now(),
        )
        places = selectors.places_of(page.items)
        return page_response(request, page, [msgspec.to_builtins(person_document(one, places)) for one in page.items])

    @extend_schema(
        operation_id="createDayAccount",
        summary="Create a day account",
        tags=TAGS,
        request=DayAccountBodySerializer,
        responses={201: DayAccountDocument, **WRITE, **refusals(_429=TOO_MANY)},
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Create a day account for a substitute. It can only raise alarms, and expires. Its code signs in once."""
        body = valid(DayAccountBodySerializer, request)
        membership, code = day_accounts.create(
            actor=principal_of(request),
            organization_id=organization_id,
            first_name=body["first_name"],
            last_name=body["last_name"],
            email=body.get("email"),
            held=held(body, Role.OPERATOR),
            expires_at=body.get("expires_at"),
            now=timezone.now(),
        )
        document = DayAccountDocument(person=document_of(membership), code=code)
        return Response(msgspec.to_builtins(document), HTTPStatus.CREATED, headers={"Cache-Control": "no-store"})


class DayAccountView(APIView):
    """One day account."""

    @extend_schema(
        operation_id="endDayAccount",
        summary="End a day account",
        tags=TAGS,
        parameters=[IF_MATCH],
        responses={204: None, **WRITE},
    )
    def delete(self, request: Request, organization_id: UUID, user_id: UUID) -> Response:
        """End the day account immediately: its tokens and its code stop working."""
        day_accounts.end(
            actor=principal_of(request),
            organization_id=organization_id,
            user_id=user_id,
            if_match=if_match_of(request),
        )
        return Response(status=HTTPStatus.NO_CONTENT)


class DaySignInView(OpenView):
    """POST /auth/day."""

    @extend_schema(
        operation_id="loginForTheDay",
        summary="Sign in with the code of a day account",
        request=DayCodeSerializer,
        responses={
            200: TokenPairDocument,
            **refusals(
                _400="`link_refused`: unknown, used or expired. `invalid`: `errors` names the fields.",
                _401="`wrong_credentials`",
            ),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """Exchange the code, which works once, for a pair of tokens. They end with the day account, even if renewed."""
        code = valid(DayCodeSerializer, request)["code"]
        device = device_of(request._request)
        pair = sign_in.login_for_the_day(code=code, address=address_of(request._request), device=device)
        return Response(msgspec.structs.asdict(pair))
