"""Makes the peers' database and logs somebody in; prints the session key."""

from __future__ import annotations

import os

import django


def main() -> None:
    """Create tables, rows, codes and one superuser with a session."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.peers.settings"
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    from bench.peers.models import Reservation, ResultCode
    from bench.peers.views import read_time
    from bench.vendor_rows import make_rows
    from isales_proxy.simulator.demo_data import result_codes

    call_command("migrate", run_syncdb=True, verbosity=0)
    ResultCode.objects.bulk_create(
        ResultCode(code=code, description=english)
        for code, (english, _chinese) in result_codes().items()
    )

    def text(value: object) -> str:
        return "" if value is None else str(value)

    Reservation.objects.bulk_create(
        Reservation(
            appoint_id=f"1795{number:026d}",
            appoint_time=read_time(row.get("appointTime")),
            called_no=text(row.get("calledNo")),
            user_account=text(row.get("userAccount")),
            user_name=text(row.get("userName")),
            task_id=text(row.get("taskId")),
            task_name=text(row.get("taskName")),
            call_type=text(row.get("callType"))[:4],
            task_status=text(row.get("taskStatus"))[:4],
            call_flag=text(row.get("callFlag"))[:4],
            timeout=row.get("timeout") is True,
            begin_time=read_time(row.get("beginTime")),
            end_time=read_time(row.get("endTime")),
            create_time=read_time(row.get("createTime")),
            caller_no=text(row.get("callerNo")),
            fail_code=text(row.get("failCode")),
            result=text(row.get("result")),
            busi_result=text(row.get("busiResult")),
        )
        for number, row in enumerate(make_rows())
    )
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("bench"))
    print(client.cookies["sessionid"].value)


if __name__ == "__main__":
    main()
