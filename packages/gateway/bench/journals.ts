/**
 * Journals taken up: so many files of so many series lie in a spool when a gateway starts. Prints files/s, points/s and
 * CPU seconds of the gateway per million points (its start, 0.2 s, included).
 */
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { journalSuffix, spoolHeaderBytes, writeSpoolHeader } from '@swansong/otlp/spool'
import { sumBody } from './support/bodies.ts'
import { cpuSecondsOf } from './support/cpu.ts'
import { startGateway } from './support/gateway.ts'

/** Of a process that is dead for certain: of this boot and pid namespace, and its pid has another start now. */
const owner = {
  bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  pidNamespace: Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]),
  pid: process.pid,
  startTicks: 1,
}

console.log('  files  series each    files/s    points/s  CPU-s/Mpt')
for (const [files, series] of [
  [2000, 20],
  [10_000, 1],
  [100, 10_000],
] as const) {
  const spoolDir = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
  mkdirSync(spoolDir, { recursive: true })
  const body = sumBody({ points: series, cumulative: true })
  const file = new Uint8Array(spoolHeaderBytes + body.length)
  writeSpoolHeader(file, { kind: 'journal', ended: true, sequence: 1, owner }, body)
  file.set(body, spoolHeaderBytes)
  for (let number = 0; number < files; number++)
    writeFileSync(join(spoolDir, `worker-${number}${journalSuffix}`), file)
  const begun = performance.now()
  const gateway = await startGateway(spoolDir)
  while ((await takenBy(gateway.metricsUrl)) < files) await new Promise((resolve) => setTimeout(resolve, 20))
  const seconds = (performance.now() - begun) / 1000
  const cpu = cpuSecondsOf(gateway.pid)
  const cells = [
    String(files).padStart(7),
    String(series).padStart(12),
    (files / seconds).toFixed(0).padStart(10),
    ((files * series) / seconds).toFixed(0).padStart(11),
    ((cpu / files / series) * 1e6).toFixed(2).padStart(10),
  ]
  console.log(cells.join(' '))
  await gateway.stop()
  rmSync(spoolDir, { recursive: true })
}

async function takenBy(metricsUrl: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text()
  return Number(/swansong_spool_files_taken_total\{kind="journal"\} (\d+)/.exec(text)?.[1] ?? 0)
}
