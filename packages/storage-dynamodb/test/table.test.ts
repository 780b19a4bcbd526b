import { setTimeout } from 'node:timers/promises'
import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb'
import { JobistemerError } from '@jobistemer/core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { cloudFormationTemplate, createTable, dynamodbStorage, iamPolicy, tableDefinition } from '../src/index.ts'
import { addJob, contentOf, finishItem, owner, slotAt, slotItem, start, triggerItem } from '@jobistemer/test-kit'
import { localClient } from './local-client.ts'

let client: DynamoDBClient

beforeAll(async () => {
  client = localClient(inject('dynamodb'))
})

afterAll(() => {
  client?.destroy()
})

async function rejection(call: Promise<unknown>): Promise<JobistemerError> {
  const error = await call.then(
    () => new Error('it did not reject'),
    (reason: unknown) => reason,
  )
  if (JobistemerError.isInstance(error)) return error
  throw error
}

const look = { limit: 1, cursor: null } as const

describe('the DynamoDB table', () => {
  it('is created once, however many nodes start at the same time', async () => {
    await Promise.all([1, 2, 3].map(() => createTable({ client, tableName: 'several' })))
    await createTable({ client, tableName: 'several' })
    const job = await addJob(dynamodbStorage({ client, tableName: 'several' }), 'alpha')
    expect(job.version).toBe(1)
  })

  it('has the same description in the CloudFormation template, in tableDefinition and in DynamoDB', async () => {
    await createTable({ client, tableName: 'described' })
    const { Table: table } = await client.send(new DescribeTableCommand({ TableName: 'described' }))
    const { Properties: properties } = cloudFormationTemplate({ tableName: 'described' }).Resources.JobistemerTable
    const { PointInTimeRecoverySpecification: recovery, ...definition } = properties
    expect(recovery).toEqual({ PointInTimeRecoveryEnabled: true })
    expect(definition).toEqual(tableDefinition({ tableName: 'described' }))
    expect({
      TableName: table?.TableName,
      BillingMode: table?.BillingModeSummary?.BillingMode,
      KeySchema: table?.KeySchema,
      AttributeDefinitions: byName(table?.AttributeDefinitions),
      GlobalSecondaryIndexes: byIndex(table?.GlobalSecondaryIndexes).map(({ IndexName, KeySchema, Projection }) => ({
        IndexName,
        KeySchema,
        Projection,
      })),
    }).toEqual({
      ...definition,
      AttributeDefinitions: byName(definition.AttributeDefinitions),
      GlobalSecondaryIndexes: byIndex(definition.GlobalSecondaryIndexes),
    })
  })

  it('with the keys of another application is refused by the storage and by `createTable`, which write nothing', async () => {
    const attribute = { AttributeName: 'id', AttributeType: 'S' } as const
    await client.send(
      new CreateTableCommand({
        TableName: 'other-keys',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [attribute],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      }),
    )
    const storage = dynamodbStorage({ client, tableName: 'other-keys' })
    const error = await rejection(storage.listJobs(look))
    expect([error.code, error.field, error.value]).toEqual(['STORAGE_FOREIGN', 'tableName', 'other-keys'])
    expect((await rejection(createTable({ client, tableName: 'other-keys' }))).code).toBe('STORAGE_FOREIGN')
    expect((await client.send(new ScanCommand({ TableName: 'other-keys' }))).Count).toBe(0)
  })

  it('without its secondary indexes is refused by the storage and by `createTable`, which write nothing to it', async () => {
    const {
      GlobalSecondaryIndexes: _,
      AttributeDefinitions: attributes,
      ...rest
    } = tableDefinition({ tableName: 'bare' })
    const AttributeDefinitions = attributes?.filter(({ AttributeName: name }) => name === 'pk' || name === 'sk')
    await client.send(new CreateTableCommand({ ...rest, AttributeDefinitions }))
    const storage = dynamodbStorage({ client, tableName: 'bare' })
    const change = {
      kind: 'create',
      id: 'job_1ecf6c63-8cd3-53fe-b653-1c1b56b3275b',
      content: contentOf('alpha'),
    } as const
    expect((await rejection(storage.saveJobs({ now: start, changes: [change] }))).code).toBe('STORAGE_FOREIGN')
    expect((await rejection(createTable({ client, tableName: 'bare' }))).code).toBe('STORAGE_FOREIGN')
    expect((await client.send(new ScanCommand({ TableName: 'bare' }))).Count).toBe(0)
  })

  type Definition = ReturnType<typeof tableDefinition>
  const attributeOf = ({ AttributeDefinitions: attributes = [] }: Definition, name: string) =>
    attributes.findIndex(({ AttributeName: one }) => one === name)

  it.each([
    [
      'an index `live` without a sort key',
      (definition: Definition) => {
        definition.GlobalSecondaryIndexes?.[0]?.KeySchema?.pop()
        definition.AttributeDefinitions?.splice(attributeOf(definition, 'lo'), 1)
      },
    ],
    [
      'a numeric sort key',
      (definition: Definition) => {
        const [attribute] = definition.AttributeDefinitions?.slice(attributeOf(definition, 'sk')) ?? []
        if (attribute !== undefined) attribute.AttributeType = 'N'
      },
    ],
    [
      'no sort key',
      (definition: Definition) => {
        definition.KeySchema?.pop()
        definition.AttributeDefinitions?.splice(attributeOf(definition, 'sk'), 1)
      },
    ],
  ])('with %s is refused by the storage and by `createTable`', async (name, change) => {
    const tableName = name.replaceAll(/\W+/g, '-')
    const definition = structuredClone(tableDefinition({ tableName }))
    change(definition)
    await client.send(new CreateTableCommand(definition))
    expect((await rejection(dynamodbStorage({ client, tableName }).listJobs(look))).code).toBe('STORAGE_FOREIGN')
    expect((await rejection(createTable({ client, tableName }))).code).toBe('STORAGE_FOREIGN')
  })

  it('causes a rejection with a remedy if it does not exist, and is found once it is created', async () => {
    const storage = dynamodbStorage({ client, tableName: 'later' })
    const error = await rejection(storage.listJobs(look))
    expect([error.code, error.value]).toEqual(['STORAGE_UNREADABLE', 'later'])
    expect(error.message).toContain('createTable()')
    await createTable({ client, tableName: 'later' })
    expect((await storage.listJobs(look)).items).toEqual([])
  })

  it('has an item with the layout version also if it was deleted and created again under a running storage', async () => {
    const tableName = 'again'
    await createTable({ client, tableName })
    const storage = dynamodbStorage({ client, tableName })
    await storage.listJobs(look)
    await client.send(new DeleteTableCommand({ TableName: tableName }))
    expect((await rejection(storage.listJobs(look))).code).toBe('STORAGE_UNREADABLE')
    await createTable({ client, tableName })
    await storage.listJobs(look)
    const { Items: items } = await client.send(new ScanCommand({ TableName: tableName }))
    expect(items).toEqual([{ pk: { S: 'jobistemer:form' }, sk: { S: 'form' }, n: { N: '1' } }])
  })

  it('is refused if its data have a newer version', async () => {
    await createTable({ client, tableName: 'newer' })
    await dynamodbStorage({ client, tableName: 'newer' }).listJobs(look)
    const item = { pk: { S: 'jobistemer:form' }, sk: { S: 'form' }, n: { N: '2' } }
    await client.send(new PutItemCommand({ TableName: 'newer', Item: item }))
    const error = await rejection(dynamodbStorage({ client, tableName: 'newer' }).listJobs(look))
    expect(error.code).toBe('STORAGE_SCHEMA_NEWER')
    expect(error.message).toContain('Update @jobistemer/storage-dynamodb')
    expect((await dynamodbStorage({ client, tableName: 'newer', prefix: 'mine' }).listJobs(look)).items).toEqual([])
  })
})

