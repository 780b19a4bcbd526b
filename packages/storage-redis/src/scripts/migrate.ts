/**
 * One step of a migration on one shard. The step itself updates the key `form` of the shard, which holds its progress. So each
 * step is done once, however many processes migrate at the same time, and after a crash the next process continues.
 *
 * The key holds `2` for data in form 2, and `2+…` for data on their way from form 2 to form 3. Until the first
 * migration there is none.
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
 * Stores that a migration to this form begins. From then on older versions of this package refuse the data. The old version
 * stays stored until the migration has ended.
 */
export const beginMigrationScript: string = `#!lua
local meta, to = KEYS[1], ARGV[1]
local schema = redis.call('HGET', meta, 'schema')
if tonumber(schema) < tonumber(to) then
  redis.call('HSET', meta, 'schema', to, 'migratingFrom', redis.call('HGET', meta, 'migratingFrom') or schema)
end
`

/** Says that all data are in a form, unless a newer version has begun to bring them further. */
export const endMigrationScript: string = `#!lua
local meta, to = KEYS[1], ARGV[1]
if redis.call('HGET', meta, 'schema') == to then redis.call('HDEL', meta, 'migratingFrom') end
`
