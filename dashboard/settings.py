"""Django settings. Each environment variable is read here once, typed and checked."""

from __future__ import annotations

import logging
import os
from typing import Any

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from environs import validate

from dashboard import logs
from dashboard.environment import groups
from dashboard.environment.groups import VAR_DIR
from dashboard.environment.variables import BASE_DIR, Variables
from isales_proxy.core import checks
from isales_proxy.core.settings import (
    MAX_LATE_GRACE_S,
    ISalesSettings,
    PrivacySettings,
    RetentionSettings,
)
from isales_proxy.core.signed_pickle import JobSerializer

VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

env = Variables()
DEBUG = env.bool("DEBUG", True)
SECRET_KEY = env.str("SECRET_KEY", "") or (groups.load_secret_key() if DEBUG else "")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", [], subcast=str.strip)
ALLOWED_HOSTS = env.read_list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], checks.hosts)
PUBLIC_HOSTS = tuple(ALLOWED_HOSTS)
CSRF_TRUSTED_ORIGINS = env.read_list("CSRF_TRUSTED_ORIGINS", [], checks.origins)
TIME_ZONE = env.str("TIME_ZONE", "UTC", validate=checks.time_zone)
database = groups.read_database(env)
cache_url = env.str("CACHE_URL", "", validate=checks.redis_address)
jobs_url = env.str("JOBS_URL", "", validate=checks.redis_address)
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", 1, validate=validate.Range(min=1, max=64))
WEB_THREADS = env.int("WEB_THREADS", 8, validate=validate.Range(min=1, max=256))
METRICS_TOKEN = env.str("METRICS_TOKEN", "", validate=checks.header_word)
log_level = env.str(
    "LOG_LEVEL", "INFO", validate=validate.OneOf(("DEBUG", "INFO", "WARNING", "ERROR"))
)
# A proxy ends TLS and sets X-Forwarded-Proto and X-Forwarded-For itself.
https = env.bool("HTTPS", False)
cookie_prefix = env.str(
    "COOKIE_PREFIX", "callboard", validate=validate.Regexp(r"[A-Za-z0-9-]{1,40}\Z")
)
hsts_subdomains = env.bool("HSTS_SUBDOMAINS", False)
SIMULATOR_URL = env.str("CALLBOARD_SIMULATOR_URL", "", validate=checks.web_address)
LATE_GRACE_SECONDS = env.int(
    "LATE_GRACE_SECONDS", 60, validate=validate.Range(min=0, max=MAX_LATE_GRACE_S)
)
ISALES = env.read(ISalesSettings, "ISALES_")
RETENTION = env.read(RetentionSettings)
PRIVACY = env.read(PrivacySettings)
SIGN_IN = groups.read_sign_in(env)
# Raises ImproperlyConfigured with every problem of the environment at once.
VARIABLES = env.finish(
    groups.find_problems(debug=DEBUG, secret_key=SECRET_KEY, isales=ISALES, sign_in=SIGN_IN)
)

INSTALLED_APPS = [
    "dashboard",
    "isales_proxy",
    "dashboard.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "dashboard.apps.StaticFiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "dashboard.account",
    "csp",
    "django_htmx",
    "django_structlog",
    "huey.contrib.djhuey",
    "knox",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "dashboard.ui.middleware.QueueFullMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "dashboard.ui.middleware.CompressionMiddleware",
    "dashboard.ui.middleware.DefaultHeadersMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "dashboard.account.session_engine.NotingSessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.ui.middleware.RequestLogMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.account.middleware.EndedSessionMiddleware",
    "dashboard.account.refused_forms.RefusedFormMiddleware",
    "dashboard.ui.middleware.ReaderMiddleware",
    "dashboard.ui.middleware.BoundedBodyMiddleware",
    "dashboard.account.session_limits.SessionLimitsMiddleware",
    "dashboard.account.middleware.GateMiddleware",
    "dashboard.ui.middleware.UrlValidationMiddleware",
    "dashboard.ui.middleware.MetricsMiddleware",
    "dashboard.ui.middleware.UnavailableDatabaseMiddleware",
]

ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.ui.context_processors.frame",
            ],
        },
    },
    {
        # For lists only. In a folder of its own: Django's engine would find any other file first.
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates" / "jinja2"],
        "OPTIONS": {"environment": "dashboard.ui.jinja2.create_environment"},
    },
]

