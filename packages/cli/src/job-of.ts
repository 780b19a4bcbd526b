import type { JobDetails } from '@jobistemer/core'
import { CliError } from './cli-error.ts'
import type { Context } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { nearest } from './nearest.ts'

/** Maximum number of job names that the program compares with a mistyped name. */
const mostNames = 10_000

/**
 * Reads a stored job by its name.
 * @throws CliError with the most similar names if the job does not exist
 */
export async function jobOf(context: Context, name: string): Promise<JobDetails> {
  const client = await context.client()
  try {
    return await client.job(name, context.call)
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'JOB_NOT_FOUND') throw error
    throw await notFound(context, name, error)
  }
}

/** If `call` throws `JOB_NOT_FOUND`, adds similar job names to the error. */
export async function withNearNames<T>(context: Context, name: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'JOB_NOT_FOUND') throw error
    throw await notFound(context, name, error)
  }
}

async function notFound(context: Context, name: string, cause: unknown): Promise<CliError> {
  const client = await context.client()
  const { items } = await client.jobs({ limit: mostNames }, context.call)
  const near = nearest(
    name,
    items.map((item) => item.name),
  )
  return new CliError({
    code: 'JOB_NOT_FOUND',
    message: `There is no job ${JSON.stringify(name)}.`,
    field: 'NAME',
    remedy:
      near.length > 0
        ? `Did you mean ${near.map((one) => JSON.stringify(one)).join(' or ')}?`
        : 'jobistemer jobs lists the stored jobs.',
    exitCode: exitCodes.notFound,
    cause,
  })
}
