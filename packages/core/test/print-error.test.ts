import { expect, it } from 'vitest'
import { placesOf, printError } from '../src/print-error.ts'

it('finds the engine in what stacks name, and takes nothing for it in bundles', () => {
  const [asUrl, , asPath] = placesOf('file:///app/node_modules/@jobistemer/core/dist/print-error.js')
  expect(asUrl).toBe('file:///app/node_modules/@jobistemer/core/dist/engine/')
  expect(asPath).toBe('/app/node_modules/@jobistemer/core/dist/engine/')
  for (const madeUp of ['webpack://app/print-error.js', 'file://host/app/print-error.js', '/ROOT/print-error.js', '']) {
    expect([madeUp, placesOf(madeUp)]).toEqual([madeUp, []])
  }
})

it('leaves out who called a handler', () => {
  const error = new Error('late')
  const [, , path] = placesOf(new URL('../src/print-error.ts', import.meta.url).href)
  error.stack = `Error: late\n    at work (/app/jobs.js:1:2)\n    at run (${path}run/attempt.js:3:4)`
  expect(printError(error)).toBe('Error: late\n    at work (/app/jobs.js:1:2)')
})
