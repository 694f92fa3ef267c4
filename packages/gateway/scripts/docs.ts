import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationPage } from './configuration-page.ts'
import { metricsPage } from './metrics-page.ts'

const docs: string = join(import.meta.dirname, '../../../docs')
writeFileSync(join(docs, 'configuration.md'), configurationPage())
writeFileSync(join(docs, 'metrics.md'), metricsPage())
