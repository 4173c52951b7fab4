# An archive with a past, as small as one can be: today it has version 2 of a package, at MOMENT it had version 1.
set -eu
rm -rf /srv/archive
mkdir -p /srv/archive
cd /srv/archive
export GNUPGHOME=/srv/archive/gnupg
mkdir -m 700 $GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-gen-key 'Samestack tests' rsa2048 sign never
gpg --batch --quiet --export > key.gpg
about() { printf ' %s %s' "$(sha256sum < "$1" | cut -c -64)" "$(stat -c %s "$1")"; }
make() {
    lists=$1/dists/any/main/binary-amd64
    mkdir -p "$lists" build/DEBIAN
    printf 'Package: samestack-spring\nVersion: %s\nArchitecture: all\n' "$2" > build/DEBIAN/control
    printf 'Maintainer: Tests <tests@example.org>\nDescription: An empty package\n' >> build/DEBIAN/control
    dpkg-deb --root-owner-group --build build "$1/spring.deb" > /dev/null
    cp build/DEBIAN/control "$lists/Packages"
    printf 'Filename: spring.deb\nSize: %s\n' "$(stat -c %s "$1/spring.deb")" >> "$lists/Packages"
    printf 'SHA256: %s\n' "$(sha256sum < "$1/spring.deb" | cut -c -64)" >> "$lists/Packages"
    printf 'Origin: Spring\nLabel: Spring\nSuite: any\nCodename: any\nArchitectures: amd64\n' > "$1/Release"
    printf 'Components: main\nDate: %s\nSHA256:\n' "$(date -u -R)" >> "$1/Release"
    printf '%s main/binary-amd64/Packages\n' "$(about "$lists/Packages")" >> "$1/Release"
    gpg --batch --quiet --clearsign --output "$1/dists/any/InRelease" "$1/Release"
}
make today 2
make past/MOMENT 1
chmod -R a+rX today past key.gpg
echo 'deb [signed-by=/srv/archive/key.gpg] file:/srv/archive/today any main' > /etc/apt/sources.list.d/spring.list
