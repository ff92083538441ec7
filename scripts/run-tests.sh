#!/bin/sh
# All tests. Those with a real Asterisk mostly wait for calls, the others mostly compute: both at once, the
# calls first in line for a core. What they print comes after what the others do.
#
#   scripts/run-tests.sh [VENV]
set -u
python=${1:-.venv}/bin/python
options="--reruns 1 -rR --hypothesis-profile ci --durations 15"
calls=$(mktemp)
with_calls=
trap 'kill $with_calls 2>/dev/null; rm -f "$calls"' EXIT
trap 'exit 130' INT TERM

"$python" -m pytest $options -p no:cacheprovider -m pbx >"$calls" 2>&1 &
with_calls=$!
echo "Tests without Asterisk (those with it run beside them):"
nice -n 5 "$python" -m pytest $options -m "not pbx"
others=$?
wait $with_calls
real=$?
with_calls=
echo "Tests with a real Asterisk:"
cat "$calls"
[ $others = 0 ] && [ $real = 0 ]
