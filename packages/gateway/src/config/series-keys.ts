import type { TranslationStrategy } from './config.ts'
import { type GaugePolicy, presetRules } from './rules.ts'
import type { Key } from './schema.ts'
import * as values from './values.ts'

const restart = { reload: false } as const
const live = { reload: true } as const

/** In the words of the file. */
export const gaugePolicies: readonly GaugePolicy[] = ['last', 'min', 'max', 'sum']

const translationStrategies: readonly TranslationStrategy[] = [
  'UnderscoreEscapingWithSuffixes',
  'UnderscoreEscapingWithoutSuffixes',
  'NoUTF8EscapingWithSuffixes',
  'NoTranslation',
]

/** What points become, what series are called, and how long they stay. */
export const seriesKeys: readonly Key[] = [
  {
    path: 'resource_attributes.keep',
    field: 'resourceAttributes.keep',
    type: values.listOf(values.text('patterns')),
    meaning:
      'Resource attributes that become labels, `*` standing for any characters. All others are dropped, so that series do ' +
      'not grow with processes.',
    ...live,
  },
  {
    path: 'resource_attributes.drop',
    field: 'resourceAttributes.drop',
    type: values.listOf(values.text('patterns')),
    meaning: 'What is dropped of those.',
    ...live,
  },
  {
    path: 'gauge_policy',
    field: 'gaugePolicy',
    type: values.oneOf('gauge policy', gaugePolicies),
    meaning:
      'What is shown of a gauge of many writers: the latest value, the least, the greatest, or what living ones have together.',
    ...live,
  },
  {
    path: 'rules',
    field: 'rules',
    type: values.structure('rules'),
    meaning: 'What becomes of some metrics: see Rules, below.',
    ...live,
  },
  {
    path: 'presets',
    field: 'presets',
    type: values.listOf(values.oneOf('preset', Object.keys(presetRules))),
    meaning: 'Rules that come with Swansong; they are looked at after `rules`.',
    ...live,
  },
  {
    path: 'translation_strategy',
    field: 'translationStrategy',
    type: values.oneOf('translation strategy', translationStrategies),
    meaning:
      'What metrics and labels are called where they are shown to Prometheus: characters that it did not always take as `_`, ' +
      'or as they are; with the unit and `_total` behind, or not. docs/exposition.md has a table.',
    ...restart,
  },
  {
    path: 'openmetrics_created',
    field: 'openMetricsCreated',
    type: values.boolean,
    meaning:
      'In OpenMetrics each counter and histogram has a further line, `_created`: when it began. Leave it, unless Prometheus ' +
      'runs with `--enable-feature=created-timestamp-zero-ingestion`: else these are further series.',
    ...live,
  },
  {
    path: 'retries',
    field: 'retries',
    type: values.oneOf('way to tell retries', ['auto', 'strict']),
    meaning:
      'Which identical batches without ids are retries. `auto`: those whose first answer was not certainly delivered; ' +
      '`strict`: all, for gateways behind a proxy.',
    ...live,
  },
  {
    path: 'first_increment_hold',
    field: 'firstIncrementHoldMs',
    type: values.hold,
    meaning:
      'How long scrapers are shown a newborn counter or histogram at 0, so that Prometheus sees its first increment ' +
      '([why](first-increment.md)). `auto`: twice the longest interval at which one of them scrapes, from 2 to 130 s, and ' +
      '70 s until one was seen twice.',
    ...live,
  },
  {
    path: 'series_ttl',
    field: 'seriesTtlMs',
    type: values.within(values.durationOrNever, 60_000, Infinity),
    meaning:
      "A line of `/metrics` that nothing was added to for so long (gateway's uptime) ends, a newborn one not before scrapers " +
      'were shown what it is. Gauges do not.',
    ...live,
  },
  {
    path: 'gauge_ttl',
    field: 'gaugeTtlMs',
    type: values.within(values.durationOrNever, 60_000, Infinity),
    meaning: 'The same for gauges.',
    ...live,
  },
]
