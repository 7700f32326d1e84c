"""The page of the API doctor."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

from django.core.cache import cache
from django.test import Client

from isales_proxy.models import AuditEvent
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.cases import cases

PAGE = "/vdn/88/doctor/"
FRAGMENT = {"HX-Request": "true"}


def examine(client: Client) -> str:
    answer = client.post(PAGE, headers=FRAGMENT)
    assert answer.status_code == 200
    return str(answer.content.decode())


def facts_of(text: str, section: str) -> dict[str, str]:
    """The facts of one card by their stable names."""
    card = re.search(rf'<section [^>]*data-section="{section}".*?</section>', text, re.DOTALL)
    assert card, section
    found = re.findall(r'data-fact="(\w+)"><dt>[^<]*</dt><dd[^>]*>([^<]*)</dd>', card[0])
    return {name: html.unescape(words) for name, words in found}


@cases("role", ["agent", "supervisor", "auditor"])
@cases("method", ["get", "post"])
def test_other_roles_than_admin_are_refused(
    vendor: Simulator, as_role: Any, role: str, method: str
) -> None:
    assert getattr(as_role(role), method)(PAGE).status_code == 403
    assert len(vendor.calls) == 0
    assert not AuditEvent.objects.exists()


def test_foreign_vdn_is_not_found(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    assert admin.get("/vdn/89/doctor/").status_code == 404
    assert admin.post("/vdn/89/doctor/").status_code == 404


def test_opening_the_page_calls_nothing(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("admin").get(PAGE)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert len(vendor.calls) == 0
    assert 'data-source="none"' in text
    assert "up to 10 more reservation queries" in text
    assert facts_of(text, "settings")["deadline"] == "10"
    assert facts_of(text, "settings")["secret_key"] in {"set", "not set"}
    assert "<textarea" not in text


def test_check_shows_all_findings(vendor: Simulator, as_role: Any) -> None:
    text = examine(as_role("admin"))
    assert "<html" not in text
    assert 'data-source="live"' in text
    assert 'data-total-count="4"' in text
    assert "4 of 4 interfaces answered." in text
    for name in ("list_reservations", "list_result_codes", "fetch_token", "list_outbound_tasks"):
        assert f'data-section="{name}" data-standing="answered"' in text
        found = facts_of(text, name)
        assert found["status"] == "200"
        assert found["latency"].endswith(" ms")
        assert found["clock"].startswith("the same as ours")
        assert re.fullmatch("[0-9a-f]{32}", found["request"])
    assert facts_of(text, "probes")["range"] == "appointTime"
    assert facts_of(text, "token")["left"] == "60 min"
    assert facts_of(text, "settings")["obs_auth_header"] == "Authorization"


def test_report_can_be_copied_as_text(vendor: Simulator, as_role: Any) -> None:
    text = examine(as_role("admin"))
    (area,) = re.findall(r"<textarea[^>]*readonly[^>]*>\n(.*?)</textarea>", text, re.DOTALL)
    (button,) = re.findall(r'data-copy="(.*?)"', text, re.DOTALL)
    assert area == button
    report = html.unescape(area)
    assert re.search(r"^VDN 88, checked \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", report, re.MULTILINE)
    assert re.search(r"^Callboard [\d.]+, Python [\d.]+, Django ", report, re.MULTILINE)
    assert "POST /rest/isales/v1/openapi/campaigns/{vdnId}/appoint/list" in report
    assert vendor.base_url not in text


def test_last_report_is_stored(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    first = examine(admin)
    vendor.calls.clear()
    text = admin.get(PAGE).content.decode()
    assert len(vendor.calls) == 0
    assert 'data-source="cache"' in text
    assert "by admin" in text
    assert "(Asia/Shanghai)" in text
    assert facts_of(text, "list_reservations") == facts_of(first, "list_reservations")


def test_check_without_javascript_redirects_to_the_report(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("admin").post(PAGE, follow=True)
    text = answer.content.decode()
    assert answer.redirect_chain == [(PAGE, 302)]
    assert text.count("4 of 4 interfaces answered.") >= 2
    assert facts_of(text, "list_reservations")["status"] == "200"


def test_failure_is_explained(vendor: Simulator, as_role: Any) -> None:
    vendor.faults.add("business", operation=LIST_RESERVATIONS, desc="Out of order")
    text = examine(as_role("admin"))
    found = facts_of(text, "list_reservations")
    assert 'data-section="list_reservations" data-standing="failed"' in text
    assert found["outcome"] == "CC-iSales refused the request"
    assert "Code 0200006." in found["explanation"]
    assert "It says: “Out of order”" in found["explanation"]
    assert facts_of(text, "probes")["range"].startswith("Not asked: ")


def test_difference_from_the_documentation_is_a_warning(
    vendor: Simulator, as_role: Any, settings: Any
) -> None:
    admin = as_role("admin")
    # Its rows hold numbers where the documentation has texts.
    text = examine(admin)
    assert "Differs from the documentation: " in text
    assert 'data-verdict="warning"' in text
    assert "note-success" not in text
    card = text[text.index('data-section="list_reservations"') :]
    assert 'class="tone answered"' not in card[: card.index("</section>")]
    # Without scripts the same is said once after the page was loaded anew.
    cache.clear()
    assert 'class="note note-warning"' in admin.post(PAGE, follow=True).content.decode()
    cache.clear()
    with Simulator(rows=0) as plain:
        settings.ISALES = replace(settings.ISALES, base_url=plain.base_url)
        text = examine(admin)
    assert "All answers are as documented." in text
    assert 'data-verdict="success"' in text


def test_running_check_is_reported_and_not_repeated(vendor: Simulator, as_role: Any) -> None:
    admin = as_role("admin")
    cache.set("doctor:turn:88", "somebody else", 60)
    answer = admin.post(PAGE, headers=FRAGMENT)
    assert answer.status_code == 409
    assert "A check is already running." in answer.content.decode()
    plain = admin.post(PAGE, follow=True)
    assert "A check is already running." in plain.content.decode()
    assert len(vendor.calls) == 0


def test_post_without_csrf_token_is_refused(vendor: Simulator, people: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["admin"])
    assert client.post(PAGE).status_code == 403
    assert len(vendor.calls) == 0


def test_delete_is_refused(vendor: Simulator, as_role: Any) -> None:
    assert as_role("admin").delete(PAGE).status_code == 405


@cases("language", ["en", "zh-hans"])
def test_page_is_shown_in_both_languages(vendor: Simulator, as_role: Any, language: str) -> None:
    admin = as_role("admin")
    admin.cookies["callboard-language"] = language
    examine(admin)
    vendor.stop()
    text = examine(admin)
    assert f'<html lang="{language}"' in admin.get(PAGE).content.decode()
    assert 'data-standing="failed"' in text
    assert ("CC-iSales cannot be reached" in text) == (language == "en")
