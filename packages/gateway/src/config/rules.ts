/** What is shown of the gauges of many writers: the latest value, the least, the greatest, or what living ones have together. */
export type GaugePolicy = 'last' | 'min' | 'max' | 'sum'

/**
 * Names or patterns of them, in which `*` stands for any run of characters, none included: `http.server.*`. They are
 * OpenTelemetry's names, as they were sent, not as Prometheus shows them.
 */
export type Patterns = readonly string[]

/** Which resource attributes become labels. */
export interface ResourceAttributeRules {
  /** The allow list: others are dropped. `service.instance.id` is never kept, as there would be series per process. */
  keep: Patterns
  /** What is dropped of those that `keep` names. */
  drop: Patterns
}

/** Which attributes of points become labels. */
export interface AttributeRules {
  /** Without `drop` an allow list: others are dropped. With `drop`: exceptions from it, and from later rules. */
  keep?: Patterns
  /** Dropped. What is named neither here nor in `keep` is for later rules to say, and is kept in the end. */
  drop?: Patterns
}

/**
 * What becomes of some metrics. Rules are looked at in their order, and for each of `drop`, `gauge`, `histogramBounds` and
 * every single attribute the first that says something of it decides; the presets' come last.
 */
export interface Rule {
  /** Of these metrics, and of instruments of these scopes; all where it is left out. */
  metrics?: Patterns
  scopes?: Patterns
  /** True: points are taken and not counted. False: an exception from later rules. */
  drop?: boolean
  attributes?: AttributeRules
  gauge?: GaugePolicy
  /** Ascending. Histograms with explicit bounds are added up in these, where they have all of them, else rejected. */
  histogramBounds?: readonly number[]
}

/** The names of `presetRules`. */
export type Preset = 'coding-agents'

/** Rules of a name, for what is sent often. */
export const presetRules: Readonly<Record<Preset, readonly Rule[]>> = {
  /**
   * Claude Code, Gemini CLI and Codex put the session, and the person, on every point: a series each. Dropped; what is
   * left (model, type of token, tool, decision …) is added up over all of them.
   */
  'coding-agents': [
    {
      metrics: ['claude_code.*', 'gemini_cli.*', 'gen_ai.*', 'codex.*'],
      attributes: {
        drop: [
          'session.id',
          'conversation.id',
          'prompt.id',
          'installation.id',
          'user.id',
          'user.email',
          'user.account_id',
          'user.account_uuid',
        ],
      },
    },
  ],
}

/** All that is told of what counts, and how. */
export interface RuleSettings {
  resourceAttributes: ResourceAttributeRules
  /** Of gauges of which no rule says another. */
  gaugePolicy: GaugePolicy
  rules: readonly Rule[]
  presets: readonly Preset[]
}
