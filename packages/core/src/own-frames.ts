import { fileURLToPath } from 'node:url'

// `dist` as users run it, `src` as the tests of this package do.
const ownPlaces = placesOf(import.meta.url)

/**
 * Returns the stack up to the last frame of the user's code. The frames below show only how the engine called that code.
 * A stack without a frame of the user stays whole.
 */
export function withoutOwnFrames(stack: string): string {
  const lines = stack.split('\n')
  const isFrame = (line: string): boolean => line.startsWith('    at ')
  const isOwn = (line: string): boolean => ownPlaces.some((place) => line.includes(place))
  const last = lines.findLastIndex((line) => isFrame(line) && !isOwn(line) && !line.includes('node:'))
  return last !== -1 && lines.slice(last + 1).some(isOwn) ? lines.slice(0, last + 1).join('\n') : stack
}

/** The location of the engine in stacks; empty in bundles, whose modules have no separate files. */
export function placesOf(moduleUrl: string): readonly string[] {
  if (!moduleUrl.startsWith('file://')) return []
  try {
    const root = new URL('..', moduleUrl)
    return [root.href, fileURLToPath(root)].flatMap((place) => [`${place}dist/`, `${place}src/`])
  } catch {
    // Some bundlers invent addresses that no file can have.
    return []
  }
}
