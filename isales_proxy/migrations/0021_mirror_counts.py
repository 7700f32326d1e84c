"""Counters of the mirror by more than agent and task; a table of business results; called numbers as
integers. The next migration fills them.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('isales_proxy', '0020_query_type_index'),
    ]

    operations = [
        migrations.CreateModel(
            name='MirrorBusinessResult',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=32)),
                ('text', models.TextField()),
            ],
        ),
        # Counted anew by the next migration.
        migrations.RunSQL("DELETE FROM isales_proxy_mirrorcount", migrations.RunSQL.noop),
        migrations.RemoveConstraint(
            model_name='mirrorcount',
            name='one_mirror_count',
        ),
        migrations.RemoveField(
            model_name='mirrorrow',
            name='outside',
        ),
        migrations.RemoveField(
            model_name='mirrorstate',
            name='agreed_rows',
        ),
        migrations.RemoveField(
            model_name='mirrorstate',
            name='compared_rows',
        ),
        migrations.RemoveField(
            model_name='mirrorstate',
            name='compared_since',
        ),
        migrations.AddField(
            model_name='mirrorcount',
            name='counted_by',
            field=models.CharField(default='', max_length=8),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='mirrorcount',
            name='value',
            field=models.CharField(blank=True, max_length=60),
        ),
        migrations.AddField(
            model_name='mirrorrow',
            name='number_begin',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='mirrorrow',
            name='number_end',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='mirrorstate',
            name='comparisons',
            field=models.JSONField(default=dict),
        ),
        migrations.AlterField(
            model_name='mirrorleaf',
            name='kind',
            field=models.CharField(choices=[('time', 'Time range'), ('undated', 'Without a time'), ('agent', 'Agent')], default='time', max_length=8),
        ),
        migrations.AddConstraint(
            model_name='mirrorcount',
            constraint=models.UniqueConstraint(fields=('vdn', 'counted_by', 'phase', 'agent_key', 'task_key', 'value'), name='one_mirror_count'),
        ),
        migrations.AddField(
            model_name='mirrorbusinessresult',
            name='vdn',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='isales_proxy.vdn'),
        ),
        migrations.AddField(
            model_name='mirrorrow',
            name='business',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='isales_proxy.mirrorbusinessresult'),
        ),
        migrations.AddField(
            model_name='mirrorversion',
            name='business',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='isales_proxy.mirrorbusinessresult'),
        ),
        migrations.AddIndex(
            model_name='mirrorrow',
            index=models.Index(condition=models.Q(('business__isnull', False)), fields=['business', 'vdn', 'phase', 'appoint_time', 'id'], name='mirror_by_business'),
        ),
        migrations.AddIndex(
            model_name='mirrorrow',
            index=models.Index(fields=['vdn', 'number_begin'], name='mirror_by_number_begin'),
        ),
        migrations.AddIndex(
            model_name='mirrorrow',
            index=models.Index(fields=['vdn', 'number_end'], name='mirror_by_number_end'),
        ),
        migrations.AddIndex(
            model_name='mirrorversion',
            index=models.Index(condition=models.Q(('business__isnull', False)), fields=['business'], name='mirror_version_business'),
        ),
        migrations.AddConstraint(
            model_name='mirrorbusinessresult',
            constraint=models.UniqueConstraint(fields=('vdn', 'digest'), name='one_mirror_business_result'),
        ),
    ]
