/** Text that is safe to write to a terminal. The program writes no other text. {@link visible} makes other text safe. */
export class Rendered {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A value that {@link text} and {@link joined} accept, and make safe for a terminal. */
export type Part = string | number | Rendered

// Characters that a terminal obeys or hides, such as control characters and unpaired surrogates.
const unsafe =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu

const names: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\u001b': '\\x1b' }

/** Escapes all characters that a terminal would obey or hide. */
export function visible(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) as number
    return names[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 4)}}`)
  })
}

/** Converts a part of a text to a string that is safe for a terminal. */
export function render(part: Part): string {
  return part instanceof Rendered ? part.text : visible(String(part))
}

/** Template tag that escapes control characters in its parts: `text\`Job ${name} is paused.\``. */
export function text(strings: TemplateStringsArray, ...parts: readonly Part[]): Rendered {
  return new Rendered(strings.reduce((all, string, index) => all + render(parts[index - 1] as Part) + string))
}

/** Joins parts to one safe text. */
export function joined(parts: readonly Part[], separator = ''): Rendered {
  return new Rendered(parts.map(render).join(separator))
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
