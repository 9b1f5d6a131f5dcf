from django.db import migrations, models


class Migration(migrations.Migration):
    """Lists of an organization's rules and troubles are read by an index."""

    dependencies = [("devices", "0002_locks")]

    operations = [
        migrations.AddIndex(
            model_name="gatewayrule",
            index=models.Index(fields=["organization", "pattern", "key", "id"], name="gateway_rules_pattern"),
        ),
        migrations.AddIndex(
            model_name="trouble",
            index=models.Index(fields=["organization", "-since", "-id"], name="troubles_since"),
        ),
    ]
