import 'reflect-metadata'
import type { JobOperations } from '@jobistemer/core'
import { Controller, Get, Param } from '@nestjs/common'
import { expect, it } from 'vitest'
import { InjectJobs } from '../src/index.ts'
import { createApp } from './world.ts'

@Controller('jobs')
class Jobs {
  constructor(@InjectJobs() private readonly jobs: JobOperations) {}

  @Get(':name')
  trigger(@Param('name') name: string) {
    return this.jobs.trigger(name)
  }
}

it('a controller that triggers an unknown job answers 404 with the message of JOB_NOT_FOUND', async () => {
  const app = await createApp({ controllers: [Jobs] })
  await app.listen(0, '127.0.0.1')
  const response = await fetch(`${await app.getUrl()}/jobs/absent`)
  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({ statusCode: 404, message: expect.stringContaining('"absent"') })
})
