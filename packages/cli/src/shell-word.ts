/** A word as a shell of POSIX takes it, for lines that people copy: what is not plain stands in single quotes. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
