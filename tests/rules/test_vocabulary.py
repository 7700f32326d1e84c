"""Vocabulary rules: no private words in names, plain openings of docstrings (docs/glossary.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.cases import cases

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("isales_proxy", "dashboard", "tests")

# Refused as any word of a name.
PRIVATE_WORDS = {
    *("board", "boards", "deed", "deeds", "moments", "sighting", "sightings", "oddity", "oddities"),
    *("twins", "spool", "shelf", "desk", "wish", "lane"),
}
# Refused as a whole name; in a longer name they are plain English (`map_claims`).
PRIVATE_NAMES = {
    *("reading", "words", "lines", "taking", "keeping", "cast", "claims", "ending", "standing"),
    *("held", "told", "said", "ticket", "proof"),
}
# Refused as the whole name of a function: it begins with a verb and tells its object.
VAGUE_FUNCTIONS = {"page", "one", "of", "ask", "within"}
# Names of database tables, which a rename would have to migrate.
TABLES = {"CodeSighting"}
VAGUE_OPENINGS = {
    *("What", "Who", "Nobody", "Somebody", "Whether", "How", "Where", "When", "Why", "Never"),
    *("Nothing", "Everything", "Everybody", "Only", "With", "Without", "From", "There"),
}


DEFINITION = re.compile(r"^ *(?:async )?(def|class) (\w+)", re.MULTILINE)


def list_modules() -> dict[str, str]:
    """Read the modules written by hand, by path."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    }


def list_words(name: str) -> list[str]:
    """List the words of a name, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def is_private(name: str) -> bool:
    words = list_words(name)
    return bool(PRIVATE_WORDS & set(words)) or "_".join(words) in PRIVATE_NAMES


def find_private_names(source: str) -> list[str]:
    """List the names of classes and functions, nested ones too, that are private words."""
    found = []
    for kind, name in DEFINITION.findall(source):
        vague = kind == "def" and name.strip("_") in VAGUE_FUNCTIONS
        if vague or (is_private(name) and name not in TABLES):
            found.append(name)
    return found


def find_private_variables(source: str) -> list[str]:
    """List the parameters, variables and attributes that have a private word in their names."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
    return sorted(name for name in found if PRIVATE_WORDS & set(list_words(name)))


def find_vague_docstrings(source: str) -> list[str]:
    """List the first lines of docstrings, those of attributes included, that begin with neither a
    verb nor a noun."""
    texts = [
        node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    return [
        text.partition("\n")[0]
        for text in texts
        if text.partition("\n")[0].split(" ")[0].rstrip(".:,") in VAGUE_OPENINGS
    ]


@cases(
    "source",
    [
        "def told(): ...",
        "class TokenDesk: ...",
        "class A:\n    def _one(self): ...",
        "def ask(): ...",
    ],
)
def test_private_names_are_found(source: str) -> None:
    assert len(find_private_names(source)) == 1


def test_private_variables_are_found() -> None:
    source = "def read(shelf): ...\nWISH = 1\nself.lane = 2\nself.keyboard = board.x"
    assert find_private_variables(source) == ["WISH", "lane", "shelf"]


def test_plain_names_are_accepted() -> None:
    source = "def list_page(): ...\nclass Page: ...\ndef map_claims(): ...\nclass Keyboard: ..."
    assert find_private_names(source) == []


def test_vague_docstrings_are_found() -> None:
    source = '"""Who may."""\ndef read():\n    """Whether it is so."""\nclass A:\n    """A row."""'
    source += '\n    name = ""\n    """Where it is."""'
    assert sorted(find_vague_docstrings(source)) == [
        "Where it is.",
        "Whether it is so.",
        "Who may.",
    ]


def test_names_are_no_private_words() -> None:
    found = []
    for path, source in list_modules().items():
        stem = Path(path).stem.removeprefix("test_")
        names = find_private_names(source) + find_private_variables(source)
        names += [f"module {stem}"] if is_private(stem) else []
        found += [f"{path}: {name}" for name in names]
    assert not found, "\n".join(found)


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    found = [
        f"{path}: {line}"
        for path, source in list_modules().items()
        for line in find_vague_docstrings(source)
    ]
    assert not found, "\n".join(found)
