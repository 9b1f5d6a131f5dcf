"""All settings of the cloud, read once from the environment (or `.env`), with their meanings.

`SAFESIGNAL_PROFILE` is `development` or `production`; production refuses settings for development machines only.
Each process gets only the database role that it needs: see `deploy/postgres/roles.sql`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from apps.common import limits
from apps.common.observability.logs import configuration
from safesignal import admin_look

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")

PROFILE = env.str("SAFESIGNAL_PROFILE", "development")
if PROFILE not in {"development", "production"}:
    raise ImproperlyConfigured(f"SAFESIGNAL_PROFILE is {PROFILE!r}: set it to development or production.")
PRODUCTION = PROFILE == "production"

# --- Secrets and names -----------------------------------------------------------------------------------------------
SECRET_KEY = env.str("SAFESIGNAL_SECRET_KEY")
SEALING_KEYS: list[str] = env.list("SAFESIGNAL_SEALING_KEYS", default=[SECRET_KEY])
"""Keys for secrets in the database (`apps.common.encryption`): the first encrypts, each of them decrypts."""
BASE_URL = env.str("SAFESIGNAL_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
"""The URL of this cloud for people and gateways; the audience of gateway assertions is derived from it."""
ALLOWED_HOSTS: list[str] = env.list("SAFESIGNAL_ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = [BASE_URL]
TOKEN_KEYS_DIR = Path(env.str("SAFESIGNAL_TOKEN_KEYS_DIR"))
"""Folder of the P-256 private keys (PEM) that sign access tokens: see `apps/accounts/identity/keys/key_ring.py`."""
CONFIG_KEY_FILE = Path(env.str("SAFESIGNAL_CONFIG_KEY_FILE"))
"""P-256 private key (PEM) that signs gateway configuration; never a token key."""
AUDIT_KEY_FILE = Path(env.str("SAFESIGNAL_AUDIT_KEY_FILE")) if env.str("SAFESIGNAL_AUDIT_KEY_FILE", "") else None
"""P-256 private key (PEM) that signs the heads of the audit chains; only the worker and verification need it."""
ACCESS_TOKEN_SECONDS = env.int("SAFESIGNAL_ACCESS_TOKEN_SECONDS", 15 * 60)
if not 60 <= ACCESS_TOKEN_SECONDS <= 24 * 3600:
    raise ImproperlyConfigured("SAFESIGNAL_ACCESS_TOKEN_SECONDS must be between 60 and 86400 (24 h).")
REFRESH_TOKEN_DAYS = env.int("SAFESIGNAL_REFRESH_TOKEN_DAYS", 30)
"""Days without use after which an app's sign-in ends."""
APP_SIGN_IN_DAYS = env.int("SAFESIGNAL_APP_SIGN_IN_DAYS", 180)
"""Days after which an app's sign-in ends even if it is used: everybody enters their password twice a year."""
OPERATOR_SIGN_IN_HOURS = env.int("SAFESIGNAL_OPERATOR_SIGN_IN_HOURS", 12)
"""Hours after which a super admin's sign-in in an app or a browser ends, even if it is used: a working day."""
if not 1 <= REFRESH_TOKEN_DAYS <= APP_SIGN_IN_DAYS <= 366 or not 1 <= OPERATOR_SIGN_IN_HOURS <= 7 * 24:
    raise ImproperlyConfigured(
        "SAFESIGNAL_REFRESH_TOKEN_DAYS is at least 1 and at most SAFESIGNAL_APP_SIGN_IN_DAYS, which is at most 366; "
        "SAFESIGNAL_OPERATOR_SIGN_IN_HOURS is between 1 and 168."
    )

DEBUG = False
if PRODUCTION and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SAFESIGNAL_SECRET_KEY is shorter than 50 characters: generate a new one.")

