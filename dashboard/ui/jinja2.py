"""Jinja2 environment of list templates in `templates/jinja2`; see docs/adr/0017."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.template import engines
from django.template.backends.jinja2 import Jinja2
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, ngettext
from jinja2 import Environment, Template
from markupsafe import Markup


def create_environment(**options: Any) -> Environment:
    """Create the environment: escaping is automatic, texts are translated by Django."""
    environment = Environment(  # noqa: S701 - Django's backend switches autoescape on
        **options, extensions=["jinja2.ext.i18n"], trim_blocks=False
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, ngettext, newstyle=True
    )
    environment.globals.update(
        {
            "_": _translate,
            "icon": _icon,
            "include_html": _include_html,
        }
    )
    return environment


def render_fragment(template: str, **context: Any) -> SafeString:
    """Render a Jinja2 template, whose values are escaped unless they are markup already."""
    return mark_safe(_get_template(template).render(context))  # noqa: S308 - escaped there


@lru_cache(maxsize=100)
def _get_template(name: str) -> Template:
    engine = engines["jinja2"]
    assert isinstance(engine, Jinja2)  # noqa: S101
    return engine.env.get_template(name)


def _translate(text: str, **values: Any) -> Markup:
    """Translate a text of a template and put values into its `%(name)s`, escaped."""
    translated = _find_translation(get_language(), text)
    return translated % values if values else translated


@lru_cache(maxsize=2000)
def _find_translation(_language: str | None, text: str) -> Markup:
    # Django's own look-up costs a list some hundred calls; catalogs do not change while it runs.
    return Markup(gettext(text))  # noqa: S704 - ours


@lru_cache(maxsize=100)
def _icon(name: str) -> Markup:
    return Markup(render_to_string("components/_icon.html", {"name": name}))  # noqa: S704 - escaped there


def _include_html(template: str, **context: Any) -> Markup:
    """Include what few fragments show, and other pages as well, from Django's templates."""
    return Markup(render_to_string(template, context))  # noqa: S704 - escaped there
