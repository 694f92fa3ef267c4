"""Counts of Spark's Python workers, once per partition, whatever is retried, speculated or killed.

    from swansong_spark import counted

    @counted
    def consolidate(rows, count):
        for row in rows:
            count('episodes.consolidated', type=row.type)
            yield row

    df.rdd.mapPartitions(consolidate)    # also mapInPandas, mapInArrow, mapPartitionsWithIndex

What a partition counts is committed when it was read to its end, as one batch for one unit of work: the gateway counts the
first attempt at it and leaves out the others. One file for `spark-submit --py-files`, with nothing but the standard library.
"""

import fcntl
import functools
import http.client
import os
import re
import socket
import struct
import sys
import time
import urllib.parse
import uuid
import zlib

__all__ = ["counted"]

SPOOL_DEFAULT = "/var/spool/swansong"
ENDPOINT_DEFAULT = "http://127.0.0.1:4318/v1/metrics"
RETRIED = (429, 502, 503, 504)
HEARTBEAT_SECONDS_MAX = 15 * 60


def counted(function):
    """Gives `function` a last argument, `count(name, n=1, **labels)`, and commits what it counted once its rows were read."""
    return _Counted(function, None, None)


class _Counted:
    """Pickling draws an id: what goes to the workers as one command is one use, wherever else the function is used too."""

    def __init__(self, function, use, service):
        functools.update_wrapper(self, function)
        self._function = function
        self._use = use
        self._service = service

    def __reduce__(self):
        return (_Counted, (self._function, self._use or uuid.uuid4().hex, self._service or _service_of_driver()))

    def __call__(self, *args):
        unit = _Unit(self._use) if self._use is not None else None
        counts = {}

        def count(name, n=1, **labels):
            n = n.item() if hasattr(n, "item") else n  # Of NumPy.
            if not n >= 0:
                raise ValueError(f"count({name!r}, {n}): counts only grow")
            key = (name, tuple(sorted((label, str(value)) for label, value in labels.items())))
            counts[key] = counts.get(key, 0) + n

        return self._rows(self._function(*args, count), counts, unit)

    def _rows(self, rows, counts, unit):
        yield from rows
        # Here the partition was read to its end. One that is cut short, or fails, never comes here.
        if counts:
            _commit(counts, unit, self._service or "unknown_service")


class _Unit:
    """A partition as one use of a function computes it, and this attempt at it."""

    def __init__(self, use):
        from pyspark import TaskContext

        task = TaskContext.get()
        self.once = f"{use}/outside of a task/{uuid.uuid4().hex}"
        self.attempt = self.once
        if task is None:
            return
        stage, partition, attempt = task.stageId(), task.partitionId(), task.taskAttemptId()
        split = _split_of_worker()
        # A task may compute the same use several times: of other partitions (coalesce), or again (cartesian, zip).
        turn = _turn(f"{use}-{stage}", partition, attempt, split)
        self.once = f"{use}/{stage}/{partition}/{split}/{turn}"
        self.attempt = f"{use}/{attempt}"


def _split_of_worker():
    """The partition of the RDD that is computed, which after `coalesce` or in `cartesian` is not the task's. -1: not known."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "pyspark.worker":
            known = frame.f_locals
            split = known.get("split_index", getattr(known.get("init_info"), "split_index", None))
            if isinstance(split, int):
                return split
        frame = frame.f_back
    return -1


_turns_here = {}
_turn_record = struct.Struct("<qqq")


def _turn(name, partition, attempt, split):
    """
    How many times this attempt has begun this before. Each may be in another worker process, so it is kept in a file, in the
    directory that Spark gives an application on each executor: one a use and stage, with a record for each partition. It holds
    one more than the turn, as what was never written there reads as zeros.
    """
    try:
        from pyspark import SparkFiles

        path = os.path.join(SparkFiles.getRootDirectory(), f".swansong-{name}")
        at = partition * _turn_record.size
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            fcntl.lockf(file, fcntl.LOCK_EX, _turn_record.size, at)
            known = os.pread(file.fileno(), _turn_record.size, at)
            turn = 0
            if len(known) == _turn_record.size:
                last_attempt, last_split, last_turn = _turn_record.unpack(known)
                if (last_attempt, last_split) == (attempt, split) and last_turn > 0:
                    turn = last_turn
            os.pwrite(file.fileno(), _turn_record.pack(attempt, split, turn + 1), at)
            return turn
    except Exception:  # No such directory: this process alone then.
        key = (name, partition, attempt, split)
        _turns_here[key] = _turns_here.get(key, -1) + 1
        return _turns_here[key]


def _service_of_driver():
    """The job: as the driver's environment says, else the application's name."""
    name = os.environ.get("OTEL_SERVICE_NAME", "").strip()
    if name:
        return name
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    return context.appName if context is not None else None


# ---- on the way to the gateway


def _commit(counts, unit, service):
    """Never raises: the job comes first. What is lost is said on the worker's stderr."""
    try:
        batch = uuid.uuid4()
        body = _encode(counts, unit, service, str(batch))
        endpoint, spool = _ways_out()
        why = _place(spool, batch, body) if endpoint is None else _post(endpoint, batch, body)
        if why and endpoint is not None and spool is not None:
            why = _place(spool, batch, body)
    except Exception as error:
        why = repr(error)
    if why:
        print(f"swansong: {len(counts)} counts of {service} lost: {why}", file=sys.stderr, flush=True)


