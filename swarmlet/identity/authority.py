"""The cluster's certificate authority: keys, requests, and the policy by which requests are signed.

ECDSA on P-256, because Go's TLS (kubectl, helm) and every browser take it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swarmlet.errors import InvalidError
from swarmlet.model import api_service

NODES_GROUP = "system:nodes"
NODE_USER_PREFIX = "system:node:"
BACKDATED = timedelta(minutes=5)
NODE_VALIDITY = timedelta(days=365)
USER_VALIDITY = timedelta(days=365)
AUTHORITY_VALIDITY = timedelta(days=3652)
REQUEST_BYTES_MAX = 16 * 1024
USER_NAME_LENGTH_MAX = 64  # X.520's upper bound for a common name, which OpenSSL holds others to
GROUPS_MAX = 32
_NODE_URI = re.compile(r"swarmlet://([0-9a-f]{16})/node/([0-9a-f]{16})")
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who a daemon is. `node_id` is the consensus' name for it and never used again; `name` is people's."""

    cluster_id: str
    node_id: str
    name: str

    @property
    def uri(self) -> str:
        return f"swarmlet://{self.cluster_id}/node/{self.node_id}"


def parse_node_uri(uri: str) -> tuple[str, str] | None:
    """Return (cluster id, node id) of a node's URI; None for any other."""
    match = _NODE_URI.fullmatch(uri)
    return (match[1], match[2]) if match else None


def is_id(text: str) -> bool:
    """Whether `text` can be a cluster id or a node id: 16 hexadecimal digits."""
    return bool(_ID.fullmatch(text))


def new_key() -> str:
    """Return a new private key as PEM."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def new_request(key_pem: str) -> str:
    """Return a certificate request (PEM) that proves possession of the key; its subject says nothing, on purpose."""
    key = _load_key(key_pem)
    return _pem(x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256()))


def public_key_sha256(request_pem: str) -> str:
    """Return the hash by which a retried join is known to come from the same key; raise `InvalidError` for no CSR."""
    return hashlib.sha256(_der(_load_request(request_pem).public_key())).hexdigest()


def authority_sha256(certificate_pem: str) -> bytes:
    """Return the SHA-256 of a certificate's DER form: what a join token pins."""
    try:
        return x509.load_pem_x509_certificate(certificate_pem.encode()).fingerprint(hashes.SHA256())
    except ValueError as error:
        raise InvalidError(f"not a PEM certificate: {error}") from error


def expiry(certificate_pem: str) -> datetime:
    """Return when a certificate ceases to be valid."""
    return x509.load_pem_x509_certificate(certificate_pem.encode()).not_valid_after_utc


class Authority:
    """The CA of one cluster; any daemon makes one from the replicated `ClusterIdentity`."""

    def __init__(self, *, cluster_id: str, certificate_pem: str, key_pem: str) -> None:
        self.cluster_id = cluster_id
        self.certificate_pem = certificate_pem
        self.key_pem = key_pem
        self._certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        self._key = _load_key(key_pem)

    def __repr__(self) -> str:
        """Name the cluster and hide the key: a repr ends in logs."""
        return f"Authority({self.cluster_id})"

    @classmethod
    def create(cls, cluster_id: str, now: datetime) -> Authority:
        """Make a new CA for a new cluster."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "swarmlet"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"swarmlet cluster {cluster_id}"),
            ]
        )
        usage = _key_usage(signs_certificates=True)
        builder = (
            _builder(name, name, key.public_key(), now, AUTHORITY_VALIDITY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(
            cluster_id=cluster_id,
            certificate_pem=_pem(builder.sign(key, hashes.SHA256())),
            key_pem=_key_pem(key),
        )

    def sign_node(self, request_pem: str, node: NodeIdentity, host: str, now: datetime, *further: str) -> str:
        """Return the certificate of a node that others reach at `host` (an IP address or a DNS name), and `further`."""
        subject = _subject(NODE_USER_PREFIX + node.name, (NODES_GROUP,))
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._sign(request_pem, subject, usages, node_names(node, host, *further), now, NODE_VALIDITY)

    def sign_user(self, request_pem: str, user: str, groups: tuple[str, ...], now: datetime) -> str:
        """Return a client certificate that speaks for `user` in `groups`; it can never act as a server."""
        check_user(user, groups)
        return self._sign(
            request_pem, _subject(user, groups), [ExtendedKeyUsageOID.CLIENT_AUTH], [], now, USER_VALIDITY
        )

    def _sign(
        self,
        request_pem: str,
        subject: x509.Name,
        usages: list[x509.ObjectIdentifier],
        names: list[x509.GeneralName],
        now: datetime,
        validity: timedelta,
    ) -> str:
        public_key = _load_request(request_pem).public_key()
        issuer = self._certificate.subject
        builder = (
            _builder(subject, issuer, public_key, now, min(validity, self._certificate.not_valid_after_utc - now))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(_authority_identifier(self._certificate), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256()))


def node_names(node: NodeIdentity, *hosts: str) -> list[x509.GeneralName]:
    """Return all names by which the certificate of a node at these hosts (IP addresses or DNS names) answers."""
    always = ("127.0.0.1", "::1", "localhost", node.name, *api_service.NAMES, api_service.ADDRESS)
    return [x509.UniformResourceIdentifier(node.uri), *_hosts((*hosts, *always))]


def check_user(user: str, groups: tuple[str, ...]) -> None:
    """Refuse a user or groups that a certificate or a token cannot speak for; raise `InvalidError`."""
    causes = []
    if not 0 < len(user) <= USER_NAME_LENGTH_MAX or not user.isprintable():
        causes.append(("user", f"1 to {USER_NAME_LENGTH_MAX} printable characters"))
    if user.startswith(NODE_USER_PREFIX) or NODES_GROUP in groups:
        causes.append(("user", f"{NODE_USER_PREFIX}* and {NODES_GROUP} belong to machines, which join instead"))
    if len(groups) > GROUPS_MAX or not all(0 < len(group) <= USER_NAME_LENGTH_MAX for group in groups):
        causes.append(("groups", f"at most {GROUPS_MAX}, each of 1 to {USER_NAME_LENGTH_MAX} characters"))
    if causes:
        raise InvalidError("; ".join(f"{field}: {rule}" for field, rule in causes), tuple(causes))


def _load_request(request_pem: str) -> x509.CertificateSigningRequest:
    """Return a request whose signature proves possession of its P-256 key."""
    if len(request_pem) > REQUEST_BYTES_MAX:
        raise InvalidError(f"csr: over {REQUEST_BYTES_MAX} bytes", (("csr", "too long"),))
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        key = request.public_key()
        valid = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        valid = valid and request.is_signature_valid
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        valid = False
    if not valid:
        message = "must be a PEM certificate request, self-signed with an ECDSA P-256 key"
        raise InvalidError(f"csr: {message}", (("csr", message),))
    return request


def _load_key(key_pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidError("the private key must be ECDSA")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: object, now: datetime, validity: timedelta
) -> x509.CertificateBuilder:
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + validity)
    )


def _subject(user: str, groups: tuple[str, ...]) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user, _validate=False)])


def _hosts(hosts: Iterable[str]) -> list[x509.GeneralName]:
    return [_host(host) for host in dict.fromkeys(hosts)]


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _pem(value: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return value.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _der(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
