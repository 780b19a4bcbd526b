import { mostListed } from '../../../tuning.ts'
import { longestOutputLine } from './tuning.ts'

/** Native stack frames, of which V8 prints many when a process runs out of memory. */
const nativeFrame = /^\s*\d+: 0x/

/** The last lines of an output stream. */
export class LastLines {
  #lines: string[] = []
  #open = ''

  add(text: string): void {
    const lines = (this.#open + text).split('\n')
    this.#open = (lines.pop() as string).slice(0, longestOutputLine)
    this.#keep(lines)
  }

  get(): string {
    this.#keep([this.#open])
    this.#open = ''
    return this.#lines.join('\n')
  }

  #keep(lines: readonly string[]): void {
    const kept = lines.filter((line) => line.trim() !== '' && !nativeFrame.test(line))
    this.#lines = [...this.#lines, ...kept.map((line) => line.slice(0, longestOutputLine))].slice(-mostListed)
  }
}
