"""Sites, buildings, floors and rooms: each kind has the same endpoints."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

import msgspec
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.access import Principal
from apps.common.http.api import principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, Page, PageQuery, page_of, page_query, page_response
from apps.common.http.serializers import StrictSerializer
from apps.common.http.writes.etags import IF_MATCH, if_match_of, tagged
from apps.tenancy import selectors, services
from apps.tenancy.api.organizations import LISTED, READ, WRITE, refusals
from apps.tenancy.api.serializers import BuildingSerializer, FloorSerializer, RoomSerializer, SiteSerializer
from apps.tenancy.documents import place_document
from apps.tenancy.models import Building, Floor, Place, Room, Site

TAGS: Final = ["places"]

V = TypeVar("V", bound=type[APIView])


def described(kind: str, body: type[StrictSerializer]) -> Callable[[V], V]:
    """Describe the endpoints of one place of a kind for the OpenAPI document."""
    write: dict[str, Any] = {"tags": TAGS, "parameters": [IF_MATCH], "request": body}
    document = body.answered
    responses: dict[Any, Any] = {200: document, **WRITE, **refusals(_409="`place_taken`")}
    name = kind.capitalize()
    return extend_schema_view(
        get=extend_schema(
            operation_id=f"get{name}", summary=f"Read a {kind}", tags=TAGS, responses={200: document, **READ}
        ),
        put=extend_schema(operation_id=f"replace{name}", summary=f"Replace a {kind}", responses=responses, **write),
        patch=extend_schema(operation_id=f"update{name}", summary=f"Change a {kind}", responses=responses, **write),
        delete=extend_schema(
            operation_id=f"delete{name}",
            summary=f"Delete a {kind} with all that is below it",
            tags=TAGS,
            parameters=[IF_MATCH],
            responses={204: None, **WRITE, **refusals(_409="`place_in_use`: `in_the_way` lists what is there.")},
        ),
    )


def listed(kind: str, body: type[StrictSerializer]) -> Callable[[V], V]:
    """Describe the endpoints of the places below a parent for the OpenAPI document."""
    document, name = body.answered, kind.capitalize()
    return extend_schema_view(
        get=extend_schema(
            operation_id=f"list{name}s",
            summary=f"List {kind}s",
            tags=TAGS,
            parameters=PAGE_PARAMETERS,
            responses={200: page_of(document), **LISTED},
        ),
        post=extend_schema(
            operation_id=f"create{name}",
            summary=f"Create a {kind}",
            tags=TAGS,
            request=body,
            responses={201: document, **WRITE, **refusals(_409="`place_taken`")},
        ),
    )


class PlaceView(APIView):
    """One place. PUT resets fields that are left out to their defaults, PATCH keeps them."""

    kind: ClassVar[type[Place]]
    body: ClassVar[type[StrictSerializer]]

    def get(self, request: Request, place_id: UUID) -> Response:
        """Return the place with its ETag."""
        return tagged(
            place_document(selectors.place(principal=principal_of(request), kind=self.kind, place_id=place_id))
        )

    def put(self, request: Request, place_id: UUID) -> Response:
        """Replace the place. Fields that are left out get their defaults."""
        return self._update(request, place_id, partial=False)

    def patch(self, request: Request, place_id: UUID) -> Response:
        """Change the place. Fields that are left out keep their values."""
        return self._update(request, place_id, partial=True)

    def delete(self, request: Request, place_id: UUID) -> Response:
        """Delete the place and all places below it; refused while they have devices or open alerts."""
        services.delete_place(
            actor=principal_of(request), kind=self.kind, place_id=place_id, if_match=if_match_of(request)
        )
        return Response(status=HTTPStatus.NO_CONTENT)

    def _update(self, request: Request, place_id: UUID, *, partial: bool) -> Response:
        body = self.body(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        place = services.update_place(
            actor=principal_of(request),
            kind=self.kind,
            place_id=place_id,
            values=body.validated_data,
            if_match=if_match_of(request),
        )
        return tagged(place_document(place))


class PlacesView(APIView):
    """The places of a kind below a parent."""

    body: ClassVar[type[StrictSerializer]]

    def get(self, request: Request, parent_id: UUID) -> Response:
        """Return one page."""
        page = self.page(principal_of(request), parent_id, page_query(request))
        return page_response(request, page, [msgspec.to_builtins(place_document(place)) for place in page.items])

    def post(self, request: Request, parent_id: UUID) -> Response:
        """Create a place below the parent."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        place = self.create(principal_of(request), parent_id, body.validated_data)
        return tagged(place_document(place), HTTPStatus.CREATED)

    def page(self, principal: Principal, parent_id: UUID, query: PageQuery) -> Page[Any]:
        """Return the requested page."""
        raise NotImplementedError

    def create(self, principal: Principal, parent_id: UUID, values: dict[str, Any]) -> Place:
        """Create a place with the service of its kind."""
        raise NotImplementedError


