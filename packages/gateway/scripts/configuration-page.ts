import { completeConfig } from '../src/config/config.ts'
import { presetRules } from '../src/config/rules.ts'
import { keys, valueOf, variableOf, type Key } from '../src/config/schema.ts'

const before = `# The gateway's configuration

<!-- Written by \`npm run docs -w packages/gateway\` from packages/gateway/src/config: change it there. -->

\`\`\`
swansong gateway --config /etc/swansong/swansong.yaml
swansong check-config /etc/swansong/swansong.yaml
\`\`\`

Every key has a default; a gateway needs no file. [A file with comments](../examples/gateway/swansong.yaml) is among the
examples.

**What wins**: flags over variables over the file over the defaults. Each key below is a key of the file (YAML 1.2, anchors
and merge keys included), and a variable of the same name: \`otlp.http.listen\` is \`SWANSONG_OTLP_HTTP_LISTEN\`; a list has
commas there. \`SWANSONG_CONFIG\` is \`--config\`. Rules are written in the file alone. Secrets are in files, never in flags.

**What is wrong is said** all at once, with its place and what to write instead, and nothing starts (exit code 1):

\`\`\`
swansong.yaml:4:5: otlp.http.lisen: there is no such key; did you mean otlp.http.listen?
swansong.yaml:9:17: limits.body_bytes: "64mb" is no size; write bytes, or a number and KiB, MiB or GiB, as 64MiB
\`\`\`

\`swansong check-config FILE\` does the same without a gateway (\`-\` reads stdin), and looks whether the files that are named
can be read; \`--show\` prints every key, its value, and where it comes from. \`swansong status --config FILE\` (and
\`doctor\`) finds the admin port by it, and what lets one in there.

**Reload**: \`SIGHUP\`, or \`POST /-/reload\` on the admin port, reads all of it again. All that is different is changed at once,
between two commits, or nothing is: where something is wrong, or a key has changed that needs a restart, the answer is 400 with the
reasons, and \`swansong_config_last_reload_successful\` is 0. Certificates and secrets need no reload: their files are read
again within seconds of a change.

**How values are written**: durations as Prometheus has them (\`90s\`, \`10m\`, \`1h30m\`, \`35d\`); sizes in bytes, or with
\`KiB\`, \`MiB\`, \`GiB\`; addresses as \`HOST:PORT\`, \`:PORT\` (loopback) or \`[::1]:PORT\`. A relative path in the file is taken from
where the file stands.

## Keys
`

const after = `
## Rules

Rules are a list. For each metric, and each of \`drop\`, \`gauge\`, \`histogram_bounds\` and every single attribute, the first rule
that says something of it decides; the presets' come last. Names are OpenTelemetry's, as they were sent; \`*\` stands for any
characters, none included. What is dropped is counted, so sums over what is left stay right.

| Key of a rule | | Meaning |
| --- | --- | --- |
| \`metrics\` | patterns | The metrics that it is about. Without it: all. |
| \`scopes\` | patterns | Only those of instruments of these scopes. |
| \`drop\` | \`true\`, \`false\` | Points are taken and not counted; \`false\` is an exception from later rules. |
| \`attributes.keep\` | patterns | Without \`attributes.drop\` an allow list: others are dropped. With it: exceptions from it, and from later rules. |
| \`attributes.drop\` | patterns | Attributes that become no labels. The points that differ in them alone are added up. |
| \`gauge\` | \`last\`, \`min\`, \`max\`, \`sum\` | As \`gauge_policy\`, for these. |
| \`histogram_bounds\` | numbers, ascending | Histograms are added up in these, where they have all of them, else rejected. |

## Presets
`

/** `docs/configuration.md`, as it must be. */
export function configurationPage(): string {
  const sections = new Map<string, Key[]>()
  for (const key of keys) {
    const section = key.path.split('.').slice(0, key.path.startsWith('otlp.') ? 2 : 1)
    const name = key.path.includes('.') ? section.join('.') : ''
    sections.set(name, [...(sections.get(name) ?? []), key])
  }
  let text = before
  for (const [name, rows] of sections) {
    text += `\n### ${name === '' ? 'At the top' : `\`${name}\``}\n\n`
    text += '| Key | | Default | Reload | Meaning |\n| --- | --- | --- | --- | --- |\n'
    for (const key of rows) text += rowOf(key)
  }
  text += after
  for (const [preset, rules] of Object.entries(presetRules)) {
    text += `\n\`${preset}\`:\n\n`
    for (const { metrics = ['*'], attributes } of rules) {
      text += `- of ${codes(metrics)} the attributes ${codes(attributes?.drop ?? [])} are dropped.\n`
    }
  }
  return text
}

const defaults = completeConfig()

function rowOf(key: Key): string {
  const cells = [
    `\`${key.path}\`${key.flag === undefined ? '' : `<br>\`${key.flag[0]}\``}`,
    `${key.type.name}${variableOf(key) === undefined ? ', in the file alone' : ''}`,
    defaultOf(key),
    key.reload ? 'yes' : 'restart',
    key.meaning,
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
}

function defaultOf(key: Key): string {
  const value = valueOf(defaults, key)
  if (key.path === 'spool_dir') return '`<data_dir>/spool`'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : codes(value)
  return value === undefined ? 'none' : `\`${key.type.show(value)}\``
}

function codes(values: readonly string[]): string {
  return values.map((value) => `\`${value}\``).join(', ')
}