# --- Applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "safesignal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "guardian",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "apps.common",
    "apps.tenancy",
    "apps.accounts",
    "apps.devices",
    "apps.alerts",
    "apps.notifications",
    "apps.portal",
]
MIDDLEWARE = [
    "apps.common.http.requests.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.common.http.browsers.csp.PolicyMiddleware",
    "apps.common.http.browsers.cache_control.CacheMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.common.http.audit_middleware.AuditMiddleware",
    "apps.accounts.identity.principals.middleware.PrincipalMiddleware",
    "apps.common.http.limits.body_limits.BodyLimitMiddleware",
    "apps.common.http.limits.rate_limits.RateLimitMiddleware",
    "apps.common.http.writes.transactions.ScopeMiddleware",
    "apps.common.http.writes.idempotency.IdempotencyMiddleware",
]
ROOT_URLCONF = "safesignal.urls"
WSGI_APPLICATION = "safesignal.wsgi.application"
ASGI_APPLICATION = "safesignal.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

UNFOLD = admin_look.UNFOLD

# --- PostgreSQL: one alias per role ----------------------------------------------------------------------------------
GATEWAY_THREADS = env.int("SAFESIGNAL_GATEWAY_THREADS", 4)
"""Threads of one process for gateways' requests and health checks."""
ALARM_THREADS = env.int("SAFESIGNAL_ALARM_THREADS", 4)
"""Threads of one process for people who read and answer alarms."""
PAGE_THREADS = env.int("SAFESIGNAL_PAGE_THREADS", 4)
"""Threads of one process for everything else; sign-ins, imports and exports use only some of them."""
LIVE_THREADS = env.int("SAFESIGNAL_LIVE_THREADS", 4)
"""Threads of one process in which the live feed reads the database."""
SIGN_IN_THREADS = 2
"""Threads for requests that check a password, if there is one process: one works, one is ready to be next."""
POOL_SIZE = GATEWAY_THREADS + ALARM_THREADS + PAGE_THREADS + LIVE_THREADS + SIGN_IN_THREADS
"""Maximum number of PostgreSQL connections of one process: one for each thread, so that threads never wait for one. In
production a process gets only one kind of work, uses the threads of that kind, and opens no more connections than
those need."""


DATABASE_TIME_LIMITS: dict[str, dict[str, int]] = {
    "app": {"lock_timeout": 2_000, "statement_timeout": 15_000, "idle_in_transaction_session_timeout": 15_000},
    "system": {"lock_timeout": 2_000, "statement_timeout": 60_000, "idle_in_transaction_session_timeout": 60_000},
    "owner": {"lock_timeout": 10_000, "statement_timeout": 0, "idle_in_transaction_session_timeout": 600_000},
}
"""Milliseconds, by role: requests neither wait for a row nor lock one without a limit. `owner` migrates: its statements
may be long, but everybody queues behind a lock that it waits for. `deploy/postgres/roles.sql` sets the same limits in
the database, for connections from other programs; `apps/common/db/time_limits.py` sets others for single transactions.
"""


def _database(variable: str, role: str, *, pooled: bool) -> dict[str, Any]:
    config: dict[str, Any] = dict(env.db_url(variable))
    config["ENGINE"] = "django.db.backends.postgresql"
    options = dict(config.get("OPTIONS", {}))
    options["options"] = " ".join(f"-c {name}={value}" for name, value in DATABASE_TIME_LIMITS[role].items())
    if pooled:
        options["pool"] = {"min_size": 1, "max_size": POOL_SIZE, "timeout": 10}
        config["CONN_HEALTH_CHECKS"] = True
    options.setdefault("connect_timeout", 5)
    config["OPTIONS"] = options
    return config


DATABASES = {"default": _database("DATABASE_URL", "app", pooled=True)}
for _alias, _variable in (("system", "DATABASE_SYSTEM_URL"), ("owner", "DATABASE_OWNER_URL")):
    if env.str(_variable, ""):
        DATABASES[_alias] = _database(_variable, _alias, pooled=False)
        DATABASES[_alias]["CONN_MAX_AGE"] = None
