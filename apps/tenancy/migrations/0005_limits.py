"""The limits of numbers stand at the model; no column changes."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0004_functions")]
    operations = [
        migrations.AlterField(
            "building",
            "floor_count",
            models.IntegerField(db_default=1, default=1, validators=[MinValueValidator(0), MaxValueValidator(500)]),
        ),
        migrations.AlterField("room", "capacity", models.IntegerField(null=True, validators=[MinValueValidator(0)])),
    ]
