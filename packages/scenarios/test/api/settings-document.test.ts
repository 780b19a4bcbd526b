import { readFileSync } from 'node:fs'
import { createClient, createScheduler, defineJob, type JobSettings } from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import { expect, it } from 'vitest'

const document = readFileSync(new URL('../../../core/docs/settings.md', import.meta.url), 'utf8')
/** The first table. */
const [table = ''] = document.split('\n¹ ')
const rows = [...table.matchAll(/^\| `(\w+)`(?: ¹)? \| (.+?) \|/gm)].map(([, name = '', text = '']) => ({ name, text }))

const unitMs = { min: 60_000, h: 3_600_000, d: 86_400_000 }

it('docs/settings.md lists each setting with its default for a job with a schedule', async () => {
  const defaults = await defaultSettings()
  expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(defaults).map(inputName).sort())
  const stated = rows.map(({ name, text }) => [name, readDefault(name, text)])
  const actual = Object.entries(defaults).map(([name, value]) => [inputName(name), value])
  expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(actual))
})

async function defaultSettings(): Promise<JobSettings> {
  const storage = memoryStorage()
  const tasks = [{ name: 'none', run: () => undefined }]
  const scheduler = createScheduler({
    storage,
    jobs: [defineJob({ name: 'plain', schedule: cron('0 0 * * *'), tasks })],
  })
  await scheduler.start()
  await scheduler.shutdown()
  const client = createClient({ storage })
  const { settings } = await client.job('plain')
  await client.close()
  return settings
}

/** Converts the name of a resolved setting to the name of the option: without the suffix `Ms`. */
function inputName(name: string): string {
  return name.replace(/Ms$/, '')
}

/** Reads the first value in a table cell, and returns it in the form of resolved settings. */
function readDefault(name: string, text: string): unknown {
  const history = /^(\d+) d and the latest (\d+)$/.exec(text)
  if (history !== null) return { olderThanMs: Number(history[1]) * unitMs.d, keep: Number(history[2]) }
  const duration = /^(\d+) (min|h)$/.exec(text)
  if (duration !== null) return Number(duration[1]) * unitMs[duration[2] as 'min' | 'h']
  if (/^-?[\d,]+$/.test(text)) return Number(text.replaceAll(',', ''))
  const [, word = ''] = /^`(\w+)`/.exec(text) ?? []
  if (text === 'none' || ['false', 'never', 'unlimited', 'executionTimeout'].includes(word)) return null
  return name === 'recoveryStrategy' ? { type: word } : word
}
