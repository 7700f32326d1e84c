"""Layout rules: layers, file sizes, vendored files, markup, translations, pins."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from django.core.management import call_command

from dashboard import catalog
from tests.support.cases import cases

ROOT = Path(__file__).resolve().parents[2]
MARKUP = sorted(
    path for suffix in ("html", "jinja") for path in (ROOT / "templates").rglob(f"*.{suffix}")
)
LONGEST_FILE = 500
SHORTEST_MODULE = 60
# Modules whose place Django, gunicorn or the vendor's documents decide.
MANDATED_NAMES = {"__init__", "__main__", "apps", "urls", "wsgi", "settings", "gunicorn_conf"}
MANDATED_FOLDERS = {"migrations", "commands"}
# Packages of one file a subject, however short.
SUBJECT_PACKAGES = {"models", "admin"}
# Shorter than SHORTEST_MODULE with one importer, and why it is a module nevertheless.
SHORT_MODULES: dict[str, str] = {
    "dashboard.static_files": "named by STORAGES; imports nothing that the settings need",
    "dashboard.account.passwords": "named by AUTHENTICATION_BACKENDS and PASSWORD_HASHERS",
    "dashboard.account.session_engine": "named by SESSION_ENGINE and MIDDLEWARE",
    "dashboard.home.forms": "forms.py of its subject",
    "isales_proxy.api.parsers": "named by DRF's settings, which it reads before there are views",
    "isales_proxy.api.vdns": "one file a subject of the API",
    "isales_proxy.client.observer": "the protocol of the client; used within it relatively",
    "isales_proxy.client.redaction": "used within the client by relative imports",
}


def written_by_hand() -> list[Path]:
    kinds = {".py", ".html", ".js", ".css"}
    return [
        path
        for folder in ("isales_proxy", "dashboard", "templates", "static", "tests", "bench")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in kinds and not {"vendor", "migrations"} & set(path.parts)
    ]


def test_imports_follow_the_layers() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "importlinter.cli", "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_layers_name_every_top_level_module() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = next(each for each in config["contracts"] if each["type"] == "layers")["layers"]
    named = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    present = {
        f"{package}.{path.stem}"
        for package in ("isales_proxy", "dashboard")
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert present - named == {"isales_proxy.migrations"}


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@cases("folder", [ROOT / "static", ROOT / ".ci", ROOT / "tests" / "support"])
def test_vendored_files_match_their_declaration(folder: Path) -> None:
    listed = tomllib.loads((folder / "vendor" / "VENDOR.toml").read_text("utf-8"))["file"]
    assert {entry["path"] for entry in listed} >= {
        path.relative_to(folder).as_posix()
        for path in (folder / "vendor").iterdir()
        if path.name != "VENDOR.toml"
    }
    for entry in listed:
        digest = hashlib.sha256((folder / entry["path"]).read_bytes()).hexdigest()
        assert digest == entry["sha256"], entry["path"]
        assert entry["licence"]
        assert entry["version"]


def test_sprite_has_exactly_the_icons_in_use() -> None:
    sprite = (ROOT / "static" / "icons.svg").read_text("utf-8")
    markup = "\n".join(path.read_text("utf-8") for path in MARKUP)
    views = "\n".join(path.read_text("utf-8") for path in (ROOT / "dashboard").rglob("*.py"))
    used = set(re.findall(r'(?:_icon\.html" with name=|\bicon\()"([a-z0-9-]+)"', markup))
    used |= set(re.findall(r'\bicon="([a-z0-9-]+)"', views))
    assert set(re.findall(r'<symbol id="tabler-([a-z0-9-]+)"', sprite)) == used


@cases("path", MARKUP)
def test_templates_contain_no_inline_script_or_style(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "inline script"
    assert not re.search(r"<style\b", text), "inline style sheet"
    assert not re.search(r"\sstyle=", text), "style attribute"
    assert not re.search(r"\shx-on|\son[a-z]+=|=\s*[\"']js:", text), "inline handler"
    assert "|safe" not in text, "unescaped text"
    assert 'href="#"' not in text, "a link that leads nowhere"


@cases("language", catalog.TRANSLATIONS)
def test_every_text_is_translated(language: str) -> None:
    assert catalog.list_untranslated(language) == []


def test_translation_functions_are_imported_under_collected_names() -> None:
    # By another name a text is found in no source, and stays English.
    names = set()
    for folder in ("dashboard", "isales_proxy"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
                    names |= {(path.name, each.asname) for each in node.names if each.asname}
    assert {name for _file, name in names} == {"_"}, names


@cases("language", catalog.TRANSLATIONS)
def test_compiled_translation_is_up_to_date(language: str) -> None:
    assert catalog.get_po_path(language).with_suffix(
        ".mo"
    ).read_bytes() == catalog.compile_translation(language)


@cases("language", catalog.TRANSLATIONS)
def test_placeholders_survive_translation(language: str) -> None:
    placeholder = re.compile(r"%\(\w+\)[sd]|%[sd]")
    messages = list(catalog.read_translation(language))
    assert len(messages) > 1000
    for message in messages:
        if not message.id:
            continue
        sources = message.id if isinstance(message.id, tuple) else (message.id,)
        targets = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = set(placeholder.findall(sources[-1]))
        for target in targets:
            assert set(placeholder.findall(target)) == wanted, sources[0]


def test_long_files_give_a_reason() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in written_by_hand()
        if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST_FILE
        and not is_long_for_a_reason(path)
    }
    assert long == {}


def is_long_for_a_reason(path: Path) -> bool:
    """Tell whether the docstring of a Python file says `Long because …`."""
    if path.suffix != ".py":
        return False
    return "Long because" in (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")


def test_short_modules_have_several_importers() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text("utf-8")
        for package in ("isales_proxy", "dashboard")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.stem not in MANDATED_NAMES
        and not (MANDATED_FOLDERS | SUBJECT_PACKAGES) & set(path.parts)
    }
    everything = {
        path: path.read_text("utf-8")
        for package in ("isales_proxy", "dashboard")
        for path in (ROOT / package).rglob("*.py")
    }
    short = [name for name, text in modules.items() if len(text.splitlines()) < SHORTEST_MODULE]
    alone = {
        name: found
        for name in short
        if len(found := list_importers(name, everything)) == 1 and name not in SHORT_MODULES
    }
    assert short
    assert not alone, "\n".join(f"{name}: {found[0]}" for name, found in alone.items())


def list_importers(module: str, sources: dict[Path, str]) -> list[str]:
    """List the files that import a module or name it in a string, as settings do."""
    parent, _dot, name = module.rpartition(".")
    direct = re.compile(rf"\b{re.escape(module)}\b")
    from_parent = re.compile(
        rf"^from {re.escape(parent)} import (?:\([^)]*|[^(\n]*)\b{name}\b", re.MULTILINE
    )
    own = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return [
        path.relative_to(ROOT).as_posix()
        for path, text in sources.items()
        if path != own and (direct.search(text) or from_parent.search(text))
    ]


def test_every_dependency_has_a_comment() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = text.partition("dependencies = [")[2].partition("]\n\n")[0]
    assert block
    for line in block.strip().splitlines():
        assert "#" in line, line


def test_pins_have_hashes_and_no_address() -> None:
    files = list((ROOT / "requirements").iterdir())
    assert files
    for path in files:
        text = path.read_text("utf-8")
        assert "://" not in text
        pins = re.findall(r"^([\w.\-\[\]]+)==", text, re.MULTILINE)
        assert len(pins) == len(set(pins))
        assert text.count("--hash=sha256:") >= len(pins)


@cases("document", ["README.md", "CONTRIBUTING.md", *sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))])  # fmt: skip
def test_documents_name_files_that_exist(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    paths = re.findall(r"`((?:isales_proxy|dashboard|tests|templates|static|docs)/[\w./-]*)`", text)
    missing = [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert not missing, missing
