import 'reflect-metadata'
import type { SchedulerOptions } from '@jobistemer/core'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import type { INestApplication, ModuleMetadata } from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { onTestFinished } from 'vitest'
import { JobistemerModule, type JobistemerModuleOptions } from '../src/index.ts'

/** Starts a Nest application with these providers. The application is closed at the end of the test. */
export async function startApp(
  metadata: ModuleMetadata,
  options: Partial<JobistemerModuleOptions> = {},
): Promise<INestApplication> {
  const app = await createApp(metadata, options)
  await app.init()
  return app
}

export async function createApp(
  metadata: ModuleMetadata,
  options: Partial<JobistemerModuleOptions> = {},
): Promise<INestApplication> {
  const storage: SchedulerOptions['storage'] = memoryStorage({ database: memoryDatabase() })
  const imports = [JobistemerModule.forRoot({ storage, ...options }), ...(metadata.imports ?? [])]
  const module = await Test.createTestingModule({ ...metadata, imports }).compile()
  const app = module.createNestApplication({ logger: false })
  onTestFinished(() => app.close())
  return app
}
