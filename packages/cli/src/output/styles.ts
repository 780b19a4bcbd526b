import picocolors from 'picocolors'
import type { Io, Output } from '../io.ts'
import { type Part, Rendered, render } from './rendered.ts'

/** Functions that style text. Without colors they return the text unchanged. */
export type Styles = Readonly<Record<StyleName, (part: Part) => Rendered>>

/** The names of the text styles. */
export type StyleName = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

const names: readonly StyleName[] = ['bold', 'dim', 'red', 'green', 'yellow', 'cyan']

export function stylesOf(isColored: boolean): Styles {
  const colors = picocolors.createColors(isColored)
  const entries = names.map((name) => [name, (part: Part) => new Rendered(colors[name](render(part)))])
  return Object.fromEntries(entries) as Styles
}

/**
 * Returns whether to use colors. `--color` and `--no-color` have precedence over NO_COLOR, and NO_COLOR over FORCE_COLOR.
 * Without them, the output has colors if it is a terminal that supports colors.
 */
export function wantsColor(output: Output, { env }: Pick<Io, 'env'>, asked: boolean | undefined): boolean {
  if (asked !== undefined) return asked
  if ((env.NO_COLOR ?? '') !== '') return false
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  return output.isTTY === true && env.TERM !== 'dumb'
}
