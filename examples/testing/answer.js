import { counter, histogram } from '@swansong/sdk'

const tokens = counter('tokens', { unit: '{token}', attributes: ['model', 'type'] })
const sizes = histogram('answer.size', { unit: '{token}', attributes: ['model'], boundaries: [1, 10, 100] })

/** Says the words of a question again, backwards; the small model stops after three. */
export function answer(question, model = 'small') {
  const asked = question.split(/\s+/).filter((word) => word !== '')
  tokens.add(asked.length, { model, type: 'input' })
  if (asked.length === 0) throw new Error('no question')
  const said = asked.reverse().slice(0, model === 'small' ? 3 : undefined)
  tokens.add(said.length, { model, type: 'output' })
  sizes.record(said.length, { model })
  return said.join(' ')
}
