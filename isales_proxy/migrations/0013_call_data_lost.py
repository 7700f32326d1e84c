from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("isales_proxy", "0012_write_backs_of_a_reservation")]

    operations = [
        migrations.AddField(
            model_name="calldatabatch",
            name="answer_bytes",
            field=models.PositiveIntegerField(null=True, verbose_name="size of the answer"),
        ),
        migrations.AlterField(
            model_name="calldatabatch",
            name="state",
            field=models.CharField(
                choices=[
                    ("asked", "Under way"),
                    ("taken", "Taken"),
                    ("unreadable", "Taken, but unreadable"),
                    ("refused", "Not handed out"),
                    ("unknown", "Answer never came"),
                    ("lost", "Answer came, not stored"),
                ],
                default="asked",
                max_length=16,
                verbose_name="state",
            ),
        ),
    ]
