import { Buffer } from 'node:buffer'
import { gunzipSync } from 'node:zlib'
import { pageFiles } from '#page-files'

/** A built file of the page: script, style sheet or icon. */
interface Asset {
  readonly type: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly packed: Uint8Array<ArrayBuffer>
}

/** The names of the page's files. A name changes with the content of its file. */
interface AssetNames {
  readonly script: string
  readonly style: string
  readonly icon: string
}

const types: Readonly<Record<string, string>> = {
  script: 'text/javascript; charset=utf-8',
  style: 'text/css; charset=utf-8',
  icon: 'image/svg+xml',
}

/** Serves the script, style sheet and icon of the page from memory, by their exact file names. */
export class Assets {
  readonly names: AssetNames
  readonly #files: ReadonlyMap<string, Asset>

  constructor() {
    this.names = Object.fromEntries(pageFiles.map(({ kind, name }) => [kind, name])) as unknown as AssetNames
    this.#files = new Map(
      pageFiles.map(({ kind, name, packed }) => {
        const gzip = Buffer.from(packed, 'base64')
        const bytes = new Uint8Array(gunzipSync(gzip))
        return [name, { type: types[kind] as string, bytes, packed: new Uint8Array(gzip) }]
      }),
    )
  }

  /** Returns the answer for a file of the page, or `null` for an unknown file name. */
  serve(name: string, request: Request): Response | null {
    const asset = this.#files.get(name)
    if (asset === undefined) return null
    const isPacked = acceptsGzip(request)
    return new Response(isPacked ? asset.packed : asset.bytes, {
      headers: {
        'content-type': asset.type,
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'accept-encoding',
        ...(isPacked && { 'content-encoding': 'gzip' }),
      },
    })
  }
}

export function acceptsGzip(request: Request): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(request.headers.get('accept-encoding') ?? '')
}
