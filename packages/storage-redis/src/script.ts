import { createHash } from 'node:crypto'
import { leanScript } from './lean-script.ts'

/** A script with the SHA-1 digest under which the server caches it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

export function script(text: string): Script {
  const source = leanScript(text)
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
