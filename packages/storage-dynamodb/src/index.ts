export { type CreateTableOptions, createTable } from './open-table.ts'
export { dynamodbStorage } from './dynamodb-ledger.ts'
export type { DynamoDBStorageOptions } from './options.ts'
export {
  type CloudFormationTemplate,
  cloudFormationTemplate,
  type IamPolicy,
  iamPolicy,
  tableDefinition,
} from './table-definition.ts'
