import { newRemoteWriteStats, newStats, type Stats } from '../src/stats.ts'

/** A gateway that has met all there is: so every metric has a line. */
export function everythingHappened(): Stats {
  return {
    ...newStats(),
    requests: new Map([[200, 1]]),
    grpcCalls: new Map([[0, 1]]),
    pushRequests: new Map([[200, 1]]),
    refusals: new Map([['NOT_OTLP', 1]]),
    pointsRejected: new Map([['NAME_CONFLICT', 1]]),
    pointsDropped: one(),
    resourceAttributesDropped: one,
    pointAttributesDropped: one,
    multiprocess: { followed: one(), taken: 1, rejected: one() },
    connections: one(),
    connectionsRefused: one(),
    connectionsCut: new Map([['stalled', 1]]),
    pointsOverflow: one(),
    used: { seriesCountMax: () => 1 },
    otlpOut: { points: 1, dropped: one(), lastSuccessUnixMs: 1 },
    textfile: { written: 1, failed: one(), lastSuccessUnixMs: 1 },
    remoteWrite: [{ ...newRemoteWriteStats({ name: 'one', protocol: 1 }), dropped: one() }],
    statsd: {
      packets: 1,
      lines: 1,
      rejected: one(),
      gatewayDropped: 0,
      kernelDropped: [],
      receiveBufferBytes: 1,
    },
  }
}

function one(): Map<string, number> {
  return new Map([['one', 1]])
}
