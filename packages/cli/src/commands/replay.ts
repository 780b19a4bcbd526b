import type { OccurrenceId } from '@jobistemer/core'
import type { Command, Context } from '../command.ts'
import { runOf } from '../run-of.ts'
import { readText } from '../values.ts'
import { finishRequest, type RequestOptions, requestOf, requestOptions, requestsNo } from './trigger.ts'

/** `jobistemer replay`. */
export const replay: Command = {
  description:
    'Runs an ended run again, whole or in part, as a new run that refers to it. Its handlers get the slot of the original run as scheduledAt.',
  arguments: '<run>',
  options: [
    {
      flags: '--from <task>',
      description: 'run only this task and the tasks after it; the new run keeps the results of the tasks before',
      parse: readText('--from'),
    },
    ...requestOptions.filter(({ flags }) => !flags.startsWith('--key-scope')),
  ],
  examples: [
    ['replay occ_2b7d…', 'all of it'],
    ['replay occ_2b7d… --from upload --reason "the disk was full"', 'from a task on'],
  ],
  exitsWithNo: requestsNo,
  async run(context: Context, [id = ''], options: RequestOptions & { readonly from?: string }) {
    const client = await context.client()
    const { job } = await runOf(context, id)
    const { from } = options
    const request = { ...(await requestOf(context, options)), ...context.call, ...(from !== undefined && { from }) }
    return finishRequest(context, job, await client.replay(id as OccurrenceId, request), options)
  },
}
