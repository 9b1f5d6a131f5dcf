from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_push_of_one_school")]
    operations = [
        migrations.AlterField("pushregistration", "token", models.CharField(max_length=1024)),
        migrations.AddConstraint(
            "pushregistration",
            models.UniqueConstraint(
                fields=["token", "only_organization"],
                name="push_registrations_token_organization",
                nulls_distinct=False,
            ),
        ),
    ]
