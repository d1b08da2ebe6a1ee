"""A certificate authority made with openssl, for certificates with any dates."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

_CONFIG = """[ca]
default_ca = this
[this]
dir = {folder}
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = names
prompt = no
[names]
commonName = {name}
"""


class Authority:
    """One CA in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", self._key("ca"), "-out", str(self.ca), "-days", "3650",
                  "-subj", "/CN=test authority")  # fmt: skip

    def issue(
        self, name: str, from_days: float = -1.0, to_days: float = 90.0, host: str = "localhost"
    ) -> tuple[Path, Path]:
        """Return certificate and key of a host, valid between two days from today."""
        request, certificate = self.folder / f"{name}.csr", self.folder / f"{name}.pem"
        config = self.folder / f"{name}.cnf"
        config.write_text(_CONFIG.format(folder=self.folder, name=name))
        self._run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", self._key(name), "-out", str(request), "-subj", f"/CN={name}",
                  "-addext", f"subjectAltName=DNS:{host}")  # fmt: skip
        now = datetime.now(UTC)
        dates = [(now + timedelta(days)).strftime("%Y%m%d%H%M%SZ") for days in (from_days, to_days)]
        self._run("ca", "-batch", "-config", str(config), "-in", str(request), "-out",
                  str(certificate), "-notext", "-startdate", dates[0], "-enddate", dates[1],
                  "-cert", str(self.ca), "-keyfile", self._key("ca"))  # fmt: skip
        key = Path(self._key(name))
        key.chmod(0o600)
        return certificate, key

    def _key(self, name: str) -> str:
        return str(self.folder / f"{name}.key")

    def _run(self, *arguments: str) -> None:
        path = shutil.which("openssl")
        if path is None:
            raise FileNotFoundError("no openssl (apt-get install openssl)")
        subprocess.run([path, *arguments], check=True, capture_output=True)
