"""Examples for the OpenAPI document, of values that sign-ins and second factors exchange."""

from typing import Final

ACCESS: Final = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl"
REFRESH: Final = "Qm9va3MgYXJlIGEgdW5pcXVlbHkgcG9ydGFibGUgbWFnaWM"
SEALED: Final = "gAAAAABqFiLkc2VhbGVkIGZvciBvdXJzZWx2ZXM="
CODES: Final = ["0482915530", "7719204486"]
PASSKEY: Final = {
    "id": 7,
    "name": "Phone",
    "created_at": "2026-09-01T08:15:03.120Z",
    "last_used_at": None,
}
CREDENTIAL: Final = {
    "id": "c2Vlbi1ieS1ub2JvZHk",
    "rawId": "c2Vlbi1ieS1ub2JvZHk",
    "type": "public-key",
    "clientExtensionResults": {},
    "response": {"clientDataJSON": "e30", "attestationObject": "o2NmbXQ"},
}
OPTIONS: Final = {
    "rp": {"id": "safesignal.example", "name": "SafeSignal"},
    "user": {"id": "AZRB", "name": "maria.sanchez@school.example", "displayName": "Maria Sanchez"},
    "challenge": "bm90aGluZyB0d2ljZQ",
    "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
}
