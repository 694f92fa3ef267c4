import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ScrapeIntervals } from '../../src/out/scrape-intervals.ts'

const prometheus = 'Prometheus/2.42.0, 127.0.0.1'

/** Scrapers that come by connections, and a clock that is turned by hand. */
function scrapers() {
  let ms = 5000
  const intervals = new ScrapeIntervals(() => ms)
  const connection = (): { destroyed: boolean } => ({ destroyed: false })
  return {
    intervals,
    connection,
    pass: (by: number) => (ms += by),
    scrape: (by: { destroyed: boolean }, name = prometheus) => intervals.seen(name, by, true),
    holds: (want: number) => assert.equal(intervals.holdMs, want),
  }
}

test('70 s before a scraper was seen twice, then twice the longest interval, 2 s at least and 130 s at most', () => {
  const check = (intervalMs: number, want: number): void => {
    const { connection, pass, scrape, holds } = scrapers()
    const one = connection()
    holds(70_000)
    scrape(one)
    holds(70_000)
    pass(intervalMs)
    scrape(one)
    holds(want)
    pass(intervalMs)
    scrape(one)
    holds(want)
  }
  check(15_000, 30_000)
  check(60_000, 120_000)
  check(100, 2000)
  check(1000, 2000)
  check(66_000, 130_000)
  check(3_600_000, 130_000)
})

test('two scrapers on one machine are two, by their connections: the slower one counts', () => {
  const { connection, pass, scrape, holds } = scrapers()
  const [often, seldom] = [connection(), connection()]
  for (let second = 0; second <= 20; second++) {
    scrape(often)
    if (second % 10 === 3) scrape(seldom)
    pass(1000)
  }
  holds(20_000)
})

test('one that comes by another connection each time is known by its address and agent', () => {
  const { connection, pass, scrape, holds } = scrapers()
  for (let at = 0; at < 3; at++) {
    const once = connection()
    scrape(once, 'vmagent, 10.0.0.1')
    once.destroyed = true
    pass(20_000)
  }
  holds(40_000)
})

test('a scraper that has just come counts as one of a minute until it was seen twice, is gone, or took too long', () => {
  const { connection, pass, scrape, holds } = scrapers()
  const old = connection()
  scrape(old)
  pass(1000)
  scrape(old)
  holds(2000)
  const [second, gone, never] = [connection(), connection(), connection()]
  scrape(second, 'another')
  holds(70_000)
  pass(5000)
  scrape(second, 'another')
  holds(10_000)
  scrape(gone, 'a third')
  holds(70_000)
  gone.destroyed = true
  holds(10_000)
  scrape(never, 'a fourth')
  pass(70_000)
  holds(70_000)
  pass(1)
  holds(10_000)
})

test('who does not say that it returns changes nothing by one request', () => {
  const { connection, pass, scrape, holds, intervals } = scrapers()
  const one = connection()
  scrape(one)
  pass(3000)
  scrape(one)
  intervals.seen('curl, 127.0.0.1', connection(), false)
  holds(6000)
})

test('what was known before a restart holds until it is forgotten; a longer interval is forgotten within twenty minutes', () => {
  const { connection, pass, scrape, holds, intervals } = scrapers()
  intervals.restore(15_000)
  holds(30_000)
  const one = connection()
  for (let minute = 0; minute < 22; minute++) {
    for (let at = 0; at < 60; at++) {
      scrape(one)
      pass(1000)
    }
    if (minute < 9) holds(30_000)
  }
  holds(2000)
})
