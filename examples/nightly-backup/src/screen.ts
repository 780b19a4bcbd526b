import type { WriteStream } from 'node:tty'
import { colour, noColour, type Paint } from './style.ts'

/** What the screen needs of standard output. */
export type Output = Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>

/** A line of a picture: as it is to be shown, and its width without colours. */
export interface PictureLine {
  readonly text: string
  readonly width: number
}

const widthWithoutTerminal = 120

/**
 * Where the demo prints: lines that stay and, on a terminal, one picture below them that is drawn again and again.
 * Anything else than a terminal gets the lines only, without escape codes.
 */
export class Screen {
  /** True when pictures are shown. */
  readonly live: boolean
  readonly paint: Paint
  readonly #output: Output
  #picture: readonly PictureLine[] = []

  constructor(output: Output, environment: NodeJS.ProcessEnv) {
    this.#output = output
    this.live = output.isTTY === true && environment.TERM !== 'dumb'
    // See no-color.org: present and not empty.
    this.paint = this.live && !environment.NO_COLOR ? colour : noColour
  }

  get columns(): number {
    return this.live ? (this.#output.columns ?? 80) : widthWithoutTerminal
  }

  /** Prints lines that stay. */
  say(...lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\n`).join('')
    this.#output.write(this.#erasure() + text + textOf(this.#picture))
  }

  /** Replaces the picture. Does nothing where pictures are not shown. */
  show(picture: readonly PictureLine[]): void {
    const visible = picture.slice(-this.#pictureRows)
    if (!this.live || textOf(visible) === textOf(this.#picture)) return
    const erasure = this.#erasure()
    this.#picture = visible
    this.#output.write(erasure + textOf(visible))
  }

  /** Takes the picture away. */
  clear(): void {
    const erasure = this.#erasure()
    this.#picture = []
    if (erasure !== '') this.#output.write(erasure)
  }

  // One line less than the terminal has: what has scrolled out at the top cannot be erased.
  get #pictureRows(): number {
    return Math.max(1, (this.#output.rows ?? 24) - 1)
  }

  #erasure(): string {
    if (this.#picture.length === 0) return ''
    // A terminal that has become narrower since has broken lines in two.
    const rows = this.#picture.map(({ width }) => Math.max(1, Math.ceil(width / this.columns)))
    return `\x1b[${rows.reduce((sum, count) => sum + count)}A\x1b[0J`
  }
}

function textOf(picture: readonly PictureLine[]): string {
  return picture.map(({ text }) => `${text}\n`).join('')
}
