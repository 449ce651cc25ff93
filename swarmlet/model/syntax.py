"""How names, labels and the like may be written. Each function returns messages in Kubernetes' words, none when right.

Source: k8s.io/apimachinery/pkg/util/validation/validation.go and pkg/api/validation.
"""

from __future__ import annotations

import re

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
PORT_NAME_MAX = 15
PORT_MAX = 65535

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", re.ASCII)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_PORT_NAME = re.compile(r"[-a-z0-9]+", re.ASCII)

_LABEL_TOLD = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_TOLD = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TOLD = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED_TOLD = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_VALUE_TOLD = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_CONFIG_KEY_TOLD = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def dns_label(text: str) -> list[str]:
    """Check a name of up to 63 characters without dots: a namespace, a container, a volume."""
    return _too_long(text, LABEL_MAX) + ([] if _LABEL.fullmatch(text) else [_LABEL_TOLD])


def path_segment(text: str) -> list[str]:
    """Return which rules a part of a path breaks: the names of roles, which may hold colons."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in text]


def dns_1035_label(text: str) -> list[str]:
    """Check the name of a Service: a label that begins with a letter."""
    return _too_long(text, LABEL_MAX) + ([] if _LABEL_1035.fullmatch(text) else [_LABEL_1035_TOLD])


def dns_subdomain(text: str) -> list[str]:
    """Check a name of up to 253 characters with dots: most objects."""
    return _too_long(text, SUBDOMAIN_MAX) + ([] if _SUBDOMAIN.fullmatch(text) else [_SUBDOMAIN_TOLD])


def label_key(text: str) -> list[str]:
    """Check a label's or annotation's key: a name, with a domain and a slash before it or without."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        told = f"{_QUALIFIED_TOLD} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a qualified name {told}"]
    problems: list[str] = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {message}" for message in dns_subdomain(prefix)]
    if not name:
        return [*problems, "name part must be non-empty"]
    problems += [f"name part {message}" for message in _too_long(name, LABEL_MAX)]
    return problems if _QUALIFIED.fullmatch(name) else [*problems, f"name part {_QUALIFIED_TOLD}"]


def label_value(text: str) -> list[str]:
    """Check a label's value."""
    return _too_long(text, LABEL_MAX) + ([] if _LABEL_VALUE.fullmatch(text) else [_LABEL_VALUE_TOLD])


def config_key(text: str) -> list[str]:
    """Check a key of a ConfigMap or Secret: it becomes a file's name."""
    problems = _too_long(text, SUBDOMAIN_MAX) + ([] if _CONFIG_KEY.fullmatch(text) else [_CONFIG_KEY_TOLD])
    if text == ".":
        problems.append("must not be '.'")
    elif text == "..":
        problems.append("must not be '..'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def env_name(text: str) -> list[str]:
    """Check an environment variable's name: printable ASCII without "="."""
    if text and all(" " <= letter <= "~" and letter != "=" for letter in text):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def port_number(port: int) -> list[str]:
    """Check a port."""
    return [] if 0 < port <= PORT_MAX else [f"must be between 1 and {PORT_MAX}, inclusive"]


def port_name(text: str) -> list[str]:
    """Check a port's name: an IANA service name."""
    problems = [f"must be no more than {PORT_NAME_MAX} characters"] if len(text) > PORT_NAME_MAX else []
    if not _PORT_NAME.fullmatch(text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= letter <= "z" for letter in text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def _too_long(text: str, longest: int) -> list[str]:
    return [f"must be no more than {longest} characters"] if len(text) > longest else []
