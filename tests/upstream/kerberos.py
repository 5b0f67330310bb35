"""A real KDC, MIT's, in the foreground: a company's Kerberos realm with one user and one proxy, on a port of its own."""

import os
import re
import subprocess
from pathlib import Path

from tests.upstream.child import Child, accepts, free_port

REALM = "CORP.EXAMPLE"


class Kdc(Child):
    """Knows the `user` with a `password`, and the proxy on the host `proxy`; `directory` must exist and holds its files and log.

    `krb5_conf` is what a machine of the company's has as /etc/krb5.conf; `keytab` is the proxy's key.
    """

    def __init__(
        self, directory: Path, user: str, password: str, *, proxy: str = "localhost", address: str = "127.0.0.1", port: int = 0
    ) -> None:
        port = port or free_port(address)
        self.principal, self.password = f"{user}@{REALM}", password
        self.krb5_conf, self.keytab = directory / "krb5.conf", directory / "proxy.keytab"
        self.service = f"HTTP/{proxy}@{REALM}"
        self.krb5_conf.write_text(client_conf(f"{'127.0.0.1' if address == '0.0.0.0' else address}:{port}"))
        kdc_conf = directory / "kdc.conf"
        listen = f"{address}:{port}"
        kdc_conf.write_text(
            f"[kdcdefaults]\nkdc_listen = {listen}\nkdc_tcp_listen = {listen}\n[realms]\n{REALM} = {{\n"
            f"database_name = {directory}/principal\nkey_stash_file = {directory}/stash\nmax_renewable_life = 7d\n}}\n"
            "[logging]\nkdc = STDERR\n"
        )
        environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "LC_ALL": "C",
            "KRB5_CONFIG": str(self.krb5_conf),
            "KRB5_KDC_PROFILE": str(kdc_conf),
        }
        super().__init__(["krb5kdc", "-n", "-r", REALM], directory / "kdc.log", lambda: accepts(port, address), environment)
        self._run("kdb5_util", "-r", REALM, "create", "-s", "-P", "master")
        self._administer("addprinc", "+requires_preauth", "-pw", password, self.principal)
        self._administer("addprinc", "-randkey", self.service)
        self._administer("ktadd", "-k", str(self.keytab), self.service)

    def kinit(self, ticket: Path, *options: str) -> None:
        """Put a ticket of its user into a file, as `kinit` does."""
        self._run("kinit", *options, "-c", str(ticket), self.principal, typed=self.password)

    def ticket_for_the_proxy(self, own: Path, ticket: Path) -> None:
        """Put a ticket for the proxy alone into a file, got with what `kinit` wrote into `own`."""
        self._run("kvno", "-c", str(own), "--out-cache", str(ticket), self.service)

    def type(self, command: str) -> None:
        """Run a command of the shell on a machine of the company's, and type the user's password when asked."""
        self._run("sh", "-c", command, typed=self.password)

    def change_key(self) -> None:
        """Give the proxy another key, of which it learns nothing."""
        self._administer("cpw", "-randkey", self.service)

    def tries(self) -> list[str]:
        """Return, for each time that its user's password was tried, whether it was taken."""
        found = re.findall(rf"AS_REQ .*: (ISSUE|PREAUTH_FAILED): .*{re.escape(self.principal)} for krbtgt/", self.output())
        return ["taken" if one == "ISSUE" else "refused" for one in found]

    def _administer(self, *command: str) -> None:
        # -p: a user of a container has no name, from which it would make one
        self._run("kadmin.local", "-r", REALM, "-p", f"admin@{REALM}", *command)

    def _run(self, *command: str, typed: str = "") -> None:
        subprocess.run(command, env=self._env, input=typed, text=True, check=True, capture_output=True)


def client_conf(kdc: str) -> str:
    """Return krb5.conf of a machine that finds this realm's KDC at an address, and asks no DNS."""
    return (
        f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_canonicalize_hostname = false\n"
        f"udp_preference_limit = 1\n[realms]\n{REALM} = {{\nkdc = {kdc}\n}}\n"
    )
