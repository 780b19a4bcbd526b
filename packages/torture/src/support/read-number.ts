/** Parses the number of an option. @throws TypeError with the option and its range */
export function readNumber(text: string, name: string, least: number, most: number, isWhole: boolean): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value
  throw new TypeError(`${name} is not ${isWhole ? 'a whole number' : 'a number'} from ${least} to ${most}: ${text}.`)
}
