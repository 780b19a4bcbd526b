/** The kind of values that a public option accepts. {@link wrongValuesOf} returns values that the option must reject. */
export type OptionKind =
  | 'name'
  | 'duration'
  | 'positive duration'
  | 'instant'
  | 'timezone'
  | 'choice'
  | 'boolean'
  | 'function'
  | 'plain data'
  | 'object'
  | 'object or null'
  | 'one or a list'
  | 'name, or a list'
  | 'list'
  | 'text'
  | 'text to parse'
  | { readonly integerFrom: number; readonly to: number }
  | { readonly numberFrom: number; readonly to: number }

/** A wrong value for an option, with a description of the value. */
export interface WrongValue {
  readonly what: string
  readonly value: unknown
}

const long = 'T'.repeat(150_000)
const ofTheLanguage = ['__proto__', 'constructor', 'toString']

class Instance {
  readonly amount = 5
  toJSON(): number {
    return 5
  }
}

const cyclic: Record<string, unknown> = {}
cyclic.self = cyclic

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

const wrongTypes: readonly WrongValue[] = [
  { what: 'null', value: null },
  { what: 'a symbol', value: Symbol('s') },
  { what: 'a bigint', value: 5n },
]
const noText: readonly WrongValue[] = [
  ...wrongTypes,
  { what: 'a number', value: 5 },
  { what: 'true', value: true },
  { what: 'a list', value: ['a'] },
  { what: 'an object', value: { name: 'a' } },
  { what: 'a boxed text', value: Object('a') },
  { what: 'a text of 150,000 characters', value: long },
]
const noNumber: readonly WrongValue[] = [
  ...wrongTypes,
  { what: 'a text', value: '5' },
  { what: 'NaN', value: Number.NaN },
  { what: 'infinity', value: Number.POSITIVE_INFINITY },
  { what: 'true', value: true },
  { what: 'a list', value: [5] },
  { what: 'an object', value: { valueOf: () => 5 } },
]
const noObject: readonly WrongValue[] = [
  ...wrongTypes,
  { what: 'a number', value: 5 },
  { what: 'a text', value: 'a' },
  { what: 'a list', value: [] },
  { what: 'a Map', value: new Map() },
  { what: 'a Date', value: new Date(0) },
]

const texts = (...values: readonly string[]): WrongValue[] => values.map((value) => ({ what: `“${value}”`, value }))

const byKind: Readonly<Record<Extract<OptionKind, string>, readonly WrongValue[]>> = {
  name: [
    ...noText,
    ...texts('', '__proto__', 'x'.repeat(256)),
    { what: 'half a surrogate pair', value: 'report \ud800' },
  ],
  duration: [
    ...wrongTypes,
    ...texts('often', '', 'P1M', 'PT-5M', '__proto__'),
    { what: 'a text of 150,000 characters', value: long },
    { what: 'less than nothing', value: -1 },
    { what: 'NaN', value: Number.NaN },
    { what: 'infinity', value: Number.POSITIVE_INFINITY },
    { what: 'more than 100 years', value: 1e15 },
    { what: 'no parts', value: {} },
    { what: 'an unknown part', value: { fortnights: 1 } },
    { what: 'a part that is text', value: { minutes: '5' } },
    { what: 'a part of every object', value: { constructor: 1 } },
    { what: 'inherited parts', value: Object.create({ minutes: 5 }) },
    { what: 'a list', value: [5] },
  ],
  'positive duration': [{ what: 'nothing', value: 0 }],
  instant: [
    ...wrongTypes,
    ...texts('soon', '', '2026-13-01', '__proto__'),
    { what: 'a text of 150,000 characters', value: long },
    { what: 'NaN', value: Number.NaN },
    { what: 'infinity', value: Number.NEGATIVE_INFINITY },
    { what: 'later than a Date can be', value: 9e15 },
    { what: 'an invalid Date', value: new Date(Number.NaN) },
    { what: 'what only looks like a Date', value: Object.create(Date.prototype) },
    {
      what: 'what throws when it is read',
      value: {
        toMillis(): number {
          throw new Error('no')
        },
      },
    },
    { what: 'true', value: true },
    { what: 'an object', value: {} },
  ],
  timezone: [...noText, ...texts('', 'Mars/Base', '__proto__')],
  choice: [...noText, ...texts('', 'no', ...ofTheLanguage)],
  boolean: [...wrongTypes, { what: 'a number', value: 1 }, { what: 'an object', value: {} }, ...texts('', 'yes')],
  function: [...noObject, { what: 'an object', value: {} }, { what: 'true', value: true }],
  'plain data': [
    { what: 'a symbol', value: Symbol('s') },
    { what: 'a bigint', value: 5n },
    { what: 'a function', value: () => 1 },
    { what: 'NaN', value: Number.NaN },
    { what: 'a Map', value: new Map() },
    { what: 'a Set inside', value: { ids: new Set([1]) } },
    { what: 'a Date inside', value: { rows: [{ at: new Date(0) }] } },
    { what: 'an instance', value: new Instance() },
    { what: 'a cycle', value: cyclic },
    { what: 'a hole', value: new Array(2) },
    { what: '1,000 levels', value: nested(1000) },
    { what: 'a text of 150,000 characters', value: long },
    { what: 'quotes that are too many when escaped', value: '"'.repeat(100_000) },
  ],
  object: [
    ...noObject,
    { what: 'an unknown member', value: { surely: 'unknown' } },
    { what: 'a member of every object', value: { constructor: 1 } },
    { what: 'a member that JSON brings', value: JSON.parse('{"__proto__": {"admin": true}}') },
  ],
  'object or null': noObject.filter(({ value }) => value !== null),
  'one or a list': noObject.filter(({ what }) => what !== 'a list'),
  'name, or a list': [...noText.filter(({ what }) => what !== 'a list'), ...texts('', '__proto__', 'x'.repeat(256))],
  list: [...noObject.filter(({ what }) => what !== 'a list'), { what: 'a list of nothing', value: [null] }],
  text: [...noText, ...texts('')],
  'text to parse': [...noText, ...texts('', 'no', ...ofTheLanguage)],
}

/** Returns wrong values for a kind of option, such as values of another type, or texts that are too long. */
export function wrongValuesOf(kind: OptionKind): readonly WrongValue[] {
  if (kind === 'positive duration') return [...byKind.duration, ...byKind['positive duration']]
  if (typeof kind === 'string') return byKind[kind]
  const from = 'integerFrom' in kind ? kind.integerFrom : kind.numberFrom
  const outside = [
    { what: 'too small', value: from - 1 },
    { what: 'too large', value: kind.to + 1 },
  ]
  return [...noNumber, ...outside, ...('integerFrom' in kind ? [{ what: 'a half', value: from + 0.5 }] : [])]
}
