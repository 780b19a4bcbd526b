import { readdirSync, readFileSync } from 'node:fs'
import type { Logger, Tracing } from '@jobistemer/core'
import { metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import * as stages from '../support/stages.ts'
import { Cast, type Stage } from '../support/stages.ts'

const core = new URL('../../../core/', import.meta.url)
const document = readFileSync(new URL('docs/log.md', core), 'utf8')

/** A row of docs/log.md: the level, message and fields of a log line. */
interface Row {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: readonly string[]
}

const levels: Readonly<Record<string, keyof Logger>> = {
  Errors: 'error',
  Warnings: 'warn',
  Information: 'info',
  Debugging: 'debug',
}

const rows = document.split(/^## /m).flatMap((section): Row[] => {
  const level = levels[section.slice(0, section.indexOf('\n'))]
  if (level === undefined) return []
  const cells = [...section.matchAll(/^\| (.+?) \| (`.+?) \| .+ \|$/gm)]
  return cells.map(([, message = '', fields = '']) => ({
    level,
    message,
    fields: [...fields.matchAll(/`(\w+)`/g)].map(([, name = '']) => name).sort(),
  }))
})

const fromHandlers = 'said by a handler'

/** Brings schedulers into a test situation, and returns the lines that the schedulers log. */
async function loggedOn(stage: Stage): Promise<readonly Row[]> {
  const { logger, lines } = collectingLogger()
  const fail = (): never => {
    throw new Error('no')
  }
  const tracing: Tracing = { outside: (call) => call(), requested: () => null, started: fail }
  const options = { logger, metrics: { ...metricsCollector(), observe: fail }, tracing }
  await stage(new Cast({ options, watch: (scheduler) => void scheduler.on('occurrence.finished', fail) }))
  const said = lines.filter(({ message }) => message !== fromHandlers)
  return said.map(({ level, message, ...fields }) => ({ level, message, fields: Object.keys(fields).sort() }))
}

const print = ({ level, message, fields }: Row): string => `${level}: ${message} (${fields.join(', ')})`

describe('docs/log.md', () => {
  const logged = new Set<string>()

  it.each(Object.entries(stages).filter(([name]) => name !== 'Cast') as [string, Stage][])(
    'contains each line that core logs in the situation %s, with the level and the fields of the line',
    async (_, stage) => {
      const said = (await loggedOn(stage)).map(print)
      for (const line of said) logged.add(line)
      expect(rows.map(print)).toEqual(expect.arrayContaining(said))
    },
  )

  it('contains only lines that core logs in at least one of the situations of this test', () => {
    expect(rows.map(print).filter((line) => !logged.has(line))).toEqual([])
  })

  it('contains each message in the code of core', () => {
    const messages = rows.map(({ message }) => message)
    const literals = readdirSync(new URL('src/', core), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => messagesIn(readFileSync(new URL(`src/${file}`, core), 'utf8')))
    expect(literals.length).toBeGreaterThan(20)
    expect(messages).toEqual(expect.arrayContaining(literals))
  })
})

/**
 * Returns the messages that are literals in logger calls of the source. This function does not find messages that the code
 * composes at run time. The test situations log those messages.
 */
function messagesIn(source: string): readonly string[] {
  const calls = [...source.matchAll(/\blogger(?:\.\w+|\[\w+\])\(([\s\S]*?)\)(?=\n| *else\b)/g)]
  return calls.flatMap(([, given = '']) => /'([^'\n]+)',?\s*$/.exec(given)?.[1] ?? [])
}