describe('createTable', () => {
  type Send = (command: object, options: object) => Promise<unknown>

  /**
   * Returns a client that answers some commands itself: `answer` returns the error to throw, or `null` to send the
   * command.
   */
  function answering(answer: (command: object) => Error | null): Pick<DynamoDBClient, 'send'> {
    const send: Send = async (command, options) => {
      const failure = answer(command)
      if (failure !== null) throw failure
      return await (client.send as Send)(command, options)
    }
    return { send: send as DynamoDBClient['send'] }
  }

  const failure = (name: string) => Object.assign(new Error(`${name} was said`), { name })

  it('ends at its time limit if the endpoint never answers', async () => {
    const { createServer } = await import('node:net')
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { readonly port: number }
    const waiting = localClient({ endpoint: `http://127.0.0.1:${port}` }, { maxAttempts: 1 })
    const error = await rejection(createTable({ client: waiting, tableName: 'jobs', timeout: 50 }))
    expect(error.code).toBe('STORAGE_BUSY')
    expect(error.remedy).toContain('raise timeout')
    waiting.destroy()
    silent.close()
  })

  it('rejects with STORAGE_UNREACHABLE if no server listens', async () => {
    const unreachable = localClient({ endpoint: 'http://127.0.0.1:1' }, { maxAttempts: 1 })
    const error = await rejection(createTable({ client: unreachable, tableName: 'jobs', timeout: 50 }))
    expect(error.code).toBe('STORAGE_UNREACHABLE')
    expect(error.message).toContain('ECONNREFUSED')
    unreachable.destroy()
  })

  it('ends at its time limit if DynamoDB answers that the table exists, but then does not find the table', async () => {
    let requests = 0
    const hidden = answering((command) => {
      // Ends the test if `createTable` never stops sending requests.
      if (requests++ === 500) return failure('ValidationException')
      const isLook = command instanceof QueryCommand
      return failure(isLook ? 'ResourceNotFoundException' : 'ResourceInUseException')
    })
    const error = await rejection(createTable({ client: hidden, tableName: 'hidden', timeout: 50 }))
    expect(error.code).toBe('STORAGE_BUSY')
    expect(error.message).toContain('the table is not ready')
    expect(error.remedy).toContain('raise timeout')
  })

  it('repeats throttled requests, and requests whose answer was lost', async () => {
    const met = new Set<object>()
    const throttled = answering(({ constructor: kind }) => {
      if (met.has(kind)) return null
      met.add(kind)
      return failure('ThrottlingException')
    })
    await createTable({ client: throttled, tableName: 'throttled' })
    expect(met).toEqual(new Set([QueryCommand, CreateTableCommand]))
    let losses = 0
    const send: Send = async (command, options) => {
      const answer = await (client.send as Send)(command, options)
      if (command instanceof CreateTableCommand && losses++ === 0) throw failure('TimeoutError')
      return answer
    }
    await createTable({ client: { send: send as DynamoDBClient['send'] }, tableName: 'lost-answer' })
    expect(losses).toBeGreaterThan(0)
    expect((await dynamodbStorage({ client, tableName: 'lost-answer' }).listJobs(look)).items).toEqual([])
  })

  it('does nothing if the table exists, and then needs no right to create tables', async () => {
    await createTable({ client, tableName: 'there' })
    const node = answering((command) =>
      command instanceof CreateTableCommand ? failure('AccessDeniedException') : null,
    )
    await expect(createTable({ client: node, tableName: 'there' })).resolves.toBeUndefined()
    const error = await rejection(createTable({ client: node, tableName: 'not-there' }))
    expect(error.code).toBe('STORAGE_UNREADABLE')
    expect(error.remedy).toContain('dynamodb:CreateTable')
  })

  it('rejects without any rights, and the remedy names the IAM policy with the necessary rights', async () => {
    const unreachable = answering(() => failure('AccessDeniedException'))
    const error = await rejection(createTable({ client: unreachable, tableName: 'there' }))
    expect([error.code, (error.cause as Error).name]).toEqual(['STORAGE_UNREADABLE', 'AccessDeniedException'])
    expect(error.remedy).toContain('iamPolicy()')
  })
})

