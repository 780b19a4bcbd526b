/** What a piece of text expresses, for example success or failure. On a terminal, each tone has a color. */
export type Tone = 'plain' | 'heading' | 'quiet' | 'good' | 'bad' | 'busy'

const codes: Readonly<Record<Tone, number | null>> = {
  plain: null,
  heading: 1,
  quiet: 2,
  good: 32,
  bad: 31,
  busy: 33,
}

/** Formats text by its tone. */
export type Paint = (tone: Tone, text: string) => string

/** Formats text without colors, for terminals without colors and for other outputs. */
export const noColour: Paint = (_, text) => text

export const colour: Paint = (tone, text) => {
  const code = codes[tone]
  return code === null || text === '' ? text : `\x1b[${code}m${text}\x1b[0m`
}

/** Formats a duration: `41 ms`, `1.2 s`. */
export function printDuration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

/** `812 bytes`, `41 kB`, `3.1 MB`. */
export function printBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** Returns the time of day of a slot, in UTC: `14:20:03`. */
export function printSlot(scheduledAt: Date): string {
  return scheduledAt.toISOString().slice(11, 19)
}
