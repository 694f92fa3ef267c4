/** Reads the closing lines of `node --test` (`ℹ pass 12`), summed, should a script run it more than once. */
export function testsCounted(lines, code) {
  const totals = { pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
  const why = []
  for (const line of lines) {
    const total = /^ℹ (pass|fail|cancelled|skipped|todo) (\d+)$/.exec(line)
    if (total !== null) totals[total[1]] += Number(total[2])
    const empty = /^✔ (\S+\.test\.[jt]s) \(/.exec(line) // How Node shows a file that ran and tested nothing: as a pass.
    if (empty === null) continue
    totals.pass--
    totals.fail++
    why.push(`${empty[1]} holds no test`)
  }
  if (totals.skipped + totals.todo > 0)
    why.push(`${totals.skipped} skipped, ${totals.todo} todo: these count as failed`)
  let failed = totals.fail + totals.cancelled + totals.skipped + totals.todo
  if (totals.pass + failed === 0) why.push('no test ran')
  if (failed === 0 && (code !== 0 || totals.pass === 0)) failed = 1
  return { passed: totals.pass, failed, why }
}