function byName<Attribute extends { readonly AttributeName?: string | undefined }>(
  attributes: readonly Attribute[] | undefined,
): readonly Attribute[] {
  return [...(attributes ?? [])].sort((left, right) =>
    (left.AttributeName ?? '') < (right.AttributeName ?? '') ? -1 : 1,
  )
}

function byIndex<Index extends { readonly IndexName?: string | undefined }>(indexes: readonly Index[] = []): Index[] {
  return [...indexes].sort((left, right) => ((left.IndexName ?? '') < (right.IndexName ?? '') ? -1 : 1))
}

// The IAM actions that permit each command, by the class of the command.
const actions: Readonly<Record<string, (input: never) => readonly string[]>> = {
  GetItemCommand: () => ['GetItem'],
  BatchGetItemCommand: () => ['BatchGetItem'],
  QueryCommand: () => ['Query'],
  PutItemCommand: () => ['PutItem'],
  UpdateItemCommand: () => ['UpdateItem'],
  DeleteItemCommand: () => ['DeleteItem'],
  BatchWriteItemCommand: () => ['BatchWriteItem'],
  TransactWriteItemsCommand: ({ TransactItems: items }: { readonly TransactItems: readonly object[] }) =>
    items
      .flatMap((item) => Object.keys(item))
      .map((name) => (name === 'ConditionCheck' ? 'ConditionCheckItem' : `${name}Item`)),
}

