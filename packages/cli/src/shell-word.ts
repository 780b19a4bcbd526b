/**
 * Quotes a word for a POSIX shell, for command lines that people copy. Words with special characters get single quotes.
 */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
