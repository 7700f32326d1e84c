"""The pins hold on every Python and platform, not on the machine alone that made them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pip._vendor.packaging.requirements import Requirement

LOCK = Path(__file__).resolve().parents[2] / ".ci" / "lock.py"


@pytest.fixture(scope="module")
def lock() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("callboard_lock", LOCK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # A dataclass looks up the module that it is of.
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def releases(lock: ModuleType, **needs: list[str]) -> dict[str, object]:
    return {
        name: lock.Release("1.0", tuple(Requirement(each) for each in texts))
        for name, texts in needs.items()
    }


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ("old>=4; python_full_version < '3.11.3'", 'python_full_version < "3.11.3"'),
        ("old; sys_platform == 'win32'", 'sys_platform == "win32"'),
        ("old; implementation_name != 'pypy' and extra == 'c'", 'implementation_name != "pypy"'),
        ("old; python_version >= '3.11'", ""),
        (
            "old; sys_platform == 'win32' and python_version < '3.13'",
            'python_version < "3.13" and sys_platform == "win32"',
        ),
    ],
)
def test_what_is_not_needed_everywhere_says_where(
    lock: ModuleType, needs: str, expected: str
) -> None:
    found = releases(lock, driver=[needs], old=["deeper"], deeper=[])
    marked = lock.markers(["driver[c]"], found)
    assert marked == {"driver": "", "old": expected, "deeper": expected}


def test_what_something_needs_everywhere_bears_no_marker(lock: ModuleType) -> None:
    found = releases(lock, one=["shared; sys_platform == 'win32'"], two=["shared"], shared=[])
    assert lock.markers(["one", "two"], found)["shared"] == ""


def test_an_extra_that_nobody_asked_for_needs_nothing(lock: ModuleType) -> None:
    found = releases(lock, driver=["unasked; extra == 'c'"])
    assert lock.markers(["driver"], found) == {"driver": ""}
