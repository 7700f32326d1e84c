"""The code table that the simulator answers from `queryOBSResultCode`: 80 real codes, 40 invented.

A live system returns about 120 codes and the reference knows 80 of them, so that the
rest is made up here, all inside 90001 to 90040, a range in which no published code lies.
"""

from __future__ import annotations

import csv
import threading
from dataclasses import dataclass
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class ResultCode:
    """One OBS result code with its two descriptions; `category` is never sent."""

    code: str
    description_en: str
    description_zh: str
    category: str = ""

    def described_in(self, locale: str) -> str:
        """The description for the header `locale` (`zh_CN` or `en_US`)."""
        return self.description_en if locale == "en_US" else self.description_zh


_INVENTED: Final = (
    ("Demo: customer asked for another time", "演示：客户要求改期"),
    ("Demo: customer asked for another agent", "演示：客户要求更换座席"),
    ("Demo: line noise, call ended", "演示：线路噪音，通话结束"),
    ("Demo: voice mailbox full", "演示：语音信箱已满"),
    ("Demo: number barred by the operator", "演示：号码被运营商限制"),
    ("Demo: number on the do-not-call list", "演示：号码在免打扰名单中"),
    ("Demo: outside permitted calling hours", "演示：不在允许呼叫时段"),
    ("Demo: call assistant answered", "演示：通话助理接听"),
    ("Demo: announcement in a foreign language", "演示：外语提示音"),
    ("Demo: silence after answering", "演示：接听后无声"),
    ("Demo: short ring, released by network", "演示：短振铃后网络释放"),
    ("Demo: roaming not permitted", "演示：不允许漫游"),
    ("Demo: prepaid credit exhausted", "演示：预付费余额不足"),
    ("Demo: number not yet activated", "演示：号码尚未激活"),
    ("Demo: number ported, routing failed", "演示：携号转网，路由失败"),
    ("Demo: emergency restriction in the area", "演示：该地区紧急限制"),
    ("Demo: trunk group congested", "演示：中继群拥塞"),
    ("Demo: gateway restarted during the call", "演示：通话中网关重启"),
    ("Demo: codec negotiation failed", "演示：编解码协商失败"),
    ("Demo: media stream lost", "演示：媒体流中断"),
    ("Demo: agent left the queue", "演示：座席退出队列"),
    ("Demo: agent logged out while ringing", "演示：振铃时座席签出"),
    ("Demo: agent declined the preview", "演示：座席拒绝预览呼叫"),
    ("Demo: preview time expired", "演示：预览超时"),
    ("Demo: task suspended during dialling", "演示：呼叫时任务已暂停"),
    ("Demo: task finished before dialling", "演示：呼叫前任务已结束"),
    ("Demo: duplicate number in the task", "演示：任务内号码重复"),
    ("Demo: number has an invalid prefix", "演示：号码前缀无效"),
    ("Demo: number is too short", "演示：号码过短"),
    ("Demo: caller number not permitted", "演示：主叫号码未授权"),
    ("Demo: caller number limit reached", "演示：主叫号码达到上限"),
    ("Demo: daily attempts used up", "演示：当日呼叫次数已用完"),
    ("Demo: licence limit reached", "演示：达到许可上限"),
    ("Demo: recording could not start", "演示：录音无法启动"),
    ("Demo: call data could not be read", "演示：随路数据无法读取"),
    ("Demo: script of the robot failed", "演示：机器人流程失败"),
    ("Demo: transfer to queue failed", "演示：转队列失败"),
    ("Demo: signalling <timeout> & retry", "演示：信令<超时>并重试"),
    ("Demo: database of the dialler busy", "演示：外呼数据库繁忙"),
    ("Demo: released for an unknown reason", "演示：未知原因释放"),
)


def known_codes() -> tuple[ResultCode, ...]:
    """All 120 codes in ascending order: those of the reference file and the invented ones."""
    text = files("isales_proxy").joinpath("data", "obs-result-codes.csv").read_text("utf-8")
    real = [
        ResultCode(row["code"], row["description_en"], row["description_zh"], row["category"])
        for row in csv.DictReader(text.splitlines())
    ]
    invented = [ResultCode(f"{90001 + i}", en, zh) for i, (en, zh) in enumerate(_INVENTED)]
    return tuple(sorted([*real, *invented], key=lambda code: code.code))


class CodeBook:
    """The codes of one simulator, ascending by code; may be changed while it runs.

    Thread-safe: a page is cut from one unchanging tuple.
    """

    def __init__(self, codes: tuple[ResultCode, ...] | None = None) -> None:
        self._lock = threading.Lock()
        self._codes = known_codes() if codes is None else codes

    def all(self) -> tuple[ResultCode, ...]:
        """Every code as it stands now."""
        return self._codes

    def put(self, code: str, description_en: str, description_zh: str) -> None:
        """Add a code, or reword it when it exists."""
        with self._lock:
            kept = [known for known in self._codes if known.code != code]
            kept.append(ResultCode(code, description_en, description_zh))
            self._codes = tuple(sorted(kept, key=lambda known: known.code))

    def remove(self, code: str) -> None:
        """Take a code out; one that is not there is no error."""
        with self._lock:
            self._codes = tuple(known for known in self._codes if known.code != code)
