from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Django's admin, with the school's site in place of its own."""

    default_site = "apps.portal.admin_site.SchoolSite"
