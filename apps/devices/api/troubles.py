"""Troubles: conditions that may keep an alarm from working."""

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.http.api import organization_of, principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.problems import ProblemSerializer
from apps.devices import selectors
from apps.devices.documents import TroubleDocument


class TroubleListView(APIView):
    """GET /troubles."""

    @extend_schema(
        operation_id="listTroubles",
        summary="List open troubles",
        tags=["devices"],
        parameters=[
            OpenApiParameter("organization", OpenApiTypes.UUID, description="Needed when you belong to several."),
            *PAGE_PARAMETERS,
        ],
        responses={200: page_of(TroubleDocument), (400, "application/problem+json"): ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return open troubles, newest first. The live feed publishes each trouble when it begins and when it ends."""
        page = selectors.open_troubles(
            principal=principal_of(request), organization=organization_of(request), query=page_query(request)
        )
        return page_response(request, page, [msgspec.json.decode(document) for document in page.items])
