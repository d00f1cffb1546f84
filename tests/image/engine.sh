#!/bin/sh
# Start Docker in this network namespace, load the look-alikes, run the tests, stop Docker.
# `run.sh` starts it: engine.sh WORK PYTHON TESTS. IMAGE_ARGS are further options of pytest.
set -eu
work=$1
python=$2
tests=$3
ip link set lo up
export DOCKER_HOST="unix://$work/docker.sock"
dockerd --data-root "$work/docker" --exec-root "$work/run" --pidfile "$work/docker.pid" \
  --host "$DOCKER_HOST" --log-level warn >"$work/docker.log" 2>&1 &
engine=$!
trap 'kill $engine; wait $engine || true' EXIT
tries=0
until docker info >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] || {
    tail "$work/docker.log" >&2
    exit 1
  }
  sleep 0.5
done

docker image inspect fluxkeep-test/debian >/dev/null 2>&1 ||
  tar --directory "$work/debian" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --create . |
  docker import - fluxkeep-test/debian
rm -rf "$work/bases"
cp -r "$tests/bases" "$work/bases"
cp -r "$work/wheels" "$work/bases/wheels"
for name in python valkey postgres; do
  docker build --quiet --file "$work/bases/$name.Dockerfile" --tag "fluxkeep-test/$name" \
    "$work/bases" 2>/dev/null
done
IMAGE_TESTS=yes "$python" -m pytest ${IMAGE_ARGS:-} "$tests"
