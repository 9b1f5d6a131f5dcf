"""The text of each SQL function of this app stands in `sql/` from now on."""

from django.db import migrations

from apps.common.db.functions import ApplyFunction


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_age_of_refresh_tokens")]
    operations = [
        ApplyFunction("changed_rights_versions", "305bf94a5585957d"),
        ApplyFunction("hot_versions", "bc0c4f740b1591bf"),
        ApplyFunction("identity_provider_organization", "80b129338e332c62"),
        ApplyFunction("identity_providers_of_domain", "8412bc6a4b40ae51"),
        ApplyFunction("identity_stands", "0971d2359d0bc272"),
        ApplyFunction("invitation_by_digest", "05a5f9eafa52eed3"),
        ApplyFunction("person_organizations", "ef48402de220baa5"),
        ApplyFunction("principal_grants", "cfe7f3e4223666ca"),
        ApplyFunction("raise_rights_version", "a98f2a2d06bf259a"),
        ApplyFunction("rights_until", "2673e5fedba68a57"),
        ApplyFunction("second_factor_due", "00d151c976b026a8"),
        ApplyFunction("service_token_by_digest", "ce13d1d27a344824"),
        ApplyFunction("set_permissions", "60420f84652a3e9b"),
    ]
