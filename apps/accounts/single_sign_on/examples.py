"""Examples for the OpenAPI document: Google as the identity provider of a district."""

from typing import Final

PROVIDER: Final = {
    "name": "Google",
    "issuer": "https://accounts.google.com",
    "client_id": "5713.apps.googleusercontent.example",
    "role_claim": "groups",
    "role_map": {"it": "admin", "staff": "operator"},
    "default_role": None,
    "is_active": True,
}
REQUEST: Final = {**PROVIDER, "client_secret": "as the provider gave it"}
RESPONSE: Final = {
    "id": "0199e0a4-7c51-7c6a-8f0f-2f6d1e0b7a31",
    "organization": "0199e0a4-6b1e-7d3c-9a55-0c4b7e2d9f10",
    **PROVIDER,
    "created_at": "2026-09-01T08:15:03.120Z",
}
DOMAIN: Final = {"domain": "school.example", "verified_at": "2026-09-01T08:15:03.120Z"}
PLACE: Final = {"id": RESPONSE["id"], "name": "Google", "organization": "Maple District"}
