import { Store } from './store.ts'

export type Zone = 'browser' | 'job' | 'utc'
export type Theme = 'system' | 'light' | 'dark'

const zones: readonly Zone[] = ['browser', 'job', 'utc']
const themes: readonly Theme[] = ['system', 'light', 'dark']

function kept<T extends string>(name: string, known: readonly T[]): Store<T> {
  const key = `jobistemer ${name}`
  let value: string | null = null
  try {
    value = window.localStorage.getItem(key)
  } catch {
    // If the browser denies access to its local storage, the preference has its default, the first value of `known`.
  }
  const store = new Store<T>(known.find((one) => one === value) ?? (known[0] as T))
  store.listen(() => {
    try {
      window.localStorage.setItem(key, store.value)
    } catch {
      // Without access to the browser's local storage, the page keeps the preference until the user closes or reloads the page.
    }
  })
  return store
}

export const zonePreference: Store<Zone> = kept('zone', zones)
export const themePreference: Store<Theme> = kept('theme', themes)

export function applyTheme(): void {
  const show = (): void => {
    document.documentElement.dataset.theme = themePreference.value
  }
  themePreference.listen(show)
  show()
}
