import { createHash } from 'node:crypto'
import { leanScript } from './lean-script.ts'

/** A script and the name that the server knows it by. */
export interface Script {
  readonly source: string
  readonly sha: string
}

export function script(text: string): Script {
  const source = leanScript(text)
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
