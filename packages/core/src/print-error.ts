import { fileURLToPath } from 'node:url'
import { isErrorLike } from './error-record.ts'

const longestText = 10_000

// How a handler came to be called is of no use to whoever looks for what is wrong with it. Source maps name `src`.
const ownPlaces = placesOf(import.meta.url)

/** What was thrown as text for people: its stack, with what caused it. */
export function printError(error: unknown): string {
  const parts: string[] = []
  let cause: unknown = error
  for (let depth = 0; depth < 5 && cause !== undefined && cause !== null; depth++) {
    parts.push(printOne(cause))
    cause = causeOf(cause)
  }
  const text = parts.join('\ncaused by ')
  return text.length > longestText ? `${text.slice(0, longestText)} …` : text
}

function causeOf(error: unknown): unknown {
  try {
    return isErrorLike(error) ? error.cause : undefined
  } catch {
    // A proxy, or a getter, that throws.
    return undefined
  }
}

function printOne(error: unknown): string {
  try {
    if (isErrorLike(error)) return withoutOwnFrames(typeof error.stack === 'string' ? error.stack : String(error))
    return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error))
  } catch {
    // A getter or a toJSON of what was thrown throws itself.
    return 'something that cannot be printed was thrown'
  }
}

/** Up to where the engine called it. An error of the engine itself is left whole. */
function withoutOwnFrames(stack: string): string {
  const lines = stack.split('\n')
  const isFrame = (line: string) => line.startsWith('    at ')
  const firstOwn = lines.findIndex((line) => isFrame(line) && ownPlaces.some((place) => line.includes(place)))
  const hasOthers = lines.slice(0, Math.max(0, firstOwn)).some(isFrame)
  return hasOthers ? lines.slice(0, firstOwn).join('\n') : stack
}

/** Where the engine is, as stacks may name it; nothing in bundles, whose modules have no file of their own. */
export function placesOf(moduleUrl: string): readonly string[] {
  if (!moduleUrl.startsWith('file://')) return []
  try {
    const root = new URL('..', moduleUrl)
    return [root.href, fileURLToPath(root)].flatMap((place) => [`${place}dist/engine/`, `${place}src/engine/`])
  } catch {
    // Some bundlers make up addresses that no file can have.
    return []
  }
}