@listed("site", SiteSerializer)
class SitesView(PlacesView):
    """Sites of an organization, by name."""

    body = SiteSerializer

    def page(self, principal: Principal, parent_id: UUID, query: PageQuery) -> Page[Site]:
        """Return sites that are visible to the caller."""
        return selectors.site_page(principal=principal, organization_id=parent_id, query=query)

    def create(self, principal: Principal, parent_id: UUID, values: dict[str, Any]) -> Site:
        """Create a site of the organization."""
        return services.create_site(actor=principal, organization_id=parent_id, **values)


@listed("building", BuildingSerializer)
class BuildingsView(PlacesView):
    """Buildings of a site, by name."""

    body = BuildingSerializer

    def page(self, principal: Principal, parent_id: UUID, query: PageQuery) -> Page[Building]:
        """Return buildings that are visible to the caller."""
        return selectors.building_page(principal=principal, site_id=parent_id, query=query)

    def create(self, principal: Principal, parent_id: UUID, values: dict[str, Any]) -> Building:
        """Create a building of the site."""
        site = selectors.place(principal=principal, kind=Site, place_id=parent_id, action="create")
        return services.create_building(actor=principal, site=site, **values)


@listed("floor", FloorSerializer)
class FloorsView(PlacesView):
    """Floors of a building, lowest first."""

    body = FloorSerializer

    def page(self, principal: Principal, parent_id: UUID, query: PageQuery) -> Page[Floor]:
        """Return floors of the building."""
        return selectors.floor_page(principal=principal, building_id=parent_id, query=query)

    def create(self, principal: Principal, parent_id: UUID, values: dict[str, Any]) -> Floor:
        """Create a floor of the building."""
        building = selectors.place(principal=principal, kind=Building, place_id=parent_id, action="create")
        return services.create_floor(actor=principal, building=building, **values)


@listed("room", RoomSerializer)
class RoomsView(PlacesView):
    """Rooms of a floor, by number."""

    body = RoomSerializer

    def page(self, principal: Principal, parent_id: UUID, query: PageQuery) -> Page[Room]:
        """Return rooms of the floor."""
        return selectors.room_page(principal=principal, floor_id=parent_id, query=query)

    def create(self, principal: Principal, parent_id: UUID, values: dict[str, Any]) -> Room:
        """Create a room of the floor."""
        floor = selectors.place(principal=principal, kind=Floor, place_id=parent_id, action="create")
        return services.create_room(actor=principal, floor=floor, **values)


@described("site", SiteSerializer)
class SiteView(PlaceView):
    """One site."""

    kind, body = Site, SiteSerializer


@described("building", BuildingSerializer)
class BuildingView(PlaceView):
    """One building."""

    kind, body = Building, BuildingSerializer


@described("floor", FloorSerializer)
class FloorView(PlaceView):
    """One floor."""

    kind, body = Floor, FloorSerializer


@described("room", RoomSerializer)
class RoomView(PlaceView):
    """One room."""

    kind, body = Room, RoomSerializer
