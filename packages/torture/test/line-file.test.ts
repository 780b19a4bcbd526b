import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { LineFollower, LineWriter, readLines } from '../src/record/line-file.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'jobistemer-lines-'))
  file = join(folder, 'lines.jsonl')
})

afterEach(() => rmSync(folder, { recursive: true }))

it('readLines returns the lines of several writers in the order of the writes', () => {
  const writers = [new LineWriter(file), new LineWriter(file)]
  for (let number = 0; number < 6; number++) writers[number % 2]?.write({ number })
  for (const writer of writers) writer.close()
  expect(readLines(file)).toEqual({ lines: [0, 1, 2, 3, 4, 5].map((number) => ({ number })), torn: 0 })
})

it('readLines skips an incomplete line, counts it, and returns the lines around it', () => {
  const writer = new LineWriter(file)
  writer.write({ number: 1 })
  appendFileSync(file, '\n{"numb')
  writer.write({ number: 2 })
  writer.close()
  expect(readLines(file)).toEqual({ lines: [{ number: 1 }, { number: 2 }], torn: 1 })
})

it('readLines returns no lines for a file that does not exist', () => {
  expect(readLines(file)).toEqual({ lines: [], torn: 0 })
})

it('LineFollower returns each line once, even a line written in two parts', () => {
  const follower = new LineFollower<{ readonly number: number }>(file)
  expect(follower.read()).toEqual([])
  appendFileSync(file, '\n{"number":1}\n\n{"num')
  expect(follower.read()).toEqual([{ number: 1 }])
  expect(follower.read()).toEqual([])
  appendFileSync(file, 'ber":2}\n')
  expect(follower.read()).toEqual([{ number: 2 }])
})