# Seconds a statement waits for another writer. The web server sets fewer than jobs and commands
# have, since a person waits there; see `gunicorn_conf`.
database_wait_s = int(os.environ.get("CALLBOARD_DATABASE_WAIT_SECONDS", "20"))
# A new SQLite connection for each request would cost 5 ms: closing the last one writes the log back
# into the file.
DATABASES: dict[str, Any] = {
    "default": {**database, "CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 60}
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": database_wait_s,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "options": f"-c lock_timeout={database_wait_s}s",
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Raise it when a cached class changes its fields; a rule test fails until that is done.
CACHE_VERSION = 6
# Answers and single rows have caches of their own: the fifty rows of each page must not displace
# pages.
CACHES: dict[str, Any] = {
    alias: {
        "BACKEND": "isales_proxy.core.redis_cache.ForgivingRedisCache",
        "LOCATION": cache_url,
        # Demo answers must never be shown as stale answers of a real CC-iSales.
        "KEY_PREFIX": f"callboard-{alias}{'-demo' if ISALES.demo else ''}",
        "VERSION": CACHE_VERSION,
        "OPTIONS": {"serializer": "isales_proxy.core.signed_pickle.CacheSerializer"},
    }
    if cache_url
    else {
        "BACKEND": backend,
        "LOCATION": alias,
        "OPTIONS": {"MAX_ENTRIES": max_entries},
    }
    for alias, backend, max_entries in (
        ("default", "django.core.cache.backends.locmem.LocMemCache", 5000),
        ("answers", "isales_proxy.core.memory_cache.ObjectCache", 1000),
        ("rows", "isales_proxy.core.memory_cache.ObjectCache", 5000),
    )
}

HUEY: dict[str, Any] = {
    "name": "callboard",
    "serializer": JobSerializer(),
    "immediate": False,
    # Schedules are in `TIME_ZONE`, which Django sets as the local time of the process.
    "utc": False,
    # Three workers, so that a delivery waits neither for the refresh of a code table nor for an
    # export. People watch the delivery of their write-backs: an idle worker looks every second.
    "consumer": {"workers": 3, "worker_type": "thread", "max_delay": 1.0},
    **(
        {"huey_class": "huey.RedisHuey", "url": jobs_url}
        if jobs_url
        else {"huey_class": "huey.SqliteHuey", "filename": str(VAR_DIR / "jobs.sqlite3")}
    ),
}

AUTH_USER_MODEL = "isales_proxy.User"
AUTHENTICATION_BACKENDS = ["dashboard.account.passwords.PasswordBackend"]
PASSWORD_HASHERS = ["dashboard.account.passwords.PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "dashboard.account.adapter.ClosedAdapter"
ACCOUNT_FORMS = {
    "login": "dashboard.account.forms.NameForm",
    "change_password": "dashboard.account.forms.OwnPasswordForm",
    "reauthenticate": "dashboard.account.forms.OwnPasswordAgainForm",
}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
# At the start of a shift a whole floor logs in from one address within minutes. Failed attempts are
# counted in the database (`accounts.sign_in_attempts`), not by allauth in the cache.
ACCOUNT_RATE_LIMITS = {"login": "300/m/ip", "login_failed": None}
# A stranger at an unlocked computer must not change how its user logs in.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_ADAPTER = "dashboard.account.second_factor.SealedAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "activate_totp": "dashboard.account.forms.SetUpForm",
    "add_webauthn": "dashboard.account.forms.KeyForm",
    "authenticate": "dashboard.account.forms.CodeForm",
    "reauthenticate": "dashboard.account.forms.CodeAgainForm",
}
# One step of 30 s each way, for a code typed at the end of its step, or a wrong clock.
MFA_TOTP_TOLERANCE = 1
# Users have no e-mail addresses.
MFA_ALLOW_UNVERIFIED_EMAIL = True
SOCIALACCOUNT_ADAPTER = "dashboard.account.provisioning.ClaimsAdapter"
SOCIALACCOUNT_PROVIDERS = groups.list_providers(SIGN_IN.single_sign_on)
# The proxy of `HTTPS` appends the address of the client to X-Forwarded-For.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if https else 0

# Cookies are shared by all ports of a host: the names must differ from those of other products and
# of a second Callboard. Browsers accept `__Host-` only over HTTPS, from this host, for all paths.
_COOKIE = f"{'__Host-' if https else ''}{cookie_prefix}"
SESSION_COOKIE_NAME = f"{_COOKIE}-session"
CSRF_COOKIE_NAME = f"{_COOKIE}-csrf"
LANGUAGE_COOKIE_NAME = f"{_COOKIE}-language"
THEME_COOKIE_NAME = f"{_COOKIE}-theme"
MESSAGES_COOKIE_NAME = f"{_COOKIE}-messages"
UNDONE_COOKIE_NAME = f"{_COOKIE}-undone"
REFUSED_FORM_COOKIE_NAME = f"{_COOKIE}-refused-form"
MESSAGE_STORAGE = "dashboard.ui.requests.OwnCookieStorage"
SESSION_ENGINE = "dashboard.account.session_engine"
SESSION_COOKIE_AGE = SIGN_IN.hours * 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "dashboard.ui.error_views.csrf_failure"

if https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = hsts_subdomains
# Other hosts of the domain may still use plain HTTP, so HSTS includes them only if the operator
# says so (HSTS_SUBDOMAINS).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = https
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # Tabler's style sheet has its check marks and arrows as data: images.
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    name: []
    for name in (
        "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer",
        "microphone", "midi", "payment", "usb",
    )
}  # fmt: skip

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "dashboard" / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SAMESITE = "Lax"

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
FILE_UPLOAD_PERMISSIONS = 0o600
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
# Pages link to hashed files only; source maps are only for developers.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [
    "br", "gif", "gz", "ico", "jpg", "map", "png", "webp", "woff", "woff2",
]  # fmt: skip
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "dashboard.static_files.StaticFilesStorage"
    },
}

