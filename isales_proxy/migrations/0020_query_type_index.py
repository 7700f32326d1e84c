"""Index of the mirror's rows by type."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("isales_proxy", "0019_story_audit")]

    operations = [
        migrations.AddIndex(
            model_name="mirrorrow",
            index=models.Index(
                fields=["vdn", "call_type", "phase", "appoint_time", "id"], name="mirror_by_type"
            ),
        ),
    ]
