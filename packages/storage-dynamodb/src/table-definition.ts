import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb'
import { readOptionNames } from '@jobistemer/core/storage'
import { readPlainName, readTableArn, readTableName } from './options.ts'

/** The sparse index of live occurrences: only live occurrences have its key attributes. */
export const liveIndex = 'live'

/** The sparse index of failures: only failed occurrences have its key attributes and add to its costs. */
export const failedIndex = 'failed'

/**
 * Returns the input of `CreateTable` for the table: billed by request, without time to live, encrypted with DynamoDB's
 * own key.
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
 * Returns a CloudFormation template of the table. The table has point-in-time recovery, and stays when the stack is
 * deleted.
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
        // CloudFormation uses the same member names as DynamoDB's API.
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

/** The result of {@link cloudFormationTemplate}: a template of the table, with CloudFormation's member names. */
export interface CloudFormationTemplate {
  /** The version of CloudFormation's template format. */
  readonly AWSTemplateFormatVersion: string
  /** The description of the stack, for people. */
  readonly Description: string
  /** The table. CloudFormation keeps the table when the stack is deleted. */
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

/** The actions of DynamoDB that a storage calls. Each one is an IAM permission. */
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
 * The least IAM policy for a node: the actions of a storage, on one table and its indexes. `createTable` also needs
 * `dynamodb:CreateTable`.
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

/** The result of {@link iamPolicy}: a policy with IAM's member names. */
export interface IamPolicy {
  /** The version of IAM's policy language. */
  readonly Version: string
  /** The permitted actions and their resources. */
  readonly Statement: readonly {
    readonly Effect: string
    readonly Action: readonly string[]
    readonly Resource: readonly string[]
  }[]
}
