import { becauseOf } from './process/exit.ts'
import { sayLine } from './process/say.ts'
import { worker } from './worker.ts'

/**
 * A handler that is called many times by something that freezes the process in between (AWS Lambda and its like): what each
 * call has recorded is flushed before its result is given back. What the handler returns or throws stays what it is; what
 * could not be delivered is said in one line on stderr, and is tried again with the next call.
 */
export function counted<Args extends unknown[], Result>(
  handler: (...args: Args) => Result | PromiseLike<Result>
): (...args: Args) => Promise<Result> {
  return async function (this: unknown, ...args) {
    try {
      return await handler.apply(this, args)
    } finally {
      await worker().flush().catch(tell)
    }
  }
}

function tell(error: unknown): void {
  sayLine(becauseOf(error).replace(/^swansong: /, ''))
}
