from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_single_sign_on")]
    operations = [migrations.AddField("pushregistration", "only_organization", models.UUIDField(null=True))]
