import { randomUUID } from 'node:crypto'
import { createScheduler, defineJob, type Scheduler, type TaskContext } from '@jobistemer/core'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useSchemas } from './schemas.ts'

/** Adapter for one transaction tool: begins a transaction, inserts a name, and ends the transaction after the body. */
export interface Tool {
  inTransaction<T>(body: (transaction: unknown, note: (name: string) => Promise<unknown>) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export type OpenTool = (notes: string) => Promise<Tool>

/** Tests a trigger and a completion inside the transactions of one tool, against a real server. */
export function describeTool(name: string, openTool: OpenTool): void {
  const { open, pool: newPool, query } = useSchemas()
  const schema = `tool_${randomUUID().replaceAll('-', '')}`

  describe(name, () => {
    let tool: Tool
    let notes: string
    let scheduler: Scheduler | null = null

    beforeEach(async () => {
      notes = `notes_${randomUUID().replaceAll('-', '')}`
      await query(`CREATE TABLE ${notes} (name text)`)
      tool = await openTool(notes)
    })

    afterEach(async () => {
      await scheduler?.shutdown()
      scheduler = null
      await tool.close()
      await query(`DROP TABLE ${notes}`)
    })

    afterAll(() => query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))

    const noted = async () => (await query(`SELECT name FROM ${notes} ORDER BY name`)).map(({ name }) => name)

    async function start(run: (context: TaskContext) => unknown) {
      const retryPolicy = { maxRetries: 1, retryInterval: 0 }
      const jobs = [defineJob({ name: 'work', overlapPolicy: 'queue', retryPolicy, tasks: [{ name: 'work', run }] })]
      const started = createScheduler({ storage: open({ pool: newPool(), schema }), jobs })
      scheduler = started
      await started.start()
      return started
    }

    it('a trigger in a transaction creates a run that starts after the commit, and no run after a rollback', async () => {
      const ran: unknown[] = []
      const started = await start(({ input }) => void ran.push(input))
      const asked = tool.inTransaction(async (transaction, note) => {
        await note('rolled back')
        await started.trigger('work', { transaction, data: 'rolled back' })
        throw new Error('no')
      })
      await expect(asked).rejects.toThrow('no')
      const { id } = await tool.inTransaction(async (transaction, note) => {
        await note('committed')
        return await started.trigger('work', { transaction, data: 'committed' })
      })
      expect((await started.waitFor(id)).state).toBe('completed')
      expect([ran, await noted()]).toEqual([['committed'], ['committed']])
    })

    it('the completion of a task in a transaction is committed or rolled back together with the rows of the task', async () => {
      const codes: string[] = []
      const started = await start(async (context) => {
        const moving = tool.inTransaction(async (transaction, note) => {
          await note(`attempt ${context.attempt}`)
          await context.complete(transaction, context.attempt)
          if (context.attempt === 1) throw new Error('no')
        })
        await moving
        // The handler completes its task again after the commit. This second transaction must fail as a whole, even if
        // the handler ignores the error of `complete`.
        const again = tool.inTransaction(async (transaction, note) => {
          await note('again')
          await context.complete(transaction).catch(({ code }) => codes.push(code))
        })
        await again.catch(() => codes.push('rolled back'))
      })
      const { id } = await started.trigger('work')
      const occurrence = await started.waitFor(id)
      expect(occurrence.tasks[0]).toMatchObject({ state: 'completed', result: 2 })
      expect(occurrence.tasks[0]?.attempts.map(({ state }) => state)).toEqual(['failed', 'succeeded'])
      expect(codes).toEqual(['ALREADY_COMPLETED', 'rolled back'])
      expect(await noted()).toEqual(['attempt 2'])
    })
  })
}
