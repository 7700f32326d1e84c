"""Who and what appears in the simulated data: agents, tasks, numbers, outcomes.

Every name and number is invented. Names are chosen to be awkward for a table: other
scripts, markup, quotes and one that fits no column.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Agent:
    """A business account and the name that the vendor shows for it."""

    account: str
    name: str
    weight: int = 4


@dataclass(frozen=True, slots=True)
class Task:
    """An outbound task: ID, name and status (2 executing, 3 suspended, 4 completed)."""

    task_id: str
    name: str
    status: str = "2"
    weight: int = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ends: `failCode`, the display code in `result`, and how often in a thousand."""

    fail_code: str
    result: str
    weight: int


@dataclass(frozen=True, slots=True)
class Cast:
    """The agents and tasks of one VDN; `unnamed_task` is the ID of one without reservations."""

    agents: tuple[Agent, ...]
    tasks: tuple[Task, ...]
    unnamed_task: str


_LONG_NAME: Final = (
    "Maria Aparecida dos Santos Albuquerque de Vasconcelos e Souza Montenegro "
    "(night shift, second line, Portuguese and Spanish)"
)

_CAST_88: Final = Cast(
    agents=(
        Agent("116", "李娜", 16),
        Agent("101", "王伟"),
        Agent("102", "张敏", 6),
        Agent("103", "João Gonçalves", 6),
        Agent("104", "Conceição d'Ávila"),
        Agent("105", "Yusuf al-Hashimi"),
        Agent("106", "Fatima az-Zahra'"),
        Agent("107", '<b>Bob</b> & "Co"'),
        Agent("108", _LONG_NAME, 3),
        Agent("109", "刘洋", 6),
        Agent("110", "陈静"),
        Agent("111", "Inês Magalhães"),
        Agent("112", "Abd ar-Rahman ibn Khalid"),
        Agent("113", "Siobhán O'Brien"),
        Agent("114", "欧阳娜娜"),
        Agent("115", "Nur Aisyah"),
        Agent("117", "117"),
        Agent("118", "Đặng Thị Hương"),
        Agent("119", "赵磊"),
        Agent("120", "Łukasz Żak"),
        Agent("0121", "周杰"),
        Agent("122", "Layla bint Omar"),
        Agent("sofia.ramos", "Sofia Ramos", 3),
        Agent("124", "Tomé 'Zé' Araújo", 2),
    ),
    tasks=(
        Task("1106025109", "Preempted task", "2", 12),
        Task("1106025110", "春季回访", "2", 8),
        Task("1106025111", 'Spring <i>sale</i> & "VIP"', "2", 6),
        Task("1106025112", "Contract renewals 2nd quarter", "3"),
        Task("1106025113", "贷款到期提醒", "2", 6),
        Task("1106025114", "Satisfaction survey", "4", 3),
        Task("1106025115", "Entrega: confirmação de endereço"),
        Task("1106025116", "保险续保 / Insurance renewal"),
        Task("1251250797", "Appointment reminders, dental clinics in the northern districts", "2"),
        Task("1251250798", "Winback", "3", 3),
        Task("0000451207", "Pilot", "2", 2),
        Task("1251250799", "会员权益说明（试运行）", "4", 2),
    ),
    unnamed_task="1251250811",
)

_CAST_89: Final = Cast(
    agents=(
        Agent("216", "孙丽", 14),
        Agent("116", "Beatriz Fonseca", 4),
        Agent("201", "吴强"),
        Agent("202", "徐芳", 6),
        Agent("203", "Gustavo Brandão"),
        Agent("204", "Lúcia Simões"),
        Agent("205", "Khalid as-Sabah"),
        Agent("206", "Maryam al-Farsi"),
        Agent("207", "<script>alert('x')</script>", 3),
        Agent("208", "Wolfeschlegelsteinhausenbergerdorff " * 3 + "junior", 2),
        Agent("209", "胡军"),
        Agent("210", "林晓"),
        Agent("211", "Álvaro Peçanha"),
        Agent("212", "Hamza ibn Yahya"),
        Agent("213", "Niamh O'Dowd"),
        Agent("214", "上官婉儿"),
        Agent("215", "Siti Rahma"),
        Agent("217", "217"),
        Agent("218", "Nguyễn Văn Quý"),
        Agent("219", "高翔"),
        Agent("220", "Zoë Åkesson"),
        Agent("0221", "马超"),
        Agent("222", "Amina bint Said"),
        Agent("carlos.melo", "Carlos Melo", 3),
    ),
    tasks=(
        Task("2206025201", "Deliveries of the week", "2", 10),
        Task("2206025202", "售后服务回访", "2", 8),
        Task("2206025203", "<u>Outlet</u> & 'Friends'", "2", 5),
        Task("2206025204", "Meter readings", "3"),
        Task("2206025205", "欠费提醒", "2", 6),
        Task("2206025206", "Poll of visitors", "4", 3),
        Task("2206025207", "Cobrança amigável"),
        Task("2206025208", "预约看房 / Viewings"),
        Task("2251250901", "Workshop: tyres and inspection", "2"),
        Task("2251250902", "Dormant accounts", "3", 3),
        Task("0000451208", "Trial", "2", 2),
        Task("2251250903", "新品体验邀请", "4", 2),
    ),
    unnamed_task="2251250911",
)

ANSWERED: Final = "00000"

# 00604 with 0101 is the pair of the vendor's example; the other display codes are invented.
OUTCOMES: Final = (
    Outcome(ANSWERED, "0100", 470),
    Outcome("00603", "0102", 140),
    Outcome("00604", "0101", 75),
    Outcome("00537", "0103", 70),
    Outcome("00548", "0104", 60),
    Outcome("00549", "0104", 45),
    Outcome("00538", "0105", 35),
    Outcome("00531", "0101", 25),
    Outcome("00601", "0101", 25),
    Outcome("01040", "0102", 15),
    Outcome("00602", "0901", 8),
    Outcome("00605", "0901", 8),
    Outcome("00606", "0901", 4),
    Outcome("00701", "0101", 4),
    Outcome("00209", "0104", 4),
    Outcome("01049", "0902", 3),
    Outcome("34606", "0901", 3),
    Outcome("34608", "0902", 2),
    Outcome("01119", "0902", 1),
    Outcome("90007", "0903", 2),
    Outcome("90026", "0903", 1),
)

BUSINESS_RESULTS: Final = (
    "Reservation business result > aab",
    "Interested > Wants a brochure",
    "Interested > Wants a visit",
    "成交 > 已付款",
    "成交 > 待签约",
    "Not interested > Too expensive",
    "Not interested > Has a contract",
    "回访完成 > 满意",
    "Callback > Next week",
    "Done",
)

CALLER_NUMBERS: Final = ("710001", "710002", "710003", "0800710004")


def cast_of(vdn: int) -> Cast:
    """The agents and tasks of a VDN; 88 has its own, every other VDN shares a second set."""
    return _CAST_88 if vdn == 88 else _CAST_89


def called_number(rng: random.Random) -> str:
    """An invented number from a pool small enough that numbers come back in several rows."""
    kind = rng.random()
    if kind < 0.6:
        return f"6666{rng.randint(1, 2400):04d}"
    if kind < 0.8:
        return f"+658000{rng.randint(1, 900):04d}"
    if kind < 0.92:
        return f"0205550{rng.randint(1, 600):04d}"
    return f"0086555{rng.randint(1, 400):08d}"
