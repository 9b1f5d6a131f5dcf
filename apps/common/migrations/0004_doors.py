from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("common", "0003_audit_chain")]
    operations = []
