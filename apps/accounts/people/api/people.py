"""/api/v1/users: the people of an organization, with their display name and role there."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import Membership
from apps.accounts.people import memberships, selectors
from apps.accounts.people.documents import PersonDocument, person_document
from apps.accounts.people.serializers import HeldSerializer, MembershipSerializer, PersonSerializer, held, role_change
from apps.common.http.api import organization_of, principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.http.serializers import valid
from apps.common.http.writes.etags import IF_MATCH, if_match_of, tagged
from apps.common.problems import Invalid
from apps.tenancy.api.organizations import LISTED, READ, WRITE, refusals

TAGS: Final = ["people"]
LONGEST_SEARCH: Final = 100
ORGANIZATION: Final = OpenApiParameter(
    "organization", OpenApiTypes.UUID, description="Needed when you belong to several."
)
NAMED: Final = refusals(_400="`invalid`: `errors` names the fields. `organization_required`")
LAST_ADMIN: Final = "`last_admin`: make another person an administrator first."


def document_of(membership: Membership) -> PersonDocument:
    """Build the document of a membership's person."""
    return person_document(membership, selectors.places_of([membership]))


class PeopleView(APIView):
    """The people of an organization."""

    @extend_schema(
        operation_id="listPeople",
        summary="List the people of an organization",
        tags=TAGS,
        parameters=[
            ORGANIZATION,
            OpenApiParameter(
                "search",
                OpenApiTypes.STR,
                description="Part of a name, in any case and with or without accents, or part of an e-mail address.",
            ),
            *PAGE_PARAMETERS,
        ],
        responses={200: page_of(PersonDocument), **LISTED},
    )
    def get(self, request: Request) -> Response:
        """Return one page, by name."""
        search = request.query_params.get("search", "")
        if len(search) > LONGEST_SEARCH:
            raise Invalid("search is too long.", errors={"search": [f"At most {LONGEST_SEARCH} characters."]})
        page = selectors.people_page(
            principal=principal_of(request),
            organization_id=organization_of(request),
            search=search,
            query=page_query(request),
            now=timezone.now(),
        )
        places = selectors.places_of(page.items)
        return page_response(request, page, [msgspec.to_builtins(person_document(one, places)) for one in page.items])


class PersonView(APIView):
    """One person of an organization."""

    @extend_schema(
        operation_id="getPerson",
        summary="Read a person",
        tags=TAGS,
        parameters=[ORGANIZATION],
        responses={200: PersonDocument, **READ, **NAMED},
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return the person with their data in the organization."""
        membership = selectors.person(
            principal=principal_of(request),
            organization_id=organization_of(request),
            user_id=user_id,
            now=timezone.now(),
        )
        return tagged(document_of(membership))

    @extend_schema(
        operation_id="replacePerson",
        summary="Replace a person's display data in an organization",
        tags=TAGS,
        parameters=[ORGANIZATION, IF_MATCH],
        request=PersonSerializer,
        responses={200: PersonDocument, **WRITE, **NAMED},
    )
    def put(self, request: Request, user_id: UUID) -> Response:
        """Replace name and title; a field that is left out gets its default. The account belongs to its owner."""
        return self._show(request, user_id, partial=False)

    @extend_schema(
        operation_id="updatePerson",
        summary="Change a person's display data in an organization",
        tags=TAGS,
        parameters=[ORGANIZATION, IF_MATCH],
        request=PersonSerializer(partial=True),
        responses={200: PersonDocument, **WRITE, **NAMED},
    )
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Change the given fields. The account itself belongs to its owner."""
        return self._show(request, user_id, partial=True)

    @extend_schema(
        operation_id="deletePerson",
        summary="Remove a person from an organization",
        tags=TAGS,
        parameters=[ORGANIZATION, IF_MATCH],
        responses={204: None, **WRITE, **NAMED, **refusals(_409=LAST_ADMIN)},
    )
    def delete(self, request: Request, user_id: UUID) -> Response:
        """End the membership and all rights here; the account and other memberships stay."""
        memberships.end(
            actor=principal_of(request),
            user_id=user_id,
            organization_id=organization_of(request),
            if_match=if_match_of(request),
        )
        return Response(status=HTTPStatus.NO_CONTENT)

    def _show(self, request: Request, user_id: UUID, *, partial: bool) -> Response:
        membership = memberships.show(
            actor=principal_of(request),
            user_id=user_id,
            organization_id=organization_of(request),
            changes=valid(PersonSerializer, request, partial=partial),
            if_match=if_match_of(request),
        )
        return tagged(document_of(membership))


class PersonOrganizationsView(APIView):
    """POST /users/{id}/organizations."""

    @extend_schema(
        operation_id="addPersonToOrganization",
        summary="Add a person to an organization",
        tags=TAGS,
        request=MembershipSerializer,
        responses={201: PersonDocument, **WRITE, **refusals(_409="`already_member`")},
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        """Add a person of another organization of the caller. Invite other people instead."""
        body = valid(MembershipSerializer, request)
        membership = memberships.add(
            actor=principal_of(request), user_id=user_id, organization_id=body["organization"], held=held(body)
        )
        return tagged(document_of(membership), HTTPStatus.CREATED)


class PersonOrganizationView(APIView):
    """A person's membership in one organization."""

    @extend_schema(
        operation_id="changeMembership",
        summary="Change a person's role, or where it applies",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=HeldSerializer(partial=True),
        responses={200: PersonDocument, **WRITE, **refusals(_409=f"{LAST_ADMIN} `day_account`")},
    )
    def patch(self, request: Request, user_id: UUID, organization_id: UUID) -> Response:
        """Change the given fields. The change takes effect with the person's next request."""
        membership = memberships.change_role(
            actor=principal_of(request),
            user_id=user_id,
            organization_id=organization_id,
            held=role_change(valid(HeldSerializer, request, partial=True)),
            if_match=if_match_of(request),
        )
        return tagged(document_of(membership))

    @extend_schema(
        operation_id="removePersonFromOrganization",
        summary="Remove a person from an organization",
        tags=TAGS,
        parameters=[IF_MATCH],
        responses={204: None, **WRITE, **refusals(_409=LAST_ADMIN)},
    )
    def delete(self, request: Request, user_id: UUID, organization_id: UUID) -> Response:
        """End all rights of the person here with their next request; the account stays."""
        memberships.end(
            actor=principal_of(request),
            user_id=user_id,
            organization_id=organization_id,
            if_match=if_match_of(request),
        )
        return Response(status=HTTPStatus.NO_CONTENT)
