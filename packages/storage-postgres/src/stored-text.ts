// A text of PostgreSQL cannot contain NUL, and UTF-8 cannot encode a lone surrogate. Both are escaped, so that each stored
// text reads back unchanged, and different texts stay different. JSON texts need no escaping here, because JSON has escapes
// of its own.

const escapeMark = '\u0001'
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are escaped
const escaped = /[\0\u0001]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is the character that escapes
const mark = /\u0001([0-9a-f]{4})/g

/** Escapes a text for storing. Equal texts have equal stored forms, different texts have different ones. */
export function storeText(text: string): string {
  return text.replace(escaped, (unit) => `${escapeMark}${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Like {@link storeText}, but returns `null` for `null`. */
export function storeTextOrNull(text: string | null): string | null {
  return text === null ? null : storeText(text)
}

/** Restores the text that {@link storeText} has escaped. */
export function readText(stored: unknown): string {
  const text = stored as string
  return text.includes(escapeMark)
    ? text.replace(mark, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text
}

/** Like {@link readText}, but returns `null` for `null`. */
export function readTextOrNull(stored: unknown): string | null {
  return stored === null ? null : readText(stored)
}
