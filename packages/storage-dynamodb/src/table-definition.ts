import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb'
import { readOptionNames } from '@jobistemer/core/storage'
import { readPlainName, readTableArn, readTableName } from './options.ts'

/** The index of live occurrences. It is sparse: only what lives has the attributes that are its keys. */
export const liveIndex = 'live'

/** The index of failures, sparse as well: only what failed has its keys, and pays for it. */
export const failedIndex = 'failed'

/**
 * The table as `CreateTable` takes it: billed by request, without time to live, encrypted by DynamoDB's own key.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function tableDefinition(options: { readonly tableName: string }): CreateTableCommandInput {
  readOptionNames(options, { opener: 'tableDefinition', known: ['tableName'], example: '{ tableName }' })
  return definitionOf(readTableName(options.tableName))
}

function definitionOf(tableName: string): CreateTableCommandInput {
  return {
    TableName: tableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
      { AttributeName: 'lp', AttributeType: 'S' },
      { AttributeName: 'lo', AttributeType: 'N' },
      { AttributeName: 'fp', AttributeType: 'S' },
      { AttributeName: 'fo', AttributeType: 'S' },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: liveIndex,
        KeySchema: [
          { AttributeName: 'lp', KeyType: 'HASH' },
          { AttributeName: 'lo', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
      {
        IndexName: failedIndex,
        KeySchema: [
          { AttributeName: 'fp', KeyType: 'HASH' },
          { AttributeName: 'fo', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ],
  }
}

/**
 * A CloudFormation template of the table, with point-in-time recovery and kept when the stack is deleted.
 *
 * ```sh
 * node -e 'import("@jobistemer/storage-dynamodb").then(({ cloudFormationTemplate }) =>
 *   console.log(JSON.stringify(cloudFormationTemplate({ tableName: "jobs" }), null, 2)))' > jobs.json
 * ```
 *
 * @throws JobistemerError `INVALID_ARGUMENT`, also for an ARN; `UNKNOWN_OPTION`
 */
export function cloudFormationTemplate(options: { readonly tableName: string }): CloudFormationTemplate {
  readOptionNames(options, { opener: 'cloudFormationTemplate', known: ['tableName'], example: '{ tableName }' })
  const tableName = readPlainName(options.tableName)
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: 'The table of the Jobistemer scheduler.',
    Resources: {
      JobistemerTable: {
        Type: 'AWS::DynamoDB::Table',
        DeletionPolicy: 'Retain',
        UpdateReplacePolicy: 'Retain',
        // CloudFormation calls the members by the names of the API.
        Properties: {
          ...definitionOf(tableName),
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        },
      },
    },
    Outputs: {
      TableArn: { Value: { 'Fn::GetAtt': ['JobistemerTable', 'Arn'] } },
    },
  }
}

/**
 * What {@link cloudFormationTemplate} gives: a template of the table, with the names that CloudFormation has for its
 * parts.
 */
export interface CloudFormationTemplate {
  /** The version of the form. */
  readonly AWSTemplateFormatVersion: string
  /** For people. */
  readonly Description: string
  /** The table, which is kept when its stack is deleted. */
  readonly Resources: {
    readonly JobistemerTable: {
      readonly Type: string
      readonly DeletionPolicy: string
      readonly UpdateReplacePolicy: string
      readonly Properties: CreateTableCommandInput & {
        readonly PointInTimeRecoverySpecification: { readonly PointInTimeRecoveryEnabled: boolean }
      }
    }
  }
  /** The ARN of the table. */
  readonly Outputs: { readonly TableArn: { readonly Value: { readonly 'Fn::GetAtt': readonly string[] } } }
}

/** What a storage asks of DynamoDB. Each is one permission. */
const usedActions = [
  'dynamodb:BatchGetItem',
  'dynamodb:BatchWriteItem',
  'dynamodb:ConditionCheckItem',
  'dynamodb:DeleteItem',
  'dynamodb:GetItem',
  'dynamodb:PutItem',
  'dynamodb:Query',
  'dynamodb:UpdateItem',
] as const

/**
 * The least policy for a node: the actions that a storage uses, on one table and its indexes. `createTable` takes
 * `dynamodb:CreateTable` and `dynamodb:DescribeTable` on top.
 *
 * @param options with an ARN such as `arn:aws:dynamodb:eu-central-1:123456789012:table/jobs`
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function iamPolicy(options: { readonly tableArn: string }): IamPolicy {
  readOptionNames(options, { opener: 'iamPolicy', known: ['tableArn'], example: '{ tableArn }' })
  const tableArn = readTableArn(options.tableArn)
  const indexes = [liveIndex, failedIndex].map((name) => `${tableArn}/index/${name}`)
  return {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: [...usedActions], Resource: [tableArn, ...indexes] }],
  }
}

/** What {@link iamPolicy} gives: a policy, with the names that IAM has for its parts. */
export interface IamPolicy {
  /** The version of the policy language. */
  readonly Version: string
  /** What is allowed, and on what. */
  readonly Statement: readonly {
    readonly Effect: string
    readonly Action: readonly string[]
    readonly Resource: readonly string[]
  }[]
}
