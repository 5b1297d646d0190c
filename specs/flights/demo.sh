#!/bin/sh
# The demo: flights through the spec; questions are asked here on a terminal, and answered from a file elsewhere.
cd "$(dirname "$0")" || exit 1

say() { printf '\n── %s\n\n' "$*"; }

say "1. The spec is checked before anything runs: qpipe validate flights.yaml"
qpipe validate flights.yaml || exit

say "2. Ten days of departures go through it: qpipe run flights.yaml"
qpipe run flights.yaml
code=$?
if [ $code -eq 75 ]; then
    say "3. Some rows wait for a person (exit code 75); all others are delivered. Who waits: qpipe decisions"
    qpipe decisions
    say "Anyone may answer, any time: qpipe decide ID CHOICE. Here a file does: qpipe resume latest --answers answers.yaml"
    qpipe resume latest --answers answers.yaml
    code=$?
fi
[ $code -eq 0 ] || exit $code

say "4. The report: qpipe report latest --output out/report.html"
qpipe report latest --output out/report.html || exit
cat <<END

The report: specs/flights/out/report.html

Read next specs/flights/flights.yaml, which made all this. In that folder, try
  qpipe trace latest --where "tailnum = 'N3ALAA'"      the life of a row, and who decided
  qpipe why cancelled "carrier = 'EV'"                 why a row is where it is
  qpipe test flights.yaml                              the spec's own tests
END
