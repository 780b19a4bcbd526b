import { readScale, readSeeds } from './read-options.ts'

/** The effort of the race, model and soak cases, with environment variables and defaults applied. */
export interface Effort {
  /** Multiplies the number of rounds of each race, model and soak case. */
  readonly scale: number
  /** Seeds of random numbers. For each seed, the kit runs one model case and one soak case. */
  readonly seeds: readonly number[]
}

/** Options for the effort of the race, model and soak cases. */
export interface EffortOptions {
  /**
   * Multiplies the number of rounds. Default 1. With 10, the cases run for a night. The environment variable
   * JOBISTEMER_CONFORMANCE_SCALE has precedence.
   */
  readonly scale?: number
  /**
   * Seeds of the model and soak cases. Default `[1, 2, 3]`. The environment variable JOBISTEMER_CONFORMANCE_SEED, a
   * comma-separated list, has precedence.
   */
  readonly seeds?: readonly number[]
}

/**
 * Returns the effort. Environment variables have precedence over options, and options over the defaults.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function resolveEffort(options: EffortOptions = {}, environment: NodeJS.ProcessEnv = process.env): Effort {
  const scale = environment.JOBISTEMER_CONFORMANCE_SCALE
  const seeds = environment.JOBISTEMER_CONFORMANCE_SEED
  return {
    scale:
      scale === undefined
        ? readScale(options.scale ?? 1, 'scale')
        : readScale(toNumber(scale), 'JOBISTEMER_CONFORMANCE_SCALE'),
    seeds:
      seeds === undefined
        ? readSeeds(options.seeds ?? [1, 2, 3], 'seeds')
        : readSeeds(seeds.split(',').map(toNumber), 'JOBISTEMER_CONFORMANCE_SEED'),
  }
}

/** Converts the text of an environment variable. An empty text is not 0 but `NaN`. */
function toNumber(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text)
}

/** Returns `base` times the scale as a number of rounds, at least 1. */
export function rounds(base: number, effort: Effort): number {
  return Math.max(1, Math.round(base * effort.scale))
}
