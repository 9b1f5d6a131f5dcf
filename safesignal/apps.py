from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Django's admin with our own site."""

    default_site = "apps.portal.admin_site.SchoolSite"
