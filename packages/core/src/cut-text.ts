/**
 * Returns the first `length` UTF-16 code units of a text. Returns one unit less if the text would otherwise end with half
 * of a surrogate pair.
 */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text
  const isSplit = /[\uD800-\uDBFF]/.test(text.charAt(length - 1))
  return text.slice(0, isSplit ? length - 1 : length)
}
