from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swarmlet.errors import InvalidError
from swarmlet.identity import authority
from swarmlet.identity.authority import Authority, NodeIdentity
from tests.identity.times import NOW

NODE = NodeIdentity("c" * 16, "a" * 16, "alpha")


def node_certificate(ca: Authority, host: str = "10.0.0.5") -> x509.Certificate:
    pem = ca.sign_node(authority.new_request(authority.new_key()), NODE, host, NOW)
    return x509.load_pem_x509_certificate(pem.encode())


def user_certificate(ca: Authority) -> x509.Certificate:
    pem = ca.sign_user(authority.new_request(authority.new_key()), "ann", ("dev", "ops"), NOW)
    return x509.load_pem_x509_certificate(pem.encode())


def request_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:masters")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_node_certificate_names_the_node_by_uri(ca: Authority) -> None:
    names = node_certificate(ca).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"swarmlet://{'c' * 16}/node/{'a' * 16}"]


def test_a_node_certificate_holds_the_addresses_that_clients_use(ca: Authority) -> None:
    names = node_certificate(ca).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"10.0.0.5", "127.0.0.1", "::1", "10.43.0.1"}
    assert set(names.get_values_for_type(x509.DNSName)) == {
        "localhost",
        "alpha",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    }


def test_a_node_that_advertises_a_dns_name_has_it_in_its_certificate(ca: Authority) -> None:
    names = node_certificate(ca, "h1.example").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "h1.example" in names.get_values_for_type(x509.DNSName)


def test_a_node_certificate_serves_and_calls(ca: Authority) -> None:
    assert usages(node_certificate(ca)) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_a_user_certificate_can_never_act_as_a_server(ca: Authority) -> None:
    assert usages(user_certificate(ca)) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_a_user_certificate_bears_name_and_groups(ca: Authority) -> None:
    subject = user_certificate(ca).subject
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["ann"]
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["dev", "ops"]


def test_a_certificate_is_valid_five_minutes_before_its_signing_and_for_a_year(ca: Authority) -> None:
    certificate = node_certificate(ca)
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)


def test_no_certificate_outlives_its_ca(ca: Authority) -> None:
    late = NOW + authority.AUTHORITY_VALIDITY - timedelta(days=1)
    pem = ca.sign_node(authority.new_request(authority.new_key()), NODE, "10.0.0.5", late)
    assert authority.expiry(pem) == authority.expiry(ca.certificate_pem)


def test_the_ca_verifies_what_it_signed(ca: Authority) -> None:
    node_certificate(ca).verify_directly_issued_by(x509.load_pem_x509_certificate(ca.certificate_pem.encode()))


def test_the_subject_of_a_request_is_not_taken_over(ca: Authority) -> None:
    pem = ca.sign_user(request_pem(ec.generate_private_key(ec.SECP256R1())), "ann", (), NOW)
    assert "system:masters" not in x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string()


@pytest.mark.parametrize("request_text", ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "x" * 20_000])
def test_what_is_no_request_is_refused(ca: Authority, request_text: str) -> None:
    with pytest.raises(InvalidError, match="csr"):
        ca.sign_user(request_text, "ann", (), NOW)


def test_a_request_for_another_kind_of_key_is_refused(ca: Authority) -> None:
    with pytest.raises(InvalidError, match="P-256"):
        ca.sign_user(request_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "ann", (), NOW)


def test_a_request_whose_signature_is_forged_is_refused(ca: Authority) -> None:
    one = x509.load_pem_x509_csr(request_pem(ec.generate_private_key(ec.SECP256R1())).encode())
    der = bytearray(one.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(InvalidError, match="self-signed"):
        ca.sign_user(forged, "ann", (), NOW)


@pytest.mark.parametrize(
    ("user", "groups"),
    [("", ()), ("x" * 65, ()), ("a\nb", ()), ("system:node:alpha", ()), ("ann", ("system:nodes",)), ("ann", ("",))],
)
def test_a_user_that_no_certificate_may_speak_for_is_refused(ca: Authority, user: str, groups: tuple[str, ...]) -> None:
    with pytest.raises(InvalidError):
        ca.sign_user(authority.new_request(authority.new_key()), user, groups, NOW)


def test_the_repr_of_a_ca_hides_its_key(ca: Authority) -> None:
    assert "PRIVATE" not in repr(ca)


@pytest.mark.parametrize("uri", ["", "swarmlet://x/node/y", f"swarmlet://{'c' * 16}/user/{'a' * 16}", "spiffe://a/b"])
def test_a_uri_that_names_no_node_is_nobody(uri: str) -> None:
    assert authority.parse_node_uri(uri) is None
