import { build } from 'esbuild'

/*
 * Each entry becomes one file instead of some thirty: every module costs a job 0.4 ms of CPU to load. What POST needs is
 * apart from that, in a file that is loaded when a job posts. It has to be there at once, also in an `exit` handler, so it
 * is CommonJS and is required. A bundler cannot follow that: it takes the condition `module`, and there all is in one file.
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

await Promise.all([
  build({
    ...common,
    entryPoints: entries,
    outdir: 'dist',
    plugins: [{ name: 'apart', setup: keepPostApart }],
  }),
  build({ ...common, entryPoints: ['src/post.ts'], outfile: 'dist/post.cjs', format: 'cjs' }),
  build({ ...common, entryPoints: entries, outdir: 'dist/whole' }),
  build({ ...common, entryPoints: ['src/reader.ts', 'src/testing.ts'], outdir: 'dist' }),
])

function keepPostApart(builder) {
  builder.onLoad({ filter: /\/src\/post\.ts$/ }, () => ({
    contents: `export function openPost(...given) {
      const require = process.getBuiltinModule('node:module').createRequire(import.meta.url)
      return require('./post.cjs').openPost(...given)
    }`,
  }))
}
