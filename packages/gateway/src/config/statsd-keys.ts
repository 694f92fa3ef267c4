import type { Key } from './schema.ts'
import * as values from './values.ts'

const restart = { reload: false } as const

/** What StatsD is told. */
export const statsdKeys: readonly Key[] = [
  {
    path: 'statsd.udp',
    field: 'statsd.udp',
    type: values.addressOrOff,
    meaning: 'StatsD and DogStatsD in datagrams: see [StatsD](statsd.md).',
    flag: ['--statsd <host:port>', 'StatsD and DogStatsD by UDP, or off'],
    ...restart,
  },
  {
    path: 'statsd.tcp',
    field: 'statsd.tcp',
    type: values.addressOrOff,
    meaning: 'The same by TCP, a line each.',
    flag: ['--statsd-tcp <host:port>', 'the same by TCP, or off'],
    ...restart,
  },
  {
    path: 'statsd.fd',
    field: 'statsd.descriptor',
    type: values.within(values.count, 3, 1_000_000),
    meaning:
      'The same from a datagram socket that the gateway was started with, by its descriptor: so a Unix one, which systemd ' +
      'opens as number 3 (`ListenDatagram=`).',
    flag: [
      '--statsd-fd <number>',
      'the same from a datagram socket, also a Unix one, that it is started with',
    ],
    ...restart,
  },
  {
    path: 'statsd.service_name',
    field: 'statsd.serviceName',
    type: values.text('name'),
    meaning: 'The `job` of what comes by StatsD.',
    ...restart,
  },
  {
    path: 'statsd.timer_bounds',
    field: 'statsd.timerBounds',
    type: values.listOf(values.decimal),
    meaning: 'The bounds of the histograms that timers (`ms`) become, in seconds, ascending.',
    ...restart,
  },
  {
    path: 'statsd.histogram_bounds',
    field: 'statsd.histogramBounds',
    type: values.listOf(values.decimal),
    meaning: 'Those of histograms and distributions (`h`, `d`), in their own unit.',
    ...restart,
  },
  {
    path: 'statsd.set_window',
    field: 'statsd.setWindowMs',
    type: values.within(values.duration, 100, 24 * 60 * 60 * 1000),
    meaning:
      'A set (`s`) is shown as the number of different values that came in the last whole window of this length.',
    ...restart,
  },
]
