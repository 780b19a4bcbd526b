import type { WriteStream } from 'node:tty'
import { colour, noColour, type Paint } from './style.ts'

/** The members of standard output that the screen uses. */
export type Output = Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>

/** A line of the live picture: its text with escape codes, and its width without them. */
export interface PictureLine {
  readonly text: string
  readonly width: number
}

const widthWithoutTerminal = 120

/**
 * Prints the demo's output as lines. On a terminal, also draws a picture below the lines, and draws the picture again
 * after each change. Without a terminal, prints the lines without escape codes.
 */
export class Screen {
  /** Whether the screen draws a live picture below the printed lines. */
  readonly live: boolean
  readonly paint: Paint
  readonly #output: Output
  #picture: readonly PictureLine[] = []

  constructor(output: Output, environment: NodeJS.ProcessEnv) {
    this.#output = output
    this.live = output.isTTY === true && environment.TERM !== 'dumb'
    // Colors are off if `NO_COLOR` is set and not empty, see no-color.org.
    this.paint = this.live && !environment.NO_COLOR ? colour : noColour
  }

  get columns(): number {
    return this.live ? (this.#output.columns ?? 80) : widthWithoutTerminal
  }

  /** Prints lines that stay on the screen. */
  say(...lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\n`).join('')
    this.#output.write(this.#erasure() + text + textOf(this.#picture))
  }

  /** Replaces the live picture. Does nothing if `live` is false. */
  show(picture: readonly PictureLine[]): void {
    const visible = picture.slice(-this.#pictureRows)
    if (!this.live || textOf(visible) === textOf(this.#picture)) return
    const erasure = this.#erasure()
    this.#picture = visible
    this.#output.write(erasure + textOf(visible))
  }

  /** Removes the picture. */
  clear(): void {
    const erasure = this.#erasure()
    this.#picture = []
    if (erasure !== '') this.#output.write(erasure)
  }

  // Maximum number of lines of the picture. Below the picture, the cursor needs one line of the terminal. A longer picture
  // would scroll, and lines that have scrolled out cannot be erased.
  get #pictureRows(): number {
    return Math.max(1, (this.#output.rows ?? 24) - 1)
  }

  #erasure(): string {
    if (this.#picture.length === 0) return ''
    // A terminal that has become narrower breaks long lines, so one line may occupy several rows.
    const rows = this.#picture.map(({ width }) => Math.max(1, Math.ceil(width / this.columns)))
    return `\x1b[${rows.reduce((sum, count) => sum + count)}A\x1b[0J`
  }
}

function textOf(picture: readonly PictureLine[]): string {
  return picture.map(({ text }) => `${text}\n`).join('')
}
