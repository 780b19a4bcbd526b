import { readFile } from 'node:fs/promises'
import * as kit from '@jobistemer/storage-conformance'
import * as protocol from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'

const guide = await readFile(new URL('../docs/write-your-own-adapter.md', import.meta.url), 'utf8')
const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

/** The functions that a text calls inside backticks. */
function namedFunctions(text: string): readonly string[] {
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => String(span))
  return [...new Set(spans.flatMap((span) => [...span.matchAll(/(?<![.\w])(\w+)\(/g)].map(([, name]) => String(name))))]
}

const methods = ['saveJobs', 'createOccurrences', 'claim', 'settle', 'cancel', 'reap', 'prune', 'listOccurrences']

describe('the guide', () => {
  it('names only functions that the packages export', () => {
    const known = [...Object.keys(protocol), ...Object.keys(kit), ...methods]
    const named = [...namedFunctions(guide), ...namedFunctions(readme)].filter(
      (name) => !['journalStorage', 'run'].includes(name),
    )
    expect(named.length).toBeGreaterThan(20)
    expect(named.filter((name) => !known.includes(name))).toEqual([])
  })

  it('speaks of every decision and transition that an adapter can use', () => {
    const internal = ['nextLineage', 'isFinal', 'decidedUpTo']
    const functions = Object.entries(protocol).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
    expect(functions.filter((name) => !internal.includes(name) && !guide.includes(`${name}`))).toEqual([])
  })

  it('speaks of every method of a storage', async () => {
    const { memoryStorage } = await import('@jobistemer/storage-memory')
    const storage = memoryStorage()
    const members = [...methods, 'get', 'listJobs', 'close', 'serverTime', 'subscribe', 'capabilities']
    for (const name of members) expect(guide).toContain(`\`${name}`)
    for (const name of methods) expect(Reflect.get(storage, name)).toBeTypeOf('function')
    await storage.close()
  })
})
