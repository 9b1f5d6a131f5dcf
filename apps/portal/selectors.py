"""Reads for the board."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from apps.alerts import lifecycle
from apps.alerts.models import AlertStatus
from apps.alerts.selectors import AlertRow, alert_page, armed_buttons
from apps.alerts.visibility import NOWHERE, Where, visibility
from apps.common import feed
from apps.common.access import Principal, grant_in
from apps.common.http.pagination import MAX_LIMIT, PageQuery
from apps.common.problems import Forbidden
from apps.devices.selectors import open_troubles
from apps.portal.board import Picture
from apps.portal.cards import Eye
from apps.portal.documents import TroubleDocument
from apps.tenancy.models import Building, Organization, Site


def picture(*, principal: Principal, organization: UUID, now: datetime) -> Picture:
    """Return the open alerts of an organization, and its armed buttons.

    Raises NotFound, or Forbidden if open alerts are not visible to the caller, whose board would wrongly look quiet.
    Reads the head of the feed before the alerts: what is published in between arrives twice, and is never lost.
    """
    grant = grant_in(principal, organization)
    where = visibility(grant).open
    if where == NOWHERE:
        raise Forbidden()
    heads = feed.heads()
    open_alerts = alert_page(
        principal=principal, organization=organization, statuses=lifecycle.OPEN, query=PageQuery(MAX_LIMIT)
    )
    may_see_devices = grant.anywhere("devices", "read")
    troubles = (
        open_troubles(principal=principal, organization=organization, query=PageQuery(MAX_LIMIT)).items
        if may_see_devices
        else ()
    )
    newest = alert_page(principal=principal, organization=organization, statuses=list(AlertStatus), query=PageQuery(1))
    return Picture(
        organization_id=organization,
        organization_name=Organization.objects.get(id=organization).name,
        person_name=principal.name,
        only=_names(organization, where),
        may_act=grant.anywhere("alerts", "update"),
        may_see_devices=may_see_devices,
        epoch=heads.epoch,
        cursor=heads.of(organization).public_seq,
        alerts=_raw(open_alerts.items),
        complete=open_alerts.next is None,
        troubles=[msgspec.json.decode(document, type=TroubleDocument) for document in troubles],
        last=next(iter(_raw(newest.items)), None),
        armed=[
            msgspec.Raw(document.encode())
            for document in armed_buttons(principal=principal, organization=organization, now=now)
        ],
    )


def eye(*, principal: Principal, organization: UUID, now: datetime) -> Eye:
    """Return the viewer, with the time zone and the street addresses of the organization's sites."""
    sites = list(Site.objects.filter(organization_id=organization).order_by("created_at", "id"))
    zones = {site.timezone for site in sites}
    return Eye(
        person_id=principal.id,
        now=now,
        zone=_zone(zones.pop()) if len(zones) == 1 else UTC,
        addresses={site.id: ", ".join(site.address.split("\n")) for site in sites if site.address},
    )


def organizations(principal: Principal) -> Sequence[Organization]:
    """Return the organizations of the principal, by name."""
    return list(Organization.objects.filter(id__in=principal.grants).order_by("name"))


def _raw(rows: Sequence[AlertRow]) -> list[msgspec.Raw]:
    return [msgspec.Raw(row.document.encode()) for row in rows]


def _names(organization: UUID, where: Where) -> list[str]:
    """Return the names of the buildings to which a person is limited."""
    mine = Building.objects.filter(organization_id=organization, id__in=where or ())
    return list(mine.order_by("name").values_list("name", flat=True))


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
