import 'reflect-metadata'
import { memoryStorage } from '@jobistemer/storage-memory'
import { Test } from '@nestjs/testing'
import { describe, expect, it } from 'vitest'
import { Handler, JobistemerModule, Task } from '../src/index.ts'

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
    ['forRoot', 'a start that is a text', { storage: memoryStorage(), start: 'false' }, 'start'],
    ['forRoot', 'a closeStorage that is a text', { storage: memoryStorage(), closeStorage: 'no' }, 'closeStorage'],
    ['forClient', 'a closeStorage that is a number', { storage: memoryStorage(), closeStorage: 0 }, 'closeStorage'],
    [
      'forRootAsync',
      'a factory and a class',
      { useFactory: () => ({ storage: memoryStorage() }), useClass: class Options {} },
      'options',
    ],
    [
      'forRootAsync',
      'a factory whose start is a text',
      { useFactory: () => ({ storage: memoryStorage(), start: 'no' }) },
      'start',
    ],
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

  it('refuses a handler in the options that has the name of an @Handler', async () => {
    class Images {
      async resize() {}
    }
    Handler('resize')(Images.prototype, 'resize')
    const jobs = JobistemerModule.forRoot({ storage: memoryStorage(), handlers: { resize: () => undefined } })
    const compiled = Test.createTestingModule({ imports: [jobs], providers: [Images] }).compile()
    await expect(compiled).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'handlers.resize' })
  })
})

describe.each([
  ['@Task', () => Task()],
  ['@Handler', () => Handler('resize')],
])('the decorator %s', (_, make) => {
  it('refuses a static method, because the node would never call it', () => {
    class Billing {
      static async charge() {}
      async mail() {}
    }
    expect(() => make()(Billing, 'charge')).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        field: 'method',
        value: 'Billing.charge',
        remedy: expect.stringContaining('static'),
      }),
    )
  })

  it('refuses the arguments of a standard decorator', () => {
    const decorate = make() as unknown as (value: unknown, context: object) => void
    for (const [value, context] of [
      [async () => undefined, { kind: 'method', name: 'resize', static: false }],
      [undefined, { kind: 'field', name: 'render', static: false }],
    ] as const) {
      expect(() => decorate(value, context)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          field: 'experimentalDecorators',
          value: context.name,
          remedy: expect.stringContaining('experimentalDecorators'),
        }),
      )
    }
  })
})
