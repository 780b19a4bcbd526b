import type { ComponentChildren } from 'preact'
import { base } from './base.ts'
import { pathOf, type Query } from './request.ts'
import { Store, useStore } from './store.ts'

/** A parsed address of the dashboard: the path below the base, and the query. */
export interface Place {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
}

function readPlace(): Place {
  const { pathname, search } = window.location
  return { path: pathname.slice(base.length) || '/', query: Object.fromEntries(new URLSearchParams(search)) }
}

const place = new Store<Place>(readPlace())

window.addEventListener('popstate', () => {
  place.value = readPlace()
})

export function usePlace(): Place {
  return useStore(place)
}

/** Opens an address of the dashboard. Keeps the scroll position if only the query changes. */
export function go(path: string, query: Query = {}, { replaces = false } = {}): void {
  const target = `${base}${pathOf(path, query)}`
  const isElsewhere = path !== place.value.path
  if (replaces) window.history.replaceState(null, '', target)
  else window.history.pushState(null, '', target)
  place.value = readPlace()
  if (!isElsewhere) return
  window.scrollTo(0, 0)
  // Focuses the heading, so that screen readers begin to read at the new page.
  requestAnimationFrame(() => document.querySelector<HTMLElement>('h1')?.focus())
}

/** Changes members of the query without leaving the page. */
export function change(query: Query, options?: { readonly replaces?: boolean }): void {
  go(place.value.path, { ...place.value.query, ...query }, options)
}

interface LinkProps {
  readonly to: string
  readonly query?: Query
  readonly class?: string
  readonly title?: string
  readonly tabIndex?: number
  readonly 'aria-label'?: string
  readonly 'aria-current'?: 'page' | 'true' | undefined
  readonly children?: ComponentChildren
}

/** Returns whether a click opens its link in this tab, not in a new tab or window. */
function isPlain({ defaultPrevented, button, metaKey, ctrlKey, shiftKey, altKey }: MouseEvent): boolean {
  return !defaultPrevented && button === 0 && !metaKey && !ctrlKey && !shiftKey && !altKey
}

/**
 * A listener for clicks on an element. If the user clicks a link in the element, opens the link in this page. An element with
 * very many links needs only one such listener, not one for each link.
 */
export function follow(event: MouseEvent): void {
  const link = (event.target as HTMLElement).closest('a')
  if (link === null || !isPlain(event)) return
  event.preventDefault()
  const { pathname, searchParams } = new URL(link.href)
  go(pathname.slice(base.length), Object.fromEntries(searchParams))
}

/** A link to a page of the dashboard. It is an anchor, so the user can open it in another tab or copy its address. */
export function Link({ to, query = {}, children, ...others }: LinkProps) {
  const open = (event: MouseEvent): void => {
    if (!isPlain(event)) return
    event.preventDefault()
    go(to, query)
  }
  return (
    <a {...others} href={`${base}${pathOf(to, query)}`} onClick={open}>
      {children}
    </a>
  )
}
