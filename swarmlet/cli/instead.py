"""What to use in place of kubectl's flags and commands that are not here: an error that names the way on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

RENDERED = "pipe what renders it: `kubectl kustomize FOLDER | swarmlet apply -f -`"
TEMPLATES = "use -o jsonpath=..., -o custom-columns=..., or -o json with jq"
KUBECONFIG = "name another file with --kubeconfig, or another entry with --context"
PAGES = "lists are always read in pages"
ANNOTATED = "`swarmlet apply` keeps what was applied; what `create` made, `apply` takes over"

MANIFEST = "print the manifest with --dry-run=client -o yaml, change it, and apply that"

FLAGS: Mapping[str, str] = {
    "--kustomize": RENDERED,
    "-k": RENDERED,
    "--template": TEMPLATES,
    "--allow-missing-template-keys": "a name that is missing is nothing, and no error",
    "--chunk-size": PAGES,
    "--save-config": ANNOTATED,
    "--record": "`swarmlet history` knows who changed what",
    "--prune": "`swarmlet apply --prune --dry-run=server` tells what would go",
    "--prune-allowlist": "`swarmlet apply --prune --dry-run=server` tells what would go",
    "--openapi-patch": "patches are always made by the kinds' own schemas",
    "--concurrency": "objects are compared one after the other",
    "--cluster": KUBECONFIG,
    "--user": KUBECONFIG,
    "--client-certificate": KUBECONFIG,
    "--client-key": KUBECONFIG,
    "--insecure-skip-tls-verify": "name the CA with --certificate-authority",
    "--password": "use --token, or a certificate of a kubeconfig",
    "--username": "use --token, or a certificate of a kubeconfig",
    "--insecure-skip-tls-verify-backend": "the daemon asks the machines itself, and knows their certificates",
    "--output-watch-events": "an object says of itself when it was deleted: `-w -o json`",
    "--subresource": "`swarmlet patch --subresource=NAME` and `replace --subresource=NAME` write a part of an object",
    "--local": "the server is asked how objects are",
    "--overwrite": "what the files say is always taken",
    "--edit": MANIFEST,
    "--raw": "`swarmlet get`, `replace` and `delete` have it",
    "--skip-wait-for-delete-timeout": "--timeout ends the wait for Pods that do not go",
    "--windows-line-endings": "set them in the editor",
    "--show-managed-fields": "`swarmlet get -o yaml --show-managed-fields` shows them",
    "--detach-keys": "close the terminal: what runs in the container goes on",
    "--force": "`swarmlet replace --force -f FILE` deletes and makes anew",
    "--overrides": MANIFEST,
    "--override-type": MANIFEST,
    "--append-hash": MANIFEST,
    "--validate": "the server checks every field",
    "--as-user-extra": "use --as, --as-group and --as-uid",
    "--proxy-url": KUBECONFIG,
    "--tls-server-name": "a kubeconfig may name it: tls-server-name",
    "--use-protocol-buffers": "it makes no difference here",
    "--cached": "what kinds there are is asked for each time",
    "--server-print": "tables are always the server's",
    "--show-swap": "no node reports swap",
    "-v": "the daemon's log tells of each request: `journalctl -u swarmlet`",
    "--v": "the daemon's log tells of each request: `journalctl -u swarmlet`",
}
COMMANDS: Mapping[str, str] = {
    "debug": "a container cannot be added to a Pod: `swarmlet exec -it POD -- sh`, or "
    "`swarmlet run tmp -it --rm --image=IMAGE -- sh` beside it",
    "proxy": "ask the API as yourself: `swarmlet get --raw PATH`, or "
    "`curl --unix-socket /run/swarmlet/swarmlet.sock http://localhost/api/v1/...`",
    "kustomize": RENDERED,
    "config": "`swarmlet kubeconfig --write` puts the cluster into ~/.kube/config; --context chooses there",
    "certificate": "CertificateSigningRequests are not served: `swarmlet token create` and `kubeconfig` let people in",
    "plugin": "there are no plugins",
    "options": "each command's --help tells all of its options",
    "up": "`swarmlet apply -f compose.yaml` takes Compose files",
    "down": "`swarmlet delete -f compose.yaml` takes Compose files",
    "ps": "`swarmlet get pods`",
}


def of_flag(flag: str, known: Iterable[str]) -> str:
    """Return the message for a flag that a command does not have."""
    name = flag.partition("=")[0]
    if name in FLAGS:
        return f"unknown flag: {name}; {FLAGS[name]}"
    return f"unknown flag: {name}{_near(name, known)}"


def of_command(word: str, known: Iterable[str]) -> str:
    """Return the message for a command that there is not."""
    if word in COMMANDS:
        return f"unknown command: {word}; {COMMANDS[word]}"
    return f"unknown command: {word}{_near(word, known) or '; `swarmlet --help` lists them'}"


def _near(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(known), n=3)
    return f"; did you mean {' or '.join(found)}?" if found else ""
