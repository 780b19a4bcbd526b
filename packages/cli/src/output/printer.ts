import type { Output } from '../io.ts'
import { type Part, Rendered, render, visible } from './rendered.ts'
import { type Cell, type Column, tableLines } from './table.ts'
import type { Styles } from './styles.ts'

/** Writes the output of a command: text for people, or one JSON document for programs. */
export class Printer {
  readonly isJson: boolean
  readonly styles: Styles
  readonly #output: Output

  constructor(output: Output, options: { readonly isJson: boolean; readonly styles: Styles }) {
    this.#output = output
    this.isJson = options.isJson
    this.styles = options.styles
  }

  /** The width of the terminal; `undefined` without a terminal. */
  get width(): number | undefined {
    return this.#output.isTTY === true ? this.#output.columns : undefined
  }

  line(part: Part = ''): void {
    this.#output.write(`${render(part)}\n`)
  }

  /** Writes a text of several lines, each with the same indentation. */
  block(content: string, indentation: string): void {
    for (const line of content.split(/\r\n|\n/)) this.line(new Rendered(`${indentation}${visible(line)}`.trimEnd()))
  }

  async table(columns: readonly Column[], rows: readonly (readonly (string | Cell)[])[]): Promise<void> {
    const { dim } = this.styles
    for (const line of await tableLines(columns, rows, { title: dim, width: this.width })) this.line(line)
  }

  /** Writes pairs of a name and a value, one per line. Omits pairs whose value is `null`. */
  fields(pairs: readonly (readonly [string, Part | null])[]): void {
    const shown = pairs.filter((pair): pair is readonly [string, Part] => pair[1] !== null)
    const width = Math.max(0, ...shown.map(([name]) => name.length))
    for (const [name, value] of shown) {
      this.line(new Rendered(`${this.styles.dim(name.padEnd(width)).text}  ${render(value)}`.trimEnd()))
    }
  }

  json(document: object): void {
    this.#output.write(`${jsonText(document)}\n`)
  }
}

/** Returns JSON text in which all terminal control sequences are escaped. */
function jsonText(document: object): string {
  return JSON.stringify(document, null, 2).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
