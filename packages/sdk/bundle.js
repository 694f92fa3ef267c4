import { basename } from 'node:path'
import { build } from 'esbuild'

/*
 * Each entry becomes one file instead of some thirty: every module costs a job 0.4 ms of CPU to load. What a
 * job with a journal does not need is apart from that, and loaded when it is called. It has to be there at once, also in an
 * `exit` handler, so it is CommonJS and is required. A bundler cannot follow that: it takes the condition `module`, and there all is in one file.
 * What entries share they hold twice; the state of the process is in one place all the same (worker.ts). Types are tsc's.
 */
const common = {
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: ['@opentelemetry/api', '@opentelemetry/sdk-metrics'],
  sourcemap: 'external',
  sourcesContent: false, // The sources are published beside it.
  logLevel: 'warning',
}
const entries = ['src/index.ts', 'src/register.ts']
const others = ['reader', 'testing', 'diagnosis', 'hand-over']
/** Modules that few jobs come to, under src/, and the one function of each. Each becomes dist/<its last name>.cjs. */
const apart = {
  'post/post': 'openPost',
  'options/all-options': 'readAllOptions',
  'record/observables': 'openCallbacks',
  'capture/captures': 'openCaptures',
}

await Promise.all([
  build({
    ...common,
    entryPoints: entries,
    outdir: 'dist',
    plugins: [{ name: 'apart', setup: keepApart }],
  }),
  build({
    ...common,
    entryPoints: Object.keys(apart).map((path) => ({ in: `src/${path}.ts`, out: basename(path) })),
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
  }),
  build({ ...common, entryPoints: entries, outdir: 'dist/whole' }),
  build({ ...common, entryPoints: others.map((name) => `src/${name}.ts`), outdir: 'dist' }),
])

/** Instead of the module, a function that requires it when it is called. */
function keepApart(builder) {
  for (const [path, exported] of Object.entries(apart)) {
    builder.onLoad({ filter: new RegExp(`/src/${path}\\.ts$`) }, () => ({
      contents: `export function ${exported}(...given) {
        const require = process.getBuiltinModule('node:module').createRequire(import.meta.url)
        return require('./${basename(path)}.cjs').${exported}(...given)
      }`,
    }))
  }
}
