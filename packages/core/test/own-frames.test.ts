import { expect, it } from 'vitest'
import { placesOf, printError, toErrorRecord, withoutOwnFrames } from '../src/error-record.ts'

const own = String(placesOf(new URL('../src/own-frames.ts', import.meta.url).href)[2])

it('placesOf returns the folder of a file as URL and as path, or an empty list if the URL is not of a local file', () => {
  const [asUrl, , asPath] = placesOf('file:///app/node_modules/@jobistemer/core/dist/own-frames.js')
  expect(asUrl).toBe('file:///app/node_modules/@jobistemer/core/dist/')
  expect(asPath).toBe('/app/node_modules/@jobistemer/core/dist/')
  for (const madeUp of ['webpack://app/own-frames.js', 'file://host/app/own-frames.js', '/ROOT/own-frames.js', '']) {
    expect([madeUp, placesOf(madeUp)]).toEqual([madeUp, []])
  }
})

it.each<[title: string, frames: readonly string[], kept: number]>([
  ['of a handler ends at the handler', ['/app/jobs.js', `${own}engine/attempt.js`, 'node:async_hooks'], 1],
  [
    'of a call of core keeps the frames of core above the handler',
    [`${own}duration.js`, '/app/jobs.js', `${own}a.js`],
    2,
  ],
  ['without the engine stays whole', ['/app/jobs.js', 'node:internal/timers'], 2],
  ['of the engine alone stays whole', [`${own}engine/a.js`, `${own}engine/b.js`], 2],
])('the stored stack of an error ends at the handler that the engine called: the stack %s', (_, frames, kept) => {
  const line = (frame: string) => `    at work (${frame}:1:2)`
  const stack = ['Error: late', ...frames.map(line)].join('\n')
  expect(withoutOwnFrames(stack)).toBe(['Error: late', ...frames.slice(0, kept).map(line)].join('\n'))
})

it('printed and stored errors omit the stack frames between the engine and the handler', () => {
  const cause = new Error('no paper')
  const error = new Error('late', { cause })
  cause.stack = `Error: no paper\n    at feed (/app/printer.js:1:2)\n    at run (${own}engine/attempt.js:3:4)`
  error.stack = `Error: late\n    at work (/app/jobs.js:1:2)\n    at run (${own}engine/attempt.js:3:4)`
  expect(toErrorRecord(error)).toMatchObject({
    stack: 'Error: late\n    at work (/app/jobs.js:1:2)',
    cause: { stack: 'Error: no paper\n    at feed (/app/printer.js:1:2)' },
  })
  expect(printError(error)).not.toContain('attempt.js')
})
