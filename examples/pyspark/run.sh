#!/bin/sh
# Installs PySpark into a virtual environment, starts a gateway, runs both jobs, and compares the counts with the truth.
# Needs Java 17, python3, and swansong on the PATH. MINUTES=3 runs of the scheduled job, INTERVAL=60 seconds apart.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=${1:-/tmp/swansong-pyspark}
mkdir -p "$home"
if [ -z "${PYTHON-}" ]; then
  python3 -m venv "$home/venv"
  PYTHON=$home/venv/bin/python
  "$PYTHON" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi
otlp=127.0.0.1:${OTLP_PORT-24318} metrics=127.0.0.1:${METRICS_PORT-29464}
swansong gateway --data-dir "$home/data" --otlp-http "$otlp" --otlp-grpc off \
  --metrics "$metrics" --admin "127.0.0.1:${ADMIN_PORT-29465}" --log-level error &
gateway=$!
trap 'kill $gateway; wait $gateway || true' EXIT
until "$PYTHON" -c "import urllib.request; urllib.request.urlopen('http://$metrics/-/ready')" 2>"$home/wait.log"; do sleep 0.2; done

export OTEL_EXPORTER_OTLP_ENDPOINT="http://$otlp" PYSPARK_PYTHON="$PYTHON" PYSPARK_DRIVER_PYTHON="$PYTHON"
spark_submit=$("$PYTHON" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')/bin/spark-submit
submit() { # local[2,4]: two at a time, and a task may fail three times.
  "$spark_submit" --master 'local[2,4]' --conf spark.ui.enabled=false --conf spark.ui.showConsoleProgress=false \
    --py-files "$here/swansong_spark.py,$here/rows.py" "$@" 2>>"$home/spark.log"
}
submit "$here/episodes.py" --failures
minute=0
while [ "$minute" -lt "${MINUTES-3}" ]; do
  [ "$minute" = 0 ] || sleep "${INTERVAL-60}"
  submit "$here/scheduled.py" "$minute"
  minute=$((minute + 1))
done
"$PYTHON" "$here/check.py" "http://$metrics/metrics" "${MINUTES-3}"
