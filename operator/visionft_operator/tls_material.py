"""The report server's keys and certificates as plain data: what they are, and when they are made anew.

`renewed` decides: it takes what is stored (or nothing) and the present time, and returns what should be stored. It
reads no clock and writes nowhere; only the key generation and the serial numbers draw on randomness.

How the certificate authority is rotated without cutting off a running trainer, whose bundle was written when its run
began: at 2/3 of its life a next CA is made and joins the bundle, while the old one goes on signing. Halfway through
what is left of the old CA's life the next one takes over. A run would have to be older than CA_LIFE / 6 to miss it.
The old CA stays in the bundle until it expires.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE = timedelta(days=3 * 365)
SERVING_LIFE = timedelta(days=90)

RENEW_AT = 2 / 3
"""Part of a certificate's life after which its successor is made."""

SWITCH_CA_AT = 5 / 6
"""Part of a CA's life after which its successor signs. Until then both are only trusted."""

BACKDATE = timedelta(minutes=5)
"""How far before the present a certificate begins to be valid, for clients whose clock is behind."""

CA_NAME = "visionft report CA"

# Names of the entries in the store. tls.crt, tls.key and ca.crt are the names that Kubernetes tools expect.
SERVING_CERT, SERVING_KEY = "tls.crt", "tls.key"
BUNDLE = "ca.crt"
SIGNING_CERT, SIGNING_KEY = "signing-ca.crt", "signing-ca.key"
NEXT_CERT, NEXT_KEY = "next-ca.crt", "next-ca.key"
RETIRED = "retired-ca.crt"


class UnreadableError(ValueError):
    """Stored data that cannot be used; the text names the entry and what is wrong with it."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def life_spent(self, now: datetime) -> float:
        """Return which part of the certificate's life is over: 0 when it begins, 1 when it expires."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return (now - begin) / (end - begin)

    def is_valid(self, now: datetime) -> bool:
        """Return whether clients with the right time accept the certificate."""
        return 0 <= self.life_spent(now) < 1


@dataclass(frozen=True)
class Material:
    """All that is stored: the serving pair, the CA that signs, the CA that will sign, and those that did."""

    serving: KeyPair
    signing: KeyPair
    next: KeyPair | None = None
    retired: tuple[x509.Certificate, ...] = ()

    @property
    def bundle_pem(self) -> bytes:
        """Every CA that a client should trust now, as PEM."""
        authorities = [self.signing.certificate, *([self.next.certificate] if self.next else []), *self.retired]
        return b"".join(authority.public_bytes(serialization.Encoding.PEM) for authority in authorities)

    def to_data(self) -> dict[str, bytes]:
        """Return the entries to store."""
        data = {
            SERVING_CERT: self.serving.certificate_pem,
            SERVING_KEY: self.serving.key_pem,
            SIGNING_CERT: self.signing.certificate_pem,
            SIGNING_KEY: self.signing.key_pem,
            BUNDLE: self.bundle_pem,
        }
        if self.next:
            data |= {NEXT_CERT: self.next.certificate_pem, NEXT_KEY: self.next.key_pem}
        if self.retired:
            data[RETIRED] = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.retired)
        return data

    @staticmethod
    def from_data(data: Mapping[str, bytes]) -> Material:
        """Read stored entries back.

        Raises UnreadableError when an entry is missing, is not what its name says, or does not fit the others.
        """
        signing = _read_pair(data, SIGNING_CERT, SIGNING_KEY)
        _require_authority(signing.certificate, SIGNING_CERT)
        following = _read_pair(data, NEXT_CERT, NEXT_KEY) if NEXT_CERT in data else None
        if following:
            _require_authority(following.certificate, NEXT_CERT)
        serving = _read_pair(data, SERVING_CERT, SERVING_KEY)
        try:
            serving.certificate.verify_directly_issued_by(signing.certificate)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise UnreadableError(f"{SERVING_CERT} was not signed by {SIGNING_CERT}") from error
        retired = _read_certificates(data, RETIRED) if RETIRED in data else ()
        return Material(serving, signing, following, retired)


