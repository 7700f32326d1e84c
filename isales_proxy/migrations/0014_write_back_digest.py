from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("isales_proxy", "0013_call_data_lost")]

    operations = [
        migrations.AddField(
            model_name="writeback",
            name="request_digest",
            field=models.CharField(blank=True, max_length=64, default=""),
            preserve_default=False,
        ),
    ]
