import { JobistemerError, type Client, type UpdateResult } from '@jobistemer/core'
import type { Command, Context } from '../command.ts'
import { withNearNames } from '../job-of.ts'
import { text } from '../output/rendered.ts'

/** `jobistemer realign`. */
export const realign: Command = {
  description:
    'Resets jobs whose slots a wrong clock has decided ahead of the time: one job, or all of them. Slots that ran ahead do not run again.',
  arguments: '[name]',
  examples: [['realign', 'all jobs that are ahead; none, when all are well']],
  async run(context: Context, [name]) {
    const client = await context.client()
    const setBack = async (job: string) => ({
      name: job,
      ...(await client.update(job, {}, { realign: true, ...context.call })),
    })
    const answers =
      name === undefined
        ? await ofAllJobs(client, context, setBack)
        : [await withNearNames(context, name, () => setBack(name))]
    const realigned = answers.flatMap(({ name: job, nextAt, realigned: how }) =>
      how === undefined ? [] : [{ name: job, nextAt, ...how }],
    )
    const { out, times } = context
    if (out.isJson) return out.json({ realigned })
    if (realigned.length === 0) out.line('No job is ahead.')
    for (const { name: job, decidedUpTo, nextAt } of realigned) {
      const next = nextAt === null ? 'never' : times.at(nextAt)
      out.line(text`${job}: was decided up to ${times.at(decidedUpTo)}; next ${next}`)
    }
  },
}

interface Answer extends UpdateResult {
  readonly name: string
}

/** Realigns all jobs of the storage. Warns about schedules that this program cannot load. */
async function ofAllJobs(
  client: Client,
  { call, err }: Context,
  setBack: (name: string) => Promise<Answer>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  for await (const { name } of client.jobs({}, call)) {
    try {
      answers.push(await setBack(name))
    } catch (error) {
      if (!JobistemerError.isInstance(error)) throw error
      if (error.code === 'UNKNOWN_SCHEDULE_TYPE')
        err.line(text`${name} stays as it is: its schedule type is not known here.`)
      else if (error.code !== 'JOB_NOT_FOUND') throw error
    }
  }
  return answers
}