DATABASE_ROUTERS = ["apps.common.db.router.MigrationRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey: live bus, cache, queue ----------------------------------------------------------------------------------
VALKEY_URL = env.str("VALKEY_URL")
VALKEY_TIMEOUT_SECONDS = 0.5
"""The longest that a write that is already committed waits for Valkey."""
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": [env.str("CACHE_URL")]},
    # No cache: the pool of `apps.common.valkey.client`.
    "valkey": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [VALKEY_URL],
        "OPTIONS": {
            "SOCKET_TIMEOUT": VALKEY_TIMEOUT_SECONDS,
            "SOCKET_CONNECT_TIMEOUT": VALKEY_TIMEOUT_SECONDS,
        },
    },
}
CHANNEL_LAYERS: dict[str, Any] = {}
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "partitions": {"task": "apps.alerts.tasks.keep_partitions", "schedule": 3600.0},
    "drills": {"task": "apps.alerts.tasks.end_drills", "schedule": 30.0},
    "audit heads": {"task": "apps.common.tasks.store_audit_heads", "schedule": 3600.0},
    "heartbeat": {"task": "apps.common.tasks.beat", "schedule": 30.0},
    "retention": {"task": "apps.common.tasks.apply_retention", "schedule": 3600.0},
    "supervision": {"task": "apps.devices.tasks.supervise", "schedule": 5.0},
}

# --- People ----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.identity.sign_in.backends.EmailBackend"]
PASSWORD_HASHERS = ["apps.accounts.identity.credentials.hashers.BoundedPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "apps.accounts.identity.credentials.password_strength.GuessableValidator"},
]
OPERATORS_NEED_SECOND_FACTOR = env.bool("SAFESIGNAL_OPERATORS_NEED_SECOND_FACTOR", True)
"""Whether super admins need a second factor. Off in the demo, whose passwords are printed."""
if PRODUCTION and not OPERATORS_NEED_SECOND_FACTOR:
    raise ImproperlyConfigured("SAFESIGNAL_OPERATORS_NEED_SECOND_FACTOR can not be switched off in production.")
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/board/"
# django-guardian stores the roles of people with some places only (`accounts.SiteGrant`, `accounts.BuildingGrant`).
# Its anonymous user and its additions to our models are off; principals read its tables, it is not a backend.
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
PASSKEY_ORIGINS: list[str] = env.list("SAFESIGNAL_PASSKEY_ORIGINS", default=[BASE_URL])
"""Origins that may use passkeys: our pages, and `android:apk-key-hash:…` of our app."""
OIDC_PRIVATE_ISSUERS = env.bool("SAFESIGNAL_OIDC_PRIVATE_ISSUERS", not PRODUCTION)
"""Whether identity providers may be in a private network (and without TLS on this machine). If so, an organization's
administrator can make us send requests to internal hosts."""
APP_REDIRECTS: list[str] = env.list("SAFESIGNAL_APP_REDIRECTS", default=["safesignal://signed-in"])
"""URLs at which our apps complete a single sign-on; compared as a whole."""
SOCIALACCOUNT_ADAPTER = "apps.accounts.single_sign_on.oidc.Adapter"
# django-allauth stores second factors (`apps.accounts.identity.second_factors.authenticators`) and implements OpenID
# Connect (`apps.accounts.single_sign_on.oidc`).
# None of its pages is routed; its tables of e-mail addresses and of global providers stay empty and without grants.
MFA_ADAPTER = "apps.accounts.identity.second_factors.authenticators.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "SafeSignal"
MFA_RECOVERY_CODE_DIGITS = 10
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
SMS_SENDER = env.str("SAFESIGNAL_SMS_SENDER", "")
"""Dotted path of a class with `send(to, text)`; empty: no text messages are sent, and phones can not be verified."""
SESSION_COOKIE_AGE = 14 * 24 * 3600
"""Seconds, even if it is used; OPERATOR_SIGN_IN_HOURS applies to super admins. An office board must not return to the
sign-in page in the middle of a day: a screen without alarms is worse than one that stays signed in."""
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# --- Mail ------------------------------------------------------------------------------------------------------------
_mail = env.email_url("SAFESIGNAL_EMAIL_URL", "smtp://localhost:25")
"""`smtp://`, `smtp+tls://user:password@host:587`, `smtp+ssl://`, or `filemail:///…` into a folder, for development."""
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"] or "", _mail["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _mail["EMAIL_FILE_PATH"]
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("SAFESIGNAL_EMAIL_FROM", f"SafeSignal <no-reply@{urlsplit(BASE_URL).hostname}>")

