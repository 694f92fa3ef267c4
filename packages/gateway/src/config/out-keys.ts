import type { Key } from './schema.ts'
import * as values from './values.ts'

const dayMs = 24 * 60 * 60 * 1000
const restart = { reload: false } as const
const live = { reload: true } as const

/** What OTLP out and the textfile are told. */
export const outKeys: readonly Key[] = [
  {
    path: 'otlp_out.endpoint',
    field: 'otlpOut.endpoint',
    type: values.otlpUrl,
    meaning:
      'Every interval all series are posted there by OTLP/HTTP, as cumulative protobuf: to a Collector, or to Prometheus ' +
      '(`/api/v1/otlp/v1/metrics`, with `--web.enable-otlp-receiver`). The URL is taken as it is written. Without it: nowhere.',
    flag: ['--otlp-out <url>', 'post all series by OTLP every interval, as http://HOST:4318/v1/metrics'],
    ...restart,
  },
  {
    path: 'otlp_out.interval',
    field: 'otlpOut.intervalMs',
    type: values.within(values.duration, 1000, dayMs),
    meaning:
      'How often. A request that is not taken is sent again for so long; then newer values go instead.',
    ...live,
  },
  {
    path: 'otlp_out.timeout',
    field: 'otlpOut.timeoutMs',
    type: values.within(values.duration, 1, dayMs),
    meaning: 'From the beginning of a request until its answer is read.',
    ...live,
  },
  {
    path: 'otlp_out.compression',
    field: 'otlpOut.compression',
    type: values.oneOf('compression', ['gzip', 'none']),
    meaning: 'How the requests are compressed.',
    ...live,
  },
  {
    path: 'otlp_out.headers_file',
    field: 'otlpOut.headersFile',
    type: values.readableFile,
    meaning: 'Headers that are sent along, one `Name: value` a line, as `Authorization: Bearer TOKEN`.',
    ...restart,
  },
  {
    path: 'otlp_out.tls.ca_file',
    field: 'otlpOut.caFile',
    type: values.readableFile,
    meaning:
      'Authorities in PEM that may have signed the certificate of an `https` endpoint. Without it: those that Node trusts.',
    ...restart,
  },
  {
    path: 'otlp_out.tls.cert_file',
    field: 'otlpOut.certFile',
    type: values.readableFile,
    meaning: 'Certificate chain in PEM, for a receiver that wants one of who tells it.',
    ...restart,
  },
  {
    path: 'otlp_out.tls.key_file',
    field: 'otlpOut.keyFile',
    type: values.readableFile,
    meaning: 'Its private key in PEM.',
    ...restart,
  },
  {
    path: 'textfile.path',
    field: 'textfile.path',
    type: values.promFile,
    meaning:
      "Every interval what scrapers see is written there, for node_exporter's textfile collector: whole, by renaming, so " +
      'that no reader sees half of it. Its directory must exist. Without it: nowhere.',
    flag: [
      '--textfile <file>',
      "write all series for node_exporter's textfile collector, as DIR/swansong.prom",
    ],
    ...restart,
  },
  {
    path: 'textfile.interval',
    field: 'textfile.intervalMs',
    type: values.within(values.duration, 1000, dayMs),
    meaning: 'How often, at most.',
    ...live,
  },
]
