// A text of PostgreSQL has no NUL, and UTF-8 has no half of a surrogate pair. Both are escaped, so that each text comes
// back as it was and is equal only to itself. JSON escapes them by its own rules.

const escapeMark = '\u0001'
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are escaped
const escaped = /[\0\u0001]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is the character that escapes
const mark = /\u0001([0-9a-f]{4})/g

/** A text as it is stored. Equal texts are stored alike, and others are not. */
export function storeText(text: string): string {
  return text.replace(escaped, (unit) => `${escapeMark}${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** As {@link storeText}. */
export function storeTextOrNull(text: string | null): string | null {
  return text === null ? null : storeText(text)
}

/** The text that {@link storeText} has stored. */
export function readText(stored: unknown): string {
  const text = stored as string
  return text.includes(escapeMark)
    ? text.replace(mark, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text
}

/** As {@link readText}. */
export function readTextOrNull(stored: unknown): string | null {
  return stored === null ? null : readText(stored)
}
