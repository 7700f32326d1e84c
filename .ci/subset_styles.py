"""Write what our pages use of Tabler's style sheet: .ci/vendor/tabler.min.css to static/vendor.

Run it by `make styles` after a template, script or module uses a class, element or attribute that
no other used before; a test compares. `--check` writes nothing, exit code 1 if the file would
change.

A rule stays if each class, id, element and attribute of one of its selectors occurs in templates,
static/js or a string of Python code. `:is()`, `:not()` and their kin always stay, so that a mistake
keeps too much. Variables and animations that nothing names any more are left out.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tinycss2

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / ".ci" / "vendor" / "tabler.min.css"
TARGET = ROOT / "static" / "vendor" / "tabler.min.css"
PACKAGES = (ROOT / "dashboard", ROOT / "isales_proxy")

_CHARSET = '@charset "UTF-8";'
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_ELEMENT = re.compile(r"<([a-z][a-z0-9-]*)")
_CLASS = re.compile(r"""\bclass=(?:"([^"]*(?:\{[^"]*"[^"]*"[^"]*)*)"|'([^']*)')""")
_LITERAL = re.compile(r""""([^"\n]*)"|'([^'\n]*)'""")
_TEMPLATE_TAG = re.compile(r"\{[%{#].*?[#%}]\}", re.DOTALL)
# Django's widgets and the browser itself bring these.
_IMPLIED = {"html", "body", "input", "select", "option", "optgroup", "textarea", "ul", "li", "div"}


@dataclass
class Vocabulary:
    """Names that our sources contain, as far as a selector can ask for them."""

    classes: set[str] = field(default_factory=set)
    # Of classes with a changing end, as `note-{{ level }}`.
    prefixes: set[str] = field(default_factory=set)
    elements: set[str] = field(default_factory=lambda: set(_IMPLIED))
    # Any word: attributes, ids and values of attributes are too few to look closer.
    words: set[str] = field(default_factory=set)

    def add_template(self, text: str) -> None:
        """Add classes, literals inside template tags, elements and words."""
        self.elements.update(_ELEMENT.findall(text))
        self.words.update(_WORD.findall(text))
        for found in _CLASS.finditer(text):
            value = found[1] or found[2] or ""
            self.prefixes.update(re.findall(r"([A-Za-z][\w-]*-)\{\{", value))
            self.classes.update(_WORD.findall(_TEMPLATE_TAG.sub(" ", value)))
        for tag in _TEMPLATE_TAG.findall(text):
            self._add_literals(one or other for one, other in _LITERAL.findall(tag))

    def add_script(self, text: str) -> None:
        """Add each word of a string literal, and each word as attribute."""
        self.words.update(_WORD.findall(text))
        literals = [one or other for one, other in _LITERAL.findall(text)]
        literals += re.findall(r"`([^`]*)`", text)
        self._add_literals(literals)
        for literal in literals:
            self.elements.update(_WORD.findall(literal))

    def add_module(self, text: str) -> None:
        """Add the strings of a Python module."""
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.words.update(_WORD.findall(node.value))
                self._add_literals([node.value])

    def _add_literals(self, literals: Iterable[str]) -> None:
        # Sentences name no class.
        for literal in literals:
            if re.fullmatch(r"[a-z0-9 _.#-]+", literal) and literal.count(" ") < 5:
                self.classes.update(_WORD.findall(literal))
                if literal.endswith("-") and len(literal) > 2:
                    self.prefixes.add(literal.rpartition(" ")[2])

    def has_class(self, name: str) -> bool:
        """Tell whether some element may have the class."""
        return name in self.classes or any(name.startswith(prefix) for prefix in self.prefixes)


def collect_vocabulary() -> Vocabulary:
    """Read templates, scripts and modules."""
    found = Vocabulary()
    for path in sorted((ROOT / "templates").rglob("*.*")):
        found.add_template(path.read_text("utf-8"))
    for path in sorted((ROOT / "static" / "js").glob("*.js")):
        found.add_script(path.read_text("utf-8"))
    for path in sorted(path for package in PACKAGES for path in package.rglob("*.py")):
        found.add_module(path.read_text("utf-8"))
    return found


def matches(selector: list[Any], words: Vocabulary) -> bool:
    """Tell whether some element of ours may match one selector."""
    before = ""
    for token in selector:
        if token.type == "ident":
            if before == ".":
                if not words.has_class(token.value):
                    return False
            elif before != ":" and token.value not in words.elements:
                return False
        elif token.type == "hash":
            if token.value not in words.words:
                return False
        elif token.type == "[] block" and not _attribute_occurs(token.content, words):
            return False
        before = token.value if token.type == "literal" else ""
    return True


def _attribute_occurs(content: list[Any], words: Vocabulary) -> bool:
    names = [token.value for token in content if token.type in {"ident", "string"}]
    # The second is a value, of which an operator such as ^= may name a part; data- values are ours.
    checked = names[:2] if names and names[0].startswith("data-") else names[:1]
    return all(not name or name in words.words for name in checked)


def _split(tokens: Iterable[Any], separator: str) -> Iterator[list[Any]]:
    part: list[Any] = []
    for token in tokens:
        if token.type == "literal" and token.value == separator:
            yield part
            part = []
        else:
            part.append(token)
    yield part


@dataclass
class Rule:
    """A head and what stands in its braces: declarations, or rules; nothing of `@charset`."""

    head: str
    body: list[str | Rule] | None

    def __str__(self) -> str:
        if self.body is None:
            return f"{self.head};"
        separator = ";" if self.body and isinstance(self.body[0], str) else ""
        return f"{self.head}{{{separator.join(map(str, self.body))}}}"


def filter_rules(nodes: Iterable[Any], words: Vocabulary) -> Iterator[Rule]:
    """Give the rules that some element of ours may match."""
    for node in nodes:
        if node.type == "qualified-rule":
            kept = [part for part in _split(node.prelude, ",") if matches(part, words)]
            if kept:
                declarations = (tinycss2.serialize(part) for part in _split(node.content, ";"))
                yield Rule(
                    ",".join(tinycss2.serialize(part).strip() for part in kept),
                    [part for part in declarations if part.strip()],
                )
        elif node.type == "at-rule":
            head = f"@{node.at_keyword}{tinycss2.serialize(node.prelude)}".strip()
            if node.content is None:
                yield Rule(head, None)
            elif node.lower_at_keyword in {"media", "supports"}:
                inner = tinycss2.parse_rule_list(node.content, skip_whitespace=True)
                yield Rule(head, list(filter_rules(inner, words)))
            else:
                yield Rule(head, [tinycss2.serialize(node.content)])


def drop_unused(rules: Iterable[Rule], used: set[str], text: str) -> Iterator[Rule]:
    """Leave out variables not in `used`, animations that `text` does not name, and empty rules."""
    for rule in rules:
        if rule.body is None:
            yield rule
            continue
        kind, _, name = rule.head.partition(" ")
        if kind == "@keyframes":
            if re.search(rf"animation(-name)?:[^;}}]*\b{re.escape(name)}\b", text):
                yield rule
        elif kind == "@property":
            if name in used:
                yield rule
        else:
            inner = [each for each in rule.body if isinstance(each, Rule)]
            body: list[str | Rule] = [*drop_unused(inner, used, text)]
            for each in rule.body:
                if isinstance(each, str):
                    name = each.partition(":")[0].strip()
                    if not name.startswith("--") or name in used:
                        body.append(each)
            if body:
                yield Rule(rule.head, body)


def subset(source: str, words: Vocabulary, ours: str) -> str:
    """Return what is needed of `source`; `ours` are our own style sheets, which use variables."""
    parsed = tinycss2.parse_stylesheet(source, skip_comments=True, skip_whitespace=True)
    rules = list(filter_rules(parsed, words))
    before = ""
    while (text := "".join(map(str, rules))) != before:
        before = text
        used = set(re.findall(r"var\(\s*(--[\w-]+)", text + ours))
        rules = list(drop_unused(rules, used, text + ours))
    licence = re.search(r"/\*!.*?\*/", source, re.DOTALL)
    charset, text = text[: len(_CHARSET)], text[len(_CHARSET) :]
    if licence is None or charset != _CHARSET:
        raise ValueError("The source begins otherwise than it did.")
    return f"{charset}{licence[0]}\n{text}\n"


def main() -> int:
    """Write the file, or compare with it; the exit code."""
    ours = "".join(
        path.read_text("utf-8") for path in sorted((ROOT / "static" / "css").glob("*.css"))
    )
    text = subset(SOURCE.read_text("utf-8"), collect_vocabulary(), ours)
    if "--check" in sys.argv:
        same = TARGET.read_text("utf-8") == text
        sys.stdout.write("" if same else f"{TARGET} is out of date: make styles\n")
        return 0 if same else 1
    TARGET.write_text(text, "utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    listed = TARGET.with_name("VENDOR.toml").read_text("utf-8")
    entry = re.compile(rf'(path = "vendor/{TARGET.name}"\n(?:.+\n)*?sha256 = ")[0-9a-f]*')
    TARGET.with_name("VENDOR.toml").write_text(entry.sub(rf"\g<1>{digest}", listed), "utf-8")
    sys.stdout.write(f"{len(text)} characters of {SOURCE.stat().st_size}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
