from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_service_tokens")]
    operations = [migrations.AddField("pushregistration", "only_organization", models.UUIDField(null=True))]