def serving_names(report_url: str) -> tuple[str, ...]:
    """Return the host names and addresses that the serving certificate is for.

    They are the host of `report_url`, the shorter and longer names of the same Service when it is one
    (`name.namespace.svc`), and this host's own: localhost, 127.0.0.1 and ::1. Raises ValueError when the URL has no
    host.
    """
    host = urlsplit(report_url).hostname
    if not host:
        raise ValueError(f"VISIONFT_REPORT_URL {report_url!r} has no host: write it like https://HOST:PORT")
    names = [host]
    labels = host.split(".")
    if len(labels) >= 3 and labels[2] == "svc":
        service, namespace = labels[:2]
        names += [service, f"{service}.{namespace}", f"{service}.{namespace}.svc"]
        names.append(f"{service}.{namespace}.svc.cluster.local")
    names += ["localhost", "127.0.0.1", "::1"]
    return tuple(dict.fromkeys(names))


def renewed(stored: Material | None, names: tuple[str, ...], now: datetime) -> Material:
    """Return the material to use from `now` on: `stored` itself when nothing is due.

    Due are: the next CA at RENEW_AT of the signing one's life, the change of the signing CA at SWITCH_CA_AT, the
    serving certificate at RENEW_AT of its own life, on a change of the signing CA, and when `names` are not the ones
    it has; and everything when nothing is stored or all is expired or not valid yet (made by a clock that was ahead).
    """
    if stored is None or not (stored.next or stored.signing).is_valid(now):
        authority = make_authority(now)
        return Material(make_serving(authority, names, now), authority)
    material = stored
    spent = material.signing.life_spent(now)
    if spent >= RENEW_AT and material.next is None:
        material = replace(material, next=make_authority(now))
    if spent >= SWITCH_CA_AT and material.next is not None:
        signing = material.next
        retired = (material.signing.certificate, *material.retired)
        material = Material(make_serving(signing, names, now), signing, None, retired)
    valid = tuple(c for c in material.retired if c.not_valid_after_utc > now)
    if valid != material.retired:
        material = replace(material, retired=valid)
    serving = material.serving
    if serving.life_spent(now) >= RENEW_AT or not serving.is_valid(now) or not _is_for(serving.certificate, names):
        material = replace(material, serving=make_serving(material.signing, names, now))
    return material


def make_authority(now: datetime) -> KeyPair:
    """Make a self-signed CA on P-256 that may sign serving certificates and no further CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CA_NAME)])
    certificate = (
        _builder(name, name, key, now, now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def make_serving(authority: KeyPair, names: tuple[str, ...], now: datetime) -> KeyPair:
    """Make a serving certificate on P-256 for `names`, signed by `authority` and never valid for longer than it."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name holds at most 64 characters; clients look at the alternative names only.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "visionft report server")])
    end = min(now + SERVING_LIFE, authority.certificate.not_valid_after_utc)
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(subject, authority.certificate.subject, key, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    return general


def _is_for(certificate: x509.Certificate, names: tuple[str, ...]) -> bool:
    try:
        present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return set(present) == set(_general_names(names))


def _require_authority(certificate: x509.Certificate, entry: str) -> None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate.verify_directly_issued_by(certificate)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError) as error:
        raise UnreadableError(f"{entry} is not a self-signed certificate authority") from error
    if not constraints.ca:
        raise UnreadableError(f"{entry} is not a certificate authority")


def _read_pair(data: Mapping[str, bytes], cert_entry: str, key_entry: str) -> KeyPair:
    certificate = _read_certificates(data, cert_entry)[0]
    if key_entry not in data:
        raise UnreadableError(f"{key_entry} is missing")
    try:
        key = serialization.load_pem_private_key(data[key_entry], password=None)
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"{key_entry} is not an unencrypted PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UnreadableError(f"{key_entry} is not an elliptic-curve key")
    if key.public_key() != certificate.public_key():
        raise UnreadableError(f"{key_entry} does not belong to {cert_entry}")
    return KeyPair(certificate, key)


def _read_certificates(data: Mapping[str, bytes], entry: str) -> tuple[x509.Certificate, ...]:
    if entry not in data:
        raise UnreadableError(f"{entry} is missing")
    try:
        return tuple(x509.load_pem_x509_certificates(data[entry]))
    except ValueError as error:
        raise UnreadableError(f"{entry} is not a PEM certificate") from error
