import { expect, it } from 'vitest'
import { readTortureOptions } from '../src/torture-options.ts'

const read = (...args: readonly string[]) => readTortureOptions(args, () => 'new')

it('by default, the torture test kills nodes 100 times, has four nodes on SQLite, and uses a new seed', () => {
  expect(read()).toEqual({
    storage: 'sqlite',
    nodes: 4,
    callers: 0,
    kills: 100,
    minutes: 40 / 60,
    seed: 'new',
    clockSkew: 0,
    sabotage: null,
    loseWrites: false,
    keep: false,
  })
})

it('the options of the torture test override its defaults', () => {
  const args =
    '--storage redis --nodes 8 --kills 250 --minutes 2.5 --seed 7 --clock-skew 0.5 --sabotage forget-wake --lose-writes --keep'
  expect(read(...args.split(' '))).toEqual({
    storage: 'redis',
    nodes: 8,
    callers: 0,
    kills: 250,
    minutes: 2.5,
    seed: '7',
    clockSkew: 0.5,
    sabotage: 'forget-wake',
    loseWrites: true,
    keep: true,
  })
})

it('a torture run with one kill lasts at least 20 s', () => {
  expect(read('--kills', '1')?.minutes).toBeCloseTo(20 / 60)
})

it.each(['redis', 'redis-cluster', 'dynamodb', 'postgres'])(
  'a torture run on %s has wrong clocks by default, and more time for each kill than a run on SQLite',
  (storage) => {
    const options = read('--storage', storage)
    expect(options?.clockSkew).toBe(5)
    expect(options?.minutes).toBeGreaterThan(40 / 60)
  },
)

it('the torture test prints its usage for --help', () => {
  expect(read('--help')).toBeNull()
})

it.each([
  [['--lose-writes'], /--lose-writes works only with redis, not with sqlite/],
  [['--storage', 'oracle'], /no storage "oracle".*one of: sqlite, redis, redis-cluster, dynamodb, postgres/s],
  [
    ['--sabotage', 'nothing'],
    /ignore-token, create-twice, split-overlap, forget-wake, complete-late, one-place-more, one-start-more, not nothing/,
  ],
  [['--nodes', '0'], /--nodes is not a whole number from 1 to 64: 0/],
  [['--nodes', '2.5'], /--nodes is not a whole number/],
  [['--kills', 'many'], /--kills is not a whole number/],
  [['--kills', ''], /--kills is not a whole number/],
  [['--minutes=-1'], /--minutes is not a number from/],
  [['--clock-skew', 'much'], /--clock-skew is not a number from 0 to 1440: much/],
  [['--hours', '1'], /--hours/],
])('the torture test refuses %j with the reason and the usage', (args, reason) => {
  expect(() => read(...args)).toThrow(reason)
  expect(() => read(...args)).toThrow(/Usage: npm run torture/)
})
