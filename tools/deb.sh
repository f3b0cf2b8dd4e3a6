#!/bin/bash
# Builds dist/pynet_VERSION_ARCH.deb: a virtual environment in /usr/lib/pynet, made of what the lock file names, for the
# Python of the distribution that it is built on.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${DEB_PYTHON:-/usr/bin/python3}
home=usr/lib/pynet
tools/wheel.sh >/dev/null
wheel=$(ls -t dist/pynet-*.whl | head -n 1)
version=$(basename "$wheel" | cut -d- -f2)
minor=$("$python" -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"; print(sys.version_info[1])')
arch=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 315532800)
export SOURCE_DATE_EPOCH
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
umask 022

"$python" -m venv --without-pip "$stage/$home"
pip=(.venv/bin/pip --python "$stage/$home/bin/python" install --quiet --disable-pip-version-check --no-compile)
"${pip[@]}" --require-hashes --only-binary :all: -r requirements.lock
"${pip[@]}" --no-deps "$wheel"
site=$stage/$home/lib/python3.$minor/site-packages
# Not needed at run time, or wrong in another place: build tools, headers, and scripts that name the build folder.
rm -rf "$site"/setuptools* "$site"/_distutils_hack "$site"/distutils-precedence.pth "$site"/pkg_resources \
    "$site"/wheel "$site"/wheel-* "$stage/$home"/include "$stage/$home"/lib64 "$stage/$home"/share
find "$stage/$home/bin" -type f -delete
find "$site" -name direct_url.json -delete
find "$site" -name RECORD -exec sed -i "/\.\.\/\.\.\/bin\//d" {} +  # hashes of those scripts
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.%s\n' "$minor" >"$stage/$home/pyvenv.cfg"
ln -sf "/usr/bin/python3.$minor" "$stage/$home/bin/python3"
ln -sf python3 "$stage/$home/bin/python"
rm -f "$stage/$home/bin/python3."*
printf '#!/%s/bin/python3 -I\nfrom cli.main import main\n\nmain()\n' "$home" >"$stage/$home/bin/pynet"
printf '#!/%s/bin/python3 -I\nfrom cli.docker_plugin import main\n\nmain()\n' "$home" >"$stage/$home/bin/docker-pynet"
chmod 755 "$stage/$home/bin/pynet" "$stage/$home/bin/docker-pynet"
"$python" -m compileall -q -s "$stage" --invalidation-mode unchecked-hash "$site"

mkdir -p "$stage/usr/bin" "$stage/etc/default" "$stage/usr/lib/systemd/system" "$stage/usr/share/doc/pynet" "$stage/DEBIAN"
ln -s ../lib/pynet/bin/pynet "$stage/usr/bin/pynet"
mkdir -p "$stage/usr/libexec/docker/cli-plugins"
ln -s ../../../lib/pynet/bin/docker-pynet "$stage/usr/libexec/docker/cli-plugins/docker-pynet"
.venv/bin/python -m tools.manpages "$stage/usr/share/man/man1" >/dev/null
tools/completions.sh "$stage/usr/share"
cp packaging/systemd/pynet.* "$stage/usr/lib/systemd/system/"
cp packaging/debian/default "$stage/etc/default/pynet"
cp LICENSE "$stage/usr/share/doc/pynet/copyright"
cp README.md CHANGELOG.md "$stage/usr/share/doc/pynet/"
for script in postinst prerm postrm; do install -m 755 "packaging/debian/$script" "$stage/DEBIAN/$script"; done
echo /etc/default/pynet >"$stage/DEBIAN/conffiles"
cat >"$stage/DEBIAN/control" <<CONTROL
Package: pynet
Version: $version
Architecture: $arch
Maintainer: The pynet authors <pynet@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk "$stage" | cut -f1)
Depends: python3 (>= 3.$minor), python3 (<< 3.$((minor + 1))), libnftables1, init-system-helpers
Recommends: docker.io | docker-ce
Description: network driver and address manager for Docker Engine
 docker network create --driver pynet gives a network that behaves like the one of
 Docker's own bridge driver and costs a fraction of its time.
CONTROL
find "$stage" -depth -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
mkdir -p dist
dpkg-deb --root-owner-group -Zxz --build "$stage" "dist/pynet_${version}_$arch.deb" >/dev/null
ls "dist/pynet_${version}_$arch.deb"
