#!/bin/sh
# What people and providers do to a host before Samestack gets it: as root, once, on a fresh Debian 13.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -qy install --no-install-recommends sudo-rs ufw needrestart unattended-upgrades

# Everything that people make is for them alone, root's too (CIS: 027, and stricter).
sed -i 's/^#\?UMASK.*/UMASK 077/' /etc/login.defs
grep -q '^UMASK 077' /etc/login.defs || echo 'UMASK 077' >>/etc/login.defs
for file in /etc/profile /etc/bash.bashrc /root/.profile; do
    printf 'umask 077\n' >>"$file"
done

# sudo is the one written in Rust, as on Ubuntu since 25.10.
for program in /usr/bin/sudo /usr/sbin/visudo; do
    dpkg-divert --local --rename --divert "$program.ws" --add "$program"
done
ln -s ../lib/cargo/bin/sudo /usr/bin/sudo
ln -s ../lib/cargo/bin/visudo /usr/sbin/visudo

# systemd listens for sshd, on another port; sshd was hardened by hand, and reads no other file.
cat >/etc/ssh/sshd_config <<'SSHD'
# Hardened by somebody in 2019
Port 2222
PermitRootLogin no
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM yes
AllowUsers vagrant anna
Subsystem sftp /usr/lib/openssh/sftp-server
SSHD
mkdir -p /etc/ssh/sshd_config.d /etc/systemd/system/ssh.socket.d
printf 'PasswordAuthentication yes\n' >/etc/ssh/sshd_config.d/50-cloud-init.conf
printf '[Socket]\nListenStream=\nListenStream=2222\n' >/etc/systemd/system/ssh.socket.d/override.conf
systemctl daemon-reload
systemctl disable --quiet ssh.service
systemctl enable --quiet ssh.socket

# The firewalls of others
ufw allow 2222/tcp
ufw --force enable

# A service that was upgraded restarts by itself.
sed -i "s/^#\?\$nrconf{restart}.*/\$nrconf{restart} = 'a';/" /etc/needrestart/needrestart.conf

# cloud-init's and netplan's files
mkdir -p /etc/cloud/cloud.cfg.d /etc/netplan
printf 'preserve_hostname: false\nmanage_etc_hosts: true\n' >/etc/cloud/cloud.cfg.d/99-provider.cfg
printf 'network: {version: 2, ethernets: {eth0: {dhcp4: true}}}\n' >/etc/netplan/50-cloud-init.yaml
chmod 600 /etc/netplan/50-cloud-init.yaml

# A name with capitals, and a small /tmp in memory from which nothing is started
hostnamectl set-hostname WEB-01
sed -i 's/^127.0.1.1.*/127.0.1.1 WEB-01/' /etc/hosts
grep -q WEB-01 /etc/hosts || printf '127.0.1.1 WEB-01\n' >>/etc/hosts
mkdir -p /etc/systemd/system/tmp.mount.d
printf '[Mount]\nOptions=mode=1777,strictatime,nosuid,nodev,noexec,size=200m\n' >/etc/systemd/system/tmp.mount.d/small.conf
mount -o remount,nosuid,nodev,noexec,size=200m /tmp || mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size=200m tmpfs /tmp

# From now on somebody else holds apt's lock for a while, as unattended-upgrades does after a boot.
cat >/usr/local/sbin/hold-apt <<'PYTHON'
#!/usr/bin/python3
import fcntl, time
files = [open(path, "w") for path in ("/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock", "/var/lib/dpkg/lock")]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(45)
PYTHON
chmod 755 /usr/local/sbin/hold-apt
systemd-run --quiet --unit=hold-apt /usr/local/sbin/hold-apt
# The connection in hand stays; new ones go to the new port.
systemctl stop ssh.service
systemctl start ssh.socket
