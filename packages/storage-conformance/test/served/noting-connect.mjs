import { appendFileSync } from 'node:fs'
import { memoryStorage } from '@jobistemer/storage-memory'

/** Appends the id of the connecting process to a file. Throws if the parameter `fails` is set. */
export function connect({ file, fails }) {
  appendFileSync(file, `${process.pid}${fails ? ' fails' : ''}\n`)
  if (fails) throw new Error('cannot connect')
  return memoryStorage()
}
