#!/bin/sh
# The demo: flights through the spec; questions are asked here on a terminal, and answered from a file elsewhere.
cd "$(dirname "$0")" || exit 1
qpipe validate flights.yaml || exit
qpipe run flights.yaml
code=$?
if [ $code -eq 75 ]; then
    echo
    echo "The run waits for answers (exit code 75). They can come from anyone, any time: \`qpipe decide ID CHOICE\`."
    echo "Here they come from answers.yaml:"
    qpipe decisions
    qpipe resume latest --answers answers.yaml
    code=$?
fi
[ $code -eq 0 ] || exit $code
qpipe report latest --output out/report.html && echo "The report: specs/flights/out/report.html"