it('the minimal IAM policy lists exactly the actions that a storage uses', async () => {
  await createTable({ client, tableName: 'policy' })
  const used = new Set<string>()
  const send = async (command: { readonly input: never }, options: object): Promise<unknown> => {
    for (const action of actions[command.constructor.name]?.(command.input) ?? [command.constructor.name]) {
      used.add(`dynamodb:${action}`)
    }
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  const storage = dynamodbStorage({ client: { send: send as unknown as DynamoDBClient['send'] }, tableName: 'policy' })
  const { id } = await addJob(storage, 'alpha', 'allow')
  const trigger = triggerItem(id, 1, slotAt(1))
  await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(id, 1), trigger] })
  const address = { id: trigger.id, jobId: id, scheduledAt: trigger.scheduledAt }
  const { claimed } = await storage.claim({ now: slotAt(2), owner, limit: 5, exceptHandlerKeys: [], sweep: true })
  expect(claimed.map((record) => record.id)).toEqual([trigger.id])
  await storage.settle({ now: slotAt(2), items: [finishItem(id, 1)] })
  await storage.cancel({ now: slotAt(2), items: [{ ...address, reason: 'over', actor: null, mode: 'force' }] })
  await storage.get({ jobs: [id], occurrences: [trigger.id] })
  await storage.listOccurrences({ kind: 'job', jobId: id, order: 'ascending', runs: true, limit: 5, cursor: null })
  await storage.saveJobs({ now: slotAt(3), changes: [{ kind: 'delete', id, expectedVersion: null }] })
  const pruned = await storage.prune({ now: slotAt(9), jobId: null, before: slotAt(9), keep: 0, limit: 100 })
  expect(pruned.removed).toBe(2)
  const tableArn = 'arn:aws:dynamodb:eu-central-1:123456789012:table/policy'
  const [statement] = iamPolicy({ tableArn }).Statement
  expect(statement?.Resource).toEqual([tableArn, `${tableArn}/index/live`, `${tableArn}/index/failed`])
  expect([...used].sort()).toEqual(statement?.Action)
  // The table contains only one item, which holds the layout version of the data.
  expect((await client.send(new ScanCommand({ TableName: 'policy' }))).Count).toBe(1)
})

