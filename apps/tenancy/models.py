"""Organizations and the tree of their places: organization, sites, buildings, floors, rooms.

The columns follow the requirement ("Multi-Tenancy Model"). Every place also has `organization_id`, which composite
foreign keys keep right, so that an RLS policy is one comparison. Foreign keys and their ON DELETE rules are created
in SQL (see the migrations), because Django's own have one column only.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager


class OrganizationStatus(models.TextChoices):
    """Statuses of an organization; a suspended one still raises and handles alarms."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class OrganizationManager(TenantManager["Organization"]):
    """Scopes an organization by its own id."""

    organization_field = "id"


class Organization(models.Model):
    """A tenant: a school or a district."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=100, unique=True)
    status = models.CharField(
        max_length=20, choices=OrganizationStatus.choices, default=OrganizationStatus.ACTIVE, db_default="active"
    )
    suspension_reason = models.CharField(max_length=500, null=True)
    settings = models.JSONField(default=dict, db_default={})
    """Only values that differ from the defaults; read them with `organization_settings`."""
    metadata = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = OrganizationManager()

    class Meta:
        db_table = "organizations"
        indexes = [models.Index(name="organizations_name", fields=["name", "id"])]

    def __str__(self) -> str:
        return self.name


class OwnedByOrganization(models.Model):
    """A row of one organization; its foreign key is created in SQL, with ON DELETE CASCADE."""

    organization = models.ForeignKey(Organization, models.DO_NOTHING, db_constraint=False, db_index=False)

    class Meta:
        abstract = True


MOST_FLOORS = 500

PLACE_ROLES = tuple((f"as_{role}", f"Is {role} here") for role in ("admin", "manager", "operator", "viewer"))
"""django-guardian permissions on a place: the role there of a member whose membership is limited to places."""


class Site(OwnedByOrganization):
    """A campus, with the address for responders."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=200)
    address = models.TextField(null=True)
    latitude = models.DecimalField(max_digits=10, decimal_places=8, null=True)
    longitude = models.DecimalField(max_digits=11, decimal_places=8, null=True)
    timezone = models.CharField(max_length=50, default="UTC", db_default="UTC")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = TenantManager["Site"]()

    class Meta:
        permissions = PLACE_ROLES
        db_table = "sites"
        indexes = [models.Index(name="sites_organization_name", fields=["organization", "name", "id"])]

    def __str__(self) -> str:
        return self.name


class Building(OwnedByOrganization):
    """A building of a site."""

    id = models.UUIDField(primary_key=True, default=new_id)
    site = models.ForeignKey(Site, models.DO_NOTHING, db_constraint=False)
    name = models.CharField(max_length=200)
    address = models.TextField(null=True)
    floor_count = models.IntegerField(
        default=1, db_default=1, validators=[MinValueValidator(0), MaxValueValidator(MOST_FLOORS)]
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = TenantManager["Building"]()

    class Meta:
        permissions = PLACE_ROLES
        db_table = "buildings"
        indexes = [models.Index(name="buildings_site_name", fields=["site", "name", "id"])]

    def __str__(self) -> str:
        return self.name


class Floor(OwnedByOrganization):
    """A floor of a building; `name` is what people call it, e.g. "Ground floor"."""

    id = models.UUIDField(primary_key=True, default=new_id)
    building = models.ForeignKey(Building, models.DO_NOTHING, db_constraint=False)
    floor_number = models.IntegerField()
    name = models.CharField(max_length=100, null=True)

    objects = TenantManager["Floor"]()

    class Meta:
        db_table = "floors"
        constraints = [models.UniqueConstraint(fields=["building", "floor_number"], name="floors_building_number")]

    def __str__(self) -> str:
        return self.name or f"Floor {self.floor_number}"


class Room(OwnedByOrganization):
    """A room of a floor, where buttons are installed."""

    id = models.UUIDField(primary_key=True, default=new_id)
    floor = models.ForeignKey(Floor, models.DO_NOTHING, db_constraint=False)
    room_number = models.CharField(max_length=50)
    name = models.CharField(max_length=200, null=True)
    capacity = models.IntegerField(null=True, validators=[MinValueValidator(0)])
    room_type = models.CharField(max_length=50, null=True)

    objects = TenantManager["Room"]()

    class Meta:
        db_table = "rooms"
        constraints = [models.UniqueConstraint(fields=["floor", "room_number"], name="rooms_floor_number")]

    def __str__(self) -> str:
        return self.room_number


Place = Site | Building | Floor | Room
"""A node of the tree below an organization."""
