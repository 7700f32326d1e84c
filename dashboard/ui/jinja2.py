"""Jinja2 environment of list templates in `templates/jinja2`; see docs/adr/0017."""

from __future__ import annotations

from typing import Any

from django.template import engines
from django.template.backends.jinja2 import Jinja2
from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from jinja2 import Environment


def create_environment(**options: Any) -> Environment:
    """Create the environment: escaping is automatic, texts are translated by Django."""
    environment = Environment(  # noqa: S701 - Django's backend switches autoescape on
        **options, extensions=["jinja2.ext.i18n"], trim_blocks=False
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, ngettext, newstyle=True
    )
    environment.globals["static"] = static
    return environment


def render_fragment(template: str, **context: Any) -> SafeString:
    """Render a Jinja2 template, whose values are escaped unless they are markup already."""
    engine = engines["jinja2"]
    assert isinstance(engine, Jinja2)  # noqa: S101
    return mark_safe(engine.env.get_template(template).render(context))  # noqa: S308 - escaped there
