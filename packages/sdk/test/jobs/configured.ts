import { configure, counted, counter, flush, observableGauge } from '@swansong/sdk'

/** What the job says in its code: `configured.ts ROLE JSON-OF-OPTIONS`. */
const [role, options = '{}'] = process.argv.slice(2)
const jobs = counter('jobs')
if (role === 'late') jobs.add(1)
configure(JSON.parse(options) as object)
configure({ resourceAttributes: { team: 'a' } })

if (role === 'limit') for (let id = 0; id < 100; id++) jobs.add(1, { id })
else if (role === 'counted') {
  const handle = counted(async (event: number) => {
    jobs.add(event)
    if (event === 3) throw new Error('on purpose')
    return event * 2
  })
  const told: unknown[] = []
  for (const event of [1, 2, 3, 4]) {
    told.push(await handle(event).catch((error: unknown) => (error as Error).message))
  }
  console.log(JSON.stringify(told))
  process.kill(process.pid, 'SIGKILL') // What was frozen may never be thawed.
} else if (role === 'observed') {
  observableGauge('level').addCallback((result) => result.observe(7))
  await new Promise((resolve) => setTimeout(resolve, 300))
  process.kill(process.pid, 'SIGKILL')
} else if (role === 'flush') {
  jobs.add(1)
  await flush().then(
    () => console.log('flushed'),
    (error: unknown) => console.log((error as Error).message)
  )
} else jobs.add(1)
