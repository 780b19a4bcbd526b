import { type Storage, storageFromLedger } from '@jobistemer/core/storage'
import { DynamoDBLedger } from './dynamodb-ledger.ts'
import { type DynamoDBStorageOptions, readOptions } from './options.ts'

/**
 * Storage in a DynamoDB table, for any number of nodes in one region.
 *
 * ```ts
 * const storage = dynamodbStorage({ client: new DynamoDBClient({}), tableName: 'jobs' })
 * ```
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`. The first call checks that the
 *   table exists and is one of Jobistemer's.
 */
export function dynamodbStorage(options: DynamoDBStorageOptions): Storage {
  return storageFromLedger(new DynamoDBLedger(readOptions(options)))
}
