export { type CreateTableOptions, createTable } from './create-table.ts'
export { dynamodbStorage } from './dynamodb-storage.ts'
export type { DynamoDBStorageOptions } from './options.ts'
export {
  type CloudFormationTemplate,
  cloudFormationTemplate,
  type IamPolicy,
  iamPolicy,
  tableDefinition,
} from './table-definition.ts'
