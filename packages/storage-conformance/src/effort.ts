/** How much the races, the model and the soak do. */
export interface Effort {
  /** Multiplies the number of rounds. */
  readonly scale: number
  /** One model test and one soak for each. */
  readonly seeds: readonly number[]
}

/** How much the races, the model and the soak are to do. */
export interface EffortOptions {
  /** Default 1; 10 for a night. The environment variable JOBISTEMER_CONFORMANCE_SCALE overrides it. */
  readonly scale?: number
  /** Default `[1, 2, 3]`. The environment variable JOBISTEMER_CONFORMANCE_SEED, one or several by comma, overrides it. */
  readonly seeds?: readonly number[]
}

/** The effort that options and environment ask for. */
export function resolveEffort(options: EffortOptions = {}, environment: NodeJS.ProcessEnv = process.env): Effort {
  const scale = environment.JOBISTEMER_CONFORMANCE_SCALE
  const seeds = environment.JOBISTEMER_CONFORMANCE_SEED
  return {
    scale: scale === undefined ? (options.scale ?? 1) : readNumber(scale, 'JOBISTEMER_CONFORMANCE_SCALE'),
    seeds:
      seeds === undefined
        ? (options.seeds ?? [1, 2, 3])
        : seeds.split(',').map((seed) => readNumber(seed, 'JOBISTEMER_CONFORMANCE_SEED')),
  }
}

function readNumber(text: string, variable: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new TypeError(`${variable} is not a number: "${text}"`)
  return value
}

/** `base` rounds times the scale, at least one. */
export function rounds(base: number, effort: Effort): number {
  return Math.max(1, Math.round(base * effort.scale))
}