# --- HTTP ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.identity.principals.authentication.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.common.http.api.HasPrincipal"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.common.http.parsers.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.common.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_METADATA_CLASS": None,
}
SIMPLE_JWT = {"TOKEN_TYPE_CLAIM": "kind", "SIGNING_KEY": None}
"""Keys, issuer and audience come from `apps/accounts/identity/keys/backend.py`; other ways of signing have no key."""
SPECTACULAR_SETTINGS = {
    "TITLE": "SafeSignal",
    "DESCRIPTION": (BASE_DIR / "apps" / "common" / "openapi" / "introduction.md").read_text(),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVERS": [{"url": BASE_URL}],
    "LICENSE": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.common.http.openapi.complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AlertStatusEnum": "apps.alerts.models.AlertStatus",
        "CloseReasonEnum": "apps.alerts.documents.CLOSE_REASONS",
        "AccountStatusEnum": "apps.tenancy.models.OrganizationStatus",  # people's statuses are the same
        "RoleEnum": "apps.accounts.models.Role",
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
"""Bytes of any request, such as a batch of gateway events or an imported table;
`apps/common/http/limits/body_limits.py` has smaller limits for everything else."""
BODY_SECONDS = 15.0
"""Time in which the whole body of a request has to arrive; until then it uses no thread."""
RATE_LIMITS: dict[str, int] = {limit.per: env.int(limit.variable, limit.count) for limit in limits.REQUESTS}
"""Requests of one caller within the window of the limit."""
DEVICE_CLAIMS_REQUIRED = env.bool("SAFESIGNAL_DEVICE_CLAIMS_REQUIRED", PRODUCTION)
"""Whether a school must enter the code of each device that it registers; see `manage.py load_device_claims`."""
METRICS_TOKEN = env.str("SAFESIGNAL_METRICS_TOKEN", "")
"""The bearer token for reading `/metrics`; without one, only this machine may."""
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
"""Our own files only, nothing inline. `'self'` includes the live feed: CSP 3 matches ws and wss of the same host."""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "sessionid", "csrftoken"
DEVICE_COOKIE_NAME, SINGLE_SIGN_ON_COOKIE_NAME = "device", "single_sign_on"
SESSION_COOKIE_SECURE = False
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
"""Needs no extra cookie."""
if PRODUCTION:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"__Host-{SESSION_COOKIE_NAME}", f"__Host-{CSRF_COOKIE_NAME}"
    DEVICE_COOKIE_NAME = f"__Host-{DEVICE_COOKIE_NAME}"
    SINGLE_SIGN_ON_COOKIE_NAME = f"__Host-{SINGLE_SIGN_ON_COOKIE_NAME}"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
STATIC_ROOT = Path(env.str("SAFESIGNAL_STATIC_ROOT", str(BASE_DIR / "staticfiles"))) if PRODUCTION else None
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = not PRODUCTION
"""Files are looked up on request: reading all of them at the start would be repeated for each test client."""

# --- Objects: firmware, archives -------------------------------------------------------------------------------------
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": env.str("SAFESIGNAL_OBJECTS_DIR", str(BASE_DIR / "var" / "objects")),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if env.str("SAFESIGNAL_S3_BUCKET", ""):
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": env.str("SAFESIGNAL_S3_BUCKET"),
            "endpoint_url": env.str("SAFESIGNAL_S3_ENDPOINT", "") or None,
        },
    }

# --- Language and time -----------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "safesignal.formats"

LOGGING = configuration(env.str("SAFESIGNAL_LOG_LEVEL", "INFO"))
