import * as v from 'valibot'

/* What values of a file look like: shapes of them, with what is said where they look otherwise. */

/** Nothing under a name is as no name at all: people comment out all that a section has. */
export function mapping(entries: Record<string, v.GenericSchema>): v.GenericSchema {
  const names = Object.keys(entries).join(', ')
  const optional = Object.entries(entries).map(([name, schema]) => [name, v.optional(schema)])
  return v.pipe(
    v.unknown(),
    v.transform((value) => (value === '' ? {} : value)),
    parsed((value) => {
      if (isMapping(value)) return value
      const slip =
        typeof value === 'string' && 'listen' in entries ? `; did you mean { listen: ${value} }?` : ''
      throw new TypeError(`write keys here, each with its value: ${names}${slip}`)
    }),
    v.objectWithRest(Object.fromEntries(optional) as Record<string, v.GenericSchema>, v.never(names))
  )
}

function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Only what is of the right shape is looked at further: one problem, not one and what follows from it. */
export function wanted(what: string, isRight: (value: unknown) => boolean): v.GenericSchema {
  return parsed((value) => {
    if (isRight(value)) return value
    throw new TypeError(`write ${what} here`)
  })
}

export function scalar(what: string, parse: (text: string) => unknown): v.GenericSchema {
  return parsed((value) => {
    if (value === '') throw new TypeError('it has no value; write one, or leave the line out')
    if (typeof value !== 'string') throw new TypeError(`write one value here: ${what}`)
    return parse(value)
  })
}

/** One text is a list of one. */
export function texts(parse: (text: string) => unknown): v.GenericSchema {
  const list = v.pipe(
    v.unknown(),
    v.transform((value) => (typeof value === 'string' && value !== '' ? [value] : value)),
    wanted('a list, as [a, b],', Array.isArray)
  )
  return v.pipe(list, v.array(scalar('a text', parse)))
}

/** What a function makes of a value; where it throws a TypeError, that is the issue. */
export function parsed(parse: (value: unknown) => unknown): v.GenericSchema {
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value)
      } catch (error) {
        if (!(error instanceof TypeError)) throw error
        addIssue({ message: error.message })
        return NEVER
      }
    })
  )
}
