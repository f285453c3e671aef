"""The certificates of a federation: a CA, a serving certificate, keys for tokens and proxies."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=30)
_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Pki:
    """Paths of PEM files."""

    ca: Path
    serving_cert: Path
    serving_key: Path
    account_key: Path
    proxy_ca: Path


def make_pki(folder: Path) -> Pki:
    """Make everything anew in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("federation-ca", ca_key, "federation-ca", ca_key, is_ca=True)
    key = ec.generate_private_key(ec.SECP256R1())
    cert = _certificate("kube-apiserver", key, "federation-ca", ca_key, is_ca=False)
    proxy_key = ec.generate_private_key(ec.SECP256R1())
    proxy = _certificate("front-proxy-ca", proxy_key, "front-proxy-ca", proxy_key, is_ca=True)
    account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    made = Pki(
        ca=folder / "ca.crt",
        serving_cert=folder / "apiserver.crt",
        serving_key=folder / "apiserver.key",
        account_key=folder / "service-account.key",
        proxy_ca=folder / "front-proxy-ca.crt",
    )
    made.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    made.serving_cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    made.proxy_ca.write_bytes(proxy.public_bytes(serialization.Encoding.PEM))
    _write_key(made.serving_key, key)
    _write_key(made.account_key, account)
    return made


def _write_key(path: Path, key: _Key | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _certificate(
    name: str, key: _Key, issuer: str, issuer_key: _Key, *, is_ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)  # noqa: TID251 - certificates are of the real world
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if is_ca:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    else:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
