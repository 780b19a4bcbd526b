import { expect, it } from 'vitest'
import { Screen } from '../src/screen.ts'

const escapeCharacter = String.fromCharCode(27)
const escapeCode = `${escapeCharacter}\\[(\\d*)([A-Za-z])`
const pieces = new RegExp(`${escapeCode}|\\n|[^${escapeCharacter}\\n]+`, 'g')

/** A fake terminal that interprets the screen's escape codes. Its text includes the lines that have scrolled out at the top. */
class Terminal {
  readonly isTTY = true
  columns: number
  rows: number
  readonly #lines: string[] = ['']
  #row = 0

  constructor(columns = 40, rows = 10) {
    this.columns = columns
    this.rows = rows
  }

  write(text: string): boolean {
    for (const [part, count, code] of text.matchAll(pieces)) {
      if (part === '\n') this.#newLine()
      else if (code === 'A') this.#up(Number(count))
      else if (code === 'J') this.#lines.splice(this.#row, Number.POSITIVE_INFINITY, '')
      else if (code === undefined) this.#lines[this.#row] += part
    }
    return true
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  #newLine(): void {
    const broken = Math.max(1, Math.ceil((this.#lines[this.#row] as string).length / this.columns))
    for (let more = 1; more < broken; more++) this.#lines.splice(++this.#row, 0, '(broken line)')
    this.#row++
    this.#lines[this.#row] ??= ''
  }

  #up(count: number): void {
    // A terminal cannot move the cursor to lines that have scrolled out.
    expect(count).toBeLessThan(this.rows)
    this.#row -= count
    expect(this.#row).toBeGreaterThanOrEqual(0)
  }
}

function pictureOf(...texts: readonly string[]) {
  return texts.map((text) => ({ text, width: text.length }))
}

it('the screen draws each picture over the previous picture, and prints lines above the picture', () => {
  const terminal = new Terminal()
  const screen = new Screen(terminal, {})
  screen.say('first')
  screen.show(pictureOf('a', 'b'))
  screen.show(pictureOf('c'))
  screen.say('second')
  screen.show(pictureOf('d', 'e'))
  expect(terminal.lines).toEqual(['first', 'second', 'd', 'e', ''])
  screen.clear()
  screen.say('third')
  expect(terminal.lines).toEqual(['first', 'second', 'third', ''])
})

it('the demo’s screen writes nothing if it shows the same picture again', () => {
  let writes = 0
  const screen = new Screen({ isTTY: true, columns: 40, rows: 10, write: () => ++writes > 0 }, {})
  screen.show(pictureOf('a'))
  screen.show(pictureOf('a'))
  expect(writes).toBe(1)
})

it('the screen shows the last lines of a picture that has more lines than the terminal', () => {
  const terminal = new Terminal(40, 4)
  const screen = new Screen(terminal, {})
  for (const last of ['5', '6']) screen.show(pictureOf('1', '2', '3', '4', last))
  expect(terminal.lines).toEqual(['3', '4', '6', ''])
})

it('the screen erases a picture completely, even if the terminal became narrower and wrapped the lines of the picture', () => {
  const terminal = new Terminal(40)
  const screen = new Screen(terminal, {})
  screen.say('first')
  terminal.columns = 10
  screen.show(pictureOf('123456789012345'))
  screen.show(pictureOf('short'))
  expect(terminal.lines).toEqual(['first', 'short', ''])
})

const others: readonly (readonly [string, object, NodeJS.ProcessEnv])[] = [
  ['a pipe', {}, {}],
  ['a dumb terminal', { isTTY: true, columns: 40, rows: 10 }, { TERM: 'dumb' }],
]

it.each(others)(
  'the screen prints lines, but no escape codes and no picture, if its output is %s',
  (_, properties, environment) => {
    let printed = ''
    const write = (text: string) => {
      printed += text
      return true
    }
    const screen = new Screen({ ...properties, write }, environment)
    screen.show(pictureOf('picture'))
    screen.say(screen.paint('bad', 'line'))
    screen.clear()
    expect(screen.live).toBe(false)
    expect(printed).toBe('line\n')
  },
)

it('the demo’s screen uses colors on a terminal, unless NO_COLOR is set', () => {
  const terminal = new Terminal()
  expect(new Screen(terminal, {}).paint('good', 'text')).toBe('\x1b[32mtext\x1b[0m')
  expect(new Screen(terminal, { NO_COLOR: '' }).paint('good', 'text')).toBe('\x1b[32mtext\x1b[0m')
  expect(new Screen(terminal, { NO_COLOR: '1' }).paint('good', 'text')).toBe('text')
})
