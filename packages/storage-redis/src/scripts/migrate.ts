/**
 * Returns the script of one migration step on one shard. The script updates the shard's key `form`, which holds the
 * progress. So each step runs once, however many processes migrate at once, and another process continues after a
 * crash.
 *
 * The key holds `2` for data in form 2, and `2+…` for data that are being migrated from form 2 to form 3. Before the
 * first migration the key does not exist.
 */
export function migrationScript(step: string): string {
  return `#!lua
local call = redis.call
local shard = string.sub(KEYS[1], 1, -6)
local to, first = tonumber(ARGV[1]), ARGV[2]
local form = call('GET', shard .. 'form') or first
local version, position = string.match(form, '^(%d+)%+(.*)$')
if not version then version, position = form, '' end
if tonumber(version) >= to then return 'done' end

local function step(position)
${step}
end

local next = step(position)
call('SET', shard .. 'form', next and version .. '+' .. next or to)
return next and 'more' or 'done'
`
}

/**
 * Stores that a migration to a form begins. From then on older versions of this package reject the data. The earlier
 * form stays stored until the migration has ended.
 */
export const beginMigrationScript: string = `#!lua
local meta, to = KEYS[1], ARGV[1]
local schema = redis.call('HGET', meta, 'schema')
if tonumber(schema) < tonumber(to) then
  redis.call('HSET', meta, 'schema', to, 'migratingFrom', redis.call('HGET', meta, 'migratingFrom') or schema)
end
`

/** Stores that all data have a form, unless a newer version has begun a further migration. */
export const endMigrationScript: string = `#!lua
local meta, to = KEYS[1], ARGV[1]
if redis.call('HGET', meta, 'schema') == to then redis.call('HDEL', meta, 'migratingFrom') end
`
