import { userInfo } from 'node:os'
import { diagnose, type Diagnosis } from '@swansong/sdk/diagnosis'
import type { Command } from 'commander'
import type { Status } from '../out/admin.ts'
import { addAdminFlags, adminPortOf, fetchStatus, type AdminFlags } from './admin-port.ts'

/** `ok`: nothing to do. `look`: counts arrive, but something is not as it should be. `fix`: counts are lost. */
type Verdict = 'ok' | 'look' | 'fix'

interface Finding {
  verdict: Verdict
  about: string
  /** What was found and, where something is wrong, what to do. */
  text: string
}

interface Flags extends AdminFlags {
  json?: true
}

/** As long as a worker takes a found directory for living. */
const heartbeatMsMax: number = 15 * 60 * 1000
const freeShareMin = 0.05
/** Longer than the longest interval that people scrape at. */
const scrapeSecondsMax = 300
/** Others may write into it, but neither list it nor take away what is not theirs. */
const spoolMode = 0o3733

/** `swansong doctor`: run as a job's user, with its environment. Exit 1 where counts of that job would be lost. */
export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description("as a job's user, with its environment: which way its counts take, and what to fix")
  addAdminFlags(command).option('--json', 'the findings as JSON').action(run)
}

async function run(flags: Flags): Promise<void> {
  const diagnosis = await diagnose()
  const status = await adminPortOf(flags)
    .then(fetchStatus)
    .catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
  const findings = [
    findUser(),
    findWay(diagnosis),
    ...findVariables(diagnosis),
    ...findSpool(diagnosis),
    ...findEndpoint(diagnosis),
    ...findGateway(status),
  ]
  if (flags.json) process.stdout.write(`${JSON.stringify(findings, undefined, 2)}\n`)
  else {
    for (const { verdict, about, text } of findings)
      process.stdout.write(`${verdict.padEnd(5)}${about.padEnd(12)}${text}\n`)
  }
  process.exitCode = findings.some(({ verdict }) => verdict === 'fix') ? 1 : 0
}

function findUser(): Finding {
  const { username, uid } = userInfo()
  const text = `${username}, uid ${uid}: what follows holds for this user, and these variables`
  return { verdict: 'ok', about: 'user', text }
}

function findWay({ way, why }: Diagnosis): Finding {
  if (way === 'nowhere') {
    const remedy = why.startsWith('OTEL_') ? 'unset it' : 'unset it, or set SWANSONG_EXPORT=1'
    return { verdict: 'fix', about: 'way out', text: `none: ${why}; ${remedy}` }
  }
  return { verdict: 'ok', about: 'way out', text: `${way === 'journal' ? 'a journal' : 'POST'}: ${why}` }
}

function findVariables({ complaints }: Diagnosis): Finding[] {
  return complaints.map((text) => ({ verdict: 'fix', about: 'variables', text }))
}

function findSpool({ way, spool }: Diagnosis): Finding[] {
  if (spool === undefined) return []
  const { directory, heartbeat, mode, freeShare, fault, takenMs } = spool
  const bad: Verdict = way === 'journal' ? 'fix' : 'look' // By POST it is the second resort.
  const findings: Finding[] = []
  const add = (verdict: Verdict, text: string): void => {
    findings.push({ verdict, about: 'spool', text })
  }
  if (fault !== undefined) {
    const what =
      mode === undefined
        ? 'there is no such directory: start a gateway with this --spool-dir, or correct SWANSONG_SPOOL_DIR'
        : `its mode is ${mode.toString(8)}; the gateway makes it ${spoolMode.toString(8)}: chmod it`
    add(bad, `this user cannot put files into ${directory}: ${fault}; ${what}`)
  } else if (takenMs === undefined) {
    add(bad, `a batch was put into ${directory}, and nobody took it: is its gateway running?`)
  } else add('ok', `a batch that was put into ${directory} was taken after ${Math.round(takenMs)} ms`)
  if (mode !== undefined) {
    if (heartbeat === undefined) {
      add(bad, 'no gateway ever said that it keeps this directory; start one with this --spool-dir')
    } else {
      const by = `pid ${heartbeat.pid} on ${heartbeat.host}, ledger ${heartbeat.ledger}`
      const seconds = Math.round(heartbeat.ageMs / 1000)
      if (heartbeat.stopped)
        add('look', `its gateway (${by}) was stopped ${seconds} s ago; files wait for the next`)
      else if (heartbeat.ageMs > heartbeatMsMax || (fault === undefined && takenMs === undefined))
        add('look', `its gateway (${by}) was last alive ${seconds} s ago`)
      else add('ok', `its gateway lives: ${by}, ${seconds} s ago`)
    }
    if (mode !== spoolMode && fault === undefined) {
      const seen = `${mode.toString(8)} instead of ${spoolMode.toString(8)}`
      add('look', `the mode of ${directory} is ${seen}: others may read or remove files; chmod it`)
    }
  }
  if (freeShare !== undefined && freeShare < freeShareMin) {
    add(
      'look',
      `its disk has ${Math.floor(freeShare * 100)} % free: workers that found it by themselves post instead`
    )
  }
  return findings
}

