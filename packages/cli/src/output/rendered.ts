/**
 * Text that is safe for a terminal. The program writes only such text. {@link visible} converts text from the storage, from
 * files and from the command line to it.
 */
export class Rendered {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A value that a text may contain. */
export type Part = string | number | Rendered

// Control characters, among them those of 8 bits, which begin sequences too; what turns the direction of writing or hides
// (bidirectional controls, zero width, tags, line and paragraph separators); and halves of characters.
const unsafe =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu

const names: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\u001b': '\\x1b' }

/** Makes visible what a terminal would obey or hide. */
export function visible(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) as number
    return names[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 4)}}`)
  })
}

/** A part as it may be written. */
export function render(part: Part): string {
  return part instanceof Rendered ? part.text : visible(String(part))
}

/** A text from parts: `text\`Job ${name} is paused.\``. */
export function text(strings: TemplateStringsArray, ...parts: readonly Part[]): Rendered {
  return new Rendered(strings.reduce((all, string, index) => all + render(parts[index - 1] as Part) + string))
}

/** Parts one after another. */
export function joined(parts: readonly Part[], separator = ''): Rendered {
  return new Rendered(parts.map(render).join(separator))
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
