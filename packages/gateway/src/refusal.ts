/**
 * Why a whole request is refused, and what each edge says of it. `again`: the sender should try again, for nothing of it
 * was applied (CONFORMANCE A10, A12). `grpc` is a google.rpc.Code.
 */
export const refusals = {
  NOT_HTTP: { http: 400, grpc: 13, again: false },
  HEADERS_TOO_LARGE: { http: 431, grpc: 8, again: false },
  EXPECTATION_UNKNOWN: { http: 417, grpc: 13, again: false },
  UNAUTHENTICATED: { http: 401, grpc: 16, again: false },
  NOT_FOUND: { http: 404, grpc: 5, again: false },
  UNKNOWN_METHOD: { http: 404, grpc: 12, again: false },
  METHOD_NOT_ALLOWED: { http: 405, grpc: 12, again: false },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, grpc: 3, again: false },
  UNSUPPORTED_ENCODING: { http: 415, grpc: 12, again: false },
  BODY_TOO_LARGE: { http: 413, grpc: 8, again: false },
  NOT_ONE_MESSAGE: { http: 400, grpc: 13, again: false },
  TOO_MANY_POINTS: { http: 413, grpc: 8, again: false },
  NOT_GZIP: { http: 400, grpc: 3, again: false },
  NOT_OTLP: { http: 400, grpc: 3, again: false },
  BAD_PUSH: { http: 400, grpc: 3, again: false },
  PUSH_INCONSISTENT: { http: 400, grpc: 3, again: false },
  PUSH_GROUPS_FULL: { http: 429, grpc: 14, again: true },
  BAD_BATCH_ID: { http: 400, grpc: 3, again: false },
  BATCH_ID_REUSED: { http: 422, grpc: 3, again: false },
  OVERLOADED: { http: 429, grpc: 14, again: true },
  BATCH_IDS_FULL: { http: 429, grpc: 14, again: true },
  ONCE_KEYS_FULL: { http: 429, grpc: 14, again: true },
  WRITERS_FULL: { http: 429, grpc: 14, again: true },
  STORE_FULL: { http: 503, grpc: 14, again: true },
  STORE_FAILED: { http: 503, grpc: 14, again: true },
  INTERNAL: { http: 500, grpc: 13, again: false },
} as const

export type RefusalCode = keyof typeof refusals

export class Refusal extends Error {
  readonly code: RefusalCode

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Refusal'
    this.code = code
  }
}

/**
 * Why a point is rejected while the rest of its request counts (CONFORMANCE A7), and what to do instead. A limit in braces
 * stands for what it is set to.
 */
export const rejections = {
  SUMMARY_NOT_SUPPORTED: 'quantiles cannot be added up; send a histogram',
  NAME_CONFLICT:
    'another kind of metric has this name; rename one of them, or wait until its series are over',
  TEMPORALITY_MISSING: 'aggregation_temporality is unspecified; set delta or cumulative',
  DELTA_IN_JOURNAL: 'a journal holds running totals (cumulative), not deltas',
  TIME_MISSING: 'time_unix_nano is 0',
  VALUE_MISSING: 'neither as_double nor as_int is set',
  ATTEMPT_MISSING: 'swansong.once needs swansong.attempt or service.instance.id beside it',
  NEGATIVE_DELTA: 'a monotonic sum never goes down; use an UpDownCounter',
  NOT_FINITE: 'NaN and infinities cannot be added',
  BOUNDS_INVALID: 'explicit_bounds must be finite numbers that ascend, one less than bucket_counts',
  BUCKETS_INVALID: 'the buckets must add up to count, be within what doubles can be, and hold less than 2^53',
  BUCKETS_TOO_MANY: 'a histogram may have {bucketCountMax} buckets; send fewer bounds',
  SCALE_TOO_FINE: 'an exponential histogram may have 65,536 buckets a side; send it at a lower scale',
  BOUNDS_DIFFER:
    'these bounds and those of the series cannot be told in each other; send bounds that all writers share',
  BOUNDS_NOT_HELD:
    'a rule wants histogram_bounds that these explicit_bounds do not hold; send bounds that hold them, or change the rule',
  BOUNDS_FULL: 'the gateway holds {boundsCountMax} different sets of bounds, as many as it may',
  BUCKETS_FULL: 'the gateway holds as many buckets as it may ({slotCountMax} numbers)',
  TOTAL_WENT_DOWN: 'a running total is lower than before: two writers under one identity',
  TOTALS_FULL:
    'the gateway remembers as many running totals as it may ({writerCellCountMax} numbers); send deltas',
  NAME_INVALID: 'a metric needs a name of 1 to {nameBytesMax} bytes of UTF-8, and a unit of no more',
  ATTRIBUTES_INVALID: 'the attributes are not valid OTLP',
  ATTRIBUTES_TOO_LARGE:
    'the attribute set is over the limit of {attributesBytesMax} bytes or {labelCountMax} labels',
  LABEL_VALUE_TOO_LONG: 'a label value is over the limit of {labelValueBytesMax} bytes',
  LABEL_BYTES_FULL: 'the gateway holds {attributesBytesTotalMax} bytes of attributes, as many as it may',
  METRICS_FULL:
    'the gateway holds as many metrics as it may ({metricCountMax}, or {metricBytesTotalMax} bytes of names)',
} as const

export type RejectionReason = keyof typeof rejections

/** Why, with the limits as they are set. */
export function rejectionText(reason: RejectionReason, limits: object): string {
  const values = new Map<string, unknown>(Object.entries(limits))
  return rejections[reason].replaceAll(/\{(\w+)\}/g, (_, limit: string) =>
    Number(values.get(limit)).toLocaleString('en')
  )
}
