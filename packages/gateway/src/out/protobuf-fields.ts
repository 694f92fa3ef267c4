/* By io/prometheus/client/metrics.proto: numbers of fields, and of types. */

// MetricFamily
export const nameField = 1
export const helpField = 2
export const typeField = 3
export const metricField = 4
export const unitField = 5
// Metric, beside its labels
export const gaugeField = 2
export const counterField = 3
export const summaryField = 4
export const untypedField = 5
export const histogramField = 7
// Gauge, Counter and Untyped
export const valueField = 1
// Counter
export const counterExemplarField = 2
export const counterStartField = 3
// Histogram
export const bucketField = 3
export const histogramStartField = 15

export const messageTypes = { counter: 0, gauge: 1, summary: 2, untyped: 3, histogram: 4 } as const
