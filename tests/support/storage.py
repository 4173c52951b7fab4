"""A machine with a service for buckets and an sftp server, as providers have them, and how both fail.

The buckets are moto's, which checks signatures and what a key may do, behind Nginx with an authority of its own; the
sftp server is OpenSSH's, with a folder that nobody leaves.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from plugins.plugin_utils.secrets.authority import authority_pem, issue, new_authority
from tests.support.beside import MachineBeside
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Machine

NAME, REGION, BUCKET = "storage.test", "eu-test-1", "kept"
FOLDER, MOTO = "/srv/storage", 9000
SFTP_PORT, SFTP_USER, SFTP_TOP = 2222, "keeper", "/srv/storage/sftp"
PROJECT = Path(__file__).resolve().parents[2]
#: What of moto is Python alone and in no distribution; and what is
OWN = ("moto", "py_partiql_parser")
DISTRIBUTED = (
    "nginx-light curl python3-boto3 python3-cryptography python3-flask python3-flask-cors python3-responses "
    "python3-yaml python3-xmltodict"
)
GATE = """server {{
    listen 443 ssl;
    ssl_certificate {folder}/tls.crt;
    ssl_certificate_key {folder}/tls.key;
    client_max_body_size 0;
    location / {{
        proxy_pass http://127.0.0.1:{moto};
        proxy_set_header Host $http_host;
        proxy_http_version 1.1;
        proxy_request_buffering off;
    }}
}}
"""
SSHD = """Port {port}
HostKey {folder}/{key}
PidFile none
PasswordAuthentication no
AuthorizedKeysFile {folder}/authorized_keys
Subsystem sftp internal-sftp
ChrootDirectory {top}
ForceCommand internal-sftp
AllowUsers {user}
PerSourcePenalties no
"""
EVERYTHING = {"Effect": "Allow", "Action": ["s3:*", "iam:*"], "Resource": "*"}
#: restic takes its locks away, pgBackRest what on a disk would be a link; a service lets a key do that alone.
ADDS = [
    {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*", "s3:Put*", "s3:Abort*"], "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{BUCKET}/*/uploads/locks/*"},
    {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{BUCKET}/*/backup/*/latest"},
]


class StorageMachine(MachineBeside):
    """The machine, over ssh and by the service's own interface."""

    def __init__(self, ssh_config: Path, folder: Path) -> None:
        """Take the connections of a scenario, and a folder for what the service has issued."""
        super().__init__(ssh_config, "storage1")
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def issued(self) -> dict[str, Any]:
        """What the service has told its customer: keys, its authority, the keys of its servers."""
        found: dict[str, Any] = json.loads((self.folder / "issued.json").read_text(encoding="utf-8"))
        return found

    def start(self) -> None:
        """Install the programs, make a bucket and an account, and write down what opens them."""
        self.run(
            "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "
            f"{DISTRIBUTED} >/dev/null"
        )
        self.run(f"mkdir -p {FOLDER}/python; tar -x -C {FOLDER}/python", packed())
        signer = new_authority("Storage's own authority")
        self.present(issue([NAME, f"{BUCKET}.{NAME}", self.address], signer))
        self.write("/etc/nginx/sites-enabled/default", GATE.format(folder=FOLDER, moto=MOTO))
        self.run(
            "systemctl stop storage-moto 2>/dev/null || true; "
            f"systemd-run --quiet --unit storage-moto -E PYTHONPATH={FOLDER}/python "
            f"-E MOTO_S3_CUSTOM_ENDPOINTS=https://{NAME} "
            f'python3 -c \'from moto.server import main; main(["-H", "127.0.0.1", "-p", "{MOTO}"])\'; '
            "systemctl restart nginx"
        )
        authority = authority_pem(signer)["certificate"]
        (self.folder / "authority.crt").write_text(authority, encoding="ascii")
        issued: dict[str, Any] = {
            "authority": authority,
            "another": authority_pem(new_authority("Another"))["certificate"],
        }
        wait_for("moto", lambda: self.run(f"curl -sf http://127.0.0.1:{MOTO}/moto-api/ -o /dev/null && echo yes"), 60)
        iam = self.client("iam")
        for name, rights in (("admin", [EVERYTHING]), ("all", [EVERYTHING]), ("adds", ADDS)):
            iam.create_user(UserName=name)
            policy = json.dumps({"Version": "2012-10-17", "Statement": rights})
            iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            issued[name] = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self.run(f"curl -sf -H Content-Type:text/plain -d 0 http://127.0.0.1:{MOTO}/moto-api/reset-auth")
        issued["sftp"] = self.start_sftp()
        (self.folder / "issued.json").write_text(json.dumps(issued), encoding="utf-8")

    def start_sftp(self) -> dict[str, str]:
        """Start the sftp server; returns the account's key, the key that the server shows, and another that it has."""
        self.run(
            # Of one without a password of any kind sshd says that it is locked.
            f"id {SFTP_USER} 2>/dev/null || useradd --password '*' --shell /usr/sbin/nologin {SFTP_USER}; "
            f"mkdir -p {SFTP_TOP}/backups; chown {SFTP_USER} {SFTP_TOP}/backups; cd {FOLDER}; "
            "for name in host another account; do test -e $name || ssh-keygen -qt ed25519 -N '' -f $name; done; "
            "cp account.pub authorized_keys"
        )
        self.write(f"{FOLDER}/sshd.another", self.sshd("another"))
        self.write(f"{FOLDER}/sshd.host", self.sshd("host"))
        self.serve_sftp()
        return {
            "private_key": self.run(f"cat {FOLDER}/account"), "known_hosts": self.run(f"cat {FOLDER}/host.pub"),
            "another": self.run(f"cat {FOLDER}/another.pub"),
        }  # fmt: skip

    def sshd(self, key: str) -> str:
        """Return the configuration of the sftp server with one of its keys."""
        return SSHD.format(port=SFTP_PORT, folder=FOLDER, key=key, top=SFTP_TOP, user=SFTP_USER)

    def serve_sftp(self, key: str = "host") -> None:
        """Let the sftp server answer, with one of its keys."""
        self.stop_sftp()
        self.run(f"systemd-run --quiet --unit storage-sftp /usr/sbin/sshd -D -e -f {FOLDER}/sshd.{key}")
        wait_for("sftp", lambda: self.run(f"ss -ltn 'sport = :{SFTP_PORT}' | grep LISTEN"), 20)

    @contextlib.contextmanager
    def flipped(self, backup: str) -> Iterator[None]:
        """Have two bytes of a backup's data on the sftp server changed, meanwhile."""
        folder = f"{SFTP_TOP}/backups/{backup}"
        file = self.run(f"find {folder} -type f -size +100k ! -name '*manifest*' | sort | head -1").strip()
        assert file, folder
        self.run(f"cp -a {file} /root/whole; printf XX | dd of={file} bs=1 seek=70000 conv=notrunc status=none")
        try:
            yield
        finally:
            self.run(f"cat /root/whole > {file}")

    @contextlib.contextmanager
    def flipped_in_bucket(self, backup: str) -> Iterator[None]:
        """Have two bytes of a backup's data in the bucket changed, meanwhile."""
        s3 = self.client("s3")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{backup}/")["Contents"]
        file = max((one for one in listed if "manifest" not in one["Key"]), key=lambda one: one["Size"])["Key"]
        whole = s3.get_object(Bucket=BUCKET, Key=file)["Body"].read()
        s3.put_object(Bucket=BUCKET, Key=file, Body=whole[:70000] + b"XX" + whole[70002:])
        try:
            yield
        finally:
            s3.put_object(Bucket=BUCKET, Key=file, Body=whole)

    def stop_sftp(self) -> None:
        """Let it answer no more."""
        self.run(
            "systemctl stop storage-sftp 2>/dev/null || true; systemctl reset-failed storage-sftp 2>/dev/null || true"
        )

    def serve_bucket(self, *, serves: bool = True) -> None:
        """Let the service of the buckets answer, or not."""
        self.run(f"systemctl {'restart' if serves else 'stop'} nginx")

    def present(self, pair: dict[str, str]) -> None:
        """Give the service a certificate."""
        self.write(f"{FOLDER}/tls.crt", pair["certificate"])
        self.write(f"{FOLDER}/tls.key", pair["key"])

    def client(self, service: str) -> Any:
        """Return a client of the service, who may do everything."""
        key = self.issued["admin"] if (self.folder / "issued.json").exists() else {"key": "none", "secret": "yet"}
        return boto3.client(
            service, endpoint_url=f"https://{self.address}", verify=str(self.folder / "authority.crt"),
            region_name=REGION, aws_access_key_id=key["key"], aws_secret_access_key=key["secret"],
            config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip

    def s3(self, **more: Any) -> dict[str, Any]:
        """Return what people write into backup_repositories of the bucket."""
        return {
            "type": "s3", "endpoint": NAME, "bucket": BUCKET, "region": REGION, "path_style": True,
            "access_key": "{{ vault_backup_s3_key }}", "secret_key": "{{ vault_backup_s3_secret }}",
            "authority": self.issued["authority"], **more,
        }  # fmt: skip

    def sftp(self, **more: Any) -> dict[str, Any]:
        """Return what people write into backup_repositories of the sftp server."""
        return {
            "type": "sftp", "host": NAME, "port": SFTP_PORT, "user": SFTP_USER, "path": "/backups",
            "private_key": "{{ vault_backup_sftp_key }}",
            "known_hosts": self.issued["sftp"]["known_hosts"].splitlines(), **more,
        }  # fmt: skip

    def secrets(self, who: str = "all") -> dict[str, str]:
        """Return what people write into the vault, with the key of one of the service's users."""
        key = self.issued[who]
        return {
            "vault_backup_s3_key": key["key"], "vault_backup_s3_secret": key["secret"],
            "vault_backup_sftp_key": self.issued["sftp"]["private_key"],
        }  # fmt: skip

    def known_to(self, machine: Machine) -> None:
        """Let a machine find the service by its name."""
        machine.run(f"grep -q {NAME} /etc/hosts || echo {self.address} {NAME} {BUCKET}.{NAME} >> /etc/hosts")


def packed() -> bytes:
    """Return an archive of moto and what it needs, of the versions that the lock has."""
    site = Path(boto3.__file__).parents[1]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in OWN:
            archive.add(site / name, name)
    return buffer.getvalue()