describe('dynamodbStorage', () => {
  it.each([
    [{ tableName: 'jobs' }, 'client'],
    [{ client: {}, tableName: 'jobs' }, 'client'],
    [{ client: { send: () => {} } }, 'tableName'],
    [{ client: { send: () => {} }, tableName: 'x' }, 'tableName'],
    [{ client: { send: () => {} }, tableName: 'jobs', prefix: 'a:b' }, 'prefix'],
    [{ client: { send: () => {} }, tableName: 'jobs', prefix: '' }, 'prefix'],
    [null, 'options'],
  ])('refuses the options %j because of the member %s', (options, field) => {
    const open = () => dynamodbStorage(options as never)
    expect(open).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field }))
  })

  it('refuses an unknown option', () => {
    const open = () => dynamodbStorage({ client, tableName: 'jobs', region: 'x' } as never)
    expect(open).toThrow(expect.objectContaining({ code: 'UNKNOWN_OPTION', field: 'region' }))
  })

  it('refuses a time limit that is not a duration', () => {
    const open = () => dynamodbStorage({ client, tableName: 'jobs', retryTimeout: 'soon' })
    expect(open).toThrow(expect.objectContaining({ code: 'INVALID_DURATION', field: 'retryTimeout' }))
  })

  it.each([25, 60])('accepts a request timeout of %i days', async (days) => {
    let aborted: boolean | undefined
    const send = async (_: object, { abortSignal }: { readonly abortSignal: AbortSignal }): Promise<never> => {
      await setTimeout(50)
      aborted = abortSignal.aborted
      throw Object.assign(new Error('denied'), { name: 'AccessDeniedException' })
    }
    const denying = { send: send as unknown as DynamoDBClient['send'] }
    const storage = dynamodbStorage({ client: denying, tableName: 'jobs', requestTimeout: { days } })
    expect((await rejection(storage.listJobs(look))).code).toBe('STORAGE_UNREADABLE')
    expect(aborted).toBe(false)
  })
})

describe('the helper functions for the DynamoDB table', () => {
  const helpers = { cloudFormationTemplate, iamPolicy, tableDefinition } as unknown as Record<
    string,
    (options?: object | string) => unknown
  >
  const tableArn = 'arn:aws:dynamodb:eu-central-1:123456789012:table/jobs'

  it.each([
    ['iamPolicy', { tableArn: 'jobs' }, 'tableArn'],
    ['iamPolicy', { tableArn: 'arn:aws:s3:::jobs' }, 'tableArn'],
    ['iamPolicy', { tableArn: `${tableArn}/index/live` }, 'tableArn'],
    ['iamPolicy', {}, 'tableArn'],
    ['iamPolicy', undefined, 'options'],
    ['iamPolicy', tableArn, 'options'],
    ['cloudFormationTemplate', { tableName: tableArn }, 'tableName'],
    ['cloudFormationTemplate', undefined, 'options'],
    ['tableDefinition', {}, 'tableName'],
    ['tableDefinition', undefined, 'options'],
  ])('include %s, which refuses the options %j because of the member %s', (name, options, field) => {
    const call = () => helpers[name]?.(options)
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', field }))
  })

  it.each([
    ['iamPolicy', { tableArn }],
    ['cloudFormationTemplate', { tableName: 'jobs' }],
    ['tableDefinition', { tableName: 'jobs' }],
  ])('include %s, which refuses an unknown option', (name, options) => {
    expect(helpers[name]?.(options)).toBeTruthy()
    const call = () => helpers[name]?.({ ...options, region: 'x' })
    expect(call).toThrow(expect.objectContaining({ code: 'UNKNOWN_OPTION', field: 'region' }))
  })

  it('accept the ARN of a table, also in China and with wildcards', () => {
    for (const arn of ['arn:aws-cn:dynamodb:cn-north-1:123456789012:table/jobs', 'arn:aws:dynamodb:*:*:table/jobs']) {
      expect(iamPolicy({ tableArn: arn }).Statement[0]?.Resource[0]).toBe(arn)
    }
    expect(tableDefinition({ tableName: tableArn }).TableName).toBe(tableArn)
  })
})

