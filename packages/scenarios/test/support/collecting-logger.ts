import type { Logger } from '@jobistemer/core'

export interface Line {
  readonly level: keyof Logger
  readonly message: string
  readonly [field: string]: unknown
}

/** Makes a logger that keeps its lines. `loud` returns the warnings and errors. */
export function collectingLogger(): { readonly lines: Line[]; readonly logger: Logger; loud(): Line[] } {
  const lines: Line[] = []
  const log = (level: keyof Logger) => (fields: object, message: string) => {
    lines.push({ ...fields, level, message })
  }
  return {
    lines,
    logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    loud: () => lines.filter(({ level }) => level === 'warn' || level === 'error'),
  }
}
