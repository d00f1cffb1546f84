#!/bin/sh
# Build look-alikes of the base images and run the tests of tests/image with a Docker of their own.
# As root on Debian: `sh tests/image/run.sh PYTHON`. It needs
#   apt-get install docker.io debootstrap      and Docker's Compose plugin
# No registry of images is asked: the bases are made of Debian's packages, and Docker runs in a
# network namespace that has nothing but a loopback.
set -eu
python=$1
here=$(dirname "$0")
work=${IMAGE_WORK:-/var/tmp/fluxkeep-image}

for program in dockerd docker debootstrap unshare; do
  command -v "$program" >/dev/null || {
    echo "The tests of the image need $program: apt-get install docker.io debootstrap" >&2
    exit 1
  }
done
docker compose version >/dev/null 2>&1 || {
  echo "The tests of the image need Docker's Compose plugin" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || {
  echo "The tests of the image need root, for a Docker of their own" >&2
  exit 1
}

mkdir -p "$work"
if [ ! -e "$work/debian.made" ]; then
  rm -rf "$work/debian"
  debootstrap --variant=minbase --include=python3,python3-venv,procps,redis-server,postgresql \
    bookworm "$work/debian"
  touch "$work/debian.made"
fi
# Every pinned package, whatever its condition: that of the image's Python decides when it installs.
sed -nE 's/^([a-z0-9-]+==[^ ;]+).*/\1/p' "$here/../../requirements.txt" \
  "$here/../../deploy/requirements-local.txt" | sort -u > "$work/packages.txt"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none \
  --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux_2_28_x86_64 \
  --dest "$work/wheels" --requirement "$work/packages.txt"
exec unshare --net sh "$here/engine.sh" "$work" "$python" "$here"
