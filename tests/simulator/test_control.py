"""Another process scripts the simulator over HTTP; pages of a browser cannot."""

from __future__ import annotations

import pytest

from isales_proxy.simulator import Simulator
from isales_proxy.simulator.control import is_local
from tests.support.obs_http import ObsHttp
from tests.support.signed_http import SignedHttp


def test_faults_are_added_listed_and_cleared(simulator: Simulator, http: SignedHttp) -> None:
    added = http.control(
        "POST",
        "/__sim__/faults",
        [
            {"kind": "status", "status": 503, "operation": "appoint/list", "times": None},
            {"kind": "delay", "seconds": 0, "from_call": 3},
        ],
    )
    assert len(added.json["ids"]) == 2
    assert http.reservations().status == 503
    left = http.control("GET", "/__sim__/faults").json["faults"]
    assert [(rule["kind"], rule["times"]) for rule in left] == [("status", None), ("delay", 1)]
    assert http.control("DELETE", "/__sim__/faults").status == 200
    assert http.reservations().status == 200


def test_calls_are_told_and_forgotten(http: SignedHttp) -> None:
    http.reservations(calledNo="66660001")
    http.codes(2)
    listed, coded = http.control("GET", "/__sim__/calls").json["calls"]
    assert listed["body"]["calledNo"] == "66660001"
    assert coded["query"] == [["pageSize", "50"], ["pageNum", "2"]]
    assert (coded["operation"], coded["status"], coded["code"]) == (
        "queryOBSResultCode",
        200,
        "0200000",
    )
    http.control("DELETE", "/__sim__/calls")
    assert http.control("GET", "/__sim__/calls").json == {"calls": []}


def test_codes_change_while_it_runs(http: SignedHttp) -> None:
    def described() -> dict[str, str]:
        pages = [http.codes(page, locale="en_US").json for page in (1, 2, 3)]
        return {code["obsCode"]: code["obsCodeDesc"] for p in pages for code in p["obsCodes"]}

    http.control("POST", "/__sim__/codes", {"code": "00604", "en": "Turned down.", "zh": "拒"})
    http.control("POST", "/__sim__/codes", {"code": "90099", "en": "New.", "zh": "新"})
    http.control("POST", "/__sim__/codes", {"code": "00605", "remove": True})
    after = described()
    assert after["00604"] == "Turned down."
    assert after["90099"] == "New."
    assert "00605" not in after
    assert len(after) == 120


def test_rows_are_answered_as_given(http: SignedHttp) -> None:
    row = {"appointId": 5, "appointTime": "1747302523000", "calledNo": 777, "odd": [None]}
    http.control("POST", "/__sim__/rows", {"vdn": 88, "rows": [row]})
    assert http.reservations(calledNo="777", endTime=1747302523000).json["data"] == [row]


def test_call_data_is_told_and_given(obs: ObsHttp) -> None:
    def left() -> dict[tuple[int, str], int]:
        told = obs.control("GET", "/__sim__/call-data").json["call_data"]
        return {(task["vdn"], task["service_id"]): task["remaining"] for task in told}

    obs.callnos(10)
    assert left()[88, "1106025109"] == 390
    assert left()[89, "2206025201"] == 400
    given = {"vdn": 88, "service_id": "fadsfa", "rows": [{"uiqueId": "sfa"}]}
    assert obs.control("POST", "/__sim__/call-data", given).status == 200
    assert left()[88, "fadsfa"] == 1
    assert obs.callnos(serviceId="fadsfa").json["resultData"]["taskData"] == given["rows"]


def test_write_backs_are_told_and_forgotten(obs: ObsHttp) -> None:
    obs.midresult("77", status="6")
    (kept,) = obs.control("GET", "/__sim__/write-backs").json["write_backs"]
    assert (kept["uniqueId"], kept["status"]) == ("77", "6")
    assert obs.control("DELETE", "/__sim__/write-backs").status == 200
    assert obs.control("GET", "/__sim__/write-backs").json == {"write_backs": []}


def test_tokens_are_revoked(obs: ObsHttp) -> None:
    assert obs.tasks().status == 200
    assert obs.control("DELETE", "/__sim__/tokens").status == 200
    assert obs.tasks().status == 401


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/__sim__/call-data", {"vdn": 77, "service_id": "1", "rows": []}),
        ("/__sim__/call-data", {"vdn": 88, "service_id": "1", "rows": ["x"]}),
        ("/__sim__/call-data", {"vdn": 88}),
        ("/__sim__/faults", {"kind": "explode"}),
        ("/__sim__/faults", {"times": 1}),
        ("/__sim__/faults", "delay"),
        ("/__sim__/faults", {"kind": "delay", "self": 1}),
        ("/__sim__/codes", {"code": "1"}),
        ("/__sim__/rows", {"vdn": 77, "rows": []}),
    ],
)
def test_nonsense_is_answered_400(http: SignedHttp, path: str, value: object) -> None:
    assert http.control("POST", path, value).status == 400


def test_unknown_control_paths_are_404(http: SignedHttp) -> None:
    assert http.control("GET", "/__sim__/secrets").status == 404


def test_a_foreign_host_name_is_refused(http: SignedHttp) -> None:
    http.connection.request("GET", "/__sim__/calls", headers={"Host": "evil.example"})
    response = http.connection.getresponse()
    assert response.status == 403
    response.read()


@pytest.mark.parametrize(
    ("client", "host", "local"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "localhost:8000", True),
        ("::1", "[::1]:8000", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("192.0.2.7", "127.0.0.1:8000", False),
        ("127.0.0.1", "rebound.example:8000", False),
        ("127.0.0.1", "", False),
    ],
)
def test_both_ends_must_be_loopback(client: str, host: str, local: bool) -> None:
    assert is_local(client, host) is local
