#!/bin/sh
# All tests, on two cores. Those with a real Asterisk mostly wait for calls, the others mostly compute: both at once,
# the calls first in line for a core. Once the calls are through, the folders in `later` are tested there.
# What is tested beside is printed after the others.
#
#   scripts/run-tests.sh [VENV]
set -u
python=${1:-.venv}/bin/python
options="--reruns 2 --rerun-show-tracebacks -rR --hypothesis-profile ci --durations 15"
later="tests/training tests/weights tests/wire"
folder=$(mktemp -d)

run_beside() {
    child=
    trap 'kill $child 2>/dev/null; exit 143' TERM
    "$python" -m pytest $options -p no:cacheprovider -m pbx >"$folder/calls" 2>&1 &
    child=$!
    wait $child
    calls=$?
    nice -n 5 "$python" -m pytest $options -p no:cacheprovider -m "not pbx" $later >"$folder/later" 2>&1 &
    child=$!
    wait $child && [ $calls = 0 ]
}

run_beside &
beside=$!
trap 'kill $beside 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
echo "Tests without Asterisk (others run beside them):"
nice -n 5 "$python" -m pytest $options -m "not pbx" $(printf -- "--ignore %s " $later)
others=$?
wait $beside
besides=$?
beside=
echo "Tests with a real Asterisk:"
cat "$folder/calls"
echo "Tests of training, weights and messages between hosts:"
cat "$folder/later"
[ $others = 0 ] && [ $besides = 0 ]
