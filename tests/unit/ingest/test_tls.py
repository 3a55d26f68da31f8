"""The report server's certificate: what is made, when it is renewed, and that the running server takes it up."""

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from visionft_operator import tls_material
from visionft_operator.tls import ServingCertificate, StoreConflictError
from visionft_operator.tls_material import CA_LIFE, SERVING_LIFE, Material, renewed, serving_names

URL = "https://visionft-operator.visionft-system.svc:8443"
NAMES = serving_names(URL)
START = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryStore:
    """A CertificateStore that refuses a save, like a Secret, when it changed since it was loaded."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] | None = None
        self.saves = 0
        self.interloper: dict[str, bytes] | None = None

    async def load(self) -> dict[str, bytes] | None:
        return None if self.data is None else dict(self.data)

    async def save(self, data) -> None:
        if self.interloper is not None:
            self.data, self.interloper = self.interloper, None
            raise StoreConflictError("changed")
        self.data = dict(data)
        self.saves += 1


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def certificate(store: MemoryStore, clock: Clock, url: str = URL) -> ServingCertificate:
    return ServingCertificate(store, url, clock)


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext):
    async def answer(reader, writer):
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def handshake(port: int, ca_pem: str, name: str, **options) -> x509.Certificate:
    """Connect as a trainer does, checking the chain and the name; return the certificate that was served."""
    context = ssl.create_default_context(cadata=ca_pem)
    # Python 3.13 makes this the default for every client.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for option, value in options.items():
        setattr(context, option, value)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    served = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.close()
    return served


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, {"visionft-operator.visionft-system.svc", "visionft-operator.visionft-system.svc.cluster.local"}),
        ("https://10.1.2.3:8443", {"10.1.2.3"}),
        ("https://[fd00::1]:8443", {"fd00::1"}),
        ("https://reports.example.org", {"reports.example.org"}),
    ],
)
def test_names_cover_the_url_and_this_host(url, expected):
    assert expected | {"localhost", "127.0.0.1", "::1"} <= set(serving_names(url))


def test_a_url_without_host_is_named_in_the_error():
    with pytest.raises(ValueError, match="VISIONFT_REPORT_URL '/reports' has no host: write it like https"):
        serving_names("/reports")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "visionft-operator.visionft-system.svc"])
async def test_clients_that_have_the_bundle_trust_every_name(name):
    served = certificate(MemoryStore(), Clock(datetime.now(UTC)))
    await served.refresh()
    async with listening(served.ssl_context) as port:
        await handshake(port, served.ca_pem, name)


async def test_a_client_without_the_bundle_does_not_trust_it():
    served = certificate(MemoryStore(), Clock(datetime.now(UTC)))
    other = certificate(MemoryStore(), Clock(datetime.now(UTC)))
    await served.refresh()
    await other.refresh()
    async with listening(served.ssl_context) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await handshake(port, other.ca_pem, "localhost")


async def test_tls_1_1_is_refused():
    served = certificate(MemoryStore(), Clock(datetime.now(UTC)))
    await served.refresh()
    assert served.ssl_context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_restart_serves_what_was_stored():
    store, clock = MemoryStore(), Clock(datetime.now(UTC))
    first = certificate(store, clock)
    await first.refresh()
    second = certificate(store, clock)
    await second.refresh()
    assert second.ca_pem == first.ca_pem
    assert store.saves == 1


async def test_renewal_at_two_thirds_of_life_reaches_new_connections_of_the_running_server():
    now = datetime.now(UTC)
    clock = Clock(now - SERVING_LIFE * 0.7)
    served = certificate(MemoryStore(), clock)
    await served.refresh()
    async with listening(served.ssl_context) as port:
        before = await handshake(port, served.ca_pem, "localhost")
        assert await served.refresh() is False
        clock.now = now
        assert await served.refresh() is True
        after = await handshake(port, served.ca_pem, "localhost")
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc > before.not_valid_after_utc


async def test_a_changed_url_gets_a_certificate_for_its_host():
    store, clock = MemoryStore(), Clock(datetime.now(UTC))
    first = certificate(store, clock)
    await first.refresh()
    second = certificate(store, clock, "https://reports.example.org")
    await second.refresh()
    assert second.ca_pem == first.ca_pem
    async with listening(second.ssl_context) as port:
        await handshake(port, first.ca_pem, "reports.example.org")


async def test_bundles_written_before_a_ca_rotation_are_trusted_after_it():
    now = datetime.now(UTC)
    clock = Clock(now - CA_LIFE * 0.9)
    served = certificate(MemoryStore(), clock)
    await served.refresh()
    # A run that begins when the next CA has just been announced ...
    clock.now = now - CA_LIFE * 0.2
    await served.refresh()
    bundle = served.ca_pem
    assert bundle.count("BEGIN CERTIFICATE") == 2
    # ... still reports when that CA signs.
    clock.now = now
    await served.refresh()
    async with listening(served.ssl_context) as port:
        await handshake(port, bundle, "localhost")


def test_the_old_ca_signs_until_it_hands_over_and_leaves_the_bundle_when_it_expires():
    first = renewed(None, NAMES, START)
    announced = renewed(first, NAMES, START + CA_LIFE * 0.7)
    assert announced.signing == first.signing
    assert announced.next is not None
    handed_over = renewed(announced, NAMES, START + CA_LIFE * 0.85)
    assert handed_over.signing == announced.next
    assert handed_over.retired == (first.signing.certificate,)
    later = renewed(handed_over, NAMES, START + CA_LIFE * 1.01)
    assert later.retired == ()
    assert later.signing == handed_over.signing


def test_a_serving_certificate_never_outlives_its_ca():
    first = renewed(None, NAMES, START)
    pair = tls_material.make_serving(first.signing, NAMES, START + CA_LIFE - timedelta(days=1))
    assert pair.certificate.not_valid_after_utc == first.signing.certificate.not_valid_after_utc


def test_after_years_of_silence_everything_is_made_anew():
    first = renewed(None, NAMES, START)
    later = renewed(first, NAMES, START + CA_LIFE * 3)
    assert later.signing != first.signing
    assert later.serving.life_spent(START + CA_LIFE * 3) < 0.1


def test_what_a_clock_ahead_has_made_is_made_anew():
    ahead = renewed(None, NAMES, START + timedelta(days=7))
    mended = renewed(ahead, NAMES, START)
    assert mended.signing.certificate.not_valid_before_utc <= START
    assert mended.serving.certificate.not_valid_before_utc <= START


def test_nothing_due_changes_nothing():
    first = renewed(None, NAMES, START)
    assert renewed(first, NAMES, START + timedelta(days=1)) is first


def test_what_is_stored_reads_back_the_same():
    material = renewed(renewed(None, NAMES, START), NAMES, START + CA_LIFE * 0.7)
    again = Material.from_data(material.to_data())
    assert again.to_data() == material.to_data()


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("tls.key", b""),
        ("tls.crt", b"not a certificate"),
        ("tls.crt", "of another"),
        ("tls.key", None),
        ("signing-ca.crt", None),
        ("signing-ca.key", "of another"),
        ("signing-ca.crt", "of another"),
        ("signing-ca.crt", "serving"),
        ("tls.crt", "pair of another"),
        ("signing-ca.crt", "no authority"),
    ],
)
async def test_tampered_storage_is_told_and_made_anew(entry, value, caplog):
    store, clock = MemoryStore(), Clock(datetime.now(UTC))
    first = certificate(store, clock)
    await first.refresh()
    assert store.data is not None
    if value is None:
        del store.data[entry]
    elif value == "of another":
        store.data[entry] = renewed(None, NAMES, clock.now).to_data()[entry]
    elif value == "pair of another":
        other = renewed(None, NAMES, clock.now).to_data()
        store.data |= {"tls.crt": other["tls.crt"], "tls.key": other["tls.key"]}
    elif value == "no authority":
        store.data |= self_signed(clock.now)
    elif value == "serving":
        store.data |= {"signing-ca.crt": store.data["tls.crt"], "signing-ca.key": store.data["tls.key"]}
    else:
        store.data[entry] = value
    second = certificate(store, clock)
    await second.refresh()
    assert "stored report server certificate is unusable" in caplog.text
    assert "PRIVATE KEY" not in caplog.text
    async with listening(second.ssl_context) as port:
        await handshake(port, second.ca_pem, "localhost")
    assert Material.from_data(store.data).bundle_pem.decode() == second.ca_pem


def self_signed(now: datetime) -> dict[str, bytes]:
    """A self-signed certificate that may not sign others, and one that it signed all the same."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=9))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    nobody = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    signing = tls_material.KeyPair(nobody.sign(key, hashes.SHA256()), key)
    return Material(tls_material.make_serving(signing, NAMES, now), signing).to_data()


async def test_two_replicas_that_start_together_end_with_one_ca():
    clock = Clock(datetime.now(UTC))
    store = MemoryStore()
    store.interloper = renewed(None, NAMES, clock.now).to_data()
    served = certificate(store, clock)
    await served.refresh()
    assert served.ca_pem == Material.from_data(store.data or {}).bundle_pem.decode()
    assert store.saves == 0


async def test_the_bundle_is_not_there_before_the_first_refresh():
    with pytest.raises(RuntimeError, match="refresh"):
        _ = certificate(MemoryStore(), Clock(START)).ca_pem
