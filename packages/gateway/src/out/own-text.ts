import type { ShownLimit } from './limits-shown.ts'
import { escapedValue } from './names.ts'
import { escaped } from './naming.ts'
import type { Escaping } from './negotiation.ts'
import { withoutTotal } from './openmetrics.ts'

/** In which of the text formats. */
export interface OwnFormat {
  isOpenMetrics: boolean
  escaping: Escaping
}

export const plainText: OwnFormat = { isOpenMetrics: false, escaping: 'underscores' }

/** What the gateway says of itself, as text. */
export class OwnText {
  text = ''
  readonly #format: OwnFormat

  constructor(format: OwnFormat) {
    this.#format = format
  }

  one(name: string, type: 'counter' | 'gauge', help: string, value: number, labels = ''): void {
    const shown = this.#head(name, type, help)
    this.text += `${shown}${labels === '' ? '' : `{${labels}}`} ${value}\n`
  }

  many(
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    values: readonly (readonly [labels: string, value: number])[]
  ): void {
    if (values.length === 0) return
    const shown = this.#head(name, type, help)
    for (const [labels, value] of values) this.text += `${shown}{${labels}} ${value}\n`
  }

  each(
    name: string,
    help: string,
    label: string,
    counts: ReadonlyMap<string | number, number>,
    type: 'counter' | 'gauge' = 'counter'
  ): void {
    if (counts.size === 0) return
    const shown = this.#head(name, type, help)
    for (const [key, count] of counts) {
      const value = typeof key === 'string' ? key.toLowerCase() : key
      this.text += `${shown}{${label}="${value}"} ${count}\n`
    }
  }

  /** One name for all, so that one alert watches them: `swansong_limit_used / swansong_limit > 0.8`. */
  limits(limits: Readonly<Record<string, ShownLimit>>): void {
    const shown = this.#head('limit', 'gauge', 'Limits as they are set; times in seconds.')
    for (const [name, { limit }] of Object.entries(limits))
      this.text += `${shown}{limit="${name}"} ${limit}\n`
    const shownUsed = this.#head('limit_used', 'gauge', 'How much of a limit is used.')
    for (const [name, { used }] of Object.entries(limits))
      if (used !== undefined) this.text += `${shownUsed}{limit="${name}"} ${used}\n`
  }

  /** By what others have named: as it is. */
  byName(
    name: string,
    help: string,
    label: string,
    counts: ReadonlyMap<string, number>,
    type: 'counter' | 'gauge' = 'counter'
  ): void {
    if (counts.size === 0) return
    const shown = this.#head(name, type, help)
    for (const [key, count] of counts) this.text += `${shown}{${label}="${escapedValue(key)}"} ${count}\n`
  }

  /** Returns what the samples of a family are called. */
  #head(name: string, type: 'counter' | 'gauge', help: string): string {
    const { isOpenMetrics, escaping } = this.#format
    const shown = escaped(`swansong_${name}`, escaping)
    const family = isOpenMetrics && type === 'counter' ? withoutTotal(shown) : shown
    const told = isOpenMetrics ? escapedValue(help) : help
    this.text += `# HELP ${family} ${told}\n# TYPE ${family} ${type}\n`
    return shown
  }
}
