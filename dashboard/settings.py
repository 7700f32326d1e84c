"""Django's settings. Each variable of the environment is read here once, typed and checked."""

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
    MOST_LATE_GRACE,
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
# A proxy that ends TLS stands in front and sets X-Forwarded-Proto and X-Forwarded-For itself.
https = env.bool("HTTPS", False)
cookie_prefix = env.str(
    "COOKIE_PREFIX", "callboard", validate=validate.Regexp(r"[A-Za-z0-9-]{1,40}\Z")
)
hsts_subdomains = env.bool("HSTS_SUBDOMAINS", False)
SIMULATOR_URL = env.str("CALLBOARD_SIMULATOR_URL", "", validate=checks.web_address)
LATE_GRACE_SECONDS = env.int(
    "LATE_GRACE_SECONDS", 60, validate=validate.Range(min=0, max=MOST_LATE_GRACE)
)
ISALES = env.read(ISalesSettings, "ISALES_")
RETENTION = env.read(RetentionSettings)
PRIVACY = env.read(PrivacySettings)
SIGN_IN = groups.read_sign_in(env)
# Raises with every problem of the environment at once.
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
        # Lists alone; a folder of its own, since Django's engine would read any other file first.
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates" / "jinja2"],
        "OPTIONS": {"environment": "dashboard.ui.jinja2.create_environment"},
    },
]

# How long a statement waits for another writer, in seconds. The web server sets less than the jobs
# and commands have, since a person waits there; see `gunicorn_conf`.
DATABASE_WAIT = int(os.environ.get("CALLBOARD_DATABASE_WAIT_SECONDS", "20"))
# A connection of SQLite that is made anew for each request costs 5 ms: the last one that is closed
# writes the log back into the file.
DATABASES: dict[str, Any] = {
    "default": {**database, "CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 60}
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": DATABASE_WAIT,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "options": f"-c lock_timeout={DATABASE_WAIT}s",
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Raise it when a class that is kept in the cache changes its shape; a rule test says when.
CACHE_VERSION = 5
# Answers and single rows have rooms of their own: fifty rows with every page must not crowd the
# pages out.
CACHES: dict[str, Any] = {
    room: {
        "BACKEND": "isales_proxy.core.redis_cache.ForgivingRedisCache",
        "LOCATION": cache_url,
        # Invented answers are never the last good ones of a real CC-iSales.
        "KEY_PREFIX": f"callboard-{room}{'-demo' if ISALES.demo else ''}",
        "VERSION": CACHE_VERSION,
        "OPTIONS": {"serializer": "isales_proxy.core.signed_pickle.CacheSerializer"},
    }
    if cache_url
    else {
        "BACKEND": backend,
        "LOCATION": room,
        "OPTIONS": {"MAX_ENTRIES": most},
    }
    for room, backend, most in (
        ("default", "django.core.cache.backends.locmem.LocMemCache", 5000),
        ("answers", "isales_proxy.core.memory_cache.ObjectCache", 1000),
        ("rows", "isales_proxy.core.memory_cache.ObjectCache", 5000),
    )
}

HUEY: dict[str, Any] = {
    "name": "callboard",
    "serializer": JobSerializer(),
    "immediate": False,
    # A quiet hour is one of `TIME_ZONE`, to which Django sets the process's clock.
    "utc": False,
    # Three, so that a delivery waits neither for a code table that is being read nor for an export.
    # A person who wrote a result back watches it leave: an idle worker looks every second.
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
# At the start of a shift a whole floor logs in from one address within minutes.
# Guesses are counted in the database (`accounts.sign_in_attempts`), not by allauth in the cache.
ACCOUNT_RATE_LIMITS = {"login": "300/m/ip", "login_failed": None}
# Whoever sits at a person's open browser must not change how that person logs in.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_ADAPTER = "dashboard.account.second_factor.SealedAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "activate_totp": "dashboard.account.forms.SetUpForm",
    "add_webauthn": "dashboard.account.forms.KeyForm",
    "authenticate": "dashboard.account.forms.CodeForm",
    "reauthenticate": "dashboard.account.forms.CodeAgainForm",
}
# One step of 30 s more each way: a code typed at the end of its time, or a clock that is off.
MFA_TOTP_TOLERANCE = 1
# Nobody here has an e-mail address.
MFA_ALLOW_UNVERIFIED_EMAIL = True
SOCIALACCOUNT_ADAPTER = "dashboard.account.provisioning.ClaimsAdapter"
SOCIALACCOUNT_PROVIDERS = groups.list_providers(SIGN_IN.single_sign_on)
# The proxy of `HTTPS` writes the reader's address last in X-Forwarded-For.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if https else 0

# Cookies know no port: another product on this host must not meet ours, nor a second Callboard.
# A browser takes __Host- from this very host alone, over HTTPS, for all of its paths.
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
# Neighbours under the same domain may still speak plain HTTP: whether they are bound for a year is
# for the operator to say, by hsts_subdomains.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = https
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # Tabler draws its check marks and arrows as data: images inside its style sheet.
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
# Only the hashed files are ever asked for, and source maps only by developers.
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
    # In this order: a request with an Authorization header is decided by that header.
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
    # The validator would send the schema's address to a stranger's server.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = logs.configuration(debug=DEBUG, level=log_level)
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
# One line a request, when it is answered.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
# Answered on purpose, mostly since CC-iSales is away; a fault of ours is logged with its traceback.
DJANGO_STRUCTLOG_STATUS_5XX_LOG_LEVEL = logging.WARNING
# Names that strangers give to requests may be anybody's numbers: we give our own.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = False
DJANGO_STRUCTLOG_TRUST_UPSTREAM_CORRELATION_ID = False
