"""No credential gets into a log, whatever key or message carries it."""

import io
import logging

import pytest

from tradewind.base.observe import configure_logging, get_logger, redact

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"

LEAKS = {
    "a JWT in a sentence": f"401 for {JWT} at /api",
    "a bearer header": "Authorization: Bearer abcdefgh12345678",
    "a password in a URL": "https://admin:hunter22@prometheus.example/api",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----",
    "a token in YAML": "users: [{user: {token: c2VjcmV0c2VjcmV0}}]",
    "client key data": '{"client-key-data": "c2VjcmV0c2VjcmV0"}',
}
SECRETS = (JWT, "abcdefgh12345678", "hunter22", "c2VjcmV0")


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS.keys())
def test_what_looks_like_a_credential_is_blotted_out(text: str) -> None:
    assert not any(secret in redact(text) for secret in SECRETS)


def test_ordinary_text_is_left_alone() -> None:
    text = "site-unreachable: ulanqab did not answer GET /readyz within 5 s; see https://host/x"
    assert redact(text) == text


@pytest.mark.parametrize("style", ["json", "text"])
def test_secrets_reach_no_log_of_ours_nor_of_a_library(style: str) -> None:
    stream = io.StringIO()
    configure_logging("INFO", style, stream)  # type: ignore[arg-type]
    try:
        get_logger("test").info("site engaged", site="s1", error=LEAKS["a JWT in a sentence"])
        logging.getLogger("aiohttp").warning("refused: %s", LEAKS["a bearer header"])
        try:
            int(LEAKS["a password in a URL"])
        except ValueError:
            get_logger("test").exception("call failed")
    finally:
        configure_logging("WARNING", "json")
    written = stream.getvalue()
    assert "site engaged" in written
    assert "refused" in written
    assert not any(secret in written for secret in SECRETS)
