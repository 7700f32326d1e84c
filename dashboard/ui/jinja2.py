"""Jinja2 environment of the list templates in `templates/jinja2`; see docs/adr/0017.

Templates are compiled once per language, with their texts and icons in place, which saves a list
about a hundred calls. Translations do not change while a process runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final

from django.template import engines
from django.template.backends.jinja2 import Jinja2
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, ngettext
from jinja2 import Environment, Template, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

_LANGUAGES: Final = 16


class LanguageEnvironment(Environment):
    """An environment whose templates are translated when they are compiled.

    Its language must be the active one then: see `_get_template`.
    """

    has_language = False
    """False for the environment that Django creates, from which those of a language derive."""

    def _generate(self, source: nodes.Template, *args: Any, **options: Any) -> str:
        """Compile a template. A hook of Jinja2."""
        if self.has_language:
            source = _ConstantFolder().visit(source)
        return super()._generate(source, *args, **options)


class _ConstantFolder(NodeTransformer):
    """Replaces `_("text")` and `icon("name")` by markup."""

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:  # noqa: N802 - Jinja2's name
        """Return the markup of a call whose only argument is a constant text."""
        self.generic_visit(node)
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if name not in _FOLDED or node.kwargs or node.dyn_args or node.dyn_kwargs:
            return node
        if len(node.args) != 1 or not isinstance(text := node.args[0], nodes.Const):
            return node
        return nodes.Const(_FOLDED[name](text.value), lineno=node.lineno)


def create_environment(**options: Any) -> Environment:
    """Create the environment: it escapes values, and translates texts by Django."""
    environment = LanguageEnvironment(**options, extensions=["jinja2.ext.i18n"], trim_blocks=False)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, ngettext, newstyle=True
    )
    environment.globals.update(
        {
            "_": lambda text, **values: _translate(get_language(), text, **values),
            "icon": _icon,
            "include_html": _include_html,
        }
    )
    return environment


def render_fragment(template: str, **context: Any) -> SafeString:
    """Render a Jinja2 template. Values are escaped unless they are markup."""
    found = _get_template(template, get_language())
    return mark_safe(found.render(context))  # noqa: S308 - escaped there


@lru_cache(maxsize=100 * _LANGUAGES)
def _get_template(name: str, language: str | None) -> Template:
    """Return the template in the active language."""
    template = _get_environment(language).get_template(name)
    # A plain dict: Jinja2's chain of its globals and ours is slower with each render.
    template.globals = dict(template.globals)
    return template


@lru_cache(maxsize=_LANGUAGES)
def _get_environment(language: str | None) -> Environment:
    engine = engines["jinja2"]
    assert isinstance(engine, Jinja2)  # noqa: S101
    environment: Any = engine.env.overlay()
    environment.has_language = True
    environment.globals = {**environment.globals, "_": partial(_translate, language)}
    return environment  # type: ignore[no-any-return]


def _translate(language: str | None, text: str, **values: Any) -> Markup:
    """Translate a text of a template and insert escaped values for `%(name)s`."""
    translated = _find_translation(language, text)
    if not values:
        return translated
    escaped = {name: escape(value) for name, value in values.items()}
    return Markup(str(translated) % escaped)  # noqa: S704 - escaped here


@lru_cache(maxsize=2000)
def _find_translation(_language: str | None, text: str) -> Markup:
    return Markup(gettext(text))  # noqa: S704 - ours


@lru_cache(maxsize=100)
def _icon(name: str) -> Markup:
    return Markup(render_to_string("components/_icon.html", {"name": name}))  # noqa: S704 - escaped there


def _include_html(template: str, **context: Any) -> Markup:
    """Include a template of Django, of a part that other pages have as well."""
    return Markup(render_to_string(template, context))  # noqa: S704 - escaped there


_FOLDED: Final[dict[str, Callable[[str], Markup]]] = {
    "_": lambda text: _find_translation(get_language(), text),
    "icon": _icon,
}
