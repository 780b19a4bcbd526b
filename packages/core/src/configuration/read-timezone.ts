import { IANAZone } from 'luxon'
import { invalidValue } from '../errors.ts'
import { longestReadable, rememberedValues } from '../tuning.ts'

// Cache of known zones, because `Intl` takes 0.1 ms per check. The cache is bounded, because a zone has many spellings.
const knownTimezones = new Set<string>()

/** Checks that this runtime knows a time zone. @throws JobistemerError `INVALID_TIMEZONE` */
export function readTimezone(input: string, field: string): string {
  if (knownTimezones.has(input)) return input
  if (typeof input === 'string' && input.length <= longestReadable && IANAZone.isValidZone(input)) {
    if (knownTimezones.size < rememberedValues) knownTimezones.add(input)
    return input
  }
  throw invalidValue(
    field,
    'is not a known time zone',
    input,
    'Give an IANA name such as "Europe/Berlin" or "UTC", of at most 100 characters.',
    'INVALID_TIMEZONE',
  )
}
