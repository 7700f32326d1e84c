"""Markup of our pages: known attributes only, none twice, each ID once, every element closed."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

from isales_proxy.models import User
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.outbox import outbox_of

PAGES = (
    "/vdn/88/reservations/",
    "/vdn/88/tasks/",
    "/vdn/88/tasks/1106025109/",
    "/vdn/88/write-backs/",
    "/vdn/88/write-backs/new/",
    "/vdn/88/result-codes/",
    "/vdn/88/audit/",
    "/vdn/88/doctor/",
    "/vdn/88/settings/",
    "/accounts/",
    "/accounts/sessions/",
    "/accounts/tokens/",
)
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
GLOBAL = (
    "class id lang dir hidden title tabindex accesskey translate spellcheck autocapitalize"
    " autofocus inputmode enterkeyhint inert popover role is slot style"
)
OF_ELEMENTS = {
    "a": "href download rel target type hreflang ping referrerpolicy",
    "button": "type name value disabled form formaction formmethod formnovalidate popovertarget",
    "col": "span",
    "details": "open name",
    "dialog": "open",
    "form": "action method novalidate autocomplete enctype name target rel",
    "html": "",
    "img": "src alt width height loading decoding",
    "input": "type name value required maxlength minlength min max step pattern placeholder"
    " readonly disabled checked list autocomplete form size multiple accept",
    "label": "for",
    "li": "value",
    "link": "rel href type sizes media as crossorigin integrity",
    "meta": "name content charset http-equiv",
    "ol": "start reversed type",
    "option": "value selected disabled label",
    "optgroup": "label disabled",
    "output": "for form name",
    "progress": "value max",
    "script": "src defer async type nonce crossorigin integrity",
    "select": "name required multiple size disabled form autocomplete",
    "td": "colspan rowspan headers",
    "template": "shadowrootmode",
    "textarea": "name rows cols maxlength minlength required placeholder readonly disabled wrap"
    " form autocomplete",
    "th": "colspan rowspan headers scope abbr",
    "time": "datetime",
}
KNOWN = {tag: set(f"{GLOBAL} {names}".split()) for tag, names in OF_ELEMENTS.items()}
# Names of the kinds that the standard leaves open; those of data may have a colon in them.
OPEN_NAME = re.compile(r"data-[a-z][a-z0-9:-]*|aria-[a-z]+")


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: Counter[str] = Counter()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        self.faults += [f"{tag}: {name} twice" for name, n in Counter(names).items() if n > 1]
        # A custom element may have any attribute; those of a drawing are SVG's.
        if "-" not in tag and "svg" not in {tag, *self._open}:
            known = KNOWN.get(tag, set(GLOBAL.split()))
            self.faults += [
                f"{tag}: {name}"
                for name in names
                if name not in known and not OPEN_NAME.fullmatch(name)
            ]
        self.ids.update(value or "" for name, value in attrs if name == "id")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> within {self._open[-1:]}")
        else:
            self._open.pop()

    def close(self) -> None:
        super().close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]
        self.faults += [f"id {name!r} {n} times" for name, n in self.ids.items() if n > 1]


def find_faults(markup: str) -> list[str]:
    checker = _Checker()
    checker.feed(markup)
    checker.close()
    return checker.faults


def test_markup_of_pages_is_valid(vendor: Simulator, people: dict[str, User], as_role: Any) -> None:
    outbox_of(people).write("u-1")
    client = as_role("admin")
    faults = {path: find_faults(client.get(path).content.decode()) for path in PAGES}
    assert {path: found for path, found in faults.items() if found} == {}


@cases(
    "markup",
    [
        '<a hx-get="/">x</a>',
        '<a aria-target:inherited="#x">x</a>',
        '<p id="a"></p><p id="a"></p>',
        '<a href="/" href="/x">x</a>',
        "<p><b>x</p></b>",
        "<ul><li>x</ul>",
        '<div href="/"></div>',
    ],
)
def test_invalid_markup_is_found(markup: str) -> None:
    assert find_faults(markup)