describe('an error of DynamoDB', () => {
  const failing = (name: string, properties: object = {}) => {
    const send = async () => {
      throw Object.assign(new Error(`${name} was said`), { name, ...properties })
    }
    return dynamodbStorage({ client: { send: send as DynamoDBClient['send'] }, tableName: 'jobs', retryTimeout: 60 })
  }

  it.each([
    ['AccessDeniedException', 'STORAGE_UNREADABLE', /iamPolicy\(\)/],
    ['UnrecognizedClientException', 'STORAGE_UNREADABLE', /credentials/],
    ['InvalidSignatureException', 'STORAGE_UNREADABLE', /clock/],
    ['ExpiredTokenException', 'STORAGE_FAILED', /renews/],
    ['CredentialsProviderError', 'STORAGE_FAILED', /credentials/],
    ['ThrottlingException', 'STORAGE_BUSY', /capacity/],
    ['ProvisionedThroughputExceededException', 'STORAGE_BUSY', /capacity/],
    ['RequestLimitExceeded', 'STORAGE_BUSY', /capacity/],
    ['InternalServerError', 'STORAGE_BUSY', /repeated/],
    ['SomethingElse', 'STORAGE_FAILED', /cause/],
  ])('with the name %s makes a call reject with the code %s', async (name, code, message) => {
    const error = await rejection(failing(name).listJobs(look))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    expect((error.cause as Error).name).toBe(name)
  })

  it('is STORAGE_BUSY if the client waits for its credentials for ever', async () => {
    const waiting = localClient(inject('dynamodb'), { credentials: () => new Promise(() => {}) })
    const storage = dynamodbStorage({ client: waiting, tableName: 'jobs', requestTimeout: 50, retryTimeout: 50 })
    expect((await rejection(storage.listJobs(look))).code).toBe('STORAGE_BUSY')
    waiting.destroy()
  })

  it('is STORAGE_UNREADABLE with a remedy if the client has no region', async () => {
    const send = async () => {
      throw new Error('Region is missing')
    }
    const storage = dynamodbStorage({ client: { send: send as DynamoDBClient['send'] }, tableName: 'jobs' })
    const error = await rejection(storage.listJobs(look))
    expect(error.code).toBe('STORAGE_UNREADABLE')
    expect(error.remedy).toContain('AWS_REGION')
  })

  it('is STORAGE_UNREACHABLE if no server listens at the endpoint', async () => {
    const unreachable = localClient({ endpoint: 'http://127.0.0.1:1' }, { maxAttempts: 1 })
    const storage = dynamodbStorage({ client: unreachable, tableName: 'jobs', retryTimeout: 100 })
    const error = await rejection(storage.listJobs(look))
    expect(error.code).toBe('STORAGE_UNREACHABLE')
    expect(error.message).toContain('ECONNREFUSED')
    unreachable.destroy()
  })

  it('is STORAGE_BUSY if the endpoint never answers', async () => {
    const { createServer } = await import('node:net')
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { readonly port: number }
    const waiting = localClient({ endpoint: `http://127.0.0.1:${port}` }, { maxAttempts: 1 })
    const storage = dynamodbStorage({ client: waiting, tableName: 'jobs', requestTimeout: 50, retryTimeout: 50 })
    expect((await rejection(storage.listJobs(look))).code).toBe('STORAGE_BUSY')
    waiting.destroy()
    silent.close()
  })
})
