"""The text of each SQL function of this app stands in `sql/` from now on."""

from django.db import migrations

from apps.common.db.functions import ApplyFunction


class Migration(migrations.Migration):
    dependencies = [("common", "0005_feed_epoch")]
    operations = [
        ApplyFunction("audit_forget", "cced5a6b13473071"),
        ApplyFunction("feed_append", "633b9b44050e99de"),
        ApplyFunction("feed_epoch", "b644a0219f0cd6ff"),
        ApplyFunction("outbox_state", "43df7f1bdc2ff11a"),
        ApplyFunction("partition_ensure", "45dafebb309dbf77"),
        ApplyFunction("partition_months", "cc4670b35086fd62"),
        ApplyFunction("partition_retire", "8ff46bcb827d684e"),
        ApplyFunction("refuse_audit_change", "3c7c02dafb95f93f"),
        ApplyFunction("refuse_change", "d34e05ffd5455325"),
        ApplyFunction("rfc3339", "f8d30d0fefd4aaf7"),
        ApplyFunction("wal_timeline", "c3042f118f5d613f"),
    ]
