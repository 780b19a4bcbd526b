import { readFileSync } from 'node:fs'

/** A file of the page, as the build has left it. */
interface Asset {
  readonly type: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly packed: Uint8Array<ArrayBuffer>
}

/** What the build says of its files. */
interface Manifest {
  readonly script: string
  readonly style: string
  readonly icon: string
}

const types: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

/** The files of the page. They are few and small: they are read once, and served from memory by their exact names. */
export class Assets {
  readonly names: Manifest
  readonly #files: ReadonlyMap<string, Asset>

  /** The folder is the same from `src` and from `dist`. */
  constructor(folder: URL = new URL('../dist/page/', import.meta.url)) {
    this.names = JSON.parse(readFileSync(new URL('manifest.json', folder), 'utf8'))
    const files = [this.names.script, this.names.style, this.names.icon]
    const read = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)))
    this.#files = new Map(
      files.map((name) => [
        name,
        { type: types[name.split('.').at(-1) as string] as string, bytes: read(name), packed: read(`${name}.gz`) },
      ]),
    )
  }

  /** `null`: there is none of this name. */
  serve(name: string, request: Request): Response | null {
    const asset = this.#files.get(name)
    if (asset === undefined) return null
    const isPacked = acceptsGzip(request)
    return new Response(isPacked ? asset.packed : asset.bytes, {
      headers: {
        'content-type': asset.type,
        // The name changes with the content.
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