def _ways_out():
    """As the SDK has it: an endpoint that was set, else a spool that was set or whose gateway lives, else the default endpoint."""
    spool = os.environ.get("SWANSONG_SPOOL_DIR") or (SPOOL_DEFAULT if _lives(SPOOL_DEFAULT) else None)
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    if not endpoint:
        base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        if base:
            endpoint = base if base.startswith("unix:") else base.rstrip("/") + "/v1/metrics"
    if not endpoint and spool is None:
        endpoint = ENDPOINT_DEFAULT
    return endpoint or None, spool


def _lives(spool):
    try:
        with open(os.path.join(spool, "heartbeat.json")) as file:
            at = re.search(r'"at":\s*(\d+)', file.read())
        return at is not None and abs(time.time() - int(at.group(1)) / 1000) < HEARTBEAT_SECONDS_MAX
    except OSError:
        return False


def _place(spool, batch, body):
    """A file of the spool, whole when it is seen. What is wrong, or nothing."""
    waiting = os.path.join(spool, f".{batch}.batch")
    try:
        descriptor = os.open(waiting, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o640)
        with open(descriptor, "wb", buffering=0) as file:
            os.fchmod(descriptor, 0o640)
            file.write(_spool_header(body) + body)
            if os.environ.get("SWANSONG_SPOOL_SYNC") in ("1", "true"):
                os.fsync(descriptor)
        os.rename(waiting, os.path.join(spool, f"{batch}.batch"))
        return None
    except OSError as error:
        return f"{spool}: {error}"


def _spool_header(body):
    """Magic, version 1, a batch (2) that has ended (1); the owner is of journals only. Checksums are Adler-32."""
    header = struct.pack("<8sHBBII", b"SWANSONG", 1, 2, 1, len(body), zlib.adler32(body))
    header += struct.pack("<IQ16xQQIIxxxx16x", os.getpid(), 0, 0, 0, 0, zlib.adler32(b""))
    return header + struct.pack("<I", zlib.adler32(header))


_connection = None
_connection_key = None


def _post(endpoint, batch, body):
    """Until there is an answer, or the budget is spent. The same batch again counts once."""
    budget = int(os.environ.get("SWANSONG_EXIT_BUDGET_MS") or 2000) / 1000
    give_up_at = time.monotonic() + budget
    pause = 0.02
    while True:
        try:
            status, said, asked = _request(endpoint, batch, body, max(0.05, give_up_at - time.monotonic()))
            if 200 <= status < 300:
                return None
            why = f"{endpoint} answered {status} {said}"
            if status not in RETRIED:
                return why
        except (OSError, http.client.HTTPException) as error:
            why, asked = f"{endpoint}: {error!r}", 0.0
        if time.monotonic() + max(pause, asked) >= give_up_at:
            return why
        time.sleep(max(pause, asked))
        pause = min(pause * 2, 0.5)


def _request(endpoint, batch, body, timeout):
    """On a connection that is kept for the next task of this worker; anew, at once, where the gateway has closed that."""
    global _connection, _connection_key
    key = (endpoint, os.getpid())
    headers = {"content-type": "application/x-protobuf", "idempotency-key": str(batch)}
    for name, value in re.findall(r"([^=,\s]+)=([^,]*)", os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")):
        headers[name] = urllib.parse.unquote(value.strip())
    for is_fresh in (False, True):
        if is_fresh or _connection is None or _connection_key != key:
            _connection, is_fresh = _connect(endpoint), True
            _connection_key = key
        try:
            _connection.timeout = timeout
            if _connection.sock is not None:
                _connection.sock.settimeout(timeout)
            path = "/v1/metrics" if endpoint.startswith("unix:") else urllib.parse.urlsplit(endpoint).path or "/"
            _connection.request("POST", path, body, headers)
            answer = _connection.getresponse()
            said = answer.read(4096)
            asked = answer.headers.get("retry-after", "0")
            if answer.will_close:
                _connection = None
            return answer.status, said[:200].decode("utf-8", "replace"), float(asked) if asked.isdigit() else 0.0
        except (OSError, http.client.HTTPException):
            _connection = None
            if is_fresh:
                raise
    raise AssertionError("BUG: a fresh connection either answers or raises")


def _connect(endpoint):
    if endpoint.startswith("unix:"):
        return _UnixConnection(endpoint[len("unix:") :].replace("//", "/"))
    url = urllib.parse.urlsplit(endpoint)
    connection = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return connection(url.hostname, url.port)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


# ---- ExportMetricsServiceRequest, by opentelemetry/proto/metrics/v1/metrics.proto


def _encode(counts, unit, service, instance):
    resource = {"service.name": service, "service.instance.id": instance, "telemetry.sdk.language": "python"}
    if unit is not None:
        resource.update({"swansong.once": unit.once, "swansong.attempt": unit.attempt})
    now = time.time_ns()
    times = _fixed64(2, now - 1_000_000) + _fixed64(3, now)
    metrics = b""
    for (name, labels), value in counts.items():
        number = _fixed64(6, value & (2**64 - 1)) if isinstance(value, int) else _tag(4, 1) + struct.pack("<d", value)
        point = times + number + b"".join(_field(7, _key_value(*label)) for label in labels)
        sum_ = _field(1, point) + b"\x10\x01\x18\x01"  # Delta, monotonic.
        metrics += _field(2, _field(1, name.encode()) + _field(7, sum_))
    attributes = b"".join(_field(1, _key_value(*pair)) for pair in resource.items())
    return _field(1, _field(1, attributes) + _field(2, metrics))


def _key_value(key, value):
    return _field(1, key.encode()) + _field(2, _field(1, value.encode()))


def _field(number, value):
    return _tag(number, 2) + _varint(len(value)) + value


def _fixed64(number, value):
    return _tag(number, 1) + struct.pack("<Q", value)


def _tag(number, wire_type):
    return _varint(number << 3 | wire_type)


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
