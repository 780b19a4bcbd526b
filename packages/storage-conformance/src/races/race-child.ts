import type { JsonValue } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import type { FromChild, RaceAssignment, ToChild } from './race-messages.ts'
import { raceScripts } from './race-scripts.ts'

// This module runs in the child processes of the races. A child runs one script for each race.

function send(message: FromChild): void {
  process.send?.(message)
}

let go = (): void => {}

async function run(assignment: RaceAssignment): Promise<JsonValue> {
  const started = new Promise<void>((resolve) => {
    go = resolve
  })
  const script = raceScripts[assignment.script]
  if (script === undefined) throw new TypeError(`there is no race script "${assignment.script}"`)
  const module: Record<string, unknown> = await import(assignment.module)
  const connect = module[assignment.exportName]
  if (typeof connect !== 'function') {
    throw new TypeError(`${assignment.module} exports no function "${assignment.exportName}"`)
  }
  const storage = (await connect(assignment.argument)) as Storage
  send({ kind: 'ready' })
  await started
  const result = await script(storage, assignment.parameters, (value) => send({ kind: 'report', value }))
  await storage.close()
  return result
}

process.on('message', (message: ToChild) => {
  if (message.kind === 'go') return go()
  run(message.assignment).then(
    (result) => send({ kind: 'done', result }),
    (error: unknown) =>
      send({ kind: 'failed', error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})

// A child without its parent receives no further assignments, so the child exits.
process.on('disconnect', () => process.exit())
