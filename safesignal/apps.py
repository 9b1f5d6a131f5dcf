from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Django's admin, with SafeSignal's site in place of its own."""

    default_site = "apps.common.admin_site.PortalSite"
