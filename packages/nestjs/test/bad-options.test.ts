import 'reflect-metadata'
import { memoryStorage } from '@jobistemer/storage-memory'
import { Test } from '@nestjs/testing'
import { describe, expect, it } from 'vitest'
import { JobistemerModule } from '../src/index.ts'

type Maker = keyof typeof JobistemerModule & ('forRoot' | 'forRootAsync' | 'forClient' | 'forClientAsync')

async function compile(maker: Maker, options?: unknown): Promise<unknown> {
  const make = JobistemerModule[maker] as (options: unknown) => ReturnType<typeof JobistemerModule.forRoot>
  return Test.createTestingModule({ imports: [make(options)] }).compile()
}

describe('JobistemerModule', () => {
  it.each<[maker: Maker, what: string, options: unknown, field: string]>([
    ['forRoot', 'no options', undefined, 'options'],
    ['forRoot', 'null', null, 'options'],
    ['forRoot', 'jobs that are no list', { storage: memoryStorage(), jobs: {} }, 'jobs'],
    ['forRoot', 'handlers that are no object', { storage: memoryStorage(), handlers: 5 }, 'handlers'],
    ['forRootAsync', 'no options', undefined, 'options'],
    ['forRootAsync', 'neither a factory nor a class', {}, 'options'],
    ['forRootAsync', 'a factory that is no function', { useFactory: 5 }, 'options'],
    ['forRootAsync', 'a factory that returns nothing', { useFactory: () => undefined }, 'options'],
    ['forRootAsync', 'a class without the method', { useClass: class Empty {} }, 'useClass'],
    ['forClient', 'no options', undefined, 'options'],
    ['forClientAsync', 'a factory that resolves to nothing', { useFactory: async () => undefined }, 'options'],
  ])('has the method %s, which refuses invalid options: %s', async (maker, _, options, field) => {
    await expect(compile(maker, options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field })
  })
})