function findEndpoint({ endpoint, spool }: Diagnosis): Finding[] {
  if (endpoint === undefined) return []
  const { name, fault, tookMs } = endpoint
  if (fault === '') {
    const text = `${name} took an empty request after ${Math.round(tookMs)} ms`
    return [{ verdict: 'ok', about: 'endpoint', text }]
  }
  const isSafe = spool?.fault === undefined && spool?.takenMs !== undefined
  const meanwhile = isSafe ? '; meanwhile counts go to the spool' : ''
  const text = `${name}: ${fault}; ${remedyOf(endpoint)}${meanwhile}`
  return [{ verdict: isSafe ? 'look' : 'fix', about: 'endpoint', text }]
}

function remedyOf({ status, fault }: { status: number | undefined; fault: string }): string {
  if (status === 401)
    return 'set OTEL_EXPORTER_OTLP_HEADERS to one, as authorization=Bearer%20TOKEN, or correct it'
  if (status === 404 || status === 405)
    return 'is this the port of OTLP/HTTP (4318), and does OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, taken as it is, end with /v1/metrics?'
  if (/wrong version number|packet length/i.test(fault))
    return 'is TLS spoken there? If not, write http: instead of https:'
  if (/certificate|ssl|tls/i.test(fault))
    return 'name the authority that signed it with OTEL_EXPORTER_OTLP_CERTIFICATE, or ask whoever keeps the gateway'
  if (status === undefined && fault.includes('closed'))
    return 'is it OTLP/HTTP that is spoken there (4318, not 4317), and with TLS (https:)?'
  return 'start a gateway there, or set the endpoint to one'
}

function findGateway(status: Status | string): Finding[] {
  if (typeof status === 'string') {
    return [{ verdict: 'look', about: 'gateway', text: `not asked: ${status}` }]
  }
  const { version, pid, series, lastScrape, upSeconds } = status
  const findings: Finding[] = [
    {
      verdict: status.ready ? 'ok' : 'fix',
      about: 'gateway',
      text: `${version}, pid ${pid}, ${series} series${status.ready ? '' : '; its store failed: see its log'}`,
    },
  ]
  const written = status.textfile?.lastSuccessSecondsAgo
  if (lastScrape === undefined && written !== undefined) {
    const text = `none seen; the textfile was written ${written} s ago, for node_exporter to show`
    findings.push({ verdict: written > scrapeSecondsMax ? 'fix' : 'ok', about: 'scrape', text })
  } else if (lastScrape === undefined && status.remoteWrite.length > 0) {
    findings.push({ verdict: 'ok', about: 'scrape', text: 'none seen; series go out by remote write' })
  } else if (lastScrape === undefined) {
    const text = `none seen; has Prometheus a job for the gateway's --metrics address, with honor_labels: true?`
    findings.push({ verdict: upSeconds > scrapeSecondsMax ? 'fix' : 'look', about: 'scrape', text })
  } else {
    const { secondsAgo, by } = lastScrape
    const text = `the last one was ${secondsAgo} s ago, by ${by}`
    findings.push({ verdict: secondsAgo > scrapeSecondsMax ? 'fix' : 'ok', about: 'scrape', text })
  }
  return [...findings, ...status.remoteWrite.map((receiver) => findReceiver(receiver, upSeconds))]
}

function findReceiver(receiver: Status['remoteWrite'][number], upSeconds: number): Finding {
  const { name, lastSuccessSecondsAgo, queueBytes } = receiver
  const isLate = (lastSuccessSecondsAgo ?? upSeconds) > scrapeSecondsMax
  const last =
    lastSuccessSecondsAgo === undefined
      ? 'took nothing yet'
      : `last took samples ${lastSuccessSecondsAgo} s ago`
  const remedy = isLate ? `, ${queueBytes} bytes are queued; the gateway's log says why` : ''
  return { verdict: isLate ? 'fix' : 'ok', about: 'receiver', text: `${name} ${last}${remedy}` }
}
