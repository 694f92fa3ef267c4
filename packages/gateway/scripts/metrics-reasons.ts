import type { LineRejection } from '../src/in/statsd/line.ts'
import type { RefusalCode } from '../src/refusal.ts'

/** Of the documentation: what a request did that is refused, and what to do instead. */
export const refusalTexts: Readonly<Record<RefusalCode, string>> = {
  NOT_HTTP:
    'What came is not the protocol of this door. Mostly gRPC sent to the port of OTLP/HTTP (4318), HTTP to that of gRPC (4317), or https to a door without TLS. Or the connection ended before the request was whole, as the sender died.',
  HEADERS_TOO_LARGE: 'The headers are over 16 KiB: send fewer, or shorter ones.',
  EXPECTATION_UNKNOWN: '`Expect` is something else than `100-continue`: leave it out.',
  UNAUTHENTICATED:
    "Token, password, or both are missing or wrong (`<door>.auth`): with OpenTelemetry's SDKs `OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN`.",
  NOT_FOUND:
    'There is nothing at this path: `/v1/metrics` it is by OTLP/HTTP, and `/metrics/job/JOB` at the Pushgateway door. Traces and logs are not taken.',
  UNKNOWN_METHOD: 'A gRPC method other than `MetricsService/Export`: traces and logs are not taken.',
  METHOD_NOT_ALLOWED: 'Counts come by POST (PUT and DELETE at the Pushgateway door).',
  UNSUPPORTED_MEDIA_TYPE: '`Content-Type` is neither `application/x-protobuf` nor `application/json`.',
  UNSUPPORTED_ENCODING: '`Content-Encoding` is neither `gzip` nor none.',
  BODY_TOO_LARGE:
    'The body is over `limits.body_bytes`, as received or once inflated: send smaller batches, or raise the limit.',
  NOT_ONE_MESSAGE: 'A gRPC call has no message, more than one, or half of one.',
  TOO_MANY_POINTS: 'The body is over `limits.body_cell_count` once read: send smaller batches.',
  NOT_GZIP: '`Content-Encoding` says gzip, and the body is not, or is cut off.',
  NOT_OTLP: 'The body is no ExportMetricsServiceRequest in the encoding that its `Content-Type` says.',
  BAD_PUSH: 'A push is not the text format 0.0.4, or a parameter of it is wrong.',
  PUSH_INCONSISTENT: 'A push cannot be shown beside what is there already, or beside itself.',
  PUSH_GROUPS_FULL:
    'There are `limits.push_group_count` groups, or `limits.push_bytes_total` in them: delete some, set `pushgateway.ttl`, or raise the limit.',
  BAD_BATCH_ID: '`Idempotency-Key` is longer than an id may be, or has other characters.',
  BATCH_ID_REUSED:
    'The same `Idempotency-Key` came with another body: a client must send the same bytes again, or draw a new key.',
  OVERLOADED: 'Bodies under way are at `limits.bytes_in_flight`.',
  BATCH_IDS_FULL: 'As many ids as may be (`limits.batch_id_count`) came within `limits.retry_window`.',
  ONCE_KEYS_FULL: 'As many units of work as may be (`limits.once_key_count`) are remembered.',
  WRITERS_FULL:
    'As many senders of running totals as may be (`limits.writer_count`) are followed: let short jobs send deltas.',
  STORE_FULL: 'The disk of the data directory is full: make room, and it goes on by itself.',
  STORE_FAILED: 'The disk failed. The process ends with 3, and reads what is there when it is started again.',
  INTERNAL: 'A bug. The log has its stack: please report it.',
}

/** The same of a line of StatsD. */
export const lineRejectionTexts: Readonly<Record<LineRejection, string>> = {
  no_value: 'It is not `name:value\\|type`.',
  bad_value: 'Its value is no number.',
  unknown_type: 'Its type is none of `c`, `m`, `g`, `ms`, `h`, `d`, `s`.',
  bad_rate: 'What stands behind `@` is not above 0 and up to 1.',
  negative_counter: 'A counter goes up only.',
  not_utf8: 'It is not UTF-8.',
  too_long: 'It is over `limits.statsd_line_bytes`.',
  not_a_metric: 'It is an event or a check of a service (`_e{`, `_sc`).',
  entries_full:
    'More names with their tags came between two commits than `limits.statsd_entry_count`: have fewer tags.',
  sets_full: 'Sets have `limits.statsd_set_value_count` different values in this window.',
  gauges_full: 'A gauge changes by a difference, and `limits.statsd_gauge_count` others are known already.',
}
