import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pixelmatch from 'pixelmatch'
import sharp from 'sharp'

const references = fileURLToPath(new URL('../pictures/', import.meta.url))
const found = join(tmpdir(), 'jobistemer-pictures')
const isRenewed = process.env.JOBISTEMER_RENEW_PICTURES !== undefined

/**
 * Maximum color distance of pixels that count as equal, from 0 to 1. A reference picture has only 128 colors, so its pixels
 * differ slightly from the drawn pixels.
 */
const threshold = 0.1
/** Maximum number of differing pixels per million. A changed word changes more pixels. */
const mostDiffering = 60

interface Picture {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
}

async function pixelsOf(png: Buffer): Promise<Picture> {
  const { data, info } = await sharp(png).ensureAlpha().raw().toBuffer({ resolveWithObject: true })
  return { width: info.width, height: info.height, pixels: new Uint8Array(data) }
}

interface Difference {
  readonly perMillion: number
  /**
   * Draws a picture of the differences. Only a failing test calls this method, because drawing takes longer than
   * comparing.
   */
  picture(): Promise<Buffer>
}

/** Compares two pictures of the same size. Ignores antialiased edges of letters, because machines draw them differently. */
export async function differenceOf(one: Buffer, other: Buffer): Promise<Difference> {
  const [left, right] = await Promise.all([pixelsOf(one), pixelsOf(other)])
  const { width, height } = left
  if (width !== right.width || height !== right.height) return { perMillion: 1_000_000, picture: async () => other }
  const compare = (drawn: Uint8Array | undefined) =>
    pixelmatch(left.pixels, right.pixels, drawn, width, height, { threshold })
  return {
    perMillion: (compare(undefined) / (width * height)) * 1_000_000,
    picture: () => {
      const drawn = new Uint8Array(width * height * 4)
      compare(drawn)
      return sharp(drawn, { raw: { width, height, channels: 4 } })
        .png()
        .toBuffer()
    },
  }
}

/** Reduces a picture to 128 colors, so that its file is small. */
export function reduced(png: Buffer): Promise<Buffer> {
  return sharp(png).png({ palette: true, colours: 128, dither: 0, effort: 10, compressionLevel: 9 }).toBuffer()
}

/**
 * Compares a picture with its reference. Returns the problem, or `null` for an equal picture. With `JOBISTEMER_RENEW_PICTURES`,
 * a different picture replaces the reference.
 */
export async function complaintAbout(name: string, png: Buffer, drawnBy: string): Promise<string | null> {
  const file = join(references, `${name}.png`)
  const isThere = existsSync(file)
  const difference = isThere ? await differenceOf(readFileSync(file), png) : null
  if (difference !== null && difference.perMillion <= mostDiffering) return null
  if (isRenewed) {
    writeFileSync(file, await reduced(png))
    return null
  }
  mkdirSync(found, { recursive: true })
  writeFileSync(join(found, `${name}.png`), png)
  const renew = 'Look at it; if it is right, `pnpm run renew-pictures` makes it the reference.'
  if (difference === null) return `${name}: there is no reference. The picture is in ${found}. ${renew}`
  writeFileSync(join(found, `${name}-difference.png`), await difference.picture())
  const made = readFileSync(join(references, 'drawn-by.txt'), 'utf8').trim()
  const other = made === drawnBy ? '' : ` The references were drawn by ${made}, this one by ${drawnBy}.`
  return `${name}: ${Math.round(difference.perMillion)} of a million pixels differ. The picture and the difference are in ${found}.${other} ${renew}`
}

/** Stores the name of the browser that has drawn the reference pictures. */
export function keepDrawnBy(drawnBy: string): void {
  if (!isRenewed) return
  mkdirSync(references, { recursive: true })
  writeFileSync(join(references, 'drawn-by.txt'), `${drawnBy}\n`)
}
