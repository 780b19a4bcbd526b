import type { IsolatedResourceLimits } from '../../../job/task.ts'

/** Returns the limits as command-line options of Node.js. */
export function optionsOf({ maxOldGenerationSizeMb, maxYoungGenerationSizeMb }: IsolatedResourceLimits): string[] {
  const options: string[] = []
  if (maxOldGenerationSizeMb !== undefined) options.push(`--max-old-space-size=${Math.ceil(maxOldGenerationSizeMb)}`)
  // V8 counts three semi-spaces as the young generation.
  if (maxYoungGenerationSizeMb !== undefined) {
    options.push(`--max-semi-space-size=${Math.ceil(maxYoungGenerationSizeMb / 3)}`)
  }
  return options
}

const withArgument = ['-e', '--eval', '-p', '--print', '-pe']

/** Returns the Node.js options of this process that also apply to a child, without those for debugging and evaluation. */
export function ownOptions(given: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index < given.length; index++) {
    const option = given[index] as string
    if (withArgument.includes(option)) index++
    else if (!/^--(inspect|input-type|watch|test|eval|print|cpu-prof|heap-prof|prof$)/.test(option)) kept.push(option)
  }
  return kept
}
