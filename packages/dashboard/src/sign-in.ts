import { Buffer } from 'node:buffer'
import { createHash, timingSafeEqual } from 'node:crypto'
import { Problem, withoutToken, wrongMethod } from './problem.ts'
import type { Settings } from './read-options.ts'
import { readBytes } from './request-body.ts'

/** Returns whether a request carries the token, as a bearer token or as the cookie of {@link signIn}. */
export function hasToken(request: Request, token: string, basePath: string): boolean {
  const bearer = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (bearer !== undefined) return isSame(bearer, token)
  const name = cookieName(basePath, token)
  return cookiesOf(request).some(
    (one) => one.startsWith(`${name}=`) && isSame(one.slice(name.length + 1), cookieValue(token)),
  )
}

/**
 * Answers a link that carries the token: sets the cookie and redirects to the address without the token. The token then
 * appears neither in the browser history nor in a `Referer`. Returns `null` for a missing or wrong token.
 */
export function signInByLink(request: Request, url: URL, settings: Settings): Response | null {
  const given = url.searchParams.get('token')
  if (settings.token === undefined || given === null || !isSame(given, settings.token)) return null
  return signIn(request, url, settings, settings.token)
}

/**
 * Answers the form of the sign-in page.
 * @throws Problem 401 for a wrong token, 405 without the option `token`
 */
export async function signInByForm(request: Request, url: URL, settings: Settings): Promise<Response> {
  const { token } = settings
  if (token === undefined) throw wrongMethod('GET, HEAD')
  const type = (request.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw new Problem(415, 'NOT_A_FORM', 'Send the token as a form.')
  const given = new URLSearchParams(Buffer.from(await readBytes(request)).toString()).get('token') ?? ''
  if (!isSame(given.trim(), token)) throw withoutToken('WRONG_TOKEN', 'This is not the token of this dashboard.')
  return signIn(request, url, settings, token)
}

function signIn(request: Request, url: URL, { basePath, origins }: Settings, token: string): Response {
  const target = new URL(url)
  target.searchParams.delete('token')
  const secure = isSecure(request, url, origins) ? '; Secure' : ''
  const path = basePath === '' ? '/' : basePath
  const headers = new Headers({ location: `${target.pathname}${target.search}` })
  const attributes = `Path=${path}; HttpOnly; SameSite=Lax${secure}`
  const name = cookieName(basePath, token)
  headers.append('set-cookie', `${name}=${cookieValue(token)}; ${attributes}`)
  for (const other of namesLikeIt(request, name).slice(0, -mostCookies)) {
    headers.append('set-cookie', `${other}=; Max-Age=0; ${attributes}`)
  }
  return new Response(null, { status: 303, headers })
}

/**
 * Returns whether the browser uses TLS, so that the cookie may have the attribute `Secure`. If a proxy ends TLS, only the
 * header of the proxy shows whether the browser uses TLS. A client that forges this header prevents only its own sign-in.
 */
function isSecure(request: Request, url: URL, origins: ReadonlySet<string>): boolean {
  if (url.protocol === 'https:') return true
  const { headers } = request
  const forwarded = headers.get('x-forwarded-proto') ?? /\bproto="?(\w+)/i.exec(headers.get('forwarded') ?? '')?.[1]
  if (forwarded !== null && forwarded !== undefined) return /^\s*https\b/i.test(forwarded)
  const origin = headers.get('origin')
  return origin?.startsWith('https:') === true || origins.has(`https://${headers.get('host') ?? url.host}`)
}

/** A new sign-in keeps at most this number of cookies of other dashboards at this host and path. */
const mostCookies = 10

/**
 * Returns the names of cookies that other dashboards at this host and path have set. Such a name differs from `name` only in
 * the hash at its end.
 */
function namesLikeIt(request: Request, name: string): readonly string[] {
  const cookies = cookiesOf(request).map((one) => one.replace(/=.*/s, ''))
  return cookies.filter(
    (one) => one !== name && one.length === name.length && one.startsWith(name.slice(0, -hashLength)),
  )
}

function cookiesOf(request: Request): readonly string[] {
  return (request.headers.get('cookie') ?? '').split(';').map((one) => one.trim())
}

/** Length of the hash that distinguishes tokens in cookie names, in characters. */
const hashLength = 8

/**
 * Returns the cookie name for a token. Browsers send cookies to all ports of a host, so dashboards at one host and path
 * need different names.
 */
function cookieName(basePath: string, token: string): string {
  const ofToken = createHash('sha256').update(`jobistemer cookie name ${token}`).digest('hex').slice(0, hashLength)
  return `jobistemer${basePath.replaceAll(/[^\w-]/g, '-')}-${ofToken}`
}

/** Returns the cookie value: a hash, so that the cookie does not contain the token. */
function cookieValue(token: string): string {
  return createHash('sha256').update(`jobistemer cookie ${token}`).digest('base64url')
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer]
  return timingSafeEqual(first, second)
}