_API_PERMISSIONS = [
    "rest_framework.permissions.IsAuthenticated",
    "isales_proxy.api.permissions.TokenMay",
    "isales_proxy.api.permissions.PersonMay",
]
REST_FRAMEWORK = {
    # In this order: an Authorization header takes precedence over a session.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "isales_proxy.api.authentication.TokenAuthentication",
        "isales_proxy.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": _API_PERMISSIONS,
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["isales_proxy.api.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "isales_proxy.api.schema.CompleteSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "isales_proxy.api.throttles.SessionThrottle",
        "isales_proxy.api.throttles.TokenReads",
        "isales_proxy.api.throttles.TokenWrites",
    ],
    "DEFAULT_THROTTLE_RATES": {"user": "600/min", "token_read": "600/min", "token_write": "60/min"},
    # `?format=` is an unknown parameter like any other.
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "isales_proxy.api.errors.handle_exception",
}
KNOX_TOKEN_MODEL = "isales_proxy.ApiToken"  # noqa: S105 - the name of a model
REST_KNOX = {"TOKEN_MODEL": KNOX_TOKEN_MODEL, "TOKEN_PREFIX": "cb_"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Callboard",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": _API_PERMISSIONS,
    "SWAGGER_UI_DIST": "SIDECAR",
    # The validator would send the address of the schema to a foreign server.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = logs.configure(debug=DEBUG, level=log_level)
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
# One line per request, when it is answered.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
# Mostly because CC-iSales is unavailable; exceptions are logged with their traceback anyway.
DJANGO_STRUCTLOG_STATUS_5XX_LOG_LEVEL = logging.WARNING
# A client could put a phone number into its request ID: we generate our own.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = False
DJANGO_STRUCTLOG_TRUST_UPSTREAM_CORRELATION_ID = False
